/*
 * children - what can become of a child process: one table of states and events.
 *
 * Nothing here starts, signals or waits: the caller's child_ops do, time is an argument.  So
 * that a night of crashes is a test that takes a millisecond.
 */
#pragma once

#include <sys/types.h>

#include "common/bytes.h"
#include "proto/counters.h"
#include "proto/ipc.h"

#define CHILD_HUNG_MS     10000u	/* without a turn of its loop */
#define CHILD_ABORT_MS    1000u		/* from SIGABRT to SIGKILL */
#define CHILD_LEAVE_MS    5000u		/* from SIGTERM to SIGKILL */
#define CHILD_PROVED_MS   5000u		/* ready for so long: its next death is no early one */
#define CHILD_SETTLED_MS  60000u	/* the same without being ready: the network may be away */
#define CHILD_BACKOFF_MIN 100u
#define CHILD_BACKOFF_MAX 30000u

/* name, does a process exist, what it means */
#define CHILD_STATES(S) \
	S(down,      false, "not started") \
	S(starting,  true,  "runs, cannot do its work yet") \
	S(ready,     true,  "can do its work") \
	S(hung,      true,  "its loop did not turn; it is being killed") \
	S(replacing, true,  "leaves, to start with another configuration") \
	S(stopping,  true,  "leaves for good") \
	S(resting,   false, "ended; starts again when the back-off is over") \
	S(waiting,   false, "cannot run with this configuration; waits for another") \
	S(over,      false, "ended for good")

#define CHILD_EVENTS(E) \
	E(go,      "start it") \
	E(failed,  "it could not be started") \
	E(able,    "its page says that it can do its work") \
	E(unable,  "its page says that it cannot") \
	E(silent,  "its heartbeat is too old") \
	E(died,    "the process ended") \
	E(refused, "it ended with a code that says: not with this configuration") \
	E(again,   "it ended and asks to be started again") \
	E(due,     "the time that the state has is over") \
	E(changed, "its configuration is another now") \
	E(stop,    "all of us end")

enum child_state {
#define S(name, lives, text) CHILD_##name,
	CHILD_STATES(S)
#undef S
	CHILD_STATE_COUNT
};

enum child_event {
#define E(name, text) CHILD_ON_##name,
	CHILD_EVENTS(E)
#undef E
	CHILD_EVENT_COUNT
};

struct child;

struct child_ops {
	/* Start the process and set pid; false with why set, and refused set when it is the
	   configuration or the key that does not permit it. */
	bool (*launch)(void *owner, struct child *c);
	void (*signal)(void *owner, struct child *c, int signo);
};

struct child {
	enum ipc_role role;
	const struct child_ops *ops;	/* constant */
	void *owner;			/* of ops */
	enum child_state state;
	pid_t pid;			/* 0 while there is no process */
	uint64_t launched_ms;		/* of the present process; monotonic */
	uint64_t able_ms;		/* since when it can do its work; 0 */
	uint64_t due_ms;		/* when `due` fires; 0: never */
	uint64_t backoff_ms;		/* of the next early death */
	uint64_t restarts;
	unsigned leave_ms;		/* how long it may take to leave */
	bool proved;			/* its next death is no early one */
	bool refused;			/* why it could not be launched */
	char why[96];			/* how the last process ended; "" */
};

void child_init(struct child *c, enum ipc_role role, const struct child_ops *ops, void *owner);

/* An event the table does not know in this state changes nothing and gives false. */
bool child_fire(struct child *c, enum child_event ev, uint64_t now_ms);

/* The process ended; STATUS as waitpid gives it. */
void child_ended(struct child *c, int status, uint64_t now_ms);

/* Look at its page and its clock: fires able, unable, silent, due. */
void child_look(struct child *c, const struct counter_page *page, uint64_t now_ms);

bool child_lives(const struct child *c);		/* there is a process */
bool child_is_fresh(const struct counter_page *page, uint64_t now_ms);

const char *child_state_name(enum child_state state);
const char *child_state_text(enum child_state state);

/* The table, for tests and the manual. */
struct child_edge {
	enum child_state in;
	enum child_event on;
	enum child_state then;
};
const struct child_edge *child_edges(unsigned *count_out);
