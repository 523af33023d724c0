/* talk - connect, hello, packets; every wait has the same end. */

#include "supervisor/cli/talk.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/proc.h"
#include "supervisor/home.h"

enum exit_code talk_find(const struct connector_config *c, pid_t *pid_out)
{
	*pid_out = home_holder(c->data_dir);
	if (*pid_out > 0)
		return EXIT_ok;
	if (*pid_out < 0) {
		fprintf(stderr, "kms-connector: cannot look at %s/lock: %s; run this as root or "
			"as the connector's user\n", c->data_dir, strerror(errno));
		return EXIT_permission;
	}
	fprintf(stderr, "the connector does not run (data_dir %s)\n", c->data_dir);
	return EXIT_online;
}

static enum err wait_readable(struct talk *t)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN };

	for (;;) {
		uint64_t now_ms = clock_mono_ms(), left_ms = t->until_ms - now_ms;
		struct timespec left = { .tv_sec = (time_t)(left_ms / 1000),
					 .tv_nsec = (long)(left_ms % 1000) * 1000000 };
		if (t->stop && *t->stop)
			return ERR_CLOSED;
		if (now_ms >= t->until_ms)
			return ERR_TIMEOUT;
		int n = ppoll(&p, 1, &left, t->mask);
		if (n > 0)
			return OK;
		if (n < 0 && errno != EINTR)
			return ERR_IO;
	}
}

enum err talk_next(struct talk *t, struct ipc_frame *out)
{
	struct iovec iov = { .iov_base = t->buf, .iov_len = sizeof(t->buf) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	enum err e = wait_readable(t);

	if (e)
		return e;
	ssize_t n = recvmsg(t->fd, &mh, 0);
	if (n <= 0)
		return ERR_CLOSED;
	if (mh.msg_flags & MSG_TRUNC)
		return ERR_TOO_BIG;
	return wire_open(BYTES(t->buf, (size_t)n), (struct bytes){ 0 }, out);
}

enum err talk_send(struct talk *t, const struct ipc_msg *msg, const void *m)
{
	struct bytes blob;
	size_t len;
	enum err e = wire_encode(msg, m, t->buf, sizeof(t->buf), &len, &blob);

	if (e)
		return e;
	return send(t->fd, t->buf, len, MSG_NOSIGNAL) == (ssize_t)len ? OK : ERR_CLOSED;
}

static int connect_to(const char *dir)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/operator.sock", dir);

	if (n < 0 || (size_t)n >= sizeof(sa.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/*
 * The executor speaks first.  Its network is answered back: who edited the file and has not
 * reloaded it yet must still be able to see how the running connector does.
 */
static enum exit_code greet(struct talk *t, const struct connector_config *c, char *why, size_t cap)
{
	struct ipc_frame f;
	struct msg_hello m;
	char build[65];
	enum err e = talk_next(t, &f);

	if (e || f.msg != &ipc_hello || wire_decode(&f, &m) != OK) {
		snprintf(why, cap, "the executor does not answer (%s)",
			 e ? err_text(e) : "no hello");
		return EXIT_online;
	}
	if (!bytes_is(m.build, proc_build())) {
		snprintf(why, cap, "the running connector is build %s, this command is %s: restart "
			 "the connector", wire_text(m.build, build, sizeof(build)), proc_build());
		return EXIT_usage;
	}
	if (!b32_eq(&m.network, &c->network))
		fprintf(stderr, "note: %s differs from the running configuration; "
			"kms-connector reload applies it\n", c->path);
	struct msg_hello own = { .network = m.network };
	own.build = bytes_str(proc_build());
	own.role = bytes_str(ipc_role_name(ROLE_OPERATOR));
	if (talk_send(t, &ipc_hello, &own) != OK) {
		snprintf(why, cap, "the executor closed the connection");
		return EXIT_online;
	}
	return EXIT_ok;
}

enum exit_code talk_open(struct talk *t, const struct connector_config *c, char *why_out,
			 size_t cap)
{
	t->until_ms = clock_mono_ms() + TALK_WAIT_S * 1000;
	t->tag = 1;
	t->fd = connect_to(c->runtime_dir);
	if (t->fd < 0) {
		snprintf(why_out, cap, "cannot connect to %s/operator.sock: %s", c->runtime_dir,
			 strerror(errno));
		return errno == EACCES || errno == EPERM ? EXIT_permission : EXIT_online;
	}
	enum exit_code code = greet(t, c, why_out, cap);
	if (code)
		talk_close(t);
	return code;
}

void talk_close(struct talk *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}
