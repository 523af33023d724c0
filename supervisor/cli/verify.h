/*
 * verify - past answers to decryptions, found on the chain and judged one by one.
 *
 * What it knows comes from one chain node and from the buckets; nothing of the running
 * connector, its store, its key or its Core is used.
 */
#pragma once

#include "supervisor/cli/audit.h"
#include "supervisor/cli/chain_read.h"
#include "supervisor/cli/past.h"
#include "supervisor/config.h"

#define VERIFY_MAX 1000		/* requests of one run */

/* One request.  Several events may answer it; block, tx and nodes are of the newest. */
struct verdict {
	enum op_kind kind;
	uint64_t chain;
	struct b32 id;
	bool is_answered;		/* some event was found */
	bool has_bodies;		/* its ciphertexts were asked for */
	uint64_t block;
	struct b32 tx;
	unsigned nodes, ciphertexts;
	struct audit audit;
};

struct verify {
	unsigned count;
	struct verdict verdict[VERIFY_MAX];	/* as they were found: newest first */
	char trouble[240];		/* what kept it from reading on; "": nothing */
	char note[120];			/* how far back it looked, where that was not to the start */
};

/* It is large: keep it static. */
void verify_open(struct verify *v, const struct connector_config *c);
void verify_close(void);

/* Does the profile say what an answer of this kind looks like? */
bool verify_can(enum op_kind kind);

/* The newest N answered requests of each chain. */
void verify_last(struct verify *v, unsigned n);

/* One request, answered or not. */
void verify_one(struct verify *v, enum op_kind kind, const struct b32 *id);

/* judging.c: one event of an answer.  The reader outlives it. */
void judging_open(struct chain_reader *r, const struct connector_config *c);
void judging_close(void);

/* LOG is of ROW, and EVENT its data decoded.  The request's block, or 0: it was not found. */
uint64_t judging_judge(struct verdict *t, const struct profile_answered *row, const struct past_log *log,
		       struct abi_view event);
