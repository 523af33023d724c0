/*
 * abi - the strict decoder, and views into what it has checked.
 *
 * The canonical encoding of a value is the only one that is accepted, so a place in
 * the data is known before its offset is read: the offset is compared, not followed.
 * No byte is looked at twice, whatever the data say, and views need no checks.
 */
#include "common/abi.h"

#define WORD 32

struct decoder {
	const struct abi_line *line;
	const uint8_t *data;
	size_t len;
	size_t end;			/* of the last tail: where the next one must start */
};

static bool all_are(const uint8_t *p, size_t n, uint8_t value)
{
	uint8_t other = 0;

	for (size_t i = 0; i < n; i++)
		other |= p[i] ^ value;
	return other == 0;
}

/* A word that fits 32 bits; what does not is larger than any limit and comes as that. */
static uint32_t small_word(const uint8_t *w)
{
	uint64_t v = be64_get(w + WORD - 8);

	return all_are(w, WORD - 8, 0) && v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}

static size_t padded(size_t len)
{
	return (len + WORD - 1) / WORD * WORD;
}

enum err abi_check_word(const struct abi_node *n, const uint8_t w[32])
{
	size_t above;		/* bytes above the value of a number */

	switch (n->type) {
	case ABI_UINT:
		above = WORD - n->size / 8u;
		return all_are(w, above, 0) ? OK : ERR_RANGE;
	case ABI_INT:
		above = WORD - n->size / 8u;
		return all_are(w, above, w[above] & 0x80 ? 0xff : 0) ? OK : ERR_RANGE;
	case ABI_ADDRESS:
		return all_are(w, WORD - 20, 0) ? OK : ERR_RANGE;
	case ABI_BOOL:
		return all_are(w, WORD - 1, 0) && w[WORD - 1] <= 1 ? OK : ERR_RANGE;
	case ABI_FIXED_BYTES:
		return all_are(w + n->size, WORD - n->size, 0) ? OK : ERR_CANONICAL;
	default:
		return ERR_FORMAT;
	}
}

/* The bytes that the members of a tuple take before the first tail. */
static size_t head_of(const struct abi_line *line, const struct abi_node *tuple)
{
	size_t sum = 0;

	for (uint16_t i = tuple->first; i; i = line->node[i].next)
		sum += line->node[i].head_bytes;
	return sum;
}

static enum err check_static(struct decoder *d, uint16_t node, size_t at);
static enum err check_tail(struct decoder *d, uint16_t node);

/* A value in a head that starts at BASE: itself, or the offset of its tail. */
static enum err check_head(struct decoder *d, uint16_t node, size_t base, size_t at)
{
	if (!d->line->node[node].dynamic)
		return check_static(d, node, at);
	if (small_word(d->data + at) != d->end - base)
		return ERR_CANONICAL;
	return check_tail(d, node);
}

/* Moves the end past a head of SIZE bytes that starts there. */
static enum err claim(struct decoder *d, uint64_t size)
{
	if (size > d->len - d->end)
		return ERR_TRUNCATED;
	d->end += (size_t)size;
	return OK;
}

static enum err check_members(struct decoder *d, const struct abi_node *tuple, size_t base)
{
	size_t at = base;

	for (uint16_t i = tuple->first; i; i = d->line->node[i].next) {
		enum err e = check_head(d, i, base, at);
		if (e)
			return e;
		at += d->line->node[i].head_bytes;
	}
	return OK;
}

static enum err check_items(struct decoder *d, const struct abi_node *array, size_t base,
			    uint32_t count)
{
	size_t step = d->line->node[array->first].head_bytes;

	for (uint32_t i = 0; i < count; i++) {
		enum err e = check_head(d, array->first, base, base + i * step);
		if (e)
			return e;
	}
	return OK;
}

/* A static value whose bytes have been claimed. */
static enum err check_static(struct decoder *d, uint16_t node, size_t at)
{
	const struct abi_node *n = &d->line->node[node];

	if (n->type == ABI_TUPLE)
		return check_members(d, n, at);
	if (n->type == ABI_ARRAY)
		return check_items(d, n, at, n->size);
	return abi_check_word(n, d->data + at);
}

static enum err check_bytes(struct decoder *d, uint32_t len)
{
	const uint8_t *content = d->data + d->end;

	enum err e = claim(d, padded(len));
	if (e)
		return e;
	return all_are(content + len, padded(len) - len, 0) ? OK : ERR_CANONICAL;
}

static enum err check_array(struct decoder *d, const struct abi_node *n, uint32_t count)
{
	size_t base = d->end;

	if (count > ABI_ITEMS_MAX)
		return ERR_TOO_BIG;

	enum err e = claim(d, (uint64_t)count * d->line->node[n->first].head_bytes);
	if (e)
		return e;
	return check_items(d, n, base, count);
}

static enum err check_tuple(struct decoder *d, const struct abi_node *n)
{
	size_t base = d->end;

	enum err e = claim(d, head_of(d->line, n));
	if (e)
		return e;
	return check_members(d, n, base);
}

/* A dynamic value, whose tail starts where the last one ended. */
static enum err check_tail(struct decoder *d, uint16_t node)
{
	const struct abi_node *n = &d->line->node[node];
	size_t at = d->end;

	if (n->type == ABI_TUPLE)
		return check_tuple(d, n);
	if (n->type == ABI_ARRAY && n->size)
		return check_array(d, n, n->size);

	enum err e = claim(d, WORD);
	if (e)
		return e;
	if (n->type == ABI_ARRAY)
		return check_array(d, n, small_word(d->data + at));
	return check_bytes(d, small_word(d->data + at));
}

enum err abi_decode(const struct abi_line *line, uint16_t node, struct bytes data,
		    struct abi_view *out)
{
	struct decoder d = { .line = line, .data = data.p, .len = data.len };
	const struct abi_node *n = &line->node[node];

	if (node == 0 || n->type != ABI_TUPLE)
		return ERR_UNKNOWN;
	if (data.len >= UINT32_MAX)
		return ERR_TOO_BIG;

	enum err e = check_tuple(&d, n);
	if (e)
		return e;
	if (d.end != d.len)
		return ERR_TRAILING;
	*out = (struct abi_view){ .line = line, .node = node, .at = data.p };
	return OK;
}

static bool is_word(enum abi_type type)
{
	return type <= ABI_FIXED_BYTES;
}

enum err abi_check_topics(const struct abi_line *line, const struct b32 *topics, size_t count)
{
	const struct abi_node *node = line->node;

	if (line->what != ABI_EVENT || count != 1u + node[line->indexed].children)
		return ERR_MISMATCH;
	if (!b32_eq(&topics[0], &line->hash))
		return ERR_MISMATCH;
	for (uint16_t i = node[line->indexed].first; i; i = node[i].next) {
		topics++;
		if (!is_word(node[i].type))
			continue;	/* a hash */

		enum err e = abi_check_word(&node[i], topics->b);
		if (e)
			return e;
	}
	return OK;
}

bool abi_topic(const struct abi_line *line, const struct b32 *topics, const char *name,
	       struct b32 *out)
{
	const struct abi_node *node = line->node;

	for (uint16_t i = node[line->indexed].first; i; i = node[i].next) {
		topics++;
		if (strcmp(node[i].name, name) == 0) {
			*out = *topics;
			return true;
		}
	}
	return false;
}

/* The value of NODE that has its place AT in the head that starts at BASE. */
static struct abi_view value_at(const struct abi_line *line, uint16_t node, const uint8_t *base,
				const uint8_t *at)
{
	if (line->node[node].dynamic)
		at = base + small_word(at);
	return (struct abi_view){ .line = line, .node = node, .at = at };
}

/* By NAME, or by position if there is no NAME. */
static bool member_at(struct abi_view v, unsigned position, const char *name, size_t len,
		      struct abi_view *out)
{
	const struct abi_node *node = v.line->node;
	const uint8_t *at = v.at;

	if (node[v.node].type != ABI_TUPLE)
		return false;
	for (uint16_t i = node[v.node].first; i; i = node[i].next, position--) {
		bool found = name ? strlen(node[i].name) == len && memcmp(node[i].name, name, len) == 0
				  : position == 0;
		if (found) {
			*out = value_at(v.line, i, v.at, at);
			return true;
		}
		at += node[i].head_bytes;
	}
	return false;
}

bool abi_member(struct abi_view v, const char *path, struct abi_view *out)
{
	for (;;) {
		size_t len = strcspn(path, ".");

		if (!member_at(v, 0, path, len, out))
			return false;
		if (!path[len])
			return true;
		v = *out;
		path += len + 1;
	}
}

bool abi_member_at(struct abi_view v, unsigned position, struct abi_view *out)
{
	return member_at(v, position, NULL, 0, out);
}

uint32_t abi_count(struct abi_view v)
{
	const struct abi_node *n = &v.line->node[v.node];

	return n->size ? n->size : small_word(v.at);
}

struct abi_view abi_item(struct abi_view v, uint32_t i)
{
	const struct abi_node *n = &v.line->node[v.node];
	const uint8_t *base = n->size ? v.at : v.at + WORD;

	return value_at(v.line, n->first, base, base + i * v.line->node[n->first].head_bytes);
}

enum abi_type abi_type_of(struct abi_view v)
{
	return v.line->node[v.node].type;
}

const char *abi_name_of(struct abi_view v)
{
	return v.line->node[v.node].name;
}

struct b32 abi_word(struct abi_view v)
{
	struct b32 w;

	memcpy(w.b, v.at, sizeof(w.b));
	return w;
}

struct bytes abi_bytes(struct abi_view v)
{
	return BYTES(v.at + WORD, small_word(v.at));
}

struct addr abi_addr(struct abi_view v)
{
	struct addr a;

	memcpy(a.b, v.at + WORD - sizeof(a.b), sizeof(a.b));
	return a;
}
