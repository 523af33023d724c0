/* bytes_test - hexadecimal, EIP-55 addresses, big-endian integers, the table of errors. */
#include "common/bytes.h"

#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(bytes, .timeout = 10);

static enum err decode(const char *s, uint8_t *out, size_t cap, size_t *len_out)
{
	return hex_decode(s, strlen(s), out, cap, len_out);
}

Test(bytes, hex_there_and_back)
{
	uint8_t in[256], out[256];
	char text[2 * sizeof(in) + 3];
	size_t len = 0;

	for (unsigned i = 0; i < 256; i++)
		in[i] = (uint8_t)i;
	cr_assert_str_eq(hex_encode(BYTES("\x00\x0f\xf0\xff", 4), text), "000ff0ff");
	cr_assert_str_eq(hex_encode0x(BYTES("", 0), text), "0x");
	for (size_t n = 0; n <= sizeof(in); n++) {
		cr_assert_eq(decode(hex_encode0x(BYTES(in, n), text), out, sizeof(out), &len), OK);
		cr_assert_eq(len, n);
		cr_assert(bytes_eq(BYTES(in, n), BYTES(out, len)));
		cr_assert_eq(hex_decode_exact(text + 2, 2 * n, out, n), OK);
	}
}

Test(bytes, hex_knows_every_character)
{
	uint8_t out;
	size_t len;

	for (unsigned c = 0; c < 256; c++) {
		char pair[2][2] = { { (char)c, '0' }, { '0', (char)c } };
		bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
				(c >= 'A' && c <= 'F');

		cr_assert_eq(hex_decode(pair[0], 2, &out, 1, &len), is_digit ? OK : ERR_FORMAT);
		if (c == 'x')
			continue;	/* "0x" is no digits at all */
		cr_assert_eq(hex_decode(pair[1], 2, &out, 1, &len), is_digit ? OK : ERR_FORMAT);
	}
}

Test(bytes, hex_edges)
{
	uint8_t out[4];
	size_t len = 99;

	cr_assert_eq(decode("", out, 4, &len), OK);
	cr_assert_eq(len, 0);
	cr_assert_eq(decode("0x", out, 0, &len), OK);
	cr_assert_eq(len, 0);
	cr_assert_eq(decode("0xAbCd", out, 4, &len), OK);
	cr_assert(bytes_eq(BYTES(out, len), BYTES("\xab\xcd", 2)));
	cr_assert_eq(decode("0xabc", out, 4, &len), ERR_FORMAT);
	cr_assert_eq(decode("0Xab", out, 4, &len), ERR_FORMAT);
	cr_assert_eq(decode("0x0xab", out, 4, &len), ERR_FORMAT);
	cr_assert_eq(decode("ab ", out, 4, &len), ERR_FORMAT);
	cr_assert_eq(decode("0102030405", out, 4, &len), ERR_TOO_BIG);
	cr_assert_eq(hex_decode_exact("0x010203", 8, out, 4), ERR_FORMAT);
	cr_assert_eq(hex_decode_exact("0x0102030405", 12, out, 4), ERR_FORMAT);
	cr_assert_eq(hex_decode_exact("0x0102030g", 10, out, 4), ERR_FORMAT);
	cr_assert_eq(hex_decode_exact("", 0, out, 0), OK);
}

Test(bytes, quantities)
{
	static const struct { const char *text; enum err e; uint64_t v; } row[] = {
		{ "0x0", OK, 0 },
		{ "0x1f4", OK, 500 },
		{ "0x1F4", OK, 500 },
		{ "0x00000000000000000001", OK, 1 },
		{ "0xffffffffffffffff", OK, UINT64_MAX },
		{ "0x10000000000000000", ERR_RANGE, 0 },
		{ "0x1000000000000000g", ERR_FORMAT, 0 },
		{ "0x", ERR_FORMAT, 0 },
		{ "", ERR_FORMAT, 0 },
		{ "0", ERR_FORMAT, 0 },
		{ "1f", ERR_FORMAT, 0 },
		{ "0x-1", ERR_FORMAT, 0 },
		{ "0x 1", ERR_FORMAT, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		uint64_t v = 0;
		enum err e = hex_quantity(row[i].text, strlen(row[i].text), &v);

		cr_assert_eq(e, row[i].e, "%s: %s", row[i].text, err_text(e));
		cr_assert_eq(v, row[i].v, "%s", row[i].text);
	}
}

/* The examples of EIP-55, and addresses that people know. */
static const char *const checksummed[] = {
	"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
	"0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
	"0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
	"0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
	"0x52908400098527886E0F7030069857D2E4169EE7",
	"0x8617E340B3D01FA5F11F306F4090FD50E238070D",
	"0xde709f2102306220921060314715629080e2fb77",
	"0x27b1fdb04752bbc536007a920d24acb045561c26",
	"0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf",
	"0x5ffdaAB0373E62E2ea2944776209aEf29E631A64",
	"0x0000000000000000000000000000000000000000",
};

Test(bytes, addresses_carry_their_checksum)
{
	for (size_t i = 0; i < ARRAY_LEN(checksummed); i++) {
		struct addr a;
		char text[ADDR_TEXT];

		cr_assert_eq(addr_parse(checksummed[i], &a), OK, "%s", checksummed[i]);
		cr_assert_str_eq(addr_text(&a, text), checksummed[i]);
	}
}

Test(bytes, an_address_of_one_case_is_taken_as_it_is)
{
	struct addr a, b;

	cr_assert_eq(addr_parse("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", &a), OK);
	cr_assert_eq(addr_parse("0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED", &b), OK);
	cr_assert(addr_eq(&a, &b));
	cr_assert_not(addr_is_zero(&a));
}

Test(bytes, a_wrong_checksum_gives_the_right_spelling)
{
	struct addr a;
	char text[ADDR_TEXT];

	cr_assert_eq(addr_parse("0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", &a), ERR_MISMATCH);
	cr_assert_str_eq(addr_text(&a, text), checksummed[0]);
}

Test(bytes, what_is_no_address)
{
	static const char *const wrong[] = {
		"", "0x", "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
		"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beae",
		"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaedd",
		"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaeg",
		" 0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
		"0x0x5aaeb6053f3e94c9b9a09f33669435e7ef1bea",
	};
	struct addr a;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		cr_assert_eq(addr_parse(wrong[i], &a), ERR_FORMAT, "%s", wrong[i]);
}

Test(bytes, zero_and_equality)
{
	struct b32 a = { { 0 } }, b = a;

	cr_assert(b32_is_zero(&a) && b32_eq(&a, &b));
	for (unsigned i = 0; i < 256; i++) {
		b = a;
		b.b[i / 8] = (uint8_t)(1u << i % 8);
		cr_assert_not(b32_is_zero(&b) || b32_eq(&a, &b));
	}
	cr_assert(bytes_eq(BYTES(NULL, 0), BYTES("", 0)));
	cr_assert_not(bytes_eq(BYTES("a", 1), BYTES("ab", 2)));
}

Test(bytes, big_endian_integers)
{
	uint8_t b[8];

	be64_put(b, 0x0102030405060708);
	cr_assert_eq(memcmp(b, "\1\2\3\4\5\6\7\10", 8), 0);
	cr_assert_eq(be64_get(b), 0x0102030405060708);
	be64_put(b, UINT64_MAX);
	cr_assert_eq(be64_get(b), UINT64_MAX);
}

Test(bytes, every_error_has_a_text_and_a_class)
{
	static const char *const names[] = {
#define E(name, cls, text) #name,
		ERRS(E)
#undef E
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		enum err_class class = err_class((enum err)i);

		cr_assert(*err_text((enum err)i), "%s", names[i]);
		cr_assert_eq(class == ERR_CLASS_ok, i == OK, "%s", names[i]);
	}
	cr_assert_eq(err_class(ERR_TIMEOUT), ERR_CLASS_again);
	cr_assert_eq(err_class(ERR_CANONICAL), ERR_CLASS_refuse);
	cr_assert_eq(err_class(ERR_IO), ERR_CLASS_fatal);
	cr_assert_eq(err_class((enum err)9999), ERR_CLASS_fatal);
	cr_assert(*err_text((enum err)9999));
}

Test(bytes, texts)
{
	char line[] = "a\n\"b\"\x7f\x1f~\xc3\xbc", same[] = "a b";

	cr_assert(has_control(bytes_str(line)));
	cr_assert(has_control(BYTES("\0", 1)));
	cr_assert(has_control(BYTES("ab\x7f", 3)));
	cr_assert_not(has_control(BYTES("ab\x7f", 2)));
	cr_assert_not(has_control(bytes_str("")));
	cr_assert_not(has_control(bytes_str(" ~\xc3\xbc")));
	cr_assert_str_eq(clean_text(same, ""), "a b");
	cr_assert_str_eq(clean_text(line, ""), "a?\"b\"??~\xc3\xbc");
	cr_assert_str_eq(clean_text(line, "b\""), "a?????" "?~\xc3\xbc");
	cr_assert(bytes_is(bytes_str("abc"), "abc"));
	cr_assert(bytes_is((struct bytes){ 0 }, ""));
	cr_assert_not(bytes_is(bytes_str("abc"), "ab"));
	cr_assert_not(bytes_is(bytes_str("ab"), "abc"));
}
