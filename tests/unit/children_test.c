/* children_test - nights of crashes under a virtual clock. */

#include <criterion/criterion.h>

#include <signal.h>

#include "common/log.h"
#include "proto/exits.h"
#include "supervisor/children.h"

TestSuite(children, .timeout = 10);

/* A process that exists only in numbers. */
static struct fake {
	unsigned launches;
	unsigned signals[65];
	bool refuse;		/* the system cannot start it */
	bool no_key;		/* and nothing but another key helps */
	struct counter_page page;
} fake;

static struct child child;
static uint64_t now_ms;

static bool launch(void *owner, struct child *c)
{
	struct fake *f = owner;

	c->refused = f->no_key;
	if (f->refuse || f->no_key)
		return false;
	f->launches++;
	c->pid = 1000 + (pid_t)f->launches;
	f->page.ready_ms = 0;
	f->page.beat_ms = now_ms;
	return true;
}

static void send_signal(void *owner, struct child *c, int signo)
{
	struct fake *f = owner;

	cr_assert(child_lives(c));
	f->signals[signo]++;
}

static const struct child_ops ops = { .launch = launch, .signal = send_signal };

static void setup(void)
{
	log_open("test", "logfmt", (enum log_level)(LOG_ERROR + 1));
	memset(&fake, 0, sizeof(fake));
	now_ms = 1000000;
	child_init(&child, ROLE_LISTENER, &ops, &fake);
	cr_assert(child_fire(&child, CHILD_ON_go, now_ms));
}

/* Time passes in looks of 10 ms; the heart beats while it is said to. */
static void pass(uint64_t ms, bool beats)
{
	for (uint64_t end = now_ms + ms; now_ms < end;) {
		now_ms += 10;
		if (beats)
			fake.page.beat_ms = now_ms;
		child_look(&child, &fake.page, now_ms);
	}
}

static void become_ready(void)
{
	fake.page.ready_ms = now_ms;
	pass(10, true);
	cr_assert_eq(child.state, CHILD_ready);
}

static int exited(int code)
{
	return code << 8;
}

Test(children, table_is_sound)
{
	unsigned count;
	const struct child_edge *e = child_edges(&count);
	bool reached[CHILD_STATE_COUNT] = { [CHILD_down] = true };

	for (unsigned i = 0; i < count; i++) {
		reached[e[i].then] = true;
		for (unsigned k = 0; k < i; k++)
			cr_assert(e[i].in != e[k].in || e[i].on != e[k].on, "two edges for %s, %d",
				  child_state_name(e[i].in), (int)e[i].on);
	}
	for (unsigned s = 0; s < CHILD_STATE_COUNT; s++)
		cr_assert(reached[s], "%s is never reached", child_state_name((enum child_state)s));
}

/* From every state the order to stop ends, whatever the process does. */
Test(children, stop_always_ends)
{
	unsigned count;
	const struct child_edge *e = child_edges(&count);

	for (unsigned state = 0; state < CHILD_over; state++) {
		bool stops = false;
		for (unsigned i = 0; i < count; i++)
			stops = stops || (e[i].in == state && e[i].on == CHILD_ON_stop);
		cr_assert(stops || state == CHILD_stopping, "%s does not know stop",
			  child_state_name((enum child_state)state));
	}
}

Test(children, becomes_ready, .init = setup)
{
	cr_assert_eq(child.state, CHILD_starting);
	pass(200, true);
	cr_assert_eq(child.state, CHILD_starting);
	become_ready();
	fake.page.ready_ms = 0;		/* the chain went away */
	pass(10, true);
	cr_assert_eq(child.state, CHILD_starting);
	cr_assert_eq(fake.launches, 1);
}

Test(children, proved_restarts_at_once, .init = setup)
{
	become_ready();
	pass(CHILD_PROVED_MS + 100, true);
	for (unsigned i = 1; i <= 3; i++) {
		child_ended(&child, SIGKILL, now_ms);
		pass(10, true);
		cr_assert_eq(fake.launches, 1 + i);
		cr_assert_eq(child.restarts, i);
		become_ready();
		pass(CHILD_PROVED_MS + 100, true);
	}
	cr_assert_str_eq(child.why, "signal 9");
}

Test(children, backs_off_up_to_30_s, .init = setup)
{
	uint64_t wait_ms = CHILD_BACKOFF_MIN;

	for (unsigned i = 1; i < 20; i++) {
		child_ended(&child, exited(EXIT_bug), now_ms);
		cr_assert_eq(child.state, CHILD_resting);
		if (wait_ms > 10) {
			pass(wait_ms - 10, false);
			cr_assert_eq(fake.launches, i, "too early after %u deaths", i);
		}
		pass(10, true);
		cr_assert_eq(fake.launches, i + 1, "not after %u deaths", i);
		wait_ms = wait_ms * 2 < CHILD_BACKOFF_MAX ? wait_ms * 2 : CHILD_BACKOFF_MAX;
	}
	cr_assert_eq(wait_ms, CHILD_BACKOFF_MAX);
	/* Once it has lived, the next death is cheap again. */
	become_ready();
	pass(CHILD_PROVED_MS + 100, true);
	child_ended(&child, SIGSEGV, now_ms);
	pass(10, true);
	cr_assert_eq(child.state, CHILD_starting);
}

Test(children, long_life_without_network_is_no_early_death, .init = setup)
{
	pass(CHILD_SETTLED_MS + 100, true);
	child_ended(&child, SIGKILL, now_ms);
	pass(10, true);
	cr_assert_eq(fake.launches, 2);
}

Test(children, waits_for_another_configuration, .init = setup)
{
	static const int codes[] = { EXIT_data, EXIT_permission, EXIT_config };

	for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
		child_ended(&child, exited(codes[i]), now_ms);
		cr_assert_eq(child.state, CHILD_waiting);
		pass(3600 * 1000, false);
		cr_assert_eq(fake.launches, i + 1);
		cr_assert(child_fire(&child, CHILD_ON_changed, now_ms));
		cr_assert_eq(child.state, CHILD_starting);
		cr_assert_eq(fake.launches, i + 2);
	}
}

Test(children, asks_to_be_started_again, .init = setup)
{
	become_ready();
	pass(2000, true);
	child_ended(&child, exited(EXIT_again), now_ms);
	pass(10, true);
	cr_assert_eq(fake.launches, 2);
	/* In its first second it would ask for ever: it rests like one that died. */
	child_ended(&child, exited(EXIT_again), now_ms);
	pass(10, true);
	cr_assert_eq(fake.launches, 2);
	pass(CHILD_BACKOFF_MIN, true);
	cr_assert_eq(fake.launches, 3);
}

Test(children, hung_is_aborted_then_killed, .init = setup)
{
	become_ready();
	pass(CHILD_HUNG_MS - 100, false);
	cr_assert_eq(child.state, CHILD_ready);
	pass(200, false);
	cr_assert_eq(child.state, CHILD_hung);
	cr_assert_eq(fake.signals[SIGABRT], 1);
	cr_assert_eq(fake.signals[SIGKILL], 0);
	pass(CHILD_ABORT_MS, false);
	cr_assert_eq(fake.signals[SIGKILL], 1);
	child_ended(&child, SIGKILL, now_ms);
	pass(CHILD_BACKOFF_MIN + 10, true);
	cr_assert_eq(fake.launches, 2);
}

Test(children, replaced_by_one_with_new_settings, .init = setup)
{
	become_ready();
	child_fire(&child, CHILD_ON_changed, now_ms);
	cr_assert_eq(child.state, CHILD_replacing);
	cr_assert_eq(fake.signals[SIGTERM], 1);
	pass(CHILD_LEAVE_MS + 10, true);	/* it does not leave */
	cr_assert_eq(fake.signals[SIGKILL], 1);
	child_ended(&child, SIGKILL, now_ms);
	cr_assert_eq(child.state, CHILD_starting);
	cr_assert_eq(fake.launches, 2);
	cr_assert_eq(child.restarts, 0);	/* asked for, not suffered */
}

Test(children, leaves_or_is_killed, .init = setup)
{
	become_ready();
	child_fire(&child, CHILD_ON_stop, now_ms);
	cr_assert_eq(fake.signals[SIGTERM], 1);
	pass(CHILD_LEAVE_MS - 10, false);
	cr_assert_eq(fake.signals[SIGKILL], 0);
	pass(20, false);
	cr_assert_eq(fake.signals[SIGKILL], 1);
	child_ended(&child, SIGKILL, now_ms);
	cr_assert_eq(child.state, CHILD_over);
	cr_assert_not(child_fire(&child, CHILD_ON_go, now_ms));
	pass(60000, false);
	cr_assert_eq(fake.launches, 1);
}

Test(children, system_that_cannot_fork_is_asked_again, .init = setup)
{
	become_ready();
	fake.refuse = true;
	child_ended(&child, SIGKILL, now_ms);
	pass(20000, false);
	cr_assert_eq(fake.launches, 1);
	cr_assert_eq(child.state, CHILD_resting);
	fake.refuse = false;
	pass(CHILD_BACKOFF_MAX, true);
	cr_assert_eq(child.state, CHILD_starting);
}

/* No sequence of events leads out of the table, or signals a process that is not there. */
Test(children, without_a_key_it_waits_for_one, .init = setup)
{
	fake.no_key = true;
	child_ended(&child, 0, now_ms);
	pass(100000, false);
	cr_assert_eq(child.state, CHILD_waiting);
	cr_assert_eq(fake.launches, 1);
	fake.no_key = false;
	cr_assert(child_fire(&child, CHILD_ON_changed, now_ms));
	cr_assert_eq(child.state, CHILD_starting);
	cr_assert_eq(fake.launches, 2);
}

Test(children, random_nights, .init = setup)
{
	uint32_t seed = 12345;

	for (unsigned i = 0; i < 200000; i++) {
		seed = seed * 1664525u + 1013904223u;
		enum child_event ev = (enum child_event)((seed >> 16) % CHILD_EVENT_COUNT);
		if (ev == CHILD_ON_stop && (seed >> 28))
			continue;
		if (!child_lives(&child) && (ev == CHILD_ON_died || ev == CHILD_ON_silent))
			cr_assert_not(child_fire(&child, ev, now_ms));
		else
			child_fire(&child, ev, now_ms);
		cr_assert_lt(child.state, CHILD_STATE_COUNT);
		now_ms += seed & 0xff;
		if (child.state == CHILD_over) {
			child_init(&child, ROLE_LISTENER, &ops, &fake);
			child_fire(&child, CHILD_ON_go, now_ms);
		}
	}
	cr_assert_gt(fake.launches, 100);
}
