/*
 * parent - the chain that settles ours: what its Outbox has said, in blocks that it calls
 * finalized.
 *
 * Read in ranges between two looks at their last block, as below our own finalized block; what
 * a range holds counts when all of it is right.  A settlement takes days, so there is a look
 * each TICKS polls only.  Nothing lasts: after a start the Outbox is read again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/keccak.h"
#include "common/log.h"
#include "common/proc.h"
#include "listener/listener.h"
#include "proto/settlement.h"

#define TICKS       50		/* of poll_interval: 12.5 s */
#define TICK_MAX_S  300.0
#define BEHIND_MAX  3		/* members of a cluster differ for a moment */
#define HEADER_S    10.0
#define RANGE_S     30.0
#define BLOCKS_FIRST 1000	/* of an Outbox that says little */

/* What is believed, and what not. */

const char *parent_trouble(const struct chain *c)
{
	const struct parent *p = c->parent;

	if (!p)
		return NULL;
	return !jsonrpc_is_up(p->rpc) ? "no node of the parent chain answers"
	       : *p->doubt	      ? p->doubt
				      : NULL;
}

void parent_doubt(struct chain *c, const char *why)
{
	struct parent *p = c->parent;

	count(CNT_LISTENER_parent_doubts, 1);
	if (strncmp(p->doubt, why, sizeof(p->doubt) - 1) == 0)
		return;
	snprintf(p->doubt, sizeof(p->doubt), "%s", why);
	log_say(EV_L016_parent_doubted, "chain=%s reason=\"%s\"", c->name, p->doubt);
	listener_show(c->owner);
}

static void trust(struct chain *c)
{
	struct parent *p = c->parent;

	if (!*p->doubt)
		return;
	p->doubt[0] = 0;
	listener_show(c->owner);
}

/* Until the next tick. */

static void rest(struct parent *p)
{
	timer_start(p->tick, p->every_s, 0);
}

/* Not what we can use, and not only late: it is said. */
static void give_up(struct chain *c, const struct ask *a, const char *why)
{
	if (a->refused || err_class(a->e) == ERR_CLASS_refuse) {
		parent_doubt(c, why);
		jsonrpc_move_on(a->rpc, a->endpoint);
	}
	rest(c->parent);
}

/* A member of a cluster that is behind proves nothing; a node that stays behind is said. */
static void is_behind(struct chain *c, const struct ask *a)
{
	if (++c->parent->behind >= BEHIND_MAX)
		parent_doubt(c, "its finalized block goes back");
	jsonrpc_move_on(a->rpc, a->endpoint);
	rest(c->parent);
}

static void all_read(struct chain *c)
{
	struct parent *p = c->parent;

	gauge(CNT_LISTENER_parent_finalized, p->finalized);
	if (!claims_has_missing(&p->claims))
		trust(c);
	if (p->claims.count == 0 && !p->silent_said)
		log_say(EV_L017_parent_silent, "chain=%s up_to=%" PRIu64, c->name, p->finalized);
	p->silent_said = true;
	p->behind = 0;
	rest(p);
	settled_step(c);
}

/* A range: [block(to), logs(next..to), block(to)]. */

static void read_on(struct chain *c);

static enum err take_claims(struct chain *c, const cJSON *array)
{
	struct parent *p = c->parent;

	p->read = p->claims;
	if (!cJSON_IsArray(array))
		return ERR_FORMAT;
	for (const cJSON *v = array->child; v; v = v->next) {
		struct claim claim;
		enum err e = decode_claim(v, &p->outbox, p->next, p->to, &claim);

		if (e)
			return e;
		if (claims_add(&p->read, &claim))
			c->names_at_ms = 0;
	}
	return OK;
}

static enum err take_range(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	struct parent *p = c->parent;
	struct header h;
	enum err e = ask_result(r);

	if (e)
		return e;
	if (i == 1)
		return take_claims(c, r->result);
	e = decode_header(r->result, &h);
	if (!e && (h.number != p->to || (i == 2 && !b32_eq(&h.hash, &p->look.hash))))
		e = ERR_MISMATCH;
	p->look = h;
	return e;
}

static void on_range(struct chain *c, struct ask *a)
{
	struct parent *p = c->parent;

	/* The node's refusal, and a reply too large or too late, may be the size of the range. */
	if ((a->refused || a->e == ERR_TIMEOUT) && p->range.size > 1) {
		range_shrink(&p->range);
		read_on(c);
		return;
	}
	if (a->e == ERR_MISSING) {
		is_behind(c, a);
		return;
	}
	if (a->e) {
		give_up(c, a, a->refused ? "it refuses eth_getLogs"
					 : "its logs are not what was asked for");
		return;
	}
	range_took(&p->range, 0);
	p->begun = true;
	p->claims = p->read;
	p->next = p->to + 1;
	read_on(c);
}

static void read_on(struct chain *c)
{
	struct parent *p = c->parent;
	const struct b32 event = keccak_text(SETTLED_EVENT);
	char block[PARAM_MAX], logs[256], address[2 * 20 + 3], topic[2 * 32 + 3];

	if (p->next > p->finalized) {
		all_read(c);
		return;
	}
	p->to = p->finalized - p->next < p->range.size ? p->finalized : p->next + p->range.size - 1;
	param_block(block, p->to);
	snprintf(logs, sizeof(logs),
		 "[{\"fromBlock\":\"0x%" PRIx64 "\",\"toBlock\":\"0x%" PRIx64 "\",\"address\":\"%s\","
		 "\"topics\":[\"%s\"]}]", p->next, p->to,
		 hex_encode0x(BYTES_OF(p->outbox.b), address),
		 hex_encode0x(BYTES_OF(event.b), topic));

	const struct jsonrpc_call calls[] = {
		{ .method = "eth_getBlockByNumber", .params = block },
		{ .method = "eth_getLogs", .params = logs },
		{ .method = "eth_getBlockByNumber", .params = block },
	};
	p->ask.take = take_range;
	p->ask.finish = on_range;
	ask_send_parent(&p->ask, c, true, calls, ARRAY_LEN(calls), RANGE_S);
}

/* Its finalized block. */

/* Until a range was right: the first look may have been a lie. */
static void begin(struct parent *p)
{
	p->next = p->has_start			      ? p->start_block
		  : p->finalized > SETTLED_LOOK_BACK ? p->finalized - SETTLED_LOOK_BACK
						      : 0;
}

static enum err take_finalized(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	enum err e = ask_result(r);

	(void)i;
	return e ? e : decode_header(r->result, &c->parent->look);
}

static void on_finalized(struct chain *c, struct ask *a)
{
	struct parent *p = c->parent;

	if (a->e) {
		give_up(c, a, "it names no finalized block");
		return;
	}
	if (p->begun && p->look.number + 1 < p->next) {
		is_behind(c, a);
		return;
	}
	p->finalized = p->look.number;
	if (!p->begun)
		begin(p);
	read_on(c);
}

static void on_tick(void *owner)
{
	static const struct jsonrpc_call call = {
		.method = "eth_getBlockByNumber", .params = "[\"finalized\",false]",
	};
	struct chain *c = owner;
	struct parent *p = c->parent;

	if (p->ask.batch)
		return;
	p->ask.take = take_finalized;
	p->ask.finish = on_finalized;
	ask_send_parent(&p->ask, c, false, &call, 1, HEADER_S);
}

/* What jsonrpc tells. */

static void on_down(void *owner, const char *why)
{
	struct chain *c = owner;

	log_say(EV_L014_parent_down, "chain=%s reason=\"%s\"", c->name, why);
	listener_show(c->owner);
}

static void on_up(void *owner, const char *endpoint)
{
	struct chain *c = owner;

	log_say(EV_L015_parent_up, "chain=%s rpc=%s", c->name, endpoint);
	listener_show(c->owner);
	timer_start(c->parent->tick, 0, 0);
}

static void on_wrong_chain(void *owner, const char *endpoint, uint64_t chain_id)
{
	struct chain *c = owner;
	char why[sizeof(c->parent->doubt)];

	snprintf(why, sizeof(why), "its node %s is on chain %" PRIu64 ", not %" PRIu64, endpoint,
		 chain_id, jsonrpc_chain_id(c->parent->rpc));
	parent_doubt(c, why);
}

static void on_call(void *owner, unsigned calls, bool failed)
{
	(void)owner;
	count(CNT_LISTENER_parent_calls, calls);
	if (failed)
		count(CNT_LISTENER_parent_errors, calls);
}

static void on_refused(void *owner, const char *endpoint, const char *why)
{
	(void)endpoint;
	parent_doubt(owner, why);
}

/* From the settings. */

static void open_rpc(struct chain *c, unsigned i)
{
	static const struct jsonrpc_events events = {
		.on_down = on_down, .on_up = on_up, .on_wrong_chain = on_wrong_chain,
		.on_call = on_call, .on_refused = on_refused,
	};
	const struct settings *s = proc_settings();
	struct jsonrpc_endpoint endpoint[JSONRPC_ENDPOINTS_MAX];
	uint64_t n = get_setting_u64(s, "chain.%u.parent.http", i);

	check(n > 0 && n <= ARRAY_LEN(endpoint));
	for (unsigned k = 0; k < n; k++)
		endpoint[k] = (struct jsonrpc_endpoint){
			.name = get_setting(s, "chain.%u.parent.http.%u.name", i, k),
			.url = get_setting(s, "chain.%u.parent.http.%u.url", i, k),
		};
	c->parent->rpc = jsonrpc_new(c->owner->loop, c->owner->http,
				     get_setting_u64(s, "chain.%u.parent.id", i), endpoint,
				     (unsigned)n, &events, c);
}

void parent_open(struct chain *c, unsigned i)
{
	const struct settings *s = proc_settings();
	struct parent *p = calloc(1, sizeof(*p));

	check(p);
	c->parent = p;
	p->outbox = get_setting_addr(s, "chain.%u.parent.outbox", i);
	p->has_start = find_setting(s, "chain.%u.parent.start_block", i);
	if (p->has_start)
		p->start_block = get_setting_u64(s, "chain.%u.parent.start_block", i);
	p->every_s = TICKS * c->poll_s < TICK_MAX_S ? TICKS * c->poll_s : TICK_MAX_S;
	p->range = (struct range){ .size = BLOCKS_FIRST, .tried = true };
	p->tick = timer_new(c->owner->loop, on_tick, c);
	open_rpc(c, i);
}
