/* sequencer - checks, execution, blocks. */

#include "tests/peers/fakechain/sequencer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "tests/peers/fakechain/gateway.h"
#include "tests/peers/fakechain/job.h"
#include "tests/peers/fakechain/subscribe.h"
#include "tests/peers/fakechain/tx.h"

#define ERROR_CODE (-32000)

struct waiting {
	struct waiting *next;
	struct tx *tx; /* owned */
	struct job *job; /* NULL: nobody waits for the answer */
	uint64_t expires_ms;
	size_t number; /* in the ledger */
	bool sync;
};

uint64_t account_nonce(const struct node *n, const struct addr *who, uint64_t at)
{
	struct key k = key_of(STATE_NONCE, NULL, who);

	return state_get_u64(n->state, &k, at);
}

struct u256 account_balance(const struct node *n, const struct addr *who, uint64_t at)
{
	struct key k = key_of(STATE_BALANCE, NULL, who);
	struct bytes v = state_get(n->state, &k, at);
	struct u256 b = { { 0 } };

	if (v.len == 32)
		memcpy(b.b, v.p, 32);
	return b;
}

void account_put(struct node *n, const struct addr *who, uint64_t nonce, const struct u256 *balance)
{
	struct key at_nonce = key_of(STATE_NONCE, NULL, who),
		   at_balance = key_of(STATE_BALANCE, NULL, who);
	uint64_t number = chain_open(n)->number;

	state_put_u64(n->state, &at_nonce, number, nonce);
	state_put(n->state, &at_balance, number, BYTES_OF(balance->b));
}

static uint64_t next_nonce(const struct node *n, const struct addr *who)
{
	return account_nonce(n, who, UINT64_MAX);
}

/* ---- execution ---- */

static uint64_t gas_wanted(const struct node *n, const struct tx *tx)
{
	return (tx_intrinsic_gas(tx->data) + gateway_gas(n, &tx->to, tx->data)) *
	       n->knobs.gas_percent / 100;
}

static void move_value(struct node *n, const struct tx *tx, struct u256 *balance)
{
	struct u256 theirs;

	if (u256_is_zero(&tx->value) || !u256_sub(balance, &tx->value, balance))
		return;
	if (addr_eq(&tx->to, &tx->from)) {
		u256_add(balance, &tx->value, balance);
		return;
	}
	theirs = account_balance(n, &tx->to, UINT64_MAX);
	u256_add(&theirs, &tx->value, &theirs);
	account_put(n, &tx->to, next_nonce(n, &tx->to), &theirs);
}

static void pay(struct node *n, struct tx *tx)
{
	struct u256 balance = account_balance(n, &tx->from, UINT64_MAX), fee;
	struct u256 used = u256_from_u64(tx->gas_used);

	u256_mul_u64(&used, chain_open(n)->base_fee, &fee);
	u256_sub(&balance, &fee, &balance);
	if (tx->status)
		move_value(n, tx, &balance);
	account_put(n, &tx->from, tx->nonce + 1, &balance);
}

static void execute(struct node *n, struct tx *tx)
{
	struct call c = { .n = n,
			  .from = tx->from,
			  .to = tx->to,
			  .data = tx->data,
			  .at = chain_open(n)->number };
	uint64_t wanted = gas_wanted(n, tx);

	logs_free(&tx->logs);
	tx->status = false;
	tx->gas_used = tx->gas;
	if (tx->kind == TX_LOG) {
		struct b32 topic[LOG_TOPICS_MAX];

		for (unsigned i = 0; i < tx->log->topics; i++)
			topic[i] = log_topic(tx->log, i);
		logs_add(&tx->logs,
			 log_new(&tx->log->address, topic, tx->log->topics, log_data(tx->log)));
		gateway_heard(n, tx->log, c.at);
		tx->status = true;
		tx->gas_used = 0;
	} else if (tx->kind == TX_CALL || tx->gas >= wanted) {
		gateway_call(&c);
		tx->status = !c.reverted;
		tx->gas_used = tx->status ? wanted : wanted * 2 / 3;
		tx->logs = c.logs;
		c.logs = (struct logs){ 0 };
		call_fini(&c);
	}
	if (tx->kind == TX_SIGNED)
		pay(n, tx);
	else
		tx->gas_used = 0;
	chain_add(n, tx);
}

void sequencer_run(struct node *n, struct tx *tx)
{
	execute(n, tx);
}

/* ---- blocks ---- */

void sequencer_seal(struct node *n)
{
	struct block *b = chain_open(n);

	chain_close(n);
	for (unsigned i = 0; i < b->txs; i++)
		if (b->tx[i]->kind == TX_SIGNED)
			ledger_included(n->ledger, b->tx[i]);
	subscribe_block(n, b);
	for (unsigned i = 0; i < b->txs; i++) {
		struct job *job = b->tx[i]->asker;

		b->tx[i]->asker = NULL;
		if (job)
			job_taken(job, b->tx[i]);
	}
}

void sequencer_settle(struct node *n)
{
	if (n->chain.open && !n->knobs.block_ms && !n->knobs.halted)
		sequencer_seal(n);
}

static void on_tick(void *owner)
{
	struct node *n = owner;

	if (n->chain.open && !n->knobs.halted)
		sequencer_seal(n);
}

void sequencer_retime(struct node *n)
{
	double s = (double)n->knobs.block_ms / 1000;

	timer_stop(n->ticker);
	if (n->knobs.block_ms)
		timer_start(n->ticker, s, s);
	else
		sequencer_settle(n);
}

/* ---- nonces above the next ---- */

static void say_nonce(const struct node *n, const struct tx *tx, bool sync, struct refusal *why)
{
	char who[ADDR_TEXT];
	uint64_t next = next_nonce(n, &tx->from);

	why->code = sync ? 6 : ERROR_CODE;
	why->expected = next;
	snprintf(why->message, sizeof(why->message),
		 "nonce too %s: address %s, tx: %" PRIu64 " state: %" PRIu64,
		 tx->nonce < next ? "low" : "high", addr_text(&tx->from, who), tx->nonce, next);
}

static void set_expiry(struct node *n)
{
	uint64_t now = clock_mono_ms(), first = UINT64_MAX;

	for (struct waiting *w = n->waiting; w; w = w->next)
		first = w->expires_ms < first ? w->expires_ms : first;
	timer_stop(n->expiry);
	if (first != UINT64_MAX)
		timer_start(n->expiry, first > now ? (double)(first - now) / 1000 : 0, 0);
}

static void on_expiry(void *owner)
{
	struct node *n = owner;
	struct waiting **at = &n->waiting;

	while (*at) {
		struct waiting *w = *at;
		struct refusal why;

		if (w->expires_ms > clock_mono_ms()) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		say_nonce(n, w->tx, w->sync, &why);
		ledger_verdict(n->ledger, w->number, VERDICT_refused, "nonce too high");
		tx_free(&w->tx);
		if (w->job)
			job_refused(w->job, &why);
		free(w);
		at = &n->waiting;
	}
	set_expiry(n);
}

static void hold(struct node *n, struct tx *tx, struct job *job, bool sync, size_t number)
{
	struct waiting *w = new_zeroed(sizeof(*w));

	*w = (struct waiting){ .next = n->waiting,
			       .tx = tx,
			       .job = job,
			       .number = number,
			       .sync = sync,
			       .expires_ms = clock_mono_ms() + n->knobs.gap_ms };
	n->waiting = w;
	ledger_verdict(n->ledger, number, VERDICT_held, "");
	set_expiry(n);
}

void sequencer_put_held(const struct node *n, struct text *out)
{
	bool is_first = true;

	for (const struct waiting *w = n->waiting; w; w = w->next) {
		const struct waiting *before = n->waiting;
		char sign = '{';

		while (before != w && !addr_eq(&before->tx->from, &w->tx->from))
			before = before->next;
		if (before != w)
			continue; /* it stands with the first of its sender */
		text_str(out, is_first ? "" : ",");
		is_first = false;
		text_hex(out, BYTES_OF(w->tx->from.b));
		text_str(out, ":");
		for (const struct waiting *same = w; same; same = same->next) {
			if (!addr_eq(&same->tx->from, &w->tx->from))
				continue;
			text_add(out, "%c\"%" PRIu64 "\":{}", sign, same->tx->nonce);
			sign = ',';
		}
		text_str(out, "}");
	}
}

void sequencer_forget(struct node *n, const struct job *job)
{
	for (struct waiting *w = n->waiting; w; w = w->next)
		if (w->job == job)
			w->job = NULL;
	for (unsigned i = 0; n->chain.open && i < n->chain.open->txs; i++)
		if (n->chain.open->tx[i]->asker == job)
			n->chain.open->tx[i]->asker = NULL;
}

/* ---- a raw transaction ---- */

/* Returns REASON, which the ledger keeps: constant. */
static const char *refuse(struct refusal *why, const char *reason, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static const char *refuse(struct refusal *why, const char *reason, const char *format, ...)
{
	va_list ap;

	why->code = ERROR_CODE;
	va_start(ap, format);
	vsnprintf(why->message, sizeof(why->message), format, ap);
	va_end(ap);
	return reason;
}

static bool is_here(const struct node *n, const struct tx *tx)
{
	const struct tx *known = table_find(&n->chain.txs, &tx->hash);

	for (const struct waiting *w = n->waiting; w; w = w->next)
		if (b32_eq(&w->tx->hash, &tx->hash))
			return true;
	return known && known->block && known->block == n->chain.open;
}

static const char *find_unfunded(const struct node *n, const struct tx *tx, struct refusal *why)
{
	struct u256 balance = account_balance(n, &tx->from, UINT64_MAX), cost,
		    fee = u256_from_u64(tx->max_fee);
	char who[ADDR_TEXT], have[U256_DEC_TEXT], want[U256_DEC_TEXT];

	if (u256_mul_u64(&fee, tx->gas, &cost) && u256_add(&cost, &tx->value, &cost) &&
	    u256_cmp(&cost, &balance) <= 0)
		return NULL;
	return refuse(why, "insufficient funds",
		      "insufficient funds for gas * price + value: address %s have %s want %s",
		      addr_text(&tx->from, who), u256_dec(&balance, have), u256_dec(&cost, want));
}

/* NULL, or why it cannot be executed; constant. */
static const char *find_fault(const struct node *n, const struct tx *tx, uint64_t chain_id,
			      bool sync, struct refusal *why)
{
	uint64_t intrinsic = tx_intrinsic_gas(tx->data) * n->knobs.gas_percent / 100;
	char who[ADDR_TEXT];

	if (tx->raw.len > n->knobs.tx_bytes)
		return refuse(why, "oversized data", "oversized data");
	if (chain_id != n->knobs.chain_id)
		return refuse(why, "invalid chain id",
			      "invalid chain id for signer: have %" PRIu64 " want %" PRIu64,
			      chain_id, n->knobs.chain_id);
	if (is_here(n, tx))
		return refuse(why, "already known", "already known");
	if (tx->gas < intrinsic)
		return refuse(why, "intrinsic gas too low",
			      "intrinsic gas too low: have %" PRIu64 ", want %" PRIu64, tx->gas,
			      intrinsic);
	if (tx->max_fee < n->knobs.base_fee)
		return refuse(why, "max fee per gas less than block base fee",
			      "max fee per gas less than block base fee: address %s, maxFeePerGas: "
			      "%" PRIu64 ", baseFee: %" PRIu64,
			      addr_text(&tx->from, who), tx->max_fee, n->knobs.base_fee);
	if (tx->nonce < next_nonce(n, &tx->from)) {
		say_nonce(n, tx, sync, why);
		return "nonce too low";
	}
	return find_unfunded(n, tx, why);
}

/* Bytes that were in a block which has left are the same transaction again. */
static struct tx *known_or(struct node *n, struct tx *tx)
{
	struct tx *known = table_find(&n->chain.txs, &tx->hash);

	if (known) {
		tx_free(&tx);
		return known;
	}
	table_put(&n->chain.txs, tx);
	return tx;
}

/* What waited for this one follows it. */
static void follow(struct node *n, const struct addr *sender)
{
	struct waiting **at = &n->waiting;

	while (*at) {
		struct waiting *w = *at;

		if (!addr_eq(&w->tx->from, sender) || w->tx->nonce != next_nonce(n, sender)) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->tx = known_or(n, w->tx);
		execute(n, w->tx);
		ledger_verdict(n->ledger, w->number, VERDICT_accepted, "");
		w->tx->asker = w->job;
		free(w);
		at = &n->waiting;
	}
	set_expiry(n);
}

enum taken sequencer_take(struct node *n, struct bytes raw, struct job *job, bool sync,
			  struct b32 *hash_out, struct refusal *why)
{
	uint64_t chain_id = 0;
	bool is_dropped = false;
	struct tx *tx = NULL;
	enum err e = tx_parse(raw, &tx, &chain_id);
	size_t number = ledger_note(n->ledger, raw, tx);
	const char *method = sync ? "eth_sendRawTransactionSync" : "eth_sendRawTransaction";

	const char *fault = NULL;

	*why = (struct refusal){ .code = ERROR_CODE };
	if (e)
		fault = refuse(why, "no transaction", "%s",
			       e == ERR_MISMATCH  ? "invalid sender"
			       : e == ERR_UNKNOWN ? "transaction type not supported"
						  : "rlp: input is not canonical");
	else if (lie_told(&n->lies, LIE_busy, method, NULL))
		fault = refuse(why, "busy", "sequencer pending tx pool full, please try again");
	else if (!lie_told(&n->lies, LIE_dropped, method, NULL))
		fault = find_fault(n, tx, chain_id, sync, why);
	else
		is_dropped = true;
	if (tx)
		*hash_out = tx->hash;
	if (fault || is_dropped) {
		ledger_verdict(n->ledger, number, fault ? VERDICT_refused : VERDICT_dropped,
			       fault ? fault : "");
		tx_free(&tx);
		return fault ? REFUSED : TAKEN;
	}
	if (tx->nonce > next_nonce(n, &tx->from)) {
		hold(n, tx, job, sync, number);
		return LATER;
	}
	tx = known_or(n, tx);
	execute(n, tx);
	ledger_verdict(n->ledger, number, VERDICT_accepted, "");
	follow(n, &tx->from);
	if (!n->knobs.block_ms || n->knobs.halted)
		return TAKEN;
	tx->asker = job;
	return LATER;
}

void sequencer_overhear(struct node *n, struct bytes raw)
{
	uint64_t chain_id;
	struct tx *tx = NULL;

	if (tx_parse(raw, &tx, &chain_id) != OK)
		tx = NULL;
	ledger_verdict(n->ledger, ledger_note(n->ledger, raw, tx), VERDICT_refused, "unread");
	tx_free(&tx);
}

void sequencer_start(struct node *n)
{
	n->ticker = timer_new(n->loop, on_tick, n);
	n->expiry = timer_new(n->loop, on_expiry, n);
	sequencer_retime(n);
}

/* ---- reorganisation ---- */

static bool comes_again(const struct node *n, const struct reorg *r, const struct tx *tx)
{
	if (r->keeps == KEEP_NONE || (r->keeps == KEEP_REQUESTS && tx->kind == TX_SIGNED))
		return false;
	if (r->drops && r->drops(r->owner, tx))
		return false;
	return tx->kind != TX_SIGNED || tx->nonce == next_nonce(n, &tx->from);
}

/* The blocks leave, the newest first; what they wrote and what the ledger counted goes with them. */
static struct block **take_off(struct node *n, uint64_t depth)
{
	struct block **gone = new_zeroed(depth * sizeof(*gone));

	for (uint64_t i = depth; i-- > 0;) {
		gone[i] = chain_pop(n);
		for (unsigned k = 0; k < gone[i]->txs; k++)
			if (gone[i]->tx[k]->kind == TX_SIGNED)
				ledger_removed(n->ledger, gone[i]->tx[k]);
	}
	state_cut(n->state, n->chain.height);
	return gone;
}

/* What was in the block WAS and belongs into the new block INTO. */
static unsigned bring_back(struct node *n, const struct reorg *r, const struct block *b,
			   uint64_t was, uint64_t into)
{
	unsigned lost = 0;

	for (unsigned k = 0; k < b->txs; k++) {
		struct tx *tx = b->tx[k], *other;

		if ((r->place ? r->place(r->owner, tx, was) : was) != into)
			continue;
		other = r->replaces ? r->replaces(r->owner, tx) : NULL;
		if (other)
			execute(n, other);
		else if (comes_again(n, r, tx))
			execute(n, tx);
		else
			lost++;
	}
	return lost;
}

unsigned sequencer_reorg(struct node *n, const struct reorg *r)
{
	uint64_t depth = r->depth < chain_head(&n->chain) ? r->depth : chain_head(&n->chain);
	struct block **gone;
	unsigned lost = 0;

	if (n->chain.open)
		sequencer_seal(n);
	gone = take_off(n, depth);
	n->chain.salt++;
	subscribe_removed(n, gone, depth);
	for (uint64_t i = 0; i < depth || i < r->length; i++) {
		for (uint64_t was = r->place ? 0 : i; was < depth && (r->place || was == i); was++)
			lost += bring_back(n, r, gone[was], was, i);
		sequencer_seal(n);
	}
	for (uint64_t i = 0; i < depth; i++)
		block_free(&gone[i]);
	free(gone);
	return lost;
}

void sequencer_put_status(const struct node *n, struct text *out)
{
	unsigned pending = 0, held = 0;

	for (unsigned i = 0; n->chain.open && i < n->chain.open->txs; i++)
		pending += n->chain.open->tx[i]->kind == TX_SIGNED;
	for (const struct waiting *w = n->waiting; w; w = w->next)
		held++;
	text_add(out, "{\"pending\":\"0x%x\",\"queued\":\"0x%x\"}", pending, held);
}
