/* claims - a short list in the order in which it was said. */

#include "listener/claims.h"

static struct claim *find_claim(struct claims *k, const struct b32 *hash)
{
	for (unsigned i = 0; i < k->count; i++)
		if (b32_eq(&k->claim[i].hash, hash))
			return &k->claim[i];
	return NULL;
}

static bool is_later(const struct claim *a, const struct claim *b)
{
	return a->at != b->at ? a->at > b->at : a->index > b->index;
}

static void drop_at(struct claims *k, unsigned i)
{
	memmove(&k->claim[i], &k->claim[i + 1], (--k->count - i) * sizeof(k->claim[0]));
}

/* The oldest; but one that is known, and may be what is settled now, only when all are. */
static void make_room(struct claims *k)
{
	unsigned i = 0;

	while (i < k->count && k->claim[i].known)
		i++;
	drop_at(k, i < k->count ? i : 0);
}

bool claims_add(struct claims *k, const struct claim *c)
{
	unsigned i;

	if (find_claim(k, &c->hash))
		return false;
	if (k->count == CLAIMS_MAX)
		make_room(k);
	for (i = k->count; i > 0 && is_later(&k->claim[i - 1], c); i--)
		k->claim[i] = k->claim[i - 1];
	k->claim[i] = *c;
	k->count++;
	return true;
}

unsigned claims_unknown(const struct claims *k, struct b32 out[CLAIMS_MAX])
{
	unsigned n = 0;

	for (unsigned i = 0; i < k->count; i++)
		if (!k->claim[i].known)
			out[n++] = k->claim[i].hash;
	return n;
}

void claims_miss(struct claims *k, const struct b32 *hash)
{
	struct claim *c = find_claim(k, hash);

	if (c)
		c->missing = true;
}

bool claims_has_missing(const struct claims *k)
{
	for (unsigned i = 0; i < k->count; i++)
		if (k->claim[i].missing)
			return true;
	return false;
}

bool claims_doubt(struct claims *k)
{
	bool fresh = false;

	for (unsigned i = 0; i < k->count; i++) {
		struct claim *c = &k->claim[i];

		fresh = fresh || (c->missing && !c->doubted);
		c->doubted = c->missing;
	}
	return fresh;
}

void claims_hear(struct claims *k, const struct b32 *hash, uint64_t number, uint64_t time)
{
	struct claim *c = find_claim(k, hash);

	if (!c)
		return;
	c->known = true;
	c->missing = false;
	c->number = number;
	c->time = time;
}

const struct claim *claims_best(const struct claims *k, uint64_t above, uint64_t up_to)
{
	const struct claim *best = NULL;

	for (unsigned i = 0; i < k->count; i++) {
		const struct claim *c = &k->claim[i];

		if (c->known && c->number > above && c->number <= up_to &&
		    (!best || c->number > best->number))
			best = c;
	}
	return best;
}

unsigned claims_settle(struct claims *k, const struct b32 *hash)
{
	const struct claim *found = find_claim(k, hash);
	unsigned back = 0;

	if (!found)
		return 0;

	const struct claim settled = *found;

	for (unsigned i = k->count; i > 0; i--) {
		const struct claim *c = &k->claim[i - 1];
		bool above = c->known && c->number > settled.number;
		bool goes_back = is_later(c, &settled) && c->known && c->number < settled.number;

		back += goes_back;
		if (goes_back || (is_later(&settled, c) && !above))
			drop_at(k, i - 1);
	}
	return back;
}

void claims_drop(struct claims *k, const struct b32 *hash)
{
	struct claim *c = find_claim(k, hash);

	if (c)
		drop_at(k, (unsigned)(c - k->claim));
}
