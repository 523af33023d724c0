/*
 * abi_parser - what the two halves of the parser share: the place in the line, its
 * words, and the making of nodes.  Included by abi.c (lines) and abi_type.c (types)
 * and by nobody else.
 */
#pragma once

#include "common/abi.h"

struct parser {
	const char *text, *p;		/* the line, and where we stand in it */
	struct abi_line *line;
	bool signing;			/* types read go into the signature */
	size_t signature_len;
	const char *trouble, *why;
	uint8_t height[ABI_NODES_MAX];	/* nesting below each node */
};

struct word { const char *p; size_t len; };

static inline enum err fail(struct parser *ps, const char *where, enum err e, const char *why)
{
	ps->trouble = where;
	ps->why = why;
	return e;
}

static inline void skip_space(struct parser *ps)
{
	while (*ps->p == ' ' || *ps->p == '\t' || *ps->p == '\n' || *ps->p == '\r')
		ps->p++;
}

static inline bool take(struct parser *ps, char c)
{
	skip_space(ps);
	if (*ps->p != c)
		return false;
	ps->p++;
	return true;
}

static inline bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The next identifier; length 0 when there is none. */
static inline struct word take_word(struct parser *ps)
{
	skip_space(ps);

	const char *start = ps->p;

	if (is_letter(*ps->p))
		while (is_letter(*ps->p) || is_digit(*ps->p))
			ps->p++;
	return (struct word){ .p = start, .len = (size_t)(ps->p - start) };
}

static inline bool word_is(struct word w, const char *text)
{
	return strlen(text) == w.len && memcmp(w.p, text, w.len) == 0;
}

static inline bool word_in(struct word w, const char *const *list)
{
	for (; *list; list++)
		if (word_is(w, *list))
			return true;
	return false;
}

static inline enum err copy_name(struct parser *ps, struct word w, char out[ABI_NAME_MAX])
{
	if (w.len >= ABI_NAME_MAX)
		return fail(ps, w.p, ERR_TOO_BIG, "this name is too long");
	memcpy(out, w.p, w.len);
	out[w.len] = '\0';
	return OK;
}

static inline enum err sign(struct parser *ps, const char *s, size_t len)
{
	struct abi_line *line = ps->line;

	if (!ps->signing)
		return OK;
	if (len >= ABI_SIG_MAX - ps->signature_len)
		return fail(ps, ps->p, ERR_TOO_BIG, "the signature is too long");
	memcpy(line->signature + ps->signature_len, s, len);
	ps->signature_len += len;
	line->signature[ps->signature_len] = '\0';
	return OK;
}

static inline enum err new_node(struct parser *ps, enum abi_type type, uint16_t size, uint16_t *out)
{
	if (ps->line->nodes == ABI_NODES_MAX)
		return fail(ps, ps->p, ERR_TOO_BIG, "too many types in one line");
	*out = ps->line->nodes++;
	ps->line->node[*out] = (struct abi_node){
		.type = type,
		.size = size,
		.head_bytes = type == ABI_TUPLE ? 0 : 32,	/* grows with members */
	};
	return OK;
}

/* The child of PARENT with this name; 0 when there is none. */
static inline uint16_t find_child(const struct abi_line *line, uint16_t parent, struct word name)
{
	uint16_t i = line->node[parent].first;

	while (i && !word_is(name, line->node[i].name))
		i = line->node[i].next;
	return i;
}

/*
 * Parameters in brackets: into TUPLE or, if they are indexed, into INDEXED (0: none
 * may be); DEPTH is that of the tuples around them.
 */
enum err abi_parse_params(struct parser *ps, uint16_t tuple, uint16_t indexed,
			  unsigned depth) MUST_CHECK;
