/* u256_test - arithmetic at its edges, and text. */
#include "common/u256.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define MAX_DEC "115792089237316195423570985008687907853269984665640564039457584007913129639935"
#define F60     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

TestSuite(u256, .timeout = 10);

static struct u256 dec(const char *s)
{
	struct u256 v;

	cr_assert_eq(u256_from_dec(s, strlen(s), &v), OK, "%s", s);
	return v;
}

static void is_dec(const struct u256 *v, const char *expected)
{
	char text[U256_DEC_TEXT];

	cr_assert_str_eq(u256_dec(v, text), expected);
}

static uint64_t random_u64(void)
{
	return (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
}

/* Few random bits, many random bits: both must come. */
static struct u256 random_u256(void)
{
	struct u256 v;
	unsigned keep = (unsigned)random() % 33;

	for (unsigned i = 0; i < 32; i++)
		v.b[i] = i < 32 - keep ? 0 : (uint8_t)random();
	return v;
}

Test(u256, decimal_there_and_back)
{
	static const char *const row[] = {
		"0", "1", "9", "10", "18446744073709551615", "18446744073709551616",
		"9999999999999999999", "10000000000000000000", "10000000000000000001",
		"100000000000000000000000000000000000000", MAX_DEC,
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct u256 v = dec(row[i]);

		is_dec(&v, row[i]);
	}

	struct u256 padded = dec("000000000000000000000000000000000000000000000000000000000000"
				 "000000000000000000000000000000000000000000000000042");

	is_dec(&padded, "42");
}

Test(u256, decimal_that_is_none)
{
	struct u256 v;

	cr_assert_eq(u256_from_dec("", 0, &v), ERR_FORMAT);
	cr_assert_eq(u256_from_dec("-1", 2, &v), ERR_FORMAT);
	cr_assert_eq(u256_from_dec("1 ", 2, &v), ERR_FORMAT);
	cr_assert_eq(u256_from_dec("0x1", 3, &v), ERR_FORMAT);
	cr_assert_eq(u256_from_dec(MAX_DEC "0", strlen(MAX_DEC) + 1, &v), ERR_RANGE);

	char over[] = MAX_DEC;

	over[strlen(over) - 1]++;
	cr_assert_eq(u256_from_dec(over, strlen(over), &v), ERR_RANGE);
}

Test(u256, hex_there_and_back)
{
	static const char *const row[] = {
		"0x0", "0x1", "0xf", "0x10", "0x1f4", "0xffffffffffffffff", "0x10000000000000000",
		"0x" F60 "ffff",
		"0x8000000000000000000000000000000000000000000000000000000000000000",
	};
	char text[67];
	struct u256 v;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		cr_assert_eq(u256_from_hex(row[i], strlen(row[i]), &v), OK, "%s", row[i]);
		cr_assert_str_eq(u256_hex(&v, text), row[i]);
	}
	cr_assert_eq(u256_from_hex("0x00Ff", 6, &v), OK);
	is_dec(&v, "255");
}

Test(u256, hex_that_is_none)
{
	static const struct { const char *text; enum err e; } row[] = {
		{ "", ERR_FORMAT }, { "0x", ERR_FORMAT }, { "ff", ERR_FORMAT },
		{ "0xg", ERR_FORMAT }, { "0x0x1", ERR_FORMAT }, { "0X1", ERR_FORMAT },
		{ "0x0x" F60 "ff", ERR_FORMAT },
		{ "0xx" F60 "fff", ERR_FORMAT },
		{ "0x0" F60 "ffff", ERR_RANGE },
	};
	struct u256 v;

	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		cr_assert_eq(u256_from_hex(row[i].text, strlen(row[i].text), &v), row[i].e, "%s",
			     row[i].text);
}

Test(u256, sixty_four_bits)
{
	uint64_t v = 0;
	struct u256 a = u256_from_u64(UINT64_MAX), b = dec("18446744073709551616");

	cr_assert_eq(u256_to_u64(&a, &v), OK);
	cr_assert_eq(v, UINT64_MAX);
	v = 0;
	cr_assert_eq(u256_to_u64(&b, &v), ERR_RANGE);
	cr_assert_eq(v, UINT64_MAX);
	a = u256_from_u64(0);
	cr_assert(u256_is_zero(&a) && !u256_is_zero(&b));
}

Test(u256, addition_and_subtraction_at_the_edges)
{
	struct u256 max = dec(MAX_DEC), one = u256_from_u64(1), zero = u256_from_u64(0), v;

	cr_assert_not(u256_add(&max, &one, &v));
	is_dec(&v, MAX_DEC);
	cr_assert_not(u256_add(&max, &max, &v));
	cr_assert(u256_add(&max, &zero, &v));
	is_dec(&v, MAX_DEC);
	cr_assert_not(u256_sub(&zero, &one, &v));
	is_dec(&v, "0");
	cr_assert(u256_sub(&max, &max, &v));
	is_dec(&v, "0");

	struct u256 carry = dec("340282366920938463463374607431768211455");	/* 2^128 - 1 */

	cr_assert(u256_add(&carry, &one, &v));
	is_dec(&v, "340282366920938463463374607431768211456");
	cr_assert(u256_sub(&v, &one, &v));
	is_dec(&v, "340282366920938463463374607431768211455");
}

Test(u256, the_result_may_be_an_operand)
{
	struct u256 v = u256_from_u64(21);

	cr_assert(u256_add(&v, &v, &v));
	is_dec(&v, "42");
	cr_assert(u256_mul_u64(&v, 10, &v));
	is_dec(&v, "420");
	cr_assert_eq(u256_divmod_u64(&v, 11, &v), 2);
	is_dec(&v, "38");
	cr_assert(u256_sub(&v, &v, &v));
	is_dec(&v, "0");
}

Test(u256, multiplication_at_the_edges)
{
	struct u256 max = dec(MAX_DEC), half, v;

	cr_assert(u256_mul_u64(&max, 1, &v));
	is_dec(&v, MAX_DEC);
	cr_assert(u256_mul_u64(&max, 0, &v));
	is_dec(&v, "0");
	cr_assert_not(u256_mul_u64(&max, 2, &v));
	is_dec(&v, MAX_DEC);
	cr_assert_eq(u256_divmod_u64(&max, 2, &half), 1);
	cr_assert(u256_mul_u64(&half, 2, &v));
	cr_assert_eq(max.b[31] - v.b[31], 1);
	v = dec("6277101735386680763835789423207666416102355444464034512895");	/* 2^192 - 1 */
	cr_assert(u256_mul_u64(&v, UINT64_MAX, &v));
}

Test(u256, random_arithmetic_agrees_with_itself)
{
	srandom(1);
	for (unsigned i = 0; i < 20000; i++) {
		struct u256 a = random_u256(), b = random_u256(), sum, back;
		uint64_t m = random_u64() >> random() % 64;

		if (u256_add(&a, &b, &sum)) {
			cr_assert(u256_sub(&sum, &b, &back));
			cr_assert_eq(u256_cmp(&back, &a), 0);
			cr_assert(u256_cmp(&sum, &a) >= 0 && u256_cmp(&sum, &b) >= 0);
		}
		cr_assert_eq(u256_sub(&a, &b, &back), u256_cmp(&a, &b) >= 0);

		struct u256 quotient;
		uint64_t divisor = m ? m : 1;
		struct u256 rest = u256_from_u64(u256_divmod_u64(&a, divisor, &quotient));
		struct u256 d = u256_from_u64(divisor);

		cr_assert(u256_cmp(&rest, &d) < 0);
		cr_assert(u256_mul_u64(&quotient, divisor, &back));
		cr_assert(u256_add(&back, &rest, &back));
		cr_assert_eq(u256_cmp(&back, &a), 0);
	}
}

Test(u256, random_text_there_and_back)
{
	srandom(2);
	for (unsigned i = 0; i < 5000; i++) {
		struct u256 a = random_u256(), b;
		char text[U256_DEC_TEXT];

		u256_dec(&a, text);
		cr_assert_eq(u256_from_dec(text, strlen(text), &b), OK);
		cr_assert_eq(u256_cmp(&a, &b), 0);
		u256_hex(&a, text);
		cr_assert_eq(u256_from_hex(text, strlen(text), &b), OK);
		cr_assert_eq(u256_cmp(&a, &b), 0);
	}
}

Test(u256, eth_for_people)
{
	static const struct { const char *wei, *eth; } row[] = {
		{ "0", "0" },
		{ "50000000000000000", "0.05" },
		{ "1000000000000000000", "1" },
		{ "1500000000000000000", "1.5" },
		{ "1000001000000000000", "1.000001" },
		{ "999999999999999999", "0.999999" },
		{ "999999999999", "0" },
		{ "1000000000000", "0.000001" },
		{ "100000000000000000000", "100" },
		{ MAX_DEC, "115792089237316195423570985008687907853269984665640564039457"
			   ".584007" },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct u256 v = dec(row[i].wei);
		char text[U256_ETH_TEXT];

		cr_assert_str_eq(u256_eth(&v, text), row[i].eth);
	}
}
