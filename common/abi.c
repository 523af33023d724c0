/*
 * abi - the parser of human-readable lines.
 *
 * One pass over the text: nodes are made as types are read, and the canonical
 * signature is written at the same time, since "uint" and "tuple" must not stand
 * in it.  What a function returns has no place in the signature.
 */
#include "common/abi_parser.h"

#include "common/keccak.h"

/* What may follow the parameters of a function. */
static enum err parse_function_end(struct parser *ps)
{
	static const char *const ignored[] = {
		"external", "public", "view", "pure", "payable", "nonpayable", NULL
	};

	for (;;) {
		struct word w = take_word(ps);

		if (word_is(w, "returns")) {
			ps->signing = false;
			return abi_parse_params(ps, ps->line->outputs, 0, 0);
		}
		if (!word_in(w, ignored)) {
			ps->p = w.p;
			return OK;
		}
	}
}

static enum err parse_what(struct parser *ps, enum abi_what *out)
{
	static const char *const words[] = {
		[ABI_EVENT] = "event", [ABI_FUNCTION] = "function", [ABI_ERROR] = "error",
	};
	struct word w = take_word(ps);

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (word_is(w, words[i])) {
			*out = (enum abi_what)i;
			return OK;
		}
	}
	return fail(ps, w.p, ERR_FORMAT, "a line starts with event, function or error");
}

/* The tuples of a line; which of them there are depends on what it is. */
static enum err new_tuples(struct parser *ps)
{
	struct abi_line *line = ps->line;

	enum err e = new_node(ps, ABI_TUPLE, 0, &line->inputs);
	if (!e && line->what == ABI_EVENT)
		e = new_node(ps, ABI_TUPLE, 0, &line->indexed);
	if (!e && line->what == ABI_FUNCTION)
		e = new_node(ps, ABI_TUPLE, 0, &line->outputs);
	return e;
}

static enum err parse_line(struct parser *ps)
{
	struct abi_line *line = ps->line;

	enum err e = parse_what(ps, &line->what);
	if (e)
		return e;

	struct word name = take_word(ps);

	if (name.len == 0)
		return fail(ps, ps->p, ERR_FORMAT, "a name is missing");
	e = copy_name(ps, name, line->name);
	if (e)
		return e;
	e = sign(ps, name.p, name.len);
	if (e)
		return e;
	e = new_tuples(ps);
	if (e)
		return e;
	e = abi_parse_params(ps, line->inputs, line->indexed, 0);
	if (!e && line->what == ABI_FUNCTION)
		e = parse_function_end(ps);
	if (e)
		return e;
	take(ps, ';');
	skip_space(ps);
	if (*ps->p)
		return fail(ps, ps->p, ERR_TRAILING, "the line should end here");
	return OK;
}

enum err abi_parse(const char *text, struct abi_line *out, unsigned *column_out,
		   const char **why_out)
{
	struct parser ps = { .text = text, .p = text, .line = out, .signing = true };

	memset(out, 0, sizeof(*out));
	out->nodes = 1;

	enum err e = parse_line(&ps);

	if (e && column_out)
		*column_out = (unsigned)(ps.trouble - text) + 1;
	if (e && why_out)
		*why_out = ps.why;
	if (e)
		return e;
	out->hash = keccak_text(out->signature);
	memcpy(out->selector, out->hash.b, sizeof(out->selector));
	return OK;
}

/* Takes the first segment off *path: the child it names, or whose position it is. */
static uint16_t step_into(const struct abi_line *line, uint16_t node, const char **path)
{
	struct word w = { .p = *path, .len = strcspn(*path, ".[") };
	uint16_t child = line->node[node].first;
	size_t position = 0;

	*path += w.len;
	if (line->node[node].type != ABI_TUPLE || w.len == 0)
		return 0;
	if (!is_digit(*w.p))
		return find_child(line, node, w);
	for (size_t i = 0; i < w.len; i++) {
		if (!is_digit(w.p[i]) || position > ABI_NODES_MAX)
			return 0;
		position = position * 10 + (size_t)(w.p[i] - '0');
	}
	while (child && position--)
		child = line->node[child].next;
	return child;
}

uint16_t abi_find(const struct abi_line *line, uint16_t tuple, const char *path)
{
	uint16_t node = step_into(line, tuple, &path);

	while (node && *path) {
		if (strncmp(path, "[]", 2) == 0) {
			node = line->node[node].type == ABI_ARRAY ? line->node[node].first : 0;
			path += 2;
		} else if (*path++ == '.') {
			node = step_into(line, node, &path);
		} else {
			return 0;
		}
	}
	return node;
}
