/* run - the supervisor does hardly anything, so that it can hardly fail. */

#include "supervisor/run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/proc.h"
#include "common/text.h"
#include "supervisor/board.h"
#include "supervisor/children.h"
#include "supervisor/launch.h"
#include "supervisor/notify.h"

#define LOOK_MS        1000u	/* between two looks at quiet children */
#define LOOK_EAGER_MS  10u	/* while one has just started */
#define EAGER_FOR_MS   3000u
#define LATE_MS        3000u	/* a look that comes so late judges nobody */
#define READY_AFTER_MS 10000u	/* systemd is told READY at the latest */
#define FIRST_WAVE_MS  1000u	/* the chain's ends leave first */

struct supervisor {
	struct connector_config *config;	/* borrowed from main, or owned after a reload */
	struct connector_config *first;		/* main's */
	const char *path;			/* borrowed */
	struct loop *loop;
	struct home home;
	struct sockets sockets;
	struct pages pages;
	struct launcher launcher;
	struct notify notify;
	struct board board, shown;	/* as it is, and as it was last written */
	struct child child[ROLE_COUNT];
	struct timer *look, *watchdog;
	struct watch *watch;
	int signals;			/* signalfd */
	uint64_t started_ms, looked_ms, stopping_ms;
	bool all_ready, said_ready;
};

/* role, when it leaves: 0 with the first wave, 1 with the second */
#define CHILDREN(C) \
	C(SIGNER, 1) C(SUBMITTER, 0) C(EXECUTOR, 1) C(LISTENER, 0) C(MONITOR, 1)

static const struct { enum ipc_role role; unsigned wave; } children[] = {
#define C(name, wave_) { .role = ROLE_##name, .wave = wave_ },
	CHILDREN(C)
#undef C
};
#define CHILD_COUNT ARRAY_LEN(children)

static struct child *child_at(struct supervisor *self, size_t i)
{
	return &self->child[children[i].role];
}

static void tally(struct supervisor *self, unsigned counter)
{
	__atomic_fetch_add(&self->pages.page[ROLE_SUPERVISOR]->value[counter], 1, __ATOMIC_RELAXED);
}

/* What the table of children asks for. */

static bool launch(void *owner, struct child *c)
{
	struct supervisor *self = owner;

	page_begin(self->pages.page[c->role], c->restarts, clock_mono_ms());
	pid_t pid = launch_child(&self->launcher, c->role, c->why, sizeof(c->why));
	if (pid < 0) {
		page_end(self->pages.page[c->role]);
		c->refused = pid == LAUNCH_REFUSED;
		return false;
	}
	c->pid = pid;
	self->board.child[c->role].since_ms = clock_unix_ms();
	tally(self, CNT_SUPERVISOR_starts);
	return true;
}

static void send_signal(void *owner, struct child *c, int signo)
{
	struct supervisor *self = owner;

	if (signo == SIGABRT)
		tally(self, CNT_SUPERVISOR_hangs);
	if (c->pid > 0)
		kill(c->pid, signo);
}

static const struct child_ops ops = { .launch = launch, .signal = send_signal };

/* Showing how it goes. */

static bool are_all(struct supervisor *self, enum child_state state)
{
	for (size_t i = 0; i < CHILD_COUNT; i++)
		if (child_at(self, i)->state != state)
			return false;
	return true;
}

static void show_child(struct supervisor *self, const struct child *c)
{
	struct board_child *b = &self->board.child[c->role];

	b->present = true;
	b->pid = c->pid;
	b->restarts = c->restarts;
	snprintf(b->state, sizeof(b->state), "%s", child_state_name(c->state));
	if (child_lives(c))
		page_note(self->pages.page[c->role], b->text, sizeof(b->text));
	else
		memcpy(b->text, c->why, sizeof(c->why));
}

/* "ready", or the children that are not and what they wait for. */
static void describe(struct supervisor *self, char *out, size_t cap)
{
	struct text t;

	text_init(&t, cap - 1);
	for (size_t i = 0; i < CHILD_COUNT; i++) {
		const struct child *c = child_at(self, i);
		const char *why = self->board.child[c->role].text;
		if (c->state != CHILD_ready)
			text_add(&t, "%s%s: %s%s%s", t.len ? "; " : "", ipc_role_name(c->role),
				 child_state_text(c->state), *why ? ": " : "", why);
	}
	snprintf(out, cap, "%s", self->stopping_ms ? "stopping" : t.len ? t.p : "ready");
	text_fini(&t);
}

static void show(struct supervisor *self)
{
	struct counter_page *own = self->pages.page[ROLE_SUPERVISOR];
	char status[sizeof(own->note)];

	for (size_t i = 0; i < CHILD_COUNT; i++)
		show_child(self, child_at(self, i));
	describe(self, status, sizeof(status));
	notify_status(&self->notify, status);
	memcpy(own->note, status, sizeof(own->note));
	/* Not written: tried again with the next look. */
	if (memcmp(&self->shown, &self->board, sizeof(self->shown)) != 0 &&
	    board_write(self->config->runtime_dir, &self->board) == OK)
		memcpy(&self->shown, &self->board, sizeof(self->shown));
}

static void say_readiness(struct supervisor *self, uint64_t now_ms)
{
	bool ready = are_all(self, CHILD_ready);

	if (ready && !self->all_ready)
		log_say(EV_S006_all_ready, "after_ms=%" PRIu64, now_ms - self->started_ms);
	if (ready != self->all_ready)
		self->pages.page[ROLE_SUPERVISOR]->ready_ms = ready ? now_ms : 0;
	self->all_ready = ready;
	if (!self->said_ready && (ready || now_ms - self->started_ms >= READY_AFTER_MS)) {
		notify_ready(&self->notify);
		self->said_ready = true;
	}
}

/* Looking after them. */

static void arm(struct supervisor *self)
{
	uint64_t now_ms = clock_mono_ms(), wait_ms = LOOK_MS;

	for (size_t i = 0; i < CHILD_COUNT; i++) {
		const struct child *c = child_at(self, i);
		bool eager = c->state == CHILD_starting && now_ms - c->launched_ms < EAGER_FOR_MS;
		uint64_t due_ms = !c->due_ms ? LOOK_MS : c->due_ms > now_ms ? c->due_ms - now_ms : 0;
		if (eager && wait_ms > LOOK_EAGER_MS)
			wait_ms = LOOK_EAGER_MS;
		if (due_ms < wait_ms)
			wait_ms = due_ms;
	}
	if (self->stopping_ms && wait_ms > FIRST_WAVE_MS / 10)
		wait_ms = FIRST_WAVE_MS / 10;
	timer_start(self->look, (double)wait_ms / 1000, 0);
}

static bool is_wave_over(struct supervisor *self, unsigned wave)
{
	for (size_t i = 0; i < CHILD_COUNT; i++)
		if (children[i].wave == wave && child_at(self, i)->state != CHILD_over)
			return false;
	return true;
}

/* All together they have CHILD_LEAVE_MS. */
static void stop_wave(struct supervisor *self, unsigned wave, uint64_t now_ms)
{
	uint64_t past = now_ms - self->stopping_ms;

	for (size_t i = 0; i < CHILD_COUNT; i++) {
		struct child *c = child_at(self, i);
		if (children[i].wave != wave)
			continue;
		c->leave_ms = past < CHILD_LEAVE_MS ? CHILD_LEAVE_MS - (unsigned)past : 1;
		child_fire(c, CHILD_ON_stop, now_ms);
	}
}

static void go_on_stopping(struct supervisor *self, uint64_t now_ms)
{
	bool second = is_wave_over(self, 0) || now_ms - self->stopping_ms >= FIRST_WAVE_MS;

	if (second)
		stop_wave(self, 1, now_ms);
	if (are_all(self, CHILD_over))
		loop_stop(self->loop);
}

static void on_look(void *owner)
{
	struct supervisor *self = owner;
	uint64_t now_ms = clock_mono_ms();
	/* We were not running ourselves (a stopped machine): their beats are old with ours. */
	bool late = now_ms - self->looked_ms > LATE_MS;

	self->looked_ms = now_ms;
	__atomic_store_n(&self->pages.page[ROLE_SUPERVISOR]->beat_ms, now_ms, __ATOMIC_RELAXED);
	for (size_t i = 0; i < CHILD_COUNT && !late; i++) {
		struct child *c = child_at(self, i);
		child_look(c, self->pages.page[c->role], now_ms);
	}
	if (self->stopping_ms)
		go_on_stopping(self, now_ms);
	else
		say_readiness(self, now_ms);
	show(self);
	arm(self);
}

/* WATCHDOG=1 means that all loops turn, not only ours. */
static void on_watchdog(void *owner)
{
	struct supervisor *self = owner;
	uint64_t now_ms = clock_mono_ms();

	for (size_t i = 0; i < CHILD_COUNT; i++) {
		const struct child *c = child_at(self, i);
		if (child_lives(c) && !child_is_fresh(self->pages.page[c->role], now_ms))
			return;
	}
	notify_alive(&self->notify);
}

/* Every zombie: as process 1 we inherit those of others, too. */
static void reap(struct supervisor *self)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < CHILD_COUNT; i++) {
			struct child *c = child_at(self, i);
			if (c->pid != pid)
				continue;
			page_end(self->pages.page[c->role]);
			if (c->state == CHILD_starting || c->state == CHILD_ready)
				tally(self, CNT_SUPERVISOR_deaths);
			child_ended(c, status, clock_mono_ms());
			break;
		}
	}
}

/* Another configuration. */

/* Sockets accept the users of their peers: told to who listens. */
static enum err add_users(struct connector_config *c, const struct who who[ROLE_COUNT])
{
	char path[40];
	enum err e = OK;

	for (int i = 0; i < LINK_COUNT && !e; i++) {
		const struct link_row *row = &link_rows[i];
		if (!who[row->listens].drop && !who[row->connects].drop)
			continue;
		snprintf(path, sizeof(path), "uid.%s", ipc_role_name(row->connects));
		e = settings_putf(c->child[row->listens], path, "%u", who[row->connects].uid);
	}
	return e;
}

static bool is_same(const char *a, const char *b)
{
	return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

/* What a running connector cannot change, or NULL. */
static const char *fixed_difference(const struct connector_config *a,
				    const struct connector_config *b)
{
	if (!is_same(a->data_dir, b->data_dir))
		return "data_dir";
	if (!is_same(a->runtime_dir, b->runtime_dir))
		return "runtime_dir";
	for (int role = 0; role < ROLE_COUNT; role++)
		if (!is_same(a->user[role], b->user[role]))
			return "users";
	return NULL;
}

static bool is_changed(const struct connector_config *a, const struct connector_config *b,
		       enum ipc_role role)
{
	struct b32 before = settings_hash(a->child[role]), after = settings_hash(b->child[role]);

	return !b32_eq(&before, &after);
}

static void apply(struct supervisor *self, struct connector_config *fresh)
{
	struct connector_config *old = self->config;
	struct text names;
	bool moved = !is_same(old->monitor_host, fresh->monitor_host) ||
		     old->monitor_port != fresh->monitor_port;

	text_init(&names, BOARD_TEXT);
	self->config = self->launcher.config = fresh;
	log_open("supervisor", fresh->log_format, fresh->log_level);
	if (moved)
		launcher_forget_http(&self->launcher);
	for (size_t i = 0; i < CHILD_COUNT; i++) {
		struct child *c = child_at(self, i);
		bool changed = is_changed(old, fresh, c->role) || (moved && c->role == ROLE_MONITOR);
		/* One that waits for another configuration gets its chance: key or journal may
		   have been repaired without a changed line. */
		if (!changed && c->state != CHILD_waiting)
			continue;
		text_add(&names, "%s%s", names.len ? "," : "", ipc_role_name(c->role));
		child_fire(c, CHILD_ON_changed, clock_mono_ms());
	}
	log_say(EV_S007_reloaded, "restarted=%s", names.len ? names.p : "none");
	snprintf(self->board.reload, sizeof(self->board.reload), "applied; restarted: %s",
		 names.len ? names.p : "none");
	text_fini(&names);
	if (old != self->first)
		config_free(&old);
}

static void refuse_reload(struct supervisor *self, const char *why, struct connector_config **fresh)
{
	log_say(EV_S008_reload_refused, "reason=\"%s\"", why);
	snprintf(self->board.reload, sizeof(self->board.reload), "refused: %s", why);
	tally(self, CNT_SUPERVISOR_bad_reloads);
	config_free(fresh);
}

static void reload(struct supervisor *self)
{
	struct connector_config *fresh = NULL;
	char why[BOARD_TEXT];

	notify_reloading(&self->notify);
	self->board.reloads++;
	enum exit_code code = config_load(self->path, stderr, &fresh);
	const char *fixed = code ? NULL : fixed_difference(self->config, fresh);

	if (code) {
		snprintf(why, sizeof(why), "exit code %d of kms-connector check", (int)code);
		refuse_reload(self, why, &fresh);
	} else if (fixed) {
		snprintf(why, sizeof(why), "%s changes only with a restart", fixed);
		refuse_reload(self, why, &fresh);
	} else if (add_users(fresh, self->home.who) != OK) {
		refuse_reload(self, "too many settings", &fresh);
	} else {
		tally(self, CNT_SUPERVISOR_reloads);
		apply(self, fresh);
	}
	notify_ready(&self->notify);
}

static void stop(struct supervisor *self, int signo)
{
	if (self->stopping_ms)
		return;
	log_say(EV_G002_stopping, "reason=\"signal %d\"", signo);
	self->stopping_ms = clock_mono_ms();
	notify_stopping(&self->notify);
	stop_wave(self, 0, self->stopping_ms);
}

static void on_signals(void *owner, unsigned events)
{
	struct supervisor *self = owner;
	struct signalfd_siginfo si;
	(void)events;

	while (read(self->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			reap(self);
		else if (si.ssi_signo == SIGHUP && !self->stopping_ms)
			reload(self);
		else if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
			stop(self, (int)si.ssi_signo);
	}
	/* What fell due just now is done in this turn. */
	on_look(self);
}

/* Start and end. */

/* By descriptor, not by handlers: what a signal asks for is done in a turn of the loop. */
static enum err open_signals(struct supervisor *self)
{
	static const int wanted[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP };
	static const int ignored[] = { SIGPIPE, SIGUSR1, SIGUSR2 };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		sigaddset(&set, wanted[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return ERR_IO;
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
	self->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return self->signals < 0 ? ERR_IO : OK;
}

/*
 * Who reads our log may stop reading it, and then no write may wait: a pipe is opened anew, so
 * that whoever else has it is not changed; a socket is the log's alone.
 */
static void open_log(void)
{
	struct stat st;

	if (fstat(STDERR_FILENO, &st) < 0)
		return;
	if (S_ISSOCK(st.st_mode))
		fcntl(STDERR_FILENO, F_SETFL, fcntl(STDERR_FILENO, F_GETFL) | O_NONBLOCK);
	if (!S_ISFIFO(st.st_mode))
		return;
	int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	dup2(fd, STDERR_FILENO);
	close(fd);
}

/* Children inherit 0, 1 and 2: they must be open, and the first must be nothing. */
static enum err open_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= 2 && fcntl(fd, F_SETFD, 0) == 0);
	if (fd < 0)
		return ERR_IO;
	dup2(fd, STDIN_FILENO);
	close(fd);
	open_log();
	return OK;
}

static enum err open_parts(struct supervisor *self)
{
	enum err e = pages_open(&self->pages);

	e = e ? e : launcher_open(&self->launcher);
	e = e ? e : open_signals(self);
	e = e ? e : add_users(self->config, self->home.who);
	if (e) {
		fprintf(stderr, "kms-connector: cannot start: %s (%s)\n", err_text(e),
			strerror(errno));
		return e;
	}
	self->launcher.config = self->config;
	self->launcher.home = &self->home;
	self->launcher.sockets = &self->sockets;
	self->launcher.pages = &self->pages;
	return OK;
}

static void begin(struct supervisor *self)
{
	struct counter_page *own = self->pages.page[ROLE_SUPERVISOR];

	self->started_ms = self->looked_ms = clock_mono_ms();
	page_begin(own, 0, self->started_ms);
	own->pid = (uint64_t)getpid();
	self->board.pid = getpid();
	self->board.since_ms = clock_unix_ms();
	log_say(EV_G001_started, "build=%s pid=%d", proc_build(), (int)getpid());

	self->loop = loop_new();
	self->watch = watch_new(self->loop, self->signals, WATCH_READ, on_signals, self);
	self->look = timer_new(self->loop, on_look, self);
	self->watchdog = timer_new(self->loop, on_watchdog, self);
	if (self->notify.watchdog_ms) {
		double half_s = (double)self->notify.watchdog_ms / 2000;
		timer_start(self->watchdog, half_s, half_s);
	}
	for (size_t i = 0; i < CHILD_COUNT; i++) {
		child_init(child_at(self, i), children[i].role, &ops, self);
		child_fire(child_at(self, i), CHILD_ON_go, self->started_ms);
	}
	on_look(self);
}

static void end(struct supervisor *self)
{
	watch_free(&self->watch);
	timer_free(&self->look);
	timer_free(&self->watchdog);
	loop_free(&self->loop);
	if (self->signals >= 0)
		close(self->signals);
	board_remove(self->config->runtime_dir);
	launcher_close(&self->launcher);
	pages_close(&self->pages);
	sockets_close(&self->sockets);
	notify_close(&self->notify);
	home_close(&self->home);
	if (self->config != self->first)
		config_free(&self->config);
}

int supervisor_run(struct connector_config *c, const char *path)
{
	static struct supervisor self;

	self = (struct supervisor){ .config = c, .first = c, .path = path, .signals = -1,
				    .launcher = { .http = -1, .alive = { -1, -1 } } };
	log_open("supervisor", c->log_format, c->log_level);
	notify_open(&self.notify);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

	enum exit_code code = open_standard() ? EXIT_io : home_open(c, &self.home);
	if (code)
		return (int)code;
	code = sockets_open(c->runtime_dir, self.home.who, &self.sockets);
	if (code) {
		home_close(&self.home);
		return (int)code;
	}
	if (open_parts(&self) == OK) {
		begin(&self);
		loop_run(self.loop);
	} else {
		code = EXIT_io;
	}
	end(&self);
	return (int)code;
}
