/*
 * send - signed bytes in nonce order, the same bytes again until their nonce is used, then
 * the receipt.  There is no cancel: a signed nonce is always used by its own call.
 */

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/proc.h"
#include "submitter/rpc_error.h"
#include "submitter/submitter.h"

#define SEND_TIMEOUT_S   10.0
#define RESEND_MIN_MS    1000
#define RESEND_MAX_MS    1250
#define HANG_MS          1500	/* no answer for so long, and its turn has come; then twice that, .. */
#define NO_METHOD        (-32601)
#define LOOKS_MAX        12	/* in 20 s: receipts asked for before it is asked whether it is lost */
#define SEND_BATCH_MAX   16

/* A call on its way; the transaction may be gone or replaced when it returns. */
struct trial {
	struct lane *lane;
	uint64_t nonce;
	struct b32 hash;
};

static void *new_trial(const struct tx *t)
{
	struct trial *trial = malloc(sizeof(*trial));

	check(trial != NULL);
	*trial = (struct trial){ .lane = t->lane, .nonce = t->nonce, .hash = t->hash };
	return trial;
}

struct tx *find_tx(struct lane *l, uint64_t nonce)
{
	struct tx *t = l->txs;

	while (t && t->nonce != nonce)
		t = t->next;
	return t;
}

static struct tx *find_tried(struct trial *trial)
{
	struct tx *t = find_tx(trial->lane, trial->nonce);
	bool same = t && b32_eq(&t->hash, &trial->hash);

	free(trial);
	return same ? t : NULL;
}

static void count_in_flight(struct lane *l)
{
	l->in_flight = 0;
	for (struct tx *t = l->txs; t; t = t->next)
		l->in_flight += t->step != TX_READY;
	gauge(CNT_SUBMITTER_in_flight, l->in_flight);
}

static void drop(struct tx *t)
{
	struct lane *l = t->lane;
	struct tx **p = &l->txs;

	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	free(t->raw);
	free(t);
	count_in_flight(l);
	if (l->pause == PAUSE_untaken)
		lane_resume(l);		/* one was taken after all */
}

/* From the signer: new, or the same bytes again, or the same call with more gas or fee. */
void tx_put(struct lane *l, const struct msg_tx_signed *m)
{
	struct tx *t = find_tx(l, m->nonce), **p = &l->txs;

	if (m->nonce < l->chain_nonce && !t && m->first)
		log_say(EV_T003_foreign_nonce, "chain=%s nonce=%llu", l->name, (unsigned long long)m->nonce);
	if (t) {
		t->raising = false;
		if (b32_eq(&t->hash, &m->hash))
			return;
		t->before = t->hash;
	} else {
		t = calloc(1, sizeof(*t));
		check(t != NULL);
		while (*p && (*p)->nonce < m->nonce)
			p = &(*p)->next;
		t->next = *p;
		*p = t;
	}
	free(t->raw);
	t->raw = malloc(m->raw.len);
	check(t->raw != NULL);
	memcpy(t->raw, m->raw.p, m->raw.len);
	t->raw_len = m->raw.len;
	t->lane = l;
	t->step = TX_READY;
	t->nonce = m->nonce;
	t->op = m->op;
	t->kind = m->kind;
	t->id = m->id;
	t->hash = m->hash;
	t->gas = m->gas;
	t->max_fee = m->max_fee;
	t->again_ms = 0;
	count_in_flight(l);
}

/* What the node said of the bytes. */

static void wait_again(struct tx *t)
{
	t->again_ms = clock_mono_ms() + (t->sends < 2 ? RESEND_MIN_MS : RESEND_MAX_MS);
}

/*
 * The same call at the same nonce with more, wanted or not; only after a node has surely refused
 * it.  With a base fee above the cap the lane is paused, and this waits.
 */
static void ask_more(struct tx *t, bool more_gas)
{
	struct lane *l = t->lane;
	uint64_t fee = lane_fee(l), gas = more_gas ? t->gas + t->gas / 4 : t->gas;
	char why[200];

	t->step = TX_READY;
	if (gas > l->s->max_gas)
		gas = l->s->max_gas;
	if (gas < t->gas || (more_gas && gas == t->gas)) {
		snprintf(why, sizeof(why), "nonce %llu needs more gas than sign.max_gas permits",
			 (unsigned long long)t->nonce);
		lane_pause(l, PAUSE_untaken, why);
		return;
	}
	if (fee < t->max_fee)
		fee = t->max_fee;
	if (!t->raising && l->base_fee <= l->s->max_fee && (gas > t->gas || fee > t->max_fee))
		t->raising = ask_raise(t, gas, fee) == OK;
}

/* It stays as it is and is tried again. */
void tx_not_raised(struct tx *t, const struct msg_sign_refused *m)
{
	struct lane *l = t->lane;
	char why[200];

	t->raising = false;
	if (lane_over_budget(l, m, why))
		return;
	if (bytes_is(m->rule, "raise"))
		(void)!ask_tx(l, t->nonce);	/* it was raised before, and that answer was lost */
	else
		lane_pause(l, PAUSE_untaken, why);
}

static void say_sent(struct tx *t)
{
	const struct answer *a = find_wanted(t->lane, t->kind, &t->id);
	struct msg_sent m = { .op = a ? a->op : 0, .nonce = t->nonce };

	if (!a || send_sent(t->lane->s->executor, &m) != OK)
		return;
}

static void on_taken(struct tx *t)
{
	if (t->lane->pause == PAUSE_untaken && t->nonce <= t->lane->chain_nonce)
		lane_resume(t->lane);
	t->step = TX_SENT;
	wait_again(t);
	say_sent(t);
}

static void on_refused(struct tx *t, const struct jsonrpc_reply *r)
{
	struct lane *l = t->lane;

	switch (r->code == NO_METHOD ? SEND_refusing : send_class_of(r->message)) {
	case SEND_accepted:
		on_taken(t);
		return;
	case SEND_nonce_low:
		t->step = TX_LOOKING;
		t->again_ms = 0;
		return;
	case SEND_fee_low:
		l->account_ms = 0;	/* the base fee we know is too old */
		ask_more(t, false);
		return;
	case SEND_gas_low:
		ask_more(t, true);
		return;
	case SEND_funds:
		t->step = TX_READY;
		lane_pause(l, PAUSE_funds, "our account cannot pay for a transaction");
		return;
	case SEND_refusing:
		t->step = TX_READY;
		jsonrpc_move_on(l->rpc, r->endpoint);
		lane_pause(l, PAUSE_untaken, "the node does not take our transactions");
		return;
	case SEND_gap:
	case SEND_busy:
		t->step = TX_READY;
		return;
	case SEND_ambiguous:
		t->step = TX_SENT;
		return;
	}
}

/* One batch at a time, so that bytes arrive in nonce order. */
static bool is_sending(const struct lane *l)
{
	for (struct tx *t = l->txs; t; t = t->next)
		if (t->step == TX_SENDING)
			return true;
	return false;
}

bool txs_sent(const struct lane *l)
{
	for (struct tx *t = l->txs; t; t = t->next)
		if (t->step == TX_SENT && t->nonce >= l->chain_nonce)
			return true;
	return false;
}

static void on_send_reply(void *owner, const struct jsonrpc_reply *r)
{
	struct lane *l = ((struct trial *)owner)->lane;
	struct tx *t = find_tried(owner);

	if (!t || t->step != TX_SENDING)
		return;
	wait_again(t);
	if (r->outcome == RPC_OK)
		on_taken(t);
	else if (r->outcome == RPC_ERROR)
		on_refused(t, r);
	else if (r->outcome == RPC_AMBIGUOUS)
		t->step = TX_SENT;	/* perhaps taken: the same bytes again, later */
	else
		t->step = TX_READY;
	count_in_flight(l);
	if (!is_sending(l))
		lane_look(l);
	lane_work(l);
}

static bool is_due(const struct lane *l, const struct tx *t, uint64_t now)
{
	if (t->raising || t->nonce < l->chain_nonce)
		return false;
	if (t->step == TX_READY)
		return t->again_ms <= now;
	/* Taken, but its turn has come and it is not used: perhaps lost. */
	return t->step == TX_SENT && t->nonce == l->chain_nonce && t->again_ms <= now &&
	       l->answered_ms + RESEND_MIN_MS > now;
}

/*
 * The turn of T has come, and it is not used.  A node holds what comes before its turn for a while,
 * and answers a batch when it has done so with each: if T was lost, they wait there in vain.
 */
static bool is_hanging(const struct lane *l, const struct tx *t, uint64_t now)
{
	return t && (t->step == TX_SENDING || t->step == TX_SENT) && t->again_ms <= now &&
	       l->answered_ms + RESEND_MIN_MS > now;
}

static void send_batch(struct lane *l, struct tx **batch, unsigned n)
{
	struct jsonrpc_call call[SEND_BATCH_MAX];
	char *params[SEND_BATCH_MAX];

	for (unsigned i = 0; i < n; i++) {
		struct tx *t = batch[i];
		params[i] = malloc(2 * t->raw_len + 8);
		check(params[i] != NULL);
		memcpy(params[i], "[\"", 2);
		hex_encode0x(BYTES(t->raw, t->raw_len), params[i] + 2);
		memcpy(params[i] + 4 + 2 * t->raw_len, "\"]", 3);
		call[i] = (struct jsonrpc_call){ .method = "eth_sendRawTransaction", .params = params[i],
						 .on_reply = on_send_reply, .owner = new_trial(t) };
		t->step = TX_SENDING;
		count(CNT_SUBMITTER_sends, 1);
		if (t->sends++)
			count(CNT_SUBMITTER_resends, 1);
		t->again_ms = clock_mono_ms() + (uint64_t)HANG_MS * t->sends;
	}
	enum err e = jsonrpc_send(l->rpc, -1, call, n, SEND_TIMEOUT_S, NULL);
	struct jsonrpc_reply none = { .outcome = RPC_NOT_SENT, .message = "no memory" };
	for (unsigned i = 0; i < n; i++) {
		free(params[i]);
		if (e)
			on_send_reply(call[i].owner, &none);
	}
	count_in_flight(l);
}

/* The reason to wait is gone: what waits for its time goes now. */
void txs_hurry(struct lane *l)
{
	for (struct tx *t = l->txs; t; t = t->next)
		if (t->step == TX_READY)
			t->again_ms = 0;
}

static void send_due(struct lane *l)
{
	struct tx *batch[SEND_BATCH_MAX];
	uint64_t now = clock_mono_ms();
	bool hangs = is_hanging(l, find_tx(l, l->chain_nonce), now);
	unsigned n = 0, ahead = 0;

	if (!l->has_account || l->paused_by_operator || (is_sending(l) && !hangs))
		return;
	for (struct tx *t = l->txs; t && n < SEND_BATCH_MAX && ahead < l->s->window; t = t->next) {
		if (t->nonce < l->chain_nonce)
			continue;
		ahead++;
		if (is_due(l, t, now) || (hangs && t->step == TX_SENDING && t->again_ms <= now))
			batch[n++] = t;
		else if (t->step == TX_READY)
			break;		/* nothing overtakes it */
	}
	if (n)
		send_batch(l, batch, n);
}

/* Receipts. */

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
	struct lane *l = ((struct trial *)owner)->lane;
	struct tx *t = find_tried(owner);
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
	drop(t);
	lane_work(l);
}

static void ask_why(struct tx *t, const char *block)
{
	struct lane *l = t->lane;
	struct answer *a = find_wanted(l, t->kind, &t->id);
	char from[ADDR_TEXT], to[ADDR_TEXT];

	count(CNT_SUBMITTER_reverted, 1);
	if (!a) {
		drop(t);
		return;
	}
	size_t cap = 2 * a->calldata.len + 400;
	char *params = malloc(cap), *data = malloc(2 * a->calldata.len + 3);
	check(params != NULL && data != NULL);
	snprintf(params, cap, "[{\"from\":\"%s\",\"to\":\"%s\",\"data\":\"%s\"},\"%s\"]",
		 addr_text(&l->s->account, from), addr_text(&a->contract, to),
		 hex_encode0x(a->calldata, data), block);
	struct jsonrpc_call call = { .method = "eth_call", .params = params, .on_reply = on_why,
				     .owner = new_trial(t) };
	t->looks = 0;
	if (jsonrpc_send(l->rpc, -1, &call, 1, SEND_TIMEOUT_S, NULL) != OK)
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
	drop(t);
}

/*
 * Lost?  One batch, so that one node says both, and its nonce first: if that is used and it does
 * not know the transaction then, another one used it.
 */
static void on_count(void *owner, const struct jsonrpc_reply *r)
{
	struct tx *t = find_tried(owner);
	uint64_t nonce;

	if (t)
		t->passed = r->outcome == RPC_OK && json_u64(r->result, &nonce) == OK &&
			    nonce > t->nonce;
}

static void on_known(void *owner, const struct jsonrpc_reply *r)
{
	struct lane *l = ((struct trial *)owner)->lane;
	struct tx *t = find_tried(owner);

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
		  .owner = new_trial(t) },
		{ .method = "eth_getTransactionByHash", .params = transaction, .on_reply = on_known,
		  .owner = new_trial(t) },
	};

	t->again_ms = clock_mono_ms() + (uint64_t)(SEND_TIMEOUT_S * 1000);
	snprintf(account, sizeof(account), "[\"%s\",\"latest\"]", addr_text(&l->s->account, text));
	snprintf(transaction, sizeof(transaction), "[\"%s\"]",
		 hex_encode0x(BYTES_OF(t->hash.b), text));
	if (jsonrpc_send(l->rpc, -1, call, ARRAY_LEN(call), SEND_TIMEOUT_S, NULL) != OK)
		for (size_t i = 0; i < ARRAY_LEN(call); i++)
			free(call[i].owner);
}

static void on_receipt(void *owner, const struct jsonrpc_reply *r)
{
	struct lane *l = ((struct trial *)owner)->lane;
	struct tx *t = find_tried(owner);
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
		drop(t);
	} else {
		snprintf(block, sizeof(block), "0x%llx", (unsigned long long)m.block);
		ask_why(t, block);
	}
	lane_work(l);
}

static void look_for_receipts(struct lane *l)
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
						 .on_reply = on_receipt, .owner = new_trial(t) };
		n++;
	}
	if (!n)
		return;
	count_in_flight(l);
	if (jsonrpc_send(l->rpc, -1, call, n, SEND_TIMEOUT_S, NULL) != OK)
		for (unsigned i = 0; i < n; i++)
			free(call[i].owner);
}

void txs_look(struct lane *l)
{
	look_for_receipts(l);
}

/*
 * Blocks left, or a node is behind.  A receipt on its way may be of a block that left: it is not
 * believed, and the bytes are sent again.  What a node took it may have forgotten.
 */
void txs_rewind(struct lane *l)
{
	for (struct tx *t = l->txs; t; t = t->next) {
		if (t->nonce < l->chain_nonce || t->step == TX_SENDING)
			continue;
		if (t->step == TX_LOOKING)
			t->step = TX_READY;
		t->again_ms = 0;
	}
}

/* Bytes of an earlier run, from the chain's nonce to the journal's. */
static void fetch_signed(struct lane *l)
{
	if (!l->has_account || !l->has_info || !link_is_up(l->s->signer))
		return;
	if (l->fetching_nonce < l->chain_nonce)
		l->fetching_nonce = l->chain_nonce;
	while (l->fetching_nonce < l->next_nonce && link_credit(l->s->signer, &ipc_get_tx)) {
		uint64_t nonce = l->fetching_nonce++;
		if (!find_tx(l, nonce) && ask_tx(l, nonce) != OK) {
			l->fetching_nonce = nonce;
			return;
		}
	}
}

void txs_work(struct lane *l)
{
	fetch_signed(l);
	look_for_receipts(l);
	send_due(l);
}
