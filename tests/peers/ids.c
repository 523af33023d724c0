/* ids - open addressing, at most half full. */

#include "tests/peers/ids.h"

#include <stdlib.h>

#include "common/log.h"

#define FIRST_CAP 1024

/* Both ends: counters differ at the end, hashes everywhere. */
static size_t hash(const struct b32 *id)
{
	uint64_t h = (be64_get(id->b) ^ be64_get(id->b + 24)) * 0x9e3779b97f4a7c15u;

	return (size_t)(h >> 16);
}

static size_t place(const struct ids *t, const struct b32 *id)
{
	size_t at = hash(id) & (t->cap - 1);

	while (t->slot[at] && !b32_eq(&t->slot[at]->id, id))
		at = (at + 1) & (t->cap - 1);
	return at;
}

struct ided *find_id(const struct ids *t, const struct b32 *id)
{
	return t->cap ? t->slot[place(t, id)] : NULL;
}

static void grow(struct ids *t)
{
	struct ids old = *t;

	t->cap = old.cap ? 2 * old.cap : FIRST_CAP;
	t->slot = calloc(t->cap, sizeof(*t->slot));
	check(t->slot != NULL);
	for (size_t i = 0; i < old.cap; i++)
		if (old.slot[i])
			t->slot[place(t, &old.slot[i]->id)] = old.slot[i];
	free(old.slot);
}

void ids_add(struct ids *t, struct ided *thing)
{
	if (2 * (t->count + 1) > t->cap)
		grow(t);
	size_t at = place(t, &thing->id);
	check(!t->slot[at]);
	t->slot[at] = thing;
	t->count++;
}

struct ided *ids_next(const struct ids *t, size_t *at)
{
	while (*at < t->cap)
		if (t->slot[(*at)++])
			return t->slot[*at - 1];
	return NULL;
}

void ids_fini(struct ids *t)
{
	free(t->slot);
	*t = (struct ids){ 0 };
}
