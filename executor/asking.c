/* asking - the Core's side of a request: start call, result call, and what a status means. */

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/opid.h"
#include "common/proc.h"
#include "executor/kind.h"
#include "executor/message.h"
#include "executor/verdict.h"

#define START_TIMEOUT_S 30.0	/* a start call answers at once; a large body takes its time */
#define POLL_MAX_S      75.0	/* a result call blocks at the Core for up to 60 s */
#define POLL_LONG_S     330.0	/* one for a preprocessing for up to 300 s */
#define POLL_SHORT_MS   1000	/* an answer "not ready" sooner than this did not block */
#define ODD_TRIES       3
#define FORGOT_SAID_MS  60000	/* a Core that restarts forgets all: one line for them */
#define BUSY_SAID_MS    60000	/* one that is busy says so often */

struct verdict_row {
	enum core_verdict start, result;
};

static const struct verdict_row verdicts[] = {
#define V(status, on_start, on_result) \
	[CORE_##status] = { .start = VERDICT_##on_start, .result = VERDICT_##on_result },
	CORE_VERDICTS(V)
#undef V
};

static void begin(struct op *op);
static void answer_alone(struct op *op);

/* Who waits for room at the Core. */

static void on_room(void *owner)
{
	struct executor *x = owner;

	while (!line_is_empty(&x->core_line) && x->core_busy < x->core_limit)
		begin(line_take(&x->core_line));
}

static void give_room(struct op *op)
{
	struct executor *x = op->x;

	if (!op->at_core)
		return;
	op->at_core = false;
	x->core_busy--;
	if (!line_is_empty(&x->core_line))
		loop_defer(x->loop, on_room, x);
}

void ask_leave(struct op *op)
{
	line_leave(&op->x->core_line, op);
	core_abandon(&op->call);
	give_room(op);
}

void ask_core(struct op *op)
{
	struct executor *x = op->x;

	if (op->call || op->place[LINE_CORE].waits || op->keeping)
		return;
	if ((find_kind(op->kind)->preprocesses && x->opt.centralized) || observe_knows(op)) {
		answer_alone(op);
		return;
	}
	if (!stage_admit(&x->core_stage, op))
		return;
	if (op->at_core || x->core_busy < x->core_limit)
		begin(op);
	else
		line_join(&x->core_line, op);
}

/* The stage is paused: wait there with the others for the canary, not for a time of one's own. */
static void wait_there(struct op *op, enum trouble t, const char *why)
{
	stage_trouble(&op->x->core_stage, t, why);
	give_room(op);
	op_fire(op, OP_EVENT_go, why);
}

/* Verdicts that are the same for both calls. */

static void odd_outcome(struct op *op, const char *why)
{
	struct executor *x = op->x;

	/* Each request counts once, so that one of its own cannot pause the stage. */
	if (op->odd++ == 0 || x->core_stage.state != STAGE_RUNS)
		stage_trouble(&x->core_stage, TROUBLE_ODD, why);
	give_room(op);
	if (x->core_stage.state != STAGE_RUNS) {
		op->odd = 1;	/* the stage's trouble, not its own */
		op_fire(op, OP_EVENT_go, why);	/* to wait there with the others */
	} else if (op->odd > ODD_TRIES)
		op_fire(op, OP_EVENT_hold, why);
	else
		op_again(op, why);
}

/* One line for a time in which it goes up and down. */
static void say_busy(struct executor *x)
{
	uint64_t now = loop_now_ms(x->loop);

	if (x->busy_said_ms && now - x->busy_said_ms < BUSY_SAID_MS)
		return;
	x->busy_said_ms = now;
	log_say(EV_X015_core_busy, "limit=%u", x->core_limit);
}

static void slow_down(struct op *op, const struct core_reply *r, const char *why)
{
	struct executor *x = op->x;

	if (r->from_peer && x->core_limit == 1) {
		wait_there(op, TROUBLE_BUSY, why);
		return;
	}
	give_room(op);
	if (!r->from_peer) {
		op_fire(op, OP_EVENT_refuse, "the request or its answer is larger than core.max_message");
		return;
	}
	x->core_limit /= 2;
	say_busy(x);
	op_again(op, why);
}

static void common_verdict(struct op *op, enum core_verdict v, const struct core_reply *r,
			   const char *why)
{
	struct executor *x = op->x;

	switch (v) {
	case VERDICT_AGAIN:
		stage_reached(&x->core_stage);
		give_room(op);
		op_again(op, why);
		return;
	case VERDICT_DOWN:
		if (!r->from_peer) {
			wait_there(op, TROUBLE_OUTAGE, why);
			return;
		}
		stage_reached(&x->core_stage);
		give_room(op);
		op_again(op, why);
		return;
	case VERDICT_SLOW:
		slow_down(op, r, why);
		return;
	case VERDICT_REFUSE:
		give_room(op);
		op_fire(op, OP_EVENT_refuse, why);
		return;
	case VERDICT_PAUSE:
		wait_there(op, TROUBLE_REFUSAL, why);
		return;
	default:
		odd_outcome(op, why);
		return;
	}
}

static void explain(char *out, size_t cap, const char *call, const struct core_reply *r)
{
	snprintf(out, cap, "the Core answered %s to the %s call%s%s", core_status_name(r->status), call,
		 *r->details ? ": " : "", r->details);
}

static enum core_verdict verdict_of(int status, bool result)
{
	if (status < 0 || status >= (int)ARRAY_LEN(verdicts))
		return VERDICT_ODD;
	return result ? verdicts[status].result : verdicts[status].start;
}

static void note_call(const struct core_reply *r)
{
	count(CNT_EXECUTOR_core_calls, 1);
	if (r->status != CORE_OK)
		count(CNT_EXECUTOR_core_errors, 1);
}

unsigned op_endpoint(const struct op *op)
{
	return (unsigned)(be64_get(op->request->route.b + 24) % core_endpoints(op->x->core));
}

/* The result call. */

struct versions {
	const struct op *op;
	bool others;
};

static void note_version(void *owner, const struct store_row *r)
{
	struct versions *v = owner;

	v->others = v->others || (r->op != v->op->number && r->chain == v->op->chain &&
				  addr_eq(&r->contract, &v->op->contract));
}

/* Was this id asked for with other content, in a block that left? */
static bool has_other_version(const struct op *op)
{
	struct versions v = { .op = op };

	store_find(op->x->store, op->kind, &op->id, (struct store_visitor){ note_version, &v });
	return v.others;
}

/* The Core answers for what this id was before: no fault of it, and nobody else's trouble. */
static void id_conflict(struct op *op, const char *why)
{
	char reason[STORE_REASON_MAX], id[OPID_TEXT];

	snprintf(reason, sizeof(reason),
		 "id_conflict: the Core was asked for other content under this id: %s", why);
	if (op->odd++ == 0)
		log_say(EV_X018_conflict, "id=%s why=\"%s\"", opid_text(op->kind, &op->id, id),
			reason);
	stage_reached(&op->x->core_stage);
	give_room(op);
	if (op->odd > ODD_TRIES)
		op_fire(op, OP_EVENT_hold, reason);
	else
		op_again(op, reason);
}

static void wrong_answer(struct op *op, enum err e, const char *why)
{
	char id[OPID_TEXT];

	count(CNT_EXECUTOR_core_wrong, 1);
	if (has_other_version(op)) {
		id_conflict(op, why);
		return;
	}
	if (op->odd == 0)
		log_say(e == ERR_DENIED ? EV_X005_core_signature : EV_X004_core_wrong,
			"id=%s why=\"%s\"", opid_text(op->kind, &op->id, id), why);
	odd_outcome(op, why);
}

static void keep_answer(struct op *op, const uint8_t *calldata, size_t len)
{
	struct executor *x = op->x;

	give_room(op);
	free((void *)(uintptr_t)op->calldata.p);	/* of an answer before its block left */
	uint8_t *copy = malloc(len);
	check(copy != NULL);
	memcpy(copy, calldata, len);
	op->calldata = BYTES(copy, len);
	op->core_ms = (uint32_t)(loop_now_ms(x->loop) - op->step_ms);
	op_fire(op, OP_EVENT_answer, NULL);
}

static enum err read_answer(struct op *op, struct bytes message, uint8_t *out, size_t *len_out,
			    const char **why_out)
{
	const struct kind *kind = find_kind(op->kind);
	ProtobufCMessage *r = protobuf_c_message_unpack(kind->answer, NULL, message.len, message.p);

	*why_out = "the answer is no message of its type";
	if (!r)
		return ERR_MISMATCH;
	enum err e = kind->read_answer(op, r, out, len_out, why_out);
	protobuf_c_message_free_unpacked(r, NULL);
	return e;
}

static void take_answer(struct op *op, struct bytes message)
{
	static uint8_t calldata[IPC_CALLDATA_MAX];
	struct executor *x = op->x;
	const char *why;
	size_t len;

	enum err e = read_answer(op, message, calldata, &len, &why);
	if (e == ERR_TOO_BIG) {
		give_room(op);
		op_fire(op, OP_EVENT_refuse, why);
		return;
	}
	if (e) {
		wrong_answer(op, e, why);
		return;
	}
	stage_fine(&x->core_stage);
	if (x->core_limit < x->opt.window)
		x->core_limit++;
	keep_answer(op, calldata, len);
}

/* A centralised Core preprocesses nothing; the ids are known without any. */
static void answer_alone(struct op *op)
{
	static uint8_t calldata[IPC_CALLDATA_MAX];
	struct core_parts none = { .result = BYTES("", 0) };
	const char *why;
	size_t len;

	if (core_write_call(op, &none, calldata, &len, &why) == OK)
		keep_answer(op, calldata, len);
	else
		op_fire(op, OP_EVENT_refuse, why);
}

/* Started again, with the same id; at once only the first time. */
static void on_forgotten(struct op *op)
{
	struct executor *x = op->x;
	uint64_t now = loop_now_ms(x->loop);
	char id[OPID_TEXT];

	stage_reached(&x->core_stage);
	if (x->opt.observes) {
		give_room(op);
		observe_missing(op);
		return;
	}
	count(CNT_EXECUTOR_core_forgot, 1);
	if (!x->forgot_said_ms || now - x->forgot_said_ms > FORGOT_SAID_MS) {
		x->forgot_said_ms = now;
		log_say(EV_X003_core_forgot, "id=%s", opid_text(op->kind, &op->id, id));
	}
	op->asked = false;
	give_room(op);
	keeper_look_all(x);
	if (op->forgotten++ == 0)
		op_fire(op, OP_EVENT_forgot, NULL);
	else
		op_again(op, "the Core does not know it again");
}

/* The Core kept us waiting as long as it may: ask on, but hold no place that others want. */
static void ask_on(struct op *op, const char *why)
{
	if (op_is_too_late(op)) {
		give_room(op);
		op_fire(op, OP_EVENT_expire, why);
	} else if (!line_is_empty(&op->x->core_line)) {
		give_room(op);
		op_fire(op, OP_EVENT_go, NULL);
	} else {
		begin(op);
	}
}

static void on_result(void *owner, const struct core_reply *r)
{
	struct op *op = owner;
	char why[160 + CORE_DETAILS_MAX];
	bool blocked = loop_now_ms(op->x->loop) - op->polled_ms > POLL_SHORT_MS;

	op->call = NULL;
	note_call(r);
	explain(why, sizeof(why), "result", r);
	enum core_verdict v = verdict_of(r->status, true);
	if (v == VERDICT_TAKE) {
		take_answer(op, r->message);
	} else if (v == VERDICT_FORGOT) {
		on_forgotten(op);
	} else if (v == VERDICT_DOWN && r->from_peer && blocked) {
		ask_on(op, why);
	} else {
		common_verdict(op, v, r, why);
	}
}

static void ask_result(struct op *op)
{
	double most = find_kind(op->kind)->preprocesses ? POLL_LONG_S : POLL_MAX_S;
	double timeout = op->x->opt.attempt_s < most ? op->x->opt.attempt_s : most;
	struct core_id id;

	core_id_set(&id, &op->request->core_id);
	grpc_slice s = core_pack(&id.m.base);
	op->polled_ms = loop_now_ms(op->x->loop);
	op->call = core_start(op->x->core, op_endpoint(op), CORE_LANE_RESULTS,
			      find_kind(op->kind)->result_method, &s, 1, timeout, on_result, op);
}

/* The start call. */

static bool keeps_preprocessing(const struct op *op)
{
	return find_kind(op->kind)->consumes && !op->x->opt.centralized;
}

static void on_start(void *owner, const struct core_reply *r)
{
	struct op *op = owner;
	char why[160 + CORE_DETAILS_MAX];

	op->call = NULL;
	fetch_free(&op->fetch);		/* the bodies are with the Core, or lost */
	note_call(r);
	explain(why, sizeof(why), "start", r);
	enum core_verdict v = verdict_of(r->status, false);
	if (r->status == CORE_ABORTED && strstr(r->details, "exist"))
		v = VERDICT_ASK;	/* how Cores of 2025 said ALREADY_EXISTS */
	if (r->status == CORE_NOT_FOUND && keeps_preprocessing(op)) {
		stage_reached(&op->x->core_stage);
		give_room(op);
		keeper_remake(op, why);
	} else if (v == VERDICT_ASK) {
		op->asked = true;
		op->dirty = true;
		stage_reached(&op->x->core_stage);
		ask_result(op);
	} else if (v == VERDICT_MAYBE) {
		op->asked = true;
		give_room(op);
		op_again(op, why);
	} else {
		common_verdict(op, v, r, why);
	}
}

static void ask_start(struct op *op)
{
	static grpc_slice slices[SLICES_MAX];
	const struct kind *kind = find_kind(op->kind);

	check(!op->x->opt.observes);
	size_t n = kind->write_start(op, slices);
	double attempt = op->x->opt.attempt_s;

	op->call =
		core_start(op->x->core, op_endpoint(op), CORE_LANE_WORK, kind->start_method, slices,
			   n, attempt < START_TIMEOUT_S ? attempt : START_TIMEOUT_S, on_start, op);
}

static void begin(struct op *op)
{
	if (!op->at_core) {
		op->at_core = true;
		op->x->core_busy++;
	}
	if (op->asked || op->x->opt.observes) {
		ask_result(op);
	} else if (op->fetch || op->request->materials == 0 || op->x->profile.ciphertext_inline) {
		ask_start(op);
	} else {	/* the bodies went with an attempt that failed: get them again */
		give_room(op);
		op_fire(op, OP_EVENT_forgot, NULL);
	}
}
