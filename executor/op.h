/*
 * op - one request in memory, and the table of what can happen to it.
 *
 * One table of (state, event, action, next), for ever; an edge that is not in it is refused,
 * logged and counted.  Actions may run twice, never zero times: whatever was under way when
 * the process died is begun again from the state on disk by the event "go".
 */
#pragma once

#include "common/request.h"
#include "executor/executor.h"
#include "executor/fetch.h"

/*   in state    on event  do            then */
#define OP_EDGES(EDGE) \
	EDGE(seen,       go,      wait,        waiting) \
	EDGE(waiting,    go,      wait,        waiting) \
	EDGE(waiting,    reached, look,        checking) \
	EDGE(checking,   go,      look,        checking) \
	EDGE(checking,   open,    ask_access,  checking) \
	EDGE(checking,   allowed, get_bodies,  checking) \
	EDGE(checking,   ready,   ask_core,    computing) \
	EDGE(checking,   over,    end,         done) \
	EDGE(computing,  go,      ask_core,    computing) \
	EDGE(computing,  forgot,  look,        checking) \
	EDGE(computing,  over,    end,         done) \
	EDGE(computing,  answer,  keep_answer, answered) \
	EDGE(answered,   go,      bring,       submitting) \
	EDGE(answered,   stored,  bring,       submitting) \
	EDGE(submitting, go,      bring,       submitting) \
	EDGE(submitting, over,    end,         done) \
	EDGE(seen,       refuse,  end,         refused) \
	EDGE(waiting,    refuse,  end,         refused) \
	EDGE(checking,   refuse,  end,         refused) \
	EDGE(computing,  refuse,  end,         refused) \
	EDGE(submitting, refuse,  end,         refused) \
	EDGE(waiting,    hold,    end,         held) \
	EDGE(checking,   hold,    end,         held) \
	EDGE(computing,  hold,    end,         held) \
	EDGE(submitting, hold,    end,         held) \
	EDGE(waiting,    expire,  end,         expired) \
	EDGE(checking,   expire,  end,         expired) \
	EDGE(computing,  expire,  end,         expired) \
	EDGE(submitting, expire,  end,         expired)

#define OP_EVENTS(E) \
	E(go) E(reached) E(open) E(allowed) E(ready) E(over) E(forgot) E(answer) E(stored) \
	E(refuse) E(hold) E(expire)

enum op_event {
#define E(name) OP_EVENT_##name,
	OP_EVENTS(E)
#undef E
	OP_EVENT_COUNT
};

struct op {
	struct op *next;		/* in its bucket */
	struct executor *x;
	uint64_t number, chain, block, block_time, log_index, seen_ms, changed_ms;
	enum op_kind kind;
	struct b32 id, block_hash;
	struct addr contract;
	const struct profile_request *profile;
	enum op_state state;
	char reason[STORE_REASON_MAX];
	bool dirty;			/* changed since it was last given to the store */
	bool untold; /* of that, its state */
	unsigned turn; /* executor.turn in which it came to its state */
	unsigned passed_count;
	struct store_passed passed[STORE_PASSED_MAX]; /* left since, told with the next change */
	bool ending;			/* its last change is on the way to the disk */
	bool done_before;		/* the chain had an answer without our doing */
	bool late;			/* skip the question whether it is done */
	bool differs;			/* from what the node sent, as observed */
	bool wants_buckets;		/* goes on when the coprocessors' buckets are known */

	struct bytes topics, data, calldata;	/* owned */
	char *result;			/* owned; what the Core proved beside the calldata; NULL: nothing */
	struct request *request;	/* owned; while it is worked on */
	struct fetch *fetch;		/* owned */
	struct access *access;		/* owned; while it is asked for */
	struct core_call *call;		/* owned by core until its callback */
	struct timer *timer;		/* back-off */
	bool asked;			/* the Core may know it: ask for the result first */
	bool at_core, at_submitter;
	enum lane lane;
	struct line_place place[LINES];
	struct op *next_parked;
	struct stage *parked_at;

	unsigned attempts;		/* of the present step */
	unsigned odd;			/* outcomes that may be tried three times only */
	unsigned forgotten;		/* times the Core did not know it any more */
	unsigned denied;		/* times the access control said no */
	uint64_t kept_ms;		/* monotonic: when its preprocessing was last looked after; 0: never */
	bool keeping, remaking;		/* it is being looked after; it is being made again */
	uint64_t next_ms;		/* Unix ms of the next attempt; 0: none planned */
	uint64_t due_ms;		/* deadline, by executor.run_ms */
	uint64_t step_ms;		/* monotonic: when the present measure began */
	uint64_t polled_ms;		/* monotonic: when the result was asked for */
	uint64_t recheck_ms;		/* monotonic: when it was asked whether its log stands; 0: never */
	uint32_t fetch_ms, core_ms, send_ms;
	uint64_t nonce, tx_block;
	struct b32 tx, tx_block_hash, tx_hash;	/* our transaction; the event's own */
};

struct op *find_op(struct executor *x, uint64_t number);

struct core_parts;
/* Keep what the Core proved: TEXT for people, and its signature. */
void op_note_result(struct op *op, const char *text, const struct core_parts *parts);

/* Bring a row to memory (it must be open) and let it go on. */
void op_load(struct executor *x, const struct store_row *row);

/* Fill memory with open rows as far as the window permits; done in the next turn. */
void op_load_more(struct executor *x);

/* A visitor: the highest operation number on disk. */
void op_note_newest(void *executor, const struct store_row *row);

/* The process ends: nothing is under way any more; what is on disk stays. */
void op_drop_all(struct executor *x);

/* Those that were set aside come back; called from time to time. */
void op_load_aside(struct executor *x);

/* REASON may be NULL (keeps none). */
void op_fire(struct op *op, enum op_event ev, const char *reason);

/* Wait and fire "go": back-off by the count of attempts, with jitter. */
void op_again(struct op *op, const char *reason);

/* The row on disk is retracted or was changed by an operator: forget what is in memory. */
void op_forget(struct op *op);

/* This block left the chain: what was seen in it does nothing more until its row says so. */
void op_freeze(struct executor *x, uint64_t chain, uint64_t number, const struct b32 *hash);

/* Give what changed to the store, without waiting for it. */
void op_flush(struct executor *x);

/* The coprocessors' buckets are known now: those who wait for them go on. */
void op_buckets_known(struct executor *x);

/* Finality moved: those who wait for it look again. */
void op_recheck_waiting(struct executor *x, uint64_t chain);
void op_rechecked(struct executor *x, const struct msg_rechecked *m);

/* access.c: asks, and fires allowed, refuse, or go after a while. */
void access_ask(struct op *op);
void access_free(struct access **a);

/*
 * keeper.c: a key that waits for its finality needs its preprocessing then.  It is asked after
 * each day, and made again under the same id when the Core has forgotten it.
 */
void keeper_look(struct op *op);
void keeper_look_all(struct executor *x);	/* the Core has forgotten something */
void keeper_remake(struct op *op, const char *why);	/* needed now: fires go when it is there */

/*
 * observe.c: sending: observe.  What the node sent in answer is compared instead of bringing
 * ours; the Core has no result (yet); this block left the chain.
 */
void observe_open(struct executor *x);
void observe_bring(struct op *op);		/* fires over, hold, expire, or go after a while */
void observe_missing(struct op *op);		/* the same */
bool observe_knows(const struct op *op);	/* what is sent, without asking the Core */
void observe_retracted(struct executor *x, uint64_t chain, uint64_t number);

/* asking.c: the Core's side of the actions. */
unsigned op_endpoint(const struct op *op);
void ask_core(struct op *op);
void ask_leave(struct op *op);		/* it does not wait for the Core any more */

/* Give its present state to the store; CB (may be NULL) when it is on disk. */
void op_put_change(struct op *op, struct bytes calldata,
		   void (*cb)(void *owner, uint64_t number, enum op_state state));

/* memory.c: whatever it waits for, it does not wait any more. */
void op_stop(struct op *op);

/* Its deadline has passed; key operations have none. */
bool op_is_too_late(const struct op *op);
