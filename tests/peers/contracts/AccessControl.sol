pragma solidity 0.8.28;

import {Admin} from "./Admin.sol";

/// Who may have a ciphertext decrypted: the optional third contract of profile `httpz`.
contract AccessControl is Admin {
    mapping(uint256 => mapping(address => bool)) public allowedAccounts;
    mapping(uint256 => bool) public allowedPublicDecrypts;

    function allowAccount(uint256 ctHandle, address account, bool allowed) external onlyOwner {
        allowedAccounts[ctHandle][account] = allowed;
    }

    function allowPublicDecrypt(uint256[] calldata ctHandles, bool allowed) external onlyOwner {
        for (uint256 i = 0; i < ctHandles.length; i++) allowedPublicDecrypts[ctHandles[i]] = allowed;
    }
}
