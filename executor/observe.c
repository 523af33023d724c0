/*
 * observe - sending: observe.  Another connector of this node answers; we take the result from
 * the same Core, make the call of it as always, and compare it with what our account has sent.
 *
 * Nothing is started at the Core, nothing is signed, nothing is sent.
 */
#include <stdio.h>

#include "common/keccak.h"
#include "common/log.h"
#include "common/proc.h"
#include "executor/account.h"
#include "executor/chainview.h"
#include "executor/kind.h"

#define ASK_DONE_AGE_MS 60000	/* a younger request is being worked on */
#define PARTS_TEXT      120

static const char *const part_names[] = {
#define S(name, text) #name,
	ANSWER_SOURCES(S)
#undef S
};

static void on_sent(struct executor *x, uint64_t chain, const struct account_tx *tx)
{
	for (unsigned i = 0; i < OP_BUCKETS; i++)
		for (struct op *op = x->bucket[i], *next; op; op = next) {
			next = op->next;
			if (op->state == STATE_submitting && op->chain == chain &&
			    account_answers(tx, op))
				op_fire(op, OP_EVENT_go, NULL);
		}
}

/* Which arguments are others: "result, signature". */
static void find_parts(const struct op *op, const struct account_tx *tx, char out[PARTS_TEXT])
{
	const struct profile *p = &op->x->profile;
	const struct profile_response *r = find_response(p, op->kind);
	struct account_tx ours;
	size_t at = 0;

	out[0] = '\0';
	if (!account_read_call(p, op->chain, &p->contract[r->contract].address, op->calldata, &ours))
		return;
	for (unsigned i = 0; i < r->args && at < PARTS_TEXT; i++)
		if (ours.part[i] != tx->part[i])
			at += (size_t)snprintf(out + at, PARTS_TEXT - at, "%s%s", at ? ", " : "",
					       part_names[r->arg[i]]);
}

static void compare(struct op *op, const struct account_tx *tx, const struct b32 *ours)
{
	char parts[PARTS_TEXT], why[STORE_REASON_MAX];

	op->nonce = tx->nonce;
	op->tx = tx->hash;
	op->tx_block = tx->block;
	op->tx_block_hash = tx->block_hash;
	op->send_ms = (uint32_t)(loop_now_ms(op->x->loop) - op->step_ms);
	if (b32_eq(&tx->calldata, ours)) {
		count(CNT_EXECUTOR_observed_agrees, 1);
		op_fire(op, OP_EVENT_over, "observed: agrees");
		return;
	}
	count(CNT_EXECUTOR_observed_differs, 1);
	op->differs = true;
	find_parts(op, tx, parts);
	snprintf(why, sizeof(why), "observed: DIFFERS: the node sent another %s",
		 *parts ? parts : "call");
	op_fire(op, OP_EVENT_hold, why);
}

void observe_bring(struct op *op)
{
	struct b32 ours = keccak_bytes(op->calldata);
	const struct account_tx *tx;

	switch (account_find(op->x->account, op, &ours, &tx)) {
	case ACCOUNT_SENT:
		compare(op, tx, &ours);
		break;
	case ACCOUNT_NOT_YET:
		op_again(op, "observed: the node has not sent its answer yet");
		break;
	case ACCOUNT_BLIND:
		op_again(op, "observed: no chain node tells what the node sent so long ago");
		break;
	}
}

/* A preprocessing is gone from the Core when its key is made; its answer is made of ids alone. */
bool observe_knows(const struct op *op)
{
	const struct profile_response *r = find_response(&op->x->profile, op->kind);

	if (!op->x->opt.observes || !find_kind(op->kind)->preprocesses)
		return false;
	for (unsigned i = 0; i < r->args; i++)
		if (r->arg[i] != ANSWER_request_id && r->arg[i] != ANSWER_result_id)
			return false;
	return true;
}

static void again(struct op *op)
{
	op_again(op, "observed: the Core has no result yet");
}

static void on_done_said(struct executor *x, uint64_t number, uint64_t ticket, enum chain_says done)
{
	struct op *op = find_op(x, number);

	(void)ticket;
	if (!op || op->state != STATE_computing || op->call || op->ending)
		return;
	if (done != CHAIN_YES) {
		again(op);
		return;
	}
	op->done_before = true;
	op_fire(op, OP_EVENT_over, "observed: done on the chain; the Core has no result to compare");
}

void observe_missing(struct op *op)
{
	if (clock_unix_ms() < op->block_time * 1000 + ASK_DONE_AGE_MS)
		again(op);
	else
		chainview_ask_done(op->x->view, op, (struct chain_asker){ .cb = on_done_said,
									  .op = op->number });
}

void observe_retracted(struct executor *x, uint64_t chain, uint64_t number)
{
	if (x->opt.observes)
		account_retracted(x->account, chain, number);
}

void observe_open(struct executor *x)
{
	char account[ADDR_TEXT];

	if (!x->opt.observes)
		return;
	x->account = account_new(x, on_sent);
	log_say(EV_X040_observes, "account=%s", addr_text(&x->opt.account, account));
}
