/* abi_encode_test - calls: vectors, limits, and back through the decoder. */
#include "tests/unit/abi_words.h"

TestSuite(abi_encode, .timeout = 10);

/* Encodes and compares with the selector and WORDS. */
static void is_call(const struct abi_line *line, const struct abi_arg *args, size_t count,
		    const char *words)
{
	struct bytes expected = data_of(words);
	uint8_t out[2048];
	size_t len = 0;

	cr_assert_eq(abi_encode_call(line, args, count, out, sizeof(out), &len), OK);
	cr_assert(bytes_eq(BYTES(out, 4), BYTES_OF(line->selector)));
	cr_assert(bytes_eq(BYTES(out + 4, len - 4), expected), "%s", line->signature);

	/* Exactly as much room as it takes, and less. */
	for (size_t cap = 0; cap <= len; cap++) {
		uint8_t *tight = malloc(cap + 1);
		enum err e = abi_encode_call(line, args, count, tight, cap, &len);

		cr_assert_eq(e, cap < 4 + expected.len ? ERR_TOO_BIG : OK, "%zu", cap);
		free(tight);
	}
	free((void *)expected.p);
}

Test(abi_encode, responses)
{
	struct abi_line two = parsed("function keygenResponse(uint256 preKeyId, uint256 keyId)");
	struct abi_line three = parsed("function publicDecryptionResponse("
				       "uint256 publicDecryptionId, bytes decryptedResult, "
				       "bytes signature)");
	struct abi_line none = parsed("function getCurrentKeyId() returns (uint256)");
	struct bytes id = data_of("7"), result = data_of("2a");
	struct abi_arg ids[] = { { id }, { result } };
	struct abi_arg args[] = { { id }, { result }, { BYTES("\1\2\3", 3) } };
	struct abi_arg empty[] = { { id }, { BYTES(NULL, 0) }, { BYTES("", 0) } };

	is_call(&two, ids, 2, "7 2a");
	is_call(&three, args, 3, "7 60 a0 20 2a 3 <010203");
	is_call(&three, empty, 3, "7 60 80 0 0");
	is_call(&none, NULL, 0, "");
	free((void *)id.p);
	free((void *)result.p);
}

/* Made by another implementation. */
Test(abi_encode, every_kind_of_argument)
{
	static const char *const words[] = {
		"102", NULL, NULL, "5ffdaab0373e62e2ea2944776209aef29e631a64", "1 2", "1",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"<01020304", "9 a",
	};
	struct abi_line line = parsed("function f(uint256 a, bytes b, string c, address d, "
				      "uint64[] e, bool g, int8 h, bytes4 i, uint8[2] j)");
	struct abi_arg args[ARRAY_LEN(words)];

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (words[i])
			args[i].v = data_of(words[i]);
	args[1].v = BYTES("\xde\xad\xbe\xef", 4);
	args[2].v = BYTES("hello", 5);
	is_call(&line, args, ARRAY_LEN(args),
		"102 140 180 5ffdaab0373e62e2ea2944776209aef29e631a64 1c0 1 "
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff <01020304 "
		"9 a 4 <deadbeef 5 <68656c6c6f 2 1 2");
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (words[i])
			free((void *)args[i].v.p);
}

Test(abi_encode, arguments_that_do_not_fit)
{
	static const struct { const char *type, *words; size_t len; } row[] = {
		{ "uint256", "1", 31 }, { "uint256", "1 2", 64 }, { "uint256", "", 0 },
		{ "uint8", "100", 32 }, { "int8", "80", 32 }, { "bool", "2", 32 },
		{ "address", "10000000000000000000000000000000000000000", 32 },
		{ "bytes4", "1", 32 }, { "uint8[]", "1 100", 64 }, { "uint8[]", "1 2", 63 },
		{ "uint8[2]", "1", 32 }, { "uint8[2]", "1 2 3", 96 }, { "(uint8)", "1", 32 },
		{ "bytes[]", "1", 32 }, { "bytes[]", "", 0 }, { "bytes[1]", "1", 32 },
		{ "uint8[][]", "", 0 }, { "(uint8)[]", "1", 32 },
	};
	uint8_t out[512];
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		char text[64];
		struct bytes v = data_of(row[i].words);
		struct abi_arg arg = { BYTES(v.p, row[i].len) };

		snprintf(text, sizeof(text), "function f(%s)", row[i].type);

		struct abi_line line = parsed(text);

		cr_assert_eq(abi_encode_call(&line, &arg, 1, out, sizeof(out), &len), ERR_FORMAT,
			     "%s %s", row[i].type, row[i].words);
		free((void *)v.p);
	}
}

Test(abi_encode, lines_that_are_no_calls)
{
	struct abi_line event = parsed("event E()"), error = parsed("error E()");
	struct abi_line one = parsed("function f(uint256)");
	uint8_t out[64];
	size_t len;

	cr_assert_eq(abi_encode_call(&event, NULL, 0, out, sizeof(out), &len), ERR_FORMAT);
	cr_assert_eq(abi_encode_call(&error, NULL, 0, out, sizeof(out), &len), ERR_FORMAT);
	cr_assert_eq(abi_encode_call(&one, NULL, 0, out, sizeof(out), &len), ERR_FORMAT);
}

Test(abi_encode, an_array_of_too_many_items)
{
	static uint8_t items[(ABI_ITEMS_MAX + 1) * 32], out[sizeof(items) + 100];
	struct abi_line line = parsed("function f(uint8[] a)");
	struct abi_arg arg = { BYTES_OF(items) };
	size_t len;

	cr_assert_eq(abi_encode_call(&line, &arg, 1, out, sizeof(out), &len), ERR_TOO_BIG);
	arg.v.len -= 32;
	cr_assert_eq(abi_encode_call(&line, &arg, 1, out, sizeof(out), &len), OK);
	cr_assert_eq(len, 4 + 64 + ABI_ITEMS_MAX * 32);
}

Test(abi_encode, random_calls_there_and_back)
{
	struct abi_line line = parsed("function f(bytes a, uint256[] b, string c, bytes32 d, "
				      "int64[3] e)");
	static uint8_t pool[4096], out[8192];

	srandom(9);
	for (size_t i = 0; i < sizeof(pool); i++)
		pool[i] = (uint8_t)random();
	for (unsigned round = 0; round < 3000; round++) {
		static uint8_t small[96];
		struct abi_arg args[5] = {
			{ BYTES(pool + random() % 100, (size_t)random() % 1000) },
			{ BYTES(pool + random() % 100, (size_t)random() % 30 * 32) },
			{ BYTES(pool + random() % 100, (size_t)random() % 100) },
			{ BYTES(pool + random() % 100, 32) },
			{ BYTES_OF(small) },
		};
		struct abi_view v, m;
		size_t len;

		small[95] = (uint8_t)random();
		cr_assert_eq(abi_encode_call(&line, args, 5, out, sizeof(out), &len), OK);
		cr_assert_eq(abi_decode(&line, line.inputs, BYTES(out + 4, len - 4), &v), OK);
		for (unsigned i = 0; i < 3; i++) {
			cr_assert(abi_member_at(v, i, &m));

			struct bytes got = abi_bytes(m);

			if (i == 1)
				got = BYTES(m.at + 32, 32u * abi_count(m));

			cr_assert(bytes_eq(got, args[i].v));
		}
		cr_assert(abi_member(v, "d", &m) && bytes_eq(BYTES_OF(abi_word(m).b), args[3].v));
		cr_assert(abi_member(v, "e", &m) && abi_word(abi_item(m, 2)).b[31] == small[95]);
	}
}
