pragma solidity 0.8.28;

import {Admin} from "./Admin.sol";

/// The registry of KMS nodes and coprocessors, and the key operations of profile `httpz`.
///
/// A key operation is asked for by the owner and gets a correlation id; each registered KMS node
/// answers once with the result id it chose; the operation is done when the threshold of nodes
/// has named the same result id.  Later answers are taken silently, once per node.
contract HTTPZ is Admin {
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

    enum Kind {
        PreKeygen,
        PreKsk,
        Keygen,
        Crsgen,
        Ksk
    }

    struct Operation {
        bool requested;
        bool done;
        uint256 result;
        string params;
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
    event ActivateKeyRequest(uint256 keyId);
    event ActivateKeyResponse(uint256 keyId);
    event UpdateFheParams(FheParams fheParams);

    error InvalidKmsNodeSender(address sender);
    error InvalidCoprocessorSender(address sender);
    error PreprocessKeygenKmsNodeAlreadyResponded(uint256 preKeyRequestId);
    error PreprocessKskKmsNodeAlreadyResponded(uint256 preKskRequestId);
    error KeygenKmsNodeAlreadyResponded(uint256 preKeyId);
    error CrsgenKmsNodeAlreadyResponded(uint256 crsgenRequestId);
    error KskKmsNodeAlreadyResponded(uint256 preKskId);
    error ActivateKeyCoprocessorAlreadyResponded(uint256 keyId);
    error OperationNotRequested(uint256 correlationId);
    error OperationAlreadyRequested(uint256 correlationId);
    error PreprocessingRequired(uint256 preId);
    error KeyNotGenerated(uint256 keyId);
    error SourceAndDestKeysAreEqual();
    error KskMissing(uint256 sourceKeyId, uint256 destKeyId);

    KmsNode[] private kmsNodes;
    Coprocessor[] private coprocessors;
    mapping(address => uint256) private kmsNodeIndex; // position + 1
    mapping(address => uint256) private coprocessorIndex; // position + 1

    uint256 public publicThreshold = 1;
    uint256 public userThreshold = 1;
    uint256 public keyThreshold = 1;
    uint256 private currentKeyId;
    FheParams private fheParams = FheParams("TEST");

    mapping(Kind => uint256) private counter;
    mapping(Kind => mapping(uint256 => Operation)) private operations;
    mapping(Kind => mapping(uint256 => mapping(uint256 => uint256))) private votes;
    mapping(Kind => mapping(uint256 => mapping(address => bool))) private responded;
    mapping(uint256 => bool) private preKeyDone;
    mapping(uint256 => bool) private preKskDone;
    mapping(uint256 => bool) private keyDone;
    mapping(uint256 => uint256[2]) private kskEnds; // by preKskId: source, destination
    mapping(uint256 => mapping(uint256 => bool)) private kskDone;
    mapping(uint256 => bool) private activationOpen;
    mapping(uint256 => mapping(address => bool)) private activationVoted;
    mapping(uint256 => uint256) private activationVotes;

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

    function setCurrentKeyId(uint256 keyId) external onlyOwner {
        currentKeyId = keyId;
        keyDone[keyId] = true;
    }

    function updateFheParams(FheParams calldata params) external onlyOwner {
        fheParams = params;
        emit UpdateFheParams(params);
    }

    // ---- key operations: requests ----

    function preprocessKeygenRequest() external onlyOwner {
        uint256 id = ++counter[Kind.PreKeygen];
        open(Kind.PreKeygen, id);
        emit PreprocessKeygenRequest(id, fheParams);
    }

    function preprocessKskRequest() external onlyOwner {
        uint256 id = ++counter[Kind.PreKsk];
        open(Kind.PreKsk, id);
        emit PreprocessKskRequest(id, fheParams);
    }

    function crsgenRequest() external onlyOwner {
        uint256 id = ++counter[Kind.Crsgen];
        open(Kind.Crsgen, id);
        emit CrsgenRequest(id, fheParams);
    }

    function keygenRequest(uint256 preKeyId) external onlyOwner {
        if (!preKeyDone[preKeyId]) revert PreprocessingRequired(preKeyId);
        open(Kind.Keygen, preKeyId);
        emit KeygenRequest(preKeyId, fheParams);
    }

    function kskRequest(uint256 preKskId, uint256 sourceKeyId, uint256 destKeyId) external onlyOwner {
        if (!preKskDone[preKskId]) revert PreprocessingRequired(preKskId);
        if (sourceKeyId == destKeyId) revert SourceAndDestKeysAreEqual();
        if (!keyDone[sourceKeyId]) revert KeyNotGenerated(sourceKeyId);
        if (!keyDone[destKeyId]) revert KeyNotGenerated(destKeyId);
        open(Kind.Ksk, preKskId);
        kskEnds[preKskId] = [sourceKeyId, destKeyId];
        emit KskRequest(preKskId, sourceKeyId, destKeyId, fheParams);
    }

    function activateKeyRequest(uint256 keyId) external onlyOwner {
        if (!keyDone[keyId]) revert KeyNotGenerated(keyId);
        if (currentKeyId != 0 && !kskDone[currentKeyId][keyId]) revert KskMissing(currentKeyId, keyId);
        activationOpen[keyId] = true;
        emit ActivateKeyRequest(keyId);
    }

    // ---- key operations: responses ----

    function preprocessKeygenResponse(uint256 preKeyRequestId, uint256 preKeyId) external onlyKmsNode whenNotPaused {
        if (answered(Kind.PreKeygen, preKeyRequestId)) revert PreprocessKeygenKmsNodeAlreadyResponded(preKeyRequestId);
        if (vote(Kind.PreKeygen, preKeyRequestId, preKeyId)) {
            preKeyDone[preKeyId] = true;
            emit PreprocessKeygenResponse(preKeyRequestId, preKeyId);
        }
    }

    function preprocessKskResponse(uint256 preKskRequestId, uint256 preKskId) external onlyKmsNode whenNotPaused {
        if (answered(Kind.PreKsk, preKskRequestId)) revert PreprocessKskKmsNodeAlreadyResponded(preKskRequestId);
        if (vote(Kind.PreKsk, preKskRequestId, preKskId)) {
            preKskDone[preKskId] = true;
            emit PreprocessKskResponse(preKskRequestId, preKskId);
        }
    }

    function keygenResponse(uint256 preKeyId, uint256 keyId) external onlyKmsNode whenNotPaused {
        if (answered(Kind.Keygen, preKeyId)) revert KeygenKmsNodeAlreadyResponded(preKeyId);
        if (vote(Kind.Keygen, preKeyId, keyId)) {
            keyDone[keyId] = true;
            emit KeygenResponse(preKeyId, keyId, FheParams(operations[Kind.Keygen][preKeyId].params));
        }
    }

    function crsgenResponse(uint256 crsgenRequestId, uint256 crsId) external onlyKmsNode whenNotPaused {
        if (answered(Kind.Crsgen, crsgenRequestId)) revert CrsgenKmsNodeAlreadyResponded(crsgenRequestId);
        if (vote(Kind.Crsgen, crsgenRequestId, crsId)) {
            emit CrsgenResponse(crsgenRequestId, crsId, FheParams(operations[Kind.Crsgen][crsgenRequestId].params));
        }
    }

    function kskResponse(uint256 preKskId, uint256 kskId) external onlyKmsNode whenNotPaused {
        if (answered(Kind.Ksk, preKskId)) revert KskKmsNodeAlreadyResponded(preKskId);
        if (vote(Kind.Ksk, preKskId, kskId)) {
            kskDone[kskEnds[preKskId][0]][kskEnds[preKskId][1]] = true;
            emit KskResponse(preKskId, kskId, FheParams(operations[Kind.Ksk][preKskId].params));
        }
    }

    /// Belongs to the coprocessors: more than half of them make the key the current one.
    function activateKeyResponse(uint256 keyId) external whenNotPaused {
        if (coprocessorIndex[msg.sender] == 0) revert InvalidCoprocessorSender(msg.sender);
        if (activationVoted[keyId][msg.sender]) revert ActivateKeyCoprocessorAlreadyResponded(keyId);
        activationVoted[keyId][msg.sender] = true;
        activationVotes[keyId]++;
        if (activationOpen[keyId] && 2 * activationVotes[keyId] > coprocessors.length) {
            activationOpen[keyId] = false;
            currentKeyId = keyId;
            emit ActivateKeyResponse(keyId);
        }
    }

    function open(Kind kind, uint256 id) private {
        Operation storage op = operations[kind][id];
        if (op.requested) revert OperationAlreadyRequested(id);
        op.requested = true;
        op.params = fheParams.name;
    }

    function answered(Kind kind, uint256 id) private view returns (bool) {
        if (!operations[kind][id].requested) revert OperationNotRequested(id);
        return responded[kind][id][msg.sender];
    }

    /// True when this vote is the one that completes the operation.
    function vote(Kind kind, uint256 id, uint256 result) private returns (bool) {
        responded[kind][id][msg.sender] = true;
        Operation storage op = operations[kind][id];
        if (op.done) return false;
        if (++votes[kind][id][result] < keyThreshold) return false;
        op.done = true;
        op.result = result;
        return true;
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

    function getCurrentKeyId() external view returns (uint256) {
        return currentKeyId;
    }

    function isCurrentKeyId(uint256 keyId) external view returns (bool) {
        return keyId == currentKeyId;
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

    /// For a judge: the state of one key operation and whether one node has answered it.
    function operationOf(Kind kind, uint256 id, address node)
        external
        view
        returns (bool requested, bool done, uint256 result, bool nodeAnswered)
    {
        Operation storage op = operations[kind][id];
        return (op.requested, op.done, op.result, responded[kind][id][node]);
    }
}
