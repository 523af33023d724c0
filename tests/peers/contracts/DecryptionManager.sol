pragma solidity 0.8.28;

import {Decryptions, Registry} from "./Decryptions.sol";
import {HTTPZ} from "./HTTPZ.sol";

/// Who may answer and what a Core signs, in profile `httpz`: the sender must be a registered node,
/// and the signer the identity registered for that node.
abstract contract DecryptionsByIdentity is Decryptions {
    error InvalidKmsSigner(address signer);
    error InvalidKmsNodeSender(address sender);
    error DecryptionNotRequested(uint256 decryptionId);

    bytes32 private constant PUBLIC_DECRYPT =
        keccak256("PublicDecryptVerification(bytes32[] ctHandles,bytes decryptedResult,bytes extraData)");
    bytes32 private constant USER_DECRYPT = keccak256(
        "UserDecryptResponseVerification(bytes publicKey,bytes32[] ctHandles,bytes userDecryptedShare,bytes extraData)"
    );

    HTTPZ private immutable httpz;

    constructor(HTTPZ registry) Decryptions(Registry(address(registry))) {
        httpz = registry;
    }

    function checkSender() internal view override {
        if (!httpz.isKmsNode(msg.sender)) revert InvalidKmsNodeSender(msg.sender);
    }

    /// An identity of 20 bytes is an address, of 64 or 65 a public key.
    function checkSigner(address signer) internal view override {
        bytes memory identity = httpz.identityOf(msg.sender);
        address registered;
        if (identity.length == 20) {
            registered = address(bytes20(identity));
        } else if (identity.length == 64 || identity.length == 65) {
            uint256 skip = identity.length - 64;
            bytes32 hash;
            assembly {
                hash := keccak256(add(add(identity, 0x20), skip), 64)
            }
            registered = address(uint160(uint256(hash)));
        }
        if (signer != registered) revert InvalidKmsSigner(signer);
    }

    function refuseUnknown(uint256 id) internal pure override {
        revert DecryptionNotRequested(id);
    }

    function publicStruct(bytes32 handles, bytes32 result) internal pure override returns (bytes32) {
        return keccak256(abi.encode(PUBLIC_DECRYPT, handles, result, keccak256("")));
    }

    function userStruct(bytes32 publicKey, bytes32 handles, bytes32 share) internal pure override returns (bytes32) {
        return keccak256(abi.encode(USER_DECRYPT, publicKey, handles, share, keccak256("")));
    }
}

/// Decryptions of profile `httpz`.
contract DecryptionManager is DecryptionsByIdentity {
    struct CiphertextContract {
        uint256 ciphertextHandle;
        address contractAddress;
    }

    event PublicDecryptionRequest(uint256 indexed publicDecryptionId, SnsCiphertextMaterial[] snsCtMaterials);
    event UserDecryptionRequest(
        uint256 indexed userDecryptionId, SnsCiphertextMaterial[] snsCtMaterials, address userAddress, bytes publicKey
    );

    bytes32 private constant USER_REQUEST = keccak256(
        "UserDecryptRequestVerification(bytes publicKey,address[] contractAddresses,uint256 contractsChainId)"
    );

    constructor(HTTPZ registry) DecryptionsByIdentity(registry) {}

    function publicDecryptionRequest(uint256[] calldata ctHandles) external {
        requestPublic(ctHandles);
    }

    /// Many requests in one transaction, each over `size` of the handles in turn.
    function publicDecryptionRequests(uint256[] calldata ctHandles, uint256 size) external {
        for (uint256 i = 0; i + size <= ctHandles.length; i += size) requestPublic(ctHandles[i:i + size]);
    }

    function requestPublic(uint256[] calldata ctHandles) private {
        SnsCiphertextMaterial[] memory list = materials(ctHandles);
        emit PublicDecryptionRequest(openPublic(ctHandles), list);
    }

    function userDecryptionRequest(
        CiphertextContract[] calldata ciphertextContracts,
        address userAddress,
        bytes calldata publicKey,
        uint256 eip712ChainId,
        address[] calldata eip712Contracts,
        bytes calldata eip712Signature
    ) external {
        bytes32 hash = keccak256(
            abi.encode(USER_REQUEST, keccak256(publicKey), keccak256(abi.encodePacked(eip712Contracts)), eip712ChainId)
        );
        checkUser(userAddress, hash, eip712Signature);
        uint256[] memory ctHandles = new uint256[](ciphertextContracts.length);
        for (uint256 i = 0; i < ctHandles.length; i++) ctHandles[i] = ciphertextContracts[i].ciphertextHandle;
        SnsCiphertextMaterial[] memory list = materials(ctHandles);
        emit UserDecryptionRequest(openUser(ctHandles, publicKey), list, userAddress, publicKey);
    }
}
