pragma solidity 0.8.28;

import {Admin} from "./Admin.sol";

/// What a manager of decryptions asks its registry.
interface Registry {
    function publicThreshold() external view returns (uint256);
    function userThreshold() external view returns (uint256);
}

/// Public and user decryptions of all profiles: requests over known ciphertexts, and from each
/// KMS node one answer that the node's own Core has signed (EIP-712).  A profile's contract adds
/// the request functions and events of its date, what is signed, and who may answer.
///
/// A public decryption is done when the threshold of nodes has signed the same digest, a user
/// decryption when the threshold of nodes has sent a share (shares differ, so requests count).
/// Answers that come after that are taken silently, once per node.
abstract contract Decryptions is Admin {
    struct SnsCiphertextMaterial {
        uint256 ctHandle;
        uint256 keyId;
        bytes32 snsCiphertextDigest;
        address[] coprocessorTxSenderAddresses;
    }

    /// A ciphertext as registered; many share one list of coprocessors, kept once by its hash.
    struct Ciphertext {
        uint256 keyId;
        bytes32 digest;
        bytes32 holders;
    }

    struct PublicDecryption {
        bool done;
        uint256[] ctHandles;
    }

    struct UserDecryption {
        bool done;
        uint256[] ctHandles;
        bytes publicKey;
        bytes[] shares;
        bytes[] signatures;
    }

    event PublicDecryptionResponse(uint256 indexed publicDecryptionId, bytes decryptedResult, bytes[] signatures);
    event UserDecryptionResponse(uint256 indexed userDecryptionId, bytes[] reencryptedShares, bytes[] signatures);

    error KmsSignerAlreadyResponded(uint256 decryptionId, address signer);
    error ECDSAInvalidSignature();
    error ECDSAInvalidSignatureLength(uint256 length);
    error ECDSAInvalidSignatureS(bytes32 s);
    error CiphertextUnknown(uint256 ctHandle);
    error DifferentKeyIdsNotAllowed(uint256 keyId);
    error InvalidUserSignature(address recovered);

    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    Registry private immutable registry;
    bool public checkUserSignature = true;
    uint256 public publicCounter;
    uint256 public userCounter;

    mapping(uint256 => Ciphertext) private ciphertexts;
    mapping(bytes32 => address[]) private holderSets;
    mapping(uint256 => PublicDecryption) private publicDecryptions;
    mapping(uint256 => UserDecryption) private userDecryptions;
    mapping(uint256 => mapping(bytes32 => bytes[])) private publicSignatures;
    mapping(uint256 => mapping(address => bool)) public publicResponded;
    mapping(uint256 => mapping(address => bool)) public userResponded;

    constructor(Registry r) {
        registry = r;
    }

    // ---- what a profile decides ----

    /// Reverts unless the sender may answer; reverts unless the signer is a node's, or this node's.
    function checkSender() internal view virtual;
    function checkSigner(address signer) internal view virtual;
    /// An answer to what was never asked for.
    function refuseUnknown(uint256 id) internal pure virtual;
    /// Struct hashes of what the Core signs; handles and result are hashes already.
    function publicStruct(bytes32 handles, bytes32 result) internal pure virtual returns (bytes32);
    function userStruct(bytes32 publicKey, bytes32 handles, bytes32 share) internal pure virtual returns (bytes32);

    // ---- ciphertexts and switches, by the owner ----

    function addCiphertexts(
        uint256[] calldata handles,
        uint256 keyId,
        bytes32[] calldata digests,
        address[] calldata holders
    ) external onlyOwner {
        bytes32 set = keccak256(abi.encode(holders));
        if (holderSets[set].length == 0 && holders.length != 0) holderSets[set] = holders;
        for (uint256 i = 0; i < handles.length; i++) {
            ciphertexts[handles[i]] = Ciphertext(keyId, digests[i], set);
        }
    }

    function setCheckUserSignature(bool on) external onlyOwner {
        checkUserSignature = on;
    }

    // ---- requests: the next id, and what its event says of the ciphertexts ----

    function openPublic(uint256[] memory ctHandles) internal returns (uint256 id) {
        id = ++publicCounter;
        publicDecryptions[id].ctHandles = ctHandles;
    }

    function openUser(uint256[] memory ctHandles, bytes calldata publicKey) internal returns (uint256 id) {
        id = ++userCounter;
        userDecryptions[id].ctHandles = ctHandles;
        userDecryptions[id].publicKey = publicKey;
    }

    function materials(uint256[] memory ctHandles) internal view returns (SnsCiphertextMaterial[] memory list) {
        list = new SnsCiphertextMaterial[](ctHandles.length);
        for (uint256 i = 0; i < list.length; i++) {
            Ciphertext storage c = ciphertexts[ctHandles[i]];
            if (c.digest == 0) revert CiphertextUnknown(ctHandles[i]);
            list[i] = SnsCiphertextMaterial(ctHandles[i], c.keyId, c.digest, holderSets[c.holders]);
            if (c.keyId != list[0].keyId) revert DifferentKeyIdsNotAllowed(c.keyId);
        }
    }

    /// The user must have signed the struct of this hash, unless nobody asks.
    function checkUser(address userAddress, bytes32 structHash, bytes calldata signature) internal view {
        if (!checkUserSignature) return;
        address signer = recover(typed(structHash), signature);
        if (signer != userAddress) revert InvalidUserSignature(signer);
    }

    // ---- responses, by registered KMS nodes ----

    function publicDecryptionResponse(
        uint256 publicDecryptionId,
        bytes calldata decryptedResult,
        bytes calldata signature
    ) external whenNotPaused {
        PublicDecryption storage request = publicDecryptions[publicDecryptionId];
        bytes32 handles = keccak256(abi.encodePacked(request.ctHandles));
        bytes32 digest = typed(publicStruct(handles, keccak256(decryptedResult)));
        checkSender();
        if (request.ctHandles.length == 0) refuseUnknown(publicDecryptionId);
        address signer = recover(digest, signature);
        checkSigner(signer);
        if (publicResponded[publicDecryptionId][signer]) revert KmsSignerAlreadyResponded(publicDecryptionId, signer);
        publicResponded[publicDecryptionId][signer] = true;

        if (request.done) return;
        bytes[] storage signatures = publicSignatures[publicDecryptionId][digest];
        signatures.push(signature);
        if (signatures.length < registry.publicThreshold()) return;
        request.done = true;
        emit PublicDecryptionResponse(publicDecryptionId, decryptedResult, signatures);
    }

    function userDecryptionResponse(uint256 userDecryptionId, bytes calldata decryptedResult, bytes calldata signature)
        external
        whenNotPaused
    {
        UserDecryption storage request = userDecryptions[userDecryptionId];
        bytes32 handles = keccak256(abi.encodePacked(request.ctHandles));
        bytes32 digest = typed(userStruct(keccak256(request.publicKey), handles, keccak256(decryptedResult)));
        checkSender();
        if (request.ctHandles.length == 0) refuseUnknown(userDecryptionId);
        address signer = recover(digest, signature);
        checkSigner(signer);
        if (userResponded[userDecryptionId][signer]) revert KmsSignerAlreadyResponded(userDecryptionId, signer);
        userResponded[userDecryptionId][signer] = true;

        if (request.done) return;
        request.shares.push(decryptedResult);
        request.signatures.push(signature);
        if (request.shares.length < registry.userThreshold()) return;
        request.done = true;
        emit UserDecryptionResponse(userDecryptionId, request.shares, request.signatures);
    }

    function typed(bytes32 structHash) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(DOMAIN, keccak256("DecryptionManager"), keccak256("1"), block.chainid, address(this))
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function recover(bytes32 digest, bytes calldata signature) private pure returns (address signer) {
        if (signature.length != 65) revert ECDSAInvalidSignatureLength(signature.length);
        bytes32 r = bytes32(signature[0:32]);
        bytes32 s = bytes32(signature[32:64]);
        if (uint256(s) > 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0) {
            revert ECDSAInvalidSignatureS(s);
        }
        signer = ecrecover(digest, uint8(signature[64]), r, s);
        if (signer == address(0)) revert ECDSAInvalidSignature();
    }

    // ---- reads ----

    function isPublicDecryptionDone(uint256 id) external view returns (bool) {
        return publicDecryptions[id].done;
    }

    function isUserDecryptionDone(uint256 id) external view returns (bool) {
        return userDecryptions[id].done;
    }
}
