/*
 * stage - many troubles with one cause are one trouble.
 *
 * A stage (core, storage, sending) runs or is paused.  While it is paused, requests wait in
 * its line; now and then the first of them goes ahead as a canary, and when that one comes
 * through, all go on.  One log line for each change, a gauge, and status says what is paused,
 * since when, why and how it clears.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/log.h"
#include "common/loop.h"

struct op;

/* What befell a request at a stage; how the stage takes it. */
enum trouble {
	TROUBLE_OUTAGE,		/* cannot be reached: paused at once, a canary each second */
	TROUBLE_BUSY,		/* takes not even one more: the same */
	TROUBLE_REFUSAL, /* refuses this node: paused at once, canaries less and less often */
	TROUBLE_FLAKY,		/* cannot be reached, perhaps: paused after five within a minute */
	TROUBLE_ODD,		/* not what was expected: the same, canaries less and less often */
};

enum stage_state { STAGE_RUNS = 1, STAGE_PAUSED = 2, STAGE_HALTED = 3 };

struct stage_row {		/* constant */
	const char *name;
	enum log_event down, up;
	enum log_event busy, refusal, odd;	/* instead of down, for those troubles; 0: down */
	unsigned gauge;
	const char *halted;		/* name of the figure that keeps an operator's pause */
	const char *clears;
};

struct stage {
	const struct stage_row *row;
	enum stage_state state;
	uint64_t since_ms;		/* Unix */
	uint64_t paused_ms;		/* monotonic: when its pause began */
	char why[200];
	bool is_odd;			/* paused for what was not expected */
	double canary_s;
	const struct op *canary;	/* the one that may try meanwhile; NULL: none is out */
	unsigned odd;			/* odd outcomes in a row within a minute */
	uint64_t odd_since_ms;
	struct op *first, **last;	/* waiting; linked through op->next_parked */
	unsigned parked;
	struct timer *timer;
	void (*release)(void *owner, struct op *op);	/* let this one try */
	void *owner;
};

void stage_init(struct stage *s, const struct stage_row *row, struct loop *loop,
		void (*release)(void *owner, struct op *op), void *owner);
void stage_fini(struct stage *s);

/* May OP go on?  If not it is parked here and released later. */
bool stage_admit(struct stage *s, struct op *op);

void stage_trouble(struct stage *s, enum trouble t, const char *why);
void stage_fine(struct stage *s);	/* one came through */
void stage_reached(struct stage *s);	/* it answers: that is the end of any pause but an odd one */

/* An operator's word. */
void stage_halt(struct stage *s);
void stage_proceed(struct stage *s);

/* The op is over: it does not wait here any more. */
void stage_forget(struct stage *s, struct op *op);
