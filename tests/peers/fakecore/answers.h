/*
 * answers - what the Core accepts and what it answers; no network, no memory of requests.
 *
 * It decrypts nothing: a plaintext is derived from its ciphertext's bytes as tests/peers/
 * plaintext.mjs says, and a user's share likewise as in core-answers.mjs, so that one wrong byte
 * on the way gives another answer.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "common/bytes.h"
#include "common/text.h"

/* kind, name, start call, its message, result call, ms that a result call waits */
#define KINDS(K) \
	K(PUBLIC,  "public",  "PublicDecrypt", kms__v1__public_decryption_request, \
	  "GetPublicDecryptionResult", 60000) \
	K(USER,    "user",    "UserDecrypt", kms__v1__user_decryption_request, \
	  "GetUserDecryptionResult", 60000) \
	K(PREPROC, "preproc", "KeyGenPreproc", kms__v1__key_gen_preproc_request, \
	  "GetKeyGenPreprocResult", 300000) \
	K(KEYGEN,  "keygen",  "KeyGen", kms__v1__key_gen_request, "GetKeyGenResult", 0) \
	K(CRSGEN,  "crsgen",  "CrsGen", kms__v1__crs_gen_request, "GetCrsGenResult", 0)

enum kind {
#define K(kind, name, start, message, result, wait_ms) KIND_##kind,
	KINDS(K)
#undef K
	KINDS_COUNT,
};

struct kind_row {
	const char *name, *start, *result;
	const ProtobufCMessageDescriptor *request;
	unsigned wait_ms;
};
extern const struct kind_row kind_rows[KINDS_COUNT];

/* gRPC's statuses by their names; -1 for an unknown name, NULL for an unknown number. */
int status_by_name(const char *name);
const char *status_name(int status);

/* Why a request is not taken.  Status 0: it is. */
struct refusal {
	int status;
	char why[160];
};
void refuse(struct refusal *r, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define PLAIN_MAX 256		/* bytes of the widest plaintext */
#define CIPHERTEXTS_MAX 65536	/* of one request */

/* One ciphertext, as what comes of it: a plaintext (little-endian) or a share. */
struct part {
	int32_t type;
	struct b32 handle;
	uint16_t len;
	uint8_t bytes[PLAIN_MAX];
};

/* What a request asks for, without its ciphertexts. */
struct work {
	enum kind kind;
	struct b32 id;
	struct b32 domain;		/* its separator */
	bool ecdsa;			/* signing_schemes has 0 */
	struct b32 preproc;		/* of KEYGEN */
	bool decompression;		/* of KEYGEN */
	uint32_t bits;			/* of CRSGEN */
	struct addr client;		/* of USER */
	struct text extra, enc_key;	/* owned */
	unsigned parts;
	struct part part[];
};

/* Keys that the Core knows. */
struct key_ids {
	bool any;			/* all keys there could be */
	unsigned count;
	struct b32 id[64];
};

bool id_parse(const char *hex, struct b32 *out);	/* 64 lower-case digits */

/* Checks a message of the kind; NULL when it is refused. */
struct work *work_new(enum kind kind, const ProtobufCMessage *m, const struct key_ids *known,
		      struct refusal *r);
void work_free(struct work **w);

/* What is wrong with an answer, on request; zero: nothing. */
enum plaintexts { PLAINTEXTS_RIGHT, PLAINTEXTS_missing, PLAINTEXTS_extra, PLAINTEXTS_wrong,
		  PLAINTEXTS_type };
struct twist {
	bool other_id, bad_signature, short_signature, no_external;
	enum plaintexts plaintexts;
	unsigned pad_to; /* bytes of each plaintext, of a user's first share */
	bool has_key;			/* another signer */
	uint8_t key[32];
};

struct signer;			/* the Core's key and the types of its date */

/* DATE, of the EIP-712 types: "today" (or NULL) or "2025-04".  NULL when key or date is none. */
struct signer *signer_new(const uint8_t key[32], const char *date);
struct addr signer_address(const struct signer *s);

/* The signed answer as protobuf, added to OUT. */
void answer_make(const struct work *w, const struct signer *s, const struct twist *t,
		 struct text *out);
