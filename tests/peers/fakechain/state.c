/* state - a hash table of values, each with its versions, newest first. */

#include "tests/peers/fakechain/state.h"

#include <stdlib.h>

#include "common/log.h"

struct version {
	struct version *before; /* of the same value; owned by the stack */
	struct version *below; /* written before this one, whatever value */
	struct entry *of;
	uint64_t block;
	uint32_t len;
	uint8_t data[];
};

struct entry {
	struct entry *next; /* in its bucket */
	struct version *last;
	struct key key;
};

struct state {
	struct entry **bucket; /* owned */
	size_t buckets, entries; /* buckets: a power of two */
	struct version *top; /* owned: all versions, as a stack */
};

struct state *state_new(void)
{
	struct state *s = new_zeroed(sizeof(*s));

	s->buckets = 4096;
	s->bucket = new_zeroed(s->buckets * sizeof(*s->bucket));
	return s;
}

struct key key_of(uint8_t tag, const struct b32 *id, const struct addr *who)
{
	struct key k = { { tag } };

	if (id)
		memcpy(k.b + 1, id->b, 32);
	if (who)
		memcpy(k.b + 33, who->b, 20);
	return k;
}

static size_t mix(const struct key *k)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (unsigned i = 0; i < STATE_KEY; i += 8) {
		h ^= be64_get(k->b + i);
		h *= 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return h;
}

static struct entry *find(const struct state *s, const struct key *k)
{
	struct entry *e = s->bucket[mix(k) & (s->buckets - 1)];

	while (e && memcmp(e->key.b, k->b, STATE_KEY) != 0)
		e = e->next;
	return e;
}

static void grow(struct state *s)
{
	size_t buckets = 2 * s->buckets;
	struct entry **bucket = new_zeroed(buckets * sizeof(*bucket));

	for (size_t i = 0; i < s->buckets; i++) {
		while (s->bucket[i]) {
			struct entry *e = s->bucket[i];
			size_t at = mix(&e->key) & (buckets - 1);

			s->bucket[i] = e->next;
			e->next = bucket[at];
			bucket[at] = e;
		}
	}
	free(s->bucket);
	s->bucket = bucket;
	s->buckets = buckets;
}

static struct entry *add(struct state *s, const struct key *k)
{
	if (s->entries >= s->buckets)
		grow(s);

	struct entry **at = &s->bucket[mix(k) & (s->buckets - 1)], *e = new_zeroed(sizeof(*e));

	*e = (struct entry){ .next = *at, .key = *k };
	*at = e;
	s->entries++;
	return e;
}

struct bytes state_get(const struct state *s, const struct key *k, uint64_t at)
{
	const struct entry *e = find(s, k);
	const struct version *v = e ? e->last : NULL;

	while (v && v->block > at)
		v = v->before;
	return v ? BYTES(v->data, v->len) : BYTES(NULL, 0);
}

uint64_t state_get_u64(const struct state *s, const struct key *k, uint64_t at)
{
	struct bytes v = state_get(s, k, at);

	return v.len == 8 ? be64_get(v.p) : 0;
}

void state_put(struct state *s, const struct key *k, uint64_t block, struct bytes data)
{
	struct entry *e = find(s, k);

	check(!s->top || s->top->block <= block);
	if (!e)
		e = add(s, k);
	if (e->last && e->last->block == block && e->last->len == data.len) {
		if (data.len)
			memmove(e->last->data, data.p, data.len);
		return;
	}
	struct version *v = new_zeroed(sizeof(*v) + data.len);
	*v = (struct version){
		.before = e->last, .below = s->top, .of = e, .block = block, .len = data.len
	};
	if (data.len)
		memcpy(v->data, data.p, data.len);
	e->last = v;
	s->top = v;
}

void state_put_u64(struct state *s, const struct key *k, uint64_t block, uint64_t v)
{
	uint8_t be[8];

	be64_put(be, v);
	state_put(s, k, block, BYTES_OF(be));
}

void state_cut(struct state *s, uint64_t block)
{
	while (s->top && s->top->block >= block) {
		struct version *v = s->top;

		v->of->last = v->before;
		s->top = v->below;
		free(v);
	}
}
