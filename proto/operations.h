/*
 * operations - every kind of request, once.  Numbers are for ever; they stand in the store.
 *
 * A new kind is a row here, a file in executor/, a section in each profile and a scenario in
 * tests/system/.
 */
#pragma once

#include <stdint.h>

/* number, name in profiles, prefix of ids for people, group, finality by default, what it is */
#define OPERATIONS(OP) \
	OP(1, public_decryption, "public",    DECRYPTION, "latest",  "decrypt ciphertexts for everyone") \
	OP(2, user_decryption,   "user",      DECRYPTION, "latest",  "re-encrypt ciphertexts to one user's key") \
	OP(3, preprocess_keygen, "prekeygen", KEY,        "latest",  "prepare material for a key generation") \
	OP(4, preprocess_ksk,    "preksk",    KEY,        "latest",  "prepare material for a key-switching key") \
	OP(5, keygen,            "keygen",    KEY,        "settled", "generate an FHE key") \
	OP(6, crsgen,            "crsgen",    KEY,        "latest",  "generate a common reference string") \
	OP(7, ksk,               "ksk",       KEY,        "latest",  "generate a key-switching key") \
	OP(8, activate_key,      "activate",  OBSERVED,   "latest",  "observe which key is current")

enum op_group { OP_DECRYPTION, OP_KEY, OP_OBSERVED };

enum op_kind {
#define OP(number, name, prefix, group, finality, text) KIND_##name = number,
	OPERATIONS(OP)
#undef OP
	KIND_COUNT		/* one above the highest number */
};

/* Roles that a parameter of a request event can play.  role, how it is read, what it is */
#define REQUEST_ROLES(R) \
	R(id,                 WORD,  "request id on the chain") \
	R(materials,          ARRAY, "list of ciphertext materials; the next five are its members") \
	R(handle,             WORD,  "ciphertext handle") \
	R(key_id,             WORD,  "id of the key the ciphertext is under") \
	R(digest,             WORD,  "keccak256 of the ciphertext") \
	R(ciphertext,         BYTES, "the ciphertext itself, where the event carries it") \
	R(coprocessors,       ARRAY, "transaction senders whose buckets hold the ciphertext") \
	R(user,               WORD,  "address of the user who may read the result") \
	R(public_key,         BYTES, "the user's public key") \
	R(fhe_params,         ANY,   "name or digest of the FHE parameters") \
	R(preprocessing_id,   WORD,  "preprocessing to consume") \
	R(source_key_id,      WORD,  "key to switch from") \
	R(destination_key_id, WORD,  "key to switch to") \
	R(extra_data,         BYTES, "data that the Core signs with the result") \
	R(max_bits,           WORD,  "size of a CRS")

enum request_role {
#define R(name, how, text) REQUEST_##name,
	REQUEST_ROLES(R)
#undef R
	REQUEST_ROLE_COUNT
};

/* Roles that a parameter of the event of a finished decryption can play; result for one result
   that all nodes signed, results for one of each.  role, how it is read, what it is */
#define ANSWERED_ROLES(R) \
	R(id,         WORD,  "request id on the chain") \
	R(result,     BYTES, "the result that each signature is over") \
	R(results,    LIST,  "a result of each node") \
	R(signatures, LIST,  "the signatures; with results, in their order")

enum answered_role {
#define R(name, how, text) ANSWERED_##name,
	ANSWERED_ROLES(R)
#undef R
	ANSWERED_ROLE_COUNT
};

/* Where an argument of a response comes from. */
#define ANSWER_SOURCES(S) \
	S(request_id,  "the request's id") \
	S(result_id,   "the id we chose for the result (key operations)") \
	S(result,      "the result bytes that the Core signed") \
	S(signature,   "the Core's signature, 65 bytes") \
	S(extra_data,  "the extra data of the request") \
	S(key_digests, "digests of the generated keys")

enum answer_source {
#define S(name, text) ANSWER_##name,
	ANSWER_SOURCES(S)
#undef S
	ANSWER_SOURCE_COUNT
};

const char *op_name(uint64_t kind);		/* "public_decryption"; NULL if unknown */
const char *op_prefix(uint64_t kind);		/* "public"; NULL if unknown */
enum op_kind op_by_name(const char *name);	/* 0 if unknown */
enum op_kind op_by_prefix(const char *prefix, unsigned len);	/* 0 if unknown */
enum op_group op_group(uint64_t kind);
