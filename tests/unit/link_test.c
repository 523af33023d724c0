/* link - two ends in one loop: hello, credit, large blobs, packets that are not allowed. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/link.h"
#include "common/proc.h"

#define CONFIG_FD 3

static struct {
	struct loop *loop;
	char path[108];
	int listening;
	struct link *far;		/* accepted */
	unsigned ups, downs, events;
	size_t bytes;
	enum err answer;
} t;

/* As the supervisor would hand it on. */
static void begin(const char *network)
{
	struct settings *s = settings_new();
	char pid[16], *argv[] = { (char *)(uintptr_t)"test", NULL };

	snprintf(t.path, sizeof(t.path), "/tmp/kms-link-%d.sock", (int)getpid());
	cr_assert_eq(settings_put(s, "network", network), OK);
	cr_assert_eq(settings_put(s, "log.format", "logfmt"), OK);
	cr_assert_eq(settings_put(s, "log.level", "error"), OK);
	cr_assert_eq(settings_put(s, "runtime_dir", "/tmp"), OK);
	int fd = settings_to_fd(s, "config");
	cr_assert_geq(fd, 0);
	settings_free(&s);
	int runner = fcntl(CONFIG_FD, F_DUPFD_CLOEXEC, 100);	/* what the test runner has there */
	cr_assert_eq(dup2(fd, CONFIG_FD), CONFIG_FD);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "config", 1);
	proc_start(ROLE_EXECUTOR, 1, argv);
	if (runner >= 0)
		dup2(runner, CONFIG_FD);
	t.loop = loop_new();

	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	memcpy(sa.sun_path, t.path, sizeof(t.path));
	unlink(t.path);
	t.listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(t.listening, (struct sockaddr *)&sa, sizeof(sa)), 0);
	cr_assert_eq(listen(t.listening, 4), 0);
}

static void end(void)
{
	unlink(t.path);
}

static const char network[] = "1111111111111111111111111111111111111111111111111111111111111111";

TestSuite(link, .timeout = 20, .fini = end);

static void on_time(void *owner)
{
	loop_stop(owner);
}

static void run_for(double seconds)
{
	struct timer *timer = timer_new(t.loop, on_time, t.loop);

	timer_start(timer, seconds, 0);
	loop_run(t.loop);
	timer_free(&timer);
}

static enum err on_packet(void *owner, struct link *l, const struct ipc_frame *f)
{
	struct msg_event m;

	(void)owner, (void)l;
	if (f->msg != &ipc_event)
		return ERR_DENIED;
	enum err e = wire_decode(f, &m);
	if (e)
		return e;
	t.events++;
	t.bytes += m.data.len;
	for (size_t i = 0; i < m.data.len; i++)
		if (m.data.p[i] != (uint8_t)i)
			return ERR_FORMAT;
	return t.answer;
}

static void far_up(void *owner, struct link *l)
{
	(void)owner;
	t.far = l;
	t.ups++;
}

static void far_down(void *owner, struct link *l)
{
	(void)owner, (void)l;
	t.far = NULL;
	t.downs++;
}

static const struct link_end far_end = {
	.me = ROLE_EXECUTOR, .peer = ROLE_LISTENER, .name = "listener", .on_packet = on_packet,
	.on_up = far_up, .on_down = far_down,
};

static const struct link_end near_end = {
	.me = ROLE_LISTENER, .peer = ROLE_EXECUTOR, .name = "listener", .on_packet = on_packet,
};

static struct link *join(void)
{
	begin(network);
	cr_assert_not_null(link_listen(t.loop, t.listening, &far_end, NULL, 2));
	struct link *near = link_connect(t.loop, t.path, &near_end, NULL);
	run_for(0.2);
	cr_assert(link_is_up(near));
	cr_assert_eq(t.ups, 1);
	return near;
}

static enum err send_data(struct link *l, size_t len)
{
	static uint8_t data[IPC_LOG_MAX];
	struct msg_event m = { .topics = BYTES(data, 32), .data = BYTES(data, len) };

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	return send_event(l, &m);
}

Test(link, hello_then_packets_of_all_sizes)
{
	struct link *near = join();
	const size_t sizes[] = { 0, 1, IPC_INLINE_MAX, IPC_INLINE_MAX + 1, 500000, IPC_LOG_MAX };
	size_t sum = 0;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		cr_assert_eq(send_data(near, sizes[i]), OK);
		sum += sizes[i];
	}
	run_for(0.3);
	cr_assert_eq(t.events, ARRAY_LEN(sizes));
	cr_assert_eq(t.bytes, sum);
}

Test(link, credit_stops_and_comes_back)
{
	struct link *near = join();
	unsigned sent = 0;

	while (send_data(near, 10) == OK)
		sent++;
	cr_assert_eq(sent, ipc_event.window);
	cr_assert_eq(link_credit(near, &ipc_event), 0);
	link_credit_back(near, &ipc_event, 3);
	cr_assert_eq(link_credit(near, &ipc_event), 3);
	link_credit_back(near, &ipc_event, 100000);
	cr_assert_eq(link_credit(near, &ipc_event), ipc_event.window);
	run_for(0.2);
	cr_assert_eq(t.events, sent);
}

Test(link, a_packet_of_another_link_closes_it_and_it_comes_back)
{
	struct link *near = join();
	struct msg_withdraw m = { .op = 1 };

	cr_assert_eq(send_withdraw(near, &m), OK);
	run_for(0.5);
	cr_assert_eq(t.downs, 1);
	cr_assert_eq(t.ups, 2, "connected again by itself");
	cr_assert(link_is_up(near));
	cr_assert_eq(send_data(near, 5), OK);
	run_for(0.1);
	cr_assert_eq(t.events, 1);
}

Test(link, a_refused_packet_closes_only_this_link)
{
	struct link *near = join();

	t.answer = ERR_UNKNOWN;
	cr_assert_eq(send_data(near, 5), OK);
	run_for(0.5);
	cr_assert_eq(t.downs, 1);
	cr_assert_eq(t.ups, 2);
}

static int raw_connect(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(sa.sun_path, t.path, sizeof(t.path));
	cr_assert_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

Test(link, strangers_are_refused)
{
	static const uint8_t garbage[] = { 0x92, 0x31, 0x05 };
	struct msg_hello hello = { .build = BYTES("other", 5), .role = BYTES("listener", 8) };
	uint8_t packet[300];
	struct bytes blob;
	size_t len;

	begin(network);
	cr_assert_not_null(link_listen(t.loop, t.listening, &far_end, NULL, 2));
	int fd = raw_connect();		/* anything before hello */
	cr_assert_eq(write(fd, garbage, sizeof(garbage)), (ssize_t)sizeof(garbage));
	run_for(0.1);
	char sink[512];
	while (read(fd, sink, sizeof(sink)) > 0)	/* its hello */
		;
	cr_assert_eq(read(fd, sink, sizeof(sink)), 0, "closed");
	close(fd);

	fd = raw_connect();		/* another build */
	cr_assert_eq(wire_encode(&ipc_hello, &hello, packet, sizeof(packet), &len, &blob), OK);
	cr_assert_eq(write(fd, packet, len), (ssize_t)len);
	run_for(0.1);
	while (read(fd, sink, sizeof(sink)) > 0)
		;
	cr_assert_eq(read(fd, sink, sizeof(sink)), 0, "closed");
	close(fd);
	cr_assert_eq(t.ups, 0);
}

/* Too few descriptors pass, as a peer that is not there does. */
Test(link, without_a_descriptor_it_tries_again)
{
	struct rlimit limit, none;

	begin(network);
	cr_assert_not_null(link_listen(t.loop, t.listening, &far_end, NULL, 2));
	struct link *near = link_connect(t.loop, t.path, &near_end, NULL);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	run_for(0.1);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_expect_not(link_is_up(near));
	run_for(1);
	cr_expect(link_is_up(near));
	cr_expect_eq(t.ups, 1);
	link_free(&near);
}
