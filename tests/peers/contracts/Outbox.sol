pragma solidity 0.8.28;

/// What an Arbitrum chain's Outbox says on the parent chain when an assertion is confirmed.
contract Outbox {
    event SendRootUpdated(bytes32 indexed outputRoot, bytes32 indexed l2BlockHash);

    mapping(bytes32 => bytes32) public roots;

    function updateSendRoot(bytes32 root, bytes32 l2BlockHash) external {
        roots[root] = l2BlockHash;
        emit SendRootUpdated(root, l2BlockHash);
    }
}
