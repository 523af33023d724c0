/*
 * loop - one thread, one event loop.  The only module that sees libev.
 *
 * A callback finds its owner, turns what happened into one event and returns; it never
 * waits.  A watch, timer or waker may be freed from any callback but its own; use the
 * loop's next turn for that (loop_defer).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct loop;		/* owned by the process; one for each */
struct watch;		/* a descriptor that is watched */
struct timer;
struct waker;		/* wakes the loop from another thread */

#define WATCH_READ  1
#define WATCH_WRITE 2

struct loop *loop_new(void);
void loop_free(struct loop **loop);

void loop_run(struct loop *loop);		/* until loop_stop */
void loop_stop(struct loop *loop);

/* Monotonic milliseconds, as of this turn; and Unix milliseconds, read now. */
uint64_t loop_now_ms(const struct loop *loop);
uint64_t clock_unix_ms(void);
uint64_t clock_mono_ms(void);

/* Unix seconds as "2026-01-02T03:04:05Z", for people. */
#define CLOCK_TEXT 32
const char *clock_text(uint64_t unix_s, char out[CLOCK_TEXT]);

/* Called once before each sleep: work gathered in this turn is done there. */
void loop_on_turn(struct loop *loop, void (*cb)(void *owner), void *owner);

/* CB runs in the next turn; one slot for each (cb, owner). */
void loop_defer(struct loop *loop, void (*cb)(void *owner), void *owner);

void loop_on_signal(struct loop *loop, int signo, void (*cb)(void *owner, int signo), void *owner);

/* The descriptor stays the caller's. */
struct watch *watch_new(struct loop *loop, int fd, unsigned events,
			void (*cb)(void *owner, unsigned events), void *owner);
void watch_set(struct watch *w, unsigned events);	/* 0: sleeps */
void watch_free(struct watch **w);

struct timer *timer_new(struct loop *loop, void (*cb)(void *owner), void *owner);
void timer_start(struct timer *t, double after_s, double repeat_s);	/* repeat 0: once */
void timer_stop(struct timer *t);
bool timer_is_running(const struct timer *t);
void timer_free(struct timer **t);

struct waker *waker_new(struct loop *loop, void (*cb)(void *owner), void *owner);
void waker_wake(struct waker *w);		/* from any thread; wakes at least once */
void waker_free(struct waker **w);

/* libev's own loop, for libraries that bring their own glue (libwebsockets). */
void *loop_native(struct loop *loop);
