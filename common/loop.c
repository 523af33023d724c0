/* loop - libev behind a small face; nothing of it is seen elsewhere. */

#include "common/loop.h"

#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "common/log.h"

#define SIGNALS_MAX  8
#define DEFERRED_MAX 64
#define TURNS_MAX    4

struct callback {
	void (*cb)(void *owner);
	void *owner;
};

struct on_signal {
	ev_signal ev;
	void (*cb)(void *owner, int signo);
	void *owner;
};

struct loop {
	struct ev_loop *ev;		/* owned */
	ev_prepare prepare;
	ev_idle idle;			/* runs while something is deferred */
	struct callback turn[TURNS_MAX];
	struct callback deferred[DEFERRED_MAX];
	struct on_signal signal[SIGNALS_MAX];
	unsigned turns, deferreds, signals;
};

struct watch {
	ev_io ev;
	struct loop *loop;
	void (*cb)(void *owner, unsigned events);
	void *owner;
};

struct timer {
	ev_timer ev;
	struct loop *loop;
	void (*cb)(void *owner);
	void *owner;
};

struct waker {
	ev_async ev;
	struct loop *loop;
	void (*cb)(void *owner);
	void *owner;
};

static void *new_or_die(size_t size)
{
	void *p = calloc(1, size);
	check(p != NULL);
	return p;
}

static void on_prepare(struct ev_loop *ev, ev_prepare *w, int revents)
{
	(void)ev, (void)revents;
	struct loop *loop = w->data;
	for (unsigned i = 0; i < loop->turns; i++)
		loop->turn[i].cb(loop->turn[i].owner);
}

static void on_idle(struct ev_loop *ev, ev_idle *w, int revents)
{
	(void)revents;
	struct loop *loop = w->data;
	struct callback todo[DEFERRED_MAX];
	unsigned n = loop->deferreds;

	memcpy(todo, loop->deferred, n * sizeof(todo[0]));
	loop->deferreds = 0;
	ev_idle_stop(ev, w);
	for (unsigned i = 0; i < n; i++)
		todo[i].cb(todo[i].owner);
}

struct loop *loop_new(void)
{
	struct loop *loop = new_or_die(sizeof(*loop));

	/* Not the default one: that one answers SIGCHLD with a call that nobody here may make. */
	loop->ev = ev_loop_new(EVFLAG_NOENV);
	check(loop->ev != NULL);
	ev_prepare_init(&loop->prepare, on_prepare);
	loop->prepare.data = loop;
	ev_prepare_start(loop->ev, &loop->prepare);
	ev_idle_init(&loop->idle, on_idle);
	ev_set_priority(&loop->idle, EV_MAXPRI);
	loop->idle.data = loop;
	return loop;
}

void loop_free(struct loop **loop)
{
	if (!*loop)
		return;
	for (unsigned i = 0; i < (*loop)->signals; i++)
		ev_signal_stop((*loop)->ev, &(*loop)->signal[i].ev);
	ev_prepare_stop((*loop)->ev, &(*loop)->prepare);
	ev_loop_destroy((*loop)->ev);
	free(*loop);
	*loop = NULL;
}

void loop_run(struct loop *loop)
{
	ev_run(loop->ev, 0);
}

void loop_stop(struct loop *loop)
{
	ev_break(loop->ev, EVBREAK_ALL);
}

void *loop_native(struct loop *loop)
{
	return loop->ev;
}

uint64_t loop_now_ms(const struct loop *loop)
{
	(void)loop;
	return clock_mono_ms();
}

void loop_on_turn(struct loop *loop, void (*cb)(void *owner), void *owner)
{
	check(loop->turns < TURNS_MAX);
	loop->turn[loop->turns++] = (struct callback){ .cb = cb, .owner = owner };
}

void loop_defer(struct loop *loop, void (*cb)(void *owner), void *owner)
{
	for (unsigned i = 0; i < loop->deferreds; i++)
		if (loop->deferred[i].cb == cb && loop->deferred[i].owner == owner)
			return;
	check(loop->deferreds < DEFERRED_MAX);
	loop->deferred[loop->deferreds++] = (struct callback){ .cb = cb, .owner = owner };
	ev_idle_start(loop->ev, &loop->idle);
}

static void on_ev_signal(struct ev_loop *ev, ev_signal *w, int revents)
{
	(void)ev, (void)revents;
	struct on_signal *s = w->data;
	s->cb(s->owner, w->signum);
}

void loop_on_signal(struct loop *loop, int signo, void (*cb)(void *owner, int signo), void *owner)
{
	check(loop->signals < SIGNALS_MAX);
	struct on_signal *s = &loop->signal[loop->signals++];

	s->cb = cb;
	s->owner = owner;
	ev_signal_init(&s->ev, on_ev_signal, signo);
	s->ev.data = s;
	ev_signal_start(loop->ev, &s->ev);
	ev_unref(loop->ev);
}

static void on_io(struct ev_loop *ev, ev_io *io, int revents)
{
	(void)ev;
	struct watch *w = io->data;
	unsigned events = (revents & EV_READ ? WATCH_READ : 0u) | (revents & EV_WRITE ? WATCH_WRITE : 0u);
	w->cb(w->owner, events);
}

static int ev_events(unsigned events)
{
	return (events & WATCH_READ ? EV_READ : 0) | (events & WATCH_WRITE ? EV_WRITE : 0);
}

struct watch *watch_new(struct loop *loop, int fd, unsigned events,
			void (*cb)(void *owner, unsigned events), void *owner)
{
	struct watch *w = new_or_die(sizeof(*w));

	*w = (struct watch){ .loop = loop, .cb = cb, .owner = owner };
	ev_io_init(&w->ev, on_io, fd, ev_events(events));
	w->ev.data = w;
	if (events)
		ev_io_start(loop->ev, &w->ev);
	return w;
}

void watch_set(struct watch *w, unsigned events)
{
	int fd = w->ev.fd;

	if (ev_is_active(&w->ev) && (w->ev.events & (EV_READ | EV_WRITE)) == ev_events(events))
		return;
	ev_io_stop(w->loop->ev, &w->ev);
	ev_io_set(&w->ev, fd, ev_events(events));
	if (events)
		ev_io_start(w->loop->ev, &w->ev);
}

void watch_free(struct watch **w)
{
	if (!*w)
		return;
	ev_io_stop((*w)->loop->ev, &(*w)->ev);
	free(*w);
	*w = NULL;
}

static void on_ev_timer(struct ev_loop *ev, ev_timer *et, int revents)
{
	(void)ev, (void)revents;
	struct timer *t = et->data;
	t->cb(t->owner);
}

struct timer *timer_new(struct loop *loop, void (*cb)(void *owner), void *owner)
{
	struct timer *t = new_or_die(sizeof(*t));

	*t = (struct timer){ .loop = loop, .cb = cb, .owner = owner };
	ev_timer_init(&t->ev, on_ev_timer, 0., 0.);
	t->ev.data = t;
	return t;
}

void timer_start(struct timer *t, double after_s, double repeat_s)
{
	ev_timer_stop(t->loop->ev, &t->ev);
	ev_timer_set(&t->ev, after_s, repeat_s);
	/* ev_now may be old after a long turn; the timer counts from the present. */
	ev_now_update(t->loop->ev);
	ev_timer_start(t->loop->ev, &t->ev);
}

void timer_stop(struct timer *t)
{
	ev_timer_stop(t->loop->ev, &t->ev);
}

bool timer_is_running(const struct timer *t)
{
	return ev_is_active(&t->ev);
}

void timer_free(struct timer **t)
{
	if (!*t)
		return;
	ev_timer_stop((*t)->loop->ev, &(*t)->ev);
	free(*t);
	*t = NULL;
}

static void on_async(struct ev_loop *ev, ev_async *a, int revents)
{
	(void)ev, (void)revents;
	struct waker *w = a->data;
	w->cb(w->owner);
}

struct waker *waker_new(struct loop *loop, void (*cb)(void *owner), void *owner)
{
	struct waker *w = new_or_die(sizeof(*w));

	*w = (struct waker){ .loop = loop, .cb = cb, .owner = owner };
	ev_async_init(&w->ev, on_async);
	w->ev.data = w;
	ev_async_start(loop->ev, &w->ev);
	return w;
}

void waker_wake(struct waker *w)
{
	ev_async_send(w->loop->ev, &w->ev);
}

void waker_free(struct waker **w)
{
	if (!*w)
		return;
	ev_async_stop((*w)->loop->ev, &(*w)->ev);
	free(*w);
	*w = NULL;
}
