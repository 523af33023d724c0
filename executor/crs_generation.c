/* crs_generation - a common reference string; its digest is checked, kept and shown. */

#include <stdio.h>

#include "executor/kind.h"
#include "executor/message.h"

#define DIGEST_MAX 64		/* bytes */

static size_t write_start(struct op *op, grpc_slice *slices)
{
	const struct request *r = op->request;
	Kms__V1__CrsGenRequest m = KMS__V1__CRS_GEN_REQUEST__INIT;
	struct core_id id;
	struct core_domain domain;

	core_id_set(&id, &r->core_id);
	core_domain_set(&domain, op);
	m.request_id = &id.m;
	m.params = (int32_t)r->fhe_params;
	m.max_num_bits = (uint32_t)r->max_bits;
	m.domain = &domain.m;
	m.signing_schemes = core_schemes;
	m.n_signing_schemes = ARRAY_LEN(core_schemes);
	slices[0] = core_pack(&m.base);
	return 1;
}

static enum err check_answer(const struct op *op, const Kms__V1__CrsGenResult *r, const char **why)
{
	*why = "the answer is for another CRS id";
	if (!core_id_is(r->request_id, &op->request->core_id))
		return ERR_MISMATCH;
	*why = "the answer has no digest, or one of over 64 bytes";
	if (r->crs_digest.len == 0 || r->crs_digest.len > DIGEST_MAX)
		return ERR_MISMATCH;
	*why = "the answer is for another size";
	if (op->request->max_bits && r->max_num_bits != op->request->max_bits)
		return ERR_MISMATCH;
	return OK;
}

static enum err read_answer(struct op *op, const void *message, uint8_t *out, size_t *len_out,
			    const char **why)
{
	const Kms__V1__CrsGenResult *r = message;
	struct eip712_values v = {
		.result_id = op->request->core_id, .max_bits = r->max_num_bits,
		.result = BYTES(r->crs_digest.data, r->crs_digest.len), .extra_data = BYTES("", 0),
	};
	struct core_parts parts = {
		.signature = core_signature(r->signatures, r->n_signatures, &r->external_signature),
		.key_digests = v.result.len == 32 ? v.result : (struct bytes){ 0 },
	};
	char hex[2 * DIGEST_MAX + 3], text[2 * DIGEST_MAX + 40];

	enum err e = check_answer(op, r, why);
	e = e ? e : core_check_signature(op, &v, parts.signature, why);
	if (e)
		return e;
	snprintf(text, sizeof(text), "CRS=%s bits=%u", hex_encode0x(v.result, hex), r->max_num_bits);
	op_note_result(op, text, &parts);
	return core_write_call(op, &parts, out, len_out, why);
}

const struct kind kind_crsgen = {
	.start_method = CORE_PATH "CrsGen",
	.result_method = CORE_PATH "GetCrsGenResult",
	.write_start = write_start,
	.answer = &kms__v1__crs_gen_result__descriptor,
	.read_answer = read_answer,
};
