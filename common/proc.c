/*
 * proc - start, heartbeat, counters; confinement is in confine.c, the loop in serve.c, so that
 * the signer, which has its own, links no event library.
 */

#include "common/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/log.h"

#define FDS_FIRST 3		/* SD_LISTEN_FDS_START */
#define FDS_MAX   24

#ifndef BUILD_HASH
#define BUILD_HASH "dev"
#endif

static struct {
	enum ipc_role role;
	struct settings *settings;
	struct counter_page *page;
	struct { char name[32]; int fd; } fd[FDS_MAX];
	unsigned fds;
} self;

static struct counter_page no_page;	/* for programs that nobody watches (tests) */

const char *proc_build(void)
{
	return BUILD_VERSION "-" BUILD_HASH;
}

const struct settings *proc_settings(void)
{
	return self.settings;
}

int proc_fd(const char *name)
{
	for (unsigned i = 0; i < self.fds; i++)
		if (strcmp(self.fd[i].name, name) == 0)
			return self.fd[i].fd;
	return -1;
}

void proc_path(char out[108], const char *socket_name)
{
	int n = snprintf(out, 108, "%s/%s", get_setting(self.settings, "runtime_dir"), socket_name);
	check(n > 0 && n < 108);
}

static _Noreturn void by_hand(const char *why)
{
	fprintf(stderr, "%s is started by kms-connector, not by hand (%s)\n",
		self.role < ROLE_COUNT ? ipc_role_name(self.role) : "this program", why);
	_exit(EXIT_usage);
}

/* Descriptors by name, as socket activation hands them on. */
static void take_fds(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");

	if (!pid || !fds || !names || strtol(pid, NULL, 10) != getpid())
		by_hand("no descriptors were handed on");
	unsigned long count = strtoul(fds, NULL, 10);
	if (count == 0 || count > FDS_MAX)
		by_hand("wrong number of descriptors");
	for (unsigned i = 0; i < count; i++) {
		size_t len = strcspn(names, ":");
		if (len == 0 || len >= sizeof(self.fd[i].name))
			by_hand("a descriptor without a name");
		memcpy(self.fd[i].name, names, len);
		self.fd[i].fd = FDS_FIRST + (int)i;
		fcntl(self.fd[i].fd, F_SETFD, FD_CLOEXEC);
		names += len + (names[len] == ':');
		self.fds++;
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

static void open_page(void)
{
	int fd = proc_fd("counters");
	void *p = fd < 0 ? MAP_FAILED
			 : mmap(NULL, sizeof(*self.page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	self.page = p == MAP_FAILED ? &no_page : p;
	self.page->magic = COUNTER_PAGE_MAGIC;
	self.page->role = self.role;
	self.page->pid = (uint64_t)getpid();
	self.page->started_ms = clock_mono_ms();
	self.page->note[0] = 0;
	proc_ready(false);
	proc_beat(self.page->started_ms);
}

static enum log_level level_of(const char *name)
{
	return strcmp(name, "debug") == 0  ? LOG_DEBUG
	       : strcmp(name, "warn") == 0 ? LOG_WARN
	       : strcmp(name, "error") == 0 ? LOG_ERROR : LOG_INFO;
}

static const int ignored[] = { SIGPIPE, SIGHUP, SIGUSR1, SIGUSR2 };

void proc_start(enum ipc_role role, int argc, char **argv)
{
	(void)argv;
	self.role = role;
	if (argc != 1)
		by_hand("it takes no arguments");
	take_fds();
	if (proc_fd("config") < 0 || settings_from_fd(proc_fd("config"), &self.settings) != OK)
		by_hand("no settings were handed on");
	close(proc_fd("config"));
	log_open(ipc_role_name(role), get_setting(self.settings, "log.format"),
		 level_of(get_setting(self.settings, "log.level")));
	open_page();
	/* Meant for the supervisor, or for nobody: a terminal that closes, a stray kill. */
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
	log_say(EV_G001_started, "build=%s pid=%d", proc_build(), (int)getpid());
}

struct counter_page *proc_page(void)
{
	return self.page ? self.page : &no_page;
}

void count(unsigned counter, uint64_t n)
{
	check(counter < COUNTERS_MAX);
	__atomic_fetch_add(&proc_page()->value[counter], n, __ATOMIC_RELAXED);
}

void gauge(unsigned counter, uint64_t value)
{
	check(counter < COUNTERS_MAX);
	__atomic_store_n(&proc_page()->value[counter], value, __ATOMIC_RELAXED);
}

void proc_beat(uint64_t mono_ms)
{
	__atomic_store_n(&proc_page()->beat_ms, mono_ms, __ATOMIC_RELAXED);
}

void proc_ready(bool ready)
{
	uint64_t *at = &proc_page()->ready_ms;
	uint64_t was = __atomic_load_n(at, __ATOMIC_RELAXED);

	if (ready != (was != 0))
		__atomic_store_n(at, ready ? clock_mono_ms() : 0, __ATOMIC_RELAXED);
}

void proc_note(const char *fmt, ...)
{
	char text[sizeof(self.page->note)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(proc_page()->note, text, sizeof(text));
}

void page_note(const struct counter_page *page, char *out, size_t cap)
{
	size_t n = 0;

	for (; n + 1 < cap && n < sizeof(page->note); n++) {
		out[n] = __atomic_load_n(&page->note[n], __ATOMIC_RELAXED);
		if (!out[n])
			break;
	}
	out[n] = 0;
	clean_text(out, "");
}
