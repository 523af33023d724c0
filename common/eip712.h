/*
 * eip712 - typed data as KMS Cores sign it: digests, and who signed one.
 *
 * Source of the format: EIP-712.  A type string such as
 * "PublicDecryptVerification(bytes32[] ctHandles,bytes decryptedResult,bytes extraData)"
 * is parsed at start; each member is filled from one of the sources below, by name.
 */
#pragma once

#include "common/bytes.h"

#define EIP712_MEMBERS_MAX 8
#define EIP712_KEY_DIGEST "KeyDigest(uint8 keyType,bytes digest)"

/* source, member's name in a type string, its types, how it enters the struct hash */
#define EIP712_SOURCES(S) \
	S(HANDLES,      "ctHandles",       "bytes32[]|uint256[]", "keccak256 of the 32-byte handles one after another") \
	S(RESULT,       "decryptedResult", "bytes",   "keccak256 of the result bytes") \
	S(SHARE,        "userDecryptedShare", "bytes", "the same under its later name") \
	S(SHARE_2025,   "reencryptedShare", "bytes",  "the same under its name of 2025") \
	S(PUBLIC_KEY,   "publicKey",       "bytes",   "keccak256 of the user's public key") \
	S(EXTRA_DATA,   "extraData",       "bytes",   "keccak256 of the extra data") \
	S(PREPROCESSING, "prepKeygenId",   "uint256", "id of the preprocessing") \
	S(KEY,          "keyId",           "uint256", "id of the key") \
	S(CRS,          "crsId",           "uint256", "id of the common reference string") \
	S(MAX_BITS,     "maxBitLength",    "uint256", "its size") \
	S(CRS_DIGEST,   "crsDigest",       "bytes",   "keccak256 of its digest") \
	S(CRS_2025,     "crs",             "bytes",   "the same under its name of 2025") \
	S(UPGRADE_KEY,  "decompression_upgrade_key", "bytes", "keccak256 of the key's digest") \
	S(KEY_DIGESTS,  "keyDigests",      "KeyDigest[]", "keccak256 of the struct hashes one after another")

enum eip712_source {
#define S(name, member, types, text) EIP712_##name,
	EIP712_SOURCES(S)
#undef S
};

struct eip712_type {
	struct b32 hash;			/* keccak256 of the type string */
	uint8_t count;
	enum eip712_source member[EIP712_MEMBERS_MAX];
};

/* What a digest is made of; hashes, so that large values need not travel. */
struct eip712_values {
	struct b32 handles_hash;
	struct b32 public_key_hash;		/* zero for kinds without one */
	struct bytes result;			/* borrowed for the call; of a CRS or KSK its digest */
	struct bytes extra_data;		/* borrowed for the call */
	struct b32 preprocessing_id, result_id;	/* of key operations */
	uint64_t max_bits;
	struct b32 key_digests;			/* keccak256 of eip712_key_digest() of each */
};

/* ERR_FORMAT for a string that is no type, ERR_UNKNOWN for a member without a source;
 * *why_out (may be NULL) is then a constant English phrase. */
enum err eip712_parse(const char *type_string, struct eip712_type *out,
		      const char **why_out) MUST_CHECK;

/* Domain {name, version, chain id, contract}, no salt. */
struct b32 eip712_domain(const char *name, const char *version, uint64_t chain_id,
			 const struct addr *contract);

/* The struct hash of one digest of a generated key. */
struct b32 eip712_key_digest(uint8_t key_type, struct bytes digest);

struct b32 eip712_digest(const struct b32 *domain, const struct eip712_type *type,
			 const struct eip712_values *v);

/*
 * The address whose key made SIG (65 bytes r, s, v with v 27/28 or 0/1; low s only)
 * over DIGEST.  ERR_FORMAT when it is no signature, ERR_MISMATCH when nothing recovers.
 */
enum err eip712_recover(const struct b32 *digest, struct bytes sig, struct addr *out) MUST_CHECK;

/*
 * The address of who signs, from an identity as contracts hold it: the address itself (20
 * bytes), or a public key, compressed (33), whole (65, from 0x04 on) or whole without its head
 * (64).  ERR_FORMAT for another length or head, and for a point that is not on the curve.
 */
enum err eip712_identity(struct bytes identity, struct addr *out) MUST_CHECK;
