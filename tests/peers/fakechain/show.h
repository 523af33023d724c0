/* show - blocks, transactions, receipts and logs as JSON-RPC has them. */
#pragma once

#include "tests/peers/fakechain/job.h"

void show_block(struct rpc *r, const struct block *b, bool full);
void show_tx(struct rpc *r, const struct tx *tx);
void show_receipt(struct rpc *r, const struct tx *tx);
void show_header(struct text *out, const struct block *b); /* what a subscription says */

/* A log where it is; REMOVED: it was there.  LIES may be NULL. */
void show_log(struct text *out, struct lies *lies, const struct tx *tx, unsigned i,
	      const struct block *b, bool removed);
