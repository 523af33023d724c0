/* answer - from a complete call to a signature: the node's estimate is the pre-flight. */

#include <stdio.h>
#include <stdlib.h>

#include "common/keccak.h"
#include "common/log.h"
#include "common/proc.h"
#include "submitter/rpc_error.h"
#include "submitter/submitter.h"

#define ESTIMATE_TIMEOUT_S 10.0
#define UNKNOWN_FOR_MS     10000	/* what may be the node's delay or error is believed then */
#define UNASKED_FOR_MS     600000	/* a node behind, or a block that will leave */
#define ALIKE_MAX          5	/* requests that revert alike within a minute are one trouble */
#define ALIKE_WITHIN_MS    60000
#define ODD_SAID_MS        60000
#define BACKOFF_MIN_MS     250
#define BACKOFF_MAX_MS     15000
#define BACKOFF_PART       4	/* it waits a quarter of the time that its trouble has lasted */
#define PARAMS_MAX         (2 * IPC_CALLDATA_MAX + 300)

struct answer *find_answer(struct lane *l, uint64_t op)
{
	struct answer *a = l->answers;

	while (a && a->op != op)
		a = a->next;
	return a;
}

struct answer *find_wanted(struct lane *l, uint64_t kind, const struct b32 *id)
{
	struct answer *a = l->answers;

	while (a && (a->kind != kind || !b32_eq(&a->id, id)))
		a = a->next;
	return a;
}

static void gauge_waiting(struct lane *l)
{
	uint64_t n = 0;

	for (struct answer *a = l->answers; a; a = a->next)
		n += a->step != ANSWER_SIGNED;
	gauge(CNT_SUBMITTER_waiting, n);
}

void answer_drop(struct answer *a)
{
	struct lane *l = a->lane;

	for (struct answer **p = &l->answers; *p; p = &(*p)->next) {
		if (*p != a)
			continue;
		*p = a->next;
		if (!*p)
			l->answers_last = p;
		break;
	}
	free((void *)(uintptr_t)a->calldata.p);
	free(a);
	gauge_waiting(l);
}

/* A new executor gives everything again. */
void answers_clear(struct lane *l)
{
	while (l->answers)
		answer_drop(l->answers);
}

void answers_unsign(struct lane *l)
{
	for (struct answer *a = l->answers; a; a = a->next)
		if (a->step == ANSWER_SIGNING)
			a->step = ANSWER_SIGN;
}

void answer_failed(struct answer *a, enum fail_class cls, const char *reason)
{
	struct msg_failed m = { .op = a->op, .class = cls, .reason = BYTES(reason, strlen(reason)) };
	struct submitter *s = a->lane->s;

	answer_drop(a);
	if (send_failed(s->executor, &m) != OK)
		return;		/* the next executor submits it again, with the same end */
}

void answer_replace(struct answer *a)
{
	a->step = ANSWER_TRY;
	a->replace = a->lane->replacing = true;
}

static void later(struct answer *a)
{
	uint64_t now = clock_mono_ms();

	if (!a->failing_ms)
		a->failing_ms = now;
	uint64_t wait = (now - a->failing_ms) / BACKOFF_PART;
	wait = wait > BACKOFF_MIN_MS ? wait : BACKOFF_MIN_MS;
	a->step = ANSWER_TRY;
	a->wait_until_ms = now + (wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS);
}

/* The contract refuses, and the node may only be behind: again, unless it has for so long. */
static void later_within(struct answer *a, uint64_t patience_ms, const char *why)
{
	uint64_t now = clock_mono_ms();

	if (!a->reverting_ms)
		a->reverting_ms = now;
	if (now - a->reverting_ms < patience_ms)
		later(a);
	else
		answer_failed(a, FAIL_unknown, why);
}

/* Reverts that no profile knows: one is the request's own, many are one trouble. */

/* How many requests had this cause within a minute, A included? */
static unsigned count_alike(struct answer *a, uint64_t now)
{
	struct lane *l = a->lane;
	struct reverted *mine = NULL;
	unsigned n = 0;

	for (struct reverted *r = l->reverted; r < l->reverted + REVERTED_MAX; r++)
		if (r->at_ms && r->op == a->op && b32_eq(&r->cause, &a->cause))
			mine = r;
	if (!mine)
		mine = &l->reverted[l->reverted_next++ % REVERTED_MAX];
	*mine = (struct reverted){ .op = a->op, .at_ms = now, .cause = a->cause };
	for (struct reverted *r = l->reverted; r < l->reverted + REVERTED_MAX; r++)
		n += r->at_ms && now - r->at_ms < ALIKE_WITHIN_MS && b32_eq(&r->cause, &a->cause);
	return n;
}

/*
 * The signer that the contract has recovered is not the Core's, which signed what was asked: it
 * is asked for something else now.  Soon the listener will say that the request's block left.
 */
static bool names_another(const struct submitter *s, struct bytes data)
{
	struct addr who;

	if (data.len != 4 + 32)
		return false;
	memcpy(who.b, data.p + 4 + 12, sizeof(who.b));
	return !addr_eq(&who, &s->account) && !addr_eq(&who, &s->core_signer);
}

/* Does the lane wait for what befell it? */
static bool is_alike(const struct answer *a)
{
	return a->lane->pause == PAUSE_revert && b32_eq(&a->cause, &a->lane->cause);
}

static void on_unknown_revert(struct answer *a, const char *why)
{
	struct lane *l = a->lane;
	uint64_t now = clock_mono_ms();

	a->cause = keccak_text(why);
	if (!l->pause && count_alike(a, now) >= ALIKE_MAX) {
		l->cause = a->cause;
		lane_pause(l, PAUSE_revert, why);
	}
	if (is_alike(a)) {
		a->step = ANSWER_TRY;
		a->reverting_ms = 0;
		a->wait_until_ms = now;		/* the others are canaries first */
	} else {
		later_within(a, UNKNOWN_FOR_MS, why);
	}
}

/* Pre-flight. */

static void on_revert(struct answer *a, const struct jsonrpc_reply *r)
{
	struct lane *l = a->lane;
	const char *name = NULL;
	enum revert_meaning meaning = profile_revert(&l->s->profile, r->data, &name);
	char why[200], hex[11];

	count(CNT_SUBMITTER_preflight_reverts, 1);
	a->canary = false;
	if (name)
		snprintf(why, sizeof(why), "the contract says %s", name);
	else if (r->data.len >= 4)
		snprintf(why, sizeof(why), "the contract reverts with %s, which the profile does not know",
			 hex_encode0x(BYTES(r->data.p, 4), hex));
	else
		snprintf(why, sizeof(why), "the node says: %.150s", r->message);
	clean_text(why, "\"");
	switch (meaning) {
	case REVERT_already_answered:
		answer_failed(a, FAIL_already, why);
		return;
	case REVERT_final:
		answer_failed(a, FAIL_rejected, why);
		return;
	case REVERT_not_ours:
		if (names_another(l->s, r->data)) {
			on_unknown_revert(a, why);
			return;
		}
		lane_pause(l, PAUSE_not_ours, why);
		a->step = ANSWER_TRY;
		return;
	case REVERT_paused:
		lane_pause(l, PAUSE_contract, why);
		a->step = ANSWER_TRY;
		return;
	case REVERT_not_requested:
		/* The listener has seen the request: this node has not, or its block is leaving. */
		jsonrpc_move_on(l->rpc, r->endpoint);
		later_within(a, UNASKED_FOR_MS, why);
		return;
	case REVERT_unknown:
	case REVERT_COUNT:
		on_unknown_revert(a, why);
		return;
	}
}

/* The contract was asked and refuses; any other error is the node's own. */
static bool is_revert(const struct jsonrpc_reply *r)
{
	return r->code == 3 || r->data.len > 0 || strcasestr(r->message, "revert") ||
	       send_class_of(r->message) == SEND_gas_low;
}

/* Behind, overloaded, without that state: another node, or later; never the answer's fault. */
static void on_node_error(struct answer *a, const struct jsonrpc_reply *r)
{
	struct lane *l = a->lane;
	uint64_t now = clock_mono_ms();
	char why[200];

	if (!l->odd_said_ms || now - l->odd_said_ms > ODD_SAID_MS) {
		l->odd_said_ms = now;
		snprintf(why, sizeof(why), "%.190s", r->message);
		log_say(EV_T010_node_error, "chain=%s rpc=%s why=\"%s\"", l->name, r->endpoint,
			clean_text(why, "\""));
	}
	jsonrpc_move_on(l->rpc, r->endpoint);
	later(a);
}

/* An estimate on its way; the answer may be gone when it returns. */
struct trial {
	struct lane *lane;
	uint64_t op;
};

static void on_estimated(struct answer *a, uint64_t gas, const char *node)
{
	struct submitter *s = a->lane->s;

	if (gas > s->max_gas || gas + gas / 4 > s->max_gas) {
		jsonrpc_move_on(a->lane->rpc, node);	/* a node may say anything */
		later_within(a, UNKNOWN_FOR_MS, "it needs more gas than sign.max_gas permits");
		return;
	}
	/* Twice as much: the answer that reaches the contract's threshold does more than was tried,
	   and whose answer that is shows only in the block.  What is not used is not paid. */
	a->gas = 2 * gas < s->max_gas ? 2 * gas : s->max_gas;
	a->failing_ms = a->reverting_ms = 0;
	a->step = ANSWER_SIGN;
	lane_work(a->lane);
}

static void on_estimate(void *owner, const struct jsonrpc_reply *r)
{
	struct trial *t = owner;
	struct lane *l = t->lane;
	struct answer *a = find_answer(l, t->op);
	uint64_t gas;

	free(t);
	if (!a || a->step != ANSWER_TRYING)
		return;
	if (r->outcome == RPC_OK && json_u64(r->result, &gas) == OK) {
		on_estimated(a, gas, r->endpoint);
	} else if (r->outcome == RPC_ERROR && send_class_of(r->message) == SEND_funds) {
		lane_pause(l, PAUSE_funds, "our account cannot pay for a transaction");
		a->step = ANSWER_TRY;
	} else if (r->outcome == RPC_ERROR && is_revert(r)) {
		on_revert(a, r);
	} else if (r->outcome == RPC_ERROR) {
		on_node_error(a, r);
	} else {
		later(a);
	}
}

/* At the latest block: what waits in a node's pool, our own too, is not done. */
static void write_estimate(const struct answer *a, char *out, size_t cap)
{
	static const char end[] = "\"},\"latest\"]";
	char from[ADDR_TEXT], to[ADDR_TEXT];
	int n = snprintf(out, cap, "[{\"from\":\"%s\",\"to\":\"%s\",\"data\":\"",
			 addr_text(&a->lane->s->account, from), addr_text(&a->contract, to));

	check(n > 0 && (size_t)n + 2 + 2 * a->calldata.len + sizeof(end) < cap);
	hex_encode0x(a->calldata, out + n);
	memcpy(out + n + 2 + 2 * a->calldata.len, end, sizeof(end));
}

static void send_trials(struct lane *l, struct answer **batch, unsigned n)
{
	static char params[JSONRPC_BATCH_MAX][8192];
	static char large[PARAMS_MAX];
	struct jsonrpc_call call[JSONRPC_BATCH_MAX];

	for (unsigned i = 0; i < n; i++) {
		struct trial *t = malloc(sizeof(*t));
		bool fits = 2 * batch[i]->calldata.len + 300 < sizeof(params[i]);
		check(t != NULL && (fits || n == 1));
		*t = (struct trial){ .lane = l, .op = batch[i]->op };
		write_estimate(batch[i], fits ? params[i] : large, fits ? sizeof(params[i]) : sizeof(large));
		call[i] = (struct jsonrpc_call){ .method = "eth_estimateGas", .params = fits ? params[i] : large,
						 .on_reply = on_estimate, .owner = t };
		batch[i]->step = ANSWER_TRYING;
	}
	count(CNT_SUBMITTER_estimates, n);
	if (jsonrpc_send(l->rpc, -1, call, n, ESTIMATE_TIMEOUT_S, NULL) == OK)
		return;
	struct jsonrpc_reply none = { .outcome = RPC_NOT_SENT, .message = "no memory" };
	for (unsigned i = 0; i < n; i++)
		on_estimate(call[i].owner, &none);
}

static bool may_try(const struct answer *a, uint64_t now)
{
	return a->step == ANSWER_TRY && a->wait_until_ms <= now;
}

/* Who tries next while the lane is paused: of those it waits for, who has not for longest. */
static struct answer *find_canary(struct lane *l, uint64_t now)
{
	struct answer *best = NULL;

	for (struct answer *a = l->answers; a; a = a->next) {
		if (!may_try(a, now))
			continue;
		if (!best || is_alike(a) > is_alike(best) ||
		    (is_alike(a) == is_alike(best) && a->wait_until_ms < best->wait_until_ms))
			best = a;
	}
	return best;
}

/* While the lane is paused one answer at a time tries whether the pause is over. */
static void try_canary(struct lane *l)
{
	uint64_t now = clock_mono_ms();
	unsigned every_ms = lane_canary_ms(l);
	struct answer *a = every_ms && l->canary_ms <= now ? find_canary(l, now) : NULL;

	if (!a)
		return;
	l->canary_ms = now + every_ms;
	a->canary = true;
	send_trials(l, &a, 1);
}

static void try_answers(struct lane *l)
{
	struct answer *batch[JSONRPC_BATCH_MAX];
	uint64_t now = clock_mono_ms();
	unsigned n = 0;

	for (struct answer *a = l->answers; a && n < JSONRPC_BATCH_MAX; a = a->next) {
		if (!may_try(a, now))
			continue;
		if (a->calldata.len > 3500) {	/* large ones travel alone */
			send_trials(l, &a, 1);
			lane_work(l);
			break;
		}
		batch[n++] = a;
	}
	if (n)
		send_trials(l, batch, n);
}

/* Signing. */

static bool ask_signature(struct lane *l, struct answer *a)
{
	struct msg_sign_tx m = {
		.op = a->op, .chain = l->chain, .kind = a->kind, .id = a->id, .to = a->contract,
		.calldata = a->calldata, .gas = a->gas, .max_fee = lane_fee(l), .tip = 0,
		.replace = a->replace, .handles_hash = a->handles_hash,
		.public_key_hash = a->public_key_hash,
	};

	if (ask_sign(l, &m) != OK)
		return false;
	a->step = ANSWER_SIGNING;
	return true;
}

static void sign_answers(struct lane *l)
{
	uint64_t now = clock_mono_ms();

	if (!lane_may_sign(l))
		return;
	for (struct answer *a = l->answers; a; a = a->next) {
		if (a->step != ANSWER_SIGN || a->wait_until_ms > now)
			continue;
		if (l->pause && !a->canary)
			a->step = ANSWER_TRY;	/* what the node said of it before may not hold */
		else if (!ask_signature(l, a))
			return;		/* no credit: the next answer of the signer brings it back */
	}
}

/* Is there a transaction for it, or may there be one that we have not seen yet? */
static bool is_under_way(const struct lane *l, const struct answer *a)
{
	for (const struct tx *t = l->txs; t; t = t->next)
		if (t->kind == a->kind && b32_eq(&t->id, &a->id))
			return true;
	return l->fetching_nonce < l->next_nonce;
}

void answer_refused(struct lane *l, const struct msg_sign_refused *m)
{
	struct answer *a = find_answer(l, m->op);
	char rule[36], detail[204], why[200];

	if (!a || a->step != ANSWER_SIGNING)
		return;
	wire_text(m->rule, rule, sizeof(rule));
	wire_text(m->detail, detail, sizeof(detail));
	if (lane_over_budget(l, m, why)) {
		a->canary = false;
		a->step = ANSWER_TRY;
		return;
	}
	if (strcmp(rule, "no_nonce") == 0) {
		l->adopted = false;
		a->step = ANSWER_SIGN;
		return;
	}
	if (strcmp(rule, "equivocation") == 0 && !a->replace && !is_under_way(l, a)) {
		/* Whatever was signed for it before is used or lost; the chain decides. */
		l->replacing = a->replace = true;
		a->step = ANSWER_SIGN;
		return;
	}
	if ((strcmp(rule, "equivocation") == 0 && !a->replace) || strcmp(rule, "journal_full") == 0) {
		later(a);	/* a full journal goes on in a new segment at once */
		return;
	}
	log_say(EV_T009_signer_refused, "op=%llu rule=%s detail=\"%s\"", (unsigned long long)a->op, rule, detail);
	answer_failed(a, FAIL_policy, why);
}

void answers_work(struct lane *l)
{
	if (l->paused_by_operator || !l->s->executor)
		return;
	if (l->pause)
		try_canary(l);
	else
		try_answers(l);
	sign_answers(l);
	gauge_waiting(l);
}
