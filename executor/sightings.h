/*
 * sightings - blocks of which two have spoken: the listener, which read them, and the submitter,
 * whose transaction was in them.
 *
 * A block with an answer of ours may leave before the listener has read it.  Then nobody says that
 * it left: the listener has only ever seen the one that came instead.  But the two disagree about
 * its hash, and that tells.  The listener says the last block of what it read at once, so one that
 * it read together with later ones is not compared: the submitter sees by the account's nonce that
 * it left.  Pure; the newest are kept.
 */
#pragma once

#include <stdbool.h>

#include "common/bytes.h"

#define SIGHTINGS_MAX 64

struct sighting { uint64_t number; struct b32 hash; };

struct sightings {
	struct sighting at[SIGHTINGS_MAX];	/* number 0: free */
	unsigned next;
};

void sightings_add(struct sightings *s, uint64_t number, const struct b32 *hash);

/* The newest of NUMBER; NULL: none. */
const struct sighting *sightings_find(const struct sightings *s, uint64_t number);

/* Takes out one of NUMBER with another hash than this, into *OUT; false: there is none. */
bool sightings_take_other(struct sightings *s, uint64_t number, const struct b32 *hash,
			  struct sighting *out);
