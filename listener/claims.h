/*
 * claims - blocks of our chain that the parent chain calls settled, until our chain says which
 * they are.
 *
 * A claim is a hash.  Our chain says its number (or that it knows no such block); the highest
 * one that our chain calls finalized is tried, and what stands at its number settles it.  Older
 * claims then are of no interest.  Pure: no clock, no network.
 */
#pragma once

#include "common/bytes.h"

#define CLAIMS_MAX 16		/* the newest ones */

struct claim {
	struct b32 hash;		/* of a block of our chain */
	uint64_t at, index;		/* where it was said: block of the parent chain, log */
	bool known;			/* number and time are set */
	bool missing, doubted;		/* our chain knows no such block; that was told */
	uint64_t number, time;
};

struct claims {
	unsigned count;
	struct claim claim[CLAIMS_MAX];	/* as they were said, the oldest first */
};

/*
 * False when it is there already, and stays as it is.  When there are too many, the oldest
 * unknown one leaves.
 */
bool claims_add(struct claims *k, const struct claim *c);

/* Those that our chain has not named yet; returns how many. */
unsigned claims_unknown(const struct claims *k, struct b32 out[CLAIMS_MAX]);

/* Our chain knows no such block: it may be behind. */
void claims_miss(struct claims *k, const struct b32 *hash);

bool claims_has_missing(const struct claims *k);

/* Is there a missing one that was not told yet?  Now all are. */
bool claims_doubt(struct claims *k);

/* Our chain knows it. */
void claims_hear(struct claims *k, const struct b32 *hash, uint64_t number, uint64_t time);

/* The highest known one above ABOVE and not above UP_TO; NULL: none. */
const struct claim *claims_best(const struct claims *k, uint64_t above, uint64_t up_to);

/*
 * It is the block at its number: those said before it leave, but for known ones above it.
 * Returns how many said after it name a block below it, and these leave too: what is settled
 * does not go back.
 */
unsigned claims_settle(struct claims *k, const struct b32 *hash);

/* It is not on our chain. */
void claims_drop(struct claims *k, const struct b32 *hash);
