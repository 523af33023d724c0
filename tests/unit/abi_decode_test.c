/* abi_decode_test - vectors, hostile data, and random values of random types. */
#include "tests/unit/abi_words.h"

#define MATERIAL "(uint256 ctHandle, uint256 keyId, bytes32 snsCiphertextDigest, " \
		 "address[] coprocessorTxSenderAddresses)[] snsCtMaterials"
#define HANDLE   "111111111111111111111111111111111111111111ff000000000000d4310500"
#define TWOS     "2222222222222222222222222222222222222222222222222222222222222222"
#define THREES   "3333333333333333333333333333333333333333333333333333333333333333"
#define ONES     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define HIGH     "8000000000000000000000000000000000000000000000000000000000000000"
#define BIG64    "10000000000000020"	/* 2^64 + 32 */

TestSuite(abi_decode, .timeout = 20);

static struct abi_view member(struct abi_view v, const char *name)
{
	struct abi_view m;

	cr_assert(abi_member(v, name, &m), "%s", name);
	return m;
}

static void is_word(struct abi_view v, const char *digits)
{
	struct bytes expected = data_of(digits);
	struct b32 w = abi_word(v);

	cr_assert(bytes_eq(BYTES_OF(w.b), expected), "%s", digits);
	free((void *)expected.p);
}

static void is_text(struct abi_view v, const char *text)
{
	cr_assert(bytes_eq(abi_bytes(v), BYTES(text, strlen(text))), "%s", text);
}

Test(abi_decode, a_public_decryption_request)
{
	struct abi_line line = parsed("event PublicDecryptionRequest("
				      "uint256 indexed publicDecryptionId, " MATERIAL ")");
	struct bytes data = data_of("20 1 20 " HANDLE " " TWOS " " THREES " 80 2 a1 a2");
	struct b32 topics[2] = { line.hash }, id;
	struct abi_view v, list;

	topics[1].b[31] = 7;
	cr_assert_eq(abi_check_topics(&line, topics, 2), OK);
	cr_assert(abi_topic(&line, topics, "publicDecryptionId", &id));
	cr_assert(b32_eq(&id, &topics[1]));
	cr_assert_not(abi_topic(&line, topics, "snsCtMaterials", &id));
	cr_assert_eq(abi_decode(&line, line.inputs, data, &v), OK);
	v = member(v, "snsCtMaterials");
	cr_assert_eq(abi_type_of(v), ABI_ARRAY);
	cr_assert_eq(abi_count(v), 1);
	v = abi_item(v, 0);
	is_word(member(v, "ctHandle"), HANDLE);
	is_word(member(v, "keyId"), TWOS);
	is_word(member(v, "snsCiphertextDigest"), THREES);
	list = member(v, "coprocessorTxSenderAddresses");
	cr_assert_eq(abi_count(list), 2);
	is_word(abi_item(list, 0), "a1");
	cr_assert_eq(abi_addr(abi_item(list, 1)).b[19], 0xa2);
	cr_assert_not(abi_member(v, "digest", &list));
	cr_assert_not(abi_member_at(v, 4, &list));
	cr_assert(abi_member_at(v, 1, &list));
	is_word(list, TWOS);
	free((void *)data.p);
}

Test(abi_decode, a_user_decryption_request)
{
	struct abi_line line = parsed("event UserDecryptionRequest(uint256 indexed id, " MATERIAL
				      ", address userAddress, bytes publicKey)");
	struct bytes data = data_of("60 beef 160 1 20 " HANDLE " " TWOS " " THREES " 80 1 a1 28 "
				    HANDLE " <0102030405060708");
	struct abi_view v;

	cr_assert_eq(abi_decode(&line, line.inputs, data, &v), OK);
	is_word(member(v, "userAddress"), "beef");

	struct bytes key = abi_bytes(member(v, "publicKey"));

	cr_assert_eq(key.len, 40);
	cr_assert_eq(key.p[0], 0x11);
	cr_assert_eq(key.p[39], 8);
	free((void *)data.p);
}

Test(abi_decode, key_requests_and_structs_in_results)
{
	static const struct { const char *line, *words, *path[2], *text; } row[] = {
		{ "event PreprocessKeygenRequest(uint256 id, (string name) params)",
		  "1 40 20 4 <54455354", { "params", "name" }, "TEST" },
		{ "event KskRequest(uint256 a, uint256 b, uint256 c, (string name) params)",
		  "3 1 2 80 20 7 <64656661756c74", { "params", "name" }, "default" },
		{ "event E(string s)", "20 0", { "s", NULL }, "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct abi_line line = parsed(row[i].line);
		struct bytes data = data_of(row[i].words);
		struct abi_view v;

		cr_assert_eq(abi_decode(&line, line.inputs, data, &v), OK, "%s", row[i].line);
		for (unsigned k = 0; k < 2 && row[i].path[k]; k++)
			v = member(v, row[i].path[k]);
		is_text(v, row[i].text);
		free((void *)data.p);
	}
}

Test(abi_decode, what_getCoprocessors_returns)
{
	struct abi_line line = parsed("function getCoprocessors() returns (("
				      "address connectorAddress, bytes identity, "
				      "string s3BucketUrl)[])");
	struct bytes data = data_of("20 1 20 abcd 60 a0 2 <1234 9 <687474703a2f2f7333");
	struct abi_view v, list;

	cr_assert_eq(abi_decode(&line, line.outputs, data, &v), OK);
	cr_assert(abi_member_at(v, 0, &list));
	v = abi_item(list, 0);
	is_word(member(v, "connectorAddress"), "abcd");
	cr_assert(bytes_eq(abi_bytes(member(v, "identity")), BYTES("\x12\x34", 2)));
	is_text(member(v, "s3BucketUrl"), "http://s3");
	cr_assert_eq(abi_decode(&line, line.inputs, data, &v), ERR_TRAILING);
	cr_assert_eq(abi_decode(&line, line.inputs, BYTES("", 0), &v), OK);
	cr_assert_eq(abi_decode(&line, line.indexed, data, &v), ERR_UNKNOWN);
	free((void *)data.p);
}

/* Made by another implementation. */
Test(abi_decode, everything_at_once)
{
	struct abi_line line = parsed("function f(uint8 a, int16 b, (bytes x, "
				      "(uint256 i, string s)[] l, bool o)[2] c, address[][] d, "
				      "bytes5 e, uint16[3] g, string[] h)");
	struct bytes data = data_of(
		"7 fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe 120 3e0 "
		"<0102030405 1 2 3 4a0 40 220 60 a0 1 3 <010203 2 40 c0 5 40 4 <66697665 6 40 0 "
		"60 80 0 0 0 2 40 80 1 5ffdaab0373e62e2ea2944776209aef29e631a64 0 "
		"2 40 80 1 <61 0");
	struct abi_view v, x;

	cr_assert_eq(abi_decode(&line, line.inputs, data, &v), OK);
	is_word(member(v, "a"), "7");
	x = member(v, "c");
	cr_assert_eq(abi_count(x), 2);
	cr_assert(bytes_eq(abi_bytes(member(abi_item(x, 0), "x")), BYTES("\1\2\3", 3)));
	is_text(member(abi_item(member(abi_item(x, 0), "l"), 0), "s"), "five");
	is_word(member(abi_item(member(abi_item(x, 0), "l"), 1), "i"), "6");
	is_word(member(abi_item(x, 0), "o"), "1");
	cr_assert_eq(abi_count(member(abi_item(x, 1), "l")), 0);
	cr_assert_eq(abi_count(abi_item(member(v, "d"), 0)), 1);
	cr_assert_eq(abi_count(abi_item(member(v, "d"), 1)), 0);
	is_word(member(v, "e"), "<0102030405");
	is_word(abi_item(member(v, "g"), 2), "3");
	is_text(abi_item(member(v, "h"), 0), "a");
	is_text(abi_item(member(v, "h"), 1), "");

	/* No shorter piece of it passes for anything else. */
	for (size_t len = 0; len < data.len; len++)
		cr_assert_eq(abi_decode(&line, line.inputs, BYTES(data.p, len), &x), ERR_TRUNCATED);
	free((void *)data.p);
}

Test(abi_decode, hostile_data)
{
	static const struct { const char *types, *words; enum err e; const char *why; } row[] = {
		{ "uint256[]", HIGH " 0", ERR_CANONICAL, "offset 2^255" },
		{ "uint256[]", ONES " 0", ERR_CANONICAL, "offset -1" },
		{ "uint256[]", BIG64 " 0", ERR_CANONICAL, "an offset that wraps at 64 bits" },
		{ "uint256[]", "100000020 0", ERR_CANONICAL, "an offset that wraps at 32 bits" },
		{ "uint256[]", "0", ERR_CANONICAL, "an offset to itself" },
		{ "bytes[]", "20 1 0", ERR_CANONICAL, "an item that is its array" },
		{ "uint256[][]", "20 1 0 0", ERR_CANONICAL, "an item that is its own offset" },
		{ "bytes,bytes", "40 40 1 <01", ERR_CANONICAL, "two tails in one place" },
		{ "bytes,bytes", "60 40 0 0", ERR_CANONICAL, "tails backwards" },
		{ "bytes,bytes", "40 60 20 " TWOS " 0", ERR_CANONICAL, "overlapping tails" },
		{ "bytes", "40 0 0", ERR_CANONICAL, "a gap before a tail" },
		{ "bytes", "21 0", ERR_CANONICAL, "an offset within a word" },
		{ "bytes", "20 0 0", ERR_TRAILING, "a word too many" },
		{ "uint256", "1 1", ERR_TRAILING, "a word too many" },
		{ "uint256", "", ERR_TRUNCATED, "nothing" },
		{ "bytes", "20", ERR_TRUNCATED, "an offset to the end" },
		{ "bytes", "20 1", ERR_TRUNCATED, "a byte that is not there" },
		{ "bytes", "20 21 " TWOS, ERR_TRUNCATED, "33 bytes in a word" },
		{ "bytes", "20 " ONES, ERR_TRUNCATED, "2^256 - 1 bytes" },
		{ "bytes", "20 ffffffffffffffe0", ERR_TRUNCATED, "2^64 - 32 bytes" },
		{ "bytes", "20 ffffffff", ERR_TRUNCATED, "2^32 - 1 bytes" },
		{ "bytes", "20 100000001 <01", ERR_TRUNCATED, "2^32 + 1 bytes" },
		{ "bytes", "20 1 <0100000001", ERR_CANONICAL, "padding that is not zero" },
		{ "string", "20 1 0100000000000000000000000000000000000000000000000000000000000001",
		  ERR_CANONICAL, "padding that is not zero at its end" },
		{ "uint256[]", "20 100000000", ERR_TOO_BIG, "2^32 items" },
		{ "uint256[]", "20 " ONES, ERR_TOO_BIG, "2^256 - 1 items" },
		{ "uint256[]", "20 800000000000001 1", ERR_TOO_BIG, "2^59 + 1 items" },
		{ "uint256[]", "20 1001", ERR_TOO_BIG, "4097 items" },
		{ "uint256[]", "20 1000", ERR_TRUNCATED, "4096 items that are not there" },
		{ "uint256[2]", "1", ERR_TRUNCATED, "one item of two" },
		{ "bytes[2]", "20 40", ERR_TRUNCATED, "no tails" },
		{ "address", "10000000000000000000000000000000000000001", ERR_RANGE, "161 bits" },
		{ "address", HIGH, ERR_RANGE, "high bits" },
		{ "bool", "2", ERR_RANGE, "bool 2" },
		{ "bool", "101", ERR_RANGE, "bool 257" },
		{ "bool", HIGH, ERR_RANGE, "bool 2^255" },
		{ "uint8", "100", ERR_RANGE, "256 in 8 bits" },
		{ "uint64", "10000000000000000", ERR_RANGE, "2^64 in 64 bits" },
		{ "int8", "80", ERR_RANGE, "128 in 8 bits" },
		{ "int8", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		  ERR_RANGE, "-129 in 8 bits" },
		{ "int16", "8000", ERR_RANGE, "32768 in 16 bits" },
		{ "bytes4", "<0000000001", ERR_CANONICAL, "a fifth byte" },
		{ "bytes31", "1", ERR_CANONICAL, "a 32nd byte" },
		{ "(uint8,bool)[]", "20 1 1 2", ERR_RANGE, "bool 2 in a tuple in an array" },
		{ "bool[2][2]", "1 0 1 2", ERR_RANGE, "bool 2 in a fixed array" },
		{ "(bytes)", "20 20 1", ERR_TRUNCATED, "a tail in a tuple" },
		{ "(bytes)", "20 40 0", ERR_CANONICAL, "a gap in a tuple" },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct bytes data = data_of(row[i].words);
		struct abi_view v = { .at = NULL };
		char text[128];

		snprintf(text, sizeof(text), "error E(%s)", row[i].types);

		struct abi_line line = parsed(text);
		enum err e = abi_decode(&line, line.inputs, data, &v);

		cr_assert_eq(e, row[i].e, "%s: %s", row[i].why, err_text(e));
		cr_assert_null(v.line, "%s", row[i].why);
		free((void *)data.p);
	}
}

Test(abi_decode, values_at_their_limits)
{
	static const struct { const char *types, *words; } row[] = {
		{ "uint8", "ff" }, { "int8", "7f" }, { "bool", "1" }, { "uint256", ONES },
		{ "int256", HIGH }, { "int256", ONES }, { "bytes32", ONES }, { "bytes1", "<ff" },
		{ "int8", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff80" },
		{ "address", "ffffffffffffffffffffffffffffffffffffffff" },
		{ "bytes", "20 20 " ONES }, { "uint256[]", "20 0" }, { "bytes[2]", "20 40 60 0 0" },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct bytes data = data_of(row[i].words);
		struct abi_view v;
		char text[128];

		snprintf(text, sizeof(text), "error E(%s)", row[i].types);

		struct abi_line line = parsed(text);

		cr_assert_eq(abi_decode(&line, line.inputs, data, &v), OK, "%s", row[i].types);
		free((void *)data.p);
	}
}

/* Arrays in arrays as deep as a line may be; the data could not be deeper. */
Test(abi_decode, deep_nesting)
{
	struct abi_line line = parsed("error E(bool[][][][][][] x)");
	struct bytes good = data_of("20 1 20 1 20 1 20 1 20 1 20 1 1");
	struct bytes loop = data_of("20 1 20 1 20 1 20 1 20 1 0 1 1");
	struct bytes cut = data_of("20 1 20 1 20 1 20 1 20 1 20");
	struct abi_view v;

	cr_assert_eq(abi_decode(&line, line.inputs, good, &v), OK);
	v = member(v, "x");
	for (unsigned i = 0; i < 6; i++)
		v = abi_item(v, 0);
	is_word(v, "1");
	cr_assert_eq(abi_decode(&line, line.inputs, loop, &v), ERR_CANONICAL);
	cr_assert_eq(abi_decode(&line, line.inputs, cut, &v), ERR_TRUNCATED);
	parsed("error E(((((((bool)))))) x)");
	free((void *)good.p);
	free((void *)loop.p);
	free((void *)cut.p);
}

Test(abi_decode, topics_are_checked)
{
	struct abi_line line = parsed("event E(uint8 indexed a, string indexed b, "
				      "bool[2] indexed c, uint256 d)");
	struct abi_line plain = parsed("error E(uint256)");
	struct b32 t[5] = { line.hash }, out;

	memset(&t[2], 0xee, 2 * sizeof(t[2]));	/* hashes: any value */
	t[1].b[31] = 0xff;
	cr_assert_eq(abi_check_topics(&line, t, 4), OK);
	cr_assert(abi_topic(&line, t, "c", &out) && b32_eq(&out, &t[3]));
	cr_assert_eq(abi_check_topics(&line, t, 3), ERR_MISMATCH);
	cr_assert_eq(abi_check_topics(&line, t, 5), ERR_MISMATCH);
	cr_assert_eq(abi_check_topics(&line, t, 0), ERR_MISMATCH);
	cr_assert_eq(abi_check_topics(&plain, t, 1), ERR_MISMATCH);
	t[1].b[30] = 1;
	cr_assert_eq(abi_check_topics(&line, t, 4), ERR_RANGE);
	t[1].b[30] = 0;
	t[0].b[0] ^= 1;
	cr_assert_eq(abi_check_topics(&line, t, 4), ERR_MISMATCH);
}

/*
 * Random values: gen_* writes the canonical encoding of random values and, in the same
 * order, the values themselves; walk() writes the values it finds through views.
 */
struct gen {
	const struct abi_line *line;
	uint8_t data[1 << 16];
	size_t end;
	uint8_t value[1 << 16];
	size_t values;
};

static void note(struct gen *g, struct bytes v)
{
	cr_assert(v.len < sizeof(g->value) - g->values);
	memcpy(g->value + g->values, v.p, v.len);
	g->values += v.len;
}

static uint8_t *gen_space(struct gen *g, size_t n)
{
	uint8_t *at = g->data + g->end;

	cr_assert(n < sizeof(g->data) - g->end);
	memset(at, 0, n);
	g->end += n;
	return at;
}

static void gen_word(struct gen *g, const struct abi_node *n, uint8_t *w)
{
	unsigned from = 0, to = 32;	/* the bytes that carry the value */

	if (n->type == ABI_UINT || n->type == ABI_INT)
		from = 32 - n->size / 8u;
	if (n->type == ABI_ADDRESS)
		from = 12;
	if (n->type == ABI_BOOL)
		from = 31;
	if (n->type == ABI_FIXED_BYTES)
		to = n->size;
	for (unsigned i = from; i < to; i++)
		w[i] = (uint8_t)(n->type == ABI_BOOL ? random() & 1 : random());
	if (n->type == ABI_INT && w[from] & 0x80)
		memset(w, 0xff, from);
	note(g, BYTES(w, 32));
}

static void gen_tail(struct gen *g, uint16_t node);

static void gen_head(struct gen *g, uint16_t node, size_t base, size_t at)
{
	const struct abi_node *n = &g->line->node[node];

	if (n->dynamic) {
		be64_put(g->data + at + 24, g->end - base);
		gen_tail(g, node);
	} else if (n->type == ABI_TUPLE) {
		for (uint16_t i = n->first; i; at += g->line->node[i].head_bytes,
					       i = g->line->node[i].next)
			gen_head(g, i, base, at);
	} else if (n->type == ABI_ARRAY) {
		for (unsigned i = 0; i < n->size; i++)
			gen_head(g, n->first, base, at + i * g->line->node[n->first].head_bytes);
	} else {
		gen_word(g, n, g->data + at);
	}
}

static void gen_bytes(struct gen *g)
{
	size_t len = (size_t)random() % 70;
	uint8_t *at = gen_space(g, 32 + (len + 31) / 32 * 32);

	be64_put(at + 24, len);
	for (size_t i = 0; i < len; i++)
		at[32 + i] = (uint8_t)random();
	note(g, BYTES(at + 24, 8 + len));
}

static void gen_array(struct gen *g, const struct abi_node *n)
{
	size_t count = n->size ? n->size : (size_t)random() % 4;
	size_t step = g->line->node[n->first].head_bytes;

	if (n->size == 0) {
		be64_put(gen_space(g, 32) + 24, count);
		note(g, BYTES(&(uint8_t){ (uint8_t)count }, 1));
	}

	size_t base = g->end;

	gen_space(g, count * step);
	for (size_t i = 0; i < count; i++)
		gen_head(g, n->first, base, base + i * step);
}

static void gen_tail(struct gen *g, uint16_t node)
{
	const struct abi_node *n = &g->line->node[node];
	size_t base = g->end, at = base;

	if (n->type == ABI_ARRAY) {
		gen_array(g, n);
	} else if (n->type == ABI_TUPLE) {
		for (uint16_t i = n->first; i; i = g->line->node[i].next)
			gen_space(g, g->line->node[i].head_bytes);
		for (uint16_t i = n->first; i; i = g->line->node[i].next) {
			gen_head(g, i, base, at);
			at += g->line->node[i].head_bytes;
		}
	} else {
		gen_bytes(g);
	}
}

static void walk(struct gen *g, struct abi_view v)
{
	const struct abi_node *n = &g->line->node[v.node];
	struct abi_view inner;

	switch (abi_type_of(v)) {
	case ABI_TUPLE:
		for (unsigned i = 0; abi_member_at(v, i, &inner); i++)
			walk(g, inner);
		break;
	case ABI_ARRAY:
		if (n->size == 0)
			note(g, BYTES(&(uint8_t){ (uint8_t)abi_count(v) }, 1));
		for (uint32_t i = 0; i < abi_count(v); i++)
			walk(g, abi_item(v, i));
		break;
	case ABI_BYTES:
	case ABI_STRING: {
		uint8_t len[8];

		be64_put(len, abi_bytes(v).len);
		note(g, BYTES_OF(len));
		note(g, abi_bytes(v));
		break;
	}
	default:
		note(g, BYTES_OF(abi_word(v).b));
	}
}

/* A random type at TEXT; returns its end. */
static char *random_type(char *text, char *end, unsigned depth)
{
	static const char *const words[] = {
		"uint256", "uint8", "uint", "int64", "int8", "int256", "address", "bool",
		"bytes32", "bytes1", "bytes7", "bytes", "string", "bytes", "string",
	};
	static const char *const suffix[] = { "[]", "[1]", "[3]", "[2]" };

	if (depth && random() % 3 == 0) {
		unsigned members = 1 + (unsigned)random() % 3;

		for (unsigned i = 0; i < members; i++) {
			*text++ = i ? ',' : '(';
			text = random_type(text, end, depth - 1);
		}
		*text++ = ')';
	} else {
		text += snprintf(text, (size_t)(end - text), "%s",
				 words[(size_t)random() % ARRAY_LEN(words)]);
	}
	for (; depth && random() % 3 == 0; depth--)
		text += snprintf(text, (size_t)(end - text), "%s",
				 suffix[(size_t)random() % ARRAY_LEN(suffix)]);
	return text;
}

static void random_line(struct abi_line *line)
{
	static char text[1 << 14];

	do {
		char *at = text, *end = text + sizeof(text) - 2;
		unsigned params = (unsigned)random() % 5;

		at += snprintf(at, (size_t)(end - at), "error E(");
		for (unsigned i = 0; i < params; i++) {
			if (i)
				*at++ = ',';
			at = random_type(at, end, 3);
		}
		snprintf(at, 2, ")");
	} while (abi_parse(text, line, NULL, NULL));
}

static struct gen made, found;

static void make_random(struct abi_line *line)
{
	random_line(line);
	made.line = found.line = line;
	made.end = made.values = found.values = 0;
	gen_tail(&made, line->inputs);
}

Test(abi_decode, random_values_of_random_types)
{
	struct abi_line line;

	srandom(6);
	for (unsigned round = 0; round < 3000; round++) {
		struct abi_view v;

		make_random(&line);

		enum err e = abi_decode(&line, line.inputs, BYTES(made.data, made.end), &v);

		cr_assert_eq(e, OK, "%s: %s", line.signature, err_text(e));
		walk(&found, v);
		cr_assert(bytes_eq(BYTES(made.value, made.values),
				   BYTES(found.value, found.values)), "%s", line.signature);
	}
}

/* Two different encodings are never of the same values. */
Test(abi_decode, a_changed_byte_is_another_value_or_an_error)
{
	struct abi_line line;
	unsigned accepted = 0, refused = 0;

	srandom(7);
	for (unsigned round = 0; round < 20000; round++) {
		struct abi_view v;

		if (round % 20 == 0)
			make_random(&line);
		if (made.end == 0)
			continue;

		uint8_t *changed = malloc(made.end);

		memcpy(changed, made.data, made.end);
		changed[(size_t)random() % made.end] ^= (uint8_t)(1u << random() % 8);
		found.values = 0;
		if (abi_decode(&line, line.inputs, BYTES(changed, made.end), &v)) {
			refused++;
		} else {
			accepted++;
			walk(&found, v);
			cr_assert_not(bytes_eq(BYTES(made.value, made.values),
					       BYTES(found.value, found.values)));
		}
		free(changed);
	}
	cr_assert(accepted > 1000 && refused > 1000, "%u, %u", accepted, refused);
}

Test(abi_decode, shorter_and_longer_data)
{
	struct abi_line line;

	srandom(8);
	for (unsigned round = 0; round < 300; round++) {
		struct abi_view v;

		make_random(&line);
		memset(made.data + made.end, 0, 32);
		cr_assert_eq(abi_decode(&line, line.inputs, BYTES(made.data, made.end + 1), &v),
			     ERR_TRAILING);
		cr_assert_eq(abi_decode(&line, line.inputs, BYTES(made.data, made.end + 32), &v),
			     ERR_TRAILING);
		for (size_t cut = made.end; cut > 0; cut -= 1 + cut / 16)
			cr_assert_eq(abi_decode(&line, line.inputs, BYTES(made.data, cut - 1), &v),
				     ERR_TRUNCATED);
	}
}
