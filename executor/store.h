/*
 * store - the only memory of requests: SQLite behind an interface of its own.
 *
 * A writer thread owns the database for writing and commits what has gathered (group
 * commit, synchronous=FULL); the loop never syncs.  Writes are jobs, done in the order they
 * were given; a job's callback runs on the loop after the commit that holds it, so a
 * callback means "on disk".  A change without a callback forces no commit: it goes with the next
 * one, within 0.1 s.  Reads go through a second connection of the loop's thread and see committed
 * rows only.
 *
 * A store that cannot be written ends the process (exit 74): what was not committed was
 * never told to anyone.
 */
#pragma once

#include "common/bytes.h"
#include "common/loop.h"
#include "proto/operations.h"
#include "proto/states.h"

#define STORE_SCHEMA 2
#define STORE_REASON_MAX 200
#define STORE_RESULT_MAX 2048

struct store;

/* An event as it came, borrowed for the call. */
struct store_event {
	uint64_t chain, kind, request;
	struct addr contract;
	struct b32 id, content;		/* content: hash of topics and data */
	uint64_t block, block_time, log_index;
	struct b32 block_hash, tx_hash;
	struct bytes topics, data;
	enum op_state state;		/* seen, waiting or held */
	const char *reason;		/* "" or why it is not simply seen */
	uint64_t seen_ms;
	uint64_t due_ms;		/* deadline, by the executor's own clock */
};

enum store_outcome {
	STORE_NEW,		/* a request nobody knew */
	STORE_AGAIN,		/* known, and in this block already: nothing changed */
	STORE_MOVED,		/* known and open, now in another block */
	STORE_REVIVED,		/* known and retracted: seen again */
	STORE_CONFLICT,		/* stored as held: the same id with other content is known */
};

/* What changes as a request goes on; complete each time, so that the last one wins. */
#define STORE_PASSED_MAX 4

/* A state that was left again before the store was told; its reason was empty. */
struct store_passed {
	enum op_state state;
	uint64_t at_ms; /* Unix */
};

struct store_change {
	uint64_t op;
	enum op_state state;
	char reason[STORE_REASON_MAX];
	uint64_t changed_ms;		/* Unix */
	uint32_t fetch_ms, core_ms, send_ms;
	uint32_t attempts;
	uint64_t nonce, tx_block;
	struct b32 tx, tx_block_hash;
	struct bytes calldata;		/* borrowed; .p NULL leaves it and the result as they are */
	const char *result;		/* borrowed; what the Core proved beside the call, or "" */
	uint64_t due_ms;		/* 0 leaves it as it is */
	unsigned passed_count; /* states before this one, recorded with it */
	struct store_passed passed[STORE_PASSED_MAX];
};

/* A request as a row. */
struct store_row {
	uint64_t op, chain, kind, request;
	struct addr contract;
	struct b32 id;
	uint64_t block, block_time, log_index;
	struct b32 block_hash;
	enum op_state state;
	char reason[STORE_REASON_MAX];
	uint64_t seen_ms, changed_ms;
	uint32_t fetch_ms, core_ms, send_ms, attempts;
	uint64_t nonce, tx_block, due_ms;
	struct b32 tx, tx_block_hash;	/* of our transaction */
	struct b32 tx_hash;		/* of the event's */
	struct bytes topics, data, calldata;	/* borrowed until the visitor returns */
	const char *result;		/* borrowed too */
};

/*
 * One change of state as it was recorded: in the commit of the change itself, each one once.
 * States that a request only passes within one turn of the loop are not recorded.
 */
struct store_step {
	uint64_t seq;			/* grows, is never used again; below 2^53 */
	uint64_t op, chain, kind;
	struct b32 id;
	enum op_state state;
	uint64_t at_ms;			/* Unix */
	uint64_t block;			/* of our transaction where it has one, else of the event */
	struct b32 tx;			/* our transaction; zero while there is none */
	const char *reason;		/* borrowed until the visitor returns */
};

/* What the record holds: all numbers after FIRST up to NEWEST were given, all after GONE are kept. */
struct store_record {
	uint64_t first, gone, newest, removed;	/* removed: how many */
};

/* Which requests; 0 and "" filter nothing. */
struct store_filter {
	uint64_t state, kind, before;	/* before: numbers below this one */
	uint64_t since_ms, until_ms;	/* first seen from, and before: Unix */
	const char *reason;		/* a part of it, capitals or not */
};

struct store_cursor {
	bool present;
	struct b32 filter, hash;
	uint64_t block;			/* last complete block */
};

/*
 * Opens DIR (the working directory of the executor).  Exits: 65 when the file is no store or
 * of a newer schema, 74 when the disk fails.  The supervisor's lock keeps others away.
 */
struct store *store_open(struct loop *loop, const char *dir);
void store_close(struct store **s);		/* commits what is waiting */

/* Jobs. */
void store_put_event(struct store *s, const struct store_event *ev,
		     void (*cb)(void *owner, uint64_t op, enum store_outcome what), void *owner);
/* With all events put before it.  Unless NOW it may wait half a second for others to go with. */
void store_put_cursor(struct store *s, uint64_t chain, const struct store_cursor *c, bool now,
		      void (*cb)(void *owner, uint64_t chain, uint64_t block), void *owner);
void store_put_change(struct store *s, const struct store_change *c,
		      void (*cb)(void *owner, uint64_t op, enum op_state state), void *owner);
void store_put_finalized(struct store *s, uint64_t chain, uint64_t block);
/*
 * The block left the chain: requests seen in it become retracted (refused and expired ones stay
 * what they are), and done ones whose transaction alone stood in it go back to submitting.
 * CB once for each, then once with op 0.
 */
void store_put_retracted(struct store *s, uint64_t chain, uint64_t number, const struct b32 *hash,
			 void (*cb)(void *owner, uint64_t op, enum op_state now), void *owner);
/* A number that is kept under a constant name: 0 until it is put. */
void store_put_figure(struct store *s, const char *name, uint64_t value);

/* Ended rows not changed since BEFORE_MS (Unix) are removed, and what is recorded of them. */
void store_put_prune(struct store *s, uint64_t before_ms);

/*
 * While the disk is full what is put waits in memory, nothing is reported, and the same is tried
 * again every half second.  CB when that begins and when it is over.
 */
void store_on_full(struct store *s, void (*cb)(void *owner, bool full), void *owner);
bool store_is_full(const struct store *s);

/* CB after each commit that has recorded something; and how much may be kept of it. */
void store_on_steps(struct store *s, void (*cb)(void *owner), void *owner);
void store_keep_steps(struct store *s, uint64_t most);

/* Reads.  A visitor is called once for each row, in the order of the query. */
struct store_visitor {
	void (*row)(void *owner, const struct store_row *row);
	void *owner;
};
struct store_cursor store_cursor(struct store *s, uint64_t chain);
uint64_t store_finalized(struct store *s, uint64_t chain);

/* Open ones above AFTER_OP, oldest first; the count visited. */
unsigned store_open_rows(struct store *s, uint64_t after_op, unsigned limit,
			 struct store_visitor v);
bool store_row(struct store *s, uint64_t op, struct store_visitor v);

/* All versions of one request, newest first; and a page of all, newest first (0: no filter). */
unsigned store_find(struct store *s, uint64_t kind, const struct b32 *id, struct store_visitor v);
unsigned store_list(struct store *s, uint64_t state, uint64_t kind, uint64_t before_op,
		    unsigned limit, struct store_visitor v);
/*
 * A page for people, newest first: at most LIMIT rows, of a bounded number that is looked at.
 * Gives BEFORE of the next page; 0: there is no more.
 */
uint64_t store_page(struct store *s, const struct store_filter *f, unsigned limit,
		    struct store_visitor v);

/* The record: what came after AFTER, in order; the latest of one request, in order. */
struct store_step_visitor {
	void (*step)(void *owner, const struct store_step *step);
	void *owner;
};
struct store_record store_record(struct store *s);
unsigned store_steps(struct store *s, uint64_t after, unsigned limit, struct store_step_visitor v);
unsigned store_history(struct store *s, uint64_t op, unsigned limit, struct store_step_visitor v);

uint64_t store_count(struct store *s, enum op_state state);
uint64_t store_count_open(struct store *s);
uint64_t store_figure(struct store *s, const char *name);

/*
 * Blocks that open requests stand in, and above the finalized block done ones, held ones and our
 * transactions: an 8-byte number and a 32-byte hash each, from the SKIPth on; the count written.
 */
unsigned store_open_blocks(struct store *s, uint64_t chain, unsigned skip, uint8_t *out,
			   unsigned max);
