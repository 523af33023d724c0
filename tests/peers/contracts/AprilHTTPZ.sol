pragma solidity 0.8.28;

import {Admin} from "./Admin.sol";

/// The registry of profile `httpz-2025-04`: no lists of nodes and coprocessors, but each by the
/// address that sends its transactions.  What is not registered is returned as zeros.
contract AprilHTTPZ is Admin {
    struct KmsNode {
        address txSenderAddress;
        address signerAddress;
        string ipAddress;
    }

    struct Coprocessor {
        address txSenderAddress;
        address signerAddress;
        string s3BucketUrl;
    }

    error NotKmsTxSender(address sender);
    error NotKmsSigner(address signer);
    error NotCoprocessorTxSender(address sender);

    mapping(address => KmsNode) private nodes;
    mapping(address => Coprocessor) private holders;
    mapping(address => bool) private isSigner;
    address[] private kmsTxSenders;
    address[] private coprocessorTxSenders;

    uint256 public publicThreshold = 1;
    uint256 public userThreshold = 1;
    uint256 public keyThreshold = 1;

    // ---- by the owner ----

    function addKmsNode(address txSender, address signer, string calldata ipAddress) external onlyOwner {
        require(nodes[txSender].txSenderAddress == address(0), "known KMS node");
        nodes[txSender] = KmsNode(txSender, signer, ipAddress);
        isSigner[signer] = true;
        kmsTxSenders.push(txSender);
    }

    function removeKmsNode(address txSender) external onlyOwner {
        require(nodes[txSender].txSenderAddress != address(0), "unknown KMS node");
        delete isSigner[nodes[txSender].signerAddress];
        delete nodes[txSender];
        forget(kmsTxSenders, txSender);
    }

    function addCoprocessor(address txSender, address signer, string calldata s3BucketUrl) external onlyOwner {
        require(holders[txSender].txSenderAddress == address(0), "known coprocessor");
        holders[txSender] = Coprocessor(txSender, signer, s3BucketUrl);
        coprocessorTxSenders.push(txSender);
    }

    function removeCoprocessor(address txSender) external onlyOwner {
        require(holders[txSender].txSenderAddress != address(0), "unknown coprocessor");
        delete holders[txSender];
        forget(coprocessorTxSenders, txSender);
    }

    function setThresholds(uint256 forPublic, uint256 forUser, uint256 forKeys) external onlyOwner {
        publicThreshold = forPublic;
        userThreshold = forUser;
        keyThreshold = forKeys;
    }

    function forget(address[] storage list, address which) private {
        for (uint256 i = 0; i < list.length; i++) {
            if (list[i] != which) continue;
            list[i] = list[list.length - 1];
            list.pop();
            return;
        }
    }

    // ---- reads ----

    function kmsNodes(address kmsTxSenderAddress) external view returns (KmsNode memory) {
        return nodes[kmsTxSenderAddress];
    }

    function coprocessors(address coprocessorTxSenderAddress) external view returns (Coprocessor memory) {
        return holders[coprocessorTxSenderAddress];
    }

    function getAllKmsTxSenderAddresses() external view returns (address[] memory) {
        return kmsTxSenders;
    }

    function getAllCoprocessorTxSenderAddresses() external view returns (address[] memory) {
        return coprocessorTxSenders;
    }

    function getKmsMajorityThreshold() external view returns (uint256) {
        return publicThreshold;
    }

    function getKmsReconstructionThreshold() external view returns (uint256) {
        return userThreshold;
    }

    function checkIsKmsTxSender(address sender) external view {
        if (nodes[sender].txSenderAddress == address(0)) revert NotKmsTxSender(sender);
    }

    function checkIsKmsSigner(address signer) external view {
        if (!isSigner[signer]) revert NotKmsSigner(signer);
    }

    function checkIsCoprocessorTxSender(address sender) external view {
        if (holders[sender].txSenderAddress == address(0)) revert NotCoprocessorTxSender(sender);
    }
}
