pragma solidity 0.8.28;

import {Admin} from "./Admin.sol";

/// Who may have a ciphertext decrypted: the optional fourth contract of profile `httpz-2025-04`.
contract AprilACLManager is Admin {
    mapping(bytes32 => mapping(address => bool)) public allowedAccounts;
    mapping(bytes32 => bool) public allowedPublicDecrypts;

    function allowAccount(bytes32 ctHandle, address account, bool allowed) external onlyOwner {
        allowedAccounts[ctHandle][account] = allowed;
    }

    function allowPublicDecrypt(bytes32[] calldata ctHandles, bool allowed) external onlyOwner {
        for (uint256 i = 0; i < ctHandles.length; i++) allowedPublicDecrypts[ctHandles[i]] = allowed;
    }
}
