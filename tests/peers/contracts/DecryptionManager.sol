pragma solidity 0.8.28;

import {Admin} from "./Admin.sol";
import {HTTPZ} from "./HTTPZ.sol";

/// Public and user decryptions of profile `httpz`: takes requests over known ciphertexts, and
/// accepts from each KMS node one answer that the node's own Core has signed (EIP-712).
///
/// A public decryption is done when the threshold of nodes has signed the same digest, a user
/// decryption when the threshold of nodes has sent a share (shares differ, so requests count).
/// Answers that come after that are taken silently, once per node.
contract DecryptionManager is Admin {
    struct SnsCiphertextMaterial {
        uint256 ctHandle;
        uint256 keyId;
        bytes32 snsCiphertextDigest;
        address[] coprocessorTxSenderAddresses;
    }

    struct CiphertextContract {
        uint256 ciphertextHandle;
        address contractAddress;
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

    event PublicDecryptionRequest(uint256 indexed publicDecryptionId, SnsCiphertextMaterial[] snsCtMaterials);
    event PublicDecryptionResponse(uint256 indexed publicDecryptionId, bytes decryptedResult, bytes[] signatures);
    event UserDecryptionRequest(
        uint256 indexed userDecryptionId, SnsCiphertextMaterial[] snsCtMaterials, address userAddress, bytes publicKey
    );
    event UserDecryptionResponse(uint256 indexed userDecryptionId, bytes[] reencryptedShares, bytes[] signatures);

    error KmsSignerAlreadyResponded(uint256 decryptionId, address signer);
    error InvalidKmsSigner(address signer);
    error InvalidKmsNodeSender(address sender);
    error ECDSAInvalidSignature();
    error ECDSAInvalidSignatureLength(uint256 length);
    error ECDSAInvalidSignatureS(bytes32 s);
    error DecryptionNotRequested(uint256 decryptionId);
    error CiphertextUnknown(uint256 ctHandle);
    error DifferentKeyIdsNotAllowed(uint256 keyId);
    error InvalidUserSignature(address recovered);

    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant PUBLIC_DECRYPT =
        keccak256("PublicDecryptVerification(bytes32[] ctHandles,bytes decryptedResult,bytes extraData)");
    bytes32 private constant USER_DECRYPT = keccak256(
        "UserDecryptResponseVerification(bytes publicKey,bytes32[] ctHandles,bytes userDecryptedShare,bytes extraData)"
    );
    bytes32 private constant USER_REQUEST = keccak256(
        "UserDecryptRequestVerification(bytes publicKey,address[] contractAddresses,uint256 contractsChainId)"
    );

    HTTPZ public immutable httpz;
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

    constructor(HTTPZ registry) {
        httpz = registry;
    }

    // ---- ciphertexts and switches, by the owner ----

    function addCiphertext(uint256 handle, uint256 keyId, bytes32 digest, address[] calldata holders)
        external
        onlyOwner
    {
        ciphertexts[handle] = Ciphertext(keyId, digest, holderSet(holders));
    }

    function addCiphertexts(
        uint256[] calldata handles,
        uint256 keyId,
        bytes32[] calldata digests,
        address[] calldata holders
    ) external onlyOwner {
        bytes32 set = holderSet(holders);
        for (uint256 i = 0; i < handles.length; i++) {
            ciphertexts[handles[i]] = Ciphertext(keyId, digests[i], set);
        }
    }

    function setCheckUserSignature(bool on) external onlyOwner {
        checkUserSignature = on;
    }

    function holderSet(address[] calldata holders) private returns (bytes32 set) {
        set = keccak256(abi.encode(holders));
        if (holderSets[set].length == 0 && holders.length != 0) holderSets[set] = holders;
    }

    // ---- requests, by anyone ----

    function publicDecryptionRequest(uint256[] calldata ctHandles) external {
        requestPublic(ctHandles);
    }

    /// Many requests in one transaction, each over `size` of the handles in turn.
    function publicDecryptionRequests(uint256[] calldata ctHandles, uint256 size) external {
        for (uint256 i = 0; i + size <= ctHandles.length; i += size) requestPublic(ctHandles[i:i + size]);
    }

    function requestPublic(uint256[] calldata ctHandles) private {
        SnsCiphertextMaterial[] memory list = new SnsCiphertextMaterial[](ctHandles.length);
        for (uint256 i = 0; i < list.length; i++) list[i] = material(ctHandles[i], list[0].keyId, i == 0);
        uint256 id = ++publicCounter;
        publicDecryptions[id].ctHandles = ctHandles;
        emit PublicDecryptionRequest(id, list);
    }

    function userDecryptionRequest(
        CiphertextContract[] calldata ciphertextContracts,
        address userAddress,
        bytes calldata publicKey,
        uint256 eip712ChainId,
        address[] calldata eip712Contracts,
        bytes calldata eip712Signature
    ) external {
        if (checkUserSignature) {
            bytes32 hash = keccak256(
                abi.encode(
                    USER_REQUEST, keccak256(publicKey), keccak256(abi.encodePacked(eip712Contracts)), eip712ChainId
                )
            );
            address signer = recover(typed(hash), eip712Signature);
            if (signer != userAddress) revert InvalidUserSignature(signer);
        }
        SnsCiphertextMaterial[] memory list = new SnsCiphertextMaterial[](ciphertextContracts.length);
        uint256 id = ++userCounter;
        UserDecryption storage request = userDecryptions[id];
        request.publicKey = publicKey;
        for (uint256 i = 0; i < list.length; i++) {
            uint256 handle = ciphertextContracts[i].ciphertextHandle;
            list[i] = material(handle, list[0].keyId, i == 0);
            request.ctHandles.push(handle);
        }
        emit UserDecryptionRequest(id, list, userAddress, publicKey);
    }

    function material(uint256 handle, uint256 keyId, bool first)
        private
        view
        returns (SnsCiphertextMaterial memory)
    {
        Ciphertext storage c = ciphertexts[handle];
        if (c.digest == 0) revert CiphertextUnknown(handle);
        if (!first && c.keyId != keyId) revert DifferentKeyIdsNotAllowed(c.keyId);
        return SnsCiphertextMaterial(handle, c.keyId, c.digest, holderSets[c.holders]);
    }

    // ---- responses, by registered KMS nodes ----

    function publicDecryptionResponse(
        uint256 publicDecryptionId,
        bytes calldata decryptedResult,
        bytes calldata signature
    ) external whenNotPaused {
        PublicDecryption storage request = publicDecryptions[publicDecryptionId];
        bytes32 digest = typed(
            keccak256(
                abi.encode(
                    PUBLIC_DECRYPT,
                    keccak256(abi.encodePacked(request.ctHandles)),
                    keccak256(decryptedResult),
                    keccak256("")
                )
            )
        );
        checkSender();
        if (request.ctHandles.length == 0) revert DecryptionNotRequested(publicDecryptionId);
        address signer = checkSigner(digest, signature);
        if (publicResponded[publicDecryptionId][signer]) revert KmsSignerAlreadyResponded(publicDecryptionId, signer);
        publicResponded[publicDecryptionId][signer] = true;

        if (request.done) return;
        bytes[] storage signatures = publicSignatures[publicDecryptionId][digest];
        signatures.push(signature);
        if (signatures.length < httpz.publicThreshold()) return;
        request.done = true;
        emit PublicDecryptionResponse(publicDecryptionId, decryptedResult, signatures);
    }

    function userDecryptionResponse(uint256 userDecryptionId, bytes calldata decryptedResult, bytes calldata signature)
        external
        whenNotPaused
    {
        UserDecryption storage request = userDecryptions[userDecryptionId];
        bytes32 digest = typed(
            keccak256(
                abi.encode(
                    USER_DECRYPT,
                    keccak256(request.publicKey),
                    keccak256(abi.encodePacked(request.ctHandles)),
                    keccak256(decryptedResult),
                    keccak256("")
                )
            )
        );
        checkSender();
        if (request.ctHandles.length == 0) revert DecryptionNotRequested(userDecryptionId);
        address signer = checkSigner(digest, signature);
        if (userResponded[userDecryptionId][signer]) revert KmsSignerAlreadyResponded(userDecryptionId, signer);
        userResponded[userDecryptionId][signer] = true;

        if (request.done) return;
        request.shares.push(decryptedResult);
        request.signatures.push(signature);
        if (request.shares.length < httpz.userThreshold()) return;
        request.done = true;
        emit UserDecryptionResponse(userDecryptionId, request.shares, request.signatures);
    }

    function checkSender() private view {
        if (!httpz.isKmsNode(msg.sender)) revert InvalidKmsNodeSender(msg.sender);
    }

    /// The signer must be the identity registered for the node that sends: 20 bytes are an
    /// address, 64 or 65 bytes a public key.
    function checkSigner(bytes32 digest, bytes calldata signature) private view returns (address signer) {
        signer = recover(digest, signature);
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
        if (signer != registered || signer == address(0)) revert InvalidKmsSigner(signer);
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

    function handlesOf(bool user, uint256 id) external view returns (uint256[] memory) {
        return user ? userDecryptions[id].ctHandles : publicDecryptions[id].ctHandles;
    }
}
