pragma solidity 0.8.28;

import {Admin} from "./Admin.sol";

/// The key operations of all profiles: what may be asked for when, and what the nodes' answers
/// add up to.  A profile's contract adds the functions, events and errors of its date.
///
/// An operation is asked for by the owner and gets a correlation id; each registered KMS node
/// answers once with the result id it chose; the operation is done when the threshold of nodes
/// has named the same result id.  Later answers are taken silently, once per node.
abstract contract KeyOperations is Admin {
    enum Kind {
        PreKeygen,
        PreKsk,
        Keygen,
        Crsgen,
        Ksk
    }

    event ActivateKeyRequest(uint256 keyId);
    event ActivateKeyResponse(uint256 keyId);

    error ActivateKeyCoprocessorAlreadyResponded(uint256 keyId);
    error OperationNotRequested(uint256 correlationId);
    error OperationAlreadyRequested(uint256 correlationId);
    error PreprocessingRequired(uint256 preId);
    error KeyNotGenerated(uint256 keyId);
    error SourceAndDestKeysAreEqual();
    error KskMissing(uint256 sourceKeyId, uint256 destKeyId);

    uint256 private currentKeyId;
    mapping(Kind => uint256) private counter;
    mapping(Kind => mapping(uint256 => bool)) private requested;
    mapping(Kind => mapping(uint256 => bool)) private done; // by correlation id
    mapping(Kind => mapping(uint256 => bool)) private made; // by result id
    mapping(Kind => mapping(uint256 => mapping(uint256 => uint256))) private votes;
    mapping(Kind => mapping(uint256 => mapping(address => bool))) private responded;
    mapping(uint256 => uint256[2]) private kskEnds; // by preKskId: source, destination
    mapping(uint256 => mapping(uint256 => bool)) private kskMade;
    mapping(uint256 => bool) private activationOpen;
    mapping(uint256 => mapping(address => bool)) private activationVoted;
    mapping(uint256 => uint256) private activationVotes;

    // ---- what a profile decides ----

    function threshold() internal view virtual returns (uint256);
    /// Reverts unless the sender is a registered coprocessor; returns how many there are.
    function checkCoprocessor() internal view virtual returns (uint256 coprocessors);

    // ---- requests ----

    /// A new correlation id.
    function openNext(Kind kind) internal returns (uint256 id) {
        id = ++counter[kind];
        open(kind, id);
    }

    function openKeygen(uint256 preKeyId) internal {
        if (!made[Kind.PreKeygen][preKeyId]) revert PreprocessingRequired(preKeyId);
        open(Kind.Keygen, preKeyId);
    }

    function openKsk(uint256 preKskId, uint256 sourceKeyId, uint256 destKeyId) internal {
        if (!made[Kind.PreKsk][preKskId]) revert PreprocessingRequired(preKskId);
        if (sourceKeyId == destKeyId) revert SourceAndDestKeysAreEqual();
        if (!made[Kind.Keygen][sourceKeyId]) revert KeyNotGenerated(sourceKeyId);
        if (!made[Kind.Keygen][destKeyId]) revert KeyNotGenerated(destKeyId);
        open(Kind.Ksk, preKskId);
        kskEnds[preKskId] = [sourceKeyId, destKeyId];
    }

    function open(Kind kind, uint256 id) private {
        if (requested[kind][id]) revert OperationAlreadyRequested(id);
        requested[kind][id] = true;
    }

    function activateKeyRequest(uint256 keyId) external onlyOwner {
        if (!made[Kind.Keygen][keyId]) revert KeyNotGenerated(keyId);
        if (currentKeyId != 0 && !kskMade[currentKeyId][keyId]) revert KskMissing(currentKeyId, keyId);
        activationOpen[keyId] = true;
        emit ActivateKeyRequest(keyId);
    }

    function setCurrentKeyId(uint256 keyId) external onlyOwner {
        currentKeyId = keyId;
        made[Kind.Keygen][keyId] = true;
    }

    // ---- responses ----

    function answered(Kind kind, uint256 id) internal view returns (bool) {
        if (!requested[kind][id]) revert OperationNotRequested(id);
        return responded[kind][id][msg.sender];
    }

    /// True when this vote is the one that completes the operation.
    function vote(Kind kind, uint256 id, uint256 result) internal returns (bool) {
        responded[kind][id][msg.sender] = true;
        if (done[kind][id]) return false;
        if (++votes[kind][id][result] < threshold()) return false;
        done[kind][id] = true;
        made[kind][result] = true;
        if (kind == Kind.Ksk) kskMade[kskEnds[id][0]][kskEnds[id][1]] = true;
        return true;
    }

    /// Belongs to the coprocessors: more than half of them make the key the current one.
    function activateKeyResponse(uint256 keyId) external whenNotPaused {
        uint256 coprocessors = checkCoprocessor();
        if (activationVoted[keyId][msg.sender]) revert ActivateKeyCoprocessorAlreadyResponded(keyId);
        activationVoted[keyId][msg.sender] = true;
        activationVotes[keyId]++;
        if (activationOpen[keyId] && 2 * activationVotes[keyId] > coprocessors) {
            activationOpen[keyId] = false;
            currentKeyId = keyId;
            emit ActivateKeyResponse(keyId);
        }
    }

    // ---- reads ----

    function getCurrentKeyId() external view returns (uint256) {
        return currentKeyId;
    }

    function isCurrentKeyId(uint256 keyId) external view returns (bool) {
        return keyId == currentKeyId;
    }
}
