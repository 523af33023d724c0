/*
 * user_decryption - ciphertexts to the Core, what it made of them for one user's key to the chain.
 *
 * The chain takes the Core's payload in the form that the Core signed: bincode, all numbers
 * little-endian and of fixed width, each list and byte string behind its length in 8 bytes:
 *
 *	verification key, digest, list of { i32 type, bytes, handle, u32 packing factor },
 *	u32 party, u32 degree
 */
#include "executor/kind.h"
#include "executor/message.h"
#include "executor/user_decryption.h"

#define FIELD_CIPHERTEXTS 2	/* of UserDecryptionRequest: typed_ciphertexts */

static size_t write_start(struct op *op, grpc_slice *slices)
{
	const struct request *r = op->request;
	Kms__V1__UserDecryptionRequest m = KMS__V1__USER_DECRYPTION_REQUEST__INIT;
	struct core_id id, key;
	struct core_domain domain;
	char user[ADDR_TEXT];

	core_id_set(&id, &r->core_id);
	core_id_set(&key, &r->key_id);
	core_domain_set(&domain, op);
	m.request_id = &id.m;
	m.key_id = &key.m;
	m.domain = &domain.m;
	m.client_address = addr_text(&r->user, user);
	m.enc_key.data = (uint8_t *)(uintptr_t)r->public_key.p;
	m.enc_key.len = r->public_key.len;
	m.extra_data.data = (uint8_t *)(uintptr_t)r->extra_data.p;
	m.extra_data.len = r->extra_data.len;
	m.signing_schemes = core_schemes;
	m.n_signing_schemes = ARRAY_LEN(core_schemes);
	slices[0] = core_pack(&m.base);
	return 1 + core_write_ciphertexts(op, FIELD_CIPHERTEXTS, slices + 1);
}

/* The answer. */

struct out {
	uint8_t *p;
	size_t len, cap;
	bool overflow;
};

static void put(struct out *o, const void *p, size_t n)
{
	if (n > o->cap - o->len) {
		o->overflow = true;
		return;
	}
	if (n)
		memcpy(o->p + o->len, p, n);
	o->len += n;
}

static void put_le(struct out *o, uint64_t v, size_t width)
{
	uint8_t b[8];

	for (size_t i = 0; i < width; i++)
		b[i] = (uint8_t)(v >> 8 * i);
	put(o, b, width);
}

static void put_bytes(struct out *o, const ProtobufCBinaryData *v)
{
	put_le(o, v->len, 8);
	put(o, v->data, v->len);
}

enum err user_payload_encode(const Kms__V1__UserDecryptionResponsePayload *p, uint8_t *out,
			     size_t cap, size_t *len_out)
{
	struct out all = { .p = out, .cap = cap }, *o = &all;

	put_bytes(o, &p->verification_key);
	put_bytes(o, &p->digest);
	put_le(o, p->n_signcrypted_ciphertexts, 8);
	for (size_t i = 0; i < p->n_signcrypted_ciphertexts; i++) {
		const Kms__V1__TypedSigncryptedCiphertext *c = p->signcrypted_ciphertexts[i];

		put_le(o, (uint32_t)c->fhe_type, 4);
		put_bytes(o, &c->signcrypted_ciphertext);
		put_bytes(o, &c->external_handle);
		put_le(o, c->packing_factor, 4);
	}
	put_le(o, p->party_id, 4);
	put_le(o, p->degree, 4);
	*len_out = o->len;
	return o->overflow ? ERR_TOO_BIG : OK;
}

static enum err check_answer(const struct op *op, const Kms__V1__UserDecryptionResponse *r,
			     const char **why)
{
	const struct request *q = op->request;

	*why = "the answer has no payload";
	if (!r->payload)
		return ERR_MISMATCH;
	*why = "the answer has another number of ciphertexts than the request";
	if (r->payload->n_signcrypted_ciphertexts != q->materials)
		return ERR_MISMATCH;
	*why = "the answer has other handles than the request";
	for (unsigned i = 0; i < q->materials; i++) {
		const Kms__V1__TypedSigncryptedCiphertext *c = r->payload->signcrypted_ciphertexts[i];

		if (c->fhe_type != handle_type(&q->material[i].handle) ||
		    !bytes_eq(BYTES(c->external_handle.data, c->external_handle.len),
			      BYTES_OF(q->material[i].handle.b)))
			return ERR_MISMATCH;
	}
	*why = "the answer has other extra data than the request";
	return bytes_eq(BYTES(r->extra_data.data, r->extra_data.len), q->extra_data) ? OK
										      : ERR_MISMATCH;
}

static enum err read_answer(struct op *op, const void *message, uint8_t *out, size_t *len_out,
			    const char **why)
{
	const Kms__V1__UserDecryptionResponse *r = message;
	static uint8_t share[RESULT_MAX];
	struct eip712_values v = { .handles_hash = op->request->handles_hash,
				   .public_key_hash = op->request->public_key_hash,
				   .extra_data = op->request->extra_data };
	struct core_parts parts = {
		.signature = core_signature(r->signatures, r->n_signatures, &r->external_signature),
	};

	size_t len;

	enum err e = check_answer(op, r, why);
	if (e)
		return e;
	*why = "the answer is larger than a transaction's data may be";
	e = user_payload_encode(r->payload, share, sizeof(share), &len);
	if (e)
		return e;
	v.result = parts.result = BYTES(share, len);
	e = core_check_signature(op, &v, parts.signature, why);
	return e ? e : core_write_call(op, &parts, out, len_out, why);
}

const struct kind kind_user_decryption = {
	.start_method = CORE_PATH "UserDecrypt",
	.result_method = CORE_PATH "GetUserDecryptionResult",
	.write_start = write_start,
	.answer = &kms__v1__user_decryption_response__descriptor,
	.read_answer = read_answer,
};
