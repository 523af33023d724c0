/* intake - the listener's side: events to the store, cursors granted, blocks that left. */

#include <stdlib.h>

#include "common/keccak.h"
#include "common/log.h"
#include "common/opid.h"
#include "common/proc.h"
#include "executor/chainview.h"
#include "executor/executor.h"
#include "executor/op.h"

#define GRANT_EVENTS 64		/* stored events whose credit goes back before their block ends */
#define OPEN_BLOCKS_PER_RESUME (IPC_OPEN_MAX / 40)
#define BLOCKS_LIE   4		/* empty ones that wait for a commit; the listener may say 8 */

static void grant(struct executor *x, struct executor_chain *c)
{
	struct msg_granted m = { .chain = c->id, .block = c->cursor.block, .events = c->events_back,
				 .blocks = c->blocks_back };

	if (!x->listener || send_granted(x->listener, &m) != OK)
		return;
	c->events_back = c->blocks_back = 0;
}

static void reload_row(void *owner, const struct store_row *r)
{
	op_load(owner, r);
}

/* The event is on disk. */
static void on_event_stored(void *owner, uint64_t number, enum store_outcome what)
{
	struct executor_chain *c = owner;
	struct executor *x = c->x;
	struct op *op = find_op(x, number);

	if (number > x->newest)
		x->newest = number;
	if (what == STORE_NEW)
		count(CNT_EXECUTOR_events, 1);
	else if (what == STORE_AGAIN)
		count(CNT_EXECUTOR_duplicates, 1);
	else if (what == STORE_CONFLICT)
		count(CNT_EXECUTOR_held, 1);
	if (what == STORE_MOVED || what == STORE_REVIVED) {
		if (op)
			op_forget(op);	/* from its row again: block and time are new */
		store_row(x->store, number, (struct store_visitor){ reload_row, x });
	}
	op_load_more(x);
	/* One block may hold more events than the window. */
	if (++c->events_back >= GRANT_EVENTS)
		grant(x, c);
}

static void note_event(struct store_event *ev, const struct msg_event *m)
{
	char id[OPID_TEXT];

	opid_text(ev->kind, &ev->id, id);
	if (*ev->reason) {
		ev->state = STATE_held;
		count(CNT_EXECUTOR_held, 1);
		log_say(EV_X010_held, "id=%s block=%llu log=%llu reason=\"%s\"", id,
			(unsigned long long)m->block, (unsigned long long)m->log_index, ev->reason);
	} else if (op_group(ev->kind) == OP_OBSERVED) {
		ev->state = STATE_done;
		ev->reason = "observed";
		log_say(EV_X020_observed, "id=%s block=%llu", id, (unsigned long long)m->block);
	}
}

static struct b32 content_of(const struct msg_event *m)
{
	struct keccak k;
	struct b32 h;

	keccak_init(&k);
	keccak_update(&k, m->topics.p, m->topics.len);
	keccak_update(&k, m->data.p, m->data.len);
	/* What cannot be decoded has no id of its own: its place makes it one. */
	if (m->reason.len) {
		keccak_update(&k, m->tx_hash.b, 32);
		keccak_update(&k, &m->log_index, sizeof(m->log_index));
	}
	keccak_final(&k, h.b);
	return h;
}

static enum err on_event(struct executor *x, struct link *l, const struct msg_event *m)
{
	char reason[128];
	struct executor_chain *c = find_chain(x, m->chain);

	(void)l;
	if (!c || m->topics.len % 32 || m->topics.len == 0)
		return ERR_UNKNOWN;
	if (!m->reason.len && (m->request >= x->profile.requests ||
			       x->profile.request[m->request].kind != (enum op_kind)m->kind))
		return ERR_UNKNOWN;
	struct store_event ev = {
		.chain = m->chain, .kind = m->kind, .request = m->request, .contract = m->contract,
		.content = content_of(m), .block = m->block, .block_time = m->block_time,
		.log_index = m->log_index, .block_hash = m->block_hash, .tx_hash = m->tx_hash,
		.topics = m->topics, .data = m->data, .state = STATE_seen,
		.reason = wire_text(m->reason, reason, sizeof(reason)), .seen_ms = clock_unix_ms(),
		.due_ms = x->run_ms + x->opt.deadline_ms,
	};
	struct request_event e = {
		.profile = &x->profile, .chain = m->chain, .log_index = m->log_index,
		.contract = m->contract, .block_hash = m->block_hash, .topics = m->topics,
		.data = m->data,
	};
	if (!m->reason.len) {
		e.row = &x->profile.request[m->request];
		ev.id = request_id(&e);
	} else if (m->topics.len >= 64) {
		memcpy(ev.id.b, m->topics.p + 32, 32);
	}
	note_event(&ev, m);
	if (op_group(ev.kind) == OP_OBSERVED)
		chainview_refresh(x->view);
	store_put_event(x->store, &ev, on_event_stored, c);
	c->has_events = true;
	return OK;
}

/* Cursor on disk, and with it every event before it. */
static void on_cursor_stored(void *owner, uint64_t chain, uint64_t block)
{
	struct executor *x = owner;

	(void)block;
	grant(x, find_chain(x, chain));
}

static void on_retracted_row(void *owner, uint64_t number, enum op_state now)
{
	struct executor *x = owner;
	struct op *op = number ? find_op(x, number) : NULL;

	if (!number)
		return;
	if (now == STATE_retracted)
		count(CNT_EXECUTOR_retracted, 1);
	if (op)
		op_forget(op);
	/* An answer whose transaction left the chain is brought again, byte for byte. */
	if (now == STATE_submitting)
		store_row(x->store, number, (struct store_visitor){ reload_row, x });
}

static void retract(struct executor *x, uint64_t chain, uint64_t number, const struct b32 *hash)
{
	op_flush(x);	/* in order: what is known of these requests first, then nothing more */
	op_freeze(x, chain, number, hash);
	observe_retracted(x, chain, number);
	store_put_retracted(x->store, chain, number, hash, on_retracted_row, x);
}

static enum err on_retracted(struct executor *x, struct link *l, const struct msg_retracted *m)
{
	(void)l;
	if (!find_chain(x, m->chain))
		return ERR_UNKNOWN;
	retract(x, m->chain, m->number, &m->hash);
	return OK;
}

void intake_answered(struct executor *x, uint64_t chain, uint64_t number, const struct b32 *hash)
{
	struct executor_chain *c = find_chain(x, chain);
	const struct sighting *read = c ? sightings_find(&c->read, number) : NULL;

	if (read && !b32_eq(&read->hash, hash))
		retract(x, chain, number, hash);
	else if (c && !read)
		sightings_add(&c->answered, number, hash);
}

/* Of this number it has only read another: the block with our transaction left before that. */
static void compare_read(struct executor *x, struct executor_chain *c, const struct msg_blocks *m)
{
	struct sighting left;

	sightings_add(&c->read, m->to, &m->hash);
	while (sightings_take_other(&c->answered, m->to, &m->hash, &left))
		retract(x, c->id, left.number, &left.hash);
}

static enum err on_blocks(struct executor *x, struct link *l, const struct msg_blocks *m)
{
	struct executor_chain *c = find_chain(x, m->chain);

	(void)l;
	if (!c)
		return ERR_UNKNOWN;
	c->cursor = (struct store_cursor){ .present = true, .filter = m->filter, .hash = m->hash,
					   .block = m->to };
	c->blocks_back++;
	compare_read(x, c, m);
	store_put_cursor(x->store, m->chain, &c->cursor,
			 c->has_events || c->blocks_back >= BLOCKS_LIE, on_cursor_stored, x);
	c->has_events = false;
	return OK;
}

static enum err on_head(struct executor *x, struct link *l, const struct msg_head *m)
{
	struct executor_chain *c = find_chain(x, m->chain);

	(void)l;
	if (!c)
		return ERR_UNKNOWN;
	if (m->finalized > c->finalized)
		store_put_finalized(x->store, c->id, m->finalized);
	c->latest = m->latest;
	c->confirmed = m->confirmed;
	c->safe = m->safe;
	c->finalized = m->finalized;
	c->settled = m->settled;
	c->settled_time = m->settled_time;
	c->latest_time = m->latest_time;
	op_recheck_waiting(x, c->id);
	return OK;
}

static enum err on_rechecked(struct executor *x, struct link *l, const struct msg_rechecked *m)
{
	struct msg_retracted left = { .chain = m->chain, .number = m->number, .hash = m->hash };

	if (!find_chain(x, m->chain))
		return ERR_UNKNOWN;
	if (m->verdict == 2)
		return on_retracted(x, l, &left);
	op_rechecked(x, m);
	return OK;
}

static enum err on_hearing(struct executor *x, struct link *l, const struct msg_hearing *m)
{
	struct executor_chain *c = find_chain(x, m->chain);

	(void)l;
	if (!c)
		return ERR_UNKNOWN;
	c->deaf_since_ms = clock_unix_ms();
	wire_text(m->why, c->deaf, sizeof(c->deaf));
	return OK;
}

LINK_SWITCH(switch_listener, IPC_LISTENER_TO_EXECUTOR)

static void send_where(struct executor *x, struct link *l, struct executor_chain *c)
{
	static uint8_t open[IPC_OPEN_MAX];
	unsigned skip = 0, n;

	c->events_back = c->blocks_back = 0;	/* a new link begins with full credit */
	do {
		n = store_open_blocks(x->store, c->id, skip, open, OPEN_BLOCKS_PER_RESUME);
		skip += n;
		struct msg_resume m = {
			.chain = c->id, .filter = c->cursor.filter, .has_cursor = c->cursor.present,
			.next = c->cursor.present ? c->cursor.block + 1 : 0, .hash = c->cursor.hash,
			.finalized = store_finalized(x->store, c->id),
			.open = BYTES(open, (size_t)n * 40), .more = n == OPEN_BLOCKS_PER_RESUME,
		};
		if (send_resume(l, &m) != OK)
			return;
	} while (n == OPEN_BLOCKS_PER_RESUME);
}

/* Everything heard before is on disk, so the open blocks are complete. */
static void on_settled(void *owner, uint64_t chain, uint64_t block)
{
	struct executor *x = owner;

	(void)block;
	if (x->listener)
		send_where(x, x->listener, find_chain(x, chain));
}

static void on_up(void *owner, struct link *l)
{
	struct executor *x = owner;
	struct link *before = x->listener;

	/* There is one: whoever came before is its past. */
	x->listener = l;
	if (before)
		link_close(before);
	executor_show(x);
	for (unsigned i = 0; i < x->chains; i++) {
		struct executor_chain *c = &x->chain[i];
		if (c->cursor.present)
			store_put_cursor(x->store, c->id, &c->cursor, true, on_settled, x);
		else
			send_where(x, l, c);
	}
}

static void on_down(void *owner, struct link *l)
{
	struct executor *x = owner;

	if (x->listener == l)
		x->listener = NULL;
	executor_show(x);
}

static const struct link_end listener_end = {
	.me = ROLE_EXECUTOR, .peer = ROLE_LISTENER, .name = "listener",
	.on_packet = switch_listener, .on_up = on_up, .on_down = on_down,
};

void intake_open(struct executor *x)
{
	for (unsigned i = 0; i < x->chains; i++)
		x->chain[i].cursor = store_cursor(x->store, x->chain[i].id);
	x->listener_door = link_listen(x->loop, proc_fd("listener.sock"), &listener_end, x, 2);
}
