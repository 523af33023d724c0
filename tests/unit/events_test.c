/*
 * events_test - /v1/events as its clients hear it: frames, filters, where a stream goes on, and
 * clients that do not take what they asked for.
 */

#include "tests/unit/monitor_world.h"

#include <fcntl.h>

TestSuite(events, .timeout = 60);

/* The record of the played executor. */

static uint64_t *executors(unsigned what)
{
	return &pages.page[ROLE_EXECUTOR]->value[what];
}

static void grow_to(uint64_t newest)
{
	__atomic_store_n(executors(RECORD_NEWEST), newest, __ATOMIC_SEQ_CST);
}

static uint64_t monitors(unsigned counter)
{
	return __atomic_load_n(&pages.page[ROLE_MONITOR]->value[counter], __ATOMIC_RELAXED);
}

static void begin(void)
{
	setup();
	wait_for_executor();
}

/* A client: one stream, read as far as is asked for. */

struct listening {
	int fd;
	size_t len, at;
	uint64_t last, told, resets;
	char text[1 << 16];
};

static struct listening follow(const char *path, const char *headers)
{
	struct listening c = { .fd = dial() };

	dprintf(c.fd, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, headers);
	return c;
}

/* The next block (up to an empty line), without it; NULL when the stream ends or is silent. */
static const char *next_block(struct listening *c)
{
	static char block[4096];

	for (;;) {
		char *end = memmem(c->text + c->at, c->len - c->at, "\n\n", 2);
		char *head = memmem(c->text + c->at, c->len - c->at, "\r\n\r\n", 4);
		size_t skip = 2;
		if (head && (!end || head < end)) {
			end = head;
			skip = 4;
		}
		if (end) {
			size_t n = (size_t)(end - c->text) - c->at;
			cr_assert_lt(n, sizeof(block));
			memcpy(block, c->text + c->at, n);
			block[n] = 0;
			c->at += n + skip;
			return block;
		}
		memmove(c->text, c->text + c->at, c->len - c->at);
		c->len -= c->at;
		c->at = 0;
		ssize_t n = recv(c->fd, c->text + c->len, sizeof(c->text) - c->len, 0);
		if (n <= 0)
			return NULL;
		c->len += (size_t)n;
	}
}

/* The next change or reset; comments are passed over.  0 when there is none. */
static uint64_t next_event(struct listening *c)
{
	const char *block;
	unsigned long long id;

	while ((block = next_block(c))) {
		if (sscanf(block, "id: %llu", &id) != 1)
			continue;
		c->last = id;
		if (strstr(block, "\nevent: state\ndata: {")) {
			c->told++;
			return id;
		}
		c->resets += strstr(block, "\nevent: reset\ndata: {") != NULL;
	}
	return 0;
}

/* Each number once and in order, up to LAST. */
static void hear_all(struct listening *c, uint64_t last)
{
	while (c->last < last) {
		uint64_t before = c->last;
		cr_assert_eq(next_event(c), before + 1);
	}
}

Test(events, frames, .init = begin, .fini = teardown)
{
	grow_to(5);
	struct listening c = follow("/v1/events?since=3", "");

	const char *head = next_block(&c);
	cr_assert_eq(strncmp(head, "HTTP/1.1 200 OK\r\n", 17), 0);
	cr_assert_not_null(strstr(head, "Content-Type: text/event-stream\r\n"));
	cr_assert_not_null(strstr(head, "Cache-Control: no-store\r\n"));
	cr_assert_null(strstr(head, "Content-Length"));
	cr_assert_str_eq(next_block(&c), ": kms-connector\nretry: 1000");
	cr_assert_str_eq(next_block(&c), "id: 4\nevent: state\ndata: {\"seq\":4,\"id\":\"public-4\","
		"\"kind\":\"public_decryption\",\"state\":\"computing\",\"reason\":\"\",\"op\":4,"
		"\"chain\":421614,\"at_ms\":1004,\"block\":50,\"tx\":null}");
	cr_assert_str_eq(next_block(&c), "id: 5\nevent: state\ndata: {\"seq\":5,\"id\":\"user-5\","
		"\"kind\":\"user_decryption\",\"state\":\"done\",\"reason\":\"\",\"op\":5,"
		"\"chain\":421614,\"at_ms\":1005,\"block\":50,\"tx\":\"0xab"
		"00000000000000000000000000000000000000000000000000000000000000\"}");
	grow_to(6);
	cr_assert_eq(next_event(&c), 6, "it goes on as it happens");
	close(c.fd);
}

Test(events, filters, .init = begin, .fini = teardown)
{
	static const struct { const char *query; uint64_t first, second; } cases[] = {
		{ "", 1, 2 },
		{ "&state=done", 5, 10 },
		{ "&state=refused,done", 5, 10 },
		{ "&kind=user", 5, 10 },
		{ "&kind=user_decryption&state=computing,done", 5, 10 },
		{ "&id=public-7", 7, 107 },
		{ "&id=public-7&state=computing", 7, 107 },
		{ "&state=", 1, 2 },
	};
	static const char *const bad[] = { "since=x", "since=-1", "since=9007199254740992", "state=what",
		"state=done,", "state=,done", "state=done,what", "kind=what", "id=7", "id=what-7", "since=%31%" };

	grow_to(300);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char path[200];
		snprintf(path, sizeof(path), "/v1/events?since=0%s", cases[i].query);
		struct listening c = follow(path, "");
		cr_expect_eq(next_event(&c), cases[i].first, "%s", path);
		cr_expect_eq(next_event(&c), cases[i].second, "%s", path);
		close(c.fd);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char path[200];
		snprintf(path, sizeof(path), "/v1/events?%s", bad[i]);
		cr_expect_eq(get(path), 400, "%s", bad[i]);
	}
}

Test(events, the_header_counts_more_than_the_path, .init = begin, .fini = teardown)
{
	grow_to(300);
	struct listening c = follow("/v1/events?since=10", "Last-Event-ID: 200\r\n");
	cr_assert_eq(next_event(&c), 201);
	close(c.fd);
	c = follow("/v1/events?since=10", "X: 1\r\nLAST-EVENT-ID:\t 42\r\nY: 2\r\n");
	cr_assert_eq(next_event(&c), 43);
	close(c.fd);
	c = follow("/v1/events?since=10", "Last-Event-ID:\r\n");
	cr_assert_eq(next_event(&c), 11);
	close(c.fd);

	int fd = dial();
	dprintf(fd, "GET /v1/events HTTP/1.1\r\nLast-Event-ID: 12x\r\n\r\n");
	cr_assert_eq(hear(fd), 400);
}

Test(events, from_now_on, .init = begin, .fini = teardown)
{
	grow_to(1000);
	struct listening c = follow("/v1/events", "");
	next_block(&c);
	next_block(&c);
	cr_assert_str_eq(next_block(&c), ": from here\nid: 1000");
	grow_to(1001);
	cr_assert_eq(next_event(&c), 1001);
	close(c.fd);
}

/* Cut off again and again, while the record grows and its executor dies. */
Test(events, nothing_is_missing_and_nothing_comes_twice, .init = begin, .fini = teardown)
{
	struct listening c = { .fd = -1 };
	struct listening whole = follow("/v1/events?since=0", "");
	char headers[80] = "";
	unsigned random = 12345;

	for (unsigned round = 0; round < 120; round++) {
		random = random * 1103515245 + 12345;
		grow_to(*executors(RECORD_NEWEST) + random / 65536 % 90);
		if (round % 40 == 20) {
			kill(executor, SIGKILL);
			waitpid(executor, NULL, 0);
			executor = start(ROLE_EXECUTOR, "kms-executor");
		}
		uint64_t last = c.last;
		c = follow("/v1/events?since=0", headers);
		c.last = last;
		uint64_t upto = last + random / 7 % 60;
		hear_all(&c, upto < *executors(RECORD_NEWEST) ? upto : *executors(RECORD_NEWEST));
		close(c.fd);
		snprintf(headers, sizeof(headers), "Last-Event-ID: %" PRIu64 "\r\n", c.last);
	}
	uint64_t last = c.last;
	c = follow("/v1/events", headers);
	c.last = last;
	hear_all(&c, *executors(RECORD_NEWEST));
	close(c.fd);
	hear_all(&whole, *executors(RECORD_NEWEST));
	close(whole.fd);
	cr_assert_gt(whole.told, 1000);
	cr_assert_eq(whole.resets + c.resets, 0);
}

Test(events, what_is_missing_is_said, .init = begin, .fini = teardown)
{
	*executors(RECORD_GONE) = 100;
	grow_to(200);
	struct listening c = follow("/v1/events?since=50", "");		/* older than what is kept */
	next_block(&c);
	next_block(&c);
	cr_assert_str_eq(next_block(&c), "id: 100\nevent: reset\ndata: {\"after\":100,\"why\":\"not kept\"}");
	c.last = 100;
	hear_all(&c, 200);
	close(c.fd);

	c = follow("/v1/events?since=500", "");				/* of another store */
	cr_assert_eq(next_event(&c), 101);
	cr_assert_eq(c.resets, 1);
	c.last = 101;
	hear_all(&c, 200);

	/* The store is replaced while it listens: an older one, in which numbers come again. */
	kill(executor, SIGKILL);
	waitpid(executor, NULL, 0);
	*executors(RECORD_GONE) = 20;
	grow_to(150);
	executor = start(ROLE_EXECUTOR, "kms-executor");
	cr_assert_eq(next_event(&c), 21);
	cr_assert_eq(c.resets, 2);
	hear_all(&c, 150);
	grow_to(160);
	hear_all(&c, 160);
	close(c.fd);
}

Test(events, as_many_as_may_and_one_more, .init = begin, .fini = teardown)
{
	static struct listening c[LIMIT_EVENTS_CLIENTS];

	for (unsigned i = 0; i < LIMIT_EVENTS_CLIENTS; i++) {
		c[i] = follow("/v1/events?since=0", "");
		next_block(&c[i]);
	}
	cr_assert_eq(get("/v1/events"), 503);
	cr_assert_eq(monitors(CNT_MONITOR_streams_refused), 1);
	cr_assert_eq(monitors(CNT_MONITOR_streams), LIMIT_EVENTS_CLIENTS);
	cr_assert_eq(get("/v1/requests/public-7"), 200, "others have their own places");
	while (*executors(RECORD_FOLLOWS) < LIMIT_EVENTS_CLIENTS + 1)	/* each its past, and the tip */
		poll(NULL, 0, 5);
	uint64_t follows = *executors(RECORD_FOLLOWS);
	grow_to(50);
	for (unsigned i = 0; i < LIMIT_EVENTS_CLIENTS; i++) {
		hear_all(&c[i], 50);
		close(c[i].fd);
	}
	cr_assert_leq(*executors(RECORD_FOLLOWS) - follows, 12, "one follow for all");
	uint64_t until_ms = clock_mono_ms() + 5000;
	while (monitors(CNT_MONITOR_streams) && clock_mono_ms() < until_ms)
		poll(NULL, 0, 10);
	cr_assert_eq(monitors(CNT_MONITOR_streams), 0);
	struct listening again = follow("/v1/events?since=49", "");
	cr_assert_eq(next_event(&again), 50);
	close(again.fd);
}

/* Three that never read, one that is slow, one that reads, and one that has nothing to hear. */
Test(events, who_does_not_read_is_dropped_and_slows_nobody, .init = begin, .fini = teardown)
{
	enum { MANY = 20000 };
	struct listening never[3], quick, slow, silent;

	for (unsigned i = 0; i < 3; i++)
		never[i] = follow(i ? "/v1/events?since=0" : "/v1/events", "");
	while (*executors(RECORD_FOLLOWS) < 4)		/* each its past, and the tip */
		poll(NULL, 0, 5);
	silent = follow("/v1/events?id=crsgen-1", "");
	slow = follow("/v1/events?since=0", "");
	quick = follow("/v1/events?since=0", "");
	next_block(&quick);
	next_block(&silent);
	uint64_t began_ms = clock_mono_ms();
	for (uint64_t n = 1; n <= MANY; n += 500)
		grow_to(n + 499);
	hear_all(&quick, MANY);
	uint64_t took_ms = clock_mono_ms() - began_ms;
	cr_assert_lt(took_ms, 8000, "%" PRIu64 " ms", took_ms);
	cr_assert_eq(get("/v1/requests/public-7"), 200);

	uint64_t until_ms = began_ms + (LIMIT_EVENTS_STALL_S + 10) * 1000;
	while (monitors(CNT_MONITOR_streams_dropped) < 3 && clock_mono_ms() < until_ms) {
		hear_all(&slow, slow.last + 20);	/* it takes little, but it takes */
		poll(NULL, 0, 50);
	}
	cr_assert_eq(monitors(CNT_MONITOR_streams_dropped), 3);
	cr_assert_geq(clock_mono_ms() - began_ms, LIMIT_EVENTS_STALL_S * 1000 - 100);
	cr_assert_eq(monitors(CNT_MONITOR_streams), 3);
	hear_all(&slow, MANY);

	struct timeval patience = { .tv_sec = LIMIT_EVENTS_ALIVE_S + 3 };
	setsockopt(silent.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	next_block(&silent);
	next_block(&silent);
	cr_assert_str_eq(next_block(&silent), ": alive");
	for (unsigned i = 0; i < 3; i++)
		close(never[i].fd);
	close(quick.fd);
	close(slow.fd);
	close(silent.fd);
}

/* A stream with a client that sends what it likes, closes half, or leaves at once. */
Test(events, clients_that_behave_oddly, .init = begin, .fini = teardown)
{
	char much[8000];

	memset(much, 'x', sizeof(much));
	for (unsigned i = 0; i < 60; i++) {
		struct listening c = follow("/v1/events?since=0", "");
		if (i % 3 == 0)
			send(c.fd, much, sizeof(much), MSG_NOSIGNAL);
		if (i % 3 == 1)
			shutdown(c.fd, SHUT_WR);
		close(c.fd);
	}
	grow_to(10);
	struct listening c = follow("/v1/events?since=0", "");
	send(c.fd, much, sizeof(much), MSG_NOSIGNAL);
	hear_all(&c, 10);
	close(c.fd);
}

Test(events, without_executor, .init = setup_without_executor, .fini = teardown)
{
	struct listening now = follow("/v1/events", ""), past = follow("/v1/events?since=2", "");

	next_block(&now);
	next_block(&past);
	grow_to(4);
	executor = start(ROLE_EXECUTOR, "kms-executor");
	cr_assert_eq(next_event(&past), 3);
	cr_assert_eq(next_event(&past), 4);
	next_block(&now);
	cr_assert_str_eq(next_block(&now), ": from here\nid: 4");
	grow_to(5);
	cr_assert_eq(next_event(&now), 5);
	close(now.fd);
	close(past.fd);
}
