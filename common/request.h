/*
 * request - what an event asks for, decoded through the profile.
 *
 * The executor's store keeps the raw log; this is made from it whenever a request is worked on,
 * so that a restart reads what the chain said and nothing else.  `verify` makes it from what a
 * node says of the past.
 */
#pragma once

#include "common/profile.h"

#define MATERIALS_MAX     1024	/* ciphertexts of one request */
#define COPROCESSORS_MAX  64	/* holders of one ciphertext */
#define PUBLIC_KEY_MAX    (64 * 1024)	/* bytes of a user's public key */
#define CIPHERTEXT_MAX    (66u << 20)	/* bytes of one ciphertext */
#define CIPHERTEXT_URL_MAX 1024

/* An event; all borrowed. */
struct request_event {
	const struct profile *profile;
	const struct profile_request *row;
	uint64_t chain, log_index;
	struct addr contract;
	struct b32 block_hash;
	struct bytes topics, data;
};

struct material {
	struct b32 handle, key_id, digest;
	unsigned first, count;		/* holders: positions in request.coprocessor */
	struct bytes ciphertext;	/* inline; borrowed from the event's data */
};

/* One allocation; freed with free().  What a kind does not have is zero. */
struct request {
	struct b32 id;
	struct b32 core_id;		/* the Core's: id of the decryption, or of the result */
	struct b32 route;		/* decides which of several Cores */

	/* Decryptions. */
	struct b32 key_id;		/* of all materials */
	struct b32 handles_hash;	/* keccak256 of the handles in order */
	unsigned materials;
	struct material *material;
	struct addr *coprocessor;
	struct bytes extra_data;	/* borrowed from the event's data, like the next */
	struct bytes public_key;
	struct b32 public_key_hash;
	struct addr user;

	/* Key operations. */
	struct b32 preprocessing_id, source_key_id, destination_key_id;
	uint64_t fhe_params, max_bits;
};

/* FHE type of a handle (FHE_TYPES); -1 when the type or the version is unknown. */
int handle_type(const struct b32 *handle);

/* Bytes of a plaintext of TYPE, and whether it is one word of a public result. */
unsigned fhe_type_bytes(int type);
bool fhe_type_is_word(int type);

/*
 * The request id of an event: its role "id", from topics or data.  Without that role it is the
 * log's place: keccak256(abi.encode(chain id, contract, block hash, log index)).
 */
struct b32 request_id(const struct request_event *e);

/* On failure *WHY_OUT says for people why it can never succeed (a constant). */
enum err request_decode(const struct request_event *e, struct request **out,
			const char **why_out) MUST_CHECK;

/* Where a ciphertext lies in a bucket, by the profile's pattern; ERR_TOO_BIG. */
enum err request_url(const struct profile *p, const char *bucket, const struct material *m,
		     char *out, size_t cap) MUST_CHECK;
