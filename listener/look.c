/*
 * look - the hourly look for events of our contracts that the profile does not know.
 *
 * Read as below finalized: logs of a range between two looks at its last block, nothing of it
 * believed unless all of it is right.  It begins its calls when there is nothing else to read,
 * one at a time, and none of its troubles is a trouble of the reading.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>

#include "common/log.h"
#include "common/proc.h"
#include "listener/listener.h"

#define RANGE_S   30.0
#define AGAIN_MS  10000	/* after a trouble */

/* What was found. */

static void write_trouble(struct chain *c)
{
	const struct unknown_kinds *k = &c->unknown.told;
	char hex[2 * 32 + 3], more[40] = "";

	if (k->count > 1)
		snprintf(more, sizeof(more), ", and %u more", k->count - 1);
	snprintf(c->newer, sizeof(c->newer),
		 "contract newer than the profile: %s emits %s (block %" PRIu64 ")%s",
		 c->owner->profile.contract[k->kind[0].contract].name,
		 hex_encode0x(BYTES_OF(k->kind[0].topic.b), hex), k->kind[0].block, more);
}

static void say_unknown(struct chain *c, const struct unknown_kind *k)
{
	const struct profile_contract *contract = &c->owner->profile.contract[k->contract];
	char address[ADDR_TEXT], topic[2 * 32 + 3], tx[2 * 32 + 3];

	log_say(EV_L019_unknown_event,
		"chain=%s contract=%s address=%s topic=%s block=%" PRIu64 " tx=%s", c->name,
		contract->name, addr_text(&contract->address, address),
		hex_encode0x(BYTES_OF(k->topic.b), topic), k->block,
		hex_encode0x(BYTES_OF(k->tx.b), tx));
}

static void tell(struct chain *c)
{
	const struct unknown_kinds *found = &c->look_found;
	bool news = false;

	count(CNT_LISTENER_unknown_events, c->look_unknown);
	for (unsigned i = 0; i < found->count; i++) {
		if (!unknown_add(&c->unknown.told, &found->kind[i]))
			continue;
		say_unknown(c, &found->kind[i]);
		news = true;
	}
	if (!news)
		return;
	write_trouble(c);
	listener_show(c->owner);
}

const char *look_trouble(const struct chain *c)
{
	return *c->newer ? c->newer : NULL;
}

/* One range. */

static enum err take_log(struct chain *c, const cJSON *v)
{
	const struct unknown *u = &c->unknown;
	struct unknown_kind kind;
	struct log_entry e;
	enum err err = decode_name(v, &e);

	if (err && err != ERR_MISMATCH)
		return err;
	if (err || !unknown_contract(u, &e.contract, &kind.contract) || e.block < u->next ||
	    e.block > c->look_to) {
		count(CNT_LISTENER_foreign_logs, 1);
		return OK;
	}
	/* An anonymous event has no name that a profile could know. */
	if (e.topics == 0 || unknown_is_known(u, kind.contract, &e.topic[0]))
		return OK;
	kind.topic = e.topic[0];
	kind.tx = e.tx_hash;
	kind.block = e.block;
	c->look_unknown++;
	unknown_add(&c->look_found, &kind);
	return OK;
}

static enum err take_logs(struct chain *c, const cJSON *array)
{
	c->look_found.count = c->look_unknown = c->look_logs = 0;
	if (!cJSON_IsArray(array))
		return ERR_FORMAT;
	for (const cJSON *v = array->child; v; v = v->next) {
		enum err e = take_log(c, v);

		if (e)
			return e;
		c->look_logs++;
	}
	return OK;
}

static enum err take(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	struct header h;
	enum err e = ask_result(r);

	if (e)
		return e;
	if (i == 1)
		return take_logs(c, r->result);
	e = decode_header(r->result, &h);
	if (!e && (h.number != c->look_to || (i == 2 && !b32_eq(&h.hash, &c->look_hash))))
		e = ERR_MISMATCH;
	c->look_hash = h.hash;
	return e;
}

/* It is said once, until a range is read again. */
static void say_trouble(struct chain *c, const struct ask *a)
{
	if (!c->look_failed)
		log_say(EV_L020_look_failed, "chain=%s rpc=%s reason=\"%s\"", c->name, a->endpoint,
			a->why);
	c->look_failed = true;
}

static void on_trouble(struct chain *c, const struct ask *a)
{
	/* As when requests are read: the size of the range may be the matter, or is not. */
	if (a->e != ERR_CLOSED && a->e != ERR_FULL && a->e != ERR_MISSING &&
	    c->look_range.size > 1) {
		range_shrink(&c->look_range);
		return;
	}
	if (a->refused || err_class(a->e) == ERR_CLASS_refuse)
		say_trouble(c, a);
	c->look_at_ms = loop_now_ms(c->owner->loop) + AGAIN_MS;
}

static void on_range(struct chain *c, struct ask *a)
{
	if (a->e) {
		on_trouble(c, a);
		return;
	}
	c->look_failed = false;
	range_took(&c->look_range, c->look_logs);
	unknown_looked(&c->unknown, c->look_to);
	if (!c->unknown.looking)
		malloc_trim(0);		/* as at the end of all reading */
	tell(c);
}

static void ask_range(struct chain *c)
{
	const struct unknown *u = &c->unknown;
	char block[PARAM_MAX], logs[UNKNOWN_TEXT_MAX + 128];
	uint64_t to = u->next + c->look_range.size - 1;

	c->look_to = to < u->to ? to : u->to;
	param_block(block, c->look_to);
	snprintf(logs, sizeof(logs),
		 "[{\"fromBlock\":\"0x%" PRIx64 "\",\"toBlock\":\"0x%" PRIx64 "\",%s}]", u->next,
		 c->look_to, u->text);

	const struct jsonrpc_call calls[] = {
		{ .method = "eth_getBlockByNumber", .params = block },
		{ .method = "eth_getLogs", .params = logs },
		{ .method = "eth_getBlockByNumber", .params = block },
	};
	c->look.take = take;
	c->look.finish = on_range;
	ask_send_guarded(&c->look, c, calls, ARRAY_LEN(calls), RANGE_S);
}

void look_step(struct chain *c)
{
	if (c->look.batch || loop_now_ms(c->owner->loop) < c->look_at_ms || c->finalized == 0 ||
	    !unknown_is_due(&c->unknown, c->finalized, c->finalized_time))
		return;
	ask_range(c);
}
