/*
 * core - the Core itself: operations in memory, what spoils them, and what it counts.
 *
 * Everything is forgotten when it ends.  How often an id was asked for is kept until the counts
 * are reset, also over `forget`: it is this peer's part of the ledger.
 */
#pragma once

#include <regex.h>

#include <cjson/cJSON.h>

#include "tests/peers/fakecore/server.h"
#include "tests/peers/ids.h"
#include "tests/peers/peer.h"

#define KEPT 10000		/* finished decryptions of a kind that a Core keeps */

/* One id of one kind. */
struct op {
	struct ided ided;
	struct core *core;		/* borrowed */
	enum kind kind;
	unsigned starts, results, answers;	/* calls that came; answers that left */
	bool present;			/* not forgotten, and asked for */
	struct work *work;		/* owned; NULL: finished */
	struct text answer;		/* owned; of a finished one */
	struct timer *timer;		/* owned; runs while it is computed, if that takes time */
	struct call *waiting;		/* result calls */
	struct op *newer;		/* among the finished ones of its kind */
};

/*
 * What a rule makes of a call.  A rule has one of them; FAIL if none is named.
 * word in the rule, what the call gets
 */
#define ACTS(A) \
	A(FAIL, "code", "the status, by name or number; without any word UNAVAILABLE") \
	A(HANG, "hang", "never an answer") \
	A(DIE, "die", "the Core is gone at once") \
	A(DELAY, "delayMs", "its own answer, so much later") \
	A(HUGE, "huge", "OK with so many bytes") \
	A(BOMB, "bomb", "OK with so many bytes, compressed, whether the client takes that or not") \
	A(RAW, "bytes", "OK with these bytes (hex), which may be no message")

enum act {
#define A(name, word, text) ACT_##name,
	ACTS(A)
#undef A
};

enum stage { STAGE_ANY, STAGE_START, STAGE_RESULT };

/* Ids that a rule or a twist is for; none: all. */
struct id_list {
	struct b32 *id;			/* owned */
	unsigned count;
};

struct rule {
	struct rule *next;
	enum stage stage;
	char method[40];		/* "": any */
	struct id_list ids;
	bool has_match;
	regex_t match;			/* over the id in hex */
	unsigned count;			/* calls that it still meets; 0: all */
	double share;			/* of the calls that it would meet */
	bool after;			/* the work is done first */
	enum act act;
	int status;
	char message[200];
	uint64_t amount;		/* ms or bytes */
	struct text bytes;		/* owned */
};

struct twisting {
	struct twisting *next;
	struct id_list ids;
	struct twist twist;
};

struct stats {
	uint64_t calls[KINDS_COUNT][2];
	uint64_t errors[KINDS_COUNT][2][100];	/* by status */
	uint64_t bytes, waiting, waiting_peak, duplicates, forgotten;
};

struct core {
	struct loop *loop;
	struct server *server;
	struct signer *signer;
	struct ids ops[KINDS_COUNT];	/* of struct op, owned */
	unsigned kept[KINDS_COUNT];
	struct op *oldest[KINDS_COUNT], *newest[KINDS_COUNT];	/* finished */
	double delay_ms[KINDS_COUNT];
	double long_poll_ms;		/* below 0: as the kind has it */
	double first_long_poll_ms;	/* what `clear` goes back to */
	bool centralized;
	struct key_ids keys;
	struct rule *rules;		/* the oldest first; owned */
	struct twisting *twists;	/* owned */
	uint64_t random;
	struct stats stats;
};

extern const struct server_events core_events;	/* their owner is the core */

void core_forget(struct core *c);		/* as if restarted */
void core_reset_stats(struct core *c);

/* The first rule that meets this call, spent by one; NULL: none.  Freed with rule_free, if spent. */
struct rule *core_rule(struct core *c, const struct call *call, const char *id, bool *spent_out);
void rule_free(struct rule *r);
const struct twist *core_twist(const struct core *c, const struct b32 *id);

extern const struct control_op core_control[];	/* their owner is the core */
