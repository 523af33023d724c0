/* core - operations: begun, computed, waited for, forgotten. */

#include "tests/peers/fakecore/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "proto/kms.pb-c.h"

enum {
	INVALID_ARGUMENT = 3, NOT_FOUND = 5, ALREADY_EXISTS = 6, ABORTED = 10, INTERNAL = 13,
	UNAVAILABLE = 14,
};

static void fail(struct core *c, struct call *call, int status, const char *why)
{
	unsigned row = status >= 0 && status < 100 ? (unsigned)status : 99;

	c->stats.errors[call->kind][call->is_result][row]++;
	call_reply(call, status, why, BYTES("", 0));
}

/* ---- calls that wait ---- */

static void link_call(struct op *op, struct call *call)
{
	call->op = op;
	call->link = &op->waiting;
	call->next = op->waiting;
	if (call->next)
		call->next->link = &call->next;
	op->waiting = call;
	if (++op->core->stats.waiting > op->core->stats.waiting_peak)
		op->core->stats.waiting_peak = op->core->stats.waiting;
}

static void unlink_call(struct call *call)
{
	if (!call->op)
		return;
	call->op->core->stats.waiting--;
	*call->link = call->next;
	if (call->next)
		call->next->link = call->link;
	call->op = NULL;
}

static void on_time(void *owner)
{
	struct call *call = owner;

	call->on_time(call);
}

static void start_timer(struct core *c, struct call *call, void (*cb)(struct call *call), double ms)
{
	call->on_time = cb;
	if (!call->timer)
		call->timer = timer_new(c->loop, on_time, call);
	timer_start(call->timer, ms / 1000, 0);
}

static void on_gone(void *owner, struct call *call)
{
	(void)owner;
	if (call->timer)
		timer_stop(call->timer);
	unlink_call(call);
}

static void give(struct op *op, struct call *call)
{
	op->answers++;
	call_reply(call, 0, "", BYTES(op->answer.p, op->answer.len));
}

static void on_poll_over(struct call *call)
{
	struct core *c = call->owner;

	unlink_call(call);
	fail(c, call, UNAVAILABLE, "not ready");
}

/* ---- operations ---- */

static struct op *get_op(struct core *c, enum kind kind, const struct b32 *id)
{
	struct op *op = (struct op *)find_id(&c->ops[kind], id);

	if (op)
		return op;
	op = calloc(1, sizeof(*op));
	check(op != NULL);
	op->ided.id = *id;
	op->core = c;
	op->kind = kind;
	text_init(&op->answer, SIZE_MAX / 2);
	ids_add(&c->ops[kind], &op->ided);
	return op;
}

static void empty_op(struct op *op)
{
	op->present = false;
	work_free(&op->work);
	text_fini(&op->answer);
	if (op->timer)
		timer_stop(op->timer);
}

/* Only so many finished decryptions are kept; keys for ever. */
static void keep_finished(struct op *op)
{
	struct core *c = op->core;

	if (op->kind != KIND_PUBLIC && op->kind != KIND_USER)
		return;
	op->newer = NULL;
	if (c->newest[op->kind])
		c->newest[op->kind]->newer = op;
	else
		c->oldest[op->kind] = op;
	c->newest[op->kind] = op;
	if (++c->kept[op->kind] <= KEPT)
		return;
	struct op *old = c->oldest[op->kind];
	c->oldest[op->kind] = old->newer;
	c->kept[op->kind]--;
	empty_op(old);
}

static void finish(struct op *op)
{
	struct core *c = op->core;

	answer_make(op->work, c->signer, core_twist(c, &op->ided.id), &op->answer);
	work_free(&op->work);
	keep_finished(op);
	for (struct call *call; (call = op->waiting);) {
		unlink_call(call);
		give(op, call);
	}
}

static void on_computed(void *owner)
{
	finish(owner);
}

/* A key needs its preprocessing, and uses it up. */
static void take_preprocessing(struct core *c, const struct work *w, struct refusal *r)
{
	struct op *pre = (struct op *)find_id(&c->ops[KIND_PREPROC], &w->preproc);

	if (w->kind != KIND_KEYGEN || c->centralized)
		return;
	if (!pre || !pre->present || pre->work)
		refuse(r, NOT_FOUND, "no finished preprocessing with this id");
	else
		empty_op(pre);
}

static void begin(struct core *c, const struct call *call, struct refusal *r)
{
	if (c->centralized && call->kind == KIND_PREPROC) {
		refuse(r, ABORTED,
		       "Key generation preprocessing is not supported in centralized mode");
		return;
	}

	struct work *w = work_new(call->kind, call->message, &c->keys, r);
	if (!w)
		return;
	struct op *op = get_op(c, call->kind, &w->id);
	if (op->starts++)
		c->stats.duplicates++;
	if (op->present)
		refuse(r, ALREADY_EXISTS, "A request with this id already exists");
	else
		take_preprocessing(c, w, r);
	if (r->status) {
		work_free(&w);
		return;
	}
	op->present = true;
	op->work = w;
	if (c->delay_ms[op->kind] <= 0) {
		finish(op);
		return;
	}
	if (!op->timer)
		op->timer = timer_new(c->loop, on_computed, op);
	timer_start(op->timer, c->delay_ms[op->kind] / 1000, 0);
}

void core_forget(struct core *c)
{
	for (int kind = 0; kind < KINDS_COUNT; kind++) {
		size_t at = 0;
		for (struct op *op; (op = (struct op *)ids_next(&c->ops[kind], &at));) {
			c->stats.forgotten += op->present;
			empty_op(op);
			for (struct call *call; (call = op->waiting);) {
				unlink_call(call);
				fail(c, call, NOT_FOUND, "no request with this id");
			}
		}
		c->kept[kind] = 0;
		c->oldest[kind] = c->newest[kind] = NULL;
	}
}

void core_reset_stats(struct core *c)
{
	uint64_t waiting = c->stats.waiting;

	c->stats = (struct stats){ .waiting = waiting };
	for (int kind = 0; kind < KINDS_COUNT; kind++) {
		size_t at = 0;
		for (struct op *op; (op = (struct op *)ids_next(&c->ops[kind], &at));)
			op->starts = op->results = op->answers = 0;
	}
}

/* ---- calls ---- */

static void run_start(struct core *c, struct call *call)
{
	struct refusal r = { .status = 0 };

	begin(c, call, &r);
	if (r.status)
		fail(c, call, r.status, r.why);
	else
		call_reply(call, 0, "", BYTES("", 0));
}

static void run_result(struct core *c, struct call *call)
{
	const Kms__V1__RequestId *m = (const void *)call->message;
	double wait_ms = c->long_poll_ms >= 0 ? c->long_poll_ms : kind_rows[call->kind].wait_ms;
	struct b32 id;

	if (!id_parse(m->request_id, &id)) {
		fail(c, call, INVALID_ARGUMENT, "request_id is not 64 lower-case hex digits");
		return;
	}
	struct op *op = (struct op *)find_id(&c->ops[call->kind], &id);
	if (!op || !op->present) {
		fail(c, call, NOT_FOUND, "no request with this id");
		return;
	}
	op->results++;
	if (!op->work) {
		give(op, call);
		return;
	}
	if (wait_ms <= 0) {
		fail(c, call, UNAVAILABLE, "not ready");
		return;
	}
	call_wait(call);
	link_call(op, call);
	start_timer(c, call, on_poll_over, wait_ms);
}

static void run(struct core *c, struct call *call)
{
	if (call->is_result)
		run_result(c, call);
	else
		run_start(c, call);
}

static void on_delayed(struct call *call)
{
	run(call->owner, call);
}

static void reply_huge(struct call *call, size_t len)
{
	uint8_t *p = malloc(len + 1);

	check(p != NULL);
	memset(p, 0x5a, len);
	call_reply(call, 0, "", BYTES(p, len));
	free(p);
}

static void spoil(struct core *c, struct call *call, const struct rule *rule)
{
	struct refusal nobody_asks = { .status = 0 };

	if (rule->after && !call->is_result)
		begin(c, call, &nobody_asks);
	switch (rule->act) {
	case ACT_FAIL:
		fail(c, call, rule->status, rule->message);
		return;
	case ACT_HANG:
		call_wait(call);
		return;
	case ACT_DIE:
		_exit(1);
	case ACT_DELAY:
		call_wait(call);
		start_timer(c, call, on_delayed, (double)rule->amount);
		return;
	case ACT_BOMB:
		call->compressed = true;
		reply_huge(call, rule->amount);
		return;
	case ACT_HUGE:
		reply_huge(call, rule->amount);
		return;
	case ACT_RAW:
		call_reply(call, 0, "", BYTES(rule->bytes.p, rule->bytes.len));
		return;
	}
}

/* The id of a call as its client wrote it; "" without one.  Adds up the ciphertexts' bytes. */
static const char *look_at(struct core *c, const struct call *call)
{
	const Kms__V1__PublicDecryptionRequest *pub = (const void *)call->message;
	const Kms__V1__UserDecryptionRequest *user = (const void *)call->message;
	/* request_id is the first field of every message that starts something */
	const Kms__V1__RequestId *id =
		call->is_result ? (const void *)call->message : pub->request_id;

	if (!call->is_result && call->kind == KIND_PUBLIC)
		for (size_t i = 0; i < pub->n_ciphertexts; i++)
			c->stats.bytes += pub->ciphertexts[i]->ciphertext.len;
	if (!call->is_result && call->kind == KIND_USER)
		for (size_t i = 0; i < user->n_typed_ciphertexts; i++)
			c->stats.bytes += user->typed_ciphertexts[i]->ciphertext.len;
	return id ? id->request_id : "";
}

static void on_call(void *owner, struct call *call)
{
	struct core *c = owner;
	bool spent;

	c->stats.calls[call->kind][call->is_result]++;
	if (!call->message) {
		fail(c, call, INTERNAL, "the message cannot be read");
		return;
	}

	struct rule *rule = core_rule(c, call, look_at(c, call), &spent);

	if (!rule) {
		run(c, call);
		return;
	}
	spoil(c, call, rule);
	if (spent)
		rule_free(rule);
}

const struct server_events core_events = { .on_call = on_call, .on_gone = on_gone };
