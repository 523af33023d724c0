/*
 * follow - above the finalized block: headers by number, each linked to the one before it, and
 * logs by block hash where a header's bloom admits ours.
 *
 * Beside the logs of a block the block itself is asked for by its hash, in the same batch: a
 * node that is behind then shows by what it does not know.  Where the bloom names logs of ours
 * and there are none, the receipts are read before that is believed.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/log.h"
#include "common/proc.h"
#include "listener/listener.h"

#define HITS_MAX   16		/* blocks whose logs are asked for in one batch */
#define LOGS_S     15.0
#define HEADERS_S  10.0
#define LEFT_OUT_SAID_MS 60000
#define RECEIPTS_AFTER 3	/* failures for one block: the other way is taken */

static void window_drop(struct chain *c)
{
	c->window_count = c->window_at = 0;
}

/*
 * A header that does not fit.  Where nothing is before it, or another block was read at its number
 * before, that is a fork.  Else it and the one before it are not what the node said together, so
 * both are asked for again.
 */
static void window_cut(struct chain *c, uint64_t number)
{
	const struct block *last;

	c->window_closed = true;
	if (c->window_count == 0 || ring_find(&c->ring, number)) {
		c->fork = true;
		return;
	}
	last = &c->window[--c->window_count];
	if (last->fresh)
		ring_forget(&c->ring, last->number);
}

/* The next block of the chain; what does not fit ends the window. */
static void window_put(struct chain *c, const struct header *h)
{
	bool blind = c->no_bloom || !h->has_bloom;
	bool named = !blind && filter_admits(&c->filter, h->bloom);
	bool fresh = !ring_find(&c->ring, h->number);

	if (ring_fit(&c->ring, h->number, &h->hash, &h->parent) == RING_FORK) {
		window_cut(c, h->number);
		return;
	}
	ring_add(&c->ring, h->number, &h->hash, loop_now_ms(c->owner->loop));
	c->window[c->window_count++] = (struct block){
		.number = h->number,
		.time = h->time,
		.hash = h->hash,
		.hit = blind || named,
		.named = named,
		.fresh = fresh,
	};
	count(CNT_LISTENER_blocks, 1);
	count(CNT_LISTENER_blooms_skipped, !blind && !named);
}

/* The first N blocks of the window are complete; the rest, if any, is read anew. */
static void window_complete(struct chain *c, unsigned n)
{
	if (n) {
		const struct block *last = &c->window[n - 1];

		c->next = last->number + 1;
		c->has_blocks = !c->ahead.on;
		c->blocks_to = last->number;
		c->blocks_hash = last->hash;
	}
	window_drop(c);
}

static enum err take_header(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	struct header h;
	enum err e = ask_result(r);

	if (c->step.e || c->window_closed)
		return OK;	/* the window has ended before this one */
	if (!e)
		e = decode_header(r->result, &h);
	if (!e && h.number != c->next + i)
		e = ERR_MISMATCH;
	if (!e)
		window_put(c, &h);
	return e;
}

static void on_headers(struct chain *c, struct ask *a)
{
	bool is_useless = c->window_closed && c->window_count == 0 && !c->fork;

	if (is_useless && !a->e) {
		a->e = ERR_MISMATCH;
		snprintf(a->why, sizeof(a->why), "its headers do not link");
	}
	if (a->e && c->window_count == 0)
		chain_trouble(c, a);
	else
		chain_step(c);
}

static void ask_headers(struct chain *c)
{
	static char param[WINDOW_MAX][PARAM_MAX];
	struct jsonrpc_call calls[WINDOW_MAX];
	uint64_t n = c->head.number - c->next + 1;

	if (n > WINDOW_MAX)
		n = WINDOW_MAX;
	for (unsigned i = 0; i < n; i++)
		calls[i] = (struct jsonrpc_call){
			.method = "eth_getBlockByNumber",
			.params = param_block(param[i], c->next + i),
		};
	c->window_closed = false;
	c->step.take = take_header;
	c->step.finish = on_headers;
	ask_send(&c->step, c, -1, calls, (unsigned)n, HEADERS_S);
}

/* All logs of a block stand in its receipts as well: the way round a broken eth_getLogs. */
static enum err take_receipts(struct chain *c, const cJSON *array, const struct block *b)
{
	if (!cJSON_IsArray(array))
		return ERR_FORMAT;
	for (const cJSON *v = array->child; v; v = v->next) {
		enum err e = logs_take(c, json_get(v, "logs"), b);

		if (e)
			return e;
	}
	return OK;
}

static enum err take_logs(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	const struct block *b = &c->window[c->asked[i / 2]];
	unsigned before = c->logs.count;
	struct header h;
	enum err e = ask_result(r);

	if (e)
		return e;
	if (i % 2 == 0) {
		e = c->receipts ? take_receipts(c, r->result, b) : logs_take(c, r->result, b);
		c->named_none |= b->named && c->logs.count == before;
		return e;
	}
	e = decode_header(r->result, &h);
	if (!e && (h.number != b->number || !b32_eq(&h.hash, &b->hash)))
		e = ERR_MISMATCH;
	return e;
}

/* Headers again: a reorg shows there. */
static void read_again(struct chain *c, bool receipts)
{
	logs_clear(&c->logs);
	window_complete(c, c->window_at);
	c->receipts = receipts;
}

static void say_left_out(struct chain *c, const struct ask *a)
{
	uint64_t now = loop_now_ms(c->owner->loop);

	if (c->left_out_ms && now - c->left_out_ms < LEFT_OUT_SAID_MS)
		return;
	c->left_out_ms = now;
	log_say(EV_L021_logs_left_out, "chain=%s rpc=%s block=%" PRIu64, c->name, a->endpoint,
		c->window[c->asked[0]].number);
}

/* The bloom is right by chance, or the node has left logs out: another source says which. */
static void doubt(struct chain *c)
{
	c->doubted = true;
	count(CNT_LISTENER_doubted_logs, 1);
	read_again(c, true);
	chain_step(c);
}

static void on_logs(struct chain *c, struct ask *a)
{
	if (a->e && a->refused && c->doubted && c->receipts) {
		jsonrpc_move_on(c->rpc, a->endpoint);	/* it has no receipts: logs, once more */
		read_again(c, false);
		chain_step(c);
		return;
	}
	if (a->e) {
		bool often = c->failures + 1 >= RECEIPTS_AFTER;

		read_again(c, a->refused && often);
		c->doubted = c->doubted && often;	/* no receipts to be had: logs are believed */
		chain_trouble(c, a);
		return;
	}
	if (c->named_none && !c->doubted && !c->receipts) {
		doubt(c);
		return;
	}
	if (c->doubted && !c->named_none)
		say_left_out(c, a);
	c->failures = 0;
	c->receipts = c->doubted = false;
	logs_sort(&c->logs);
	if (c->ahead.on)
		logs_keep_decryptions(c);
	c->window_at = c->asked[c->asked_count - 1] + 1;
	chain_step(c);
}

static void ask_logs(struct chain *c)
{
	static char param[HITS_MAX][FILTER_TEXT_MAX + 128], block[HITS_MAX][PARAM_MAX];
	struct jsonrpc_call calls[2 * HITS_MAX];
	char hash[2 * 32 + 3];

	for (unsigned i = 0; i < c->asked_count; i++) {
		const struct block *b = &c->window[c->asked[i]];

		hex_encode0x(BYTES_OF(b->hash.b), hash);
		if (c->receipts)
			snprintf(param[i], sizeof(param[i]), "[\"%s\"]", hash);
		else
			snprintf(param[i], sizeof(param[i]), "[{\"blockHash\":\"%s\",%s}]", hash,
				 c->filter.text);
		calls[2 * i] = (struct jsonrpc_call){
			.method = c->receipts ? "eth_getBlockReceipts" : "eth_getLogs",
			.params = param[i],
		};
		calls[2 * i + 1] = (struct jsonrpc_call){
			.method = "eth_getBlockByHash", .params = param_hash(block[i], &b->hash),
		};
	}
	c->named_none = false;
	c->step.take = take_logs;
	c->step.finish = on_logs;
	ask_send(&c->step, c, -1, calls, 2 * c->asked_count, LOGS_S);
}

/* Fewer at once after a failure: the reply may have been larger than we take. */
static void find_hits(struct chain *c)
{
	unsigned most = HITS_MAX >> (c->failures < 4 ? c->failures : 4);

	c->asked_count = 0;
	for (unsigned i = c->window_at; i < c->window_count && c->asked_count < most; i++)
		if (c->window[i].hit)
			c->asked[c->asked_count++] = i;
}

void follow_step(struct chain *c)
{
	if (c->window_count == 0 && c->head.number == c->next)
		window_put(c, &c->head);	/* the poll has brought it already */
	if (c->fork) {
		chain_step(c);
		return;
	}
	if (c->window_count == 0) {
		ask_headers(c);
		return;
	}
	find_hits(c);
	if (c->asked_count) {
		ask_logs(c);
		return;
	}
	window_complete(c, c->window_count);
	c->failures = 0;
	chain_end_turn(c);
	chain_step(c);
}
