/*
 * unknown - events of our contracts that the profile does not know: they are newer than it.
 *
 * What is asked for by its topics never shows them.  So each hour, and soon after a start, all
 * logs of the profile's contracts are looked at, whatever their topics, from where the last look
 * ended up to the finalized block.  Nothing lasts: after a start the last blocks are looked at
 * once more, and what they hold is told once more.  Pure: the chain's clock, no network.
 */
#pragma once

#include "common/profile.h"
#include "proto/limits.h"

#define UNKNOWN_TEXT_MAX 512

/* One topic of one contract, and the first log of it that was seen. */
struct unknown_kind {
	unsigned contract;		/* row of the profile */
	struct b32 topic, tx;
	uint64_t block;
};

struct unknown_kinds {
	unsigned count;
	struct unknown_kind kind[LIMIT_UNKNOWN_KINDS];
};

struct unknown {
	const struct profile *profile;	/* borrowed, outlives us */
	uint64_t chain;
	bool on;			/* the profile says what else there is, and has contracts here */
	char text[UNKNOWN_TEXT_MAX];	/* "address":[...] for eth_getLogs */
	bool looking;			/* a look has begun: blocks from next to to are left of it */
	uint64_t next, to;
	bool begun;			/* there was a look */
	uint64_t time;			/* of the chain, when the last one began */
	struct unknown_kinds told;
};

void unknown_init(struct unknown *u, const struct profile *p, uint64_t chain);

/* The profile's row of a contract on this chain; false: it is none of ours. */
bool unknown_contract(const struct unknown *u, const struct addr *address, unsigned *out);

/* Does the profile know that the contract emits this? */
bool unknown_is_known(const struct unknown *u, unsigned contract, const struct b32 *topic);

/*
 * Remember it.  True when it is the first of its kind; false also when there is no room for
 * more kinds.
 */
bool unknown_add(struct unknown_kinds *k, const struct unknown_kind *new);

/*
 * FINALIZED is the finalized block now, and TIME its time.  True while blocks are to be looked
 * at: from u->next to u->to.
 */
bool unknown_is_due(struct unknown *u, uint64_t finalized, uint64_t time);

/* The blocks up to LAST were looked at. */
void unknown_looked(struct unknown *u, uint64_t last);
