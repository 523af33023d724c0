/* util - hexadecimal into a text, and a table of things by their hash. */

#include "tests/peers/fakechain/util.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"

#define HEX_CHUNK 2048

void text_str(struct text *t, const char *s)
{
	text_bytes(t, bytes_str(s));
}

void text_hex(struct text *t, struct bytes v)
{
	char hex[2 * HEX_CHUNK + 1];

	text_str(t, "\"0x");
	for (size_t at = 0; at < v.len; at += HEX_CHUNK) {
		size_t n = v.len - at < HEX_CHUNK ? v.len - at : HEX_CHUNK;

		hex_encode(BYTES(v.p + at, n), hex);
		text_bytes(t, BYTES(hex, 2 * n));
	}
	text_str(t, "\"");
}

void text_quantity(struct text *t, uint64_t v)
{
	char s[24];
	int n = snprintf(s, sizeof(s), "\"0x%" PRIx64 "\"", v);

	text_bytes(t, BYTES(s, n));
}

void word_b32(struct text *t, const struct b32 *v)
{
	text_bytes(t, BYTES_OF(v->b));
}

struct b32 b32_of_u64(uint64_t v)
{
	struct b32 w = { { 0 } };

	be64_put(w.b + 24, v);
	return w;
}

void word_u64(struct text *t, uint64_t v)
{
	struct b32 w = b32_of_u64(v);

	word_b32(t, &w);
}

void word_addr(struct text *t, const struct addr *v)
{
	struct b32 w = { { 0 } };

	memcpy(w.b + 12, v->b, 20);
	word_b32(t, &w);
}

void word_bytes(struct text *t, struct bytes v)
{
	static const uint8_t zeros[32];

	word_u64(t, v.len);
	text_bytes(t, v);
	text_bytes(t, BYTES(zeros, (32 - v.len % 32) % 32));
}

void *new_zeroed(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	check(p != NULL);
	return p;
}

void *resized(void *p, size_t n)
{
	p = realloc(p, n);
	check(p != NULL);
	return p;
}

struct bytes bytes_copy(struct bytes v)
{
	uint8_t *p = new_zeroed(v.len);

	if (v.len)
		memcpy(p, v.p, v.len);
	return BYTES(p, v.len);
}

double share_next(uint64_t *seed)
{
	uint64_t x = *seed ? *seed : 0x9e3779b97f4a7c15u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*seed = x;
	return (double)(x >> 11) / (double)(1ull << 53);
}

static size_t slot_of(const struct table *t, const struct b32 *hash)
{
	return be64_get(hash->b) & (t->size - 1);
}

static void insert(struct table *t, void *item)
{
	size_t i = slot_of(t, item);

	while (t->slot[i])
		i = (i + 1) & (t->size - 1);
	t->slot[i] = item;
}

static void grow(struct table *t)
{
	struct table old = *t;

	t->size = old.size ? 2 * old.size : 1024;
	t->slot = new_zeroed(t->size * sizeof(*t->slot));
	for (size_t i = 0; i < old.size; i++)
		if (old.slot[i])
			insert(t, old.slot[i]);
	free(old.slot);
}

void *table_find(const struct table *t, const struct b32 *hash)
{
	if (!t->size)
		return NULL;
	for (size_t i = slot_of(t, hash); t->slot[i]; i = (i + 1) & (t->size - 1))
		if (b32_eq(t->slot[i], hash))
			return t->slot[i];
	return NULL;
}

void table_put(struct table *t, void *item)
{
	if (2 * (t->count + 1) > t->size)
		grow(t);
	insert(t, item);
	t->count++;
}

/* What stands behind it, up to the next free slot, finds its place again. */
void table_remove(struct table *t, const struct b32 *hash)
{
	size_t mask = t->size - 1, i;

	if (!table_find(t, hash))
		return;
	for (i = slot_of(t, hash); !b32_eq(t->slot[i], hash); i = (i + 1) & mask)
		;
	t->slot[i] = NULL;
	t->count--;
	for (i = (i + 1) & mask; t->slot[i]; i = (i + 1) & mask) {
		void *item = t->slot[i];

		t->slot[i] = NULL;
		insert(t, item);
	}
}
