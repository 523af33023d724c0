/*
 * chainview - what the executor reads from contracts: buckets of coprocessors, our identity,
 * is a request done.  eth_calls of one turn leave as batches; what is kept is asked for again
 * each minute.
 */
#pragma once

#include "executor/executor.h"

#define BUCKETS_MAX      128	/* coprocessors of one chain */

struct op;

struct chainview *chainview_new(struct executor *x);
void chainview_free(struct chainview **v);

/* The nodes of a chain, for other questions than these. */
struct jsonrpc *chainview_rpc(struct chainview *v, uint64_t chain);

/* Bucket URL of a coprocessor; NULL while it is not known (it is then asked for again). */
const char *find_bucket(struct chainview *v, const struct addr *coprocessor);

/* The list of coprocessors has been read at least once, or the contracts have none. */
bool chainview_has_buckets(const struct chainview *v);

/* The same for those that R names; where they are asked for one by one, they are now. */
struct request;
bool chainview_knows_buckets(struct chainview *v, const struct request *r);

/* Does the chain list our account with our Core's signer?  1 yes, 0 no, -1 not known yet. */
int chainview_registered(const struct chainview *v);

/* What the chain says to a question; UNKNOWN: no answer now. */
enum chain_says { CHAIN_UNKNOWN = -1, CHAIN_NO = 0, CHAIN_YES = 1 };

/* The callback comes once from the loop.  It names the operation, which may be gone by then. */
struct chain_asker {
	void (*cb)(struct executor *x, uint64_t op, uint64_t ticket, enum chain_says what);
	uint64_t op, ticket;
};

/*
 * Is this request done?  By the profile's view; for a key operation without one by trying the
 * final answer, whose ids are known beforehand.  NO where neither can tell.
 */
void chainview_ask_done(struct chainview *v, const struct op *op, struct chain_asker asker);

/* May this handle be decrypted: by USER, or by everyone (NULL)?  For profiles that check access. */
void chainview_ask_access(struct chainview *v, const struct b32 *handle, const struct addr *user,
			  struct chain_asker asker);

/*
 * The transaction that emitted OP's event: to whom it went (zero: it made a contract) and its
 * data, borrowed until CB returns.  FOUND is false while no node shows it.
 */
struct chain_call { bool found; struct addr to; struct bytes data; };
void chainview_ask_call(struct chainview *v, const struct op *op,
			void (*cb)(struct executor *x, uint64_t op, const struct chain_call *call));

/* Id of the current key, as last read; false while it is not known, or the profile cannot tell. */
bool chainview_current_key(const struct chainview *v, struct b32 *out);
void chainview_refresh(struct chainview *v);		/* what is read each minute: now */
