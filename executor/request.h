/*
 * request - what a stored event asks for, decoded through the profile.
 *
 * The store keeps the raw log; this is made from it whenever a request is worked on, so that
 * a restart reads what the chain said and nothing else.
 */
#pragma once

#include "common/profile.h"

#define MATERIALS_MAX     1024	/* ciphertexts of one request */
#define COPROCESSORS_MAX  64	/* holders of one ciphertext */

struct material {
	struct b32 handle, key_id, digest;
	unsigned first, count;		/* holders: positions in request.coprocessor */
};

/* One allocation; freed with free(). */
struct request {
	struct b32 id;
	struct b32 key_id;		/* of all materials */
	struct b32 handles_hash;	/* keccak256 of the handles in order */
	unsigned materials;
	struct material *material;
	struct addr *coprocessor;
	struct bytes extra_data;	/* a copy in the same allocation */
};

/* FHE type of a handle (FHE_TYPES); -1 when the type or the version is unknown. */
int handle_type(const struct b32 *handle);

/* Bytes of a plaintext of TYPE, and whether it is one word of a public result. */
unsigned fhe_type_bytes(int type);
bool fhe_type_is_word(int type);

/* The request id of an event: its role "id", from topics or data; zero when there is none. */
struct b32 request_id(const struct profile_request *p, struct bytes topics, struct bytes data);

/*
 * Decode a decryption request.  On failure *WHY_OUT says for people why it can never
 * succeed (a constant).
 */
enum err request_decode(const struct profile_request *p, struct bytes topics, struct bytes data,
			struct request **out, const char **why_out) MUST_CHECK;
