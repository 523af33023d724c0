pragma solidity 0.8.28;

import {AprilHTTPZ} from "./AprilHTTPZ.sol";
import {Decryptions, Registry} from "./Decryptions.sol";

/// Decryptions of profile `httpz-2025-04`: handles are bytes32, and whoever sends must be a
/// registered sender, whoever signs a registered signer, of any node.
contract AprilDecryptionManager is Decryptions {
    struct CtHandleContractPair {
        bytes32 ctHandle;
        address contractAddress;
    }

    struct RequestValidity {
        uint256 startTimestamp;
        uint256 durationDays;
    }

    /// The same words as SnsCiphertextMaterial.
    struct Material {
        bytes32 ctHandle;
        uint256 keyId;
        bytes32 snsCiphertextDigest;
        address[] coprocessorTxSenderAddresses;
    }

    event PublicDecryptionRequest(uint256 indexed publicDecryptionId, Material[] snsCtMaterials);
    event UserDecryptionRequest(
        uint256 indexed userDecryptionId, Material[] snsCtMaterials, address userAddress, bytes publicKey
    );

    error NotKmsTxSender(address sender);
    error NotKmsSigner(address signer);
    error TooManyContracts(uint256 count);
    error DurationTooLong(uint256 durationDays);
    error ContractNotListed(address contractAddress);

    bytes32 private constant PUBLIC_DECRYPT =
        keccak256("PublicDecryptVerification(bytes32[] ctHandles,bytes decryptedResult)");
    bytes32 private constant USER_DECRYPT =
        keccak256("UserDecryptResponseVerification(bytes publicKey,bytes32[] ctHandles,bytes reencryptedShare)");
    bytes32 private constant USER_REQUEST = keccak256(
        "UserDecryptRequestVerification(bytes publicKey,address[] contractAddresses,uint256 contractsChainId,uint256 startTimestamp,uint256 durationDays)"
    );

    AprilHTTPZ private immutable httpz;

    constructor(AprilHTTPZ registry) Decryptions(Registry(address(registry))) {
        httpz = registry;
    }

    function checkSender() internal view override {
        httpz.checkIsKmsTxSender(msg.sender);
    }

    function checkSigner(address signer) internal view override {
        httpz.checkIsKmsSigner(signer);
    }

    /// Nothing of that date says so: over no handles nobody's signature is right.
    function refuseUnknown(uint256) internal pure override {}

    function publicStruct(bytes32 handles, bytes32 result) internal pure override returns (bytes32) {
        return keccak256(abi.encode(PUBLIC_DECRYPT, handles, result));
    }

    function userStruct(bytes32 publicKey, bytes32 handles, bytes32 share) internal pure override returns (bytes32) {
        return keccak256(abi.encode(USER_DECRYPT, publicKey, handles, share));
    }

    function publicDecryptionRequest(bytes32[] calldata ctHandles) external {
        requestPublic(ctHandles);
    }

    /// Many requests in one transaction, each over `size` of the handles in turn.
    function publicDecryptionRequests(bytes32[] calldata ctHandles, uint256 size) external {
        for (uint256 i = 0; i + size <= ctHandles.length; i += size) requestPublic(ctHandles[i:i + size]);
    }

    function requestPublic(bytes32[] calldata handles) private {
        uint256[] calldata ctHandles;
        assembly {
            ctHandles.offset := handles.offset
            ctHandles.length := handles.length
        }
        Material[] memory list = materialsOf(ctHandles);
        emit PublicDecryptionRequest(openPublic(ctHandles), list);
    }

    function userDecryptionRequest(
        CtHandleContractPair[] calldata ctHandleContractPairs,
        RequestValidity calldata requestValidity,
        uint256 contractsChainId,
        address[] calldata contractAddresses,
        address userAddress,
        bytes calldata publicKey,
        bytes calldata signature
    ) external {
        uint256[] memory ctHandles = checkPairs(ctHandleContractPairs, contractAddresses);
        if (requestValidity.durationDays > 365) revert DurationTooLong(requestValidity.durationDays);
        bytes32 hash = keccak256(
            abi.encode(
                USER_REQUEST,
                keccak256(publicKey),
                keccak256(abi.encodePacked(contractAddresses)),
                contractsChainId,
                requestValidity.startTimestamp,
                requestValidity.durationDays
            )
        );
        checkUser(userAddress, hash, signature);
        Material[] memory list = materialsOf(ctHandles);
        emit UserDecryptionRequest(openUser(ctHandles, publicKey), list, userAddress, publicKey);
    }

    /// Each ciphertext's contract must be among those that the user has signed.
    function checkPairs(CtHandleContractPair[] calldata pairs, address[] calldata contracts)
        private
        pure
        returns (uint256[] memory ctHandles)
    {
        if (contracts.length == 0 || contracts.length > 10) revert TooManyContracts(contracts.length);
        ctHandles = new uint256[](pairs.length);
        for (uint256 i = 0; i < pairs.length; i++) {
            bool listed = false;
            for (uint256 k = 0; k < contracts.length && !listed; k++) listed = contracts[k] == pairs[i].contractAddress;
            if (!listed) revert ContractNotListed(pairs[i].contractAddress);
            ctHandles[i] = uint256(pairs[i].ctHandle);
        }
    }

    function materialsOf(uint256[] memory ctHandles) private view returns (Material[] memory list) {
        SnsCiphertextMaterial[] memory same = materials(ctHandles);
        assembly {
            list := same
        }
    }
}
