/* recheck - "does this block still stand?": gathered, and answered in batches. */

#include "common/log.h"
#include "listener/listener.h"

#define HEADERS_S 10.0

static void ask(struct chain *c);

static void answer(struct chain *c, const struct open_block *b, enum verdict v)
{
	struct msg_rechecked m = {
		.chain = c->id, .number = b->number, .hash = b->hash, .verdict = v,
	};

	if (send_rechecked(c->owner->link, &m) != OK)
		return;		/* it asks again when it is back */
}

static enum err take(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	answer(c, &c->rechecks[i], verdict_of(r, &c->rechecks[i].hash));
	return OK;
}

static void on_answers(struct chain *c, struct ask *a)
{
	for (unsigned i = 0; a->e && i < c->recheck_asked; i++)
		answer(c, &c->rechecks[i], VERDICT_UNKNOWN);
	c->recheck_count -= c->recheck_asked;
	memmove(c->rechecks, c->rechecks + c->recheck_asked,
		c->recheck_count * sizeof(c->rechecks[0]));
	c->recheck_asked = 0;
	if (c->recheck_count)
		ask(c);
}

static void ask(struct chain *c)
{
	static char param[WINDOW_MAX][PARAM_MAX];
	struct jsonrpc_call calls[WINDOW_MAX];
	unsigned n = c->recheck_count < WINDOW_MAX ? c->recheck_count : WINDOW_MAX;

	for (unsigned i = 0; i < n; i++)
		calls[i] = (struct jsonrpc_call){
			.method = "eth_getBlockByNumber",
			.params = param_block(param[i], c->rechecks[i].number),
		};
	c->recheck_asked = n;
	c->recheck.take = take;
	c->recheck.finish = on_answers;
	ask_send(&c->recheck, c, -1, calls, n, HEADERS_S);
}

static void on_gathered(void *owner)
{
	struct chain *c = owner;

	if (c->recheck_count && !c->recheck.batch)
		ask(c);
}

void recheck_add(struct chain *c, uint64_t number, const struct b32 *hash)
{
	struct open_block b = { .number = number, .hash = *hash };

	if (c->recheck_count == RECHECKS_MAX) {
		answer(c, &b, VERDICT_UNKNOWN);
		return;
	}
	c->rechecks[c->recheck_count++] = b;
	loop_defer(c->owner->loop, on_gathered, c);
}
