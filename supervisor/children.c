/* children - the table of what befalls a child, and the few things to do about it. */

#include "supervisor/children.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "common/log.h"
#include "proto/exits.h"

/*           in         on       do           then */
#define CHILD_EDGES(EDGE) \
	EDGE(down,      go,      launch,      starting) \
	EDGE(down,      stop,    nothing,     over) \
	EDGE(starting,  able,    welcome,     ready) \
	EDGE(starting,  failed,  rest,        resting) \
	EDGE(starting,  silent,  abort_it,    hung) \
	EDGE(starting,  died,    rest,        resting) \
	EDGE(starting,  refused, wait_config, waiting) \
	EDGE(starting,  again,   rest_again,  resting) \
	EDGE(starting,  changed, ask_leave,   replacing) \
	EDGE(starting,  stop,    ask_leave,   stopping) \
	EDGE(ready,     unable,  nothing,     starting) \
	EDGE(ready,     silent,  abort_it,    hung) \
	EDGE(ready,     died,    rest,        resting) \
	EDGE(ready,     refused, wait_config, waiting) \
	EDGE(ready,     again,   rest_again,  resting) \
	EDGE(ready,     changed, ask_leave,   replacing) \
	EDGE(ready,     stop,    ask_leave,   stopping) \
	EDGE(hung,      due,     kill_it,     hung) \
	EDGE(hung,      died,    rest,        resting) \
	EDGE(hung,      refused, rest,        resting) \
	EDGE(hung,      again,   rest,        resting) \
	EDGE(hung,      changed, nothing,     hung) \
	EDGE(hung,      stop,    kill_it,     stopping) \
	EDGE(replacing, due,     kill_it,     replacing) \
	EDGE(replacing, died,    launch,      starting) \
	EDGE(replacing, refused, launch,      starting) \
	EDGE(replacing, again,   launch,      starting) \
	EDGE(replacing, changed, nothing,     replacing) \
	EDGE(replacing, stop,    nothing,     stopping) \
	EDGE(stopping,  due,     kill_it,     stopping) \
	EDGE(stopping,  died,    nothing,     over) \
	EDGE(stopping,  refused, nothing,     over) \
	EDGE(stopping,  again,   nothing,     over) \
	EDGE(resting,   due,     launch,      starting) \
	EDGE(resting,   changed, launch,      starting) \
	EDGE(resting,   stop,    nothing,     over) \
	EDGE(waiting,   changed, launch,      starting) \
	EDGE(waiting,   stop,    nothing,     over)

static const struct child_edge edges[] = {
#define EDGE(in_, on_, do_, then_) \
	{ .in = CHILD_##in_, .on = CHILD_ON_##on_, .then = CHILD_##then_ },
	CHILD_EDGES(EDGE)
#undef EDGE
};

static const char *const state_names[] = {
#define S(name, lives, text) #name,
	CHILD_STATES(S)
#undef S
};

static const char *const state_texts[] = {
#define S(name, lives, text) text,
	CHILD_STATES(S)
#undef S
};

static const bool state_lives[] = {
#define S(name, lives, text) lives,
	CHILD_STATES(S)
#undef S
};

static void nothing(struct child *c, uint64_t now_ms)
{
	(void)c, (void)now_ms;
}

static void launch(struct child *c, uint64_t now_ms)
{
	c->due_ms = 0;
	c->able_ms = 0;
	c->proved = c->refused = false;
	c->launched_ms = now_ms;
	if (!c->ops->launch(c->owner, c)) {
		child_fire(c, c->refused ? CHILD_ON_refused : CHILD_ON_failed, now_ms);
		return;
	}
	log_say(EV_S001_child_started, "child=%s pid=%d restarts=%" PRIu64,
		ipc_role_name(c->role), (int)c->pid, c->restarts);
}

static void welcome(struct child *c, uint64_t now_ms)
{
	c->able_ms = now_ms;
	log_say(EV_S002_child_ready, "child=%s pid=%d after_ms=%" PRIu64, ipc_role_name(c->role),
		(int)c->pid, now_ms - c->launched_ms);
}

static void say_died(const struct child *c, uint64_t wait_ms)
{
	log_say(EV_S003_child_died, "child=%s how=\"%s\" again_in_ms=%" PRIu64,
		ipc_role_name(c->role), c->why, wait_ms);
}

/* Started again at once, unless it ended before it had proved that it can live. */
static void rest(struct child *c, uint64_t now_ms)
{
	uint64_t wait_ms = 0;

	if (c->proved || now_ms - c->launched_ms >= CHILD_SETTLED_MS) {
		c->backoff_ms = CHILD_BACKOFF_MIN;
	} else {
		wait_ms = c->backoff_ms;
		c->backoff_ms = wait_ms * 2 < CHILD_BACKOFF_MAX ? wait_ms * 2 : CHILD_BACKOFF_MAX;
	}
	c->restarts++;
	c->due_ms = now_ms + wait_ms;
	say_died(c, wait_ms);
}

/* It asked for it.  One that asks in its first second would do so for ever: it rests. */
static void rest_again(struct child *c, uint64_t now_ms)
{
	if (now_ms - c->launched_ms < 1000) {
		rest(c, now_ms);
		return;
	}
	c->restarts++;
	c->due_ms = now_ms;
	say_died(c, 0);
}

static void wait_config(struct child *c, uint64_t now_ms)
{
	(void)now_ms;
	c->due_ms = 0;
	c->backoff_ms = CHILD_BACKOFF_MIN;
	c->restarts++;
	log_say(EV_S005_child_waits, "child=%s how=\"%s\"", ipc_role_name(c->role), c->why);
}

/* SIGABRT first: a core pattern or a debugger may want to see where it stood. */
static void abort_it(struct child *c, uint64_t now_ms)
{
	log_say(EV_S004_child_hung, "child=%s pid=%d", ipc_role_name(c->role), (int)c->pid);
	c->due_ms = now_ms + CHILD_ABORT_MS;
	c->ops->signal(c->owner, c, SIGABRT);
}

static void kill_it(struct child *c, uint64_t now_ms)
{
	c->due_ms = now_ms + CHILD_ABORT_MS;
	c->ops->signal(c->owner, c, SIGKILL);
}

static void ask_leave(struct child *c, uint64_t now_ms)
{
	c->due_ms = now_ms + c->leave_ms;
	c->ops->signal(c->owner, c, SIGTERM);
}

static void act(struct child *c, unsigned edge, uint64_t now_ms)
{
	static void (*const action[])(struct child *, uint64_t) = {
#define EDGE(in, on, do_, then) do_,
		CHILD_EDGES(EDGE)
#undef EDGE
	};
	action[edge](c, now_ms);
}

void child_init(struct child *c, enum ipc_role role, const struct child_ops *ops, void *owner)
{
	*c = (struct child){ .role = role, .ops = ops, .owner = owner };
	c->backoff_ms = CHILD_BACKOFF_MIN;
	c->leave_ms = CHILD_LEAVE_MS;
}

bool child_fire(struct child *c, enum child_event ev, uint64_t now_ms)
{
	for (unsigned i = 0; i < ARRAY_LEN(edges); i++) {
		if (edges[i].in != c->state || edges[i].on != ev)
			continue;
		c->state = edges[i].then;
		act(c, i, now_ms);
		return true;
	}
	return false;
}

/* Codes that say: not with this configuration. */
static bool is_refusal(int code)
{
	return code == EXIT_data || code == EXIT_permission || code == EXIT_config;
}

void child_ended(struct child *c, int status, uint64_t now_ms)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	enum child_event ev = is_refusal(code) ? CHILD_ON_refused :
			      code == EXIT_again ? CHILD_ON_again : CHILD_ON_died;

	if (code >= 0)
		snprintf(c->why, sizeof(c->why), "exit %d", code);
	else
		snprintf(c->why, sizeof(c->why), "signal %d", WTERMSIG(status));
	c->pid = 0;
	c->able_ms = 0;
	child_fire(c, ev, now_ms);
}

bool child_is_fresh(const struct counter_page *page, uint64_t now_ms)
{
	uint64_t beat_ms = __atomic_load_n(&page->beat_ms, __ATOMIC_RELAXED);

	return now_ms < beat_ms + CHILD_HUNG_MS;
}

void child_look(struct child *c, const struct counter_page *page, uint64_t now_ms)
{
	if (c->state == CHILD_starting || c->state == CHILD_ready) {
		bool able = __atomic_load_n(&page->ready_ms, __ATOMIC_RELAXED) != 0;

		if (!child_is_fresh(page, now_ms))
			child_fire(c, CHILD_ON_silent, now_ms);
		else
			child_fire(c, able ? CHILD_ON_able : CHILD_ON_unable, now_ms);
	}
	if (c->state == CHILD_ready && now_ms - c->able_ms >= CHILD_PROVED_MS) {
		c->proved = true;
		c->backoff_ms = CHILD_BACKOFF_MIN;
	}
	if (c->due_ms && now_ms >= c->due_ms)
		child_fire(c, CHILD_ON_due, now_ms);
}

bool child_lives(const struct child *c)
{
	return state_lives[c->state];
}

const char *child_state_name(enum child_state state)
{
	return state_names[state];
}

const char *child_state_text(enum child_state state)
{
	return state_texts[state];
}

const struct child_edge *child_edges(unsigned *count_out)
{
	*count_out = ARRAY_LEN(edges);
	return edges;
}
