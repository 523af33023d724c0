/*
 * scan - finds the blocks in which our account has sent something, by its nonce alone: the count
 * of its transactions is asked at blocks between two whose counts differ, until the block in
 * which it rose is known; only that block is read.  Pure: who asks is executor/account.c.
 *
 * Everything in blocks above `from` up to `at` is known.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SCAN_DEPTH 64		/* halvings of a range of blocks */

struct scan {
	bool has_from, has_nonce;
	uint64_t from, at;
	uint64_t nonce;			/* the count as of `at` */
	unsigned depth;
	struct { uint64_t block, nonce; } bound[SCAN_DEPTH];	/* beyond `at`, the nearest last */
};

enum scan_wants {
	SCAN_NOTHING,		/* all up to the head is known, or nothing was begun */
	SCAN_COUNT,		/* the account's nonce as of *block_out */
	SCAN_BLOCK,		/* the transactions of *block_out */
};

/* Know nothing, and begin above BLOCK. */
void scan_begin(struct scan *s, uint64_t block);

enum scan_wants scan_next(struct scan *s, uint64_t head, uint64_t *block_out);

/* What was asked for.  SENT: how many transactions of ours the block holds. */
void scan_counted(struct scan *s, uint64_t block, uint64_t nonce);
void scan_read(struct scan *s, uint64_t block, uint64_t sent);

/* Blocks from NUMBER on are others now. */
void scan_retract(struct scan *s, uint64_t number);

/* Are all blocks from BLOCK up to the head known, or on the way to be? */
bool scan_covers(const struct scan *s, uint64_t block);
