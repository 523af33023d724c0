/* tally - one block, every endpoint that is up: do they see the same? */

#include "listener/listener.h"

#define HEADER_S 5.0

static void ask_next(struct chain *c);

static enum err take(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	struct tally *t = &c->tally;
	struct header h;

	(void)i;
	if (r->outcome != RPC_OK || decode_header(r->result, &h) != OK) {
		t->unknown++;
	} else if (b32_eq(&h.hash, &t->hash)) {
		t->same++;
	} else {
		if (t->different++ == 0)
			t->other = h.hash;
		t->disagree = t->disagree || !b32_eq(&t->other, &h.hash);
	}
	return OK;
}

static void on_answer(struct chain *c, struct ask *a)
{
	if (a->e)
		c->tally.unknown++;
	ask_next(c);
}

static void ask_next(struct chain *c)
{
	char param[PARAM_MAX];
	struct jsonrpc_call call = { .method = "eth_getBlockByNumber", .params = param };
	struct tally *t = &c->tally;

	while (t->endpoint < jsonrpc_endpoints(c->rpc)) {
		unsigned i = t->endpoint++;

		if (!jsonrpc_endpoint_is_up(c->rpc, i))
			continue;
		param_block(param, t->number);
		c->counted.take = take;
		c->counted.finish = on_answer;
		ask_send(&c->counted, c, (int)i, &call, 1, HEADER_S);
		return;
	}
	c->tallied(c);
}

void tally_start(struct chain *c, uint64_t number, const struct b32 *hash,
		 void (*done)(struct chain *c))
{
	ask_cancel(&c->counted);
	c->tally = (struct tally){ .number = number, .hash = *hash };
	c->tallied = done;
	ask_next(c);
}
