/*
 * key_generation - keygen and ksk: one call of the Core, which consumes a preprocessing.
 *
 * What the Core signs of an FHE key are its digests by type, and of a key-switching key its one
 * digest.  Signature and digests stand in no transaction: they are checked, kept and shown.
 */
#include <stdio.h>

#include "common/keccak.h"
#include "executor/key_preprocessing.h"
#include "executor/kind.h"

#define DIGESTS_MAX 8
#define DIGEST_MAX  64		/* bytes */

/* name in the Core's answer, number in what it signs */
#define KEY_TYPES(K) \
	K("ServerKey",          0) \
	K("PublicKey",          1) \
	K("CompressedXofKeySet", 3)

static const struct { const char *name; uint8_t number; } key_types[] = {
#define K(word, n) { word, n },
	KEY_TYPES(K)
#undef K
};

static size_t write_start(struct op *op, grpc_slice *slices)
{
	const struct request *r = op->request;
	Kms__V1__KeyGenRequest m = KMS__V1__KEY_GEN_REQUEST__INIT;
	Kms__V1__KeySetConfig config = KMS__V1__KEY_SET_CONFIG__INIT;
	Kms__V1__KeySetAddedInfo added = KMS__V1__KEY_SET_ADDED_INFO__INIT;
	struct core_id id, preprocessing, from, to;
	struct core_domain domain;

	core_id_set(&id, &r->core_id);
	core_id_set(&preprocessing, &r->preprocessing_id);
	core_id_set(&from, &r->source_key_id);
	core_id_set(&to, &r->destination_key_id);
	core_domain_set(&domain, op);
	config.keyset_type = keyset_of(op->kind);
	m.request_id = &id.m;
	m.preproc_id = &preprocessing.m;
	m.domain = &domain.m;
	m.keyset_config = &config;
	if (config.keyset_type == KEYSET_decompression_only) {
		added.from_keyset_id_decompression_only = &from.m;
		added.to_keyset_id_decompression_only = &to.m;
		m.keyset_added_info = &added;
	}
	m.signing_schemes = core_schemes;
	m.n_signing_schemes = ARRAY_LEN(core_schemes);
	slices[0] = core_pack(&m.base);
	return 1;
}

/* The answer. */

static const uint8_t *find_key_type(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(key_types); i++)
		if (strcmp(key_types[i].name, name) == 0)
			return &key_types[i].number;
	return NULL;
}

/* What the digests add up to, as words for the contract and as text for people. */
struct digests {
	struct b32 word[DIGESTS_MAX], hash;
	char text[DIGESTS_MAX * (2 * DIGEST_MAX + 40)];
};

static enum err read_digests(const Kms__V1__KeyGenResult *r, struct digests *d, const char **why)
{
	struct keccak k;
	size_t at = 0;

	*why = "the answer has no digests, or too many, or none of 1 to 64 bytes";
	if (r->n_key_digests == 0 || r->n_key_digests > DIGESTS_MAX)
		return ERR_MISMATCH;
	memset(d, 0, sizeof(*d));
	keccak_init(&k);
	for (size_t i = 0; i < r->n_key_digests; i++) {
		const Kms__V1__KeyDigest *one = r->key_digests[i];
		struct bytes digest = BYTES(one->digest.data, one->digest.len);
		const uint8_t *type = find_key_type(one->key_type);
		char hex[2 * DIGEST_MAX + 3];

		if (digest.len == 0 || digest.len > DIGEST_MAX)
			return ERR_MISMATCH;
		struct b32 hash = eip712_key_digest(type ? *type : 0, digest);
		keccak_update(&k, hash.b, sizeof(hash.b));
		memcpy(d->word[i].b, digest.p, digest.len < 32 ? digest.len : 32);
		at += (size_t)snprintf(d->text + at, sizeof(d->text) - at, "%s%.24s=%s", i ? " " : "",
				       one->key_type, hex_encode0x(digest, hex));
	}
	keccak_final(&k, d->hash.b);
	return OK;
}

/* Types whose number nobody told us cannot stand in what is signed. */
static bool knows_types(const struct op *op, const Kms__V1__KeyGenResult *r)
{
	for (size_t i = 0; op->kind == KIND_keygen && i < r->n_key_digests; i++)
		if (!find_key_type(r->key_digests[i]->key_type))
			return false;
	return true;
}

static enum err read_answer(struct op *op, const void *message, uint8_t *out, size_t *len_out,
			    const char **why)
{
	const Kms__V1__KeyGenResult *r = message;
	static struct digests digests;
	struct eip712_values v = { .preprocessing_id = op->request->preprocessing_id,
				   .result_id = op->request->core_id, .extra_data = BYTES("", 0) };
	struct core_parts parts = {
		.signature = core_signature(r->signatures, r->n_signatures, &r->external_signature),
		.key_digests = BYTES(digests.word, 32 * r->n_key_digests),
	};

	*why = "the answer is for another key id";
	if (!core_id_is(r->request_id, &op->request->core_id))
		return ERR_MISMATCH;
	*why = "the answer is of another preprocessing";
	if (!core_id_is(r->preprocessing_id, &op->request->preprocessing_id))
		return ERR_MISMATCH;
	enum err e = read_digests(r, &digests, why);
	if (e)
		return e;
	*why = "the answer has a type of key that this version does not know";
	if (!knows_types(op, r))
		return ERR_MISMATCH;
	v.key_digests = digests.hash;
	v.result = BYTES(r->key_digests[0]->digest.data, r->key_digests[0]->digest.len);
	e = core_check_signature(op, &v, parts.signature, why);
	if (e)
		return e;
	op_note_result(op, digests.text, &parts);
	return core_write_call(op, &parts, out, len_out, why);
}

#define START  CORE_PATH "KeyGen"
#define RESULT CORE_PATH "GetKeyGenResult"

const struct kind kind_keygen = {
	.start_method = START,
	.result_method = RESULT,
	.write_start = write_start,
	.answer = &kms__v1__key_gen_result__descriptor,
	.read_answer = read_answer,
	.consumes = true,
};

const struct kind kind_ksk = {
	.start_method = START,
	.result_method = RESULT,
	.write_start = write_start,
	.answer = &kms__v1__key_gen_result__descriptor,
	.read_answer = read_answer,
	.consumes = true,
};
