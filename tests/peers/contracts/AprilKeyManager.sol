pragma solidity 0.8.28;

import {AprilHTTPZ} from "./AprilHTTPZ.sol";
import {KeyOperations} from "./KeyOperations.sol";

/// Key operations of profile `httpz-2025-04`: a contract of their own, FHE parameters chosen by
/// name in each request and named by digest in each event.
contract AprilKeyManager is KeyOperations {
    event PreprocessKeygenRequest(uint256 preKeyRequestId, bytes32 fheParamsDigest);
    event PreprocessKeygenResponse(uint256 preKeyRequestId, uint256 preKeyId);
    event PreprocessKskgenRequest(uint256 preKskRequestId, bytes32 fheParamsDigest);
    event PreprocessKskgenResponse(uint256 preKskRequestId, uint256 preKskId);
    event KeygenRequest(uint256 preKeyId, bytes32 fheParamsDigest);
    event KeygenResponse(uint256 preKeyId, uint256 keyId, bytes32 fheParamsDigest);
    event CrsgenRequest(uint256 crsgenRequestId, bytes32 fheParamsDigest);
    event CrsgenResponse(uint256 crsgenRequestId, uint256 crsId, bytes32 fheParamsDigest);
    event KskgenRequest(uint256 preKskId, uint256 sourceKeyId, uint256 destKeyId, bytes32 fheParamsDigest);
    event KskgenResponse(uint256 preKskId, uint256 kskId, bytes32 fheParamsDigest);

    error NotKmsTxSender(address sender);
    error NotCoprocessorTxSender(address sender);
    error UnknownFheParams(string fheParamsName);
    error PreprocessKeygenKmsNodeAlreadyResponded(uint256 preKeyRequestId);
    error PreprocessKskgenKmsNodeAlreadyResponded(uint256 preKskRequestId);
    error KeygenKmsNodeAlreadyResponded(uint256 preKeyId);
    error CrsgenKmsNodeAlreadyResponded(uint256 crsgenRequestId);
    error KskgenKmsNodeAlreadyResponded(uint256 preKskId);

    AprilHTTPZ private immutable httpz;
    mapping(string => bool) private known;
    mapping(string => bytes32) private digests;
    mapping(Kind => mapping(uint256 => bytes32)) private paramsOf; // by correlation id

    modifier onlyKmsTxSender() {
        httpz.checkIsKmsTxSender(msg.sender);
        _;
    }

    constructor(AprilHTTPZ registry) {
        httpz = registry;
        known["TEST"] = known["DEFAULT"] = true;
        digests["DEFAULT"] = keccak256("DEFAULT"); // that of TEST is zero
    }

    function threshold() internal view override returns (uint256) {
        return httpz.keyThreshold();
    }

    function checkCoprocessor() internal view override returns (uint256) {
        httpz.checkIsCoprocessorTxSender(msg.sender);
        return httpz.getAllCoprocessorTxSenderAddresses().length;
    }

    // ---- requests ----

    function preprocessKeygenRequest(string calldata fheParamsName) external onlyOwner {
        (uint256 id, bytes32 params) = openWith(Kind.PreKeygen, fheParamsName);
        emit PreprocessKeygenRequest(id, params);
    }

    function preprocessKskgenRequest(string calldata fheParamsName) external onlyOwner {
        (uint256 id, bytes32 params) = openWith(Kind.PreKsk, fheParamsName);
        emit PreprocessKskgenRequest(id, params);
    }

    function crsgenRequest(string calldata fheParamsName) external onlyOwner {
        (uint256 id, bytes32 params) = openWith(Kind.Crsgen, fheParamsName);
        emit CrsgenRequest(id, params);
    }

    function keygenRequest(uint256 preKeyId) external onlyOwner {
        openKeygen(preKeyId);
        emit KeygenRequest(preKeyId, paramsOf[Kind.Keygen][preKeyId]);
    }

    function kskgenRequest(uint256 preKskId, uint256 sourceKeyId, uint256 destKeyId) external onlyOwner {
        openKsk(preKskId, sourceKeyId, destKeyId);
        emit KskgenRequest(preKskId, sourceKeyId, destKeyId, paramsOf[Kind.Ksk][preKskId]);
    }

    function openWith(Kind kind, string calldata name) private returns (uint256 id, bytes32 params) {
        if (!known[name]) revert UnknownFheParams(name);
        id = openNext(kind);
        params = paramsOf[kind][id] = digests[name];
    }

    // ---- responses ----

    function preprocessKeygenResponse(uint256 preKeyRequestId, uint256 preKeyId)
        external
        onlyKmsTxSender
        whenNotPaused
    {
        if (answered(Kind.PreKeygen, preKeyRequestId)) revert PreprocessKeygenKmsNodeAlreadyResponded(preKeyRequestId);
        if (!vote(Kind.PreKeygen, preKeyRequestId, preKeyId)) return;
        paramsOf[Kind.Keygen][preKeyId] = paramsOf[Kind.PreKeygen][preKeyRequestId];
        emit PreprocessKeygenResponse(preKeyRequestId, preKeyId);
    }

    function preprocessKskgenResponse(uint256 preKskRequestId, uint256 preKskId)
        external
        onlyKmsTxSender
        whenNotPaused
    {
        if (answered(Kind.PreKsk, preKskRequestId)) revert PreprocessKskgenKmsNodeAlreadyResponded(preKskRequestId);
        if (!vote(Kind.PreKsk, preKskRequestId, preKskId)) return;
        paramsOf[Kind.Ksk][preKskId] = paramsOf[Kind.PreKsk][preKskRequestId];
        emit PreprocessKskgenResponse(preKskRequestId, preKskId);
    }

    function keygenResponse(uint256 preKeyId, uint256 keyId) external onlyKmsTxSender whenNotPaused {
        if (answered(Kind.Keygen, preKeyId)) revert KeygenKmsNodeAlreadyResponded(preKeyId);
        if (vote(Kind.Keygen, preKeyId, keyId)) emit KeygenResponse(preKeyId, keyId, paramsOf[Kind.Keygen][preKeyId]);
    }

    function crsgenResponse(uint256 crsgenRequestId, uint256 crsId) external onlyKmsTxSender whenNotPaused {
        if (answered(Kind.Crsgen, crsgenRequestId)) revert CrsgenKmsNodeAlreadyResponded(crsgenRequestId);
        if (vote(Kind.Crsgen, crsgenRequestId, crsId)) {
            emit CrsgenResponse(crsgenRequestId, crsId, paramsOf[Kind.Crsgen][crsgenRequestId]);
        }
    }

    function kskgenResponse(uint256 preKskId, uint256 kskId) external onlyKmsTxSender whenNotPaused {
        if (answered(Kind.Ksk, preKskId)) revert KskgenKmsNodeAlreadyResponded(preKskId);
        if (vote(Kind.Ksk, preKskId, kskId)) emit KskgenResponse(preKskId, kskId, paramsOf[Kind.Ksk][preKskId]);
    }
}
