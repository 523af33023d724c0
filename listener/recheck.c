/*
 * recheck - "do this block and this log in it still stand?": gathered, and answered in batches.
 *
 * A block's hash commits to its logs, but only a second look shows that the first one was right.
 * The transaction's receipt tells: it must name the block, and hold the log at its place with
 * the very words.  A receipt that does not is a node's contradiction, and proves nothing.
 */
#include <stdlib.h>

#include "common/keccak.h"
#include "common/log.h"
#include "common/proc.h"
#include "listener/listener.h"

#define ANSWERS_S 10.0
#define AT_ONCE   ((WINDOW_MAX - 1) / 2)	/* a block and a receipt each */

static void ask(struct chain *c);

static void answer(struct chain *c, const struct recheck *q, enum verdict v)
{
	struct msg_rechecked m = {
		.chain = c->id, .number = q->number, .hash = q->hash, .log_index = q->log_index,
		.verdict = v,
	};

	if (send_rechecked(c->owner->link, &m) != OK)
		return;		/* it asks again when it is back */
}

static bool is_log(const struct chain *c, const cJSON *v, const struct recheck *q)
{
	struct log_entry e;
	struct keccak k;
	struct b32 content;

	if (decode_log(v, &c->filter, &c->owner->profile, &e) != OK)
		return false;
	keccak_init(&k);
	for (unsigned i = 0; i < e.topics; i++)
		keccak_update(&k, e.topic[i].b, sizeof(e.topic[i].b));
	keccak_update(&k, e.data, e.len);
	keccak_final(&k, content.b);
	free(e.data);
	return e.index == q->log_index && e.block == q->number && b32_eq(&e.block_hash, &q->hash) &&
	       addr_eq(&e.contract, &q->contract) && b32_eq(&content, &q->content);
}

static bool holds_log(const struct chain *c, const cJSON *receipt, const struct recheck *q)
{
	const cJSON *logs = json_get(receipt, "logs");

	for (const cJSON *v = cJSON_IsArray(logs) ? logs->child : NULL; v; v = v->next)
		if (is_log(c, v, q))
			return true;
	return false;
}

static void contradicts(struct chain *c, const char *endpoint)
{
	chain_refuse(c, endpoint, "a receipt does not hold the log that was read");
	jsonrpc_move_on(c->rpc, endpoint);
}

static enum err take(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	const struct recheck *q = &c->rechecks[i / 2];
	enum verdict *v = &c->recheck_block;

	if (i % 2 == 0) {
		*v = verdict_of(r, &q->hash);
		return OK;
	}
	if (*v == VERDICT_STANDS && (r->outcome != RPC_OK || !holds_log(c, r->result, q))) {
		*v = VERDICT_UNKNOWN;
		if (r->outcome == RPC_OK && !cJSON_IsNull(r->result))
			contradicts(c, r->endpoint);
	}
	answer(c, q, *v);
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
	static char block[AT_ONCE][PARAM_MAX], tx[AT_ONCE][PARAM_MAX];
	struct jsonrpc_call calls[2 * AT_ONCE];
	unsigned n = c->recheck_count < AT_ONCE ? c->recheck_count : AT_ONCE;

	for (unsigned i = 0; i < n; i++) {
		const struct recheck *q = &c->rechecks[i];

		calls[2 * i] = (struct jsonrpc_call){
			.method = "eth_getBlockByNumber", .params = param_block(block[i], q->number),
		};
		calls[2 * i + 1] = (struct jsonrpc_call){
			.method = "eth_getTransactionReceipt", .params = param_tx(tx[i], &q->tx_hash),
		};
	}
	c->recheck_asked = n;
	c->recheck.take = take;
	c->recheck.finish = on_answers;
	ask_send_guarded(&c->recheck, c, calls, 2 * n, ANSWERS_S);
}

static void on_gathered(void *owner)
{
	struct chain *c = owner;

	if (c->recheck_count && !c->recheck.batch)
		ask(c);
}

void recheck_add(struct chain *c, const struct recheck *q)
{
	if (c->recheck_count == RECHECKS_MAX) {
		answer(c, q, VERDICT_UNKNOWN);
		return;
	}
	c->rechecks[c->recheck_count++] = *q;
	loop_defer(c->owner->loop, on_gathered, c);
}
