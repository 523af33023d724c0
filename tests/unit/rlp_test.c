/* rlp_test - vectors of the format, both directions, and what the reader refuses. */
#include "common/rlp.h"

#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(rlp, .timeout = 10);

static void is_hex(struct bytes b, const char *expected)
{
	char text[1024];

	cr_assert_not_null(b.p);
	cr_assert(b.len < sizeof(text) / 2);
	cr_assert_str_eq(hex_encode(b, text), expected);
}

static struct bytes from_hex(const char *hex, uint8_t *out, size_t cap)
{
	size_t len;

	cr_assert_eq(hex_decode(hex, strlen(hex), out, cap, &len), OK, "%s", hex);
	return BYTES(out, len);
}

Test(rlp, strings)
{
	static const struct { const char *text, *hex; } row[] = {
		{ "", "80" }, { "dog", "83646f67" }, { "a", "61" }, { "\x7f", "7f" },
		{ "\x80", "8180" }, { "\xff", "81ff" },
		{ "Lorem ipsum dolor sit amet, consectetur adipisicing eli",
		  "b74c6f72656d20697073756d20646f6c6f722073697420616d65742c20636f6e7365637465747572"
		  "206164697069736963696e6720656c69" },
		{ "Lorem ipsum dolor sit amet, consectetur adipisicing elit",
		  "b8384c6f72656d20697073756d20646f6c6f722073697420616d65742c20636f6e73656374657475"
		  "72206164697069736963696e6720656c6974" },
	};
	uint8_t buf[128];
	struct rlp w;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		rlp_init(&w, buf, sizeof(buf));
		rlp_put_bytes(&w, BYTES(row[i].text, strlen(row[i].text)));
		is_hex(rlp_done(&w), row[i].hex);
	}
	rlp_init(&w, buf, sizeof(buf));
	rlp_put_bytes(&w, BYTES("", 1));	/* the byte 0 is its own encoding */
	is_hex(rlp_done(&w), "00");
}

Test(rlp, integers)
{
	static const struct { uint64_t v; const char *hex; } row[] = {
		{ 0, "80" }, { 1, "01" }, { 15, "0f" }, { 127, "7f" }, { 128, "8180" },
		{ 1024, "820400" }, { 0xffffff, "83ffffff" },
		{ UINT64_MAX, "88ffffffffffffffff" },
	};
	uint8_t buf[64];
	struct rlp w;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct u256 v = u256_from_u64(row[i].v);

		rlp_init(&w, buf, sizeof(buf));
		rlp_put_u64(&w, row[i].v);
		is_hex(rlp_done(&w), row[i].hex);
		rlp_init(&w, buf, sizeof(buf));
		rlp_put_u256(&w, &v);
		is_hex(rlp_done(&w), row[i].hex);
	}

	struct u256 wide;

	memset(wide.b, 0xab, sizeof(wide.b));
	rlp_init(&w, buf, sizeof(buf));
	rlp_put_u256(&w, &wide);
	is_hex(rlp_done(&w), "a0abababababababababababababababababababababababababababababababab");
}

Test(rlp, lists)
{
	uint8_t buf[256], content[56];
	struct rlp w;

	rlp_init(&w, buf, sizeof(buf));
	rlp_put_list(&w, rlp_mark(&w));
	is_hex(rlp_done(&w), "c0");

	rlp_init(&w, buf, sizeof(buf));
	size_t mark = rlp_mark(&w);
	rlp_put_bytes(&w, BYTES("dog", 3));
	rlp_put_bytes(&w, BYTES("cat", 3));
	rlp_put_list(&w, mark);
	rlp_put_raw(&w, BYTES("\x02", 1));
	is_hex(rlp_done(&w), "02c88363617483646f67");

	/* [["", 7f, 80], 56 times "a", []] */
	memset(content, 'a', sizeof(content));
	rlp_init(&w, buf, sizeof(buf));
	mark = rlp_mark(&w);
	rlp_put_list(&w, rlp_mark(&w));
	rlp_put_bytes(&w, BYTES_OF(content));
	size_t inner = rlp_mark(&w);
	rlp_put_bytes(&w, BYTES("\x80", 1));
	rlp_put_bytes(&w, BYTES("\x7f", 1));
	rlp_put_bytes(&w, BYTES(NULL, 0));
	rlp_put_list(&w, inner);
	rlp_put_list(&w, mark);
	is_hex(rlp_done(&w),
	       "f840c4807f8180b83861616161616161616161616161616161616161616161616161616161616161"
	       "61616161616161616161616161616161616161616161616161c0");
}

Test(rlp, a_buffer_that_is_too_small)
{
	uint8_t buf[8];
	struct rlp w;

	for (size_t cap = 0; cap < 8; cap++) {
		rlp_init(&w, buf, cap);
		size_t mark = rlp_mark(&w);
		rlp_put_u64(&w, 0x01020304);
		rlp_put_u64(&w, 1);
		rlp_put_list(&w, mark);
		cr_assert_eq(rlp_done(&w).p == NULL, cap < 7, "%zu", cap);
		rlp_put_raw(&w, BYTES("", 0));
		cr_assert_eq(rlp_done(&w).p == NULL, cap < 7, "%zu", cap);
	}
}

Test(rlp, overflow_stays)
{
	uint8_t buf[4];
	struct rlp w;

	rlp_init(&w, buf, sizeof(buf));
	rlp_put_bytes(&w, BYTES("12345", 5));
	rlp_put_u64(&w, 1);
	cr_assert_null(rlp_done(&w).p);
}

Test(rlp, what_the_reader_takes)
{
	uint8_t buf[128];
	struct bytes in = from_hex("02c88363617483646f6780b800", buf, sizeof(buf)), list, item;
	bool is_list;

	cr_assert_eq(rlp_next(&in, &item, &is_list), OK);
	cr_assert(!is_list && bytes_eq(item, BYTES("\x02", 1)));
	cr_assert_eq(rlp_next(&in, &list, &is_list), OK);
	cr_assert(is_list && list.len == 8);
	cr_assert_eq(rlp_next(&list, &item, &is_list), OK);
	cr_assert(!is_list && bytes_eq(item, BYTES("cat", 3)));
	cr_assert_eq(rlp_next(&list, &item, &is_list), OK);
	cr_assert(!is_list && bytes_eq(item, BYTES("dog", 3)));
	cr_assert_eq(rlp_next(&list, &item, &is_list), ERR_TRUNCATED);
	cr_assert_eq(rlp_next(&in, &item, &is_list), OK);
	cr_assert(!is_list && item.len == 0);

	struct bytes before = in;

	cr_assert_eq(rlp_next(&in, &item, &is_list), ERR_CANONICAL);
	cr_assert(in.p == before.p && in.len == before.len);
}

Test(rlp, what_the_reader_refuses)
{
	static const struct { const char *hex; enum err e; const char *why; } row[] = {
		{ "", ERR_TRUNCATED, "nothing" },
		{ "81", ERR_TRUNCATED, "a length without its byte" },
		{ "8100", ERR_CANONICAL, "a small byte with a header" },
		{ "817f", ERR_CANONICAL, "a small byte with a header" },
		{ "83646f", ERR_TRUNCATED, "a short string" },
		{ "c30101", ERR_TRUNCATED, "a short list" },
		{ "b8", ERR_TRUNCATED, "a long header without its length" },
		{ "b837", ERR_CANONICAL, "55 in the long form" },
		{ "f837", ERR_CANONICAL, "55 in the long form" },
		{ "b800", ERR_CANONICAL, "a length with a leading zero" },
		{ "b90038", ERR_CANONICAL, "a length with a leading zero" },
		{ "b838", ERR_TRUNCATED, "56 bytes that are not there" },
		{ "b901", ERR_TRUNCATED, "half a length" },
		{ "bfffffffffffffffff", ERR_TRUNCATED, "2^64 - 1 bytes" },
		{ "ffffffffffffffffff", ERR_TRUNCATED, "2^64 - 1 bytes" },
		{ "ff8000000000000000", ERR_TRUNCATED, "2^63 bytes" },
		{ "bf00000000000000ff", ERR_CANONICAL, "leading zeros" },
	};
	uint8_t buf[16];

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct bytes item, in = from_hex(row[i].hex, buf, sizeof(buf));
		bool is_list;

		enum err e = rlp_next(&in, &item, &is_list);

		cr_assert_eq(e, row[i].e, "%s: %s", row[i].why, err_text(e));
	}
}

Test(rlp, random_items_there_and_back)
{
	static uint8_t content[70000], buf[200000];

	srandom(5);
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)random();
	for (unsigned round = 0; round < 2000; round++) {
		struct bytes item[6], got, in, list;
		unsigned n = (unsigned)random() % 7;
		bool is_list;
		struct rlp w;

		rlp_init(&w, buf, sizeof(buf));
		size_t mark = rlp_mark(&w);
		for (unsigned i = n; i-- > 0;) {
			size_t len = (size_t)random() % (round % 50 ? 70 : 30000);

			item[i] = BYTES(content + random() % 1000, len);
			rlp_put_bytes(&w, item[i]);
		}
		rlp_put_list(&w, mark);
		in = rlp_done(&w);
		cr_assert_not_null(in.p);
		cr_assert_eq(rlp_next(&in, &list, &is_list), OK);
		cr_assert(is_list && in.len == 0);
		for (unsigned i = 0; i < n; i++) {
			cr_assert_eq(rlp_next(&list, &got, &is_list), OK);
			cr_assert(!is_list && bytes_eq(got, item[i]));
		}
		cr_assert_eq(list.len, 0);
	}
}
