/* spawn - fork, arrange descriptors, drop rights, exec. */

#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"

#define FDS_FIRST 3		/* where socket activation begins */
#define FDS_ASIDE 64		/* above all that are handed on */

void spawn_add(struct spawn *s, const char *name, int fd)
{
	check(s->fds < SPAWN_FDS_MAX && fd >= 0);
	snprintf(s->fd[s->fds].name, sizeof(s->fd[s->fds].name), "%s", name);
	s->fd[s->fds++].fd = fd;
}

/* First aside, then to their places: a source may stand where another belongs. */
static int place_fds(const struct spawn *s, int *report)
{
	int aside[SPAWN_FDS_MAX];
	int end = FDS_FIRST + (int)s->fds;

	*report = fcntl(*report, F_DUPFD_CLOEXEC, FDS_ASIDE);
	if (*report < 0)
		return -1;
	for (unsigned i = 0; i < s->fds; i++) {
		aside[i] = fcntl(s->fd[i].fd, F_DUPFD_CLOEXEC, FDS_ASIDE);
		if (aside[i] < 0)
			return -1;
	}
	for (unsigned i = 0; i < s->fds; i++)
		if (dup2(aside[i], FDS_FIRST + (int)i) < 0)
			return -1;
	if (dup3(*report, end, O_CLOEXEC) < 0)
		return -1;
	*report = end;
	return close_range((unsigned)end + 1, ~0u, 0);
}

static int drop_rights(const struct who *who)
{
	if (!who->drop)
		return 0;
	if (setgroups(1, &who->gid) < 0 || setresgid(who->gid, who->gid, who->gid) < 0)
		return -1;
	return setresuid(who->uid, who->uid, who->uid);
}

static void reset_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		sigaction(signo, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Set after the change of user, which resets it; the parent may have died before. */
static int die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -1;
	if (getppid() != parent) {
		errno = ESRCH;
		return -1;
	}
	return 0;
}

static int run(const struct spawn *s)
{
	char pid[40], fds[40], names[SPAWN_FDS_MAX * 34] = "LISTEN_FDNAMES=";
	char *argv[] = { (char *)(uintptr_t)s->name, NULL };
	char *envp[] = { pid, fds, names, NULL };
	size_t len = strlen(names);

	snprintf(pid, sizeof(pid), "LISTEN_PID=%d", (int)getpid());
	snprintf(fds, sizeof(fds), "LISTEN_FDS=%u", s->fds);
	for (unsigned i = 0; i < s->fds; i++)
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i ? ":" : "",
					s->fd[i].name);
	return execve(s->program, argv, envp);
}

static _Noreturn void child(const struct spawn *s, pid_t parent, int report)
{
	umask(0077);
	/* The directory first: its descriptor may stand where another is put. */
	if ((s->workdir >= 0 ? fchdir(s->workdir) : chdir("/")) == 0 &&
	    place_fds(s, &report) == 0 && drop_rights(&s->who) == 0 && die_with(parent) == 0) {
		reset_signals();
		run(s);
	}
	int error = errno;
	ssize_t n = write(report, &error, sizeof(error));
	(void)n;
	_exit(EXIT_io);
}

/* What the child could not do; 0 when exec closed the pipe. */
static int read_report(int fd)
{
	int error = 0;
	ssize_t n;

	do
		n = read(fd, &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(error) ? error : 0;
}

pid_t spawn_start(const struct spawn *s)
{
	pid_t parent = getpid();
	sigset_t all, before;
	int report[2];

	if (pipe2(report, O_CLOEXEC) < 0)
		return -1;
	/* No handler of ours may run in the child before exec. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	int error = errno;
	if (pid == 0)
		child(s, parent, report[1]);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(report[1]);
	if (pid > 0) {
		error = read_report(report[0]);
		if (error)
			waitpid(pid, NULL, 0);
	}
	close(report[0]);
	if (pid > 0 && !error)
		return pid;
	errno = error;
	return -1;
}
