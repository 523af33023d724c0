/* message_test - from events of unusual shapes to what the Core and the contract are told. */

#include "tests/unit/abi_words.h"
#include "tests/unit/profile_world.h"

#include "common/keccak.h"
#include "common/opid.h"
#include "executor/message.h"

TestSuite(message, .timeout = 20);

static struct executor executor;
static struct op op;
static struct b32 topics[2];
static struct bytes data;

static void end(void)
{
	free(op.request);
	free((void *)(uintptr_t)data.p);
}

/* OP as if the event of KIND had been seen with this data, at a place of its own. */
static void see(enum op_kind kind, const char *words)
{
	const struct profile_request *row = executor.profile.request;
	const char *why = "";

	while (row->kind != kind)
		row++;
	free(op.request);
	free((void *)(uintptr_t)data.p);
	data = data_of(words);
	op = (struct op){ .x = &executor, .kind = kind, .profile = row, .chain = TEST_CHAIN,
			  .log_index = 3, .contract = executor.profile.contract[row->contract].address };
	memset(op.block_hash.b, 0xbb, 32);
	topics[0] = row->event.hash;
	topics[1].b[31] = 7;

	struct request_event e = {
		.profile = &executor.profile, .row = row, .chain = op.chain, .log_index = op.log_index,
		.contract = op.contract, .block_hash = op.block_hash,
		.topics = BYTES(topics, 32 * (1 + row->event.node[row->event.indexed].children)),
		.data = data,
	};

	cr_assert_eq(request_decode(&e, &op.request, &why), OK, "%s: %s", op_name(kind), why);
	op.id = op.request->id;
}

/* The document's class diagrams: responses of one argument, requests without an id. */

static const struct {
	enum op_kind kind;
	const char *words, *selector;
	bool has_id;
} literal[] = {
	{ KIND_preprocess_keygen, "20 20 4 <74657374", "ac37b3d2", false },
	{ KIND_preprocess_ksk, "20 20 4 <74657374", "65eefaab", false },
	{ KIND_keygen, "5 40 20 7 <64656661756c74", "9e661bbd", true },
	{ KIND_crsgen, "20 20 4 <54455354", "3936a569", false },
	{ KIND_ksk, "5 1 2 80 20 7 <64656661756c74", "59f2e505", true },
};

Test(message, one_argument_is_the_result_id, .fini = end)
{
	static uint8_t call[IPC_CALLDATA_MAX];
	const struct core_parts none = { .signature = BYTES("", 0) };
	const char *why = "";
	char selector[9];
	size_t len;

	load_profile("tests/configs/profiles/literal", TEST_CHAIN, contracts_of_httpz, 2,
		     &executor.profile);
	for (size_t i = 0; i < ARRAY_LEN(literal); i++) {
		see(literal[i].kind, literal[i].words);
		cr_assert_eq(core_write_call(&op, &none, call, &len, &why), OK, "%s", why);

		struct b32 result = op_result_id(op.kind, TEST_CHAIN, &op.contract, &op.id);

		cr_assert_eq(len, 4 + 32, "%s", op_name(op.kind));
		cr_expect_str_eq(hex_encode(BYTES(call, 4), selector), literal[i].selector);
		cr_expect(bytes_eq(BYTES(call + 4, 32), BYTES_OF(result.b)), "%s", op_name(op.kind));
	}
}

Test(message, a_place_is_an_id, .fini = end)
{
	struct b32 word[4] = { { { 0 } } }, place, before;

	load_profile("tests/configs/profiles/literal", TEST_CHAIN, contracts_of_httpz, 2,
		     &executor.profile);
	for (size_t i = 0; i < ARRAY_LEN(literal); i++) {
		see(literal[i].kind, literal[i].words);
		be64_put(word[0].b + 24, op.chain);
		memcpy(word[1].b + 12, op.contract.b, 20);
		word[2] = op.block_hash;
		be64_put(word[3].b + 24, op.log_index);
		place = keccak_bytes(BYTES_OF(word));
		cr_expect_eq(b32_eq(&op.id, &place), !literal[i].has_id, "%s", op_name(op.kind));
		cr_expect_eq(op.request->fhe_params, !literal[i].has_id);
		/* Equal places, and yet no two kinds give their results one id. */
		cr_expect(i == 0 || !b32_eq(&op.request->core_id, &before));
		before = op.request->core_id;
	}
}

/* Ciphertexts in the event, of contracts until 2025-03-11: two materials of 5 and 40 bytes. */
#define HANDLE_0 "ab00000000000000000000000000000000000000000000000000000000000500"
#define HANDLE_1 "cd00000000000000000000000000000000000000000000000000000000000200"
#define INLINE_EVENT \
	"20 2 40 e0 " \
	HANDLE_0 " 9 60 5 <1112131415 " \
	HANDLE_1 " 9 60 28 <2222222222222222222222222222222222222222222222222222222222222222 <3333333333333333"

Test(message, inline_ciphertexts_reach_the_core, .fini = end)
{
	grpc_slice slice[6];
	static uint8_t all[4096];
	size_t len = 0;

	load_profile("tests/configs/profiles/inline", TEST_CHAIN, contracts_of_httpz, 1,
		     &executor.profile);
	see(KIND_public_decryption, INLINE_EVENT);
	cr_assert_eq(op.request->materials, 2);
	cr_expect_eq(op.request->key_id.b[31], 9);
	cr_expect_eq(op.request->material[0].count, 0, "nobody holds it elsewhere");
	cr_expect_eq(op.request->material[0].ciphertext.len, 5);
	cr_expect_eq(op.request->material[1].ciphertext.len, 40);

	size_t slices = core_write_ciphertexts(&op, 2, slice);

	cr_assert_eq(slices, 6);
	for (size_t i = 0; i < slices; i++) {
		memcpy(all + len, GRPC_SLICE_START_PTR(slice[i]), GRPC_SLICE_LENGTH(slice[i]));
		len += GRPC_SLICE_LENGTH(slice[i]);
		grpc_slice_unref(slice[i]);
	}

	Kms__V1__PublicDecryptionRequest *m =
		kms__v1__public_decryption_request__unpack(NULL, len, all);

	cr_assert(m && m->n_ciphertexts == 2);
	for (unsigned i = 0; i < 2; i++) {
		const Kms__V1__TypedCiphertext *c = m->ciphertexts[i];
		const struct material *material = &op.request->material[i];

		cr_expect_eq(c->fhe_type, i ? 2 : 5);
		cr_expect(bytes_eq(BYTES(c->ciphertext.data, c->ciphertext.len), material->ciphertext));
		cr_expect(bytes_eq(BYTES(c->external_handle.data, c->external_handle.len),
				   BYTES_OF(material->handle.b)));
	}
	kms__v1__public_decryption_request__free_unpacked(m, NULL);
}

Test(message, inline_ciphertexts_that_cannot_be)
{
	static const struct { const char *words; enum err e; const char *why; } rows[] = {
		{ "20 1 20 " HANDLE_0 " 9 60 0", ERR_RANGE, "a ciphertext is empty" },
		{ "20 0", ERR_RANGE, "it has no ciphertexts, or too many" },
		{ "20 2 40 100 " HANDLE_0 " 9 60 1 <11 " HANDLE_1 " 8 60 1 <22", ERR_FORMAT, NULL },
		{ "20 2 40 e0 " HANDLE_0 " 9 60 1 <11 " HANDLE_1 " 8 60 1 <22", ERR_RANGE,
		  "its ciphertexts are under different keys" },
	};
	struct request *r = NULL;
	const char *why;

	load_profile("tests/configs/profiles/inline", TEST_CHAIN, contracts_of_httpz, 1,
		     &executor.profile);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct request_event e = { .profile = &executor.profile,
					   .row = &executor.profile.request[0],
					   .topics = BYTES(topics, 64), .data = data_of(rows[i].words) };
		enum err is = request_decode(&e, &r, &why);

		if (rows[i].why)
			cr_expect_eq(is, rows[i].e, "%zu: %s", i, why);
		if (rows[i].why)
			cr_expect_str_eq(why, rows[i].why);
		cr_expect_neq(is, OK, "%zu", i);
		free((void *)(uintptr_t)e.data.p);
	}
}
