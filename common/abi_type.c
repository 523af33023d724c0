/*
 * abi_type - the half of the parser that reads types and parameters.
 *
 * Sizes and nesting are summed up as nodes are made, so that the decoder only looks
 * them up.
 */
#include "common/abi_parser.h"

#define HEAD_MAX (1u << 20)	/* bytes of one static type: T[4096][4096] is a mistake */

/* A number of the text without leading zeros; 0 when there is none such up to MAX. */
static unsigned number_of(struct word w, unsigned max)
{
	unsigned v = 0;

	if (w.len == 0 || w.p[0] == '0')
		return 0;
	for (size_t i = 0; i < w.len; i++) {
		if (!is_digit(w.p[i]))
			return 0;
		v = v * 10 + (unsigned)(w.p[i] - '0');
		if (v > max)
			return 0;
	}
	return v;
}

/* Types that are one word of the text, with a number behind it or without. */
static const struct {
	const char *word;
	enum abi_type plain, numbered;
	uint16_t plain_size, step, max;		/* of the number; max 0: takes none */
} elementary[] = {
	{ .word = "uint", .plain = ABI_UINT, .numbered = ABI_UINT,
	  .plain_size = 256, .step = 8, .max = 256 },
	{ .word = "int", .plain = ABI_INT, .numbered = ABI_INT,
	  .plain_size = 256, .step = 8, .max = 256 },
	{ .word = "bytes", .plain = ABI_BYTES, .numbered = ABI_FIXED_BYTES,
	  .step = 1, .max = 32 },
	{ .word = "string", .plain = ABI_STRING },
	{ .word = "address", .plain = ABI_ADDRESS },
	{ .word = "bool", .plain = ABI_BOOL },
};

static bool find_elementary(struct word w, struct abi_node *out)
{
	size_t letters = 0;

	while (letters < w.len && !is_digit(w.p[letters]))
		letters++;

	struct word stem = { .p = w.p, .len = letters };
	struct word number = { .p = w.p + letters, .len = w.len - letters };

	for (size_t i = 0; i < ARRAY_LEN(elementary); i++) {
		if (!word_is(stem, elementary[i].word))
			continue;
		out->type = elementary[i].plain;
		out->size = elementary[i].plain_size;
		if (number.len == 0)
			return true;
		out->type = elementary[i].numbered;
		out->size = (uint16_t)number_of(number, elementary[i].max);
		return out->size && out->size % elementary[i].step == 0;
	}
	return false;
}

static enum err parse_elementary(struct parser *ps, struct word w, uint16_t *out)
{
	struct abi_node found = { .size = 0 };

	if (w.len == 0)
		return fail(ps, ps->p, ERR_FORMAT, "a type must stand here");
	if (!find_elementary(w, &found))
		return fail(ps, w.p, ERR_UNKNOWN, "this is not a type we know");

	enum err e = new_node(ps, found.type, found.size, out);
	if (e)
		return e;
	ps->line->node[*out].dynamic = found.type == ABI_BYTES || found.type == ABI_STRING;

	e = sign(ps, w.p, w.len);
	if (!e && (word_is(w, "uint") || word_is(w, "int")))
		e = sign(ps, "256", 3);
	return e;
}

/* OUTER is one level above what INNER, its child or its highest member, is. */
static enum err nest(struct parser *ps, const char *start, uint16_t outer, uint16_t inner)
{
	ps->height[outer] = ps->height[inner] + 1;
	if (ps->height[outer] > ABI_DEPTH_MAX)
		return fail(ps, start, ERR_TOO_BIG, "types are nested too deeply");
	return OK;
}

static enum err parse_tuple(struct parser *ps, unsigned depth, uint16_t *out)
{
	const char *start = ps->p;

	if (depth == ABI_DEPTH_MAX)
		return fail(ps, start, ERR_TOO_BIG, "types are nested too deeply");

	enum err e = new_node(ps, ABI_TUPLE, 0, out);
	if (e)
		return e;
	e = abi_parse_params(ps, *out, 0, depth + 1);
	if (e)
		return e;
	if (ps->line->node[*out].children == 0)
		return fail(ps, start, ERR_FORMAT, "a tuple needs a member");
	return nest(ps, start, *out, *out);
}

/* What stands in the brackets of an array: nothing, or a number of items. */
static enum err parse_size(struct parser *ps, uint16_t *out)
{
	skip_space(ps);

	struct word w = { .p = ps->p };

	while (is_digit(*ps->p))
		ps->p++;
	w.len = (size_t)(ps->p - w.p);
	*out = (uint16_t)number_of(w, ABI_ITEMS_MAX);
	if (w.len && *out == 0)
		return fail(ps, w.p, ERR_RANGE, "an array has 1 to 4096 items");
	if (!take(ps, ']'))
		return fail(ps, ps->p, ERR_FORMAT, "a ] is missing");

	enum err e = sign(ps, "[", 1);
	if (e)
		return e;
	e = sign(ps, w.p, w.len);
	if (e)
		return e;
	return sign(ps, "]", 1);
}

/* The array of which ITEM is the item; the [ has been read. */
static enum err parse_array(struct parser *ps, uint16_t item, uint16_t *out)
{
	struct abi_node *node = ps->line->node;
	const char *start = ps->p;
	uint16_t size;

	enum err e = parse_size(ps, &size);
	if (e)
		return e;
	e = new_node(ps, ABI_ARRAY, size, out);
	if (e)
		return e;

	struct abi_node *a = &node[*out];

	a->first = item;
	a->children = 1;
	a->dynamic = size == 0 || node[item].dynamic;
	if (!a->dynamic && node[item].head_bytes > HEAD_MAX / size)
		return fail(ps, start, ERR_TOO_BIG, "this array is too large");
	if (!a->dynamic)
		a->head_bytes = size * node[item].head_bytes;
	return nest(ps, start, *out, item);
}

static enum err parse_type(struct parser *ps, unsigned depth, uint16_t *out)
{
	struct word w = take_word(ps);
	enum err e;

	skip_space(ps);
	if ((w.len == 0 || word_is(w, "tuple")) && *ps->p == '(')
		e = parse_tuple(ps, depth, out);
	else
		e = parse_elementary(ps, w, out);
	while (!e && take(ps, '['))
		e = parse_array(ps, *out, out);
	return e;
}

/* Where the data of a parameter lies and what it is called: the words after a type. */
static enum err parse_words(struct parser *ps, uint16_t param, bool may_be_indexed)
{
	static const char *const ignored[] = { "memory", "calldata", "storage", NULL };
	struct abi_node *n = &ps->line->node[param];

	for (;;) {
		struct word w = take_word(ps);

		if (word_is(w, "indexed")) {
			if (!may_be_indexed || n->indexed)
				return fail(ps, w.p, ERR_FORMAT, "indexed has no place here");
			n->indexed = true;
		} else if (!word_in(w, ignored)) {
			return copy_name(ps, w, n->name);	/* may be empty */
		}
	}
}

static enum err adopt(struct parser *ps, uint16_t tuple, uint16_t child)
{
	struct abi_node *node = ps->line->node, *parent = &node[tuple];
	uint16_t *link = &parent->first;

	while (*link)
		link = &node[*link].next;
	*link = child;
	parent->children++;
	parent->dynamic |= node[child].dynamic;
	parent->head_bytes += node[child].head_bytes;
	if (parent->head_bytes > HEAD_MAX)
		return fail(ps, ps->p, ERR_TOO_BIG, "this tuple is too large");
	if (ps->height[tuple] < ps->height[child])
		ps->height[tuple] = ps->height[child];
	return OK;
}

/* One parameter, into TUPLE or, if it is indexed, into INDEXED (0: none may be). */
static enum err parse_param(struct parser *ps, uint16_t tuple, uint16_t indexed, unsigned depth)
{
	struct abi_line *line = ps->line;
	uint16_t param;

	skip_space(ps);

	const char *start = ps->p;
	enum err e = parse_type(ps, depth, &param);
	if (e)
		return e;
	e = parse_words(ps, param, indexed != 0);
	if (e)
		return e;

	const char *text = line->node[param].name;
	struct word name = { .p = text, .len = strlen(text) };

	if (name.len && (find_child(line, tuple, name) || find_child(line, indexed, name)))
		return fail(ps, start, ERR_CONFLICT, "two parameters have this name");
	if (!line->node[param].indexed)
		return adopt(ps, tuple, param);
	if (line->node[indexed].children == ABI_INDEXED_MAX)
		return fail(ps, start, ERR_TOO_BIG, "an event has at most 3 indexed parameters");
	return adopt(ps, indexed, param);
}

enum err abi_parse_params(struct parser *ps, uint16_t tuple, uint16_t indexed, unsigned depth)
{
	struct abi_node *parent = &ps->line->node[tuple];
	const char *separator = "(";

	if (!take(ps, '('))
		return fail(ps, ps->p, ERR_FORMAT, "a ( is missing");
	if (take(ps, ')'))
		return sign(ps, "()", 2);
	do {
		enum err e = sign(ps, separator, 1);
		if (e)
			return e;
		e = parse_param(ps, tuple, indexed, depth);
		if (e)
			return e;
		separator = ",";
	} while (take(ps, ','));
	if (!take(ps, ')'))
		return fail(ps, ps->p, ERR_FORMAT, "a comma or a ) is missing");
	if (parent->dynamic)
		parent->head_bytes = 32;
	return sign(ps, ")", 1);
}
