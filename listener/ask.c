/* ask - calls in flight for one purpose, and the parameters they share. */

#include <inttypes.h>
#include <stdio.h>

#include "common/log.h"
#include "listener/listener.h"

enum err ask_result(const struct jsonrpc_reply *r)
{
	return r->outcome == RPC_OK ? OK : ERR_UNKNOWN;
}

static enum err outcome_error(const struct jsonrpc_reply *r)
{
	switch (r->outcome) {
	case RPC_OK:
	case RPC_ERROR:
		return OK;
	case RPC_NOT_SENT:
		return ERR_CLOSED;
	case RPC_THROTTLED:
		return ERR_FULL;
	case RPC_AMBIGUOUS:
		break;
	}
	return ERR_TIMEOUT;
}

/* A URL that leads to another chain all at once: nothing in this batch is believed. */
static void on_chain_id(void *owner, const struct jsonrpc_reply *r)
{
	struct ask *a = owner;
	struct chain *c = a->chain;
	uint64_t id;

	if (r->outcome != RPC_OK || json_u64(r->result, &id) != OK ||
	    id == jsonrpc_chain_id(a->rpc))
		return;
	a->foreign = true;
	if (a->rpc == c->rpc)
		c->head_known = false;	/* it may have been that chain's */
	jsonrpc_doubt(a->rpc, r->endpoint);
}

static void on_reply(void *owner, const struct jsonrpc_reply *r)
{
	struct ask *a = owner;
	unsigned i = a->got++;
	enum err e = a->foreign ? ERR_CLOSED : outcome_error(r);

	if (!e)
		e = a->take(a->chain, i, r);
	if (e && !a->e) {
		a->e = e;
		a->refused = r->outcome == RPC_ERROR;
		snprintf(a->why, sizeof(a->why), "%s", r->message[0] ? r->message : err_text(e));
	}
	if (a->got < a->count)
		return;
	snprintf(a->endpoint, sizeof(a->endpoint), "%s", r->endpoint);
	a->batch = NULL;
	a->finish(a->chain, a);
}

static void send(struct ask *a, int endpoint, const struct jsonrpc_call *calls, unsigned count,
		 double timeout_s, bool guarded)
{
	struct jsonrpc_call own[JSONRPC_BATCH_MAX] = {
		{ .method = "eth_chainId", .params = "[]", .on_reply = on_chain_id, .owner = a },
	};

	check(!a->batch && count + guarded <= JSONRPC_BATCH_MAX);
	memcpy(own + guarded, calls, count * sizeof(own[0]));
	for (unsigned i = guarded; i < count + guarded; i++) {
		own[i].on_reply = on_reply;
		own[i].owner = a;
	}
	a->count = count;
	a->got = 0;
	a->e = OK;
	a->refused = a->foreign = false;
	check(jsonrpc_send(a->rpc, endpoint, own, count + guarded, timeout_s, &a->batch) == OK);
}

void ask_send(struct ask *a, struct chain *c, int endpoint, const struct jsonrpc_call *calls,
	      unsigned count, double timeout_s)
{
	a->chain = c;
	a->rpc = c->rpc;
	send(a, endpoint, calls, count, timeout_s, false);
}

void ask_send_guarded(struct ask *a, struct chain *c, const struct jsonrpc_call *calls,
		      unsigned count, double timeout_s)
{
	a->chain = c;
	a->rpc = c->rpc;
	send(a, -1, calls, count, timeout_s, true);
}

void ask_send_parent(struct ask *a, struct chain *c, bool guarded,
		     const struct jsonrpc_call *calls, unsigned count, double timeout_s)
{
	a->chain = c;
	a->rpc = c->parent->rpc;
	send(a, -1, calls, count, timeout_s, guarded);
}

void ask_cancel(struct ask *a)
{
	jsonrpc_cancel(&a->batch);
}

const char *param_block(char out[PARAM_MAX], uint64_t number)
{
	snprintf(out, PARAM_MAX, "[\"0x%" PRIx64 "\",false]", number);
	return out;
}

const char *param_hash(char out[PARAM_MAX], const struct b32 *hash)
{
	char hex[2 * 32 + 3];

	snprintf(out, PARAM_MAX, "[\"%s\",false]", hex_encode0x(BYTES_OF(hash->b), hex));
	return out;
}

const char *param_tx(char out[PARAM_MAX], const struct b32 *hash)
{
	char hex[2 * 32 + 3];

	snprintf(out, PARAM_MAX, "[\"%s\"]", hex_encode0x(BYTES_OF(hash->b), hex));
	return out;
}
