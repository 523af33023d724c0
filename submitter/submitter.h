/*
 * submitter - brings answers to the chain; owns nothing that lasts.
 *
 * A lane is one chain with our account on it.  An answer is what the executor wants there; a
 * transaction is what the signer signed for a nonce, and is sent until that nonce is used,
 * whoever still wants the answer.  This header is for the files of this folder only.
 */
#pragma once

#include "common/http.h"
#include "common/jsonrpc.h"
#include "common/link.h"
#include "common/profile.h"
#include "proto/states.h"

#define LANES_MAX 8

enum answer_step {
	ANSWER_TRY,		/* to be estimated on the node: its revert is the pre-flight */
	ANSWER_TRYING,
	ANSWER_SIGN,		/* to be signed */
	ANSWER_SIGNING,
	ANSWER_SIGNED,		/* has a transaction */
};

struct answer {
	struct answer *next;
	struct lane *lane;
	enum answer_step step;
	uint64_t op, kind, gas;
	struct b32 id, handles_hash, public_key_hash;
	struct addr contract;
	struct bytes calldata;		/* owned */
	uint64_t failing_ms;		/* monotonic: since when it is tried in vain, or 0 */
	uint64_t reverting_ms;		/* since when the contract refuses it, maybe the node's delay */
	struct b32 cause;		/* hash of what the last one said, when no profile knows it */
	uint64_t wait_until_ms;		/* monotonic; not before */
	bool replace;			/* its first nonce is used or lost */
	bool canary;			/* it tries whether a pause is over */
};

enum tx_step {
	TX_READY,		/* to be sent */
	TX_SENDING,		/* the node has not answered yet */
	TX_SENT,		/* a node took it, or may have: then it is in doubt */
	TX_LOOKING,		/* its nonce is used: the receipt is asked for */
};

struct tx {
	struct tx *next;		/* by nonce, ascending */
	struct lane *lane;
	enum tx_step step;
	bool in_doubt, was_taken;	/* before it was sent now */
	uint64_t nonce, op, kind, gas, max_fee;
	struct b32 id, hash;
	uint8_t *raw;			/* owned */
	size_t raw_len;
	struct b32 before;		/* hash of its bytes before they were raised, or zero */
	unsigned sends, looks;
	uint64_t again_ms;		/* monotonic: when the same bytes may be sent again */
	bool raising;			/* more gas or fee is being signed */
	bool passed;			/* a node says that its nonce is used */
};

/* why sending is paused: name, most milliseconds between answers that try (0: none), how it clears */
#define PAUSES(P) \
	P(no_node,  5000,  "when a node answers") \
	P(funds,    5000,  "when the account is funded") \
	P(not_ours, 5000,  "when the chain lists this node") \
	P(contract, 5000,  "when the contract is not paused any more") \
	P(budget,   5000,  "when the hour or day is over") \
	P(revert,   30000, "when one of them goes through") \
	P(base_fee, 0,     "when the base fee is within sign.max_fee") \
	P(untaken,  0,     "when a node takes our transactions")

enum pause {
	PAUSE_none,
#define P(name, canary_max_ms, clears) PAUSE_##name,
	PAUSES(P)
#undef P
	PAUSE_COUNT
};

#define REVERTED_MAX 16

/* A request whose estimate reverted as no profile knows. */
struct reverted {
	uint64_t op, at_ms;		/* monotonic */
	struct b32 cause;
};

struct lane {
	struct submitter *s;
	unsigned index;
	uint64_t chain;
	const char *name;
	struct jsonrpc *rpc;
	struct timer *tick, *look;
	double poll_s;
	unsigned look_ms; /* after so long the nonce is asked for again */

	/* What the node says. */
	bool has_nonce, has_account;	/* the nonce, all three below are known */
	uint64_t chain_nonce, base_fee;
	struct u256 balance, poor_balance;
	bool is_poor;			/* a node said that poor_balance is too little */
	uint64_t asked_ms, answered_ms;	/* monotonic, of the account's nonce */
	uint64_t account_ms;		/* and of its balance and the base fee */
	bool asking;
	char account_node[40];		/* who answered last */
	uint64_t still_nonce, still_since_ms;	/* it has been this since, with something in flight */
	uint64_t quiet_since_ms;	/* the chain's nonce has not moved since, while it is ahead */

	/* What the signer says. */
	bool has_info, adopting, adopted;
	bool replacing;			/* an answer waits: the signer must know its nonce is gone */
	uint64_t next_nonce;		/* of the journal */
	struct u256 hour_left, day_left;
	uint64_t info_ms;		/* monotonic: when the budgets were asked for */
	uint64_t fetching_nonce;	/* transactions from the chain's nonce on are asked for up to here */

	struct answer *answers, **answers_last;
	struct tx *txs;
	unsigned batch_max;	/* transactions in the next batch */
	unsigned in_flight;

	enum pause pause;
	char paused_why[200];
	bool paused_by_operator;
	uint64_t paused_ms;	/* monotonic: when the pause began */
	uint64_t canary_ms;	/* and next time to try whether it is over */
	struct b32 cause;		/* of PAUSE_revert */
	struct reverted reverted[REVERTED_MAX];	/* the last ones, a ring */
	unsigned reverted_next;
	uint64_t odd_said_ms;		/* monotonic: the last line about a node's own error */
};

/* A question to the signer, which answers each once and in their order. */
enum question { ASKED_sign, ASKED_raise, ASKED_tx, ASKED_adopt, ASKED_info };

struct asked {
	enum question what;
	struct lane *lane;
	uint64_t nonce;			/* of raise */
};

#define ASKED_MAX 128

struct submitter {
	struct loop *loop;
	const struct settings *settings;
	struct profile profile;
	struct http *http;
	struct link_door *door;
	struct link *executor;		/* borrowed from the door; NULL while there is none */
	struct link *signer;		/* owned */
	struct asked asked[ASKED_MAX];	/* a ring: not answered yet */
	unsigned asked_first, asked_count;
	struct addr account, core_signer;
	uint64_t max_fee, max_gas;
	unsigned window;		/* transactions in flight */
	bool observes;			/* sending: observe: looks at the account, nothing else */
	unsigned lanes;
	struct lane lane[LANES_MAX];
};

struct lane *find_lane(struct submitter *s, uint64_t chain);

/* lane.c: account, adoption, pauses. */
void lane_open(struct lane *l, unsigned index);
void lane_work(struct lane *l);			/* whatever can go on, goes on; in the next turn */
bool lane_may_sign(const struct lane *l);
void lane_pause(struct lane *l, enum pause pause, const char *why);	/* the first reason stays */
unsigned lane_canary_ms(const struct lane *l);	/* between two answers that try; 0: none does */
void lane_resume(struct lane *l);
void lane_look(struct lane *l); /* bytes were taken: their nonce may be used by now */
/* Pauses if it was a budget that forbade a signature; WHY is for people in any case. */
bool lane_over_budget(struct lane *l, const struct msg_sign_refused *m, char why[200]);
void lane_say_state(struct lane *l);		/* pause and funds, to a new executor */
uint64_t lane_fee(const struct lane *l);	/* max fee per gas for a new transaction, wei */

/* answer.c: from an answer to a signature. */
void answers_work(struct lane *l);
struct answer *find_answer(struct lane *l, uint64_t op);
/* By what it answers: operation numbers in the journal may be of a store that was lost. */
struct answer *find_wanted(struct lane *l, uint64_t kind, const struct b32 *id);
void answer_drop(struct answer *a);
void answers_clear(struct lane *l);
void answer_failed(struct answer *a, enum fail_class cls, const char *reason);
/* Its nonce was used in vain: tried again, and signed again if it is still open. */
void answer_replace(struct answer *a);
void answers_unsign(struct lane *l);		/* the signer went away: ask again */
void answer_refused(struct lane *l, const struct msg_sign_refused *m);

/* send.c: bytes in nonce order. */
void txs_work(struct lane *l);
struct tx *find_tx(struct lane *l, uint64_t nonce);
void tx_put(struct lane *l, const struct msg_tx_signed *m);
void tx_not_raised(struct tx *t, const struct msg_sign_refused *m);
void tx_drop(struct tx *t);			/* its end is known */
void txs_count(struct lane *l);			/* those in flight, after a step */
bool txs_sent(const struct lane *l);	/* a node took one, and its nonce is not used yet */
void txs_rewind(struct lane *l);		/* the chain's nonce went back */
void txs_hurry(struct lane *l);			/* the reason to wait is gone */

/* A call about a transaction, which may be gone or replaced when it returns. */
struct inquiry {
	struct lane *lane;
	uint64_t nonce;
	struct b32 hash;
};
struct inquiry *new_inquiry(const struct tx *t);	/* the owner of the call */
struct tx *find_inquired(struct inquiry *q);		/* NULL: not any more; frees it */

/* receipt.c */
void txs_look(struct lane *l);			/* the chain's nonce moved */

/* signer_link.c: questions; ERR_FULL, ERR_CLOSED: not now. */
void signer_open(struct submitter *s);
enum err ask_sign(struct lane *l, const struct msg_sign_tx *m);
enum err ask_raise(struct tx *t, uint64_t gas, uint64_t max_fee);
enum err ask_tx(struct lane *l, uint64_t nonce);
enum err ask_adopt(struct lane *l, uint64_t nonce);
enum err ask_info(struct lane *l);

/* executor_link.c */
void executor_open(struct submitter *s);
