/*
 * public_decryption - ciphertexts to the Core, plaintexts to one call of the contract.
 *
 * The Core gives each plaintext little-endian; the chain takes one big-endian word for each
 * (types over 256 bits: dynamic bytes, their offsets counted as if one more word stood before
 * them, as the contracts of the profile read it).  The Core signed exactly these bytes.
 */

#include <stdio.h>
#include <stdlib.h>

#include "common/keccak.h"
#include "common/log.h"
#include "executor/kind.h"
#include "proto/fhe_types.h"
#include "proto/kms.pb-c.h"

#define CIPHERTEXT_FORMAT_BIG_EXPANDED 3
#define FIELD_CIPHERTEXTS 0x12		/* PublicDecryptionRequest.ciphertexts: 2, length-delimited */
#define FIELD_CIPHERTEXT  0x0a		/* TypedCiphertext.ciphertext: 1, length-delimited */
#define SCHEME_ECDSA 0

static size_t put_varint(uint8_t *out, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		out[n++] = (uint8_t)(v | 0x80);
	out[n++] = (uint8_t)v;
	return n;
}

/* The request without its ciphertexts. */
static grpc_slice write_head(struct op *op)
{
	const struct profile_response *answer = find_response(&op->x->profile, op->kind);
	const struct profile *p = &op->x->profile;
	char id[65], key[65], contract[ADDR_TEXT];
	uint8_t chain_id[32] = { 0 };
	Kms__V1__RequestId rid = KMS__V1__REQUEST_ID__INIT, kid = KMS__V1__REQUEST_ID__INIT;
	Kms__V1__Eip712DomainMsg domain = KMS__V1__EIP712_DOMAIN_MSG__INIT;
	Kms__V1__PublicDecryptionRequest m = KMS__V1__PUBLIC_DECRYPTION_REQUEST__INIT;

	rid.request_id = hex_encode(BYTES_OF(op->id.b), id);
	kid.request_id = hex_encode(BYTES_OF(op->request->key_id.b), key);
	be64_put(chain_id + 24, p->contract[answer->contract].chain);
	domain.name = (char *)(uintptr_t)p->eip712_name;
	domain.version = (char *)(uintptr_t)p->eip712_version;
	domain.chain_id.data = chain_id;
	domain.chain_id.len = sizeof(chain_id);
	domain.verifying_contract = addr_text(&p->contract[p->eip712_contract].address, contract);
	m.request_id = &rid;
	m.key_id = &kid;
	m.domain = &domain;
	m.extra_data.data = (uint8_t *)(uintptr_t)op->request->extra_data.p;
	m.extra_data.len = op->request->extra_data.len;
	grpc_slice s = grpc_slice_malloc(kms__v1__public_decryption_request__get_packed_size(&m));
	kms__v1__public_decryption_request__pack(&m, GRPC_SLICE_START_PTR(s));
	return s;
}

/*
 * One ciphertext as three slices: the headers of field and body, the body itself (moved),
 * the other members.  A message may have its fields in any order.
 */
static void write_ciphertext(struct op *op, unsigned i, grpc_slice out[3])
{
	struct material *m = &op->request->material[i];
	struct body *body = fetch_body(op->fetch, i);
	Kms__V1__TypedCiphertext rest = KMS__V1__TYPED_CIPHERTEXT__INIT;
	uint8_t head[24], inner[12];

	rest.fhe_type = handle_type(&m->handle);
	rest.external_handle.data = m->handle.b;
	rest.external_handle.len = 32;
	rest.ciphertext_format = CIPHERTEXT_FORMAT_BIG_EXPANDED;
	size_t rest_len = kms__v1__typed_ciphertext__get_packed_size(&rest);
	out[2] = grpc_slice_malloc(rest_len);
	kms__v1__typed_ciphertext__pack(&rest, GRPC_SLICE_START_PTR(out[2]));

	inner[0] = FIELD_CIPHERTEXT;
	size_t inner_len = 1 + put_varint(inner + 1, body->len);
	head[0] = FIELD_CIPHERTEXTS;
	size_t head_len = 1 + put_varint(head + 1, inner_len + body->len + rest_len);
	memcpy(head + head_len, inner, inner_len);
	out[0] = grpc_slice_from_copied_buffer((const char *)head, head_len + inner_len);
	out[1] = body->len ? grpc_slice_new(body->p, body->len, free) : grpc_empty_slice();
	if (!body->len)
		free(body->p);
	body->p = NULL;
}

static enum err write_start(struct op *op, grpc_slice *slices, size_t *count_out)
{
	size_t n = 0;

	slices[n++] = write_head(op);
	for (unsigned i = 0; i < op->request->materials; i++, n += 3)
		write_ciphertext(op, i, slices + n);
	*count_out = n;
	return OK;
}

/* The answer. */

/* Little-endian bytes to a big-endian field of WIDTH; what does not fit must be zero. */
static enum err put_reversed(const ProtobufCBinaryData *v, uint8_t *out, size_t width)
{
	for (size_t i = 0; i < v->len; i++) {
		if (i < width)
			out[width - 1 - i] = v->data[i];
		else if (v->data[i])
			return ERR_RANGE;
	}
	return OK;
}

/* Words, then the contents of dynamic values. */
static enum err encode_plaintexts(const struct op *op, const Kms__V1__PublicDecryptionResponsePayload *p,
				  uint8_t *out, size_t *len_out)
{
	size_t n = op->request->materials, tail = 32 * n;

	memset(out, 0, RESULT_MAX);
	for (size_t i = 0; i < n; i++) {
		int type = handle_type(&op->request->material[i].handle);
		unsigned width = fhe_type_bytes(type);
		const Kms__V1__TypedPlaintext *v = p->plaintexts[i];
		if (v->fhe_type != type)
			return ERR_MISMATCH;
		if (fhe_type_is_word(type)) {
			enum err e = put_reversed(&v->bytes, out + 32 * i + (32 - width), width);
			if (e)
				return e;
			continue;
		}
		if (tail + 32 + width > RESULT_MAX)
			return ERR_TOO_BIG;
		be64_put(out + 32 * i + 24, tail + 32);
		be64_put(out + tail + 24, width);
		enum err e = put_reversed(&v->bytes, out + tail + 32, width);
		if (e)
			return e;
		tail += 32 + width;
	}
	*len_out = tail;
	return OK;
}

static struct bytes signature_of(const Kms__V1__PublicDecryptionResponse *r)
{
	for (size_t i = 0; i < r->n_signatures; i++)
		if (r->signatures[i]->scheme == SCHEME_ECDSA)
			return BYTES(r->signatures[i]->signature.data, r->signatures[i]->signature.len);
	return BYTES(r->external_signature.data, r->external_signature.len);
}

static enum err check_answer(const struct op *op, const Kms__V1__PublicDecryptionResponse *r,
			     const char **why)
{
	char id[65];

	*why = "the answer has no payload";
	if (!r->payload)
		return ERR_MISMATCH;
	*why = "the answer is for another request id";
	hex_encode(BYTES_OF(op->id.b), id);
	if (r->payload->request_id && *r->payload->request_id->request_id &&
	    strcmp(r->payload->request_id->request_id, id) != 0)
		return ERR_MISMATCH;
	*why = "the answer has another number of plaintexts than the request";
	if (r->payload->n_plaintexts != op->request->materials)
		return ERR_MISMATCH;
	*why = "the answer has other extra data than the request";
	if (!bytes_eq(BYTES(r->extra_data.data, r->extra_data.len), op->request->extra_data))
		return ERR_MISMATCH;
	return OK;
}

static enum err check_signature(struct op *op, const struct profile_response *answer,
				struct bytes result, struct bytes sig, const char **why)
{
	struct eip712_values v = { .handles_hash = op->request->handles_hash, .result = result,
				   .extra_data = op->request->extra_data };
	struct b32 digest = eip712_digest(&answer->domain, &answer->eip712, &v);
	struct addr signer;

	*why = "the answer is not signed, or by another key";
	if (eip712_recover(&digest, sig, &signer) != OK || !addr_eq(&signer, &op->x->opt.core_signer))
		return ERR_DENIED;
	return OK;
}

static enum err write_call(struct op *op, const struct profile_response *answer,
			   struct bytes result, struct bytes sig, uint8_t *out, size_t *len_out)
{
	struct bytes source[ANSWER_SOURCE_COUNT] = {
		[ANSWER_request_id] = BYTES_OF(op->id.b),
		[ANSWER_result] = result,
		[ANSWER_signature] = sig,
		[ANSWER_extra_data] = op->request->extra_data,
	};
	struct abi_arg args[PROFILE_ARGS_MAX];

	for (unsigned i = 0; i < answer->args; i++)
		args[i].v = source[answer->arg[i]];
	return abi_encode_call(&answer->function, args, answer->args, out, IPC_CALLDATA_MAX, len_out);
}

static enum err read_checked(struct op *op, const Kms__V1__PublicDecryptionResponse *r, uint8_t *out,
			     size_t *len_out, const char **why)
{
	static uint8_t result[RESULT_MAX];
	const struct profile_response *answer = find_response(&op->x->profile, op->kind);
	size_t result_len;

	enum err e = check_answer(op, r, why);
	if (e)
		return e;
	*why = "a plaintext does not fit its type";
	e = encode_plaintexts(op, r->payload, result, &result_len);
	if (e)
		return e == ERR_TOO_BIG ? e : ERR_MISMATCH;
	e = check_signature(op, answer, BYTES(result, result_len), signature_of(r), why);
	if (e)
		return e;
	*why = "the answer is larger than a transaction's data may be";
	return write_call(op, answer, BYTES(result, result_len), signature_of(r), out, len_out);
}

static enum err read_answer(struct op *op, struct bytes message, uint8_t *out, size_t *len_out,
			    const char **why_out)
{
	Kms__V1__PublicDecryptionResponse *r =
		kms__v1__public_decryption_response__unpack(NULL, message.len, message.p);

	*why_out = "the answer is no message of its type";
	if (!r)
		return ERR_MISMATCH;
	enum err e = read_checked(op, r, out, len_out, why_out);
	kms__v1__public_decryption_response__free_unpacked(r, NULL);
	return e;
}

const struct kind kind_public_decryption = {
	.kind = KIND_public_decryption,
	.start_method = CORE_PATH "PublicDecrypt",
	.result_method = CORE_PATH "GetPublicDecryptionResult",
	.write_start = write_start,
	.read_answer = read_answer,
};
