/*
 * public_decryption - ciphertexts to the Core, plaintexts to one call of the contract.
 *
 * The Core gives each plaintext little-endian; the chain takes one big-endian word for each
 * (types over 256 bits: dynamic bytes, their offsets counted as if one more word stood before
 * them, as the contracts of the profile read it).  The Core signed exactly these bytes.
 */

#include "executor/kind.h"
#include "executor/message.h"
#include "proto/fhe_types.h"

#define FIELD_CIPHERTEXTS 2	/* of PublicDecryptionRequest */

static size_t write_start(struct op *op, grpc_slice *slices)
{
	Kms__V1__PublicDecryptionRequest m = KMS__V1__PUBLIC_DECRYPTION_REQUEST__INIT;
	struct core_id id, key;
	struct core_domain domain;

	core_id_set(&id, &op->request->core_id);
	core_id_set(&key, &op->request->key_id);
	core_domain_set(&domain, op);
	m.request_id = &id.m;
	m.key_id = &key.m;
	m.domain = &domain.m;
	m.extra_data.data = (uint8_t *)(uintptr_t)op->request->extra_data.p;
	m.extra_data.len = op->request->extra_data.len;
	m.signing_schemes = core_schemes;
	m.n_signing_schemes = ARRAY_LEN(core_schemes);
	slices[0] = core_pack(&m.base);
	return 1 + core_write_ciphertexts(op, FIELD_CIPHERTEXTS, slices + 1);
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

static enum err check_answer(const struct op *op, const Kms__V1__PublicDecryptionResponse *r,
			     const char **why)
{
	*why = "the answer has no payload";
	if (!r->payload)
		return ERR_MISMATCH;
	*why = "the answer is for another request id";
	if (!core_id_is(r->payload->request_id, &op->request->core_id))
		return ERR_MISMATCH;
	*why = "the answer has another number of plaintexts than the request";
	if (r->payload->n_plaintexts != op->request->materials)
		return ERR_MISMATCH;
	*why = "the answer has other extra data than the request";
	if (!bytes_eq(BYTES(r->extra_data.data, r->extra_data.len), op->request->extra_data))
		return ERR_MISMATCH;
	return OK;
}

static enum err read_answer(struct op *op, const void *message, uint8_t *out, size_t *len_out,
			    const char **why)
{
	const Kms__V1__PublicDecryptionResponse *r = message;
	static uint8_t result[RESULT_MAX];
	struct eip712_values v = { .handles_hash = op->request->handles_hash,
				   .extra_data = op->request->extra_data };
	struct core_parts parts = {
		.signature = core_signature(r->signatures, r->n_signatures, &r->external_signature),
	};
	size_t len;

	enum err e = check_answer(op, r, why);
	if (e)
		return e;
	*why = "a plaintext does not fit its type";
	e = encode_plaintexts(op, r->payload, result, &len);
	if (e)
		return e == ERR_TOO_BIG ? e : ERR_MISMATCH;
	v.result = parts.result = BYTES(result, len);
	e = core_check_signature(op, &v, parts.signature, why);
	return e ? e : core_write_call(op, &parts, out, len_out, why);
}

const struct kind kind_public_decryption = {
	.start_method = CORE_PATH "PublicDecrypt",
	.result_method = CORE_PATH "GetPublicDecryptionResult",
	.write_start = write_start,
	.answer = &kms__v1__public_decryption_response__descriptor,
	.read_answer = read_answer,
};
