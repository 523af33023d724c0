/*
 * profile_test - the profiles that ship, read as kms-connector reads them, and looked up as
 * the children do.  What a profile may not say is in tests/configs.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/abi_words.h"
#include "tests/unit/profile_world.h"

TestSuite(profile, .timeout = 10);

static struct profile profile;

static void load_httpz(void)
{
	load_profile("proto/profiles/httpz", TEST_CHAIN, contracts_of_httpz, 2, &profile);
}

static void load_april(void)
{
	load_profile("proto/profiles/httpz-2025-04", TEST_CHAIN, contracts_of_april, 4, &profile);
}

/* Topic 0 of each event, selector of each response, as the interfaces were compiled. */
struct operation { enum op_kind kind; const char *contract, *topic0, *selector; };

static const struct operation httpz[] = {
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

static const struct operation april[] = {
	{ KIND_public_decryption, MANAGER,
	  "17c632196fbf6b96d9675971058d3701733094c3f2f1dcb9ba7d2a08bee0aafb", "02fd1a64" },
	{ KIND_user_decryption, MANAGER,
	  "1c3dcad6311be6d58dc4d4b9f1bc1625eb18d72de969db75e11a88ef3527d2f3", "b9bfe0a8" },
	{ KIND_preprocess_keygen, KEY_MANAGER,
	  "8511337ad89c20ef904f13e9b9e7eb05f4c0fff128a8760c2c1d436c111b309f", "faac73b4" },
	{ KIND_preprocess_ksk, KEY_MANAGER,
	  "596d111e7512a47ee0c5eb66eef6f22c45d8ad4fee0520340785a11e221ed512", "941c8df6" },
	{ KIND_keygen, KEY_MANAGER,
	  "796482d60009a80331529afb48bf3415a16c9ff539a8cd138e77a745af6c7b78", "6aafa976" },
	{ KIND_crsgen, KEY_MANAGER,
	  "04f7b6ae222ef47289cfdc7c3b8298273e1bc92eeb346e805163ed4b37e76b29", "40c24f15" },
	{ KIND_ksk, KEY_MANAGER,
	  "fd6857403eadbdc0c8b68b151bb46a31d6c352af79b065d472cbd77781514dd4", "9594a901" },
	{ KIND_activate_key, KEY_MANAGER,
	  "bddc1662cdaa871ae40d9edc0e435e0988c6095bfc7c452aedb16c89606b6b75", NULL },
	{ KIND_activate_key, KEY_MANAGER,
	  "7066963379f0648a6475860de4447aec0b04c03db5bc169b401c88d16ff6578d", NULL },
};

static void expect_selector(const struct abi_line *function, const char *selector)
{
	char text[9];

	cr_expect_str_eq(hex_encode(BYTES_OF(function->selector), text), selector, "%s",
			 function->signature);
}

static void expect_operation(const struct operation *o)
{
	struct b32 topic;
	struct addr contract;

	cr_assert_eq(hex_decode_exact(o->topic0, 64, topic.b, 32), OK);
	cr_assert_eq(addr_parse(o->contract, &contract), OK);

	const struct profile_request *r = find_request(&profile, &contract, &topic);
	const struct profile_response *a = find_response(&profile, o->kind);

	cr_assert_not_null(r, "%s", op_name(o->kind));
	cr_expect_eq(r->kind, o->kind);
	cr_expect_str_eq(r->finality, r->kind == KIND_keygen ? "settled" : "latest");
	cr_expect_eq(a == NULL, o->selector == NULL);
	if (a)
		expect_selector(&a->function, o->selector);
	contract.b[0] ^= 1;
	cr_expect_null(find_request(&profile, &contract, &topic), "of another contract");
}

Test(profile, httpz_topics_and_selectors)
{
	load_httpz();
	cr_expect_eq(profile.requests, ARRAY_LEN(httpz));
	cr_expect_eq(profile.responses, 7);
	for (size_t i = 0; i < ARRAY_LEN(httpz); i++)
		expect_operation(&httpz[i]);
}

Test(profile, april_topics_and_selectors)
{
	load_april();
	cr_expect_eq(profile.requests, ARRAY_LEN(april));
	cr_expect_eq(profile.responses, 7);
	for (size_t i = 0; i < ARRAY_LEN(april); i++)
		expect_operation(&april[i]);
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

	load_httpz();
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
}

Test(profile, april_decryptions)
{
	struct addr manager;

	load_april();
	cr_assert_eq(addr_parse(MANAGER, &manager), OK);

	const struct profile_response *a = find_response(&profile, KIND_user_decryption);
	struct b32 domain = eip712_domain("DecryptionManager", "1", TEST_CHAIN, &manager);

	cr_expect(b32_eq(&a->domain, &domain));
	cr_expect_eq(a->arg[0], ANSWER_request_id);
	cr_expect_eq(a->arg[1], ANSWER_result);
	cr_expect_eq(a->arg[2], ANSWER_signature);
	expect_type(KIND_public_decryption, "0fadf98b8136b99fb0131ba0fcbca3082d7d632509fad62cf0d18ebdf9670cc1");
	expect_type(KIND_user_decryption, "f7e27dfd3fe3d63db90df13495def08652c6cc0a1297cc39ca04f7d6dd403d76");
	expect_type(KIND_crsgen, "742baadad9a09c82a94b935a0b51a5ff650ff7b666130019a58a637e91109fd7");
	cr_expect_not(find_response(&profile, KIND_keygen)->has_eip712);
	cr_expect_not(find_response(&profile, KIND_preprocess_ksk)->has_eip712);
	cr_expect_str_eq(profile.domain[OP_KEY].name, "HTTPZ", "which the Core is told all the same");
}

Test(profile, april_views)
{
	static const struct { enum profile_read_name name; bool by_key; const char *selector; } rows[] = {
		{ READ_coprocessor_bucket, true, "ecbd96ab" },
		{ READ_kms_identity, true, "54d3f675" },
		{ READ_current_key, false, "d8909eab" },
		{ READ_kms_accounts, false, "bda0b948" },
		{ READ_coprocessor_accounts, false, "8f4a7f5e" },
		{ READ_public_access, false, "6ae10ecb" },
		{ READ_user_access, false, "d2875c59" },
	};
	char type[65];

	load_april();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct profile_read *r = &profile.read[rows[i].name];

		cr_assert(r->present, "%s", rows[i].selector);
		cr_expect_eq(r->by_key, rows[i].by_key, "%s", rows[i].selector);
		expect_selector(&r->function, rows[i].selector);
	}
	cr_expect_not(profile.read[READ_fhe_params].present);
	expect_selector(&profile.done[KIND_public_decryption].function, "7e11db07");
	expect_selector(&profile.done[KIND_user_decryption].function, "373dce8a");
	cr_assert(profile.user_signature.present);
	expect_selector(&profile.user_signature.function, "8316001f");
	cr_expect_str_eq(hex_encode(BYTES_OF(profile.user_signature.type_hash.b), type),
			 "5a9782aa78cd9da8fbac32ac961a91046100b9689b9fb5ace90e9bf1d1c8d440");
	cr_expect_eq(profile.user_signature.members, 5);
	cr_expect_eq(profile.fhe_params, 2);
}

struct revert { const char *data; enum revert_meaning meaning; const char *name; };

static void expect_reverts(const struct revert *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
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
}

Test(profile, httpz_reverts)
{
	static const struct revert rows[] = {
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

	load_httpz();
	expect_reverts(rows, ARRAY_LEN(rows));
}

Test(profile, april_reverts)
{
	static const struct revert rows[] = {
		{ "a1714c77", REVERT_already_answered, "KmsSignerAlreadyResponded" },
		{ "609e5a30", REVERT_already_answered, "PreprocessKeygenKmsNodeAlreadyResponded" },
		{ "00391dd6", REVERT_already_answered, "PreprocessKskgenKmsNodeAlreadyResponded" },
		{ "0300a3a9", REVERT_already_answered, "KeygenKmsNodeAlreadyResponded" },
		{ "e87c607c", REVERT_already_answered, "CrsgenKmsNodeAlreadyResponded" },
		{ "cfa5f2bb", REVERT_already_answered, "KskgenKmsNodeAlreadyResponded" },
		{ "2a7c6ef6", REVERT_not_ours, "NotKmsSigner" },
		{ "aee86323", REVERT_not_ours, "NotKmsTxSender" },
		{ "fce698f7", REVERT_final, "ECDSAInvalidSignatureLength" },
		{ "d1a7b2aa", REVERT_unknown, NULL },
	};

	load_april();
	expect_reverts(rows, ARRAY_LEN(rows));
}

/* Whoever writes a profile finds each word that may stand in one. */
Test(profile, the_page_names_every_word)
{
	static const char *const words[] = {
#define R(name, how, text) #name,
		REQUEST_ROLES(R)
#undef R
#define R(name, text) #name,
		ANSWER_SOURCES(R) REVERT_MEANINGS(R) PROFILE_READS(R)
#undef R
#define OP(number, name, prefix, group, finality, text) #name,
		OPERATIONS(OP)
#undef OP
#define S(name, member, types, text) member,
		EIP712_SOURCES(S)
#undef S
	};
	static char page[65536];
	char path[PATH_MAX], word[80];

	find_folder("proto/profiles/README.md", path);

	FILE *f = fopen(path, "r");

	cr_assert(f && fread(page, 1, sizeof(page) - 1, f) > 1000);
	fclose(f);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		snprintf(word, sizeof(word), "`%s`", words[i]);
		cr_expect(strstr(page, word), "%s", word);
	}
}

/* seed-interfaces: topic 0 of the events by which decryptions are finished. */
static void expect_answers(void)
{
	static const struct { enum op_kind kind; const char *event; bool one; } rows[] = {
		{ KIND_public_decryption, "PublicDecryptionResponse(uint256,bytes,bytes[])", true },
		{ KIND_user_decryption, "UserDecryptionResponse(uint256,bytes[],bytes[])", false },
	};

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
}

Test(profile, httpz_answers)
{
	load_httpz();
	expect_answers();
}

Test(profile, april_answers)
{
	load_april();
	expect_answers();
}

/* Topic 0, as the interfaces were compiled, of what else the contracts emit. */
static void expect_others(const char *const *topics, size_t count)
{
	cr_expect(profile.has_others);
	for (size_t i = 0; i < count; i++) {
		struct b32 topic;
		unsigned found = 0;

		cr_assert_eq(hex_decode_exact(topics[i], 64, topic.b, 32), OK);
		for (unsigned k = 0; k < profile.others; k++)
			found += b32_eq(&profile.other[k], &topic);
		cr_expect_eq(found, 1, "%s", topics[i]);
	}
}

#define PRE_KEYGEN_RESPONSE "4187011e59171694872e08b3d3cdd3c901567aa0e38aaa6dbb4368837c1e8e34"
#define OWNERSHIP "8be0079c531659141344cd1fd0a4f28419497f9722a3daafe3b4186f6b6457e0"
#define PAUSED "62e78cea01bee320cd4e420270b5ea74000d11b0c9f74754ebdbfc544b05a258"

Test(profile, httpz_other_events)
{
	static const char *const topics[] = {
		PRE_KEYGEN_RESPONSE, OWNERSHIP, PAUSED,
		"bcdb120c47ca63ddb02b232fb946c4156ae75dd935af40d70f95a19cceaca3d2",
		"8a329aebbfb1f20529d9ae3319cbc5901013dcd317a678ed032f27c31bfefbc4",
		"d9e0544e3b113dff474a0b881327a0a30db1c9dffaa5812652db297b1f8abf2a",
		"301a52555b6fd003dc7c244c04940d34455083c8ad9e0a538f142675ff7cde15",
		"fa8055b42ae4d76a291c5b2fcca6fc2364a928cc6c9051272f9c1201e1b13960",
		"f56a7cb96ff22c1135219695e3781751f881e95f7cd25d217acf6facf354c825",
	};

	load_httpz();
	expect_others(topics, ARRAY_LEN(topics));
}

Test(profile, april_other_events)
{
	static const char *const topics[] = {
		PRE_KEYGEN_RESPONSE, OWNERSHIP, PAUSED,
		"76863545735c29cf1c7ebb0028e734d1d738d2a5d099ba8b529c1793354ae312",
		"bc9d79366dad6b972d61e3f1567ee2f1e24c0ce10c72dcfb1452ee3b35c8d13e",
		"95c123ae3e63573231605272667e1410a9e3c618227ff509e3c6a152c664b3a2",
		"c607d1695840ce0dc9d24a547edaec485e01e5939a540c2e4c23e360e2243767",
	};

	load_april();
	expect_others(topics, ARRAY_LEN(topics));
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
	cr_expect_not(profile.has_others);
	settings_free(&s);
}

/* Two nodes: account 1 with an address, account 2 with a compressed key (that of 1). */
#define NODES "20 2 40 c0 " \
	"1 40 14 <2b5ad5c4795c026514f8317c7a215e218dccd6cf " \
	"2 40 21 <0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f817 <98"

static bool by_key;

static enum err identity_of(const char *function, const char *key, const char *value,
			    const char *words, uint8_t account, char out[ADDR_TEXT])
{
	static struct profile_read r;
	struct addr who = { .b = { [19] = account } }, identity = { { 0 } };
	struct bytes data = data_of(words);
	struct abi_view root;

	r = (struct profile_read){ .present = true, .by_key = by_key, .function = parsed(function) };
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

/* A view that takes the account: what it returns is that account's. */
Test(profile, identities_by_account)
{
	static const char one[] = "function n(address) view returns ((address tx, address signer, string ip) node)";
	static const char flat[] = "function n(address) view returns (address tx, bytes id)";
	char is[ADDR_TEXT];

	by_key = true;
	cr_assert_eq(identity_of(one, "", "node.signer",
				 "20 7 2b5ad5c4795c026514f8317c7a215e218dccd6cf 60 1 <41", 7, is), OK);
	cr_expect_str_eq(is, "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF");
	cr_expect_eq(identity_of(one, "", "node.signer", "20 0 0 60 0", 7, is), ERR_MISSING);
	cr_assert_eq(identity_of(flat, "", "id", "7 40 14 <2b5ad5c4795c026514f8317c7a215e218dccd6cf", 7,
				 is), OK);
	cr_expect_str_eq(is, "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF");
	cr_expect_eq(identity_of(flat, "", "id", "0 40 0", 7, is), ERR_MISSING);
	cr_expect_eq(identity_of(flat, "", "id", "7 40 3 <aabbcc", 7, is), ERR_FORMAT);
	by_key = false;
}

/* The reference's encoding of coprocessors(address), and the call that asks for it. */
Test(profile, a_bucket_by_address)
{
	struct addr who = { .b = { [19] = 0xa1 } };
	uint8_t call[PROFILE_CALL_MAX];
	char text[2 * PROFILE_CALL_MAX + 1];
	struct abi_view root, url;

	load_april();

	const struct profile_read *r = &profile.read[READ_coprocessor_bucket];
	struct bytes data = data_of("20 a1 b2 60 11 <687474703a2f2f6275636b65742e636f6d");

	cr_expect_str_eq(hex_encode(profile_call(r, &who, call), text),
			 "ecbd96ab00000000000000000000000000000000000000000000000000000000000000a1");
	cr_assert_eq(abi_decode(&r->function, r->function.outputs, data, &root), OK);
	cr_assert_eq(profile_value(r, root, &who, &url), OK);
	cr_expect(bytes_is(abi_bytes(url), "http://bucket.com"));
	free((void *)(uintptr_t)data.p);
	load_httpz();
	cr_expect_str_eq(hex_encode(profile_call(&profile.read[READ_kms_identity], &who, call), text),
			 "e72ee991");
}
