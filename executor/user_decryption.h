/*
 * user_decryption - the form of a user decryption's answer on the chain.
 * Source: bincode (legacy) of the Core's UserDecryptionResponsePayload, as the Core signs it.
 */
#pragma once

#include "common/bytes.h"
#include "proto/kms.pb-c.h"

/* At most CAP bytes; ERR_TOO_BIG. */
enum err user_payload_encode(const Kms__V1__UserDecryptionResponsePayload *p, uint8_t *out,
			     size_t cap, size_t *len_out) MUST_CHECK;
