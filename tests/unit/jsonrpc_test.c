/* jsonrpc_test - strict JSON, replies matched by id, error classes, endpoints and their breaker. */

#include <criterion/criterion.h>

#include <poll.h>

#include "common/json_check.h"
#include "common/jsonrpc_reply.h"
#include "tests/unit/http_server.h"

TestSuite(jsonrpc, .timeout = 30);

/* The pure half. */

static enum err check_text(const char *s)
{
	return json_check(BYTES(s, strlen(s)), 64, 1000);
}

Test(jsonrpc, strict_json)
{
	static const char *const good[] = {
		"null", " true ", "0", "-0", "1.5e-7", "\"\"", "[]", "{}", "[1,[2,{\"a\":[]}]]",
		"{\"a\":{\"b\":null},\"c\":\"\\u00e9\\n\"}", "\"\xc3\xa9\xf0\x9f\x98\x80\"", "[\n]\n", "{\"message\":\"reverted: \\u0000\\u0007\"}",
	};
	static const char *const bad[] = {
		"", " ", "[", "{", "]", "[1,]", "{,}", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "01",
		"-", "1.", ".5", "1e", "+1", "NaN", "Infinity", "tru", "nulll", "\"", "\"\\x\"", "\"\\u12\"",
		"{\"a\\u0000\":1}", "\"\t\"", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xe2\x82\"", "[1 2]", "1 2",
		"[]]", "{}{}", "[}", "{]", "/**/1", "'a'", "\xef\xbb\xbf[]",
		"11111111111111111111111111111111111111111111111111",
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		cr_assert_eq(check_text(good[i]), OK, "%s", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_assert_neq(check_text(bad[i]), OK, "%s", bad[i]);
	cr_assert_neq(json_check(BYTES("\"a\0\"", 4), 64, 10), OK);
}

Test(jsonrpc, depth_and_values_are_bounded)
{
	char deep[200000];

	for (unsigned i = 0; i < 64; i++) {
		deep[i] = '[';
		deep[127 - i] = ']';
	}
	cr_assert_eq(json_check(BYTES(deep, 128), 64, 100), OK);
	cr_assert_eq(json_check(BYTES(deep, 128), 63, 100), ERR_TOO_BIG);
	memset(deep, '[', sizeof(deep));
	cr_assert_eq(json_check(BYTES(deep, sizeof(deep)), 64, 1000000), ERR_TOO_BIG);
	cr_assert_eq(check_text("[1,2,3]"), OK);
	cr_assert_eq(json_check(BYTES("[1,2,3]", 7), 64, 4), OK);
	cr_assert_eq(json_check(BYTES("[1,2,3]", 7), 64, 3), ERR_TOO_BIG);
}

static enum err open_text(const char *s, unsigned count, struct jsonrpc_replies *out)
{
	const char *why = NULL;
	enum err e = jsonrpc_replies_open(BYTES(s, strlen(s)), 10, count, out, &why);

	cr_assert(!e || why);
	return e;
}

#define V "\"jsonrpc\":\"2.0\","

Test(jsonrpc, replies_are_matched_by_id)
{
	struct jsonrpc_replies r;

	cr_assert_eq(open_text("{" V "\"id\":10,\"result\":null}", 1, &r), OK);
	cr_assert(cJSON_IsNull(json_get(r.item[0], "result")));
	jsonrpc_replies_close(&r);
	cr_assert_eq(open_text("[{" V "\"id\":11,\"result\":\"b\"},{" V "\"id\":10,\"result\":\"a\"}]", 2, &r), OK);
	cr_assert_str_eq(json_get(r.item[0], "result")->valuestring, "a");
	cr_assert_str_eq(json_get(r.item[1], "result")->valuestring, "b");
	jsonrpc_replies_close(&r);
	cr_assert_eq(open_text("{" V "\"id\":null,\"error\":{\"code\":-32600,\"message\":\"x\"}}", 2, &r), OK);
	cr_assert_eq(r.item[0], r.item[1]);
	jsonrpc_replies_close(&r);
}

Test(jsonrpc, replies_that_are_refused)
{
	static const struct { const char *text; unsigned count; } bad[] = {
		{ "{" V "\"id\":11,\"result\":1}", 1 },			/* another call */
		{ "{" V "\"id\":10.5,\"result\":1}", 1 },
		{ "{" V "\"id\":\"10\",\"result\":1}", 1 },
		{ "{" V "\"id\":-1e300,\"result\":1}", 1 },
		{ "{" V "\"id\":10}", 1 },
		{ "{" V "\"result\":1}", 1 },
		{ "{\"id\":10,\"result\":1}", 1 },
		{ "{" V "\"id\":10,\"result\":1,\"error\":{}}", 1 },		/* both */
		{ "{" V "\"id\":10,\"result\":1,\"result\":2}", 1 },		/* twice */
		{ "{" V "\"id\":10,\"id\":10,\"result\":1}", 1 },
		{ "[{" V "\"id\":10,\"result\":1}]", 1 },			/* a batch for a call */
		{ "{" V "\"id\":10,\"result\":1}", 2 },				/* and the reverse */
		{ "[{" V "\"id\":10,\"result\":1}]", 2 },			/* short */
		{ "[{" V "\"id\":10,\"result\":1},{" V "\"id\":10,\"result\":1}]", 2 },
		{ "[{" V "\"id\":10,\"result\":1},{" V "\"id\":12,\"result\":1}]", 2 },
		{ "[{" V "\"id\":10,\"result\":1},{" V "\"id\":11,\"result\":1},{" V "\"id\":11,\"result\":1}]", 2 },
		{ "[]", 2 }, { "[1,2]", 2 }, { "\"x\"", 1 }, { "<html>", 1 }, { "", 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct jsonrpc_replies r;

		cr_assert_neq(open_text(bad[i].text, bad[i].count, &r), OK, "%s", bad[i].text);
		cr_assert_null(r.root);
	}
}

Test(jsonrpc, errors)
{
	static const struct { const char *error; enum jsonrpc_outcome outcome; int64_t code; size_t data; bool revert; } cases[] = {
		{ "{\"code\":3,\"message\":\"execution reverted\",\"data\":\"0x2202f1fa\"}", RPC_ERROR, 3, 4, true },
		{ "{\"code\":-32603,\"message\":\"Error\",\"data\":{\"message\":\"m\",\"data\":\"0x0102\"}}", RPC_ERROR, -32603, 2, true },
		{ "{\"code\":3,\"message\":\"bare\",\"data\":\"0x\"}", RPC_ERROR, 3, 0, true },
		{ "{\"code\":-32005,\"message\":\"limit exceeded\"}", RPC_THROTTLED, -32005, 0, false },
		{ "{\"code\":-32005,\"message\":\"query returned more than 10000 results\"}", RPC_ERROR, -32005, 0, false },
		{ "{\"code\":429,\"message\":\"x\"}", RPC_THROTTLED, 429, 0, false },
		{ "{\"code\":-32000,\"message\":\"Your app has exceeded its compute units per second\"}", RPC_THROTTLED, -32000, 0, false },
		{ "{\"code\":\"no\",\"message\":7}", RPC_ERROR, -32600, 0, false },
		{ "{\"code\":1e300}", RPC_ERROR, -32600, 0, false },
		{ "{\"code\":-32000,\"message\":\"execution reverted\"}", RPC_ERROR, -32000, 0, true },
		{ "{\"code\":-32000,\"message\":\"header not found\"}", RPC_ERROR, -32000, 0, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		static struct jsonrpc_room room;
		struct jsonrpc_replies r;
		struct jsonrpc_reply reply;
		char text[512];

		snprintf(text, sizeof(text), "{" V "\"id\":10,\"error\":%s}", cases[i].error);
		cr_assert_eq(open_text(text, 1, &r), OK, "%s", text);
		jsonrpc_reply_read(r.item[0], &room, &reply);
		cr_assert_eq(reply.outcome, cases[i].outcome, "%s", text);
		cr_assert_eq(reply.code, cases[i].code, "%s", text);
		cr_assert_eq(reply.data.len, cases[i].data, "%s", text);
		cr_assert_eq(jsonrpc_is_revert(&reply), cases[i].revert, "%s", text);
		cr_assert_not_null(reply.message);
		jsonrpc_replies_close(&r);
	}
}

Test(jsonrpc, a_strangers_text_is_tamed)
{
	char out[40];

	jsonrpc_tame("see https://x.io/v3/SECRET?k=1 \"now\"\n", out, sizeof(out));
	cr_assert_str_eq(out, "see https 'now' ");
	jsonrpc_tame("0123456789012345678901234567890123456789xyz", out, sizeof(out));
	cr_assert_eq(strlen(out), sizeof(out) - 1);
}

Test(jsonrpc, typed_values)
{
	cJSON *o = cJSON_Parse("{\"n\":\"0x1f\",\"h\":\"0x00000000000000000000000000000000000000000000000000000000000000ff\","
			       "\"a\":\"0x00000000000000000000000000000000000000ff\",\"d\":\"0x0102\",\"m\":31,\"x\":\"31\",\"twice\":1,\"twice\":1}");
	struct b32 h;
	struct addr a;
	struct u256 w;
	uint64_t n;
	uint8_t d[8];
	size_t len;

	cr_assert_eq(json_u64(json_get(o, "n"), &n), OK);
	cr_assert_eq(n, 31);
	cr_assert_eq(json_u256(json_get(o, "n"), &w), OK);
	cr_assert_eq(json_b32(json_get(o, "h"), &h), OK);
	cr_assert_eq(h.b[31], 0xff);
	cr_assert_eq(json_addr(json_get(o, "a"), &a), OK);
	cr_assert_eq(json_bytes(json_get(o, "d"), d, sizeof(d), &len), OK);
	cr_assert_eq(len, 2);
	cr_assert_eq(json_bytes(json_get(o, "h"), d, sizeof(d), &len), ERR_TOO_BIG);
	cr_assert_neq(json_u64(json_get(o, "m"), &n), OK);
	cr_assert_neq(json_u64(json_get(o, "x"), &n), OK);
	cr_assert_neq(json_b32(json_get(o, "a"), &h), OK);
	cr_assert_neq(json_u64(json_get(o, "none"), &n), OK);
	cr_assert_null(json_get(o, "twice"));
	cJSON_Delete(o);
}

/* Against servers. */

static struct server node[2];
static atomic_uint chain_of[2], broken[2], swapped;
static struct loop *loop;
static struct http *http;
static struct jsonrpc *rpc;
static unsigned ups, downs, wrongs, failovers, refusals, failed_calls, throttles;
static char last_endpoint[32];

static unsigned long id_after(const char *at)
{
	const char *id = strstr(at, "\"id\":");

	return id ? strtoul(id + 5, NULL, 10) : 0;
}

static bool answer(struct server *s, struct request *r)
{
	unsigned n = s == &node[1];
	char text[512];
	unsigned long id = id_after(r->body);

	switch (atomic_load(&broken[n])) {
	case 1:
		return false;
	case 2:
		say(r->fd, "HTTP/1.1 502 Bad\r\nContent-Length: 6\r\n\r\n<html>");
		return true;
	case 3:
		say_ok(r->fd, "<html>");
		return true;
	case 4:
		say(r->fd, "HTTP/1.1 429 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
		return true;
	case 5:
		poll(NULL, 0, 2500);
		break;
	case 6: /* of two calls the second came too soon */
		snprintf(text, sizeof(text),
			 "[{" V "\"id\":%lu,\"result\":\"0x1\"},{" V "\"id\":%lu,\"error\":"
			 "{\"code\":-32005,\"message\":\"rate limit\"}}]",
			 id, id + 1);
		say_ok(r->fd, text);
		return true;
	}
	if (strstr(r->body, "eth_chainId")) {
		poll(NULL, 0, n ? 50 : 0);	/* the first is up first */
		snprintf(text, sizeof(text), "{" V "\"id\":%lu,\"result\":\"0x%x\"}", id,
			 atomic_load(&chain_of[n]));
	} else if (r->body[0] == '[')
		snprintf(text, sizeof(text), "[{" V "\"id\":%lu,\"result\":\"0x2\"},{" V "\"id\":%lu,\"result\":\"0x1\"}]",
			 id + 1, atomic_load(&swapped) ? id + 1 : id);
	else
		snprintf(text, sizeof(text), "{" V "\"id\":%lu,\"result\":\"0x1\"}", id);
	say_ok(r->fd, text);
	return true;
}

static void on_down(void *owner, const char *why) { (void)owner, (void)why; downs++; }
static void on_up(void *owner, const char *endpoint) { (void)owner, (void)endpoint; ups++; }
static void on_failover(void *owner, const char *endpoint) { (void)owner, (void)endpoint; failovers++; }

static void on_wrong_chain(void *owner, const char *endpoint, uint64_t id)
{
	(void)owner, (void)endpoint;
	cr_assert_eq(id, 8);
	wrongs++;
}

static void on_call(void *owner, unsigned calls, bool failed)
{
	(void)owner;
	failed_calls += failed ? calls : 0;
}

static void on_refused(void *owner, const char *endpoint, const char *why)
{
	(void)owner, (void)endpoint, (void)why;
	refusals++;
}

static void on_throttled(void *owner, const char *endpoint)
{
	(void)owner, (void)endpoint;
	throttles++;
}

static void begin_with(uint64_t chain_id)
{
	static const struct jsonrpc_events events = {
		on_down, on_up, on_wrong_chain, on_failover, on_call, on_refused, on_throttled,
	};
	struct http_limits limits = { .connections_per_host = 4, .connections = 8 };
	static char url[2][64];
	struct jsonrpc_endpoint endpoints[2];

	loop = loop_new();
	http = http_new(loop, &limits);
	for (unsigned i = 0; i < 2; i++) {
		atomic_store(&chain_of[i], 7);
		server_start(&node[i], answer);
		endpoints[i] = (struct jsonrpc_endpoint){
			.name = i ? "second" : "first", .url = server_url(&node[i], url[i], "/secret"),
		};
	}
	rpc = jsonrpc_new(loop, http, chain_id, endpoints, 2, &events, NULL);
}

static void begin(void)
{
	begin_with(7);
}

static void begin_without_id(void)
{
	begin_with(0);
}

static void end(void)
{
	jsonrpc_free(&rpc);
	http_free(&http);
	loop_free(&loop);
}

struct got { unsigned count; enum jsonrpc_outcome outcome[8]; uint64_t value[8]; };

static void on_reply(void *owner, const struct jsonrpc_reply *r)
{
	struct got *g = owner;

	g->outcome[g->count] = r->outcome;
	if (r->outcome == RPC_OK)
		cr_assert_eq(json_u64(r->result, &g->value[g->count]), OK);
	else
		cr_assert(r->message[0]);
	snprintf(last_endpoint, sizeof(last_endpoint), "%s", r->endpoint);
	g->count++;
	loop_stop(loop);
}

static enum jsonrpc_outcome ask(int endpoint, unsigned count)
{
	struct got g = { 0 };
	struct jsonrpc_call calls[2] = {
		{ .method = "eth_blockNumber", .params = "[]", .on_reply = on_reply, .owner = &g },
		{ .method = "eth_gasPrice", .params = "[]", .on_reply = on_reply, .owner = &g },
	};

	cr_assert_eq(jsonrpc_send(rpc, endpoint, calls, count, 10, NULL), OK);
	cr_assert_eq(g.count, 0);
	while (g.count < count)
		loop_run(loop);
	if (count == 2 && g.outcome[0] == RPC_OK) {
		cr_assert_eq(g.value[0], 1);
		cr_assert_eq(g.value[1], 2);
	}
	return g.outcome[0];
}

static void stop(void *owner) { loop_stop(owner); }

static void wait_s(double s)
{
	struct timer *t = timer_new(loop, stop, loop);

	timer_start(t, s, 0);
	loop_run(loop);
	timer_free(&t);
}

Test(jsonrpc, calls_wait_for_the_chain_id, .init = begin, .fini = end)
{
	cr_assert_eq(ask(-1, 1), RPC_OK);
	cr_assert_eq(ask(-1, 2), RPC_OK);
	cr_assert_eq(ask(1, 2), RPC_OK);
	cr_assert_str_eq(last_endpoint, "second");
	cr_assert(jsonrpc_is_up(rpc));
	cr_assert_eq(ups, 1);
	cr_assert_eq(downs, 0);
	cr_assert_eq(failovers, 0);
}

Test(jsonrpc, a_node_on_another_chain_is_not_used)
{
	begin();
	atomic_store(&chain_of[0], 8);
	cr_assert_eq(ask(-1, 1), RPC_OK);
	cr_assert_str_eq(last_endpoint, "second");
	wait_s(0.1);
	cr_assert_eq(wrongs, 1);
	cr_assert_eq(ask(0, 1), RPC_NOT_SENT);
	atomic_store(&chain_of[0], 7);
	wait_s(1.2);
	cr_assert_eq(ask(0, 1), RPC_OK, "it was asked again soon");
	end();
}

Test(jsonrpc, without_an_id_the_first_one_said_counts)
{
	begin_without_id();
	cr_assert_eq(jsonrpc_chain_id(rpc), 0);
	atomic_store(&chain_of[1], 8);
	cr_assert_eq(ask(-1, 1), RPC_OK);
	cr_assert_str_eq(last_endpoint, "first");
	cr_assert_eq(jsonrpc_chain_id(rpc), 7);
	wait_s(0.1);
	cr_assert_eq(wrongs, 1);
	cr_assert_eq(ask(1, 1), RPC_NOT_SENT);
	end();
}

Test(jsonrpc, a_failure_moves_on, .init = begin, .fini = end)
{
	cr_assert_eq(ask(-1, 1), RPC_OK);
	wait_s(0.1);
	atomic_store(&broken[0], 1);
	cr_assert_eq(ask(-1, 1), RPC_AMBIGUOUS);
	cr_assert_str_eq(last_endpoint, "first");
	for (unsigned i = 0; i < 5; i++) {
		cr_assert_eq(ask(-1, 1), RPC_OK);
		cr_assert_str_eq(last_endpoint, "second");
	}
	cr_assert_eq(failovers, 1);
	cr_assert(jsonrpc_endpoint_is_up(rpc, 0), "once is not a breakdown");
	cr_assert_eq(failed_calls, 1);
}

Test(jsonrpc, three_failures_take_out_of_use, .init = begin, .fini = end)
{
	cr_assert_eq(ask(-1, 1), RPC_OK);
	wait_s(0.1);
	atomic_store(&broken[0], 1);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert(jsonrpc_endpoint_is_up(rpc, 0));
		cr_assert_eq(ask(0, 1), RPC_AMBIGUOUS);
	}
	cr_assert_not(jsonrpc_endpoint_is_up(rpc, 0));
	cr_assert_eq(ask(0, 1), RPC_NOT_SENT);
	cr_assert_eq(ask(-1, 1), RPC_OK);
	cr_assert_str_eq(last_endpoint, "second");
	cr_assert_eq(downs, 0);
}

Test(jsonrpc, who_is_late_has_more_time_then, .init = begin, .fini = end)
{
	cr_assert_eq(ask(-1, 1), RPC_OK);
	wait_s(0.1);
	atomic_store(&broken[0], 5);
	cr_assert_eq(ask(0, 1), RPC_AMBIGUOUS);
	cr_assert_eq(ask(0, 1), RPC_OK);
}

Test(jsonrpc, one_silence_is_one_failure, .init = begin, .fini = end)
{
	struct got g[3] = { 0 };

	cr_assert_eq(ask(-1, 1), RPC_OK);
	wait_s(0.1);
	atomic_store(&broken[0], 5);
	for (unsigned i = 0; i < 3; i++) {
		struct jsonrpc_call call = {
			.method = "eth_blockNumber", .params = "[]", .on_reply = on_reply, .owner = &g[i],
		};
		cr_assert_eq(jsonrpc_send(rpc, 0, &call, 1, 10, NULL), OK);
	}
	while (g[0].count + g[1].count + g[2].count < 3)
		loop_run(loop);
	for (unsigned i = 0; i < 3; i++)
		cr_assert_eq(g[i].outcome[0], RPC_AMBIGUOUS);
	cr_assert(jsonrpc_endpoint_is_up(rpc, 0));
	cr_assert_eq(ask(0, 1), RPC_OK);
}

Test(jsonrpc, who_is_out_of_use_is_asked_when_needed, .init = begin, .fini = end)
{
	cr_assert_eq(ask(-1, 1), RPC_OK);
	wait_s(0.1);
	atomic_store(&broken[0], 1);
	for (unsigned i = 0; i < 3; i++)
		cr_assert_eq(ask(0, 1), RPC_AMBIGUOUS);
	atomic_store(&broken[0], 0);
	wait_s(0.3);
	cr_assert_not(jsonrpc_endpoint_is_up(rpc, 0));
	jsonrpc_seek(rpc);
	wait_s(0.3);
	cr_assert(jsonrpc_endpoint_is_up(rpc, 0));
}

Test(jsonrpc, all_down_and_back, .init = begin, .fini = end)
{
	cr_assert_eq(ask(-1, 1), RPC_OK);
	wait_s(0.1);
	atomic_store(&broken[0], 2);
	atomic_store(&broken[1], 3);
	for (unsigned i = 0; i < 6; i++)
		cr_assert_eq(ask(-1, 1), RPC_AMBIGUOUS);
	cr_assert_eq(ask(-1, 1), RPC_NOT_SENT);
	cr_assert_eq(downs, 1);
	cr_assert_eq(refusals, 3);
	atomic_store(&broken[0], 0);
	wait_s(1.3);
	cr_assert_eq(ups, 2);
	cr_assert_eq(ask(-1, 1), RPC_OK);
}

Test(jsonrpc, a_repeated_id_breaks_the_batch, .init = begin, .fini = end)
{
	unsigned connections;

	cr_assert_eq(ask(0, 2), RPC_NOT_SENT, "not up yet");
	cr_assert_eq(ask(-1, 2), RPC_OK);
	wait_s(0.1);
	connections = node[0].connections;
	atomic_store(&swapped, 1);
	cr_assert_eq(ask(0, 2), RPC_AMBIGUOUS);
	cr_assert_eq(refusals, 1);
	atomic_store(&swapped, 0);
	cr_assert_eq(ask(0, 2), RPC_OK);
	cr_assert_eq(node[0].connections, connections + 1, "the connection was dropped");
}

Test(jsonrpc, throttled_is_not_a_failure, .init = begin, .fini = end)
{
	cr_assert_eq(ask(-1, 1), RPC_OK);
	wait_s(0.1);
	atomic_store(&broken[0], 4);
	cr_assert_eq(ask(-1, 1), RPC_THROTTLED);
	cr_assert_eq(ask(-1, 1), RPC_OK);
	cr_assert_str_eq(last_endpoint, "second");
	cr_assert_eq(throttles, 1);
	atomic_store(&broken[1], 4);
	cr_assert_eq(ask(-1, 1), RPC_THROTTLED);
	cr_assert_eq(ask(-1, 1), RPC_THROTTLED, "answered here while both wait");
	cr_assert_eq(throttles, 2);
	cr_assert_eq(downs, 0);
	atomic_store(&broken[0], 0);
	atomic_store(&broken[1], 0);
	wait_s(1.2);
	cr_assert_eq(ask(-1, 1), RPC_OK);
}

/* However often: it is never left alone for longer than at first. */
Test(jsonrpc, a_part_was_answered, .init = begin, .fini = end)
{
	cr_assert_eq(ask(-1, 1), RPC_OK);
	wait_s(0.1);
	atomic_store(&broken[0], 6);
	atomic_store(&broken[1], 6);
	for (unsigned i = 1; i <= 6; i++) {
		struct got g = { 0 };
		struct jsonrpc_call calls[2] = {
			{ .method = "a", .params = "[]", .on_reply = on_reply, .owner = &g },
			{ .method = "b", .params = "[]", .on_reply = on_reply, .owner = &g },
		};

		cr_assert_eq(jsonrpc_send(rpc, 0, calls, 2, 2, NULL), OK);
		while (g.count < 2)
			loop_run(loop);
		cr_assert_eq(g.outcome[0], RPC_OK);
		cr_assert_eq(g.outcome[1], RPC_THROTTLED);
		cr_assert_eq(throttles, i);
		wait_s(0.15);
	}
	atomic_store(&broken[0], 0);
	cr_assert_eq(ask(-1, 1), RPC_OK);
	cr_assert_str_eq(last_endpoint, "first");
	cr_assert_eq(failovers, 0);
}

static struct jsonrpc_batch *batch;

static void on_reply_that_cancels(void *owner, const struct jsonrpc_reply *r)
{
	unsigned *n = owner;

	(void)r;
	++*n;
	jsonrpc_cancel(&batch);
	loop_stop(loop);
}

Test(jsonrpc, cancel, .init = begin, .fini = end)
{
	unsigned replies = 0;
	struct jsonrpc_call calls[2] = {
		{ .method = "a", .params = "[]", .on_reply = on_reply_that_cancels, .owner = &replies },
		{ .method = "b", .params = "[]", .on_reply = on_reply_that_cancels, .owner = &replies },
	};

	cr_assert_eq(jsonrpc_send(rpc, -1, calls, 2, 2, &batch), OK);
	jsonrpc_cancel(&batch);
	cr_assert_null(batch);
	cr_assert_eq(ask(-1, 1), RPC_OK);
	cr_assert_eq(jsonrpc_send(rpc, -1, calls, 2, 2, &batch), OK);
	loop_run(loop);
	cr_assert_eq(replies, 1);
}

Test(jsonrpc, moving_on, .init = begin, .fini = end)
{
	cr_assert_eq(ask(-1, 1), RPC_OK);
	wait_s(0.1);
	cr_assert(jsonrpc_move_on(rpc, last_endpoint));
	cr_assert_eq(failovers, 1);
	cr_assert_eq(ask(-1, 1), RPC_OK);
	cr_assert_str_eq(last_endpoint, "second");
	cr_assert(jsonrpc_move_on(rpc, "first"), "is not in use any more");
	cr_assert_eq(failovers, 1);
}
