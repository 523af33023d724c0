/*
 * reorg - something contradicts the ring: which of its blocks left the chain?
 *
 * Only another block at a number is evidence; null proves nothing.  A block at or below the
 * finalized one that left is more than a reorganisation: the chain is paused until the walk
 * finds our blocks again, or two endpoints agree on others.
 */
#include <inttypes.h>

#include "common/log.h"
#include "common/proc.h"
#include "listener/listener.h"

#define FIRST_ASKED   8
#define HEADERS_S     10.0
#define FROZEN_FIRST_S 1.0	/* until the endpoints are asked again; then twice as long */
#define FROZEN_LAST_S  10.0
#define SOUGHT_S       0.5	/* for nodes out of use to say their chain's id */
#define FLICKER_S     0.25	/* the node contradicted itself: look again soon */

void say_retracted(struct chain *c, uint64_t number, const struct b32 *hash)
{
	struct msg_retracted m = { .chain = c->id, .number = number, .hash = *hash };

	count(CNT_LISTENER_retracted_blocks, 1);
	/* A link that is down has forgotten us, and compares all its blocks when it is back. */
	if (send_retracted(c->owner->link, &m) != OK)
		return;
}

enum verdict verdict_of(const struct jsonrpc_reply *r, const struct b32 *hash)
{
	struct header h;

	if (r->outcome != RPC_OK || decode_header(r->result, &h) != OK)
		return VERDICT_UNKNOWN;
	return b32_eq(&h.hash, hash) ? VERDICT_STANDS : VERDICT_LEFT;
}

/* Where to read again: after the common block, or far enough below the lowest that left. */
static uint64_t reread_from(const struct chain *c, enum walk_end end)
{
	uint64_t lowest = c->ring.block[c->walk.left].number;

	if (end == WALK_ANCESTOR)
		return c->ring.block[c->walk.stands].number + 1;
	return ring_reread(lowest, c->finalized, c->start_block);
}

static void apply(struct chain *c, enum walk_end end)
{
	uint64_t from = reread_from(c, end), lowest = c->ring.block[c->walk.left].number;
	unsigned depth = c->ring.count - c->walk.left;

	count(CNT_LISTENER_reorgs, 1);
	log_say(EV_L009_reorg, "chain=%s blocks=%u from=%" PRIu64 " read_from=%" PRIu64, c->name,
		depth, lowest, from);
	/* A request before the answer to it, which is not wanted then. */
	for (unsigned i = c->walk.left; i < c->ring.count; i++)
		say_retracted(c, c->ring.block[i].number, &c->ring.block[i].hash);
	ring_cut(&c->ring, c->walk.left);
	if (c->confirmed >= lowest)
		c->confirmed = lowest - 1;
	if (c->safe >= lowest)
		c->safe = lowest - 1;
	if (c->finalized >= lowest) {	/* two endpoints agreed */
		c->finalized = lowest - 1;
		settled_lower(c, lowest - 1);
	}
	c->fork = c->walking = c->frozen = c->head_known = false;
	ahead_cut(&c->ahead, from);
	chain_read_from(c, from < c->next ? from : c->next);
	listener_show(c->owner);
	head_poll(c);
}

static void on_tally(struct chain *c)
{
	const struct tally *t = &c->tally;

	if (!c->frozen || !c->walking)
		return;
	if (t->different >= 2 && !t->same && !t->disagree) {
		apply(c, walk_end(&c->walk, &c->ring));
		return;
	}
	c->walking = false;
	chain_pause(c, c->frozen_s);
	c->frozen_s = c->frozen_s * 2 < FROZEN_LAST_S ? c->frozen_s * 2 : FROZEN_LAST_S;
	c->sought = false;
}

static void freeze(struct chain *c)
{
	const struct ring_block *b = &c->ring.block[c->walk.left];

	if (!c->frozen) {
		c->frozen_s = FROZEN_FIRST_S;
		log_say(EV_L010_deep_reorg, "chain=%s block=%" PRIu64 " finalized=%" PRIu64, c->name,
			b->number, c->finalized);
	}
	c->frozen = true;
	listener_show(c->owner);
	tally_start(c, b->number, &b->hash, on_tally);
}

static void walk_ended(struct chain *c, enum walk_end end)
{
	if (end == WALK_NOTHING) {
		c->fork = c->walking = c->frozen = false;
		chain_read_from(c, c->next);
		chain_pause(c, FLICKER_S);
		head_poll(c);
		listener_show(c->owner);
	} else if (c->finalized && c->ring.block[c->walk.left].number <= c->finalized) {
		freeze(c);
	} else {
		apply(c, end);
	}
}

static enum err take_verdict(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	(void)i;
	walk_hear(&c->walk, verdict_of(r, &c->ring.block[c->walk.low - 1].hash));
	return OK;
}

static void on_verdicts(struct chain *c, struct ask *a)
{
	if (a->e) {
		c->walking = false;	/* from the top again */
		chain_trouble(c, a);
		return;
	}
	chain_step(c);
}

static void ask_verdicts(struct chain *c)
{
	static char param[WINDOW_MAX][PARAM_MAX];
	struct jsonrpc_call calls[WINDOW_MAX];
	bool first = c->walk.low == c->ring.count;
	unsigned n = walk_ask(&c->walk, first ? FIRST_ASKED : WINDOW_MAX - 1);

	for (unsigned i = 0; i < n; i++)
		calls[i] = (struct jsonrpc_call){
			.method = "eth_getBlockByNumber",
			.params = param_block(param[i], c->ring.block[c->walk.low - 1 - i].number),
		};
	c->step.take = take_verdict;
	c->step.finish = on_verdicts;
	ask_send_guarded(&c->step, c, calls, n, HEADERS_S);
}

void reorg_step(struct chain *c)
{
	enum walk_end end;

	if (c->frozen && !c->walking && !c->sought) {
		c->sought = true;
		jsonrpc_seek(c->rpc);	/* another voice may be there by then */
		chain_pause(c, SOUGHT_S);
		return;
	}
	if (!c->walking)
		walk_begin(&c->walk, &c->ring);
	c->walking = true;
	end = walk_end(&c->walk, &c->ring);
	if (end == WALK_MORE)
		ask_verdicts(c);
	else
		walk_ended(c, end);
}
