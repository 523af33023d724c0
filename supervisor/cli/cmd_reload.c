/* cmd_reload - make the running connector read its file again, and say what it did. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/loop.h"
#include "supervisor/board.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/talk.h"

#define WAIT_MS 10000u

/* Until the board says that another reload is over, or the time is up. */
static bool wait_for_reload(int inotify, const struct connector_config *c, uint64_t before,
			    struct board *out)
{
	uint64_t until_ms = clock_mono_ms() + WAIT_MS;
	struct pollfd p = { .fd = inotify, .events = POLLIN };
	char events[4096];

	for (;;) {
		uint64_t now_ms = clock_mono_ms();
		if (board_read(c->runtime_dir, out) == OK && out->reloads > before)
			return true;
		if (now_ms >= until_ms)
			return false;
		if (poll(&p, 1, (int)(until_ms - now_ms)) > 0 &&
		    read(inotify, events, sizeof(events)) < 0 && errno != EINTR)
			return false;
	}
}

static int say_result(const struct board *b)
{
	bool applied = strncmp(b->reload, "applied", 7) == 0;

	fprintf(applied ? stdout : stderr, "%s\n", b->reload);
	return applied ? EXIT_ok : EXIT_config;
}

static int ask_supervisor(const struct connector_config *c, pid_t pid)
{
	struct board b;
	uint64_t before = board_read(c->runtime_dir, &b) == OK ? b.reloads : 0;
	int inotify = inotify_init1(IN_CLOEXEC);

	if (inotify < 0 || inotify_add_watch(inotify, c->runtime_dir, IN_MOVED_TO) < 0 ||
	    kill(pid, SIGHUP) < 0) {
		enum exit_code code = errno == EPERM || errno == EACCES ? EXIT_permission : EXIT_io;
		fprintf(stderr, "kms-connector: cannot ask process %d: %s\n", (int)pid,
			strerror(errno));
		if (inotify >= 0)
			close(inotify);
		return (int)code;
	}
	bool came = wait_for_reload(inotify, c, before, &b);
	close(inotify);
	if (came)
		return say_result(&b);
	fprintf(stderr, "kms-connector: process %d was asked, but has not answered; read its log\n",
		(int)pid);
	return EXIT_online;
}

int cmd_reload(int argc, char **argv, const struct connector_config *c)
{
	struct connector_config *checked = NULL;
	pid_t pid;
	(void)argv;

	if (argc != 1) {
		fprintf(stderr, "usage: kms-connector reload\n");
		return EXIT_usage;
	}
	enum exit_code code = talk_find(c, &pid);
	if (code)
		return (int)code;
	/* Here, where the one who asks can read what is wrong.  Rights are another matter: the
	   key may be readable for the connector alone. */
	code = config_load(c->path, stderr, &checked);
	config_free(&checked);
	if (code && code != EXIT_permission) {
		fprintf(stderr, "nothing was changed\n");
		return (int)code;
	}
	return ask_supervisor(c, pid);
}
