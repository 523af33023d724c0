/* op - the engine: events, edges, actions. */

#include "executor/op.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/keccak.h"
#include "common/log.h"
#include "common/opid.h"
#include "common/proc.h"
#include "executor/chainview.h"
#include "executor/kind.h"
#include "executor/message.h"
#include "proto/settlement.h"

#define BACKOFF_MAX_S   30.0
#define ASK_DONE_AGE_S  60	/* older requests are looked up before the Core is asked */
#define CHANGED_WITHIN_S 0.05
#define RECHECK_AGAIN_MS 5000	/* nobody could say whether a log stands: asked again */

enum op_action { ACT_none, ACT_wait, ACT_look, ACT_ask_access, ACT_get_bodies, ACT_ask_core, ACT_keep_answer,
		 ACT_bring, ACT_end };

struct edge {
	enum op_action act;
	enum op_state then;
};

static const struct edge edges[STATE_COUNT][OP_EVENT_COUNT] = {
#define EDGE(in, on, act, then) [STATE_##in][OP_EVENT_##on] = { ACT_##act, STATE_##then },
	OP_EDGES(EDGE)
#undef EDGE
};

static const char *const event_names[OP_EVENT_COUNT] = {
#define E(name) #name,
	OP_EVENTS(E)
#undef E
};

/* The store. */

static void fill_change(const struct op *op, struct store_change *c)
{
	*c = (struct store_change){
		.op = op->number, .state = op->state, .changed_ms = op->changed_ms,
		.fetch_ms = op->fetch_ms, .core_ms = op->core_ms, .send_ms = op->send_ms,
		.attempts = op->attempts, .nonce = op->nonce, .tx = op->tx, .tx_block = op->tx_block,
		.tx_block_hash = op->tx_block_hash,
	};
	snprintf(c->reason, sizeof(c->reason), "%s", op->reason);
	clean_text(c->reason, "");
	c->passed_count = op->passed_count;
	memcpy(c->passed, op->passed, sizeof(c->passed));
}

void op_put_change(struct op *op, struct bytes calldata,
		   void (*cb)(void *owner, uint64_t number, enum op_state state))
{
	struct store_change c;

	fill_change(op, &c);
	c.calldata = calldata;
	c.result = op->result ? op->result : "";
	op->dirty = op->untold = false;
	op->passed_count = 0;
	store_put_change(op->x->store, &c, cb, op->x);
}

void op_flush(struct executor *x)
{
	if (store_is_full(x->store))
		return;	/* they stay as they are until there is room */
	for (unsigned i = 0; i < OP_BUCKETS; i++)
		for (struct op *op = x->bucket[i]; op; op = op->next)
			if (op->dirty && !op->ending)
				op_put_change(op, (struct bytes){ 0 }, NULL);
}

/*
 * States that were left again in the same turn are not told; each other one is.  What nobody waits
 * for goes to the store with the next change that somebody does, or a little later: so a request
 * that is answered quickly is written twice, and not for each of its states.
 */
static void on_turn_end(void *owner)
{
	struct executor *x = owner;

	x->turn++;
}

static void leave_state(struct op *op)
{
	bool full = store_is_full(op->x->store);

	if (!op->untold || op->turn == op->x->turn)
		return;
	if (full && op->passed_count == STORE_PASSED_MAX)
		op->passed_count--;	/* nothing piles up while the disk is full */
	if (!full && (*op->reason || op->passed_count == STORE_PASSED_MAX))
		op_put_change(op, (struct bytes){ 0 }, NULL);
	else
		op->passed[op->passed_count++] =
			(struct store_passed){ .state = op->state, .at_ms = op->changed_ms };
}

static void enter_state(struct op *op, enum op_state state)
{
	struct executor *x = op->x;

	op->state = state;
	op->changed_ms = clock_unix_ms();
	op->dirty = op->untold = true;
	op->turn = x->turn;
	loop_defer(x->loop, on_turn_end, x);
	if (!timer_is_running(x->flush))
		timer_start(x->flush, CHANGED_WITHIN_S, 0);
}

bool op_is_too_late(const struct op *op)
{
	return op_group(op->kind) == OP_DECRYPTION && op->x->run_ms > op->due_ms;
}

static void set_reason(struct op *op, const char *reason)
{
	if (reason == op->reason)
		return;
	snprintf(op->reason, sizeof(op->reason), "%s", reason ? reason : "");
	clean_text(op->reason, "");
}

void op_again(struct op *op, const char *reason)
{
	double base = op->x->opt.retry_s * (double)(1u << (op->attempts < 6 ? op->attempts : 6));
	double wait = base < BACKOFF_MAX_S ? base : BACKOFF_MAX_S;
	/* Jitter from the request itself: no two of a batch come back together. */
	double spread = (double)((op->number * 2654435761u + op->attempts * 40503u) % 1000) / 1000.0;

	count(CNT_EXECUTOR_retries, 1);
	set_reason(op, reason);
	op->attempts++;
	op->dirty = true;
	if (op_is_too_late(op) && (op->state != STATE_submitting || op->x->opt.observes)) {
		op_fire(op, OP_EVENT_expire, reason);
		return;
	}
	wait *= 0.5 + spread / 2;
	op->next_ms = clock_unix_ms() + (uint64_t)(wait * 1000);
	timer_start(op->timer, wait, 0);
}

void op_note_result(struct op *op, const char *text, const struct core_parts *parts)
{
	char signature[2 * 65 + 3] = "";

	if (parts->signature.len <= 65)
		hex_encode0x(parts->signature, signature);
	free(op->result);
	op->result = malloc(STORE_RESULT_MAX);
	check(op->result != NULL);
	snprintf(op->result, STORE_RESULT_MAX, "%s%ssignature=%s", text, *text ? " " : "", signature);
}

/* What the event asks for; refused when it can never be done.  False: it is over. */
static bool decode(struct op *op)
{
	struct request_event e = {
		.profile = &op->x->profile, .row = op->profile, .chain = op->chain,
		.log_index = op->log_index, .contract = op->contract, .block_hash = op->block_hash,
		.topics = op->topics, .data = op->data,
	};
	const char *why = "the profile no longer knows its event";

	if (op->request && op->profile)
		return true;
	if (op->profile && request_decode(&e, &op->request, &why) == OK)
		return true;
	op_fire(op, OP_EVENT_refuse, why);
	return false;
}

/* Actions. */

static uint64_t level_height(const struct executor_chain *c, const char *level)
{
	return strcmp(level, "confirmed") == 0	 ? c->confirmed
	       : strcmp(level, "safe") == 0	 ? c->safe
	       : strcmp(level, "finalized") == 0 ? c->finalized
	       : strcmp(level, "settled") == 0	 ? c->settled
						 : UINT64_MAX;
}

/* Without a parent chain it is the chain's own time that settles. */
static bool waits_for_time(const struct op *op, const struct executor_chain *c)
{
	return c->settled_time && strcmp(op->profile->finality, "settled") == 0;
}

static bool has_reached(const struct op *op, const struct executor_chain *c)
{
	return waits_for_time(op, c) ? op->block_time <= c->settled_time
				     : op->block <= level_height(c, op->profile->finality);
}

/* For people: what it waits for, and until when. */
static void say_waiting(struct op *op, const struct executor_chain *c)
{
	const char *level = op->profile->finality;
	uint64_t height = level_height(c, level);
	char reason[STORE_REASON_MAX], due[CLOCK_TEXT], now[CLOCK_TEXT];

	if (has_reached(op, c))
		snprintf(reason, sizeof(reason), "%s; does its log still stand?", level);
	else if (waits_for_time(op, c))
		snprintf(reason, sizeof(reason), "waits for settled: chain time %s at the earliest; "
			 "it is %s", clock_text(op->block_time + SETTLED_AGE_S, due),
			 clock_text(c->settled_time + SETTLED_AGE_S, now));
	else if (height)
		snprintf(reason, sizeof(reason), "waits for %s: block %" PRIu64 ", %s is %" PRIu64,
			 level, op->block, level, height);
	else
		snprintf(reason, sizeof(reason), "waits for %s: block %" PRIu64 ", %s is not known yet",
			 level, op->block, level);
	set_reason(op, reason);
}

static void ask_recheck(struct op *op)
{
	uint64_t now = loop_now_ms(op->x->loop);
	struct msg_recheck m = {
		.chain = op->chain, .number = op->block, .hash = op->block_hash,
		.tx_hash = op->tx_hash, .log_index = op->log_index, .contract = op->contract,
	};
	struct keccak k;

	if (op->recheck_ms && now - op->recheck_ms < RECHECK_AGAIN_MS)
		return;
	op->recheck_ms = now;
	keccak_init(&k);
	keccak_update(&k, op->topics.p, op->topics.len);
	keccak_update(&k, op->data.p, op->data.len);
	keccak_final(&k, m.content.b);
	if (send_recheck(op->x->listener, &m) != OK)
		return;		/* the link is gone; with it comes a new head */
}

static void act_wait(struct op *op)
{
	const struct executor_chain *c = find_chain(op->x, op->chain);

	if (!c || !decode(op))
		return;
	if (strcmp(op->profile->finality, "latest") == 0) {
		op_fire(op, OP_EVENT_reached, NULL);
		return;
	}
	if (find_kind(op->kind)->consumes)
		keeper_look(op);
	say_waiting(op, c);
	if (has_reached(op, c) && op->x->listener)	/* else looked at again when the level moves */
		ask_recheck(op);
}

void op_recheck_waiting(struct executor *x, uint64_t chain)
{
	for (unsigned i = 0; i < OP_BUCKETS; i++)
		for (struct op *op = x->bucket[i]; op; op = op->next)
			if (op->state == STATE_waiting && op->chain == chain)
				act_wait(op);
}

void op_rechecked(struct executor *x, const struct msg_rechecked *m)
{
	for (unsigned i = 0; m->verdict == 1 && i < OP_BUCKETS; i++)
		for (struct op *op = x->bucket[i], *next; op; op = next) {
			next = op->next;
			if (op->state == STATE_waiting && op->chain == m->chain &&
			    op->block == m->number && op->log_index == m->log_index &&
			    b32_eq(&op->block_hash, &m->hash))
				op_fire(op, OP_EVENT_reached, NULL);
		}
}

static void on_looked(struct executor *x, uint64_t number, uint64_t ticket, enum chain_says done)
{
	struct op *op = find_op(x, number);

	(void)ticket;
	if (!op || op->state != STATE_checking || op->fetch || op->access || op->ending)
		return;
	if (done == CHAIN_UNKNOWN) {
		op_again(op, "no chain node says whether it is done already");
	} else if (done == CHAIN_YES && !x->opt.send_late) {
		op->done_before = true;
		op_fire(op, OP_EVENT_over, "done on the chain before");
	} else {
		op_fire(op, OP_EVENT_open, NULL);
	}
}

static void act_look(struct op *op)
{
	struct executor *x = op->x;
	bool old = clock_unix_ms() / 1000 > op->block_time + ASK_DONE_AGE_S;

	if (op_is_too_late(op)) {
		op_fire(op, OP_EVENT_expire, op->reason);
		return;
	}
	if (!decode(op))
		return;
	op->step_ms = loop_now_ms(x->loop);
	if (x->opt.observes)
		op_fire(op, OP_EVENT_ready, NULL);	/* who answers has looked */
	else if (old || op_group(op->kind) == OP_KEY)
		chainview_ask_done(x->view, op,
				   (struct chain_asker){ .cb = on_looked, .op = op->number });
	else
		op_fire(op, OP_EVENT_open, NULL);
}

static void on_fetched(void *owner, enum fetch_outcome what, const char *why)
{
	struct op *op = owner;
	struct executor *x = op->x;
	char reason[STORE_REASON_MAX], id[OPID_TEXT];

	if (what == FETCH_OK) {
		stage_fine(&x->storage_stage);
		op->fetch_ms = (uint32_t)(loop_now_ms(x->loop) - op->step_ms);
		op->attempts = 0;
		op_fire(op, OP_EVENT_ready, NULL);
		return;
	}
	snprintf(reason, sizeof(reason), "%s", why);	/* it goes with the fetch */
	fetch_free(&op->fetch);
	if (what == FETCH_TOO_BIG) {
		op_fire(op, OP_EVENT_refuse, reason);
		return;
	}
	/* Each request counts once, so that one of its own cannot pause the stage. */
	if (what != FETCH_OUTAGE)
		stage_fine(&x->storage_stage);
	else if (op->attempts == 0 || x->storage_stage.state != STAGE_RUNS)
		stage_trouble(&x->storage_stage, TROUBLE_FLAKY, reason);
	if (op->attempts == 0 && x->storage_stage.state == STAGE_RUNS)
		log_say(EV_X006_fetch_failed, "id=%s why=\"%s\"", opid_text(op->kind, &op->id, id), reason);
	if (x->storage_stage.state == STAGE_RUNS)
		op_again(op, reason);
	else
		op_fire(op, OP_EVENT_open, reason);	/* to wait there with the others for the canary */
}

static void act_get_bodies(struct op *op)
{
	struct executor *x = op->x;

	if (op->fetch)
		return;
	if (op->request->materials == 0 || x->profile.ciphertext_inline) {
		op_fire(op, OP_EVENT_ready, NULL);
		return;
	}
	if (!chainview_knows_buckets(x->view, op->request)) {
		op->wants_buckets = true;
		set_reason(op, "the coprocessors' buckets are not known yet");
		return;
	}
	if (!stage_admit(&x->storage_stage, op))
		return;
	op->fetch = fetch_start(x->fetcher, op->request, op->number,
				op->lane == LANE_LIVE, on_fetched, op);
}

void op_buckets_known(struct executor *x)
{
	executor_show(x);
	for (unsigned i = 0; i < OP_BUCKETS; i++)
		for (struct op *op = x->bucket[i], *next; op; op = next) {
			next = op->next;
			if (!op->wants_buckets)
				continue;
			op->wants_buckets = false;
			if (op->state == STATE_checking)
				op_fire(op, OP_EVENT_open, NULL);
		}
}

static void act_ask_core(struct op *op)
{
	if (!decode(op))	/* after a restart nothing is */
		return;
	if (!op->asked)
		op->step_ms = loop_now_ms(op->x->loop);
	ask_core(op);
}

static void on_kept(void *owner, uint64_t number, enum op_state state)
{
	struct op *op = find_op(owner, number);

	(void)state;
	if (op && op->state == STATE_answered)
		op_fire(op, OP_EVENT_stored, NULL);
}

static void act_keep_answer(struct op *op)
{
	op->attempts = 0;
	op->odd = 0;
	op_put_change(op, op->calldata, on_kept);
}

static void act_bring(struct op *op)
{
	op->dirty = true;
	op->step_ms = loop_now_ms(op->x->loop);
	if (!decode(op))
		return;
	if (op->x->opt.observes)
		observe_bring(op);
	else
		outlet_submit(op->x, op);
}

static void count_end(const struct op *op)
{
	switch (op->state) {
	case STATE_done:
		count(op->done_before ? CNT_EXECUTOR_done_before : CNT_EXECUTOR_done, 1);
		break;
	case STATE_refused:
		count(CNT_EXECUTOR_refused, 1);
		break;
	case STATE_expired:
		count(CNT_EXECUTOR_expired, 1);
		break;
	default:
		count(CNT_EXECUTOR_held, 1);
		break;
	}
}

static void say_end(const struct op *op)
{
	char id[OPID_TEXT], tx[67];
	enum log_event ev = op->state == STATE_done	 ? EV_X012_done
			    : op->state == STATE_refused ? EV_X009_refused
			    : op->state == STATE_expired ? EV_X011_expired
			    : op->differs		 ? EV_X041_differs
							 : EV_X010_held;

	log_say(ev, "id=%s tx=%s fetch_ms=%u core_ms=%u send_ms=%u reason=\"%s\"",
		opid_text(op->kind, &op->id, id),
		b32_is_zero(&op->tx) ? "-" : hex_encode0x(BYTES_OF(op->tx.b), tx), op->fetch_ms,
		op->core_ms, op->send_ms, op->reason);
}

/* Its end is on disk: now it may be told. */
static void on_ended(void *owner, uint64_t number, enum op_state state)
{
	struct op *op = find_op(owner, number);

	if (!op || op->state != state)
		return;
	count_end(op);
	say_end(op);
	op_forget(op);
}

static void act_end(struct op *op)
{
	op_stop(op);
	op->ending = true;
	op_put_change(op, (struct bytes){ 0 }, on_ended);
}

static void do_action(struct op *op, enum op_action act)
{
	switch (act) {
	case ACT_wait:
		act_wait(op);
		break;
	case ACT_look:
		act_look(op);
		break;
	case ACT_ask_access:
		access_ask(op);
		break;
	case ACT_get_bodies:
		act_get_bodies(op);
		break;
	case ACT_ask_core:
		act_ask_core(op);
		break;
	case ACT_keep_answer:
		act_keep_answer(op);
		break;
	case ACT_bring:
		act_bring(op);
		break;
	case ACT_end:
		act_end(op);
		break;
	case ACT_none:
		break;
	}
}

void op_fire(struct op *op, enum op_event ev, const char *reason)
{
	const struct edge *e = &edges[op->state][ev];
	char id[OPID_TEXT];

	if (op->ending)
		return;		/* nothing changes an end that is on its way to the disk */
	if (e->act == ACT_none) {
		count(CNT_EXECUTOR_refused_edges, 1);
		log_say(EV_X019_edge, "id=%s state=%s on=%s", opid_text(op->kind, &op->id, id),
			state_name(op->state), event_names[ev]);
		return;
	}
	/* Why the last attempt failed stands until this step is done, not only between attempts. */
	if (op->state != e->then) {
		leave_state(op);
		set_reason(op, reason);
		enter_state(op, e->then);
	} else if (reason) {
		set_reason(op, reason);
	}
	do_action(op, e->act);
}
