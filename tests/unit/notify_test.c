/* notify_test - what systemd gets, by path and by abstract name. */

#include <criterion/criterion.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervisor/notify.h"

TestSuite(notify, .timeout = 10);

static int server;
static char got[512];

/* A service manager: NAME as in $NOTIFY_SOCKET. */
static void serve(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t len = strlen(name);

	memcpy(sa.sun_path, name, len);
	if (name[0] == '@')
		sa.sun_path[0] = 0;
	server = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	cr_assert_geq(server, 0);
	cr_assert_eq(bind(server, (struct sockaddr *)&sa,
			  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)), 0);
	setenv("NOTIFY_SOCKET", name, 1);
}

static const char *next(void)
{
	ssize_t n = recv(server, got, sizeof(got) - 1, 0);

	got[n > 0 ? n : 0] = 0;
	return got;
}

static void try_all(const char *name)
{
	struct notify n;
	char pid[24];

	serve(name);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_USEC", "30000000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	notify_open(&n);
	cr_assert_null(getenv("NOTIFY_SOCKET"));
	cr_assert_null(getenv("WATCHDOG_USEC"));
	cr_assert_eq(n.watchdog_ms, 30000);

	notify_ready(&n);
	cr_assert_str_eq(next(), "READY=1");
	notify_status(&n, "signer: starts");
	cr_assert_str_eq(next(), "STATUS=signer: starts");
	notify_status(&n, "signer: starts");
	cr_assert_str_eq(next(), "", "the same line is not said twice");
	notify_status(&n, "two\nREADY=1");
	cr_assert_str_eq(next(), "STATUS=two?READY=1", "a line stays one line");
	notify_alive(&n);
	cr_assert_str_eq(next(), "WATCHDOG=1");
	notify_reloading(&n);
	cr_assert_eq(strncmp(next(), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	notify_stopping(&n);
	cr_assert_str_eq(next(), "STOPPING=1");
	notify_close(&n);
	close(server);
}

Test(notify, by_path)
{
	char dir[] = "/tmp/notify-XXXXXX", name[64];

	cr_assert_not_null(mkdtemp(dir));
	snprintf(name, sizeof(name), "%s/socket", dir);
	try_all(name);
	unlink(name);
	rmdir(dir);
}

Test(notify, by_abstract_name)
{
	char name[64];

	snprintf(name, sizeof(name), "@kms-notify-test-%d", (int)getpid());
	try_all(name);
}

Test(notify, nobody_wants_to_know)
{
	struct notify n;

	unsetenv("NOTIFY_SOCKET");
	setenv("WATCHDOG_USEC", "30000000", 1);
	notify_open(&n);
	cr_assert_eq(n.fd, -1);
	cr_assert_eq(n.watchdog_ms, 0);
	notify_ready(&n);
	notify_status(&n, "nothing happens");
	notify_close(&n);
}

Test(notify, the_watchdog_of_another)
{
	char name[64];
	struct notify n;

	snprintf(name, sizeof(name), "@kms-notify-other-%d", (int)getpid());
	serve(name);
	setenv("WATCHDOG_USEC", "30000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	notify_open(&n);
	cr_assert_geq(n.fd, 0);
	cr_assert_eq(n.watchdog_ms, 0);
	notify_close(&n);
	close(server);
}

Test(notify, names_that_are_none)
{
	static const char *const bad[] = { "", "@", "/", "relative", "vsock:2:1234" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct notify n;
		setenv("NOTIFY_SOCKET", bad[i], 1);
		notify_open(&n);
		cr_assert_eq(n.fd, -1, "%s", bad[i]);
	}
}
