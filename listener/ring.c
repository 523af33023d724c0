/* ring - a sorted array; searches halve it, the newest blocks are at its end. */

#include "listener/ring.h"

void ring_clear(struct ring *r)
{
	r->count = 0;
}

/* Index of the first block at or above NUMBER. */
static unsigned find_index(const struct ring *r, uint64_t number)
{
	unsigned low = 0, high = r->count;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (r->block[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct ring_block *ring_find(const struct ring *r, uint64_t number)
{
	unsigned i = find_index(r, number);

	return i < r->count && r->block[i].number == number ? &r->block[i] : NULL;
}

const struct ring_block *ring_top(const struct ring *r)
{
	return r->count ? &r->block[r->count - 1] : NULL;
}

enum ring_fit ring_fit(const struct ring *r, uint64_t number, const struct b32 *hash,
		       const struct b32 *parent)
{
	const struct ring_block *same = ring_find(r, number);
	const struct ring_block *before = number ? ring_find(r, number - 1) : NULL;

	if (same && !b32_eq(&same->hash, hash))
		return RING_FORK;
	return parent && before && !b32_eq(&before->hash, parent) ? RING_FORK : RING_FITS;
}

void ring_add(struct ring *r, uint64_t number, const struct b32 *hash, uint64_t seen_ms)
{
	unsigned i = find_index(r, number);

	if (i < r->count && r->block[i].number == number)
		return;
	if (r->count == RING_MAX) {
		if (i == 0)
			return;
		memmove(&r->block[0], &r->block[1], (r->count - 1) * sizeof(r->block[0]));
		r->count--;
		i--;
	}
	memmove(&r->block[i + 1], &r->block[i], (r->count - i) * sizeof(r->block[0]));
	r->block[i] = (struct ring_block){ .number = number, .hash = *hash, .seen_ms = seen_ms };
	r->count++;
}

void ring_forget(struct ring *r, uint64_t number)
{
	unsigned i = find_index(r, number);

	if (i == r->count || r->block[i].number != number)
		return;
	r->count--;
	memmove(r->block + i, r->block + i + 1, (r->count - i) * sizeof(r->block[0]));
}

void ring_prune(struct ring *r, uint64_t finalized)
{
	unsigned i = find_index(r, finalized);

	if (i == r->count || r->block[i].number > finalized) {
		if (i == 0)
			return;
		i--;
	}
	memmove(&r->block[0], &r->block[i], (r->count - i) * sizeof(r->block[0]));
	r->count -= i;
}

void ring_cut(struct ring *r, unsigned from)
{
	if (from < r->count)
		r->count = from;
}

uint64_t ring_reread(uint64_t lowest, uint64_t finalized, uint64_t start)
{
	uint64_t below = lowest > RING_MAX ? lowest - RING_MAX : 0;

	if (finalized && finalized < lowest && finalized + 1 > below)
		below = finalized + 1;
	/* An operator may have had older ones read. */
	if (start > lowest)
		return below;
	return below > start ? below : start;
}

const struct ring_block *ring_older(const struct ring *r, uint64_t at_ms)
{
	for (unsigned i = r->count; i > 0; i--)
		if (r->block[i - 1].seen_ms <= at_ms)
			return &r->block[i - 1];
	return NULL;
}

void walk_begin(struct walk *w, const struct ring *r)
{
	*w = (struct walk){ .low = r->count, .left = r->count };
}

unsigned walk_ask(const struct walk *w, unsigned max)
{
	return w->low < max ? w->low : max;
}

void walk_hear(struct walk *w, enum verdict v)
{
	w->low--;
	if (w->found)
		return;
	if (v == VERDICT_LEFT)
		w->left = w->low;
	if (v == VERDICT_STANDS) {
		w->found = true;
		w->stands = w->low;
	}
}

enum walk_end walk_end(const struct walk *w, const struct ring *r)
{
	if (!w->found && w->low > 0)
		return WALK_MORE;
	if (w->left == r->count)
		return WALK_NOTHING;
	return w->found ? WALK_ANCESTOR : WALK_BOTTOM;
}
