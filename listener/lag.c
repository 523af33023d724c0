/*
 * lag - is the node in use behind the others?
 *
 * One that goes back contradicts what was read, and is left at once.  One that
 * stands still contradicts nothing: when there has been no new block for a
 * while, the others are asked.
 */
#include <inttypes.h>

#include "common/log.h"
#include "listener/listener.h"

#define STILL_MS  4000
#define EVERY_MS  10000
#define TIMEOUT_S 5.0
#define BEHIND_MS 5000 /* so long before it is said */

static uint64_t now_ms(const struct chain *c)
{
	return loop_now_ms(c->owner->loop);
}

void lag_none(struct chain *c)
{
	c->behind_since_ms = 0;
	c->behind_said = false;
}

void lag_seen(struct chain *c, const char *endpoint, uint64_t its_head, uint64_t known)
{
	uint64_t now = now_ms(c);

	if (!c->behind_since_ms)
		c->behind_since_ms = now;
	if (!c->behind_said && now - c->behind_since_ms > BEHIND_MS) {
		c->behind_said = true;
		log_say(EV_L007_node_behind, "chain=%s rpc=%s latest=%" PRIu64 " known=%" PRIu64,
			c->name, endpoint, its_head, known);
	}
	jsonrpc_move_on(c->rpc, endpoint);
}

static void ask_next(struct chain *c);

static enum err take(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	uint64_t number;

	(void)i;
	if (r->outcome == RPC_OK && json_u64(r->result, &number) == OK && number > c->others_head)
		c->others_head = number;
	return OK;
}

static void on_answer(struct chain *c, struct ask *a)
{
	(void)a;
	ask_next(c);
}

static void ask_next(struct chain *c)
{
	static const struct jsonrpc_call call = { .method = "eth_blockNumber", .params = "[]" };

	while (c->others_at < jsonrpc_endpoints(c->rpc)) {
		unsigned i = c->others_at++;

		if (!jsonrpc_endpoint_is_up(c->rpc, i))
			continue;
		c->others.take = take;
		c->others.finish = on_answer;
		ask_send(&c->others, c, (int)i, &call, 1, TIMEOUT_S);
		return;
	}
	if (c->others_head > c->head.number && now_ms(c) - c->head_new_ms > STILL_MS)
		lag_seen(c, c->poll.endpoint, c->head.number, c->others_head);
}

void lag_check(struct chain *c)
{
	uint64_t now = now_ms(c);

	if (!c->head_known || jsonrpc_endpoints(c->rpc) == 1 || c->others.batch ||
	    now - c->head_new_ms <= STILL_MS || now < c->others_ask_ms)
		return;
	c->others_ask_ms = now + EVERY_MS;
	c->others_head = 0;
	c->others_at = 0;
	ask_next(c);
}
