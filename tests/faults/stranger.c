/*
 * stranger - a process at one of the connector's sockets that does not do what it should.
 *
 *	stranger SOCKET ROLE WHAT SEED COUNT
 *
 * ROLE is who it says it is.  WHAT:
 *	noise	COUNT connections, each with one bad packet instead of a hello
 *	greeted	COUNT connections, each with a good hello and then packets until it is closed: bad
 *		ones, and well-formed ones of any row with fields by chance
 *	flood	one connection with a good hello; up to COUNT copies of a packet that is allowed,
 *		and nothing is read
 *
 * Prints one JSON line: connections made, packets sent, connections that were closed by the other
 * end.  Ends with 1 if a connection with a bad packet was not closed in time.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/wire.h"

#define WAIT_MS           5000
#define PACKETS_OF_A_LINK 20
#define TEXT_MAX          2000 /* bytes of a field by chance */

static uint64_t seed;
static struct {
	unsigned made, sent, closed;
} told;

static uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((seed >> 33) % n);
}

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "stranger: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int reach(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		fail(path);
	told.made++;
	return fd;
}

/* What comes within the time; 0: the other end has closed. */
static ssize_t take(int fd, uint8_t *buf, size_t cap)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, WAIT_MS) != 1)
		fail("nothing comes");
	return recv(fd, buf, cap, MSG_DONTWAIT);
}

/* Whatever it says, it ends. */
static void await_close(int fd)
{
	static uint8_t buf[IPC_PACKET_MAX];

	for (;;) {
		ssize_t n = take(fd, buf, sizeof(buf));

		if (n == 0 || (n < 0 && (errno == ECONNRESET || errno == EPIPE)))
			break;
		if (n < 0)
			fail("the connection stays");
	}
	told.closed++;
}

/* Its own hello in another role: of the same build and network. */
static bool greet(int fd, const char *role)
{
	static uint8_t buf[IPC_PACKET_MAX], answer[IPC_PACKET_MAX];
	ssize_t n = take(fd, buf, sizeof(buf));
	struct ipc_frame f;
	struct msg_hello m;
	struct bytes blob;
	size_t len;

	if (n <= 0)
		return false; /* no place for one more */
	if (wire_open(BYTES(buf, (size_t)n), (struct bytes){ 0 }, &f) != OK ||
	    f.msg != &ipc_hello || wire_decode(&f, &m) != OK)
		fail("no hello came");
	m.role = bytes_str(role);
	if (wire_encode(&ipc_hello, &m, answer, sizeof(answer), &len, &blob) != OK)
		fail("hello");
	return send(fd, answer, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* One field of a message, by chance. */
static void fill(const struct ipc_field *f, void *at)
{
	static uint8_t noise[TEXT_MAX];
	static const uint32_t sizes[] = {
		[IPC_u64] = 8,
		[IPC_b20] = 20,
		[IPC_b32] = 32,
		[IPC_u256] = 32,
	};
	uint32_t most = f->limit < TEXT_MAX ? f->limit : TEXT_MAX;

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)below(256);
	if (f->type == IPC_u64)
		*(uint64_t *)at = below(2) ? below(8) : (uint64_t)below(1u << 31) << below(33);
	else if (f->type == IPC_b20 || f->type == IPC_b32 || f->type == IPC_u256)
		memcpy(at, noise, sizes[f->type]);
	else
		*(struct bytes *)at = BYTES(noise, below(most + 1));
}

static size_t any_message(uint8_t *buf)
{
	static uint64_t room[256];
	unsigned rows = 0;
	struct bytes blob;
	size_t len = 0;

	while (ipc_messages[rows])
		rows++;
	const struct ipc_msg *msg = ipc_messages[below(rows)];

	if (msg->size > sizeof(room))
		fail(msg->name);
	for (unsigned i = 0; i < msg->fields; i++)
		fill(&msg->field[i], (uint8_t *)room + msg->field[i].offset);
	return wire_encode(msg, room, buf, IPC_PACKET_MAX, &len, &blob) == OK ? len : 1;
}

/* Text that is none, an end that is missing, bytes too many, too long, no message at all. */
static size_t bad_packet(uint8_t *buf)
{
	size_t len = any_message(buf);

	switch (below(5)) {
	case 0:
		return 1 + below((uint32_t)len);
	case 1:
		buf[below((uint32_t)len)] ^= (uint8_t)(1u << below(8));
		return len;
	case 2:
		buf[len] = (uint8_t)below(256);
		return len + 1;
	case 3:
		return IPC_PACKET_MAX + 1;
	default:
		for (len = 0; len < 100; len++)
			buf[len] = (uint8_t)below(256);
		return 1 + below(100);
	}
}

static void make_noise(const char *path, unsigned count)
{
	static uint8_t buf[IPC_PACKET_MAX + 16];

	while (count--) {
		int fd = reach(path);
		size_t len = bad_packet(buf);

		if (send(fd, buf, len, MSG_NOSIGNAL) == (ssize_t)len)
			told.sent++;
		await_close(fd);
		close(fd);
	}
}

static void greet_and_lie(const char *path, const char *role, unsigned count)
{
	static uint8_t buf[IPC_PACKET_MAX + 16];
	/* Of a link that is closed nothing is said any more: the last packet is bad for sure. */
	static const uint8_t last[] = { 0xc1 };

	while (count--) {
		int fd = reach(path);

		if (!greet(fd, role)) {
			told.closed++;
			close(fd);
			continue;
		}
		for (unsigned i = 0; i < PACKETS_OF_A_LINK; i++) {
			size_t len = below(4) ? any_message(buf) : bad_packet(buf);
			if (send(fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
				break;
			told.sent++;
		}
		if (send(fd, last, sizeof(last), MSG_NOSIGNAL) > 0)
			told.sent++;
		await_close(fd);
		close(fd);
	}
}

/* An allowed question of a role; its answer is longer than itself. */
static size_t question_of(const char *role, uint8_t *buf)
{
	struct msg_query query = { .tag = 1, .what = 3, .limit = 1000 };
	struct msg_ask_info ask = { .chain = 421614 };
	bool asks = strcmp(role, "submitter") == 0;
	struct bytes blob;
	size_t len = 0;

	query.reason = bytes_str("");
	enum err e = asks ? wire_encode(&ipc_ask_info, &ask, buf, IPC_PACKET_MAX, &len, &blob)
			  : wire_encode(&ipc_query, &query, buf, IPC_PACKET_MAX, &len, &blob);
	if (e)
		fail("question");
	return len;
}

static void flood(const char *path, const char *role, unsigned count)
{
	static uint8_t buf[IPC_PACKET_MAX];
	size_t len = question_of(role, buf);
	int fd = reach(path);

	if (!greet(fd, role))
		fail("no place");
	while (count--) {
		if (send(fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) {
			told.sent++;
			continue;
		}
		if (errno != EAGAIN) {
			told.closed++;
			return;
		}
		/* Nothing more is taken, and it stays so for a while. */
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		if (poll(&p, 1, 500) == 0)
			return;
	}
}

int main(int argc, char **argv)
{
	if (argc != 6)
		return 64;
	const char *path = argv[1], *role = argv[2], *what = argv[3];
	unsigned count = (unsigned)strtoul(argv[5], NULL, 10);

	seed = strtoull(argv[4], NULL, 10);
	if (strcmp(what, "noise") == 0)
		make_noise(path, count);
	else if (strcmp(what, "greeted") == 0)
		greet_and_lie(path, role, count);
	else if (strcmp(what, "flood") == 0)
		flood(path, role, count);
	else
		return 64;
	printf("{\"made\":%u,\"sent\":%u,\"closed\":%u}\n", told.made, told.sent, told.closed);
	return 0;
}
