/*
 * settled - which of our blocks the parent chain has settled; without a parent chain, up to what
 * time.
 *
 * What the parent chain names is a hash.  Our chain is asked for that block's number, then for
 * the block at that number: both must be one, and our chain must call it finalized.  Without a
 * parent chain the finalized block's time counts, never our clock.
 */
#include <inttypes.h>

#include "common/log.h"
#include "common/proc.h"
#include "listener/listener.h"
#include "proto/settlement.h"

#define HEADERS_S  10.0
#define AGAIN_MS   300000	/* for blocks that were not known: our node may be behind */
#define TROUBLE_MS 5000

/* By hash: what are their numbers? */

static void hear(struct chain *c, const struct b32 *hash, const struct header *h)
{
	struct claims *k = &c->parent->claims;

	/* Whatever was said before the settled one has left the list. */
	if (h->number < c->settled) {
		claims_drop(k, hash);
		parent_doubt(c, "it names a block below one that it has settled");
		return;
	}
	claims_hear(k, hash, h->number, h->time);
}

static enum err take_name(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	const struct b32 *hash = &c->asked_name[i];
	struct header h;
	enum err e = ask_result(r);

	if (!e)
		e = decode_header(r->result, &h);
	if (!e && !b32_eq(&h.hash, hash))
		return ERR_MISMATCH;
	if (!e)
		hear(c, hash, &h);
	else if (e == ERR_MISSING)
		claims_miss(&c->parent->claims, hash);
	return e == ERR_MISSING ? OK : e;
}

static void on_names(struct chain *c, struct ask *a)
{
	uint64_t now = loop_now_ms(c->owner->loop);

	if (a->e)
		c->names_at_ms = now + TROUBLE_MS;
	else if (c->names_at_ms)
		c->names_at_ms = now + AGAIN_MS;
	settled_step(c);
}

static void ask_names(struct chain *c, unsigned count)
{
	static char param[CLAIMS_MAX][PARAM_MAX];
	struct jsonrpc_call calls[CLAIMS_MAX];

	for (unsigned i = 0; i < count; i++)
		calls[i] = (struct jsonrpc_call){
			.method = "eth_getBlockByHash",
			.params = param_hash(param[i], &c->asked_name[i]),
		};
	c->names_at_ms = UINT64_MAX;	/* 0 when the next claim comes while this is answered */
	c->claim.take = take_name;
	c->claim.finish = on_names;
	ask_send_guarded(&c->claim, c, calls, count, HEADERS_S);
}

/* By number: is it the block that stands there? */

static void settle(struct chain *c)
{
	struct claims *k = &c->parent->claims;

	c->settled = c->trying.number;
	c->settled_time = c->trying.time;
	log_say(EV_L018_settles, "chain=%s block=%" PRIu64 " parent_block=%" PRIu64, c->name,
		c->settled, c->trying.at);
	if (claims_settle(k, &c->trying.hash))
		parent_doubt(c, "it names a block below one that it has settled");
	head_say(c);
}

static enum err take_number(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	enum verdict v = verdict_of(r, &c->trying.hash);

	(void)i;
	if (v == VERDICT_UNKNOWN)
		return ERR_MISSING;
	if (v == VERDICT_STANDS) {
		settle(c);
		return OK;
	}
	claims_drop(&c->parent->claims, &c->trying.hash);
	parent_doubt(c, "it names a block that is not on the chain");
	return OK;
}

static void on_number(struct chain *c, struct ask *a)
{
	c->try_at_ms = a->e ? loop_now_ms(c->owner->loop) + TROUBLE_MS : 0;
	settled_step(c);
}

static void ask_number(struct chain *c)
{
	char param[PARAM_MAX];
	struct jsonrpc_call call = {
		.method = "eth_getBlockByNumber", .params = param_block(param, c->trying.number),
	};

	c->claim.take = take_number;
	c->claim.finish = on_number;
	ask_send_guarded(&c->claim, c, &call, 1, HEADERS_S);
}

void settled_step(struct chain *c)
{
	uint64_t now = loop_now_ms(c->owner->loop);
	const struct claim *best;
	unsigned unknown;

	if (!c->parent || c->phase == PHASE_AWAY || c->claim.batch)
		return;
	best = claims_best(&c->parent->claims, c->settled, c->finalized);
	if (best && now >= c->try_at_ms) {
		c->trying = *best;
		ask_number(c);
		return;
	}
	unknown = claims_unknown(&c->parent->claims, c->asked_name);
	if (unknown && now >= c->names_at_ms)
		ask_names(c, unknown);
	else if (!best && claims_doubt(&c->parent->claims))	/* what settles drops older ones */
		parent_doubt(c, "it names a block that the chain does not know");
}

void settled_by_time(struct chain *c, uint64_t finalized_time)
{
	if (finalized_time > SETTLED_AGE_S && finalized_time - SETTLED_AGE_S > c->settled_time)
		c->settled_time = finalized_time - SETTLED_AGE_S;
}

void settled_lower(struct chain *c, uint64_t number)
{
	if (c->settled > number)
		c->settled = number;
	c->settled_time = c->try_at_ms = c->names_at_ms = 0;
}
