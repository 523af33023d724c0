/*
 * backfill - below the finalized block: logs of a range between two looks at its last block.
 *
 * Both looks must show the same block, else nothing of the answer is believed: one of the nodes
 * behind the URL was behind.  What a node permits as a range is found by halving and growing.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/log.h"
#include "common/proc.h"
#include "listener/listener.h"

#define RANGE_S     30.0
#define HEADERS_S   10.0

static void range_drop(struct chain *c)
{
	logs_clear(&c->logs);
	c->range_read = false;
}

/* Logs are here, with times: say them, and that the range is complete. */
static void range_done(struct chain *c)
{
	c->range_read = false;
	c->failures = 0;
	count(CNT_LISTENER_blocks, c->range_to - c->next + 1);
	ring_add(&c->ring, c->range_to, &c->range_head.hash, 0);
	c->next = c->range_to + 1;
	c->has_blocks = true;
	c->blocks_to = c->range_to;
	c->blocks_hash = c->range_head.hash;
	chain_step(c);
}

/* Times of the blocks that hold logs.  Their headers also show whether blooms can be trusted. */

static void no_bloom(struct chain *c)
{
	if (!c->no_bloom)
		log_say(EV_L013_no_bloom, "chain=%s", c->name);
	c->no_bloom = true;
}

static enum err take_time(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	struct log_entry *e = &c->logs.at[c->asked[i]];
	struct header h;
	enum err err = ask_result(r);

	if (!err)
		err = decode_header(r->result, &h);
	if (err)
		return err;
	if (h.number != e->block || !b32_eq(&h.hash, &e->block_hash))
		return ERR_MISMATCH;
	if (h.time == 0)
		return ERR_FORMAT;
	if (h.has_bloom && !filter_admits(&c->filter, h.bloom))
		no_bloom(c);
	for (struct log_entry *end = c->logs.at + c->logs.count; e < end; e++) {
		if (e->block != h.number)
			break;
		if (!b32_eq(&e->block_hash, &h.hash))
			return ERR_MISMATCH;
		e->time = h.time;
	}
	return OK;
}

static void on_times(struct chain *c, struct ask *a)
{
	if (a->e) {
		if (a->e != ERR_FULL)	/* asked too often: those that came are kept */
			range_drop(c);
		chain_trouble(c, a);
		return;
	}
	chain_step(c);
}

static void find_untimed(struct chain *c)
{
	unsigned most = WINDOW_MAX >> (c->failures < 4 ? c->failures : 4);
	uint64_t last = UINT64_MAX;

	c->asked_count = 0;
	for (unsigned i = 0; i < c->logs.count && c->asked_count < most; i++) {
		if (c->logs.at[i].time || c->logs.at[i].block == last)
			continue;
		last = c->logs.at[i].block;
		c->asked[c->asked_count++] = i;
	}
}

static void ask_times(struct chain *c)
{
	static char param[WINDOW_MAX][PARAM_MAX];
	struct jsonrpc_call calls[WINDOW_MAX];

	for (unsigned i = 0; i < c->asked_count; i++)
		calls[i] = (struct jsonrpc_call){
			.method = "eth_getBlockByNumber",
			.params = param_block(param[i], c->logs.at[c->asked[i]].block),
		};
	c->step.take = take_time;
	c->step.finish = on_times;
	ask_send(&c->step, c, -1, calls, c->asked_count, HEADERS_S);
}

/* The range itself: [block(to), logs(from..to), block(to)]. */

static enum err take_range(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	struct header h;
	enum err e = ask_result(r);

	if (e)
		return e;
	if (i == 1)
		return logs_take(c, r->result, NULL);
	e = decode_header(r->result, &h);
	if (e)
		return e;
	if (h.number != c->range_to || (i == 2 && !b32_eq(&h.hash, &c->range_head.hash)))
		return ERR_MISMATCH;
	c->range_head = h;
	return OK;
}

static void on_range(struct chain *c, struct ask *a)
{
	if (!a->e) {
		logs_sort(&c->logs);
		range_took(&c->range, c->logs.count);
		c->range_read = true;
		chain_step(c);
		return;
	}
	range_drop(c);
	/* Surely not received, asked too often or behind: the size of the range is not the matter. */
	if (a->e != ERR_CLOSED && a->e != ERR_FULL && a->e != ERR_MISSING &&
	    c->range.size > 1) {
		range_shrink(&c->range);
		chain_step(c);
		return;
	}
	chain_trouble(c, a);
}

static void ask_range(struct chain *c)
{
	static char logs[FILTER_TEXT_MAX + 128];
	char block[PARAM_MAX];
	uint64_t to = c->next + c->range.size - 1;

	c->range_to = to < c->finalized ? to : c->finalized;
	param_block(block, c->range_to);
	snprintf(logs, sizeof(logs),
		 "[{\"fromBlock\":\"0x%" PRIx64 "\",\"toBlock\":\"0x%" PRIx64 "\",%s}]", c->next,
		 c->range_to, c->filter.text);

	const struct jsonrpc_call calls[] = {
		{ .method = "eth_getBlockByNumber", .params = block },
		{ .method = "eth_getLogs", .params = logs },
		{ .method = "eth_getBlockByNumber", .params = block },
	};
	c->step.take = take_range;
	c->step.finish = on_range;
	ask_send_guarded(&c->step, c, calls, ARRAY_LEN(calls), RANGE_S);
}

void backfill_step(struct chain *c)
{
	if (!c->range_read) {
		ask_range(c);
		return;
	}
	find_untimed(c);
	if (c->asked_count)
		ask_times(c);
	else
		range_done(c);
}
