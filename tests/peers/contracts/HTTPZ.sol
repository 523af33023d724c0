pragma solidity 0.8.28;

import {KeyOperations} from "./KeyOperations.sol";

/// The registry of KMS nodes and coprocessors, and the key operations, of profile `httpz`.
contract HTTPZ is KeyOperations {
    struct FheParams {
        string name;
    }

    struct KmsNode {
        address connectorAddress;
        bytes identity;
        string ipAddress;
    }

    struct Coprocessor {
        address connectorAddress;
        bytes identity;
        string s3BucketUrl;
    }

    event PreprocessKeygenRequest(uint256 preKeyRequestId, FheParams fheParams);
    event PreprocessKeygenResponse(uint256 preKeyRequestId, uint256 preKeyId);
    event PreprocessKskRequest(uint256 preKskRequestId, FheParams fheParams);
    event PreprocessKskResponse(uint256 preKskRequestId, uint256 preKskId);
    event KeygenRequest(uint256 preKeyId, FheParams fheParams);
    event KeygenResponse(uint256 preKeyId, uint256 keyId, FheParams fheParams);
    event CrsgenRequest(uint256 crsgenRequestId, FheParams fheParams);
    event CrsgenResponse(uint256 crsgenRequestId, uint256 crsId, FheParams fheParams);
    event KskRequest(uint256 preKskId, uint256 sourceKeyId, uint256 destKeyId, FheParams fheParams);
    event KskResponse(uint256 preKskId, uint256 kskId, FheParams fheParams);
    event UpdateFheParams(FheParams fheParams);

    error InvalidKmsNodeSender(address sender);
    error InvalidCoprocessorSender(address sender);
    error PreprocessKeygenKmsNodeAlreadyResponded(uint256 preKeyRequestId);
    error PreprocessKskKmsNodeAlreadyResponded(uint256 preKskRequestId);
    error KeygenKmsNodeAlreadyResponded(uint256 preKeyId);
    error CrsgenKmsNodeAlreadyResponded(uint256 crsgenRequestId);
    error KskKmsNodeAlreadyResponded(uint256 preKskId);

    KmsNode[] private kmsNodes;
    Coprocessor[] private coprocessors;
    mapping(address => uint256) private kmsNodeIndex; // position + 1
    mapping(address => uint256) private coprocessorIndex; // position + 1

    uint256 public publicThreshold = 1;
    uint256 public userThreshold = 1;
    uint256 public keyThreshold = 1;
    FheParams private fheParams = FheParams("TEST");
    mapping(Kind => mapping(uint256 => FheParams)) private paramsOf; // when it was asked for

    modifier onlyKmsNode() {
        if (kmsNodeIndex[msg.sender] == 0) revert InvalidKmsNodeSender(msg.sender);
        _;
    }

    // ---- registry, by the owner ----

    function addKmsNode(address connectorAddress, bytes calldata identity, string calldata ipAddress)
        external
        onlyOwner
    {
        require(kmsNodeIndex[connectorAddress] == 0, "known KMS node");
        kmsNodes.push(KmsNode(connectorAddress, identity, ipAddress));
        kmsNodeIndex[connectorAddress] = kmsNodes.length;
    }

    function removeKmsNode(address connectorAddress) external onlyOwner {
        uint256 at = kmsNodeIndex[connectorAddress];
        require(at != 0, "unknown KMS node");
        KmsNode storage last = kmsNodes[kmsNodes.length - 1];
        if (at != kmsNodes.length) {
            kmsNodes[at - 1] = last;
            kmsNodeIndex[last.connectorAddress] = at;
        }
        kmsNodes.pop();
        delete kmsNodeIndex[connectorAddress];
    }

    function addCoprocessor(address connectorAddress, bytes calldata identity, string calldata s3BucketUrl)
        external
        onlyOwner
    {
        require(coprocessorIndex[connectorAddress] == 0, "known coprocessor");
        coprocessors.push(Coprocessor(connectorAddress, identity, s3BucketUrl));
        coprocessorIndex[connectorAddress] = coprocessors.length;
    }

    function removeCoprocessor(address connectorAddress) external onlyOwner {
        uint256 at = coprocessorIndex[connectorAddress];
        require(at != 0, "unknown coprocessor");
        Coprocessor storage last = coprocessors[coprocessors.length - 1];
        if (at != coprocessors.length) {
            coprocessors[at - 1] = last;
            coprocessorIndex[last.connectorAddress] = at;
        }
        coprocessors.pop();
        delete coprocessorIndex[connectorAddress];
    }

    function setThresholds(uint256 forPublic, uint256 forUser, uint256 forKeys) external onlyOwner {
        publicThreshold = forPublic;
        userThreshold = forUser;
        keyThreshold = forKeys;
    }

    function updateFheParams(FheParams calldata params) external onlyOwner {
        fheParams = params;
        emit UpdateFheParams(params);
    }

    function threshold() internal view override returns (uint256) {
        return keyThreshold;
    }

    function checkCoprocessor() internal view override returns (uint256) {
        if (coprocessorIndex[msg.sender] == 0) revert InvalidCoprocessorSender(msg.sender);
        return coprocessors.length;
    }

    // ---- key operations: requests ----

    function preprocessKeygenRequest() external onlyOwner {
        emit PreprocessKeygenRequest(openNext(Kind.PreKeygen), fheParams);
    }

    function preprocessKskRequest() external onlyOwner {
        emit PreprocessKskRequest(openNext(Kind.PreKsk), fheParams);
    }

    function crsgenRequest() external onlyOwner {
        uint256 id = openNext(Kind.Crsgen);
        paramsOf[Kind.Crsgen][id] = fheParams;
        emit CrsgenRequest(id, fheParams);
    }

    function keygenRequest(uint256 preKeyId) external onlyOwner {
        openKeygen(preKeyId);
        paramsOf[Kind.Keygen][preKeyId] = fheParams;
        emit KeygenRequest(preKeyId, fheParams);
    }

    function kskRequest(uint256 preKskId, uint256 sourceKeyId, uint256 destKeyId) external onlyOwner {
        openKsk(preKskId, sourceKeyId, destKeyId);
        paramsOf[Kind.Ksk][preKskId] = fheParams;
        emit KskRequest(preKskId, sourceKeyId, destKeyId, fheParams);
    }

    // ---- key operations: responses ----

    function preprocessKeygenResponse(uint256 preKeyRequestId, uint256 preKeyId) external onlyKmsNode whenNotPaused {
        if (answered(Kind.PreKeygen, preKeyRequestId)) revert PreprocessKeygenKmsNodeAlreadyResponded(preKeyRequestId);
        if (vote(Kind.PreKeygen, preKeyRequestId, preKeyId)) emit PreprocessKeygenResponse(preKeyRequestId, preKeyId);
    }

    function preprocessKskResponse(uint256 preKskRequestId, uint256 preKskId) external onlyKmsNode whenNotPaused {
        if (answered(Kind.PreKsk, preKskRequestId)) revert PreprocessKskKmsNodeAlreadyResponded(preKskRequestId);
        if (vote(Kind.PreKsk, preKskRequestId, preKskId)) emit PreprocessKskResponse(preKskRequestId, preKskId);
    }

    function keygenResponse(uint256 preKeyId, uint256 keyId) external onlyKmsNode whenNotPaused {
        if (answered(Kind.Keygen, preKeyId)) revert KeygenKmsNodeAlreadyResponded(preKeyId);
        if (vote(Kind.Keygen, preKeyId, keyId)) emit KeygenResponse(preKeyId, keyId, paramsOf[Kind.Keygen][preKeyId]);
    }

    function crsgenResponse(uint256 crsgenRequestId, uint256 crsId) external onlyKmsNode whenNotPaused {
        if (answered(Kind.Crsgen, crsgenRequestId)) revert CrsgenKmsNodeAlreadyResponded(crsgenRequestId);
        if (vote(Kind.Crsgen, crsgenRequestId, crsId)) {
            emit CrsgenResponse(crsgenRequestId, crsId, paramsOf[Kind.Crsgen][crsgenRequestId]);
        }
    }

    function kskResponse(uint256 preKskId, uint256 kskId) external onlyKmsNode whenNotPaused {
        if (answered(Kind.Ksk, preKskId)) revert KskKmsNodeAlreadyResponded(preKskId);
        if (vote(Kind.Ksk, preKskId, kskId)) emit KskResponse(preKskId, kskId, paramsOf[Kind.Ksk][preKskId]);
    }

    // ---- reads ----

    function getKmsNodes() external view returns (KmsNode[] memory) {
        return kmsNodes;
    }

    function getKmsIdentities() external view returns (bytes[] memory list) {
        list = new bytes[](kmsNodes.length);
        for (uint256 i = 0; i < list.length; i++) list[i] = kmsNodes[i].identity;
    }

    function getCoprocessors() external view returns (Coprocessor[] memory) {
        return coprocessors;
    }

    function getCoprocessorIdentities() external view returns (bytes[] memory list) {
        list = new bytes[](coprocessors.length);
        for (uint256 i = 0; i < list.length; i++) list[i] = coprocessors[i].identity;
    }

    function getFheParams() external view returns (FheParams memory) {
        return fheParams;
    }

    function isKmsNode(address account) external view returns (bool) {
        return kmsNodeIndex[account] != 0;
    }

    function isCoprocessor(address account) external view returns (bool) {
        return coprocessorIndex[account] != 0;
    }

    function getKmsMajorityThreshold() external view returns (uint256) {
        return publicThreshold;
    }

    function getKmsReconstructionThreshold() external view returns (uint256) {
        return userThreshold;
    }

    function identityOf(address connectorAddress) external view returns (bytes memory) {
        uint256 at = kmsNodeIndex[connectorAddress];
        if (at == 0) revert InvalidKmsNodeSender(connectorAddress);
        return kmsNodes[at - 1].identity;
    }
}
