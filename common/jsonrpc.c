/*
 * jsonrpc - what becomes of a batch: it waits for an endpoint, flies, and ends with one reply
 * for each call.  Callbacks may start and cancel batches, so nobody walks the list across one.
 */
#include "common/jsonrpc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/jsonrpc_pool.h"
#include "common/jsonrpc_reply.h"
#include "common/log.h"

#define CONNECT_S 3.0

enum batch_state {
	WAITING,	/* for the first check of an endpoint */
	FLYING,
	ENDED,		/* its callbacks run in the next turn, or now */
};

struct jsonrpc_batch {
	struct jsonrpc *j;
	struct jsonrpc_batch *prev, *next;
	enum batch_state state;
	struct endpoint *endpoint;	/* asked; NULL while none is chosen */
	bool check;			/* of the chain id: the endpoint counts it itself */
	bool delivering, cancelled;
	bool excused;			/* its failure says nothing new of the endpoint */
	unsigned count;
	uint64_t first_id, sent_ms;
	double timeout_s, given_s;	/* the caller's, the endpoint's */
	char *text;			/* owned: the request's body until it is sent */
	size_t text_len;
	struct http_call *http;
	enum jsonrpc_outcome outcome;	/* once ENDED: of all calls */
	const char *why;		/* constant */
	struct jsonrpc_call calls[];
};

static void batch_free(struct jsonrpc_batch *b)
{
	*(b->prev ? &b->prev->next : &b->j->first) = b->next;
	*(b->next ? &b->next->prev : &b->j->last) = b->prev;
	http_cancel(&b->http);
	free(b->text);
	free(b);
}

static void deliver_one(struct jsonrpc_batch *b, unsigned i, struct jsonrpc_reply *reply)
{
	reply->endpoint = b->endpoint ? b->endpoint->name : "";
	if (!b->cancelled)
		b->calls[i].on_reply(b->calls[i].owner, reply);
}

/* Every call gets the batch's own outcome. */
static void deliver_outcome(struct jsonrpc_batch *b)
{
	b->delivering = true;
	for (unsigned i = 0; i < b->count; i++) {
		struct jsonrpc_reply reply = { .outcome = b->outcome, .message = b->why };

		deliver_one(b, i, &reply);
	}
	batch_free(b);
}

static void deliver_replies(struct jsonrpc_batch *b, const struct jsonrpc_replies *replies)
{
	static struct jsonrpc_room room;

	b->delivering = true;
	for (unsigned i = 0; i < b->count; i++) {
		struct jsonrpc_reply reply;

		jsonrpc_reply_read(replies->item[i], &room, &reply);
		deliver_one(b, i, &reply);
	}
	batch_free(b);
}

static void end_soon(struct jsonrpc_batch *b, enum jsonrpc_outcome outcome, const char *why)
{
	b->state = ENDED;
	b->outcome = outcome;
	b->why = why;
	timer_start(b->j->soon, 0, 0);
}

static struct jsonrpc_batch *find_batch(struct jsonrpc *j, enum batch_state state)
{
	for (struct jsonrpc_batch *b = j->first; b; b = b->next)
		if (b->state == state && !b->delivering)
			return b;
	return NULL;
}

static void on_soon(void *owner)
{
	struct jsonrpc *j = owner;
	unsigned most = 0;

	for (struct jsonrpc_batch *b = j->first; b; b = b->next)
		most += b->state == ENDED;
	/* Those that a callback adds have their turn in the next turn. */
	for (struct jsonrpc_batch *b; most-- > 0 && (b = find_batch(j, ENDED));)
		deliver_outcome(b);
}

/* Responses. */

static bool is_not_executed(long status)
{
	return status == 401 || status == 403 || status == 404 || status == 405 || status == 413 ||
	       status == 415;
}

/* What a response without usable JSON-RPC means. */
static enum jsonrpc_outcome outcome_of(const struct http_result *r, const char **why)
{
	*why = r->why;
	if (r->outcome == HTTP_UNREACHABLE)
		return RPC_NOT_SENT;
	if (r->outcome != HTTP_OK)
		return RPC_AMBIGUOUS;
	if (r->status == 429) {
		*why = "asked too often (HTTP 429)";
		return RPC_THROTTLED;
	}
	*why = r->status >= 500 ? "the node failed (HTTP 5xx)" : "unusable HTTP status";
	return is_not_executed(r->status) ? RPC_NOT_SENT : RPC_AMBIGUOUS;
}

static void fail(struct jsonrpc_batch *b, enum jsonrpc_outcome outcome, const char *why,
		 bool refused)
{
	struct jsonrpc *j = b->j;

	b->state = ENDED;
	b->outcome = outcome;
	b->why = why;
	b->delivering = true;	/* nobody else delivers it while events are told */
	if (j->events.on_call)
		j->events.on_call(j->owner, b->count, true);
	if (refused && j->events.on_refused)
		j->events.on_refused(j->owner, b->endpoint->name, why);
	if (outcome != RPC_THROTTLED && !b->check && !b->excused)
		endpoint_failed(b->endpoint, why);
	deliver_outcome(b);
}

/* How many calls the node did not want to answer so soon. */
static unsigned count_throttled(const struct jsonrpc_replies *replies)
{
	static struct jsonrpc_room room;
	unsigned n = 0;

	for (unsigned i = 0; i < replies->count; i++) {
		struct jsonrpc_reply reply;

		if (!json_get(replies->item[i], "error"))
			continue;
		jsonrpc_reply_read(replies->item[i], &room, &reply);
		n += reply.outcome == RPC_THROTTLED;
	}
	return n;
}

/* One that answers a part of the calls is left alone for a moment only. */
static void tell_endpoint(const struct jsonrpc_batch *b, const struct jsonrpc_replies *replies)
{
	unsigned throttled = count_throttled(replies);

	if (throttled < replies->count)
		endpoint_answered(b->endpoint, loop_now_ms(b->j->loop) - b->sent_ms);
	if (throttled)
		endpoint_throttled(b->endpoint, 0);
}

/* One silence is one failure, of however many that were in flight. */
static void tell_late(struct jsonrpc_batch *b)
{
	b->excused = endpoint_patience(b->endpoint, b->timeout_s) > b->given_s;
	if (!b->excused)
		endpoint_late(b->endpoint);
}

static void on_response(void *owner, struct http_result *r)
{
	struct jsonrpc_batch *b = owner;
	struct jsonrpc_replies replies;
	const char *why = NULL;

	b->http = NULL;
	if (r->late)
		tell_late(b);
	if (r->outcome != HTTP_OK || r->status / 100 != 2) {
		enum jsonrpc_outcome outcome = outcome_of(r, &why);

		if (outcome == RPC_THROTTLED)
			endpoint_throttled(b->endpoint, r->retry_after_s);
		fail(b, outcome, why, r->outcome == HTTP_TOO_BIG);
		return;
	}
	if (jsonrpc_replies_open(r->body, b->first_id, b->count, &replies, &why) != OK) {
		r->drop = true;
		fail(b, RPC_AMBIGUOUS, why, true);
		return;
	}
	tell_endpoint(b, &replies);
	if (b->j->events.on_call)
		b->j->events.on_call(b->j->owner, b->count, false);
	deliver_replies(b, &replies);
	jsonrpc_replies_close(&replies);
}

/* Requests. */

static void fly(struct jsonrpc_batch *b)
{
	double timeout_s = endpoint_patience(b->endpoint, b->timeout_s);
	struct http_request r = {
		.url = b->endpoint->url,
		.post = BYTES(b->text, b->text_len),
		.content_type = "application/json",
		.body_max = JSONRPC_REPLY_MAX,
		.timeout_s = timeout_s,
		.connect_timeout_s = timeout_s < CONNECT_S ? timeout_s : CONNECT_S,
		.on_done = on_response,
		.owner = b,
	};

	b->state = FLYING;
	b->given_s = timeout_s;
	b->sent_ms = loop_now_ms(b->j->loop);
	b->http = http_start(b->j->http, &r);
	free(b->text);
	b->text = NULL;
	if (!b->http)
		end_soon(b, RPC_NOT_SENT, "no memory, or the URL is none");
}

/* To an endpoint; or to its end, when there is surely none. */
static void launch(struct jsonrpc_batch *b)
{
	struct jsonrpc *j = b->j;

	if (!b->endpoint)
		b->endpoint = endpoint_choose(j);
	if (b->endpoint)
		fly(b);
	else if (endpoint_any_up(j))
		end_soon(b, RPC_THROTTLED, "asked too often, waiting");
	else if (endpoint_all_tried(j))
		end_soon(b, RPC_NOT_SENT, "no node answers");
}

void batch_launch_waiting(struct jsonrpc *j)
{
	for (struct jsonrpc_batch *b; (b = find_batch(j, WAITING));)
		launch(b);
}

static char *text_of(const struct jsonrpc_call *calls, unsigned count, uint64_t first_id,
		     size_t *len_out)
{
	size_t cap = 3, at = 0;

	for (unsigned i = 0; i < count; i++)
		cap += strlen(calls[i].method) + strlen(calls[i].params) + 80;

	char *text = malloc(cap);
	if (!text)
		return NULL;
	for (unsigned i = 0; i < count; i++)
		at += (size_t)snprintf(text + at, cap - at,
			"%s{\"jsonrpc\":\"2.0\",\"id\":%" PRIu64 ",\"method\":\"%s\",\"params\":%s}",
			i ? "," : count > 1 ? "[" : "", first_id + i, calls[i].method,
			calls[i].params);
	at += (size_t)snprintf(text + at, cap - at, "%s", count > 1 ? "]" : "");
	*len_out = at;
	return text;
}

static struct jsonrpc_batch *batch_new(struct jsonrpc *j, const struct jsonrpc_call *calls,
				       unsigned count, double timeout_s)
{
	struct jsonrpc_batch *b = calloc(1, sizeof(*b) + count * sizeof(b->calls[0]));

	if (!b)
		return NULL;
	b->text = text_of(calls, count, j->next_id, &b->text_len);
	if (!b->text) {
		free(b);
		return NULL;
	}
	b->j = j;
	b->first_id = j->next_id;
	b->count = count;
	b->timeout_s = timeout_s;
	j->next_id += count;
	memcpy(b->calls, calls, count * sizeof(calls[0]));
	for (unsigned i = 0; i < count; i++)
		b->calls[i].method = b->calls[i].params = NULL;	/* the caller's, gone soon */
	b->prev = j->last;
	*(j->last ? &j->last->next : &j->first) = b;
	j->last = b;
	return b;
}

void batch_send_check(struct endpoint *e, const struct jsonrpc_call *call, double timeout_s)
{
	struct jsonrpc_batch *b = batch_new(e->j, call, 1, timeout_s);

	check(b);
	b->check = true;
	b->endpoint = e;
	fly(b);
}

struct jsonrpc *jsonrpc_new(struct loop *loop, struct http *http, uint64_t chain_id,
			    const struct jsonrpc_endpoint *endpoints, unsigned count,
			    const struct jsonrpc_events *events, void *owner)
{
	struct jsonrpc *j = calloc(1, sizeof(*j));

	check(j && count > 0 && count <= JSONRPC_ENDPOINTS_MAX);
	j->loop = loop;
	j->http = http;
	j->chain_id = chain_id;
	j->next_id = 1;
	j->count = count;
	if (events)
		j->events = *events;
	j->owner = owner;
	for (unsigned i = 0; i < count; i++)
		j->endpoint[i] = (struct endpoint){
			.j = j, .name = endpoints[i].name, .url = endpoints[i].url,
		};
	j->soon = timer_new(loop, on_soon, j);
	j->check_timer = timer_new(loop, endpoint_on_timer, j);
	timer_start(j->check_timer, 0, 0);
	return j;
}

void jsonrpc_free(struct jsonrpc **jp)
{
	struct jsonrpc *j = *jp;

	if (!j)
		return;
	*jp = NULL;
	while (j->first)
		batch_free(j->first);
	timer_free(&j->soon);
	timer_free(&j->check_timer);
	free(j);
}

enum err jsonrpc_send(struct jsonrpc *j, int endpoint, const struct jsonrpc_call *calls,
		      unsigned count, double timeout_s, struct jsonrpc_batch **batch_out)
{
	check(count > 0 && count <= JSONRPC_BATCH_MAX && endpoint < (int)j->count);

	struct jsonrpc_batch *b = batch_new(j, calls, count, timeout_s);
	if (!b)
		return ERR_NOMEM;
	if (batch_out)
		*batch_out = b;
	if (endpoint >= 0)
		b->endpoint = &j->endpoint[endpoint];
	if (endpoint >= 0 && !b->endpoint->up)
		end_soon(b, RPC_NOT_SENT, "this node does not answer");
	else
		launch(b);
	return OK;
}

void jsonrpc_cancel(struct jsonrpc_batch **bp)
{
	struct jsonrpc_batch *b = *bp;

	if (!b)
		return;
	*bp = NULL;
	if (b->delivering)
		b->cancelled = true;	/* freed when the callback returns */
	else
		batch_free(b);
}
