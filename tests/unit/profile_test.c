/*
 * profile_test - the profiles that ship, read as kms-connector reads them, and looked up as
 * the children do.  What a profile may not say is in tests/configs.
 */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/profile.h"
#include "supervisor/cli/profile_yaml.h"
#include "tests/unit/abi_words.h"

#define MANAGER "0x5FbDB2315678afecb367f032d93F642f64180aa3"
#define HTTPZ   "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"

TestSuite(profile, .timeout = 10);

static struct profile profile;
static struct settings *lines;
static struct profile_file file;
static struct troubles troubles;

static void put_contract(unsigned i, const char *name, const char *address)
{
	char path[64];

	snprintf(path, sizeof(path), "contract.%u.name", i);
	cr_assert_eq(settings_put(lines, path, name), OK);
	snprintf(path, sizeof(path), "contract.%u.chain", i);
	cr_assert_eq(settings_put(lines, path, "421614"), OK);
	snprintf(path, sizeof(path), "contract.%u.address", i);
	cr_assert_eq(settings_put(lines, path, address), OK);
}

static void find_top(char out[PATH_MAX])
{
	char path[PATH_MAX + 32];

	cr_assert(getcwd(out, PATH_MAX));
	for (;;) {
		snprintf(path, sizeof(path), "%s/proto/profiles", out);
		if (access(path, F_OK) == 0)
			return;

		char *slash = strrchr(out, '/');

		cr_assert(slash && slash != out, "run it inside the tree");
		*slash = '\0';
	}
}

static void load(const char *name)
{
	struct profile_choice choice = { .contract = { true, true } };
	char top[PATH_MAX], path[PATH_MAX + 64];

	find_top(top);
	snprintf(path, sizeof(path), "%s/proto/profiles/%s.yaml", top, name);
	lines = settings_new();
	cr_assert(profile_file_open(&file, "", path, (struct place){ .file = "test" }, &troubles));
	put_contract(0, "decryption_manager", MANAGER);
	put_contract(1, "httpz", HTTPZ);
	cr_assert_eq(settings_put(lines, "contract", "2"), OK);
	profile_file_put(&file, &choice, lines);
	cr_assert(profile_file_check(&file, lines, &profile));
	cr_assert_eq(troubles.errors, 0);
}

static void unload(void)
{
	profile_file_close(&file);
	settings_free(&lines);
}

/* interfaces: topic 0 of each event, selector of each response. */
static const struct {
	enum op_kind kind;
	const char *contract, *topic0, *selector;
} operations[] = {
	{ KIND_public_decryption, MANAGER,
	  "3cfc2aee45d607390bd77abd605865643c9243a65cec1b1c4e788400cc817a70", "02fd1a64" },
	{ KIND_user_decryption, MANAGER,
	  "39220321248df832264b0e08f5ef125395e78e6a48fe0369f3a74709523500b1", "b9bfe0a8" },
	{ KIND_preprocess_keygen, HTTPZ,
	  "5d0751204c769952f5651a5db611fb514e096e0d78ddd65ef8855f098f2cf285", "faac73b4" },
	{ KIND_preprocess_ksk, HTTPZ,
	  "4ee992128a4fd751bf376b15b13bfec773a15560bad70b4ccbb31f02bb6b0928", "6e66c0f7" },
	{ KIND_keygen, HTTPZ, "378359904c65c58afff0bbadfc274f58805e72d5055679a1699bacac694b92cc",
	  "6aafa976" },
	{ KIND_crsgen, HTTPZ, "51717568b8a201488573cff33cce45214a45fe40b86e535fbb0719a030779ddc",
	  "40c24f15" },
	{ KIND_ksk, HTTPZ, "495c541a261a470243c115af4ff31a0e9bd1e4ad91e8db0415c6af48843b5968",
	  "80f8fc00" },
	{ KIND_activate_key, HTTPZ,
	  "bddc1662cdaa871ae40d9edc0e435e0988c6095bfc7c452aedb16c89606b6b75", NULL },
	{ KIND_activate_key, HTTPZ,
	  "7066963379f0648a6475860de4447aec0b04c03db5bc169b401c88d16ff6578d", NULL },
};

Test(profile, httpz_topics_and_selectors)
{
	load("httpz");
	cr_expect_eq(profile.requests, ARRAY_LEN(operations));
	cr_expect_eq(profile.responses, 7);
	for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
		struct b32 topic;
		struct addr contract;
		char selector[9];

		cr_assert_eq(hex_decode_exact(operations[i].topic0, 64, topic.b, 32), OK);
		cr_assert_eq(addr_parse(operations[i].contract, &contract), OK);

		const struct profile_request *r = find_request(&profile, &contract, &topic);
		const struct profile_response *a = find_response(&profile, operations[i].kind);

		cr_assert_not_null(r, "%s", op_name(operations[i].kind));
		cr_expect_eq(r->kind, operations[i].kind);
		cr_expect_str_eq(r->finality, r->kind == KIND_keygen ? "settled" : "latest");
		cr_expect_eq(a == NULL, operations[i].selector == NULL);
		if (a)
			cr_expect_str_eq(hex_encode(BYTES_OF(a->function.selector), selector),
					 operations[i].selector);
		contract.b[0] ^= 1;
		cr_expect_null(find_request(&profile, &contract, &topic), "of another contract");
	}
	unload();
}

static void expect_type(enum op_kind kind, const char *hash)
{
	const struct profile_response *a = find_response(&profile, kind);
	char text[65];

	cr_expect(a->has_eip712);
	cr_expect_str_eq(hex_encode(BYTES_OF(a->eip712.hash.b), text), hash);
}

Test(profile, httpz_decryptions)
{
	struct addr manager;

	load("httpz");
	cr_assert_eq(addr_parse(MANAGER, &manager), OK);

	const struct profile_response *a = find_response(&profile, KIND_public_decryption);
	struct b32 domain = eip712_domain("DecryptionManager", "1", 421614, &manager);
	char text[65];

	cr_expect_eq(a->args, 3);
	cr_expect_eq(a->arg[0], ANSWER_request_id);
	cr_expect_eq(a->arg[1], ANSWER_result);
	cr_expect_eq(a->arg[2], ANSWER_signature);
	cr_expect(a->has_eip712);
	cr_expect(b32_eq(&a->domain, &domain));
	cr_expect_str_eq(hex_encode(BYTES_OF(a->eip712.hash.b), text),
			 "89bac15e5ba205584832145601e359431e80fb9fb331ba5a22058132d525c794");
	a = find_response(&profile, KIND_user_decryption);
	cr_expect_str_eq(hex_encode(BYTES_OF(a->eip712.hash.b), text),
			 "2c4b1a55fe4090104eb889f0e48d4cf11c7cc4b95cf47117b9f0008cbcc10f5f");
	expect_type(KIND_preprocess_keygen, "76e9aa7d78d48bc6c0bcdce52b7c722f8bce936a97a619baae97af05193c9c66");
	expect_type(KIND_keygen, "bd14835bb4ae13c78ecb88ded2c3370325f39e6006eb94ff45e95f98e4c85a2a");
	expect_type(KIND_crsgen, "a264b318e95080300a3f06a6656a8e7fe24f9903f0e6bcca307efbe39c4c4e09");
	expect_type(KIND_ksk, "a26aef36cab91dcdf64f26ad31573c1ac229e07a0c0ae03deeff642e13db55c6");
	cr_expect_str_eq(profile.request[0].role[REQUEST_materials], "snsCtMaterials");
	cr_expect_str_eq(profile.request[0].role[REQUEST_coprocessors],
			 "coprocessorTxSenderAddresses");
	cr_expect_str_eq(profile.request[0].role[REQUEST_public_key], "");
	cr_expect_str_eq(profile.ciphertext_url, "{bucket}/{digest}");
	cr_expect(profile.done[KIND_public_decryption].present);
	cr_expect_not(profile.done[KIND_keygen].present);
	cr_expect(profile.read[READ_kms_identity].present);
	cr_expect_not(profile.read[READ_user_access].present, "no access control contract");
	unload();
}

Test(profile, httpz_reverts)
{
	static const struct {
		const char *data;
		enum revert_meaning meaning;
		const char *name;
	} rows[] = {
		{ "a1714c77", REVERT_already_answered, "KmsSignerAlreadyResponded" },
		{ "4a576524", REVERT_already_answered, "KmsSignerAlreadySigned" },
		{ "609e5a30", REVERT_already_answered, "PreprocessKeygenKmsNodeAlreadyResponded" },
		{ "d1a7b2aa", REVERT_not_ours, "InvalidKmsSigner" },
		{ "aee86323ffff", REVERT_not_ours, "NotKmsTxSender" },
		{ "d93c0665", REVERT_paused, "EnforcedPause" },
		{ "f645eedf", REVERT_final, "ECDSAInvalidSignature" },
		{ "d78bce0c", REVERT_final, "ECDSAInvalidSignatureS" },
		{ "00000000", REVERT_unknown, NULL },
		{ "a1714c", REVERT_unknown, NULL },
		{ "", REVERT_unknown, NULL },
	};

	load("httpz");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t data[16];
		size_t len;
		const char *name;

		cr_assert_eq(
			hex_decode(rows[i].data, strlen(rows[i].data), data, sizeof(data), &len),
			OK);
		cr_expect_eq(profile_revert(&profile, BYTES(data, len), &name), rows[i].meaning,
			     "%s", rows[i].data);
		cr_expect_eq(name == NULL, rows[i].name == NULL);
		if (name && rows[i].name)
			cr_expect_str_eq(name, rows[i].name);
	}
	unload();
}

/* seed-interfaces: topic 0 of the events by which decryptions are finished. */
Test(profile, httpz_answers)
{
	static const struct { enum op_kind kind; const char *event; bool one; } rows[] = {
		{ KIND_public_decryption, "PublicDecryptionResponse(uint256,bytes,bytes[])", true },
		{ KIND_user_decryption, "UserDecryptionResponse(uint256,bytes[],bytes[])", false },
	};

	load("httpz");
	cr_expect_eq(profile.answered, ARRAY_LEN(rows));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct profile_answered *a = find_answered(&profile, rows[i].kind);

		cr_assert_not_null(a);
		cr_expect_str_eq(a->event.signature, rows[i].event);
		cr_expect_eq(*a->role[ANSWERED_result] != '\0', rows[i].one);
		cr_expect_eq(*a->role[ANSWERED_results] != '\0', !rows[i].one);
		cr_expect_str_eq(a->role[ANSWERED_signatures], "signatures");
	}
	cr_expect_null(find_answered(&profile, KIND_keygen));
	unload();
}

/* A process that is given one section leaves the others empty. */
Test(profile, one_section)
{
	struct settings *s = settings_new();

	cr_assert_eq(settings_put(s, "profile", "some"), OK);
	cr_assert_eq(settings_put(s, "revert", "1"), OK);
	cr_assert_eq(settings_put(s, "revert.0.means", "final"), OK);
	cr_assert_eq(settings_put(s, "revert.0.error", "error Bad(uint256)"), OK);
	cr_expect_eq(profile_load(s, NULL, &profile), OK);
	cr_expect_eq(profile.reverts, 1);
	cr_expect_eq(profile.requests, 0);
	cr_expect_null(find_response(&profile, KIND_public_decryption));
	settings_free(&s);
}

/* Two nodes: account 1 with an address, account 2 with a compressed key (that of 1). */
#define NODES "20 2 40 c0 " \
	"1 40 14 <2b5ad5c4795c026514f8317c7a215e218dccd6cf " \
	"2 40 21 <0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f817 <98"

static enum err identity_of(const char *function, const char *key, const char *value,
			    const char *words, uint8_t account, char out[ADDR_TEXT])
{
	static struct profile_read r;
	struct addr who = { .b = { [19] = account } }, identity = { { 0 } };
	struct bytes data = data_of(words);
	struct abi_view root;

	r = (struct profile_read){ .present = true, .function = parsed(function) };
	snprintf(r.key, sizeof(r.key), "%s", key);
	snprintf(r.value, sizeof(r.value), "%s", value);
	cr_assert_eq(abi_decode(&r.function, r.function.outputs, data, &root), OK);
	enum err e = profile_identity(&r, root, &who, &identity);
	free((void *)(uintptr_t)data.p);
	addr_text(&identity, out);
	return e;
}

Test(profile, identities_of_nodes)
{
	static const char nodes[] = "function n() view returns ((address account, bytes id)[] list)";
	static const char plain[] = "function n() view returns ((address account, address id)[] list)";
	static const char texts[] = "function n() view returns ((address account, string id)[] list)";
	char is[ADDR_TEXT];

	cr_assert_eq(identity_of(nodes, "account", "id", NODES, 1, is), OK);
	cr_expect_str_eq(is, "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF");
	cr_assert_eq(identity_of(nodes, "account", "id", NODES, 2, is), OK);
	cr_expect_str_eq(is, "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf");
	cr_expect_eq(identity_of(nodes, "account", "id", NODES, 3, is), ERR_MISSING);
	cr_assert_eq(identity_of(plain, "account", "id", "20 1 2 2b5ad5c4795c026514f8317c7a215e218dccd6cf",
				 2, is), OK);
	cr_expect_str_eq(is, "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF");
	/* What is no identity, and lists that are none. */
	cr_expect_eq(identity_of(nodes, "account", "id", "20 1 20 2 40 3 <aabbcc", 2, is), ERR_FORMAT);
	cr_expect_eq(identity_of(nodes, "account", "id", "20 1 20 2 40 0", 2, is), ERR_FORMAT);
	cr_expect_eq(identity_of(nodes, "account", "id", "20 0", 2, is), ERR_MISSING);
	cr_expect_eq(identity_of(texts, "account", "id", "20 1 20 2 40 1 <41", 2, is), ERR_FORMAT);
	cr_expect_eq(identity_of(nodes, "", "id", NODES, 1, is), ERR_FORMAT);
	cr_expect_eq(identity_of(nodes, "account", "", NODES, 1, is), ERR_FORMAT);
	cr_expect_eq(identity_of("function n() view returns (bytes[] list)", "account", "id", "20 0", 1, is),
		     ERR_MISSING);
	cr_expect_eq(identity_of("function n() view returns (address list)", "account", "id", "1", 1, is),
		     ERR_FORMAT);
}
