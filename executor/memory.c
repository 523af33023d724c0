/* memory - which requests are in memory and which are left on disk, and how they come and go. */

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/proc.h"
#include "executor/kind.h"
#include "executor/op.h"

#define ASIDE_AFTER_MS 1000	/* who waits longer than this may be set aside */
#define LIVE_AGE_S     120
#define LIVE_LOOK_BACK 10000	/* rows before the newest that are looked through at start */

static struct op **bucket_of(struct executor *x, uint64_t number)
{
	return &x->bucket[number % OP_BUCKETS];
}

struct op *find_op(struct executor *x, uint64_t number)
{
	struct op *op = *bucket_of(x, number);

	while (op && op->number != number)
		op = op->next;
	return op;
}

static void unlink_op(struct op *op)
{
	struct op **p = bucket_of(op->x, op->number);

	while (*p != op)
		p = &(*p)->next;
	*p = op->next;
	op->x->active--;
	op->x->live -= op->lane == LANE_LIVE;
	gauge(CNT_EXECUTOR_active, op->x->active);
}

/* It stops waiting, wherever it waits. */
void op_stop(struct op *op)
{
	timer_stop(op->timer);
	op->next_ms = 0;
	ask_leave(op);
	fetch_free(&op->fetch);
	access_free(&op->access);
	op->keeping = false;
	stage_forget(&op->x->core_stage, op);
	stage_forget(&op->x->storage_stage, op);
	outlet_withdraw(op->x, op);
}

void op_forget(struct op *op)
{
	struct executor *x = op->x;

	op_stop(op);
	unlink_op(op);
	timer_free(&op->timer);
	free((void *)(uintptr_t)op->topics.p);
	free((void *)(uintptr_t)op->calldata.p);
	free(op->result);
	free(op->request);
	free(op);
	op_load_more(x);
}

void op_freeze(struct executor *x, uint64_t chain, uint64_t number, const struct b32 *hash)
{
	for (unsigned i = 0; i < OP_BUCKETS; i++)
		for (struct op *op = x->bucket[i]; op; op = op->next) {
			if (op->ending || op->chain != chain || op->block != number ||
			    !b32_eq(&op->block_hash, hash))
				continue;
			op_stop(op);
			op->ending = true;
		}
}

static struct bytes copy_of(struct bytes v, uint8_t *at)
{
	if (v.len)
		memcpy(at, v.p, v.len);
	return BYTES(at, v.len);
}

static void on_timer(void *owner)
{
	struct op *op = owner;

	op->next_ms = 0;
	op_fire(op, OP_EVENT_go, NULL);
}

static struct op *new_op(struct executor *x, const struct store_row *r)
{
	struct op *op = calloc(1, sizeof(*op));
	uint8_t *raw = malloc(r->topics.len + r->data.len + 1);

	check(op != NULL && raw != NULL);
	op->x = x;
	op->number = r->op;
	op->chain = r->chain;
	op->kind = (enum op_kind)r->kind;
	op->id = r->id;
	op->contract = r->contract;
	op->block = r->block;
	op->block_hash = r->block_hash;
	op->block_time = r->block_time;
	op->log_index = r->log_index;
	op->state = r->state;
	op->seen_ms = r->seen_ms;
	op->changed_ms = r->changed_ms;
	op->fetch_ms = r->fetch_ms;
	op->core_ms = r->core_ms;
	op->nonce = r->nonce;
	op->tx = r->tx;
	op->tx_hash = r->tx_hash;
	snprintf(op->reason, sizeof(op->reason), "%s", r->reason);
	op->topics = copy_of(r->topics, raw);
	op->data = copy_of(r->data, raw + r->topics.len);
	op->due_ms = r->due_ms;
	op->attempts = r->attempts;
	op->tx_block = r->tx_block;
	op->tx_block_hash = r->tx_block_hash;
	op->step_ms = loop_now_ms(x->loop);
	op->timer = timer_new(x->loop, on_timer, op);
	if (r->calldata.len) {
		uint8_t *call = malloc(r->calldata.len);
		check(call != NULL);
		op->calldata = copy_of(r->calldata, call);
	}
	return op;
}

/* Asked just now, or of the few that keys are: these do not wait behind a backlog. */
static bool is_live(const struct store_row *r)
{
	return op_group(r->kind) == OP_KEY || clock_unix_ms() / 1000 < r->block_time + LIVE_AGE_S;
}

void op_load(struct executor *x, const struct store_row *r)
{
	struct b32 topic0 = { { 0 } };

	if (!find_kind((enum op_kind)r->kind) || !state_is_open(r->state) || find_op(x, r->op))
		return;
	if (r->topics.len >= 32)
		memcpy(topic0.b, r->topics.p, 32);
	struct op *op = new_op(x, r);
	op->next = *bucket_of(x, r->op);
	*bucket_of(x, r->op) = op;
	op->lane = is_live(r) ? LANE_LIVE : LANE_BACKLOG;
	x->live += op->lane == LANE_LIVE;
	gauge(CNT_EXECUTOR_active, ++x->active);
	op->profile = find_request(&x->profile, &r->contract, &topic0);
	/* Computing when we died: the Core may have the answer by now. */
	op->asked = op->state == STATE_computing;
	op_fire(op, OP_EVENT_go, NULL);
}

/* A quarter of the memory is kept for what is asked next, and for the backlog while there is one. */
static unsigned room_for(const struct executor *x, enum lane lane)
{
	unsigned all = x->opt.window, quarter = all / 4;
	unsigned used = lane == LANE_LIVE ? x->live : x->active - x->live;
	bool keeps = lane == LANE_BACKLOG || x->loaded_to < x->newest;
	unsigned most = keeps ? all - quarter : all;
	unsigned of_lane = used < most ? most - used : 0;
	unsigned of_all = x->active < all ? all - x->active : 0;

	return of_lane < of_all ? of_lane : of_all;
}

static void load_row(void *owner, const struct store_row *r)
{
	struct executor *x = owner;

	x->loaded_to = r->op;
	op_load(x, r);
}

/* What is not live any more is left to the other lane. */
static void load_live_row(void *owner, const struct store_row *r)
{
	struct executor *x = owner;

	x->live_to = r->op;
	if (is_live(r))
		op_load(x, r);
}

/*
 * Memory is full while others wait on disk: those whose next attempt is some time away are
 * set aside, so that a thousand requests without ciphertexts hold up nobody.
 */
static void set_aside(struct executor *x)
{
	uint64_t soon = clock_unix_ms() + ASIDE_AFTER_MS;
	unsigned want = x->opt.window / 4 + 1;

	for (unsigned i = 0; i < OP_BUCKETS && want; i++)
		for (struct op *op = x->bucket[i], *next; op && want; op = next) {
			next = op->next;
			if (op->ending || op->next_ms < soon || op->state == STATE_submitting)
				continue;
			if (op->dirty)
				op_put_change(op, (struct bytes){ 0 }, NULL);
			op_forget(op);
			x->some_aside = true;
			want--;
		}
}

/* More of one lane, from *TO on; true when there may be even more. */
static bool load_lane(struct executor *x, uint64_t *to, unsigned room,
		      void (*row)(void *owner, const struct store_row *r))
{
	if (*to >= x->newest || room == 0)
		return false;
	if (store_open_rows(x->store, *to, room, (struct store_visitor){ row, x }) < room) {
		*to = x->newest;
		return false;
	}
	return true;
}

static void on_load_more(void *owner)
{
	struct executor *x = owner;

	if ((room_for(x, LANE_BACKLOG) == 0 && x->loaded_to < x->newest) ||
	    (room_for(x, LANE_LIVE) == 0 && x->live_to < x->newest))
		set_aside(x);
	bool more = load_lane(x, &x->live_to, room_for(x, LANE_LIVE), load_live_row);
	more |= load_lane(x, &x->loaded_to, room_for(x, LANE_BACKLOG), load_row);
	if (more)
		op_load_more(x);
}

void op_load_more(struct executor *x)
{
	if (x->loaded_to < x->newest || x->live_to < x->newest)
		loop_defer(x->loop, on_load_more, x);
}

void op_load_aside(struct executor *x)
{
	if (!x->some_aside)
		return;
	x->some_aside = false;
	x->loaded_to = 0;	/* from the oldest on; what is in memory is passed over */
	op_load_more(x);
}

void op_note_newest(void *executor, const struct store_row *row)
{
	struct executor *x = executor;

	if (row->op > x->newest)
		x->newest = row->op;
	x->live_to = x->newest > LIVE_LOOK_BACK ? x->newest - LIVE_LOOK_BACK : 0;
}

void op_drop_all(struct executor *x)
{
	for (unsigned i = 0; i < OP_BUCKETS; i++)
		while (x->bucket[i])
			op_forget(x->bucket[i]);
}
