/*
 * receipt - what became of a transaction whose nonce is used: it was included, it reverted and
 * why, or another one took its nonce.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/proc.h"
#include "submitter/submitter.h"

#define CALL_TIMEOUT_S 10.0
#define LOOKS_MAX      12	/* in 20 s: receipts asked for before it is asked whether it is lost */

/* When nobody wants it (now), whoever submits it again hears "already answered". */
static void say_included(const struct tx *t, struct msg_included *m)
{
	struct answer *a = find_wanted(t->lane, t->kind, &t->id);

	if (!a)
		return;
	m->op = a->op;
	answer_drop(a);
	if (send_included(t->lane->s->executor, m) != OK)
		return;		/* the next executor submits it again */
}

/* It was included and reverted: why, by the same call at that block's state. */
static void on_why(void *owner, const struct jsonrpc_reply *r)
{
	struct lane *l = ((struct inquiry *)owner)->lane;
	struct tx *t = find_inquired(owner);
	const char *name = NULL;
	char why[200];

	if (!t || t->step != TX_LOOKING || (r->outcome != RPC_OK && r->outcome != RPC_ERROR))
		return;		/* the receipt is asked for again, and then this */
	enum revert_meaning meaning = profile_revert(&l->s->profile, r->data, &name);
	snprintf(why, sizeof(why), "its transaction reverted: %s", name ? name : "no reason to be had");
	log_say(EV_T004_reverted, "op=%llu nonce=%llu why=\"%s\"", (unsigned long long)t->op,
		(unsigned long long)t->nonce, why);
	struct answer *a = find_wanted(l, t->kind, &t->id);
	if (a && meaning == REVERT_already_answered)
		answer_failed(a, FAIL_already, why);
	else if (a && meaning == REVERT_final)
		answer_failed(a, FAIL_reverted, why);
	else if (a)
		answer_replace(a);	/* what was so then may be over: the estimate tells */
	tx_drop(t);
	lane_work(l);
}

static void ask_why(struct tx *t, const char *block)
{
	struct lane *l = t->lane;
	struct answer *a = find_wanted(l, t->kind, &t->id);
	char from[ADDR_TEXT], to[ADDR_TEXT];

	count(CNT_SUBMITTER_reverted, 1);
	if (!a) {
		tx_drop(t);
		return;
	}
	size_t cap = 2 * a->calldata.len + 400;
	char *params = malloc(cap), *data = malloc(2 * a->calldata.len + 3);
	check(params != NULL && data != NULL);
	snprintf(params, cap, "[{\"from\":\"%s\",\"to\":\"%s\",\"data\":\"%s\"},\"%s\"]",
		 addr_text(&l->s->account, from), addr_text(&a->contract, to),
		 hex_encode0x(a->calldata, data), block);
	struct jsonrpc_call call = { .method = "eth_call", .params = params, .on_reply = on_why,
				     .owner = new_inquiry(t) };
	t->looks = 0;
	if (jsonrpc_send(l->rpc, -1, &call, 1, CALL_TIMEOUT_S, NULL) != OK)
		free(call.owner);
	free(params);
	free(data);
}

static enum err read_receipt(const struct tx *t, const cJSON *v, struct msg_included *m)
{
	struct u256 price;
	enum err e = json_b32(json_get(v, "transactionHash"), &m->hash);

	if (!e && !b32_eq(&m->hash, &t->hash) && !b32_eq(&m->hash, &t->before))
		e = ERR_MISMATCH;
	e = e ? e : json_u64(json_get(v, "blockNumber"), &m->block);
	e = e ? e : json_b32(json_get(v, "blockHash"), &m->block_hash);
	e = e ? e : json_u64(json_get(v, "status"), &m->status);
	e = e ? e : json_u64(json_get(v, "gasUsed"), &m->gas);
	if (e)
		return e;
	m->nonce = t->nonce;
	if (json_u256(json_get(v, "effectiveGasPrice"), &price) == OK &&
	    !u256_mul_u64(&price, m->gas, &m->fee))
		m->fee = (struct u256){ { 0 } };
	return OK;
}

/* The nonce is used, and not by these bytes: others use our key, or it was lost for good. */
static void on_lost(struct tx *t)
{
	struct lane *l = t->lane;
	struct answer *a = find_wanted(l, t->kind, &t->id);

	count(CNT_SUBMITTER_foreign_nonces, 1);
	log_say(EV_T003_foreign_nonce, "chain=%s nonce=%llu", l->name, (unsigned long long)t->nonce);
	if (a)
		answer_replace(a);
	tx_drop(t);
}

/*
 * Lost?  One batch, so that one node says both, and its nonce first: if that is used and it does
 * not know the transaction then, another one used it.
 */
static void on_count(void *owner, const struct jsonrpc_reply *r)
{
	struct tx *t = find_inquired(owner);
	uint64_t nonce;

	if (t)
		t->passed = r->outcome == RPC_OK && json_u64(r->result, &nonce) == OK &&
			    nonce > t->nonce;
}

static void on_known(void *owner, const struct jsonrpc_reply *r)
{
	struct lane *l = ((struct inquiry *)owner)->lane;
	struct tx *t = find_inquired(owner);

	if (!t || t->step != TX_LOOKING)
		return;
	t->looks = 0;
	t->again_ms = 0;
	if (!t->passed)
		jsonrpc_move_on(l->rpc, r->endpoint);
	else if (r->outcome == RPC_OK && cJSON_IsNull(r->result))
		on_lost(t);
	lane_work(l);
}

static void ask_lost(struct tx *t)
{
	struct lane *l = t->lane;
	char account[80], transaction[80], text[67];
	struct jsonrpc_call call[] = {
		{ .method = "eth_getTransactionCount", .params = account, .on_reply = on_count,
		  .owner = new_inquiry(t) },
		{ .method = "eth_getTransactionByHash", .params = transaction, .on_reply = on_known,
		  .owner = new_inquiry(t) },
	};

	t->again_ms = clock_mono_ms() + (uint64_t)(CALL_TIMEOUT_S * 1000);
	snprintf(account, sizeof(account), "[\"%s\",\"latest\"]", addr_text(&l->s->account, text));
	snprintf(transaction, sizeof(transaction), "[\"%s\"]",
		 hex_encode0x(BYTES_OF(t->hash.b), text));
	if (jsonrpc_send(l->rpc, -1, call, ARRAY_LEN(call), CALL_TIMEOUT_S, NULL) != OK)
		for (size_t i = 0; i < ARRAY_LEN(call); i++)
			free(call[i].owner);
}

static void on_receipt(void *owner, const struct jsonrpc_reply *r)
{
	struct lane *l = ((struct inquiry *)owner)->lane;
	struct tx *t = find_inquired(owner);
	struct msg_included m = { .op = 0 };
	char block[20];

	if (!t || t->step != TX_LOOKING)
		return;
	t->again_ms = clock_mono_ms() + 250 + 250 * (uint64_t)t->looks;
	if (r->outcome != RPC_OK)
		return;
	if (cJSON_IsNull(r->result)) {
		if (++t->looks > LOOKS_MAX && t->nonce < l->chain_nonce)
			ask_lost(t);
		else if (t->nonce >= l->chain_nonce)
			t->step = TX_SENT;	/* the nonce went back: a reorg, or a node behind */
		return;
	}
	if (read_receipt(t, r->result, &m))
		return;
	count(CNT_SUBMITTER_gas_used, m.gas);
	if (m.status == 1) {
		count(CNT_SUBMITTER_included, 1);
		say_included(t, &m);
		tx_drop(t);
	} else {
		snprintf(block, sizeof(block), "0x%llx", (unsigned long long)m.block);
		ask_why(t, block);
	}
	lane_work(l);
}

void txs_look(struct lane *l)
{
	struct jsonrpc_call call[JSONRPC_BATCH_MAX];
	char params[JSONRPC_BATCH_MAX][80], hash[67];
	uint64_t now = clock_mono_ms();
	unsigned n = 0;

	for (struct tx *t = l->txs; t && n < JSONRPC_BATCH_MAX; t = t->next) {
		if (t->step == TX_SENDING || (t->nonce >= l->chain_nonce && t->step != TX_LOOKING) ||
		    (t->step == TX_LOOKING && t->again_ms > now))
			continue;
		t->step = TX_LOOKING;
		t->again_ms = now + 5000;
		/* Bytes that a node refused may have reached another one before they were raised. */
		bool older = t->looks % 2 && !b32_is_zero(&t->before);
		snprintf(params[n], sizeof(params[n]), "[\"%s\"]",
			 hex_encode0x(BYTES_OF((older ? &t->before : &t->hash)->b), hash));
		call[n] = (struct jsonrpc_call){ .method = "eth_getTransactionReceipt", .params = params[n],
						 .on_reply = on_receipt, .owner = new_inquiry(t) };
		n++;
	}
	if (!n)
		return;
	txs_count(l);
	if (jsonrpc_send(l->rpc, -1, call, n, CALL_TIMEOUT_S, NULL) != OK)
		for (unsigned i = 0; i < n; i++)
			free(call[i].owner);
}
