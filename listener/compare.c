/*
 * compare - after `resume`: every block of an open request, and the cursor's, against the chain.
 *
 * A reorganisation while nobody listened is seen here.  Those that left are said at once; those
 * that stand and are not final go into the ring.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/proc.h"
#include "listener/listener.h"

#define HEADERS_S 10.0
#define OPEN_BYTES 40		/* of one block in `resume`: number and hash */

static enum err add_open(struct chain *c, uint64_t number, const struct b32 *hash)
{
	if (c->open_count == OPEN_MAX)
		return ERR_TOO_BIG;
	if (c->open_count == c->open_cap) {
		unsigned cap = c->open_cap ? c->open_cap * 2 : 64;
		struct open_block *at = realloc(c->open, cap * sizeof(*at));

		if (!at)
			return ERR_NOMEM;
		c->open = at;
		c->open_cap = cap;
	}
	c->open[c->open_count++] = (struct open_block){ .number = number, .hash = *hash };
	return OK;
}

/* A request before the answer to it, which is not wanted when both have left. */
static int lowest_first(const void *a, const void *b)
{
	const struct open_block *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return memcmp(x->hash.b, y->hash.b, sizeof(x->hash.b));
}

/* The cursor counts only if it was counted with our filter. */
static bool has_cursor(const struct chain *c)
{
	return c->resume.has_cursor && b32_eq(&c->resume.filter, &c->filter.hash);
}

static bool is_cursor(const struct chain *c, const struct open_block *b)
{
	return has_cursor(c) && c->resume.next > 0 && b->number == c->resume.next - 1 &&
	       b32_eq(&b->hash, &c->resume.hash);
}

/* All parts of resume are here. */
static enum err begin(struct chain *c)
{
	enum err e = OK;

	if (has_cursor(c) && c->resume.next > 0)
		e = add_open(c, c->resume.next - 1, &c->resume.hash);
	if (e)
		return e;
	if (c->open_count)
		qsort(c->open, c->open_count, sizeof(c->open[0]), lowest_first);
	c->phase = PHASE_COMPARE;
	c->lowest_left = UINT64_MAX;
	c->cursor_verdict = VERDICT_UNKNOWN;
	head_poll(c);
	chain_step(c);
	return OK;
}

enum err compare_take(struct chain *c, const struct msg_resume *m)
{
	if (m->open.len % OPEN_BYTES)
		return ERR_FORMAT;
	if (!c->resuming)
		chain_reset(c);
	c->resuming = m->more;
	c->resume = *m;
	c->resume.open = (struct bytes){ 0 };
	for (size_t at = 0; at < m->open.len; at += OPEN_BYTES) {
		struct b32 hash;

		memcpy(hash.b, m->open.p + at + 8, sizeof(hash.b));
		enum err e = add_open(c, be64_get(m->open.p + at), &hash);
		if (e)
			return e;
	}
	return m->more ? OK : begin(c);
}

static void judge(struct chain *c, const struct open_block *b, enum verdict v)
{
	if (is_cursor(c, b))
		c->cursor_verdict = v;
	if (v == VERDICT_LEFT) {
		if (b->number < c->lowest_left)
			c->lowest_left = b->number;
		say_retracted(c, b->number, &b->hash);
		return;
	}
	if (b->number > c->finalized || is_cursor(c, b))
		ring_add(&c->ring, b->number, &b->hash, 0);
}

static enum err take(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	struct header h;
	enum err e = ask_result(r);

	if (!e)
		e = decode_header(r->result, &h);
	if (e && e != ERR_MISSING)
		return e;
	if (!c->step.e)
		judge(c, &c->open[c->open_at + i], verdict_of(r, &c->open[c->open_at + i].hash));
	return OK;
}

static void on_answers(struct chain *c, struct ask *a)
{
	if (a->e) {
		chain_trouble(c, a);
		return;
	}
	c->open_at += a->count;
	chain_step(c);
}

static void ask(struct chain *c)
{
	static char param[WINDOW_MAX][PARAM_MAX];
	struct jsonrpc_call calls[WINDOW_MAX];
	unsigned n = c->open_count - c->open_at;

	if (n > WINDOW_MAX)
		n = WINDOW_MAX;
	for (unsigned i = 0; i < n; i++)
		calls[i] = (struct jsonrpc_call){
			.method = "eth_getBlockByNumber",
			.params = param_block(param[i], c->open[c->open_at + i].number),
		};
	c->step.take = take;
	c->step.finish = on_answers;
	ask_send(&c->step, c, -1, calls, n, HEADERS_S);
}

static uint64_t at_most(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * The chain left under the cursor.  That a block of a request stands says nothing: it may be of
 * the new branch, read in part when the executor died, or hold a transaction of ours and never
 * have been read.  What is read twice is known downstream.
 */
static uint64_t before_the_fork(const struct chain *c)
{
	uint64_t lowest = at_most(c->resume.next - 1, c->lowest_left);

	return ring_reread(lowest, c->resume.finalized, c->start_block);
}

/* The cursor's block is not known, and nothing says that it left: the node is behind. */
static bool is_waiting(const struct chain *c)
{
	return has_cursor(c) && c->resume.next > 0 && c->cursor_verdict == VERDICT_UNKNOWN &&
	       c->lowest_left == UINT64_MAX;
}

static void wait_for_node(struct chain *c)
{
	struct ask a = { .e = ERR_MISSING, .why = "the cursor's block is not known" };

	c->open_at = 0;
	chain_trouble(c, &a);
}

static void read_on(struct chain *c)
{
	if (c->lowest_left != UINT64_MAX) {
		count(CNT_LISTENER_reorgs, 1);
		log_say(EV_L009_reorg, "chain=%s from=%" PRIu64 " seen=later", c->name, c->lowest_left);
	}
	c->phase = PHASE_READ;
	if (!has_cursor(c)) {
		c->phase = c->has_start_age ? PHASE_SEEK : PHASE_READ;
		c->low = 0;
		c->high = UINT64_MAX;	/* the head, as soon as it is looked at */
		c->next = c->start_block;
	} else if (c->resume.next == 0 || c->cursor_verdict == VERDICT_STANDS) {
		c->next = at_most(c->resume.next, c->lowest_left);
	} else {
		c->next = before_the_fork(c);
	}
	free(c->open);
	c->open = NULL;
	c->open_count = c->open_cap = c->open_at = 0;
	c->failures = 0;
	chain_step(c);
}

void compare_step(struct chain *c)
{
	if (c->open_at < c->open_count)
		ask(c);
	else if (is_waiting(c))
		wait_for_node(c);
	else
		read_on(c);
}
