/*
 * keeper - a key that waits days for its finality needs its preprocessing at the end of them.
 *
 * It is asked after when the wait begins, each day, and whenever the Core is seen to have
 * forgotten something.  What the Core does not know any more is made again at once, under the
 * same id, so that the operator hears of it now and not in a week.
 */
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/opid.h"
#include "common/proc.h"
#include "executor/kind.h"
#include "executor/key_preprocessing.h"

#define EVERY_MS   (24ull * 3600 * 1000)
#define SOON_S     60.0		/* after a trouble, or while it is being made */
#define PREPROCESSINGS_MAX 1000	/* newest requests that are looked through */
#define START_S    30.0
#define RESULT_S   330.0	/* the Core blocks for up to 300 s */

static void ask_result(struct op *op);

static void call(struct op *op, const char *method, grpc_slice slice, double timeout_s,
		 void (*on_done)(void *owner, const struct core_reply *r))
{
	op->keeping = true;
	op->call = core_start(op->x->core, op_endpoint(op), CORE_LANE_RESULTS, method, &slice, 1,
			      timeout_s, on_done, op);
}

static void rest(struct op *op, double s)
{
	op->keeping = false;
	timer_start(op->timer, s, 0);
}

/* It is there.  A key that the Core refused all the same wants something else. */
static void kept(struct op *op)
{
	bool remade = op->remaking;

	op->keeping = op->remaking = false;
	op->kept_ms = loop_now_ms(op->x->loop);
	if (op->state == STATE_waiting)
		timer_start(op->timer, (double)EVERY_MS / 1000, 0);
	else if (remade)
		op_fire(op, OP_EVENT_go, NULL);
	else
		op_again(op, op->reason);
}

static void on_started(void *owner, const struct core_reply *r)
{
	struct op *op = owner;

	op->call = NULL;
	count(CNT_EXECUTOR_core_calls, 1);
	if (r->status == CORE_OK || r->status == CORE_ALREADY_EXISTS)
		ask_result(op);
	else
		rest(op, SOON_S);
}

/* Was this preprocessing ever asked for?  Its request is in the store, as far as was read. */

struct search {
	const struct op *op;
	bool found;
};

static void compare(void *owner, const struct store_row *r)
{
	struct search *s = owner;
	struct b32 made = op_result_id(r->kind, r->chain, &r->contract, &r->id);

	s->found = s->found || (r->chain == s->op->chain &&
				b32_eq(&made, &s->op->request->preprocessing_id));
}

static bool was_asked_for(const struct op *op)
{
	enum op_kind kind = op->kind == KIND_ksk ? KIND_preprocess_ksk : KIND_preprocess_keygen;
	struct search s = { .op = op };

	store_list(op->x->store, 0, kind, 0, PREPROCESSINGS_MAX,
		   (struct store_visitor){ .row = compare, .owner = &s });
	return s.found;
}

static void remake(struct op *op)
{
	char id[OPID_TEXT];

	op->keeping = false;
	if (!was_asked_for(op)) {
		op_fire(op, OP_EVENT_hold, "its preprocessing was never asked for, as far as was read");
		return;
	}
	if (!op->remaking)
		log_say(EV_X026_preprocessing_lost, "id=%s", opid_text(op->kind, &op->id, id));
	op->remaking = true;
	count(CNT_EXECUTOR_core_forgot, 1);
	call(op, PREPROCESSING_START, preprocessing_write(op, &op->request->preprocessing_id), START_S,
	     on_started);
}

static void on_result(void *owner, const struct core_reply *r)
{
	struct op *op = owner;
	char id[OPID_TEXT];

	op->call = NULL;
	count(CNT_EXECUTOR_core_calls, 1);
	if (r->status == CORE_NOT_FOUND) {
		remake(op);
	} else if (r->status == CORE_OK) {
		if (op->remaking)
			log_say(EV_X027_preprocessing_made, "id=%s", opid_text(op->kind, &op->id, id));
		kept(op);
	} else if (r->status == CORE_DEADLINE_EXCEEDED || r->from_peer) {
		rest(op, r->status == CORE_UNAVAILABLE ? 1.0 : SOON_S);
	} else {
		rest(op, SOON_S);
	}
}

static void ask_result(struct op *op)
{
	struct core_id id;

	core_id_set(&id, &op->request->preprocessing_id);
	call(op, PREPROCESSING_RESULT, core_pack(&id.m.base), RESULT_S, on_result);
}

void keeper_look(struct op *op)
{
	uint64_t now = loop_now_ms(op->x->loop);

	if (op->keeping || op->call || op->x->opt.centralized || op->x->opt.observes ||
	    (op->kept_ms && now - op->kept_ms < EVERY_MS))
		return;
	ask_result(op);
}

void keeper_look_all(struct executor *x)
{
	for (unsigned i = 0; i < OP_BUCKETS; i++)
		for (struct op *op = x->bucket[i]; op; op = op->next)
			if (op->state == STATE_waiting && op->request && find_kind(op->kind)->consumes) {
				op->kept_ms = 0;
				keeper_look(op);
			}
}

void keeper_remake(struct op *op, const char *why)
{
	snprintf(op->reason, sizeof(op->reason), "%s", why);
	op->kept_ms = 0;
	keeper_look(op);
}
