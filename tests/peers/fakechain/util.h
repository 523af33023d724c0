/* util - hexadecimal into a text, and a table of things by their hash. */
#pragma once

#include "common/text.h"
#include "common/u256.h"

void text_hex(struct text *t, struct bytes v); /* "0x..." with its quotes */
void text_quantity(struct text *t, uint64_t v); /* "0x1f" with its quotes */
void text_str(struct text *t, const char *s); /* as it is */

/* ABI words, behind one another. */
void word_b32(struct text *t, const struct b32 *v);
void word_u64(struct text *t, uint64_t v);
void word_addr(struct text *t, const struct addr *v);
void word_bytes(struct text *t, struct bytes v); /* length, bytes, zeros up to a word */

static inline struct bytes text_view(const struct text *t)
{
	return BYTES(t->p, t->len);
}

struct b32 b32_of_u64(uint64_t v);
void *new_zeroed(size_t n); /* never NULL */
void *resized(void *p, size_t n);
struct bytes bytes_copy(struct bytes v); /* the copy is the caller's */

/* Numbers that can be had again: xorshift. */
double share_next(uint64_t *seed); /* 0 to 1 */

/* Items are borrowed and begin with their struct b32 hash. */
struct table {
	void **slot; /* owned */
	size_t size, count; /* size: a power of two */
};

void *table_find(const struct table *t, const struct b32 *hash);
void table_put(struct table *t, void *item);
void table_remove(struct table *t, const struct b32 *hash);
