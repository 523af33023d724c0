/*
 * chain - the life of one chain: what comes next, what happens after a trouble, and how
 * everything is forgotten.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/proc.h"
#include "listener/listener.h"
#include "listener/ws.h"

#define PAUSE_FIRST_S  0.25
#define PAUSE_MAX_S     1.5
#define BACKFILL_FROM  32	/* blocks below finalized for which a range is worth it */
#define BY_BLOCK_AFTER 3	/* failures of a range of one block */
#define REFUSED_SAID_MS 60000

static void on_pause_over(void *owner)
{
	chain_step(owner);
}

void chain_pause(struct chain *c, double s)
{
	timer_start(c->pause, s, 0);
}

static void drop_reading(struct chain *c)
{
	ask_cancel(&c->step);
	logs_clear(&c->logs);
	c->has_blocks = c->range_read = c->receipts = c->doubted = false;
	c->window_count = c->window_at = 0;
	c->failures = 0;
	timer_stop(c->pause);
}

void chain_read_from(struct chain *c, uint64_t block)
{
	drop_reading(c);
	ahead_end(&c->ahead, &c->next);
	c->next = block;
}

void chain_end_turn(struct chain *c)
{
	if (!c->ahead.on)
		return;
	ahead_end(&c->ahead, &c->next);
	c->window_count = c->window_at = 0;
	c->receipts = c->doubted = false;
	c->failures = c->failures_behind;
}

void chain_reset(struct chain *c)
{
	drop_reading(c);
	ask_cancel(&c->poll);
	ask_cancel(&c->counted);
	ask_cancel(&c->others);
	ask_cancel(&c->recheck);
	ask_cancel(&c->claim);
	ask_cancel(&c->look);
	timer_stop(c->tick);
	ring_clear(&c->ring);
	free(c->open);
	c->open = NULL;
	c->open_count = c->open_cap = c->open_at = 0;
	c->recheck_count = c->recheck_asked = 0;
	c->resuming = false;
	c->phase = PHASE_AWAY;
	c->fork = c->walking = c->frozen = c->caught_up = false;
	c->head_known = c->poll_again = c->behind_said = c->headless = false;
	c->safe = c->finalized = c->confirmed = 0;
	settled_lower(c, 0);
	c->tags_at_ms = c->polled_ms = c->behind_since_ms = 0;
	c->lowest_left = UINT64_MAX;
	range_begin(&c->range);
	c->told = (struct msg_head){ 0 };
	c->ahead = (struct ahead){ 0 };
}

/* Trouble. */

static void say_behind(struct chain *c, const struct ask *a)
{
	if (!c->behind_said)
		log_say(EV_L007_node_behind, "chain=%s rpc=%s next=%" PRIu64, c->name, a->endpoint, c->next);
	c->behind_said = true;
}

void chain_refuse(struct chain *c, const char *endpoint, const char *why)
{
	uint64_t now = loop_now_ms(c->owner->loop);

	count(CNT_LISTENER_rpc_refused, 1);
	if (c->refused_said_ms && now - c->refused_said_ms < REFUSED_SAID_MS)
		return;
	c->refused_said_ms = now;
	log_say(EV_L006_reply_refused, "chain=%s rpc=%s reason=\"%s\"", c->name, endpoint, why);
}

void chain_trouble(struct chain *c, const struct ask *a)
{
	double s = PAUSE_FIRST_S * (1u << (c->failures < 5 ? c->failures : 5));

	if (a->e == ERR_FULL)
		s = PAUSE_FIRST_S; /* asked too often: the node is left alone for longer by itself */
	c->failures++;
	ahead_tried(&c->ahead);
	if (a->e == ERR_MISSING) {
		if (c->failures > 2)
			say_behind(c, a);
		jsonrpc_move_on(c->rpc, a->endpoint);
	} else if (a->refused) {
		if (c->failures > 1)
			jsonrpc_move_on(c->rpc, a->endpoint);
	} else if (err_class(a->e) == ERR_CLASS_refuse) {
		chain_refuse(c, a->endpoint, a->why);
		jsonrpc_move_on(c->rpc, a->endpoint);
	}
	chain_pause(c, (s < PAUSE_MAX_S ? s : PAUSE_MAX_S) * (0.75 + drand48() / 4));
}

/* What comes next. */

static void now_caught_up(struct chain *c)
{
	if (c->caught_up)
		return;
	c->caught_up = true;
	malloc_trim(0);		/* replies of whole ranges are over: give their memory back */
	log_say(EV_L012_caught_up, "chain=%s block=%" PRIu64, c->name, c->head.number);
	listener_show(c->owner);
}

static void nothing_to_read(struct chain *c)
{
	now_caught_up(c);
	look_step(c);
}

static bool by_range(const struct chain *c)
{
	if (c->range_read)
		return true;
	if (c->range.size == 1 && c->failures >= BY_BLOCK_AFTER)
		return false;
	return c->finalized >= c->next + BACKFILL_FROM;
}

/* Whatever was begun behind the head is complete, or given up for now. */
static bool is_between(const struct chain *c)
{
	return c->window_count == 0 && !c->range_read && !c->receipts && !c->doubted &&
	       !c->fork && c->filter.rows;
}

/* Neither waits for the end of the other's troubles. */
static bool is_heads_turn(struct chain *c)
{
	if (c->fork || c->failures)
		chain_end_turn(c);
	if (c->ahead.on)
		return true;
	if (!is_between(c) || !ahead_begin(&c->ahead, &c->next, c->head.number))
		return false;
	c->failures_behind = c->failures;
	c->failures = 0;
	return true;
}

static void read_step(struct chain *c)
{
	if (is_heads_turn(c))
		follow_step(c);
	else if (c->fork)
		reorg_step(c);
	else if (c->next > c->head.number || c->filter.rows == 0)
		nothing_to_read(c);
	else if (by_range(c))
		backfill_step(c);
	else
		follow_step(c);
}

void chain_step(struct chain *c)
{
	if (c->phase == PHASE_AWAY || !c->head_known || c->step.batch || timer_is_running(c->pause))
		return;
	if (c->frozen && c->walking && c->counted.batch)
		return;		/* the endpoints are asked what they think of it */
	/* Logs of a range wait for the times of their blocks. */
	if (!c->range_read && !logs_flush(c))
		return;
	if (c->phase == PHASE_COMPARE)
		compare_step(c);
	else if (c->phase == PHASE_SEEK)
		seek_step(c);
	else
		read_step(c);
}

/* Ready or not, and why. */

static const char *why_not_ready(const struct chain *c)
{
	if (!jsonrpc_is_up(c->rpc))
		return "no chain node answers";
	for (unsigned i = 0; i < c->filter.addresses; i++)
		if (c->no_code[i])
			return "there is no contract at a configured address";
	if (c->phase == PHASE_AWAY)
		return "waiting for the executor";
	if (c->frozen)
		return "a finalized block left the chain";
	if (c->headless)
		return "no chain node says its latest block";
	return c->caught_up ? NULL : "reading up to the head";
}

/* The executor shows it to operators; said when it changes. */
static void tell_executor(struct chain *c, const char *why)
{
	struct msg_hearing m = { .chain = c->id, .why = BYTES(why ? why : "", why ? strlen(why) : 0) };

	if (why == c->told_why && c->hearing_told)
		return;
	c->hearing_told = send_hearing(c->owner->link, &m) == OK;
	c->told_why = why;
}

/* What does not keep it from its work; of several the first, since each is said in the log. */
static void show_trouble(struct listener *self)
{
	for (unsigned i = 0; i < self->chains; i++) {
		const struct chain *c = &self->chain[i];
		const char *parent = parent_trouble(c), *newer = look_trouble(c);

		if (!parent && !newer)
			continue;
		proc_note("%s: %s%s%s", c->name, newer ? newer : "", parent && newer ? "; " : "",
			  parent ? parent : "");
		return;
	}
	proc_note("%s", "");
}

void listener_show(struct listener *self)
{
	for (unsigned i = 0; i < self->chains; i++)
		tell_executor(&self->chain[i], why_not_ready(&self->chain[i]));
	for (unsigned i = 0; i < self->chains; i++) {
		const char *why = why_not_ready(&self->chain[i]);

		if (!why)
			continue;
		proc_note("%s: %s", self->chain[i].name, why);
		proc_ready(false);
		return;
	}
	show_trouble(self);
	proc_ready(true);
}

/* What jsonrpc tells. */

static void on_down(void *owner, const char *why)
{
	struct chain *c = owner;

	log_say(EV_L003_node_down, "chain=%s reason=\"%s\"", c->name, why);
	listener_show(c->owner);
}

static void on_up(void *owner, const char *endpoint)
{
	struct chain *c = owner;

	log_say(EV_L004_node_up, "chain=%s rpc=%s", c->name, endpoint);
	c->code_at_ms = 0;
	timer_stop(c->pause);	/* the reason to wait is gone */
	listener_show(c->owner);
	head_poll(c);
}

static void on_wrong_chain(void *owner, const char *endpoint, uint64_t chain_id)
{
	struct chain *c = owner;

	log_say(EV_L005_wrong_chain, "chain=%s rpc=%s wanted=%" PRIu64 " chain_id=%" PRIu64, c->name,
		endpoint, c->id, chain_id);
}

static void on_failover(void *owner, const char *endpoint)
{
	(void)owner, (void)endpoint;
	count(CNT_LISTENER_failovers, 1);
}

static void on_call(void *owner, unsigned calls, bool failed)
{
	(void)owner;
	count(CNT_LISTENER_rpc_calls, calls);
	if (failed)
		count(CNT_LISTENER_rpc_errors, calls);
}

static void on_refused(void *owner, const char *endpoint, const char *why)
{
	chain_refuse(owner, endpoint, why);
}

static void on_throttled(void *owner, const char *endpoint)
{
	(void)owner, (void)endpoint;
	count(CNT_LISTENER_rpc_throttled, 1);
}

/* From the settings. */

static void open_rpc(struct chain *c, unsigned i)
{
	static const struct jsonrpc_events events = {
		.on_down = on_down,
		.on_up = on_up,
		.on_wrong_chain = on_wrong_chain,
		.on_failover = on_failover,
		.on_call = on_call,
		.on_refused = on_refused,
		.on_throttled = on_throttled,
	};
	const struct settings *s = proc_settings();
	struct jsonrpc_endpoint endpoint[JSONRPC_ENDPOINTS_MAX];
	uint64_t n = get_setting_u64(s, "chain.%u.http", i);

	check(n > 0 && n <= ARRAY_LEN(endpoint));
	for (unsigned k = 0; k < n; k++)
		endpoint[k] = (struct jsonrpc_endpoint){
			.name = get_setting(s, "chain.%u.http.%u.name", i, k),
			.url = get_setting(s, "chain.%u.http.%u.url", i, k),
		};
	c->rpc = jsonrpc_new(c->owner->loop, c->owner->http, c->id, endpoint, (unsigned)n, &events, c);
}

static void open_ws(struct chain *c, unsigned i)
{
	static struct ws_url url[CHAINS_MAX][WS_URLS_MAX];
	const struct settings *s = proc_settings();
	unsigned n = 0;

	if (!find_setting(s, "chain.%u.ws", i) || !c->owner->lws)
		return;
	for (; n < get_setting_u64(s, "chain.%u.ws", i) && n < WS_URLS_MAX; n++)
		url[i][n] = (struct ws_url){
			.name = get_setting(s, "chain.%u.ws.%u.name", i, n),
			.url = get_setting(s, "chain.%u.ws.%u.url", i, n),
		};
	if (n)
		c->ws = ws_new(c->owner->lws, c->owner->loop, c->name, url[i], n, head_woken, c);
}

void chain_open(struct listener *self, unsigned i)
{
	struct chain *c = &self->chain[i];
	const struct settings *s = proc_settings();

	c->owner = self;
	snprintf(c->name, sizeof(c->name), "%s", get_setting(s, "chain.%u.name", i));
	c->id = get_setting_u64(s, "chain.%u.id", i);
	c->poll_s = (double)get_setting_u64(s, "chain.%u.poll_ms", i) / 1000;
	c->has_start_age = find_setting(s, "chain.%u.start_age_s", i);
	if (c->has_start_age)
		c->start_age_s = get_setting_u64(s, "chain.%u.start_age_s", i);
	else
		c->start_block = get_setting_u64(s, "chain.%u.start_block", i);
	filter_init(&c->filter, &self->profile, c->id);
	unknown_init(&c->unknown, &self->profile, c->id);
	range_begin(&c->look_range);
	c->tick = timer_new(self->loop, on_head_tick, c);
	c->pause = timer_new(self->loop, on_pause_over, c);
	chain_reset(c);
	open_rpc(c, i);
	open_ws(c, i);
	if (get_setting_u64(s, "chain.%u.parent.http", i))
		parent_open(c, i);
}
