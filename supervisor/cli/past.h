/*
 * past - what lies behind on a chain, read from one node: logs, newest first, and transactions.
 *
 * Blocking.  A range of blocks that a node refuses, or answers with too much, is halved down to
 * one block; ranges grow again.  What the node says is a stranger's word: all of it has limits.
 */
#pragma once

#include "common/profile.h"
#include "supervisor/cli/node.h"

#define PAST_CALLS_MAX 2000		/* calls of one walk */
#define PAST_DATA_MAX  (4u << 20)	/* bytes of one log or transaction */
#define PAST_WHY_MAX   160

/* Borrowed until the callback returns. */
struct past_log {
	struct addr address;
	unsigned topics;
	struct b32 topic[4];
	uint64_t block, log_index;
	struct b32 block_hash, tx;
	struct bytes data;
};

struct past_walk {
	const char *url;
	const char *filter;		/* members of the filter: "\"address\":[..],\"topics\":[..]" */
	uint64_t from, to;		/* blocks; the callback may raise from */
	uint64_t span;			/* blocks of the first call */
	/* False: that was enough. */
	bool (*on_log)(void *owner, const struct past_log *log);
	void *owner;

	uint64_t reached;		/* everything from here up to `to` was read */
	char why[PAST_WHY_MAX];		/* after a failure */
};

/*
 * From the newest block to the oldest.  OK: to its end, or as far as the callback wanted;
 * ERR_FULL: after PAST_CALLS_MAX calls; anything else: the node does not serve a single block.
 */
enum err past_walk(struct past_walk *w) MUST_CHECK;

/* Members of a filter for the events of LINE at CONTRACT; with ID (may be NULL) those whose
   parameter PATH it is, where that is indexed. */
#define PAST_FILTER_MAX 2048
void past_filter(char out[PAST_FILTER_MAX], const struct profile_contract *contract,
		 const struct abi_line *line, const char *path, const struct b32 *id);

struct past_tx {
	bool found;			/* it stands in a block */
	bool makes_contract;		/* it has no `to` */
	struct addr from, to;
	struct b32 block_hash;
	struct bytes input;		/* owned: past_tx_free() */
};
enum err past_tx(const char *url, const struct b32 *hash, struct past_tx *out, char why[PAST_WHY_MAX])
	MUST_CHECK;
void past_tx_free(struct past_tx *t);

/* Number of the latest block. */
enum err past_latest(const char *url, uint64_t *out, char why[PAST_WHY_MAX]) MUST_CHECK;
