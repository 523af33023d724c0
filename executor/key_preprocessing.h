/*
 * key_preprocessing - a preprocessing is asked for by its own request, and once more when the
 * Core forgot it before its key was made.
 */
#pragma once

#include "executor/message.h"

#define PREPROCESSING_START  CORE_PATH "KeyGenPreproc"
#define PREPROCESSING_RESULT CORE_PATH "GetKeyGenPreprocResult"

/* What sort of key: on the wire. */
enum keyset_type { KEYSET_standard = 0, KEYSET_decompression_only = 1 };
enum keyset_type keyset_of(enum op_kind kind);

/* The request for preprocessing ID, with the parameters of OP's request. */
grpc_slice preprocessing_write(const struct op *op, const struct b32 *id);
