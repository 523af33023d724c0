/*
 * monitor_test - the window as its clients see it: the real server, confined as it is in
 * service, over real sockets, with an executor that is played by this program.
 */

#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "common/link.h"
#include "common/log.h"
#include "common/opid.h"
#include "common/proc.h"
#include "common/text.h"
#include "proto/operations.h"
#include "proto/states.h"
#include "supervisor/monitor/monitor.h"
#include "supervisor/pages.h"
#include "supervisor/sockets.h"
#include "supervisor/spawn.h"

TestSuite(monitor, .timeout = 30);

/* The other processes: this program again, started with descriptors. */

struct executor { struct loop *loop; };

static struct b32 id_of(uint64_t n)
{
	struct b32 id = { .b = { 0 } };

	be64_put(id.b + 24, n);
	return id;
}

static void say_row(struct link *l, uint64_t tag, uint64_t n)
{
	static const char why[] = "quote \" slash \\ <script>";
	struct msg_row m = { .tag = tag, .op = n, .chain = 421614, .kind = KIND_public_decryption,
			     .id = id_of(n), .state = STATE_refused,
			     .reason = BYTES(why, sizeof(why) - 1), .at_ms = 2000, .seen_ms = 1000 };

	if (n == 7) {
		m.state = STATE_done;
		m.tx.b[0] = 0xab;
		m.nonce = 0;
		m.tx_block = 99;
	}
	check(send_row(l, &m) == OK);
}

static enum err on_query(struct executor *x, struct link *l, const struct msg_query *q)
{
	struct msg_stage stage = { .tag = q->tag, .name = BYTES("core", 4), .state = 2,
				   .since_ms = 5, .why = BYTES("gone", 4) };
	struct msg_figure figure = { .tag = q->tag, .name = BYTES("open", 4), .value = BYTES("12", 2) };
	struct msg_done done = { .tag = q->tag };
	(void)x;

	if (q->what == 1) {
		check(send_stage(l, &stage) == OK && send_figure(l, &figure) == OK);
	} else if (q->what == 2) {
		struct b32 seven = id_of(7), eight = id_of(8);
		if (b32_eq(&q->id, &eight))
			return OK;	/* a question that is never answered */
		if (b32_eq(&q->id, &seven)) {
			say_row(l, q->tag, 7);
			done.count = 1;
		}
	} else {
		for (uint64_t n = 0; n < q->limit && (!q->state || q->state == STATE_refused); n++) {
			say_row(l, q->tag, 1000 - n);
			done.count++;
		}
	}
	check(send_done(l, &done) == OK);
	return OK;
}

LINK_SWITCH(on_packet, IPC_WINDOW_TO_EXECUTOR)

static const struct link_end executor_end = {
	.me = ROLE_EXECUTOR, .peer = ROLE_MONITOR, .name = "monitor", .on_packet = on_packet,
};

static int play_executor(int argc, char **argv)
{
	static struct executor x;

	proc_start(ROLE_EXECUTOR, argc, argv);
	x.loop = loop_new();
	link_listen(x.loop, proc_fd("monitor.sock"), &executor_end, &x, 4);
	proc_ready(true);
	return proc_serve(x.loop);
}

static int play_monitor(int argc, char **argv)
{
	static struct monitor self;

	proc_start(ROLE_MONITOR, argc, argv);
	monitor_open(&self);
	proc_confine(RIGHTS_WINDOW);
	return monitor_close(&self, proc_serve(self.loop));
}

__attribute__((constructor)) static void play(int argc, char **argv)
{
	if (!getenv("LISTEN_FDNAMES"))
		return;
	_exit(strcmp(argv[0], "kms-monitor") == 0 ? play_monitor(argc, argv)
						  : play_executor(argc, argv));
}

/* One connector: directory, pages, two processes. */

static char dir[] = "/tmp/monitor-XXXXXX";
static struct pages pages;
static struct sockets sockets;
static struct who who[ROLE_COUNT];
static int http, alive[2];
static uint16_t port;
static pid_t monitor, executor;

static int settings_fd(void)
{
	struct settings *s = settings_new();
	char zeros[65];

	memset(zeros, '0', 64);
	zeros[64] = 0;
	cr_assert_eq(settings_put(s, "log.format", "logfmt"), OK);
	cr_assert_eq(settings_put(s, "log.level", "error"), OK);
	cr_assert_eq(settings_put(s, "network", zeros), OK);
	cr_assert_eq(settings_put(s, "runtime_dir", dir), OK);
	cr_assert_eq(settings_put(s, "http.listen", "127.0.0.1:0"), OK);
	int fd = settings_to_fd(s, "config");
	settings_free(&s);
	cr_assert_geq(fd, 0);
	return fd;
}

static pid_t start(enum ipc_role role, const char *name)
{
	struct spawn s = { .program = "/proc/self/exe", .name = name, .workdir = -1 };
	int config = settings_fd();
	char fd_name[32];

	spawn_add(&s, "config", config);
	spawn_add(&s, "counters", pages.fd[role]);
	spawn_add(&s, "alive", alive[0]);
	if (role == ROLE_EXECUTOR) {
		spawn_add(&s, "monitor.sock", sockets.fd[LINK_monitor]);
	} else {
		spawn_add(&s, "http", http);
		for (int i = 0; i < ROLE_COUNT; i++) {
			if (pages.readable[i] < 0)
				continue;
			snprintf(fd_name, sizeof(fd_name), "counters.%s",
				 ipc_role_name((enum ipc_role)i));
			spawn_add(&s, fd_name, pages.readable[i]);
		}
	}
	pid_t pid = spawn_start(&s);
	close(config);
	cr_assert_gt(pid, 0);
	return pid;
}

static void wait_ready(enum ipc_role role)
{
	uint64_t until_ms = clock_mono_ms() + 5000;

	while (!__atomic_load_n(&pages.page[role]->ready_ms, __ATOMIC_RELAXED)) {
		cr_assert_lt(clock_mono_ms(), until_ms, "%s is not ready", ipc_role_name(role));
		poll(NULL, 0, 5);
	}
}

static void setup_without_executor(void)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);

	cr_assert_not_null(mkdtemp(dir));
	for (int i = 0; i < ROLE_COUNT; i++)
		who[i] = (struct who){ .uid = geteuid(), .gid = getegid() };
	cr_assert_eq(pages_open(&pages), OK);
	cr_assert_eq(sockets_open(dir, who, &sockets), EXIT_ok);
	cr_assert_eq(pipe(alive), 0);
	http = sockets_listen_tcp("127.0.0.1", 0);
	cr_assert_geq(http, 0);
	cr_assert_eq(getsockname(http, (struct sockaddr *)&sa, &len), 0);
	port = ntohs(sa.sin_port);
	monitor = start(ROLE_MONITOR, "kms-monitor");
	wait_ready(ROLE_MONITOR);
}

static void setup(void)
{
	setup_without_executor();
	executor = start(ROLE_EXECUTOR, "kms-executor");
	wait_ready(ROLE_EXECUTOR);
}

static void end_process(pid_t *pid)
{
	int status = 0;

	if (!*pid)
		return;
	kill(*pid, SIGTERM);
	cr_assert_eq(waitpid(*pid, &status, 0), *pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "ended with status %x", status);
	*pid = 0;
}

static void teardown(void)
{
	end_process(&monitor);
	end_process(&executor);
	sockets_close(&sockets);
	pages_close(&pages);
	rmdir(dir);
}

/* A client. */

static char answer[1 << 20];

static int dial(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct timeval patience = { .tv_sec = 8 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	cr_assert_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* Everything until the server closes; gives the status. */
static unsigned hear(int fd)
{
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0)) > 0)
		len += (size_t)n;
	cr_expect_eq(n, 0, "the server did not close");
	answer[len] = 0;
	close(fd);
	return len > 12 ? (unsigned)strtoul(answer + 9, NULL, 10) : 0;
}

static unsigned get(const char *path)
{
	int fd = dial();

	dprintf(fd, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	return hear(fd);
}

static const char *body(void)
{
	const char *end = strstr(answer, "\r\n\r\n");

	return end ? end + 4 : "";
}

static bool says(const char *text)
{
	return strstr(answer, text) != NULL;
}

/* The executor's link comes up by itself, a moment after both run. */
static void wait_for_executor(void)
{
	uint64_t until_ms = clock_mono_ms() + 5000;

	do {
		cr_assert_lt(clock_mono_ms(), until_ms);
		cr_assert_eq(get("/v1/status"), 200);
	} while (!says("\"executor\":true"));
}

Test(monitor, alive_and_ready, .init = setup, .fini = teardown)
{
	cr_assert_eq(get("/livez"), 200);
	cr_assert_str_eq(body(), "ok\n");
	cr_assert_eq(get("/readyz"), 503);
	cr_assert(says("listener: does not run\n"));
	cr_assert(says("executor: ready\n"));

	for (int role = ROLE_LISTENER; role <= ROLE_MONITOR; role++) {
		pages.page[role]->pid = 1;
		pages.page[role]->ready_ms = 1;
		pages.page[role]->beat_ms = clock_mono_ms();
	}
	cr_assert_eq(get("/readyz"), 200);
	pages.page[ROLE_SIGNER]->beat_ms = clock_mono_ms() - 11000;
	cr_assert_eq(get("/livez"), 503);
	cr_assert(says("signer: no turn of its loop for 11 s"));
	pages.page[ROLE_SIGNER]->beat_ms = clock_mono_ms();
	pages.page[ROLE_SIGNER]->ready_ms = 0;
	snprintf(pages.page[ROLE_SIGNER]->note, 32, "reads its journal\x1b[2J");
	cr_assert_eq(get("/readyz"), 503);
	cr_assert(says("signer: not ready: reads its journal?[2J\n"));
}

Test(monitor, metrics, .init = setup, .fini = teardown)
{
	pages.page[ROLE_LISTENER]->value[CNT_LISTENER_blocks] = 4711;
	pages.page[ROLE_SUBMITTER]->value[CNT_SUBMITTER_in_flight] = 3;
	pages.page[ROLE_EXECUTOR]->restarts = 2;
	cr_assert_eq(get("/metrics"), 200);
	cr_assert(says("# HELP kms_connector_listener_blocks_total blocks read\n"
		       "# TYPE kms_connector_listener_blocks_total counter\n"
		       "kms_connector_listener_blocks_total 4711\n"));
	cr_assert(says("# TYPE kms_connector_submitter_in_flight gauge\n"
		       "kms_connector_submitter_in_flight 3\n"));
	cr_assert(says("kms_connector_process_restarts_total{process=\"executor\"} 2\n"));
	cr_assert(says("kms_connector_process_up{process=\"signer\"} 0\n"));
	cr_assert(says("kms_connector_process_ready{process=\"monitor\"} 1\n"));

	/* Every row of the table is there, once. */
	unsigned types = 0;
	for (const char *p = answer; (p = strstr(p, "\n# TYPE ")); p++)
		types++;
#define C(role, name, how, text) +1
	cr_assert_eq(types, (unsigned)(0 COUNTERS_ALL(C)) + 5);
#undef C
}

Test(monitor, status_and_requests, .init = setup, .fini = teardown)
{
	wait_for_executor();
	cJSON *json = cJSON_Parse(body());
	cr_assert_not_null(json);
	cJSON *core = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "stages"), 0);
	cr_assert_str_eq(cJSON_GetObjectItem(core, "state")->valuestring, "paused");
	cr_assert_eq(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "figures"), "open")->valuedouble,
		     12);
	cJSON_Delete(json);

	cr_assert_eq(get("/v1/requests?limit=3&state=refused"), 200);
	json = cJSON_Parse(body());
	cr_assert_not_null(json);
	cJSON *rows = cJSON_GetObjectItem(json, "requests");
	cr_assert_eq(cJSON_GetArraySize(rows), 3);
	cJSON *row = cJSON_GetArrayItem(rows, 0);
	cr_assert_str_eq(cJSON_GetObjectItem(row, "id")->valuestring, "public-1000");
	cr_assert_str_eq(cJSON_GetObjectItem(row, "reason")->valuestring, "quote \" slash \\ <script>");
	cr_assert_not(says("<script>"), "nothing a browser could take for markup");
	cr_assert(cJSON_IsNull(cJSON_GetObjectItem(row, "nonce")));
	cr_assert_eq(cJSON_GetObjectItem(json, "before")->valuedouble, 998);
	cJSON_Delete(json);

	cr_assert_eq(get("/v1/requests/public-7"), 200);
	cr_assert(says("\"state\":\"done\""));
	cr_assert(says("\"nonce\":0,\"tx_block\":99"), "the first nonce is a nonce");
	cr_assert_eq(get("/v1/requests/public-0x7"), 200);
	cr_assert_eq(get("/v1/requests/public-9"), 404);
	cr_assert_eq(get("/v1/requests?limit=200"), 200);
	cr_assert_eq(get("/v1/requests?limit=201"), 400);
	cr_assert_eq(get("/v1/requests?limit=-1"), 400);
	cr_assert_eq(get("/v1/requests?state=nonsense"), 400);
	cr_assert_eq(get("/v1/requests?kind=nonsense"), 400);
	cr_assert_eq(get("/v1/requests?kind=public"), 200);
	cr_assert_eq(get("/v1/requests/public-x"), 400);
	cr_assert_eq(get("/v1/requests/nobody-1"), 400);
	cr_assert_eq(get("/v1/requests/"), 404);
}

Test(monitor, without_executor, .init = setup_without_executor, .fini = teardown)
{
	cr_assert_eq(get("/v1/status"), 200);
	cr_assert(says("\"executor\":false"));
	cJSON *metrics = cJSON_Parse(body());
	cr_assert_not_null(metrics);
	cJSON_Delete(metrics);
	cr_assert_eq(get("/v1/requests"), 503);
	cr_assert_eq(get("/v1/requests/public-7"), 503);
	cr_assert_eq(get("/livez"), 200);
}

Test(monitor, executor_that_dies_or_does_not_answer, .init = setup, .fini = teardown)
{
	wait_for_executor();
	uint64_t before_ms = clock_mono_ms();
	cr_assert_eq(get("/v1/requests/public-8"), 503);
	cr_assert_lt(clock_mono_ms() - before_ms, 6500);
	cr_assert_eq(get("/v1/requests/public-7"), 200, "others have their credit");

	int fd = dial();
	dprintf(fd, "GET /v1/requests/public-8 HTTP/1.1\r\n\r\n");
	poll(NULL, 0, 100);
	kill(executor, SIGKILL);
	waitpid(executor, NULL, 0);
	executor = 0;
	cr_assert_eq(hear(fd), 503);
	executor = start(ROLE_EXECUTOR, "kms-executor");
	wait_for_executor();
	cr_assert_eq(get("/v1/requests/public-7"), 200);
}

Test(monitor, page_and_its_policy, .init = setup, .fini = teardown)
{
	char nonce[33], want[80];

	cr_assert_eq(get("/"), 200);
	const char *at = strstr(answer, "script-src 'nonce-");
	cr_assert_not_null(at);
	memcpy(nonce, at + 18, 32);
	nonce[32] = 0;
	snprintf(want, sizeof(want), "<script nonce=\"%s\">", nonce);
	cr_assert(says(want));
	cr_assert(says("default-src 'none'"));
	cr_assert_not(says("unsafe-inline"));
	cr_assert_not(says("http://"));
	cr_assert_not(says("https://"));
	cr_assert_eq(get("/"), 200);
	cr_assert_not(says(nonce), "each answer has its own");
}

Test(monitor, refuses_what_is_no_request, .init = setup, .fini = teardown)
{
	static const struct { const char *text; size_t len; unsigned status; } bad[] = {
#define BAD(text, status) { text, sizeof(text) - 1, status },
		BAD("POST / HTTP/1.1\r\n\r\n", 405)
		BAD("HEAD / HTTP/1.1\r\n\r\n", 405)
		BAD("GET /nothing HTTP/1.1\r\n\r\n", 404)
		BAD("GET /../../etc/passwd HTTP/1.1\r\n\r\n", 404)
		BAD("GET /livez/ HTTP/1.1\r\n\r\n", 404)
		BAD("GET http://x/ HTTP/1.1\r\n\r\n", 400)
		BAD("GET / HTTP/2.0\r\n\r\n", 400)
		BAD("GET /\r\n\r\n", 400)
		BAD("GET / \0 HTTP/1.1\r\n\r\n", 400)
		BAD("GET /\x01 HTTP/1.1\r\n\r\n", 400)
		BAD("\r\n\r\n", 400)
		BAD("\x16\x03\x01\x02\r\n\r\n", 400)
#undef BAD
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int fd = dial();
		cr_assert_eq(write(fd, bad[i].text, bad[i].len), (ssize_t)bad[i].len);
		cr_expect_eq(hear(fd), bad[i].status, "request %zu: %.40s", i, answer);
	}
	int fd = dial();
	char much[SERVER_HEAD_MAX];
	memset(much, 'a', sizeof(much));
	dprintf(fd, "GET / HTTP/1.1\r\nX: ");
	send(fd, much, sizeof(much), MSG_NOSIGNAL);
	cr_assert_eq(hear(fd), 431);
	cr_assert_geq(pages.page[ROLE_MONITOR]->value[CNT_MONITOR_bad_requests], 8);
}

Test(monitor, in_pieces, .init = setup, .fini = teardown)
{
	static const char text[] = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
	int fd = dial();

	for (size_t i = 0; i + 1 < sizeof(text); i++) {
		cr_assert_eq(write(fd, text + i, 1), 1);
		poll(NULL, 0, 1);
	}
	cr_assert_eq(hear(fd), 200);
}

/* Clients that say nothing hold their places for two seconds and no longer. */
Test(monitor, slow_clients, .init = setup, .fini = teardown)
{
	int fd[SERVER_CLIENTS + 8];
	uint64_t before_ms = clock_mono_ms();

	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = dial();
		dprintf(fd[i], "GET /");
	}
	cr_assert_eq(get("/livez"), 200);
	uint64_t took_ms = clock_mono_ms() - before_ms;
	cr_assert(took_ms >= 1900 && took_ms < 6000, "%" PRIu64 " ms", took_ms);
	cr_assert_leq(pages.page[ROLE_MONITOR]->value[CNT_MONITOR_clients], SERVER_CLIENTS);
	cr_assert_eq(hear(fd[0]), 408);
	for (size_t i = 1; i < ARRAY_LEN(fd); i++)
		close(fd[i]);
}

/* A storm leaves nothing behind. */
Test(monitor, many_clients, .init = setup, .fini = teardown)
{
	for (unsigned i = 0; i < 500; i++) {
		int fd = dial();
		if (i % 3 == 0)
			dprintf(fd, "GET /metrics HTTP/1.1\r\n\r\n");
		close(fd);
	}
	cr_assert_eq(get("/livez"), 200);
	uint64_t until_ms = clock_mono_ms() + 5000;
	while (pages.page[ROLE_MONITOR]->value[CNT_MONITOR_clients] && clock_mono_ms() < until_ms)
		poll(NULL, 0, 10);
	cr_assert_eq(pages.page[ROLE_MONITOR]->value[CNT_MONITOR_clients], 0);
}

/* Ids and JSON, without processes. */

Test(monitor, ids_for_people)
{
	char text[OPID_TEXT], big[OPID_TEXT];
	uint64_t kind;
	struct b32 id = id_of(7), back;

	cr_assert_str_eq(opid_text(KIND_public_decryption, &id, text), "public-7");
	memset(id.b, 0xff, sizeof(id.b));
	opid_text(KIND_keygen, &id, big);
	cr_assert_eq(strlen(big), strlen("keygen-0x") + 64);
	cr_assert_eq(opid_parse(big, &kind, &back), OK);
	cr_assert(kind == KIND_keygen && b32_eq(&id, &back));
	cr_assert_eq(opid_parse("user-18446744073709551616", &kind, &back), OK);
	cr_assert_str_eq(opid_text(kind, &back, text), "user-0x10000000000000000");
	cr_assert_eq(opid_parse("crsgen-0x00ff", &kind, &back), OK);
	cr_assert_str_eq(opid_text(kind, &back, text), "crsgen-255");

	static const char *const bad[] = {
		"", "-", "public", "public-", "-7", "public-7x", "public--7", "public-0x", "public- 7",
		"nobody-7", "public-0xg", "public-0x1"
		"0000000000000000000000000000000000000000000000000000000000000000",
		"averyveryverylongprefix-1",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_expect_neq(opid_parse(bad[i], &kind, &back), OK, "%s", bad[i]);
}

Test(monitor, json_strings)
{
	static const struct { const char *in, *out; } cases[] = {
		{ "", "\"\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "\n\x7f</script>", "\"\\u000a\\u007f\\u003c/script>\"" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "\xff\xc3", "\"\\ufffd\\ufffd\"" },
		{ "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct text t;
		text_init(&t, 1000);
		text_json(&t, BYTES(cases[i].in, strlen(cases[i].in)));
		cr_expect_str_eq(t.p, cases[i].out);
		text_fini(&t);
	}
}

Test(monitor, text_ends_at_its_limit)
{
	struct text t;

	text_init(&t, 10);
	text_add(&t, "%s", "12345");
	text_add(&t, "%s", "67890");
	cr_assert_not(t.cut);
	text_add(&t, "x");
	cr_assert(t.cut);
	cr_assert_str_eq(t.p, "1234567890");
	text_fini(&t);
}

Test(monitor, query_words)
{
	char v[8];

	cr_assert(find_query("a=1&bc=2&c=", "bc", v, sizeof(v)));
	cr_assert_str_eq(v, "2");
	cr_assert(find_query("a=1&bc=2&c=", "c", v, sizeof(v)));
	cr_assert_str_eq(v, "");
	cr_assert_not(find_query("abc=1", "a", v, sizeof(v)));
	cr_assert_not(find_query("a", "a", v, sizeof(v)));
	cr_assert_not(find_query("a=12345678", "a", v, sizeof(v)));
	cr_assert_not(find_query("&&=&", "a", v, sizeof(v)));
}
