/* notify - datagrams to the service manager. */

#include "supervisor/notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/loop.h"

static int connect_to(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(sa.sun_path))
		return -1;
	memcpy(sa.sun_path, name, len);
	if (name[0] == '@')
		sa.sun_path[0] = 0;
	/* An abstract name ends where its length ends, a path at its NUL. */
	size_t path_len = name[0] == '@' ? len : len + 1;
	socklen_t sa_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_len);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sa_len) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The watchdog is ours unless it is said to be another process's. */
static uint64_t watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (!usec || (pid && strtol(pid, NULL, 10) != getpid()))
		return 0;
	return strtoull(usec, NULL, 10) / 1000;
}

void notify_open(struct notify *n)
{
	const char *name = getenv("NOTIFY_SOCKET");

	*n = (struct notify){ .fd = name ? connect_to(name) : -1 };
	n->watchdog_ms = n->fd >= 0 ? watchdog_ms() : 0;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

static void say(struct notify *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct notify *n, const char *fmt, ...)
{
	char text[320];
	va_list ap;

	if (n->fd < 0)
		return;
	va_start(ap, fmt);
	int len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (len <= 0 || (size_t)len >= sizeof(text))
		return;
	/* Lost when systemd does not read: the next one says it again. */
	ssize_t sent = send(n->fd, text, (size_t)len, MSG_NOSIGNAL);
	(void)sent;
}

void notify_ready(struct notify *n)
{
	say(n, "READY=1");
}

void notify_reloading(struct notify *n)
{
	say(n, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_mono_ms() * 1000);
}

void notify_stopping(struct notify *n)
{
	say(n, "STOPPING=1");
}

void notify_alive(struct notify *n)
{
	say(n, "WATCHDOG=1");
}

void notify_status(struct notify *n, const char *line)
{
	if (strncmp(n->status, line, sizeof(n->status) - 1) == 0)
		return;
	snprintf(n->status, sizeof(n->status), "%s", line);
	say(n, "STATUS=%s", clean_text(n->status, ""));
}
