/*
 * account - what our own account has sent, read from the chain: for a connector that observes
 * another one with the same account.
 *
 * Blocks in which something was sent are found by executor/scan.h at a gentle rate, and the
 * newest ACCOUNT_KEPT answers are kept.  Older ones are looked for again when one is wanted.
 */
#pragma once

#include "executor/executor.h"

#define ACCOUNT_KEPT 16384

struct account;

/* One transaction of ours to a response function of the profile. */
struct account_tx {
	enum op_kind kind;
	uint64_t nonce, block;
	bool has_id;				/* it names the request, else its result alone */
	struct b32 id, result_id;
	struct b32 hash, block_hash;
	struct b32 calldata;			/* keccak256 of it */
	uint32_t part[PROFILE_ARGS_MAX];	/* of each argument, the head of its keccak256 */
};

/* ON_SENT: for each answer that was not known. */
struct account *account_new(struct executor *x,
			    void (*on_sent)(struct executor *x, uint64_t chain,
					    const struct account_tx *tx));
void account_free(struct account **a);

enum account_says {
	ACCOUNT_NOT_YET,	/* nothing, as far as was looked */
	ACCOUNT_BLIND,		/* no node tells what was sent so long ago */
	ACCOUNT_SENT,		/* *tx_out: with this calldata if there is one, else the newest */
};

/* What was sent in answer to OP, which is decoded; CALLDATA is the keccak256 of ours. */
enum account_says account_find(struct account *a, const struct op *op, const struct b32 *calldata,
			       const struct account_tx **tx_out);

bool account_answers(const struct account_tx *tx, const struct op *op);

/* The parts of a response's calldata; false when it is none. */
bool account_read_call(const struct profile *p, uint64_t chain, const struct addr *to,
		       struct bytes input, struct account_tx *out);

/* Blocks from NUMBER on left the chain. */
void account_retracted(struct account *a, uint64_t chain, uint64_t number);
