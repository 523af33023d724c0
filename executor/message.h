/*
 * message - what the Core's messages of all kinds have in common, and the way from its answer
 * to calldata: check the signature, fill in the response.
 */
#pragma once

#include <grpc/slice.h>

#include "common/eip712.h"
#include "executor/op.h"
#include "proto/kms.pb-c.h"

/* A request id as a message; copy it no further than this struct lives. */
struct core_id {
	Kms__V1__RequestId m;
	char hex[65];
};
void core_id_set(struct core_id *out, const struct b32 *id);

/* An id in an answer: absent ones pass, since not every Core repeats them. */
bool core_id_is(const Kms__V1__RequestId *m, const struct b32 *id);

/* The EIP-712 domain of the operation's group. */
struct core_domain {
	Kms__V1__Eip712DomainMsg m;
	uint8_t chain_id[32];
	char contract[ADDR_TEXT];
};
void core_domain_set(struct core_domain *out, const struct op *op);

/* The kinds of signature we ask for: what the contracts check. */
extern int32_t core_schemes[1];

/* A message as one slice. */
grpc_slice core_pack(const ProtobufCMessage *m);

/* The ciphertexts of a decryption as further fields FIELD of its request; the count of slices. */
size_t core_write_ciphertexts(struct op *op, uint8_t field, grpc_slice *slices);

/* The ECDSA signature of an answer: its list first, then its older member. */
struct bytes core_signature(Kms__V1__TypedSignature *const *list, size_t count,
			    const ProtobufCBinaryData *older);

/*
 * ERR_DENIED unless SIG over VALUES is of the node's registered identity.  OK for a kind whose
 * type the profile does not give.
 */
enum err core_check_signature(const struct op *op, const struct eip712_values *v, struct bytes sig,
			      const char **why_out) MUST_CHECK;

/* What the Core's answer gives to a call of the contract; .p NULL where a kind has none. */
struct core_parts {
	struct bytes result, signature;
	struct bytes key_digests;	/* 32 bytes each */
};

/* The response's calldata, at most TX_CALLDATA_MAX bytes. */
enum err core_write_call(const struct op *op, const struct core_parts *parts, uint8_t *out,
			 size_t *len_out, const char **why_out) MUST_CHECK;
