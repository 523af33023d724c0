/*
 * listener - what the files of the listener share: one struct for the process, one for each
 * chain.
 *
 * A chain does one thing at a time (reading, comparing, walking back): `step` is the batch it
 * waits for, and chain_step() finds out what comes next from what is known.  Beside it, `poll`
 * looks at the head.  Nothing lasts: when the executor is gone, all of it is forgotten, and its
 * `resume` says where to begin.
 */
#pragma once

#include "common/jsonrpc.h"
#include "common/link.h"
#include "common/profile.h"
#include "listener/ahead.h"
#include "listener/decode.h"
#include "listener/filter.h"
#include "listener/range.h"
#include "listener/ring.h"
#include "listener/unknown.h"

#define CHAINS_MAX    8
#define WINDOW_MAX    64		/* headers in one batch */
#define OPEN_MAX      (256 * 1024)	/* open blocks of one resume, all its parts together */
#define RECHECKS_MAX  4096

struct chain;
struct ws;

/* Calls in flight for one purpose; replies come in the order of the calls. */
struct ask {
	struct chain *chain;
	struct jsonrpc *rpc;		/* borrowed; of the chain, or of its parent */
	struct jsonrpc_batch *batch;	/* NULL: nothing in flight */
	unsigned count, got;
	enum err e;			/* the first trouble */
	bool refused;			/* it was the node's own answer (RPC_ERROR) */
	bool foreign;			/* it said the id of another chain */
	char why[120], endpoint[40];
	/* The reply to call I: a result or a node's error. */
	enum err (*take)(struct chain *c, unsigned i, const struct jsonrpc_reply *r);
	void (*finish)(struct chain *c, struct ask *a);
};

void ask_send(struct ask *a, struct chain *c, int endpoint, const struct jsonrpc_call *calls,
	      unsigned count, double timeout_s);
void ask_cancel(struct ask *a);

/*
 * The same behind a question for the chain's id, for what would be believed without a link to
 * our blocks: levels, ranges, and that blocks left.  One call less fits (WINDOW_MAX - 1).
 */
void ask_send_guarded(struct ask *a, struct chain *c, const struct jsonrpc_call *calls,
		      unsigned count, double timeout_s);

/* To the parent chain; GUARDED as above. */
void ask_send_parent(struct ask *a, struct chain *c, bool guarded,
		     const struct jsonrpc_call *calls, unsigned count, double timeout_s);

/* An error answer becomes an error; a result is what it is. */
enum err ask_result(const struct jsonrpc_reply *r);

/* What the endpoints say about one block, each asked by itself. */
struct tally {
	uint64_t number;
	struct b32 hash, other;		/* ours; the first that differs */
	unsigned same, different, unknown;
	bool disagree;			/* those that differ differ among themselves */
	unsigned endpoint;		/* asked now */
};

/* A block as the window of reading needs it. */
struct block {
	uint64_t number, time;
	struct b32 hash;
	bool hit;			/* its logs are asked for */
	bool named;			/* since its bloom names logs of ours */
	bool fresh;			/* the ring has it from here */
};

/* Logs on their way to the executor. */
struct logs {
	struct log_entry *at;		/* owned */
	unsigned count, cap, sent;
};

struct open_block { uint64_t number; struct b32 hash; };

/* A log whose block and place are looked at again (recheck.c). */
struct recheck {
	uint64_t number, log_index;
	struct b32 hash, tx_hash, content;
	struct addr contract;
};

/* parent.c: the chain that settles ours. */
struct parent {
	struct jsonrpc *rpc;		/* owned */
	struct addr outbox;
	bool has_start, begun;		/* begun: a range was read */
	uint64_t start_block;
	struct timer *tick;
	double every_s;
	struct ask ask;
	uint64_t finalized, next, to;	/* next: first block that is not read; to: of the range */
	unsigned behind;		/* how often in a row it did not know what it had shown */
	struct header look;
	struct range range;
	struct claims claims, read;	/* what counts; with what the range in flight holds */
	bool silent_said;
	char doubt[120];		/* why it is not believed; empty: it is */
};

enum phase {
	PHASE_AWAY,		/* no executor, or it has not said resume */
	PHASE_SEEK,		/* looks for the block where to begin */
	PHASE_COMPARE,		/* are the executor's blocks still on the chain? */
	PHASE_READ,
};

struct chain {
	struct listener *owner;
	char name[32];
	uint64_t id;
	struct jsonrpc *rpc;		/* owned */
	struct ws *ws;			/* owned; NULL without a WebSocket */
	struct filter filter;
	double poll_s;
	bool has_start_age;
	uint64_t start_block, start_age_s;	/* block: with an age, 0 until it is found */

	struct parent *parent;		/* owned; NULL: settled is judged by the chain's own time */

	struct ask step, poll, counted, others, code, recheck;
	struct timer *tick;		/* the next poll */
	struct timer *pause;		/* after a trouble: chain_step does nothing meanwhile */

	/* head.c */
	struct header head;		/* latest */
	bool head_known;
	uint64_t safe, finalized, finalized_time, confirmed;
	bool poll_again;		/* when the poll in flight has ended */
	uint64_t tags_at_ms, polled_ms, head_new_ms, head_seen_ms, behind_since_ms;
	bool headless;				/* it was not seen for too long */
	uint64_t ws_heard_ms, ws_awaited_ms;	/* last message; since when one is missing */
	bool behind_said;
	uint64_t others_head, others_ask_ms;	/* lag.c */
	unsigned others_at;		/* endpoint asked next */
	uint64_t confirm_at_ms, code_at_ms;
	bool no_code[PROFILE_CONTRACTS_MAX];
	struct msg_head told;

	/* settled.c */
	struct ask claim;
	uint64_t settled, settled_time;
	struct b32 asked_name[CLAIMS_MAX];
	uint64_t names_at_ms, try_at_ms;	/* when the chain is asked again */
	struct claim trying;		/* is it what stands at its number? */

	/* look.c */
	struct unknown unknown;
	struct ask look;
	struct range look_range;
	uint64_t look_at_ms, look_to;	/* after a trouble; end of the range in flight */
	struct b32 look_hash;		/* of its last block */
	struct unknown_kinds look_found;	/* in it */
	unsigned look_logs, look_unknown;	/* all, and those that nobody knows */
	bool look_failed;		/* that was said */
	char newer[160];		/* for people: what nobody knows; empty: nothing */

	/* tally.c */
	struct tally tally;
	void (*tallied)(struct chain *c);

	/* reading */
	enum phase phase;
	struct ring ring;
	bool fork;			/* something contradicts the ring: walk back */
	bool walking;
	bool frozen;			/* a finalized block left the chain */
	double frozen_s;		/* until the endpoints are asked what they think of it */
	bool sought;			/* nodes out of use were asked whether they are back */
	const char *told_why;		/* what the executor was told of why it is not ready */
	bool hearing_told;
	bool caught_up, no_bloom;
	uint64_t next;			/* first block that is not complete; of the head in its turn */
	struct ahead ahead;
	uint64_t low, high;		/* PHASE_SEEK: the block is in [low, high] */
	struct walk walk;
	unsigned failures;		/* of steps, in a row */
	unsigned failures_behind;	/* the same, while the head has its turn */

	struct block window[WINDOW_MAX];	/* follow.c: from next on */
	unsigned window_count, window_at;
	bool window_closed;	/* the rest of the headers in flight is not believed */
	unsigned asked[WINDOW_MAX], asked_count;	/* what the batch in flight is about */
	bool receipts;			/* eth_getLogs fails or is doubted: read receipts */
	bool named_none;		/* a named block of this batch has no log */
	bool doubted;			/* that was so the last time */
	uint64_t left_out_ms;		/* when it was last said that a node leaves logs out */

	struct range range;		/* backfill.c */
	uint64_t range_to;
	struct header range_head;
	bool range_read;		/* logs are here; their blocks' times are missing */

	struct logs logs;
	bool has_blocks;		/* say that all up to here is complete */
	uint64_t blocks_to;
	struct b32 blocks_hash;

	/* compare.c */
	struct msg_resume resume;	/* without its borrowed bytes */
	bool resuming;			/* further parts of it follow */
	struct open_block *open;	/* owned; lowest first; the cursor's block is one of them */
	unsigned open_count, open_cap, open_at;
	uint64_t lowest_left;		/* UINT64_MAX: none */
	enum verdict cursor_verdict;

	/* recheck.c */
	struct recheck rechecks[RECHECKS_MAX];
	unsigned recheck_count, recheck_asked;
	enum verdict recheck_block;	/* on the block of the log whose receipt comes next */

	uint64_t refused_said_ms;
};

struct listener {
	struct loop *loop;
	struct http *http;
	struct link *link;
	struct profile profile;
	void *lws;			/* ws.c: one context for all chains */
	unsigned chains;
	struct chain chain[CHAINS_MAX];
};

/* chain.c */
void chain_open(struct listener *self, unsigned i);
void chain_step(struct chain *c);			/* what comes next? */
void chain_pause(struct chain *c, double s);		/* chain_step again after S seconds */
void chain_reset(struct chain *c);			/* forget all reading */
void chain_trouble(struct chain *c, const struct ask *a);	/* later, perhaps elsewhere */
void chain_refuse(struct chain *c, const char *endpoint, const char *why);	/* a reply: said */
void chain_read_from(struct chain *c, uint64_t block);	/* drop what is half read */
void chain_end_turn(struct chain *c);			/* of the head, if it has one */
void listener_show(struct listener *self);		/* ready or not, and why */

/* head.c */
void head_poll(struct chain *c);		/* now, or right after the poll in flight */
void head_say(struct chain *c);			/* to the executor, if something changed */
void head_woken(void *chain);			/* the WebSocket has said something */
void on_head_tick(void *chain);			/* the chain's timer */

/* lag.c: a node that is behind what is known, or stands still while others go on, is left */
void lag_seen(struct chain *c, const char *endpoint, uint64_t its_head, uint64_t known);
void lag_none(struct chain *c);
void lag_check(struct chain *c);

/* code.c: is there a contract at every address?  When it is time to ask again. */
void code_check(struct chain *c);

/* look.c: is there something in the contracts' logs that the profile does not know? */
void look_step(struct chain *c);		/* nothing else is to be read now */
const char *look_trouble(const struct chain *c);	/* NULL: nothing was found */

/* tally.c: every endpoint that is up is asked, then DONE */
void tally_start(struct chain *c, uint64_t number, const struct b32 *hash,
		 void (*done)(struct chain *c));

/* follow.c, backfill.c, seek.c */
void follow_step(struct chain *c);
void backfill_step(struct chain *c);
void seek_step(struct chain *c);

/* compare.c: the executor's blocks, after resume */
enum err compare_take(struct chain *c, const struct msg_resume *m) MUST_CHECK;
void compare_step(struct chain *c);

/* reorg.c: the common ancestor, after a fork */
void reorg_step(struct chain *c);
void say_retracted(struct chain *c, uint64_t number, const struct b32 *hash);
enum verdict verdict_of(const struct jsonrpc_reply *r, const struct b32 *hash);

/* recheck.c: single questions of the executor */
void recheck_add(struct chain *c, const struct recheck *q);

/* parent.c: what the Outbox says, in blocks that the parent chain calls finalized */
void parent_open(struct chain *c, unsigned i);
void parent_doubt(struct chain *c, const char *why);
const char *parent_trouble(const struct chain *c);	/* NULL: it answers and is believed */

/* settled.c: which of our blocks that is, or up to what time */
void settled_step(struct chain *c);
void settled_by_time(struct chain *c, uint64_t finalized_time);
void settled_lower(struct chain *c, uint64_t number);	/* blocks above NUMBER have left */

/* logs.c */
enum err logs_take(struct chain *c, const cJSON *array, const struct block *block);
void logs_sort(struct logs *l);
void logs_clear(struct logs *l);
void logs_keep_decryptions(struct chain *c);	/* the others are read in their order */
bool logs_flush(struct chain *c);		/* false: there is no credit */

/* link.c */
void link_open(struct listener *self);

/* params: the only block number and hash texts that calls need */
#define PARAM_MAX 96
const char *param_block(char out[PARAM_MAX], uint64_t number);	/* ["0x1f",false] */
const char *param_hash(char out[PARAM_MAX], const struct b32 *hash);	/* ["0x...",false] */
const char *param_tx(char out[PARAM_MAX], const struct b32 *hash);	/* ["0x..."] */
