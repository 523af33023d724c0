/*
 * send - signed bytes in nonce order, the same bytes again until their nonce is used; then
 * receipt.c has them.  There is no cancel: a signed nonce is always used by its own call.
 */

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/proc.h"
#include "submitter/rpc_error.h"
#include "submitter/submitter.h"

#define SEND_TIMEOUT_S   10.0
#define RESEND_MIN_MS    250	/* not taken, or in doubt; then twice as long each time */
#define RESEND_MAX_MS    1250
#define UNUSED_MS        1000	/* taken or not answered, and its turn has come; then RESEND_MAX_MS */
#define NO_METHOD        (-32601)
#define SEND_BATCH_MAX   16

struct inquiry *new_inquiry(const struct tx *t)
{
	struct inquiry *q = malloc(sizeof(*q));

	check(q != NULL);
	*q = (struct inquiry){ .lane = t->lane, .nonce = t->nonce, .hash = t->hash };
	return q;
}

struct tx *find_tx(struct lane *l, uint64_t nonce)
{
	struct tx *t = l->txs;

	while (t && t->nonce != nonce)
		t = t->next;
	return t;
}

struct tx *find_inquired(struct inquiry *q)
{
	struct tx *t = find_tx(q->lane, q->nonce);
	bool same = t && b32_eq(&t->hash, &q->hash);

	free(q);
	return same ? t : NULL;
}

void txs_count(struct lane *l)
{
	l->in_flight = 0;
	for (struct tx *t = l->txs; t; t = t->next)
		l->in_flight += t->step != TX_READY;
	gauge(CNT_SUBMITTER_in_flight, l->in_flight);
}

void tx_drop(struct tx *t)
{
	struct lane *l = t->lane;
	struct tx **p = &l->txs;

	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	free(t->raw);
	free(t);
	txs_count(l);
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
	txs_count(l);
}

/* What the node said of the bytes. */

static void wait_again(struct tx *t)
{
	uint64_t ms = RESEND_MIN_MS;

	for (unsigned i = 1; i < t->sends && ms < RESEND_MAX_MS; i++)
		ms *= 2;
	t->again_ms = clock_mono_ms() + ms;
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

/* When it may be lost, though a node has had it. */
static uint64_t unused_at(const struct tx *t)
{
	return clock_mono_ms() + (t->sends < 2 ? UNUSED_MS : RESEND_MAX_MS);
}

static void say_sent(struct tx *t)
{
	const struct answer *a = find_wanted(t->lane, t->kind, &t->id);
	struct msg_sent m = { .op = a ? a->op : 0, .nonce = t->nonce };

	if (!a || send_sent(t->lane->s->executor, &m) != OK)
		return;
}

/* Perhaps taken: the same bytes again, later. */
static void on_doubt(struct tx *t)
{
	t->step = TX_SENT;
	t->in_doubt = true;
}

static void on_taken(struct tx *t)
{
	if (t->lane->pause == PAUSE_untaken && t->nonce <= t->lane->chain_nonce)
		lane_resume(t->lane);
	t->step = TX_SENT;
	t->in_doubt = t->lane->is_poor = false;
	t->again_ms = unused_at(t);
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
		l->is_poor = true;
		l->poor_balance = l->balance;
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
		on_doubt(t);
		return;
	}
}

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

/* It had been taken and was lost: then those behind it are, too.  A node that has it says so. */
static void doubt_those_behind(const struct tx *lost)
{
	for (struct tx *t = lost->next; t; t = t->next)
		if (t->step == TX_SENT)
			t->in_doubt = true;
}

/* Who took the bytes says their hash. */
static bool is_taken(const struct tx *t, const struct jsonrpc_reply *r)
{
	struct b32 hash;

	return r->outcome == RPC_OK && json_b32(r->result, &hash) == OK && b32_eq(&hash, &t->hash);
}

/* A node has had it. */
static void on_heard(struct tx *t, const struct jsonrpc_reply *r)
{
	count(CNT_SUBMITTER_sends, 1);
	count(CNT_SUBMITTER_resends, t->sends > 1);
	wait_again(t);
	if (is_taken(t, r)) {
		if (t->was_taken)
			doubt_those_behind(t);
		on_taken(t);
	} else if (r->outcome == RPC_ERROR)
		on_refused(t, r);
	else
		on_doubt(t);
}

/* It was asked too often, or none was reached. */
static void on_unsent(struct tx *t)
{
	t->sends--;
	t->step = TX_READY;
	t->again_ms = clock_mono_ms() + RESEND_MIN_MS;
}

static void on_send_reply(void *owner, const struct jsonrpc_reply *r)
{
	struct lane *l = ((struct inquiry *)owner)->lane;
	struct tx *t = find_inquired(owner);

	if (!t || t->step != TX_SENDING)
		return;
	if (r->outcome == RPC_NOT_SENT || r->outcome == RPC_THROTTLED)
		on_unsent(t);
	else
		on_heard(t, r);
	if (t->step != TX_SENT || t->in_doubt)
		l->batch_max = 1;
	txs_count(l);
	if (!is_sending(l) || (t->sends > 1 && t->nonce == l->chain_nonce))
		lane_look(l);
	lane_work(l);
}

/* LEADS: all before it are used, or go again with it. */
static bool is_due(const struct lane *l, const struct tx *t, bool leads, uint64_t now)
{
	bool is_next = t->nonce == l->chain_nonce;

	if (t->raising || t->again_ms > now)
		return false;
	if (t->step == TX_READY)
		return true;
	if (l->answered_ms + UNUSED_MS <= now)
		return false;	/* what we know of the chain is old */
	/* Its turn has come and it is not used: perhaps lost.  If those of its batch are held for it,
	   the answer comes too late. */
	if (t->step == TX_SENDING)
		return is_next;
	return t->step == TX_SENT && leads && (t->in_doubt || is_next);
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
						 .on_reply = on_send_reply, .owner = new_inquiry(t) };
		t->was_taken = t->step == TX_SENT && !t->in_doubt;
		t->step = TX_SENDING;
		t->again_ms = unused_at(t);
		t->sends++;
	}
	enum err e = jsonrpc_send(l->rpc, -1, call, n, SEND_TIMEOUT_S, NULL);
	struct jsonrpc_reply none = { .outcome = RPC_NOT_SENT, .message = "no memory" };
	for (unsigned i = 0; i < n; i++) {
		free(params[i]);
		if (e)
			on_send_reply(call[i].owner, &none);
	}
	txs_count(l);
}

/* The reason to wait is gone: what waits for its time goes now. */
void txs_hurry(struct lane *l)
{
	for (struct tx *t = l->txs; t; t = t->next)
		if (t->step == TX_READY)
			t->again_ms = 0;
}

/*
 * A node holds a nonce above its next one for a second, and answers a batch call by call: behind
 * one that was not taken a large batch would be held for long.  So after any trouble one goes
 * alone, then two, and so on; and what is missing before a batch goes while that is still held.
 */
static void send_due(struct lane *l)
{
	struct tx *batch[SEND_BATCH_MAX];
	uint64_t now = clock_mono_ms();
	unsigned n = 0, ahead = 0;

	if (!l->has_account || l->paused_by_operator)
		return;
	if (!l->batch_max)
		l->batch_max = 1;
	for (struct tx *t = l->txs; t && n < l->batch_max && ahead < l->s->window; t = t->next) {
		if (t->nonce < l->chain_nonce)
			continue;
		if (t->nonce != l->chain_nonce + ahead)
			break;		/* what is missing comes from the journal */
		if (is_due(l, t, ahead == n, now))
			batch[n++] = t;
		else if (t->step == TX_READY || t->step == TX_SENDING)
			break;		/* nothing overtakes it */
		ahead++;
	}
	if (!n)
		return;
	l->batch_max = 2 * l->batch_max < SEND_BATCH_MAX ? 2 * l->batch_max : SEND_BATCH_MAX;
	send_batch(l, batch, n);
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
		t->in_doubt = true;
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
	txs_look(l);
	send_due(l);
}
