/*
 * kind - what differs between operation kinds, as a table of functions: one file for each
 * family of kinds.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "executor/op.h"

#define CORE_PATH "/kms_service.v1.CoreServiceEndpoint/"
#define SLICES_MAX (3 * MATERIALS_MAX + 1)
#define RESULT_MAX 90000		/* result bytes in calldata */

struct kind {
	const char *start_method, *result_method;
	/* Request message; bodies are moved into the slices, not copied. */
	size_t (*write_start)(struct op *op, grpc_slice *slices);
	/*
	 * The Core's answer to calldata (at most TX_CALLDATA_MAX bytes at OUT).  ERR_MISMATCH:
	 * not an answer to this request; ERR_DENIED: not signed by the registered identity;
	 * ERR_TOO_BIG: no transaction can carry it.  *why_out is a constant.  What it proves
	 * beside the call goes to op->result.
	 */
	enum err (*read_answer)(struct op *op, const void *message, uint8_t *out, size_t *len_out,
				const char **why_out);
	const ProtobufCMessageDescriptor *answer;	/* type of that message */
	bool preprocesses;		/* a centralised Core needs no such step */
	bool consumes;			/* needs a preprocessing that is kept alive until then */
};

extern const struct kind kind_public_decryption, kind_user_decryption;
extern const struct kind kind_preprocess_keygen, kind_preprocess_ksk;
extern const struct kind kind_keygen, kind_ksk, kind_crsgen;

const struct kind *find_kind(enum op_kind kind);	/* NULL: it is observed only */
