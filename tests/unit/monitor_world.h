/*
 * monitor_world - the window as its clients see it: the real server, confined as it is in
 * service, over real sockets, with an executor that is played by the test itself.
 *
 * The played executor has a record of changes 1 to RECORD_NEWEST; all after RECORD_GONE are kept.
 * The test moves both in the executor's counter page, which outlives it.
 */
#pragma once

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

/* The other processes: this program again, started with descriptors. */

/* What the test says to the played executor, and hears of it. */
enum { RECORD_NEWEST = 32, RECORD_GONE, RECORD_FOLLOWS, RECORD_SAID };

struct executor {
	struct loop *loop;
	struct { struct link *link; struct msg_follow ask; } waiting[16];
	unsigned count;
};

static inline struct b32 id_of(uint64_t n)
{
	struct b32 id = { .b = { 0 } };

	be64_put(id.b + 24, n);
	return id;
}

static inline void say_row(struct link *l, uint64_t tag, uint64_t n)
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

/* Change N: of request N modulo 100; each fifth is the end of a user decryption. */
static inline void say_change(struct link *l, uint64_t tag, uint64_t n)
{
	struct msg_change m = { .tag = tag, .seq = n, .op = n % 100, .chain = 421614, .at_ms = 1000 + n,
				.kind = n % 5 ? KIND_public_decryption : KIND_user_decryption,
				.id = id_of(n % 100), .state = n % 5 ? STATE_computing : STATE_done,
				.block = 50, .reason = BYTES("", 0) };

	if (m.state == STATE_done)
		m.tx.b[0] = 0xab;
	check(send_change(l, &m) == OK);
}

static inline enum err on_query(struct executor *x, struct link *l, const struct msg_query *q)
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
			say_change(l, q->tag, 1);
			say_change(l, q->tag, 7);
			done.count = 1;
		}
	} else {
		/* With a reason that little fits, one row is found at a time. */
		uint64_t at = q->before ? q->before - 1 : 1000, rows = q->reason.len ? 1 : q->limit;
		for (; at > 990 && done.count < rows && (!q->state || q->state == STATE_refused); at--) {
			say_row(l, q->tag, at);
			done.count++;
		}
		done.next = at > 990 && done.count ? at + 1 : 0;
	}
	check(send_done(l, &done) == OK);
	return OK;
}

static inline uint64_t *record(unsigned what)
{
	return &proc_page()->value[what];
}

static inline uint64_t record_load(unsigned what)
{
	return __atomic_load_n(record(what), __ATOMIC_SEQ_CST);
}

static inline void say_followed(struct link *l, uint64_t tag, uint64_t count, uint64_t next, const char *why)
{
	struct msg_followed m = { .tag = tag, .count = count, .next = next, .reset = BYTES(why, strlen(why)) };

	check(send_followed(l, &m) == OK);
}

static inline bool answer_follow(struct link *l, const struct msg_follow *m)
{
	uint64_t newest = record_load(RECORD_NEWEST), gone = record_load(RECORD_GONE), at = m->from, n = 0;

	if (at == IPC_FOLLOW_NOW) {
		say_followed(l, m->tag, 0, newest, "");
		return true;
	}
	at = at ? at : gone;
	if (at > newest || at < gone) {
		say_followed(l, m->tag, 0, gone, at < gone ? "not kept" : "older");
		return true;
	}
	for (; at < newest && n < m->limit; n++)
		say_change(l, m->tag, ++at);
	__atomic_add_fetch(record(RECORD_SAID), n, __ATOMIC_SEQ_CST);
	if (!n && m->wait)
		return false;
	say_followed(l, m->tag, n, at, "");
	return true;
}

static inline enum err on_follow(struct executor *x, struct link *l, const struct msg_follow *m)
{
	__atomic_add_fetch(record(RECORD_FOLLOWS), 1, __ATOMIC_SEQ_CST);
	if (answer_follow(l, m))
		return OK;
	check(x->count < ARRAY_LEN(x->waiting));
	x->waiting[x->count].link = l;
	x->waiting[x->count++].ask = *m;
	return OK;
}

static inline void on_record_tick(void *owner)
{
	struct executor *x = owner;
	unsigned kept = 0;

	for (unsigned i = 0; i < x->count; i++)
		if (!answer_follow(x->waiting[i].link, &x->waiting[i].ask))
			x->waiting[kept++] = x->waiting[i];
	x->count = kept;
}

static inline void on_monitor_down(void *owner, struct link *l)
{
	struct executor *x = owner;
	unsigned kept = 0;

	for (unsigned i = 0; i < x->count; i++)
		if (x->waiting[i].link != l)
			x->waiting[kept++] = x->waiting[i];
	x->count = kept;
}

LINK_SWITCH(on_packet, IPC_WINDOW_TO_EXECUTOR)

static const struct link_end executor_end = {
	.me = ROLE_EXECUTOR, .peer = ROLE_MONITOR, .name = "monitor", .on_packet = on_packet,
	.on_down = on_monitor_down,
};

static inline int play_executor(int argc, char **argv)
{
	static struct executor x;

	proc_start(ROLE_EXECUTOR, argc, argv);
	x.loop = loop_new();
	link_listen(x.loop, proc_fd("monitor.sock"), &executor_end, &x, 4);
	timer_start(timer_new(x.loop, on_record_tick, &x), 0.005, 0.005);
	proc_ready(true);
	return proc_serve(x.loop);
}

static inline int play_monitor(int argc, char **argv)
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

static inline int settings_fd(void)
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

static inline pid_t start(enum ipc_role role, const char *name)
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

static inline void wait_ready(enum ipc_role role)
{
	uint64_t until_ms = clock_mono_ms() + 5000;

	while (!__atomic_load_n(&pages.page[role]->ready_ms, __ATOMIC_RELAXED)) {
		cr_assert_lt(clock_mono_ms(), until_ms, "%s is not ready", ipc_role_name(role));
		poll(NULL, 0, 5);
	}
}

static inline void setup_without_executor(void)
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

static inline void setup(void)
{
	setup_without_executor();
	executor = start(ROLE_EXECUTOR, "kms-executor");
	wait_ready(ROLE_EXECUTOR);
}

static inline void end_process(pid_t *pid)
{
	int status = 0;

	if (!*pid)
		return;
	kill(*pid, SIGTERM);
	cr_assert_eq(waitpid(*pid, &status, 0), *pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "ended with status %x", status);
	*pid = 0;
}

static inline void teardown(void)
{
	end_process(&monitor);
	end_process(&executor);
	sockets_close(&sockets);
	pages_close(&pages);
	rmdir(dir);
}

/* A client. */

static char answer[1 << 20];

static inline int dial(void)
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
static inline unsigned hear(int fd)
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

static inline unsigned get(const char *path)
{
	int fd = dial();

	dprintf(fd, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	return hear(fd);
}

static inline const char *body(void)
{
	const char *end = strstr(answer, "\r\n\r\n");

	return end ? end + 4 : "";
}

static inline bool says(const char *text)
{
	return strstr(answer, text) != NULL;
}

/* The executor's link comes up by itself, a moment after both run. */
static inline void wait_for_executor(void)
{
	uint64_t until_ms = clock_mono_ms() + 5000;

	do {
		cr_assert_lt(clock_mono_ms(), until_ms);
		cr_assert_eq(get("/v1/status"), 200);
	} while (!says("\"executor\":true"));
}
