/*
 * abi_fuzz - hostile data against the ABI decoder.
 *
 * The first byte of an input chooses a line, the rest is its data.  Decoding must not
 * crash.  What decodes is walked through views and encoded again: the encoding must be
 * the input, byte for byte, since only canonical data may pass.
 *
 * With PLANTED_BUG the walk goes one item too far in arrays; a fuzzer that does not
 * find that within a minute does not look.
 */
#include "common/abi.h"

#include <stdlib.h>

#define WORD 32

static const char *const texts[] = {
	"error E(uint256[] x)",
	"event E(uint256 indexed id, (uint256 a, uint256 b, bytes32 c, address[] d)[] m)",
	"event E((bytes32 a, address[] d)[] m, address user, bytes key)",
	"event E(uint256 id, (string name) params)",
	"function f() returns ((address a, bytes b, string c)[])",
	"function f() returns (bytes[] a, bool b, int64 c)",
	"error E(uint256 a, address b, bool c, bytes4 d, int8 e, uint16[3] f)",
	"error E(bytes a, (string[2] b, bool[] c)[2] d, uint8[][][] e)",
	"error E(bool[][][][][][] x)",
	"error E(bytes32[4] a, ((bytes a, int128 b)[][2] c, bytes31 d) e)",
};

static struct abi_line lines[ARRAY_LEN(texts)];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);	/* of the library */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (abi_parse(texts[i], &lines[i], NULL, NULL))
			abort();
	return 0;
}

/* An encoder that knows nothing of the decoder but its views. */
struct out {
	uint8_t b[1 << 16];
	size_t end;
};

static const struct abi_node *node_of(struct abi_view v)
{
	return &v.line->node[v.node];
}

static uint32_t items_of(struct abi_view v)
{
#ifdef PLANTED_BUG
	return abi_count(v) + 1;
#else
	return abi_count(v);
#endif
}

static size_t put_space(struct out *o, size_t n)
{
	size_t at = o->end;

	if (n > sizeof(o->b) - at)
		abort();
	memset(o->b + at, 0, n);
	o->end += n;
	return at;
}

static void put_tail(struct out *o, struct abi_view v);

static void put_value(struct out *o, struct abi_view v, size_t base, size_t at)
{
	struct abi_view inner;

	if (node_of(v)->dynamic) {
		be64_put(o->b + at + WORD - 8, o->end - base);
		put_tail(o, v);
	} else if (abi_type_of(v) == ABI_TUPLE) {
		for (unsigned i = 0; abi_member_at(v, i, &inner); i++) {
			put_value(o, inner, base, at);
			at += node_of(inner)->head_bytes;
		}
	} else if (abi_type_of(v) == ABI_ARRAY) {
		for (uint32_t i = 0; i < abi_count(v); i++) {
			inner = abi_item(v, i);
			put_value(o, inner, base, at + i * node_of(inner)->head_bytes);
		}
	} else {
		if (abi_check_word(node_of(v), v.at))
			abort();
		memcpy(o->b + at, abi_word(v).b, WORD);
	}
}

static void put_bytes(struct out *o, struct bytes v)
{
	be64_put(o->b + put_space(o, WORD) + WORD - 8, v.len);

	size_t at = put_space(o, (v.len + WORD - 1) / WORD * WORD);

	memcpy(o->b + at, v.p, v.len);
}

static void put_array(struct out *o, struct abi_view v)
{
	uint32_t count = items_of(v);
	size_t step = v.line->node[node_of(v)->first].head_bytes;

	if (node_of(v)->size == 0)
		be64_put(o->b + put_space(o, WORD) + WORD - 8, count);

	size_t base = put_space(o, count * step);

	for (uint32_t i = 0; i < count; i++)
		put_value(o, abi_item(v, i), base, base + i * step);
}

static void put_tuple(struct out *o, struct abi_view v)
{
	struct abi_view inner;
	size_t base = o->end, at = base;

	for (unsigned i = 0; abi_member_at(v, i, &inner); i++)
		put_space(o, node_of(inner)->head_bytes);
	for (unsigned i = 0; abi_member_at(v, i, &inner); i++) {
		put_value(o, inner, base, at);
		at += node_of(inner)->head_bytes;
	}
}

static void put_tail(struct out *o, struct abi_view v)
{
	switch (abi_type_of(v)) {
	case ABI_TUPLE:
		put_tuple(o, v);
		break;
	case ABI_ARRAY:
		put_array(o, v);
		break;
	default:
		put_bytes(o, abi_bytes(v));
	}
}

/*
 * Mutations that know the format: an encoding whose values are drawn from any bytes.
 * Offsets, counts and padding right at once are more than chance finds in deep types.
 */
struct source {
	const struct abi_line *line;
	const uint8_t *p;
	size_t len;
};

static uint8_t draw(struct source *s)
{
	if (s->len == 0)
		return 0;
	s->len--;
	return *s->p++;
}

static void make_word(struct source *s, const struct abi_node *n, uint8_t *w)
{
	for (unsigned i = 0; i < WORD; i++)
		w[i] = draw(s);
	if (n->type == ABI_FIXED_BYTES)
		memset(w + n->size, 0, WORD - n->size);
	if (n->type == ABI_UINT)
		memset(w, 0, WORD - n->size / 8u);
	if (n->type == ABI_INT)
		memset(w, w[WORD - n->size / 8u] & 0x80 ? 0xff : 0, WORD - n->size / 8u);
	if (n->type == ABI_ADDRESS)
		memset(w, 0, WORD - 20);
	if (n->type == ABI_BOOL)
		memset(w, 0, WORD - 1);
	if (n->type == ABI_BOOL)
		w[WORD - 1] &= 1;
}

static void make_tail(struct source *s, struct out *o, uint16_t node);

static void make_value(struct source *s, struct out *o, uint16_t node, size_t base, size_t at)
{
	const struct abi_node *all = s->line->node, *n = &all[node];

	if (n->dynamic) {
		be64_put(o->b + at + WORD - 8, o->end - base);
		make_tail(s, o, node);
	} else if (n->type == ABI_TUPLE) {
		for (uint16_t i = n->first; i; i = all[i].next) {
			make_value(s, o, i, base, at);
			at += all[i].head_bytes;
		}
	} else if (n->type == ABI_ARRAY) {
		for (unsigned i = 0; i < n->size; i++)
			make_value(s, o, n->first, base, at + i * all[n->first].head_bytes);
	} else {
		make_word(s, n, o->b + at);
	}
}

static void make_bytes(struct source *s, struct out *o)
{
	size_t len = draw(s) % 70;

	be64_put(o->b + put_space(o, WORD) + WORD - 8, len);

	size_t at = put_space(o, (len + WORD - 1) / WORD * WORD);

	for (size_t i = 0; i < len; i++)
		o->b[at + i] = draw(s);
}

static void make_array(struct source *s, struct out *o, const struct abi_node *n)
{
	size_t count = n->size ? n->size : draw(s) % 3u;
	size_t step = s->line->node[n->first].head_bytes;

	if (n->size == 0)
		be64_put(o->b + put_space(o, WORD) + WORD - 8, count);

	size_t base = put_space(o, count * step);

	for (size_t i = 0; i < count; i++)
		make_value(s, o, n->first, base, base + i * step);
}

static void make_tuple(struct source *s, struct out *o, const struct abi_node *n)
{
	const struct abi_node *all = s->line->node;
	size_t base = o->end, at = base;

	for (uint16_t i = n->first; i; i = all[i].next)
		put_space(o, all[i].head_bytes);
	for (uint16_t i = n->first; i; i = all[i].next) {
		make_value(s, o, i, base, at);
		at += all[i].head_bytes;
	}
}

static void make_tail(struct source *s, struct out *o, uint16_t node)
{
	const struct abi_node *n = &s->line->node[node];

	if (n->type == ABI_TUPLE)
		make_tuple(s, o, n);
	else if (n->type == ABI_ARRAY)
		make_array(s, o, n);
	else
		make_bytes(s, o);
}

static uint16_t tuple_of(const struct abi_line *line)
{
	return line->outputs ? line->outputs : line->inputs;
}

/* One in four stays as it is, one is made canonical, two are made so and then broken. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	static struct out out;

	size = LLVMFuzzerMutate(data, size, max_size);
	if (seed % 4 == 0 || size == 0)
		return size;

	const struct abi_line *line = &lines[data[0] % ARRAY_LEN(lines)];
	struct source s = { .line = line, .p = data + 1, .len = size - 1 };

	out.end = 0;
	make_tail(&s, &out, tuple_of(line));
	if (out.end > max_size - 1)
		return size;
	memcpy(data + 1, out.b, out.end);
	size = 1 + out.end;
	return seed % 4 == 1 ? size : LLVMFuzzerMutate(data, size, max_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct out out;
	struct abi_view v;

	if (size == 0 || size > sizeof(out.b))
		return 0;

	const struct abi_line *line = &lines[data[0] % ARRAY_LEN(lines)];
	struct bytes in = BYTES(data + 1, size - 1);

	if (abi_decode(line, tuple_of(line), in, &v))
		return 0;
	out.end = 0;
	put_tail(&out, v);
	if (!bytes_eq(in, BYTES(out.b, out.end)))
		abort();
	return 0;
}
