/*
 * abi_encode - selector and arguments of a call.
 *
 * Heads and tails are written in one pass: the size of all heads is known from the
 * line, so the first tail has its place before the first head is written.
 */
#include "common/abi.h"

#define WORD 32

struct encoder {
	const struct abi_line *line;
	uint8_t *out;			/* behind the selector */
	size_t cap;
	size_t head, tail;		/* where the next of each goes */
};

static void put_number(uint8_t *at, uint64_t v)
{
	memset(at, 0, WORD - 8);
	be64_put(at + WORD - 8, v);
}

/* Are these COUNT words of N, a one-word type? */
static enum err check_words(const struct abi_node *n, struct bytes v, size_t count)
{
	if (n->type > ABI_FIXED_BYTES || v.len != count * WORD)
		return ERR_FORMAT;
	for (size_t i = 0; i < count; i++)
		if (abi_check_word(n, v.p + i * WORD))
			return ERR_FORMAT;
	return OK;
}

/* A length or count at the tail and CONTENT behind it, padded with zeros to words. */
static enum err put_tail(struct encoder *en, size_t number, struct bytes content)
{
	size_t room = en->cap - en->tail;
	size_t padding = -content.len % WORD;

	if (room < WORD || content.len > room - WORD || padding > room - WORD - content.len)
		return ERR_TOO_BIG;
	put_number(en->out + en->head, en->tail);
	en->head += WORD;
	put_number(en->out + en->tail, number);
	en->tail += WORD;
	if (content.len)
		memcpy(en->out + en->tail, content.p, content.len);
	memset(en->out + en->tail + content.len, 0, padding);
	en->tail += content.len + padding;
	return OK;
}

static enum err put_words(struct encoder *en, const struct abi_node *type, struct bytes v,
			  size_t count)
{
	enum err e = check_words(type, v, count);
	if (e)
		return e;
	memcpy(en->out + en->head, v.p, v.len);
	en->head += v.len;
	return OK;
}

static enum err put_array(struct encoder *en, const struct abi_node *n, struct bytes v)
{
	const struct abi_node *item = &en->line->node[n->first];
	size_t count = v.len / WORD;

	if (n->size)
		return put_words(en, item, v, n->size);
	if (count > ABI_ITEMS_MAX)
		return ERR_TOO_BIG;

	enum err e = check_words(item, v, count);
	if (e)
		return e;
	return put_tail(en, count, v);
}

static enum err put_arg(struct encoder *en, const struct abi_node *n, struct bytes v)
{
	switch (n->type) {
	case ABI_BYTES:
	case ABI_STRING:
		return put_tail(en, v.len, v);
	case ABI_ARRAY:
		return put_array(en, n, v);
	case ABI_TUPLE:
		return ERR_FORMAT;
	default:
		return put_words(en, n, v, 1);
	}
}

enum err abi_encode_call(const struct abi_line *line, const struct abi_arg *args, size_t count,
			 uint8_t *out, size_t cap, size_t *len_out)
{
	const struct abi_node *node = line->node;
	struct encoder en = { .line = line, .out = out + sizeof(line->selector) };

	if (line->what != ABI_FUNCTION || count != node[line->inputs].children)
		return ERR_FORMAT;
	for (uint16_t i = node[line->inputs].first; i; i = node[i].next)
		en.tail += node[i].head_bytes;
	if (cap < sizeof(line->selector) || cap - sizeof(line->selector) < en.tail)
		return ERR_TOO_BIG;
	en.cap = cap - sizeof(line->selector);
	memcpy(out, line->selector, sizeof(line->selector));
	for (uint16_t i = node[line->inputs].first; i; i = node[i].next, args++) {
		enum err e = put_arg(&en, &node[i], args->v);
		if (e)
			return e;
	}
	*len_out = sizeof(line->selector) + en.tail;
	return OK;
}
