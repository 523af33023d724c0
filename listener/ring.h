/*
 * ring - blocks of the chain we follow, above the finalized one: number and hash.
 *
 * Sorted by number, not necessarily without gaps: blocks of open requests, the cursor and the
 * finalized block stand beside those read one by one.  Pure: no clock, no network.
 */
#pragma once

#include "common/bytes.h"

#define RING_MAX 16384		/* blocks; the lowest leave first */

struct ring_block {
	uint64_t number;
	struct b32 hash;
	uint64_t seen_ms;	/* monotonic; 0: before this process looked */
};

struct ring {
	unsigned count;
	struct ring_block block[RING_MAX];
};

/* What a header says about the chain in the ring. */
enum ring_fit {
	RING_FITS,		/* it contradicts nothing */
	RING_FORK,		/* another block at its number, or another parent */
};

void ring_clear(struct ring *r);
const struct ring_block *ring_find(const struct ring *r, uint64_t number);	/* NULL: unknown */
const struct ring_block *ring_top(const struct ring *r);			/* NULL: empty */

/* PARENT may be NULL (not known). */
enum ring_fit ring_fit(const struct ring *r, uint64_t number, const struct b32 *hash,
		       const struct b32 *parent);

/* A block that fits; one that is there already stays as it is. */
void ring_add(struct ring *r, uint64_t number, const struct b32 *hash, uint64_t seen_ms);

/* Forget one block, if it is there. */
void ring_forget(struct ring *r, uint64_t number);

/* Forget what is below the highest block at or under FINALIZED. */
void ring_prune(struct ring *r, uint64_t finalized);

/* Forget the blocks from index FROM up. */
void ring_cut(struct ring *r, unsigned from);

/*
 * Where to read again when LOWEST left the chain and the common ancestor is not known: above
 * FINALIZED, up to which all was read; if that is 0 (not known) or even LOWEST was below it, far
 * enough below.  Not before START, where reading began.
 */
uint64_t ring_reread(uint64_t lowest, uint64_t finalized, uint64_t start);

/* The highest block seen at or before AT_MS; NULL: none. */
const struct ring_block *ring_older(const struct ring *r, uint64_t at_ms);

/*
 * The walk back to the common ancestor: from the top down, what does the chain say about our
 * blocks?  "Unknown" (null, an error) proves nothing either way.
 */
enum verdict { VERDICT_STANDS = 1, VERDICT_LEFT = 2, VERDICT_UNKNOWN = 3 };	/* as in rechecked */

struct walk {
	unsigned low;		/* blocks from this index up were judged */
	unsigned left;		/* lowest index known to have left; ring's count: none */
	unsigned stands;	/* highest index that stands, once found */
	bool found;
};

enum walk_end {
	WALK_MORE,		/* ask for the next */
	WALK_NOTHING,		/* no block left the chain */
	WALK_ANCESTOR,		/* blocks from .left up are gone, .stands is common */
	WALK_BOTTOM,		/* blocks from .left up are gone, no common block is known */
};

void walk_begin(struct walk *w, const struct ring *r);

/* How many of the next blocks, at most MAX, to ask for: indexes low - 1, low - 2, ... */
unsigned walk_ask(const struct walk *w, unsigned max);

/* The verdict on index low - 1. */
void walk_hear(struct walk *w, enum verdict v);

enum walk_end walk_end(const struct walk *w, const struct ring *r);
