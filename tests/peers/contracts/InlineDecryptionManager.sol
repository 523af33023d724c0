pragma solidity 0.8.28;

import {DecryptionsByIdentity} from "./DecryptionManager.sol";
import {HTTPZ} from "./HTTPZ.sol";

/// Public decryptions whose events carry the ciphertexts themselves, as until 2025-03-11.
contract InlineDecryptionManager is DecryptionsByIdentity {
    struct InlineMaterial {
        uint256 ctHandle;
        uint256 keyId;
        bytes snsCiphertext;
    }

    event PublicDecryptionRequest(uint256 indexed publicDecryptionId, InlineMaterial[] snsCtMaterials);

    constructor(HTTPZ registry) DecryptionsByIdentity(registry) {}

    function publicDecryptionRequest(InlineMaterial[] calldata snsCtMaterials) external {
        uint256[] memory ctHandles = new uint256[](snsCtMaterials.length);
        for (uint256 i = 0; i < ctHandles.length; i++) ctHandles[i] = snsCtMaterials[i].ctHandle;
        emit PublicDecryptionRequest(openPublic(ctHandles), snsCtMaterials);
    }
}
