/* key_preprocessing - preprocess_keygen and preprocess_ksk: one call, another sort of key. */

#include "executor/key_preprocessing.h"

#include "executor/kind.h"

enum keyset_type keyset_of(enum op_kind kind)
{
	return kind == KIND_ksk || kind == KIND_preprocess_ksk ? KEYSET_decompression_only
							       : KEYSET_standard;
}

grpc_slice preprocessing_write(const struct op *op, const struct b32 *id)
{
	Kms__V1__KeyGenPreprocRequest m = KMS__V1__KEY_GEN_PREPROC_REQUEST__INIT;
	Kms__V1__KeySetConfig config = KMS__V1__KEY_SET_CONFIG__INIT;
	struct core_id request;
	struct core_domain domain;

	core_id_set(&request, id);
	core_domain_set(&domain, op);
	config.keyset_type = keyset_of(op->kind);
	m.request_id = &request.m;
	m.params = (int32_t)op->request->fhe_params;
	m.keyset_config = &config;
	m.domain = &domain.m;
	m.signing_schemes = core_schemes;
	m.n_signing_schemes = ARRAY_LEN(core_schemes);
	return core_pack(&m.base);
}

static size_t write_start(struct op *op, grpc_slice *slices)
{
	slices[0] = preprocessing_write(op, &op->request->core_id);
	return 1;
}

static enum err read_answer(struct op *op, const void *message, uint8_t *out, size_t *len_out,
			    const char **why)
{
	const Kms__V1__KeyGenPreprocResult *r = message;
	struct eip712_values v = { .preprocessing_id = op->request->core_id,
				   .extra_data = BYTES("", 0) };
	struct core_parts parts = {
		.signature = core_signature(r->signatures, r->n_signatures, &r->external_signature),
	};

	*why = "the answer is for another preprocessing id";
	if (!core_id_is(r->preprocessing_id, &op->request->core_id))
		return ERR_MISMATCH;
	enum err e = core_check_signature(op, &v, parts.signature, why);
	if (e)
		return e;
	op_note_result(op, "", &parts);
	return core_write_call(op, &parts, out, len_out, why);
}

const struct kind kind_preprocess_keygen = {
	.start_method = PREPROCESSING_START,
	.result_method = PREPROCESSING_RESULT,
	.write_start = write_start,
	.answer = &kms__v1__key_gen_preproc_result__descriptor,
	.read_answer = read_answer,
	.preprocesses = true,
};

const struct kind kind_preprocess_ksk = {
	.start_method = PREPROCESSING_START,
	.result_method = PREPROCESSING_RESULT,
	.write_start = write_start,
	.answer = &kms__v1__key_gen_preproc_result__descriptor,
	.read_answer = read_answer,
	.preprocesses = true,
};
