/*
 * chainview - what the executor reads from contracts: buckets of coprocessors, our identity,
 * is a request done.  eth_calls of one turn leave as batches; lists are kept and asked again
 * each minute.
 */
#pragma once

#include "executor/executor.h"

#define BUCKETS_MAX      128	/* coprocessors of one chain */

struct chainview *chainview_new(struct executor *x);
void chainview_free(struct chainview **v);

/* Bucket URL of a coprocessor; NULL while it is not known (the list is then asked again). */
const char *find_bucket(struct chainview *v, const struct addr *coprocessor);

/* The list of coprocessors has been read at least once, or the contracts have none. */
bool chainview_has_buckets(const struct chainview *v);

/* Does the chain list our account with our Core's signer?  1 yes, 0 no, -1 not known yet. */
int chainview_registered(const struct chainview *v);

/*
 * Is this request done?  CB comes once from the loop: 1 yes, 0 no, -1 no answer now.  It
 * names the operation, which may be gone by then.
 */
void chainview_ask_done(struct chainview *v, enum op_kind kind, const struct b32 *id, uint64_t op,
			void (*cb)(struct executor *x, uint64_t op, int done));
