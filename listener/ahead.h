/*
 * ahead - the head is read in turns with what is far behind it.
 *
 * While blocks of hours are read, requests of this minute must not wait for their end.  So after
 * each part of the old ones the newest blocks have a turn.  What they ask for is said at once,
 * and once more when the reading comes there: the cursor counts nothing that was read ahead, and
 * who hears a request twice in one block takes it once.  Of requests that build upon each other
 * none is taken out of its order: decryptions alone are read ahead (logs.c).
 *
 * Pure: numbers of blocks, no network.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define AHEAD_BLOCKS 64		/* of one turn, at most; who is nearer to the head needs no turns */

struct ahead {
	bool on;		/* blocks of the head are read now */
	uint64_t next;		/* first block of the head that was not read ahead */
	uint64_t behind;	/* where the reading goes on after the turn; stays after it */
};

/*
 * May the head have a turn?  Then *NEXT, the first block that is not read, becomes the first of
 * the turn.  Not before something behind was read since the last one, or tried in vain.
 */
bool ahead_begin(struct ahead *a, uint64_t *next, uint64_t head);

void ahead_tried(struct ahead *a);

/* The turn is over, *NEXT was not read in it: *NEXT is again what it was.  Without one: nothing. */
void ahead_end(struct ahead *a, uint64_t *next);

/* Blocks from LOWEST on have left the chain. */
void ahead_cut(struct ahead *a, uint64_t lowest);
