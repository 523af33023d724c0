/* seek - the first block at or after a time, by halving: where to begin, given as an age. */

#include <inttypes.h>

#include "listener/listener.h"

#define HEADERS_S 10.0

/* A block that the node does not have any more is too old to be it. */
static enum err take_middle(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	uint64_t now_s = clock_unix_ms() / 1000, middle = c->low + (c->high - c->low) / 2;
	uint64_t wanted = now_s > c->start_age_s ? now_s - c->start_age_s : 0;
	struct header h = { 0 };
	enum err e = ask_result(r);

	(void)i;
	if (!e)
		e = decode_header(r->result, &h);
	if (!e && h.number != middle)
		return ERR_MISMATCH;
	if (e && e != ERR_MISSING)
		return e;
	if (e == ERR_MISSING || h.time < wanted)
		c->low = middle + 1;
	else
		c->high = middle;
	return OK;
}

static void on_middle(struct chain *c, struct ask *a)
{
	if (a->e)
		chain_trouble(c, a);
	else
		chain_step(c);
}

void seek_step(struct chain *c)
{
	char param[PARAM_MAX];
	struct jsonrpc_call call = { .method = "eth_getBlockByNumber", .params = param };

	if (c->high == UINT64_MAX)
		c->high = c->head.number;
	if (c->low >= c->high) {
		c->next = c->start_block = c->low;
		c->phase = PHASE_READ;
		chain_step(c);
		return;
	}
	param_block(param, c->low + (c->high - c->low) / 2);
	c->step.take = take_middle;
	c->step.finish = on_middle;
	ask_send(&c->step, c, -1, &call, 1, HEADERS_S);
}
