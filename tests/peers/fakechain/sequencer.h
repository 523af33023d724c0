/*
 * sequencer - what an Arbitrum node does with a transaction: in, or out at once.
 *
 * There is no mempool.  A nonce above the next one is held for a second, in case what is missing
 * comes; then it is refused.  Tips are not taken; the base fee is what is paid.
 */
#pragma once

#include "tests/peers/fakechain/node.h"

/* Answer to a raw transaction. */
enum taken {
	TAKEN, /* *hash_out; it is in the open block, or the node says so */
	REFUSED, /* code and message */
	LATER, /* the job is resumed: by job_taken() or job_refused() */
};

struct refusal {
	int64_t code;
	char message[300];
	uint64_t expected; /* nonce; with code 6 */
};

struct job;

/*
 * MAY_WAIT: the asker can wait until its block is made or its nonce's turn has come.  SYNC: it
 * waits for a receipt, and refusals have the codes of eth_sendRawTransactionSync.
 */
enum taken sequencer_take(struct node *n, struct bytes raw, struct job *job, bool sync,
			  struct b32 *hash_out, struct refusal *why);

/* Bytes that came and are refused unread: the ledger has them all the same. */
void sequencer_overhear(struct node *n, struct bytes raw);

/* Calls and logs of the harness: in the open block from now on. */
void sequencer_run(struct node *n, struct tx *tx);

/* Makes the open block, if there is one and blocks are not made by time. */
void sequencer_settle(struct node *n);
void sequencer_seal(struct node *n); /* the open block, even if it is empty */
void sequencer_start(struct node *n);
void sequencer_retime(struct node *n); /* blockMs has changed */

/* The asker of a job is gone: what it sent stays. */
void sequencer_forget(struct node *n, const struct job *job);

/* What waits for an earlier nonce, by sender: members of a JSON object. */
void sequencer_put_held(const struct node *n, struct text *out);
/* How many wait for their block and for an earlier nonce: a JSON object. */
void sequencer_put_status(const struct node *n, struct text *out);

/*
 * DEPTH blocks leave; what they held comes again in as many blocks, but what DROPS says.
 * Returns how many transactions did not come again.
 */
enum reorg_keeps { KEEP_ALL, KEEP_REQUESTS, KEEP_NONE };
struct reorg {
	uint64_t depth, length; /* length: blocks after it, at least */
	enum reorg_keeps keeps;
	bool (*drops)(void *owner, const struct tx *tx); /* NULL: none */
	struct tx *(*replaces)(void *owner, const struct tx *tx); /* NULL: none; may return NULL */
	/* The new block, from 0 on, of what was in the block WAS; NULL: the same. */
	uint64_t (*place)(void *owner, const struct tx *tx, uint64_t was);
	void *owner;
};
unsigned sequencer_reorg(struct node *n, const struct reorg *r);
