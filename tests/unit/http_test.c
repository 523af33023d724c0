/* http_test - outcomes, caps, deadlines, the pool, and addresses that are refused. */

#include <criterion/criterion.h>

#include <netdb.h>
#include <poll.h>

#include "common/address.h"
#include "common/http.h"
#include "tests/unit/http_server.h"

TestSuite(http, .timeout = 20);

static struct server server;
static struct loop *loop;
static struct http *http;

struct seen {
	unsigned done;
	enum http_outcome outcome;
	long status;
	char body[1000];
	size_t len, pieces;
	uint64_t retry_after_s;
	bool drop;
	unsigned stop_at;		/* of all calls: stop the loop */
};

static unsigned all_done;

static void on_piece(void *owner, struct bytes piece)
{
	struct seen *s = owner;

	s->pieces += piece.len;
}

static void on_done(void *owner, struct http_result *r)
{
	struct seen *s = owner;

	s->done++;
	s->outcome = r->outcome;
	s->status = r->status;
	s->len = r->body.len;
	s->retry_after_s = r->retry_after_s;
	r->drop = s->drop;
	snprintf(s->body, sizeof(s->body), "%.*s", (int)r->body.len, (const char *)r->body.p);
	if (++all_done == s->stop_at)
		loop_stop(loop);
}

static struct http_request request_to(const char *url, struct seen *s)
{
	return (struct http_request){
		.url = url, .body_max = 100000, .timeout_s = 5, .connect_timeout_s = 2,
		.on_piece = on_piece, .on_done = on_done, .owner = s,
	};
}

static void fetch(const char *path, struct seen *s, const char *post)
{
	char url[64];
	struct http_request r = request_to(server_url(&server, url, path), s);

	if (post) {
		r.post = BYTES(post, strlen(post));
		r.content_type = "application/json";
	}
	s->stop_at = ++all_done;
	all_done--;
	cr_assert(http_start(http, &r));
	cr_assert_eq(s->done, 0, "on_done never comes from http_start");
	loop_run(loop);
}

static bool answer(struct server *s, struct request *r)
{
	char text[200];
	char big[5000] = "";

	(void)s;
	if (strstr(r->head, "/mirror"))
		return say_ok(r->fd, r->head), true;
	if (strstr(r->head, "/gone"))
		return false;
	if (strstr(r->head, "/cut"))
		return say(r->fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), false;
	if (strstr(r->head, "/announce"))
		return say(r->fd, "HTTP/1.1 200 OK\r\nContent-Length: 2147483648\r\n\r\n"), true;
	if (strstr(r->head, "/endless")) {
		say(r->fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
		memset(big, 'x', sizeof(big) - 1);
		for (unsigned i = 0; i < 100; i++) {
			say(r->fd, "1387\r\n");
			say(r->fd, big);
			say(r->fd, "\r\n");
		}
		return false;
	}
	if (strstr(r->head, "/drip")) {
		say(r->fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
		for (unsigned i = 0; i < 40; i++, poll(NULL, 0, 50))
			say(r->fd, "x");
		return false;
	}
	if (strstr(r->head, "/mute"))
		return say(r->fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"), poll(NULL, 0, 4000), false;
	if (strstr(r->head, "/headers")) {
		say(r->fd, "HTTP/1.1 200 OK\r\n");
		for (unsigned i = 0; i < 20000; i++)
			say(r->fd, "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
		return false;
	}
	if (strstr(r->head, "/moved"))
		return say(r->fd, "HTTP/1.1 302 Found\r\nLocation: /hello\r\nContent-Length: 0\r\n\r\n"), true;
	if (strstr(r->head, "/busy"))
		return say(r->fd, "HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"), true;
	snprintf(text, sizeof(text), "%s %.100s", strncmp(r->head, "POST", 4) ? "GET" : "POST", r->body);
	say_ok(r->fd, strstr(r->head, "gzip") ? "compression was offered" : text);
	return true;
}

static void begin(void)
{
	struct http_limits limits = { .connections_per_host = 2, .connections = 8 };

	server_start(&server, answer);
	loop = loop_new();
	http = http_new(loop, &limits);
}

static void end(void)
{
	http_free(&http);
	cr_assert_null(http);
	loop_free(&loop);
}

Test(http, get_post_and_one_connection, .init = begin, .fini = end)
{
	struct seen a = { 0 }, b = { 0 }, c = { 0 };

	fetch("/hello", &a, NULL);
	cr_assert_eq(a.outcome, HTTP_OK);
	cr_assert_eq(a.status, 200);
	cr_assert_str_eq(a.body, "GET ");
	fetch("/hello", &b, "{\"a\":1}");
	cr_assert_str_eq(b.body, "POST {\"a\":1}");
	cr_assert_eq(b.pieces, b.len);
	fetch("/hello", &c, NULL);
	cr_assert_str_eq(c.body, "GET ", "a used handle forgets its POST: %s", c.body);
	cr_assert_eq(server.connections, 1);
}

Test(http, a_dropped_connection_is_not_used_again, .init = begin, .fini = end)
{
	struct seen a = { .drop = true }, b = { 0 };

	fetch("/hello", &a, NULL);
	fetch("/hello", &b, NULL);
	cr_assert_eq(b.outcome, HTTP_OK);
	cr_assert_eq(server.connections, 2);
}

Test(http, what_was_sent_is_ambiguous, .init = begin, .fini = end)
{
	struct seen gone = { 0 }, cut = { 0 }, busy = { 0 }, moved = { 0 };

	fetch("/gone", &gone, "x");
	cr_assert_eq(gone.outcome, HTTP_BROKEN);
	fetch("/cut", &cut, NULL);
	cr_assert_eq(cut.outcome, HTTP_BROKEN);
	fetch("/busy", &busy, NULL);
	cr_assert_eq(busy.status, 429);
	cr_assert_eq(busy.retry_after_s, 7);
	fetch("/moved", &moved, NULL);
	cr_assert_eq(moved.status, 302, "redirects are not followed");
}

Test(http, caps, .init = begin, .fini = end)
{
	struct seen announced = { 0 }, endless = { 0 }, headers = { 0 };

	fetch("/announce", &announced, NULL);
	cr_assert_eq(announced.outcome, HTTP_TOO_BIG);
	fetch("/endless", &endless, NULL);
	cr_assert_eq(endless.outcome, HTTP_TOO_BIG);
	cr_assert_leq(endless.pieces, 100000);
	fetch("/headers", &headers, NULL);
	cr_assert_eq(headers.outcome, HTTP_TOO_BIG);
}

Test(http, the_deadline_is_total, .init = begin, .fini = end)
{
	struct seen drip = { .stop_at = 3 }, other = drip, queued = drip;
	char url[64];
	struct http_request r = request_to(server_url(&server, url, "/drip"), &drip);
	uint64_t start = clock_mono_ms();

	r.timeout_s = 0.4;
	cr_assert(http_start(http, &r));
	r.owner = &other;
	cr_assert(http_start(http, &r));
	r.owner = &queued;	/* waits for one of two connections; its time runs as well, and out first */
	r.timeout_s = 0.2;
	cr_assert(http_start(http, &r));
	loop_run(loop);
	cr_assert_eq(drip.outcome, HTTP_BROKEN);
	cr_assert_eq(queued.outcome, HTTP_UNREACHABLE);
	cr_assert_lt(clock_mono_ms() - start, 1500);
}

Test(http, one_that_hangs_ends_sooner, .init = begin, .fini = end)
{
	struct seen mute = { .stop_at = 2 }, drip = mute;
	char url[64];
	struct http_request r = request_to(server_url(&server, url, "/mute"), &mute);
	uint64_t start = clock_mono_ms();

	r.timeout_s = 10;
	r.stall_s = 1;
	cr_assert(http_start(http, &r));
	r = request_to(server_url(&server, url, "/drip"), &drip);
	r.stall_s = 1;
	cr_assert(http_start(http, &r));
	loop_run(loop);
	cr_assert_eq(mute.outcome, HTTP_BROKEN);
	cr_assert_eq(mute.status, 200);
	cr_assert_eq(drip.len, 40, "what moves, however slowly, does not hang");
	cr_assert_lt(clock_mono_ms() - start, 3900);
}

Test(http, not_sent, .init = begin, .fini = end)
{
	struct seen refused = { .stop_at = 1 }, name = { .stop_at = 2 };
	struct http_request r = request_to("http://127.0.0.1:1/", &refused);

	cr_assert(http_start(http, &r));
	loop_run(loop);
	cr_assert_eq(refused.outcome, HTTP_UNREACHABLE);
	r = request_to("http://no-such-name.invalid/", &name);
	cr_assert(http_start(http, &r));
	loop_run(loop);
	cr_assert_eq(name.outcome, HTTP_UNREACHABLE);
	r.url = "file:///etc/passwd";
	cr_assert_null(http_start(http, &r));
	r.url = "gopher://127.0.0.1/";
	cr_assert_null(http_start(http, &r));
}

Test(http, private_addresses, .init = begin, .fini = end)
{
	struct seen open = { .stop_at = 1 }, closed = { .stop_at = 2 }, pooled = { .stop_at = 3 };
	char url[64];
	struct http_request r = request_to(server_url(&server, url, "/hello"), &closed);

	r.owner = &open;
	cr_assert(http_start(http, &r));
	loop_run(loop);
	cr_assert_eq(open.outcome, HTTP_OK);

	/* A connection that another call made is no way round. */
	r.public_only = true;
	r.owner = &closed;
	cr_assert(http_start(http, &r));
	loop_run(loop);
	cr_assert_eq(closed.outcome, HTTP_UNREACHABLE);
	cr_assert_eq(server.requests, 1);

	snprintf(url, sizeof(url), "http://localhost:%u/", server.port);
	r.owner = &pooled;
	cr_assert(http_start(http, &r));
	loop_run(loop);
	cr_assert_eq(pooled.outcome, HTTP_UNREACHABLE);
	cr_assert_eq(server.requests, 1);
}

static void fetch_signed(const struct http_sign *sign, struct seen *s)
{
	char url[64];
	struct http_request r = request_to(server_url(&server, url, "/mirror"), s);

	r.sign = sign;
	s->stop_at = all_done + 1;
	cr_assert(http_start(http, &r));
	loop_run(loop);
	cr_assert_eq(s->status, 200);
}

Test(http, a_signature_is_of_one_request, .init = begin, .fini = end)
{
	static const struct http_sign plain = { .scope = "aws:amz:eu-west-1:s3", .access_key = "AKIA",
						.secret_key = "hunter2", .session_token = "" };
	static const struct http_sign temporary = { .scope = "aws:amz:us-east-1:s3", .access_key = "ASIA",
						    .secret_key = "hunter2", .session_token = "to/ken=" };
	struct seen a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 }, e = { 0 };

	fetch_signed(&plain, &a);
	cr_assert(strstr(a.body, "Credential=AKIA/"), "%s", a.body);
	cr_assert(strstr(a.body, "/eu-west-1/s3/aws4_request"));
	cr_assert(strstr(a.body, "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"), "%s", a.body);
	cr_assert_not(strstr(a.body, "hunter2"));
	fetch_signed(NULL, &b);
	cr_assert_not(strstr(b.body, "uthorization"), "the same handle, without: %s", b.body);
	cr_assert_not(strcasestr(b.body, "x-amz"));
	fetch("/hello", &c, "{}");
	cr_assert_str_eq(c.body, "POST {}");
	fetch_signed(&temporary, &d);
	cr_assert(strstr(d.body, "Credential=ASIA/"), "%s", d.body);
	cr_assert(strstr(d.body, "x-amz-security-token: to/ken="), "%s", d.body);
	fetch_signed(&plain, &e);
	cr_assert(strstr(e.body, "Credential=AKIA/"), "%s", e.body);
	cr_assert_not(strstr(e.body, "token"));
	cr_assert_eq(server.connections, 1);
}

static struct http_call *victim;
static struct seen never;

static void on_piece_that_cancels(void *owner, struct bytes piece)
{
	(void)owner, (void)piece;
	http_cancel(&victim);
}

Test(http, cancel, .init = begin, .fini = end)
{
	struct seen last = { .stop_at = 1 };
	char url[64];
	struct http_request r = request_to(server_url(&server, url, "/hello"), &never);

	victim = http_start(http, &r);
	http_cancel(&victim);
	cr_assert_null(victim);
	r.on_piece = on_piece_that_cancels;
	victim = http_start(http, &r);
	r = request_to(url, &last);
	r.post = BYTES("x", 1);
	r.content_type = "text/plain";
	cr_assert(http_start(http, &r));
	loop_run(loop);
	cr_assert_eq(never.done, 0);
	cr_assert_eq(last.outcome, HTTP_OK);
}

static uint8_t *taken;
static size_t taken_len;

static void on_done_that_takes(void *owner, struct http_result *r)
{
	(void)owner;
	taken = http_take_body(r, &taken_len);
	loop_stop(loop);
}

Test(http, the_body_may_be_taken, .init = begin, .fini = end)
{
	struct seen after = { 0 };
	char url[64];
	struct http_request r = request_to(server_url(&server, url, "/hello"), NULL);

	r.on_piece = NULL;
	r.on_done = on_done_that_takes;
	cr_assert(http_start(http, &r));
	loop_run(loop);
	cr_assert_eq(taken_len, 4);
	fetch("/hello", &after, "yy");
	cr_assert_arr_eq(taken, "GET ", 4);
	free(taken);
}

Test(http, addresses)
{
	static const struct { const char *text; bool public; } cases[] = {
		{ "8.8.8.8", true }, { "1.1.1.1", true }, { "172.15.255.255", true }, { "172.32.0.1", true },
		{ "127.0.0.1", false }, { "10.1.2.3", false }, { "172.16.0.1", false },
		{ "172.31.255.255", false }, { "192.168.1.1", false }, { "169.254.169.254", false },
		{ "100.64.0.1", false }, { "0.0.0.0", false }, { "224.0.0.1", false },
		{ "255.255.255.255", false }, { "198.19.0.1", false },
		{ "2606:4700::1111", true }, { "::1", false }, { "::", false }, { "fe80::1", false },
		{ "fc00::1", false }, { "ff02::1", false }, { "::ffff:127.0.0.1", false },
		{ "::ffff:8.8.8.8", true }, { "2002:7f00:1::", false }, { "64:ff9b::7f00:1", false },
		{ "2001:db8::1", false }, { "2001:0:1::", false }, { "nonsense", false }, { "", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addrinfo hints = { .ai_flags = AI_NUMERICHOST }, *ai;

		cr_assert_eq(address_text_is_public(cases[i].text), cases[i].public, "%s", cases[i].text);
		if (getaddrinfo(cases[i].text, NULL, &hints, &ai))
			continue;
		cr_assert_eq(address_is_public(ai->ai_addr), cases[i].public, "%s", cases[i].text);
		freeaddrinfo(ai);
	}
}
