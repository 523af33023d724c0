/*
 * head - the latest, safe, finalized and confirmed blocks, by polling.
 *
 * The WebSocket only wakes: a poll follows each of its messages, and while it is up the timer is
 * slow.  A WebSocket that is silent while polls find new blocks is of no use and is made anew.
 */
#include "common/log.h"
#include "common/proc.h"
#include "listener/listener.h"
#include "listener/ws.h"

#define POLL_TIMEOUT_S  5.0
#define POLL_APART_MS   50	/* a flood of wake-ups does not make a flood of calls */
#define POLL_WOKEN_S    1.0	/* the WebSocket says when there is something new */
#define POLL_DOWN_S     1.0
#define IDLE_AFTER_MS   30000	/* no new block for so long: poll half as often */
#define TAGS_EVERY_MS   3000
#define TAGS_MISSING_MS 60000	/* a node without the tags is asked again */
#define CONFIRMED_AGE_MS 5000
#define CONFIRM_EVERY_MS 2000
#define WS_MUTE_MS      2000
#define HEADLESS_MS      30000	/* no node says its latest block for so long */

static uint64_t now_ms(const struct chain *c)
{
	return loop_now_ms(c->owner->loop);
}

static double period_s(const struct chain *c)
{
	if (!jsonrpc_is_up(c->rpc))
		return POLL_DOWN_S;
	if (c->ws && ws_is_up(c->ws))
		return c->poll_s > POLL_WOKEN_S ? c->poll_s : POLL_WOKEN_S;
	return now_ms(c) - c->head_new_ms > IDLE_AFTER_MS ? 2 * c->poll_s : c->poll_s;
}

/* To the executor. */

void head_say(struct chain *c)
{
	struct msg_head m = {
		.chain = c->id,
		.latest = c->head.number,
		.confirmed = c->confirmed > c->finalized ? c->confirmed : c->finalized,
		.safe = c->safe,
		.finalized = c->finalized,
		.settled = c->settled,
		.settled_time = c->parent ? 0 : c->settled_time,
		.latest_time = c->head.time,
	};

	if (c->phase == PHASE_AWAY || !c->head_known || memcmp(&m, &c->told, sizeof(m)) == 0)
		return;
	gauge(CNT_LISTENER_latest, m.latest);
	gauge(CNT_LISTENER_finalized, m.finalized);
	gauge(CNT_LISTENER_settled, m.settled);
	gauge(CNT_LISTENER_settled_time, c->settled_time);
	if (send_head(c->owner->link, &m) == OK)
		c->told = m;
}

/* Levels. */

static void on_confirmed(struct chain *c)
{
	const struct ring_block *b = ring_find(&c->ring, c->tally.number);

	if (c->tally.different || c->tally.unknown || !c->tally.same)
		return;
	if (!b || !b32_eq(&b->hash, &c->tally.hash) || b->number <= c->confirmed)
		return;
	c->confirmed = b->number;
	head_say(c);
}

/* The same at every endpoint, and old enough: with one endpoint, old enough. */
static void confirm(struct chain *c)
{
	uint64_t now = now_ms(c);
	const struct ring_block *b =
		now > CONFIRMED_AGE_MS ? ring_older(&c->ring, now - CONFIRMED_AGE_MS) : NULL;

	if (!b || b->number <= c->confirmed || b->number > c->head.number || c->fork)
		return;
	if (jsonrpc_endpoints(c->rpc) == 1) {
		c->confirmed = b->number;
	} else if (!c->counted.batch && now >= c->confirm_at_ms) {
		c->confirm_at_ms = now + CONFIRM_EVERY_MS;
		tally_start(c, b->number, &b->hash, on_confirmed);
	}
}

/* A tag names a block of our chain, or the chain contradicts the ring. */
static void take_level(struct chain *c, const struct header *h, uint64_t *level)
{
	if (h->number > c->head.number || h->number <= *level)
		return;		/* levels do not go back */
	if (ring_fit(&c->ring, h->number, &h->hash, NULL) == RING_FORK) {
		c->fork = true;
		return;
	}
	*level = h->number;
	if (level != &c->finalized)
		return;
	c->finalized_time = h->time;
	if (!c->parent)
		settled_by_time(c, h->time);
	ring_add(&c->ring, h->number, &h->hash, 0);
	ring_prune(&c->ring, h->number);
}

/* The poll. */

enum { ASKED_LATEST, ASKED_SAFE, ASKED_FINALIZED };

static struct header polled;	/* the latest block of the poll whose replies come just now */

/* The WebSocket should have said that there is a new block, a little before now or after. */
static void expect_wake(struct chain *c)
{
	uint64_t now = now_ms(c);

	if (!c->ws_awaited_ms && now - c->ws_heard_ms > WS_MUTE_MS)
		c->ws_awaited_ms = now;
}

static void check_mute(struct chain *c)
{
	if (!c->ws || !ws_is_up(c->ws) || !c->ws_awaited_ms ||
	    now_ms(c) - c->ws_awaited_ms < WS_MUTE_MS)
		return;
	c->ws_awaited_ms = 0;
	ws_drop(c->ws, "silent while there are new blocks");
}

static void take_latest(struct chain *c, const char *endpoint)
{
	bool is_new = !c->head_known || !b32_eq(&polled.hash, &c->head.hash);

	c->head_seen_ms = now_ms(c);
	if (ring_fit(&c->ring, polled.number, &polled.hash, &polled.parent) == RING_FORK) {
		c->fork = true;
		return;
	}
	if (c->head_known && polled.number < c->head.number) {
		lag_seen(c, endpoint, polled.number, c->head.number);
		return;
	}
	lag_none(c);
	c->head = polled;
	c->head_known = true;
	if (!is_new)
		return;
	c->head_new_ms = now_ms(c);
	if (c->ws && ws_is_up(c->ws))
		expect_wake(c);
}

static enum err take(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	struct header h;
	enum err e = ask_result(r);

	if (!e)
		e = decode_header(r->result, &h);
	if (i == ASKED_LATEST) {
		polled = h;
		if (!e)
			take_latest(c, r->endpoint);
		return e;
	}
	if (c->poll.e)
		return OK;
	if (e)		/* no such tag here, or no such block yet: that level stays where it is */
		c->tags_at_ms = now_ms(c) + (e == ERR_MISSING ? TAGS_EVERY_MS : TAGS_MISSING_MS);
	else
		take_level(c, &h, i == ASKED_SAFE ? &c->safe : &c->finalized);
	return OK;
}

/* Without a block of anybody for too long: whoever sees us must know. */
static void check_headless(struct chain *c)
{
	bool was = c->headless;

	if (c->phase == PHASE_AWAY)
		c->head_seen_ms = now_ms(c);	/* nobody has asked for one */
	c->headless = now_ms(c) - c->head_seen_ms > HEADLESS_MS;
	if (c->headless != was)
		listener_show(c->owner);
}

/* It answers, but not with its latest block: that is another node's turn. */
static void no_head(struct chain *c, const struct ask *a)
{
	if (a->e == ERR_CLOSED || a->e == ERR_TIMEOUT || a->e == ERR_FULL)
		return;	/* jsonrpc has seen it */
	chain_refuse(c, a->endpoint, "it does not say its latest block");
	jsonrpc_move_on(c->rpc, a->endpoint);
}

static void on_polled(struct chain *c, struct ask *a)
{
	/* After one that failed there may be news that nobody tells again. */
	timer_start(c->tick, a->e && jsonrpc_is_up(c->rpc) ? c->poll_s : period_s(c), 0);
	check_headless(c);
	if (a->e) {
		no_head(c, a);
	} else {
		if (c->safe < c->finalized)
			c->safe = c->finalized;
		confirm(c);
		code_check(c);
		settled_step(c);
		head_say(c);
		check_mute(c);
		lag_check(c);
		chain_step(c);
	}
	if (c->poll_again)
		head_poll(c);
}

static void poll_now(struct chain *c)
{
	static const struct jsonrpc_call calls[] = {
		[ASKED_LATEST]    = { .method = "eth_getBlockByNumber", .params = "[\"latest\",false]" },
		[ASKED_SAFE]      = { .method = "eth_getBlockByNumber", .params = "[\"safe\",false]" },
		[ASKED_FINALIZED] = { .method = "eth_getBlockByNumber", .params = "[\"finalized\",false]" },
	};
	uint64_t now = now_ms(c);
	bool tags = now >= c->tags_at_ms;

	if (tags)
		c->tags_at_ms = now + TAGS_EVERY_MS;
	c->poll_again = false;
	c->polled_ms = now;
	c->poll.take = take;
	c->poll.finish = on_polled;
	if (tags)
		ask_send_guarded(&c->poll, c, calls, ARRAY_LEN(calls), POLL_TIMEOUT_S);
	else
		ask_send(&c->poll, c, -1, calls, 1, POLL_TIMEOUT_S);
}

void head_poll(struct chain *c)
{
	uint64_t now = now_ms(c), since = now - c->polled_ms;

	if (c->phase == PHASE_AWAY)
		return;
	if (c->poll.batch)
		c->poll_again = true;
	else if (since < POLL_APART_MS)
		timer_start(c->tick, (double)(POLL_APART_MS - since) / 1000, 0);
	else
		poll_now(c);
}

void on_head_tick(void *owner)
{
	struct chain *c = owner;

	if (c->phase != PHASE_AWAY && !c->poll.batch)
		poll_now(c);
}

void head_woken(void *owner)
{
	struct chain *c = owner;

	c->ws_heard_ms = now_ms(c);
	c->ws_awaited_ms = 0;
	head_poll(c);
}
