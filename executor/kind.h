/*
 * kind - what differs between operation kinds, as a table of functions: one file for each
 * kind that this version executes.  Kinds without a row are recorded and wait.
 */
#pragma once

#include "executor/op.h"

#define CORE_PATH "/kms_service.v1.CoreServiceEndpoint/"
#define SLICES_MAX (3 * MATERIALS_MAX + 1)
#define RESULT_MAX 90000		/* result bytes in calldata */

struct kind {
	enum op_kind kind;
	const char *start_method, *result_method;
	/* Request message; bodies are moved into the slices, not copied. */
	enum err (*write_start)(struct op *op, grpc_slice *slices, size_t *count_out);
	/*
	 * The Core's answer to calldata (at most IPC_CALLDATA_MAX bytes at OUT).  ERR_MISMATCH:
	 * not an answer to this request; ERR_DENIED: not signed by the registered identity;
	 * ERR_TOO_BIG: no transaction can carry it.  *why_out is a constant.
	 */
	enum err (*read_answer)(struct op *op, struct bytes message, uint8_t *out, size_t *len_out,
				const char **why_out);
};

extern const struct kind kind_public_decryption;

const struct kind *find_kind(enum op_kind kind);	/* NULL: not executed by this version */
