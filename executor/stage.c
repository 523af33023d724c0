/* stage - runs or is paused; the line of those who wait, and the canary. */

#include "executor/stage.h"

#include <stdio.h>
#include <string.h>

#include "common/proc.h"
#include "executor/op.h"

#define ODD_LIMIT        5
#define ODD_WITHIN_MS    60000
#define CANARY_MIN_S     1.0
#define CANARY_MAX_S     30.0
#define CANARY_PART      4	/* a canary waits a quarter of the time that the pause has lasted */

static void on_canary(void *owner);

void stage_init(struct stage *s, const struct stage_row *row, struct loop *loop,
		void (*release)(void *owner, struct op *op), void *owner)
{
	*s = (struct stage){ .row = row, .state = STAGE_RUNS, .release = release, .owner = owner };
	s->since_ms = clock_unix_ms();
	s->last = &s->first;
	s->timer = timer_new(loop, on_canary, s);
	gauge(row->gauge, 0);
}

void stage_fini(struct stage *s)
{
	timer_free(&s->timer);
}

static void park(struct stage *s, struct op *op)
{
	if (op->parked_at)
		return;
	op->parked_at = s;
	op->next_parked = NULL;
	*s->last = op;
	s->last = &op->next_parked;
	s->parked++;
}

static struct op *unpark_first(struct stage *s)
{
	struct op *op = s->first;

	if (!op)
		return NULL;
	s->first = op->next_parked;
	if (!s->first)
		s->last = &s->first;
	s->parked--;
	op->parked_at = NULL;
	return op;
}

void stage_forget(struct stage *s, struct op *op)
{
	if (s->canary == op)
		s->canary = NULL;
	if (op->parked_at != s)
		return;
	for (struct op **p = &s->first; *p; p = &(*p)->next_parked) {
		if (*p != op)
			continue;
		*p = op->next_parked;
		if (!*p)
			s->last = p;
		s->parked--;
		op->parked_at = NULL;
		return;
	}
}

bool stage_admit(struct stage *s, struct op *op)
{
	if (s->state == STAGE_RUNS || (s->state == STAGE_PAUSED && op == s->canary))
		return true;
	/* Nobody waits and no canary is out: this one may try. */
	if (s->state == STAGE_PAUSED && !s->canary && !timer_is_running(s->timer)) {
		s->canary = op;
		timer_start(s->timer, s->canary_s * 4, 0);
		return true;
	}
	park(s, op);
	return false;
}

/* Time for the next canary; one that never came back is forgotten. */
static void on_canary(void *owner)
{
	struct stage *s = owner;
	struct op *op = s->state == STAGE_PAUSED ? unpark_first(s) : NULL;

	s->canary = op;
	if (!op)
		return;
	timer_start(s->timer, s->canary_s * 4, 0);
	s->release(s->owner, op);
}

static void set_state(struct stage *s, enum stage_state state, const char *why)
{
	s->state = state;
	s->since_ms = clock_unix_ms();
	snprintf(s->why, sizeof(s->why), "%s", why);
	gauge(s->row->gauge, state != STAGE_RUNS);
}

static enum log_event event_of(const struct stage_row *row, enum trouble t)
{
	enum log_event ev = t == TROUBLE_REFUSAL ? row->refusal
			    : t == TROUBLE_ODD   ? row->odd
			    : t == TROUBLE_BUSY  ? row->busy
						 : 0;

	return ev ? ev : row->down;
}

/* Until the next canary.  What cannot be reached costs nothing to ask. */
static double canary_wait(const struct stage *s, enum trouble t)
{
	double wait = (double)(clock_mono_ms() - s->paused_ms) / 1000 / CANARY_PART;

	if (t == TROUBLE_OUTAGE || t == TROUBLE_FLAKY || t == TROUBLE_BUSY || wait < CANARY_MIN_S)
		return CANARY_MIN_S;
	return wait < CANARY_MAX_S ? wait : CANARY_MAX_S;
}

static void pause_stage(struct stage *s, enum trouble t, const char *why)
{
	if (s->state == STAGE_HALTED)
		return;		/* an operator's word counts more */
	if (s->state == STAGE_RUNS)
		s->paused_ms = clock_mono_ms();
	s->is_odd = t == TROUBLE_ODD;
	s->canary_s = canary_wait(s, t);
	s->canary = NULL;
	timer_start(s->timer, s->canary_s, 0);
	if (s->state != STAGE_RUNS) {	/* said already; status tells the latest */
		snprintf(s->why, sizeof(s->why), "%s", why);
		return;
	}
	set_state(s, STAGE_PAUSED, why);
	log_say(event_of(s->row, t), "stage=%s why=\"%s\" clears=\"%s\"", s->row->name, why,
		s->row->clears);
}

void stage_trouble(struct stage *s, enum trouble t, const char *why)
{
	uint64_t now = clock_mono_ms();

	if ((t == TROUBLE_ODD || t == TROUBLE_FLAKY) && s->state == STAGE_RUNS) {
		if (now - s->odd_since_ms > ODD_WITHIN_MS)
			s->odd = 0;
		if (s->odd++ == 0)
			s->odd_since_ms = now;
		if (s->odd < ODD_LIMIT)
			return;
	}
	pause_stage(s, t, why);
}

static void release_all(struct stage *s)
{
	unsigned n = s->parked;		/* those who park again meanwhile wait */
	struct op *op;

	while (n-- && (op = unpark_first(s)) != NULL)
		s->release(s->owner, op);
}

static void resume(struct stage *s)
{
	if (s->state != STAGE_PAUSED)
		return;
	timer_stop(s->timer);
	s->canary = NULL;
	log_say(s->row->up, "stage=%s paused_s=%llu waiting=%u", s->row->name,
		(unsigned long long)((clock_unix_ms() - s->since_ms) / 1000), s->parked);
	set_state(s, STAGE_RUNS, "");
	release_all(s);
}

void stage_fine(struct stage *s)
{
	s->odd = 0;
	resume(s);
}

void stage_reached(struct stage *s)
{
	if (!s->is_odd)
		resume(s);
}

void stage_halt(struct stage *s)
{
	timer_stop(s->timer);
	s->canary = NULL;
	set_state(s, STAGE_HALTED, "an operator paused it");
	log_say(s->row->down, "stage=%s why=\"%s\" clears=\"kms-connector continue %s\"",
		s->row->name, s->why, s->row->name);
}

void stage_proceed(struct stage *s)
{
	if (s->state == STAGE_RUNS)
		return;
	timer_stop(s->timer);
	s->canary = NULL;
	s->odd = 0;
	log_say(s->row->up, "stage=%s by=operator waiting=%u", s->row->name, s->parked);
	set_state(s, STAGE_RUNS, "");
	release_all(s);
}
