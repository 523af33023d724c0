/*
 * user_signature_test - the user's own signature in the call of 2025-04-07, held against the
 * reference's vector (its digest: 18e8ddcc...b738ff), which the private key 1 has signed.
 */
#include "tests/unit/abi_words.h"
#include "tests/unit/profile_world.h"

#include "common/keccak.h"
#include "executor/user_signature.h"

TestSuite(user_signature, .timeout = 20);

#define CHAIN  54321
#define USER   "7e5f4552091a69125d5dfcb7b8c2659029395bdf"
#define OTHER  "2211111111111111111111111111111111111111ff000000000000d431050000"
#define HANDLE "111111111111111111111111111111111111111111ff000000000000d4310500"
#define APP    "5ffdaab0373e62e2ea2944776209aef29e631a64"

static const struct test_contract contracts[] = {
	{ "decryption_manager", "0xF0bFB159C7381F7CB332586004d8247252C5b816" }, { "httpz", HTTPZ },
	{ "key_manager", KEY_MANAGER },
};

/* The words of the call: pairs, validity, chain, contracts, user, key, signature. */
#define CALL(days, handle) \
	"100 67c24e00 " days " aa36a7 160 " USER " 1a0 200 1 " handle " " APP " 1 " APP \
	" 28 2000000000000000abababababababababababababababababababababababab <abababababababab 41 " \
	"9465b705fbabc996d038c845737105ea249228b49c2d2e2eefb6e7744d9fd370 " \
	"55e19e59cf115148c1570672f9fc580648674cf152549a715a29805e43f8565d <1b"

static struct profile profile;
static struct material material;
static struct request request;
static uint8_t call[4 + 64 * 32];
static size_t len;

static void begin(void)
{
	static const char key[] = "2000000000000000abababababababababababababababababababababababab"
				  "abababababababab";
	static uint8_t public_key[40];

	load_profile("proto/profiles/httpz-2025-04", CHAIN, contracts, 3, &profile);
	cr_assert_eq(hex_decode_exact(HANDLE, 64, material.handle.b, 32), OK);
	cr_assert_eq(hex_decode_exact(key, 80, public_key, 40), OK);
	cr_assert_eq(hex_decode_exact(USER, 40, request.user.b, 20), OK);
	request.materials = 1;
	request.material = &material;
	request.public_key = BYTES_OF(public_key);
}

/* The answer to a transaction with this selector and these words, to TO. */
static enum err answer(const char *selector, const char *words, const struct addr *to,
		       const char **why)
{
	struct bytes data = data_of(words);

	cr_assert_eq(hex_decode_exact(selector, 8, call, 4), OK);
	memcpy(call + 4, data.p, data.len);
	len = 4 + data.len;
	free((void *)(uintptr_t)data.p);
	return user_signature_check(&profile, &request, to, BYTES(call, len), why);
}

Test(user_signature, of_the_reference, .init = begin)
{
	const struct addr *manager = &profile.contract[0].address;
	const char *why = "";

	cr_assert_eq(answer("8316001f", CALL("a", HANDLE), manager, &why), OK, "%s", why);
}

Test(user_signature, of_something_else, .init = begin)
{
	const struct addr *manager = &profile.contract[0].address;
	const char *why = "";

	cr_expect_eq(answer("8316001f", CALL("b", HANDLE), manager, &why), ERR_DENIED);
	cr_expect_str_eq(why, "it is not signed by its user");
	cr_expect_eq(answer("8316001f", CALL("a", OTHER), manager, &why), ERR_MISMATCH);
	cr_expect_str_eq(why, "its transaction asks for something else");
	cr_expect_eq(answer("760a0419", CALL("a", HANDLE), manager, &why), ERR_MISSING,
		     "the delegated request is another call");
	cr_expect_eq(answer("8316001f", CALL("a", HANDLE), &profile.contract[1].address, &why),
		     ERR_MISSING, "to another contract");
	cr_expect_eq(answer("8316001f", CALL("a", HANDLE) " 0", manager, &why), ERR_FORMAT);
	request.user.b[0] ^= 1;
	cr_expect_eq(answer("8316001f", CALL("a", HANDLE), manager, &why), ERR_MISMATCH);
}
