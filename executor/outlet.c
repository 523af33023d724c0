/* outlet - the submitter's side: answers out, and what became of them. */

#include "common/log.h"
#include "common/opid.h"
#include "common/proc.h"
#include "executor/chainview.h"
#include "executor/executor.h"
#include "executor/op.h"

static void hand_over(struct executor *x, struct op *op)
{
	const struct profile_response *answer = find_response(&x->profile, op->kind);
	struct msg_submit m = {
		.op = op->number, .chain = op->chain, .kind = op->kind, .id = op->id,
		.contract = x->profile.contract[answer->contract].address,
		.calldata = op->calldata, .handles_hash = op->request->handles_hash,
		.public_key_hash = op->request->public_key_hash,
	};

	check(!x->opt.observes);
	op->at_submitter = send_submit(x->submitter, &m) == OK;
}

static void pump(void *owner)
{
	struct executor *x = owner;

	while (!line_is_empty(&x->submit_line) && link_credit(x->submitter, &ipc_submit) > 0)
		hand_over(x, line_take(&x->submit_line));
}

/* With no submitter connected the op waits in line: on_up asks everything again. */
void outlet_submit(struct executor *x, struct op *op)
{
	if (op->place[LINE_SUBMIT].waits || op->at_submitter)
		return;
	line_join(&x->submit_line, op);
	pump(x);
}

static void take_back(struct executor *x, struct op *op)
{
	if (!op->at_submitter)
		return;
	op->at_submitter = false;
	link_credit_back(x->submitter, &ipc_submit, 1);
	if (!line_is_empty(&x->submit_line))
		loop_defer(x->loop, pump, x);
}

void outlet_withdraw(struct executor *x, struct op *op)
{
	struct msg_withdraw m = { .op = op->number };

	line_leave(&x->submit_line, op);
	if (!op->at_submitter)
		return;
	if (send_withdraw(x->submitter, &m) == OK)
		take_back(x, op);
	op->at_submitter = false;
}

/* What became of it.  An operation that is gone here was answered or retracted meanwhile. */

static struct op *find_submitted(struct executor *x, uint64_t number)
{
	struct op *op = find_op(x, number);
	return op && op->state == STATE_submitting && !op->ending ? op : NULL;
}

static enum err on_signed(struct executor *x, struct link *l, const struct msg_signed *m)
{
	struct op *op = find_submitted(x, m->op);

	(void)l;
	if (!op)
		return OK;
	op->nonce = m->nonce;
	op->tx = m->hash;
	op->dirty = true;
	return OK;
}

static enum err on_sent(struct executor *x, struct link *l, const struct msg_sent *m)
{
	struct op *op = find_submitted(x, m->op);

	(void)l;
	if (op)
		op->attempts++;
	return OK;
}

static enum err on_included(struct executor *x, struct link *l, const struct msg_included *m)
{
	struct op *op = find_submitted(x, m->op);

	(void)l;
	if (!op)
		return OK;
	uint64_t chain = op->chain;

	take_back(x, op);
	op->nonce = m->nonce;
	op->tx = m->hash;
	op->tx_block = m->block;
	op->tx_block_hash = m->block_hash;
	op->send_ms = (uint32_t)(loop_now_ms(x->loop) - op->step_ms);
	op_fire(op, OP_EVENT_over, NULL);
	intake_answered(x, chain, m->block, &m->block_hash);
	return OK;
}

static enum err on_failed(struct executor *x, struct link *l, const struct msg_failed *m)
{
	struct op *op = find_submitted(x, m->op);
	char reason[204];

	(void)l;
	if (!op)
		return OK;
	take_back(x, op);
	wire_text(m->reason, reason, sizeof(reason));
	switch ((enum fail_class)m->class) {
	case FAIL_already:
		op->done_before = b32_is_zero(&op->tx);
		op_fire(op, OP_EVENT_over, reason);
		return OK;
	case FAIL_rejected:
	case FAIL_reverted:
		op_fire(op, OP_EVENT_refuse, reason);
		return OK;
	case FAIL_policy:
	case FAIL_unknown:
		op_fire(op, OP_EVENT_hold, reason);
		return OK;
	case FAIL_none:
	case FAIL_COUNT:
		break;
	}
	return ERR_UNKNOWN;
}

static enum err on_paused(struct executor *x, struct link *l, const struct msg_paused *m)
{
	char why[204];

	(void)l;
	if (!m->why.len) {
		stage_fine(&x->sending_stage);
		return OK;
	}
	wire_text(m->clears, x->sending_clears, sizeof(x->sending_clears));
	stage_trouble(&x->sending_stage, TROUBLE_REFUSAL, wire_text(m->why, why, sizeof(why)));
	return OK;
}

static enum err on_funds(struct executor *x, struct link *l, const struct msg_funds *m)
{
	(void)l;
	x->funds = *m;
	x->has_funds = true;
	return OK;
}

LINK_SWITCH(switch_submitter, IPC_SUBMITTER_TO_EXECUTOR)

/* Whether an operator wants answers sent; until it is told the submitter sends none. */
void outlet_tell(struct executor *x)
{
	bool halted = x->sending_stage.state == STAGE_HALTED || x->opt.observes;

	for (unsigned i = 0; i < x->chains; i++) {
		struct msg_pause p = { .chain = x->chain[i].id };
		struct msg_go_on g = { .chain = x->chain[i].id };
		if ((halted ? send_pause(x->submitter, &p) : send_go_on(x->submitter, &g)) != OK)
			return;		/* told again when it is back */
	}
}

void executor_show(const struct executor *x)
{
	bool full = store_is_full(x->store);

	proc_ready(x->listener != NULL && link_is_up(x->submitter) && !full &&
		   chainview_has_buckets(x->view));
	proc_note("%s%s%s", full ? NOTE_DISK_FULL " " : "",
		  x->listener ? "" : "waits for the listener ",
		  link_is_up(x->submitter) ? "" : "waits for the submitter");
}

/* A new submitter knows nothing: every answer under way is given again. */
static void on_up(void *owner, struct link *l)
{
	struct executor *x = owner;

	(void)l;
	stage_fine(&x->sending_stage);	/* it says anew what it finds */
	outlet_tell(x);
	executor_show(x);
	for (unsigned i = 0; i < OP_BUCKETS; i++)
		for (struct op *op = x->bucket[i]; op; op = op->next)
			if (op->state == STATE_submitting && !op->ending && !x->opt.observes)
				outlet_submit(x, op);
	pump(x);
}

static void on_down(void *owner, struct link *l)
{
	struct executor *x = owner;

	(void)l;
	for (unsigned i = 0; i < OP_BUCKETS; i++)
		for (struct op *op = x->bucket[i]; op; op = op->next)
			op->at_submitter = false;
	executor_show(x);
}

static const struct link_end submitter_end = {
	.me = ROLE_EXECUTOR, .peer = ROLE_SUBMITTER, .name = "submitter",
	.on_packet = switch_submitter, .on_up = on_up, .on_down = on_down,
};

void outlet_open(struct executor *x)
{
	char path[108];

	proc_path(path, "submitter.sock");
	x->submitter = link_connect(x->loop, path, &submitter_end, x);
}
