/* window - monitor and operators: status, rows, and the few things an operator may do. */

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/opid.h"
#include "common/proc.h"
#include "executor/chainview.h"
#include "executor/executor.h"
#include "executor/op.h"
#include "proto/limits.h"

#define RETRY_ALL_MAX 1000	/* requests revived by one command */

enum what { ASK_STATUS = 1, ASK_ONE = 2, ASK_LIST = 3 };

static enum err say_done(struct link *l, uint64_t tag, uint64_t n, const char *why)
{
	struct msg_done m = { .tag = tag, .count = n, .text = bytes_str(why) };
	return send_done(l, &m);
}

static enum err say_page_done(struct link *l, uint64_t tag, uint64_t n, uint64_t next)
{
	struct msg_done m = { .tag = tag, .count = n, .text = bytes_str(""), .next = next };
	return send_done(l, &m);
}

/* Rows.  What is in memory is newer than what is on disk. */

struct reader {
	struct executor *x;
	struct link *link;
	uint64_t tag, rows;
};

static void overlay(const struct op *op, struct msg_row *m)
{
	m->state = op->state;
	m->reason = bytes_str(op->reason);
	m->at_ms = op->changed_ms;
	m->fetch_ms = op->fetch_ms;
	m->core_ms = op->core_ms;
	m->nonce = op->nonce;
	m->tx = op->tx;
	m->attempts = op->attempts;
	m->next_ms = op->next_ms;
	if (op->parked_at)
		m->reason = bytes_str(op->parked_at->why);
}

static void send_store_row(void *owner, const struct store_row *r)
{
	struct reader *q = owner;
	const struct op *op = find_op(q->x, r->op);
	struct msg_row m = {
		.tag = q->tag, .op = r->op, .chain = r->chain, .kind = r->kind, .id = r->id,
		.state = r->state, .reason = bytes_str(r->reason), .at_ms = r->changed_ms,
		.seen_ms = r->seen_ms, .fetch_ms = r->fetch_ms, .core_ms = r->core_ms,
		.send_ms = r->send_ms, .block = r->block, .tx = r->tx, .nonce = r->nonce,
		.tx_block = r->tx_block, .attempts = r->attempts, .result = bytes_str(r->result),
	};

	if (op_has_result_id(r->kind))
		m.result_id = op_result_id(r->kind, r->chain, &r->contract, &r->id);

	if (op && !op->ending)
		overlay(op, &m);
	if (send_row(q->link, &m) == OK)
		q->rows++;
}

/* Status. */

static enum err say_stage(struct link *l, uint64_t tag, const char *name, uint64_t state,
			  uint64_t since_ms, const char *why, const char *clears)
{
	struct msg_stage m = { .tag = tag, .name = bytes_str(name), .state = state,
			       .since_ms = since_ms, .why = bytes_str(why), .clears = bytes_str(clears) };
	return send_stage(l, &m);
}

static enum err say_own_stage(struct link *l, uint64_t tag, const struct stage *s, const char *clears)
{
	const char *how = s->state == STAGE_RUNS     ? ""
			  : s->state == STAGE_HALTED ? "kms-connector continue"
						     : clears;
	return say_stage(l, tag, s->row->name, s->state, s->since_ms, s->why, how);
}

static enum err say_text(struct link *l, uint64_t tag, const char *name, const char *value)
{
	struct msg_figure m = { .tag = tag, .name = bytes_str(name), .value = bytes_str(value) };
	return send_figure(l, &m);
}

static enum err say_number(struct link *l, uint64_t tag, const char *name, uint64_t value)
{
	char s[24];

	snprintf(s, sizeof(s), "%llu", (unsigned long long)value);
	return say_text(l, tag, name, s);
}

static enum err say_counts(struct executor *x, struct link *l, uint64_t tag)
{
	char name[48];
	enum err e = OK;

	for (unsigned s = 1; s < STATE_COUNT && !e; s++) {
		snprintf(name, sizeof(name), "requests_%s", state_name(s));
		e = say_number(l, tag, name, store_count(x->store, (enum op_state)s));
	}
	return e ? e : say_number(l, tag, "in_memory", x->active);
}

static enum err say_chain(struct link *l, uint64_t tag, const struct executor_chain *c)
{
	enum err e = say_number(l, tag, "chain_id", c->id);
	char up_to[CLOCK_TEXT];

	e = e ? e : say_number(l, tag, "latest", c->latest);
	e = e ? e : say_number(l, tag, "confirmed", c->confirmed);
	e = e ? e : say_number(l, tag, "safe", c->safe);
	e = e ? e : say_number(l, tag, "finalized", c->finalized);
	if (!e && c->settled_time)
		e = say_text(l, tag, "settled_up_to", clock_text(c->settled_time, up_to));
	else if (!e)
		e = say_number(l, tag, "settled", c->settled);
	return e ? e : say_number(l, tag, "cursor", c->cursor.block);
}

static enum err say_account(struct executor *x, struct link *l, uint64_t tag)
{
	char account[ADDR_TEXT], eth[U256_ETH_TEXT];
	enum err e;

	e = say_text(l, tag, "account", addr_text(&x->funds.account, account));
	e = e ? e : say_text(l, tag, "balance_eth", u256_eth(&x->funds.balance, eth));
	e = e ? e : say_number(l, tag, "chain_nonce", x->funds.chain_nonce);
	e = e ? e : say_number(l, tag, "next_nonce", x->funds.next_nonce);
	e = e ? e : say_text(l, tag, "budget_hour_left_eth", u256_eth(&x->funds.hour_left, eth));
	return e ? e : say_text(l, tag, "budget_day_left_eth", u256_eth(&x->funds.day_left, eth));
}

static const char *registered_text(int r)
{
	return r > 0 ? "yes" : r == 0 ? "no" : "not known yet";
}

static enum err say_key(struct executor *x, struct link *l, uint64_t tag)
{
	struct b32 key;
	char hex[67];

	if (!chainview_current_key(x->view, &key))
		return OK;
	return say_text(l, tag, "current_key", hex_encode0x(BYTES_OF(key.b), hex));
}

/* One stage for all chains: the first that is not heard. */
static enum err say_listening(struct executor *x, struct link *l, uint64_t tag)
{
	if (!x->listener)
		return say_stage(l, tag, "listening", STAGE_PAUSED, 0, "the listener is not connected",
				 "it is started again by itself");
	for (unsigned i = 0; i < x->chains; i++)
		if (x->chain[i].deaf[0])
			return say_stage(l, tag, "listening", STAGE_PAUSED, x->chain[i].deaf_since_ms,
					 x->chain[i].deaf, "by itself");
	return say_stage(l, tag, "listening", STAGE_RUNS, x->chain[0].deaf_since_ms, "", "");
}

static enum err say_status(struct executor *x, struct link *l, uint64_t tag)
{
	enum err e = say_listening(x, l, tag);

	e = e ? e : say_own_stage(l, tag, &x->storage_stage, x->storage_stage.row->clears);
	e = e ? e : say_own_stage(l, tag, &x->core_stage, x->core_stage.row->clears);
	e = e ? e : say_own_stage(l, tag, &x->sending_stage, x->sending_clears);
	e = e ? e : say_counts(x, l, tag);
	for (unsigned i = 0; i < x->chains && !e; i++)
		e = say_chain(l, tag, &x->chain[i]);
	if (!e && x->has_funds)
		e = say_account(x, l, tag);
	e = e ? e : say_text(l, tag, "registered", registered_text(chainview_registered(x->view)));
	e = e ? e : say_key(x, l, tag);
	if (!e && x->opt.observes)
		e = say_text(l, tag, "sending", "observe: never sends");
	return e ? e : say_done(l, tag, 0, "");
}

/* One version of a request, and what is recorded of it. */
static void send_with_history(void *owner, const struct store_row *r)
{
	struct reader *q = owner;

	send_store_row(q, r);
	follow_say_history(q->x, q->link, q->tag, r->op);
}

static enum err say_page(struct executor *x, struct reader *q, const struct msg_query *m)
{
	char reason[81];
	struct store_filter f = {
		.state = m->state, .kind = m->kind, .before = m->before, .since_ms = m->since_ms,
		.until_ms = m->until_ms, .reason = wire_text(m->reason, reason, sizeof(reason)),
	};

	if (m->limit == 0 || m->limit > LIMIT_LIST_ROWS)
		return ERR_RANGE;
	uint64_t next = store_page(x->store, &f, (unsigned)m->limit,
				   (struct store_visitor){ .row = send_store_row, .owner = q });
	return say_page_done(q->link, q->tag, q->rows, next);
}

static enum err on_query(struct executor *x, struct link *l, const struct msg_query *m)
{
	struct reader q = { .x = x, .link = l, .tag = m->tag };

	switch ((enum what)m->what) {
	case ASK_STATUS:
		return say_status(x, l, m->tag);
	case ASK_ONE:
		store_find(x->store, m->kind, &m->id,
			   (struct store_visitor){ .row = send_with_history, .owner = &q });
		return say_done(l, m->tag, q.rows, q.rows ? "" : "no such request");
	case ASK_LIST:
		return say_page(x, &q, m);
	}
	return ERR_UNKNOWN;
}

static enum err on_follow(struct executor *x, struct link *l, const struct msg_follow *m)
{
	return follow_ask(x, l, m);
}

/* Commands. */

struct command {
	struct executor *x;
	uint64_t changed;
};

static void on_revived(void *owner, uint64_t number, enum op_state state)
{
	struct executor *x = owner;

	(void)number, (void)state;
	op_load_more(x);
}

static void load_revived(void *owner, const struct store_row *r)
{
	op_load(owner, r);
}

static void on_revived_one(void *owner, uint64_t number, enum op_state state)
{
	struct executor *x = owner;

	on_revived(owner, number, state);
	store_row(x->store, number, (struct store_visitor){ load_revived, x });
}

static void change_row(struct executor *x, const struct store_row *r, enum op_state to,
		       const char *reason, void (*cb)(void *owner, uint64_t number, enum op_state state))
{
	struct store_change c = {
		.op = r->op, .state = to, .changed_ms = clock_unix_ms(), .fetch_ms = r->fetch_ms,
		.core_ms = r->core_ms, .send_ms = r->send_ms, .nonce = r->nonce, .tx = r->tx,
		.tx_block = r->tx_block, .tx_block_hash = r->tx_block_hash,
		.due_ms = x->run_ms + x->opt.deadline_ms,
	};

	snprintf(c.reason, sizeof(c.reason), "%s", reason);
	store_put_change(x->store, &c, cb, x);
}

/* With an answer on disk it goes on there; else from the start. */
static void retry_row(void *owner, const struct store_row *r)
{
	struct command *c = owner;
	bool can = r->state == STATE_refused || r->state == STATE_expired || r->state == STATE_held;
	const struct op *op = find_op(c->x, r->op);

	if (op && !op->ending && op->next_ms) {
		timer_start(op->timer, 0, 0);	/* it waits for its next attempt: now */
		c->changed++;
		return;
	}
	if (!can)
		return;
	change_row(c->x, r, r->calldata.len ? STATE_submitting : STATE_seen, "an operator asked for it again",
		   on_revived_one);
	c->changed++;
}

static void retry_all(struct command *c)
{
	static const enum op_state states[] = { STATE_refused, STATE_expired, STATE_held };

	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		store_list(c->x->store, states[i], 0, 0, RETRY_ALL_MAX,
			   (struct store_visitor){ retry_row, c });
}

static enum err on_retry(struct executor *x, struct link *l, const struct msg_retry *m)
{
	struct command c = { .x = x };

	if (m->kind)
		store_find(x->store, m->kind, &m->id, (struct store_visitor){ retry_row, &c });
	else
		retry_all(&c);
	return say_done(l, m->tag, c.changed, c.changed ? "" : "nothing there that can be tried again");
}

/* Somebody waits for it, even if we do not: an operator looks at once. */
static void on_dropped(void *owner, uint64_t number, enum op_state state)
{
	(void)owner, (void)number, (void)state;
}

static void drop_row(void *owner, const struct store_row *r)
{
	struct command *c = owner;
	struct op *op = find_op(c->x, r->op);

	if (!state_is_open(r->state) && r->state != STATE_held && r->state != STATE_expired)
		return;
	if (op)
		op_forget(op);
	change_row(c->x, r, STATE_refused, "dropped by an operator", on_dropped);
	c->changed++;
}

static enum err on_drop(struct executor *x, struct link *l, const struct msg_drop *m)
{
	struct command c = { .x = x };

	store_find(x->store, m->kind, &m->id, (struct store_visitor){ drop_row, &c });
	return say_done(l, m->tag, c.changed, c.changed ? "" : "nothing there that can be dropped");
}

static struct stage *find_stage(struct executor *x, struct bytes name)
{
	struct stage *all[] = { &x->core_stage, &x->sending_stage, &x->storage_stage };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (bytes_is(name, all[i]->row->name))
			return all[i];
	return NULL;
}

static enum err on_halt(struct executor *x, struct link *l, const struct msg_halt *m)
{
	struct stage *s = find_stage(x, m->stage);

	if (!s)
		return say_done(l, m->tag, 0, "no such stage: core, storage or sending");
	stage_halt(s);
	store_put_figure(x->store, s->row->halted, 1);
	if (s == &x->sending_stage)
		outlet_tell(x);
	return say_done(l, m->tag, 1, "");
}

static enum err on_proceed(struct executor *x, struct link *l, const struct msg_proceed *m)
{
	struct stage *s = find_stage(x, m->stage);

	if (!s)
		return say_done(l, m->tag, 0, "no such stage: core, storage or sending");
	stage_proceed(s);
	store_put_figure(x->store, s->row->halted, 0);
	if (s == &x->sending_stage)
		outlet_tell(x);
	return say_done(l, m->tag, 1, "");
}

/* The cursor follows what is read: it moves back with the first block that is complete. */
static enum err on_reread(struct executor *x, struct link *l, const struct msg_reread *m)
{
	struct executor_chain *c = m->chain ? find_chain(x, m->chain) : &x->chain[0];
	struct msg_rewind r = { .block = m->block };

	if (!c)
		return say_done(l, m->tag, 0, "no such chain");
	if (!c->cursor.present || m->block > c->cursor.block)
		return say_done(l, m->tag, 0, "this block has not been read yet");
	r.chain = c->id;
	if (!x->listener || send_rewind(x->listener, &r) != OK)
		return say_done(l, m->tag, 0, "the listener is not connected; try again");
	return say_done(l, m->tag, 1, "");
}

#define IPC_OPERATOR_MAY_SAY(MSG) IPC_WINDOW_TO_EXECUTOR(MSG) IPC_OPERATOR_TO_EXECUTOR(MSG)
LINK_SWITCH(switch_monitor, IPC_WINDOW_TO_EXECUTOR)
LINK_SWITCH(switch_operator, IPC_OPERATOR_MAY_SAY)

static void on_down(void *owner, struct link *l)
{
	follow_leave(owner, l);
}

static const struct link_end monitor_end = {
	.me = ROLE_EXECUTOR, .peer = ROLE_MONITOR, .name = "monitor", .on_packet = switch_monitor,
	.on_down = on_down,
};

static const struct link_end operator_end = {
	.me = ROLE_EXECUTOR, .peer = ROLE_OPERATOR, .name = "operator", .on_packet = switch_operator,
	.on_down = on_down,
};

void window_open(struct executor *x)
{
	x->monitor_door = link_listen(x->loop, proc_fd("monitor.sock"), &monitor_end, x, 4);
	x->operator_door = link_listen(x->loop, proc_fd("operator.sock"), &operator_end, x, 24);
}
