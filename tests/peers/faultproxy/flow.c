/* flow - one direction: chunks, and the fault that spoils them. */

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/peers/faultproxy/proxy.h"

#define ENDLESS_BYTES  16384
#define CHUNKS_AT_ONCE 64

static struct side *target_of(struct flow *f)
{
	return f->dir == UP ? &f->pair->peer : &f->pair->client;
}

/* It has done what it is for; counted once for each connection. */
static void act(struct flow *f)
{
	if (!f->acted)
		f->pair->proxy->acted[f->fault.name]++;
	f->acted = true;
}

static void on_time(void *owner)
{
	struct flow *f = owner;

	if (f->fault.name == FAULT_drip)
		f->allowed += (size_t)f->fault.arg[0];
	flow_pump(f);
}

static void start_timer(struct flow *f, double ms)
{
	if (!f->timer)
		f->timer = timer_new(f->pair->proxy->loop, on_time, f);
	if (!timer_is_running(f->timer))
		timer_start(f->timer, ms / 1000, 0);
}

void flow_attach(struct flow *f, const struct fault *fault)
{
	f->fault = *fault;
	f->passed = 0;
	f->allowed = 0;
	f->acted = f->stalled = false;
}

static void append(struct flow *f, struct chunk *c)
{
	c->next = NULL;
	*f->last = c;
	f->last = &c->next;
	f->queued += c->len;
}

static void release(struct flow *f)
{
	if (f->held)
		append(f, f->held);
	f->held = NULL;
}

void flow_end(struct flow *f)
{
	release(f);
	if (f->end == END_NONE)
		f->end = END_FIN;
}

void flow_detach(struct flow *f)
{
	f->fault.name = FAULT_none;
	f->stalled = false;
	release(f);
	for (struct chunk *c = f->first; c; c = c->next)
		c->due_ms = 0;
	if (f->timer)
		timer_stop(f->timer);
}

static struct chunk *new_chunk(struct flow *f, const uint8_t *p, size_t len)
{
	struct chunk *c = malloc(sizeof(*c) + len);

	check(c != NULL);
	c->due_ms = 0;
	c->len = len;
	c->sent = 0;
	memcpy(c->bytes, p, len);
	if (f->fault.name == FAULT_delay) {
		c->due_ms = clock_mono_ms() + (uint64_t)f->fault.arg[0];
		act(f);
	}
	return c;
}

static void queue(struct flow *f, const uint8_t *p, size_t len)
{
	if (len)
		append(f, new_chunk(f, p, len));
}

void flow_put(struct flow *f, struct bytes b)
{
	queue(f, b.p, b.len);
}

void flow_put_injected(struct flow *f)
{
	flow_put(f, BYTES(f->inject.p, f->inject.len));
	f->inject.len = 0;
	f->inject.cut = false;		/* as much as there was room for */
}

/* ---- faults ---- */

/* Byte `at` is among the LEN that came now; *first_out are those before it. */
static bool reaches(const struct flow *f, size_t len, size_t *first_out)
{
	uint64_t at = (uint64_t)f->fault.arg[0];

	*first_out = at > f->passed ? (size_t)(at - f->passed) : 0;
	return f->passed <= at && at < f->passed + len;
}

/* Queues what may still pass; what comes after the byte does not. */
static void stop_at(struct flow *f, const uint8_t *p, size_t len, enum end end)
{
	uint64_t at = (uint64_t)f->fault.arg[0], left = at > f->passed ? at - f->passed : 0;

	queue(f, p, left < len ? (size_t)left : len);
	if (f->passed + len < at || f->end != END_NONE)
		return;
	act(f);
	f->end = end;
	f->over = true;
}

static void swap(struct flow *f, const uint8_t *p, size_t len)
{
	size_t first;

	if (f->held) {
		queue(f, p, len);
		release(f);
	} else if (!f->acted && reaches(f, len, &first)) {
		f->held = new_chunk(f, p, len);
		act(f);
	} else {
		queue(f, p, len);
	}
}

static void flip(struct flow *f, const uint8_t *p, size_t len)
{
	size_t first;

	if (!reaches(f, len, &first)) {
		queue(f, p, len);
		return;
	}
	struct chunk *c = new_chunk(f, p, len);
	c->bytes[first] ^= 1;
	append(f, c);
	act(f);
}

/* A stalled flow keeps what comes behind the byte, until it is clear again. */
static void stall(struct flow *f, const uint8_t *p, size_t len)
{
	uint64_t at = (uint64_t)f->fault.arg[0];
	size_t left = at > f->passed ? (size_t)(at - f->passed) : 0;

	if (left > len)
		left = len;
	queue(f, p, left);
	if (f->passed + len >= at) {
		if (!f->stalled)
			flow_pump(f);	/* what may pass leaves before it stalls */
		f->stalled = true;
		act(f);
	}
	queue(f, p + left, len - left);
}

static void spoil(struct flow *f, const uint8_t *p, size_t len)
{
	size_t first;

	switch (f->fault.name) {
	case FAULT_reset:
		stop_at(f, p, len, END_RESET);
		break;
	case FAULT_truncate:
		stop_at(f, p, len, END_CUT);
		break;
	case FAULT_stall:
		stall(f, p, len);
		break;
	case FAULT_duplicate:
		queue(f, p, len);
		if (reaches(f, len, &first)) {
			queue(f, p, len);
			act(f);
		}
		break;
	case FAULT_swap:
		swap(f, p, len);
		break;
	case FAULT_flip:
		flip(f, p, len);
		break;
	default:		/* delay and drip act when bytes leave */
		queue(f, p, len);
	}
	f->passed += len;
}

/* What is to be injected comes where a frame ends. */
void flow_take(struct flow *f, const uint8_t *p, size_t len)
{
	size_t from = 0;
	bool end;

	f->pair->proxy->bytes[f->dir] += len;
	if (f->over)
		return;
	for (size_t at = 0; f->tracker.framing != FRAMES_NONE && at < len;) {
		at += frames_step(f->pair, &f->tracker, p + at, len - at, &end);
		if (!end || !f->inject.len)
			continue;
		spoil(f, p + from, at - from);
		flow_put_injected(f);
		from = at;
	}
	if (len > from && !f->over)
		spoil(f, p + from, len - from);
}

/* ---- bytes that leave ---- */

/* How many bytes of the first chunk may leave now; starts the timer if not all. */
static size_t may_leave(struct flow *f)
{
	uint64_t now = clock_mono_ms();
	size_t n = f->first->len - f->first->sent;

	if (f->stalled)
		return 0;
	if (f->first->due_ms > now) {
		start_timer(f, (double)(f->first->due_ms - now));
		return 0;
	}
	if (f->fault.name != FAULT_drip)
		return n;
	act(f);
	if (n > f->allowed) {
		start_timer(f, f->fault.arg[1]);
		n = f->allowed;
	}
	return n;
}

/* False: the queue does not move now, or the pair is over. */
static bool write_chunk(struct flow *f)
{
	struct chunk *c = f->first;
	size_t n = may_leave(f);

	if (!n)
		return false;
	ssize_t sent = send(target_of(f)->fd, c->bytes + c->sent, n, MSG_NOSIGNAL);
	if (sent < 0) {
		if (errno != EAGAIN)
			pair_close(f->pair);
		return false;
	}
	c->sent += (size_t)sent;
	f->queued -= (size_t)sent;
	if (f->fault.name == FAULT_drip)
		f->allowed -= (size_t)sent;
	if (c->sent < c->len)
		return true;
	f->first = c->next;
	if (!f->first)
		f->last = &f->first;
	free(c);
	return true;
}

static void add_endless(struct flow *f)
{
	static uint8_t part[6 + ENDLESS_BYTES + 2] = "4000\r\n";

	memset(part + 6, 0x5a, ENDLESS_BYTES);
	part[sizeof(part) - 2] = '\r';
	part[sizeof(part) - 1] = '\n';
	queue(f, part, sizeof(part));
}

static void end_flow(struct flow *f)
{
	struct pair *pair = f->pair;
	struct flow *other = &pair->flow[!f->dir];
	enum end how = f->end;

	if (how == END_RESET) {
		pair_reset(pair);
		return;
	}
	shutdown(target_of(f)->fd, SHUT_WR);
	f->over = f->ended = true;
	if (how == END_CUT) {		/* neither end is heard any more; the one told of it leaves */
		pair->cut = target_of(f);
		other->over = true;
		flow_end(other);
		flow_pump(other);
	}
	if (other->ended)
		pair_close(pair);
}

void flow_pump(struct flow *f)
{
	if (f->pair->over || !target_of(f)->connected)
		return;
	for (unsigned i = 0; i < CHUNKS_AT_ONCE && f->first && write_chunk(f); i++)
		if (!f->first && f->endless)
			add_endless(f);
	if (f->pair->over)
		return;
	if (!f->first && f->end != END_NONE && !f->ended && !f->stalled)
		end_flow(f);
	if (!f->pair->over)
		pair_update(f->pair);
}

void flow_fini(struct flow *f)
{
	for (struct chunk *c; (c = f->first);) {
		f->first = c->next;
		free(c);
	}
	free(f->held);
	timer_free(&f->timer);
	text_fini(&f->inject);
}
