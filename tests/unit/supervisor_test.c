/*
 * supervisor_test - the real supervisor over children that are played by this program.
 *
 * A directory gets copies of this program under the names of all programs, a configuration,
 * a key and a journal.  A child does what run/fake.<role> says: "ready" (also without the
 * file), "stopped" (it stops in the middle of its work) or "exit N".
 */

#include <criterion/criterion.h>

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/proc.h"
#include "supervisor/board.h"
#include "supervisor/home.h"
#include "supervisor/run.h"

TestSuite(supervisor, .timeout = 60);

static char dir[] = "/tmp/supervisor-XXXXXX";

/* The other processes. */

static enum ipc_role role_of(const char *program)
{
	for (int role = ROLE_LISTENER; role <= ROLE_MONITOR; role++)
		if (strcmp(program + 4, ipc_role_name((enum ipc_role)role)) == 0)
			return (enum ipc_role)role;
	_exit(99);
}

/* What it was given, for the test to look at. */
static void write_facts(const char *role)
{
	extern char **environ;
	char path[PATH_MAX], cwd[PATH_MAX];

	snprintf(path, sizeof(path), "%s/seen.%s", get_setting(proc_settings(), "runtime_dir"), role);
	FILE *f = fopen(path, "w");
	if (!f || !getcwd(cwd, sizeof(cwd)))
		_exit(98);
	fprintf(f, "cwd %s\nnames", cwd);
	for (int fd = 3; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) >= 0 && fd != fileno(f))
			fprintf(f, " %d", fd);
	fprintf(f, "\nenvironment");
	for (char **e = environ; *e; e++)
		fprintf(f, " %s", *e);
	fprintf(f, "\nkey %d journal %d http %d\n", proc_fd("key") >= 0, proc_fd("journal") >= 0,
		proc_fd("http") >= 0);
	fclose(f);
}

static void read_orders(const char *role, char *out, size_t cap)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/fake.%s", get_setting(proc_settings(), "runtime_dir"), role);
	FILE *f = fopen(path, "r");
	snprintf(out, cap, "ready");
	if (f && !fgets(out, (int)cap, f))
		*out = 0;
	if (f)
		fclose(f);
}

static int play_child(int argc, char **argv)
{
	enum ipc_role role = role_of(argv[0]);
	const char *name = ipc_role_name(role);
	char orders[32];
	int code;

	proc_start(role, argc, argv);
	write_facts(name);
	read_orders(name, orders, sizeof(orders));
	if (sscanf(orders, "exit %d", &code) == 1)
		return code;
	proc_ready(true);
	proc_note("plays %s", name);
	if (strcmp(orders, "stopped") == 0)
		raise(SIGSTOP);
	return proc_serve(loop_new());
}

static int play_supervisor(const char *path)
{
	struct connector_config *c;
	enum exit_code code = config_load(path, stderr, &c);

	return code ? (int)code : supervisor_run(c, path);
}

__attribute__((constructor)) static void play(int argc, char **argv)
{
	if (getenv("LISTEN_FDNAMES"))
		_exit(play_child(argc, argv));
	if (argc == 2 && strcmp(argv[0], "kms-connector") == 0)
		_exit(play_supervisor(argv[1]));
}

/* Files. */

static char *in_dir(const char *name)
{
	static char path[4][PATH_MAX];
	static unsigned turn;
	char *out = path[turn++ % 4];

	snprintf(out, PATH_MAX, "%s/%s", dir, name);
	return out;
}

static void write_file(const char *name, const char *text)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0, "%s", name);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static const char *read_file(const char *name)
{
	static char text[65536];
	int fd = open(in_dir(name), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return text;
}

static void copy_self(const char *name)
{
	static char buf[1 << 16];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = open(in_dir(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	ssize_t n;

	cr_assert(from >= 0 && to >= 0);
	while ((n = read(from, buf, sizeof(buf))) > 0)
		cr_assert_eq(write(to, buf, (size_t)n), n);
	close(from);
	close(to);
}

/* Below the top of the tree, wherever the test is started. */
static void profile_path(char out[PATH_MAX])
{
	char top[PATH_MAX];

	cr_assert_not_null(getcwd(top, sizeof(top)));
	for (;;) {
		snprintf(out, PATH_MAX, "%.4000s/proto/profiles/httpz.yaml", top);
		if (access(out, F_OK) == 0)
			return;
		char *slash = strrchr(top, '/');
		cr_assert(slash && slash != top, "run it inside the tree");
		*slash = 0;
	}
}

static void write_config(const char *more)
{
	char profile[PATH_MAX], text[3 * PATH_MAX];

	profile_path(profile);
	snprintf(text, sizeof(text),
		 "profile: %s\ngwl2_url: http://127.0.0.1:1\nchain_id: 31337\n"
		 "decryption_manager_address: \"0x5FbDB2315678afecb367f032d93F642f64180aa3\"\n"
		 "httpz_address: \"0x00000000000000000000000000000000000000a1\"\n"
		 "start_block: 0\nkms_core_endpoint: 127.0.0.1:2\n"
		 "kms_signer_address: \"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266\"\n"
		 "data_dir: %s/data\nruntime_dir: %s/run\nkey_file: %s/key\n"
		 "monitor: { listen: 127.0.0.1:%d }\n%s",
		 profile, dir, dir, dir, 20000 + (int)getpid() % 10000, more);
	write_file("config.yaml", text);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st, (void)type, (void)f;
	return remove(path);
}

/* The supervisor, and what it says. */

static pid_t supervisor;
static int manager;		/* plays systemd */
static uint64_t started_ms;

static pid_t start_supervisor(void)
{
	fflush(NULL);
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		int log = open(in_dir("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(log, STDERR_FILENO);
		prctl(PR_SET_PDEATHSIG, SIGKILL);	/* a test that fails leaves nothing behind */
		setenv("NOTIFY_SOCKET", in_dir("notify"), 1);
		setenv("SECRET_OF_OTHERS", "1", 1);
		execl(in_dir("kms-connector"), "kms-connector", in_dir("config.yaml"), (char *)NULL);
		_exit(97);
	}
	return pid;
}

static void make_dir(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	cr_assert_not_null(mkdtemp(dir));
	for (int role = ROLE_SUPERVISOR; role <= ROLE_MONITOR; role++) {
		char name[32];
		snprintf(name, sizeof(name), "kms-%s", ipc_role_name((enum ipc_role)role));
		copy_self(role == ROLE_SUPERVISOR ? "kms-connector" : name);
	}
	cr_assert_eq(mkdir(in_dir("data"), 0700), 0);
	cr_assert_eq(mkdir(in_dir("data/signer"), 0700), 0);
	cr_assert_eq(mkdir(in_dir("run"), 0711), 0);
	write_file("data/signer/journal", "");
	write_file("key", "1111111111111111111111111111111111111111111111111111111111111111\n");
	write_config("");
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%.90s/notify", dir);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(manager, (struct sockaddr *)&sa, sizeof(sa)), 0);
}

static struct board board;

static bool look(void)
{
	return board_read(in_dir("run"), &board) == OK && board.pid == supervisor;
}

static bool is_child(enum ipc_role role, const char *state)
{
	return look() && strcmp(board.child[role].state, state) == 0;
}

static bool are_all_ready(void)
{
	for (int role = ROLE_LISTENER; role <= ROLE_MONITOR; role++)
		if (!is_child((enum ipc_role)role, "ready"))
			return false;
	return true;
}

#define WAIT_FOR(condition, ms) \
	do { \
		uint64_t until_ms = clock_mono_ms() + (ms); \
		while (!(condition)) { \
			cr_assert_lt(clock_mono_ms(), until_ms, "%s; log:\n%s", #condition, \
				     read_file("log")); \
			poll(NULL, 0, 2); \
		} \
	} while (0)

static void setup(void)
{
	make_dir();
	started_ms = clock_mono_ms();
	supervisor = start_supervisor();
}

static void setup_ready(void)
{
	setup();
	WAIT_FOR(are_all_ready(), 5000);
}

/* Exit code of PID within MS; -1 when it goes on, 1000 and more for a signal. */
static int code_of(pid_t pid, uint64_t ms)
{
	uint64_t until_ms = clock_mono_ms() + ms;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_mono_ms() >= until_ms)
			return -1;
		poll(NULL, 0, 1);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void teardown(void)
{
	if (supervisor) {
		kill(supervisor, SIGTERM);
		cr_expect_eq(code_of(supervisor, 8000), 0);
	}
	close(manager);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool is_gone(pid_t pid)
{
	char path[40], text[256] = "";

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	/* Killed and not yet buried by whoever inherited it counts as gone. */
	return n <= 0 || strstr(text, ") Z") != NULL;
}

Test(supervisor, everything_runs, .init = setup_ready, .fini = teardown)
{
	char got[256] = "", all[4096] = "";
	uint64_t took_ms = clock_mono_ms() - started_ms;

	cr_expect_lt(took_ms, 2000, "%llu ms", (unsigned long long)took_ms);
	WAIT_FOR(recv(manager, got, sizeof(got) - 1, 0) > 0, 1000);
	do {
		strncat(all, got, sizeof(all) - strlen(all) - 2);
		strncat(all, "\n", 2);
		memset(got, 0, sizeof(got));
	} while (recv(manager, got, sizeof(got) - 1, 0) > 0);
	cr_assert_not_null(strstr(all, "READY=1\n"));
	WAIT_FOR(strstr(all, "STATUS=ready\n") || recv(manager, all, sizeof(all) - 1, 0) > 0, 2000);
	cr_assert_str_eq(board.child[ROLE_LISTENER].text, "plays listener");
	cr_assert_eq(home_holder(in_dir("data")), supervisor);
	cr_assert_not_null(strstr(read_file("log"), "KC-S006"));
}

Test(supervisor, what_a_child_is_given, .init = setup_ready, .fini = teardown)
{
	cr_assert_not_null(strstr(read_file("run/seen.signer"), "names 4 5 6 7 8\n"),
			   "only its own, and config is read and closed: %s", read_file("run/seen.signer"));
	cr_assert_not_null(strstr(read_file("run/seen.signer"), "\nenvironment\n"));
	cr_assert_not_null(strstr(read_file("run/seen.signer"), "key 1 journal 1 http 0"));
	cr_assert_not_null(strstr(read_file("run/seen.executor"), "key 0 journal 0 http 0"));
	cr_assert_not_null(strstr(read_file("run/seen.executor"), "/data/store\n"));
	cr_assert_not_null(strstr(read_file("run/seen.listener"), "cwd /\n"));
	cr_assert_not_null(strstr(read_file("run/seen.monitor"), "key 0 journal 0 http 1"));

	struct stat st;
	cr_assert_eq(stat(in_dir("run/signer.sock"), &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	cr_assert_eq(stat(in_dir("data/store"), &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0700);
}

Test(supervisor, a_killed_child_is_back, .init = setup_ready, .fini = teardown)
{
	struct board before = board;

	for (int role = ROLE_LISTENER; role <= ROLE_MONITOR; role++) {
		pid_t old = board.child[role].pid;
		cr_assert_eq(kill(old, SIGKILL), 0);
		WAIT_FOR(look() && board.child[role].pid != old &&
			 strcmp(board.child[role].state, "ready") == 0, 1000);
		cr_assert_eq(board.child[role].restarts, 1);
		for (int other = role + 1; other <= ROLE_MONITOR; other++)
			cr_assert_eq(board.child[other].pid, before.child[other].pid);
	}
}

Test(supervisor, all_killed_at_once, .init = setup_ready, .fini = teardown)
{
	for (unsigned round = 0; round < 5; round++) {
		struct board before = board;
		for (int role = ROLE_LISTENER; role <= ROLE_MONITOR; role++)
			kill(before.child[role].pid, SIGKILL);
		WAIT_FOR(look() && board.child[ROLE_SIGNER].pid != before.child[ROLE_SIGNER].pid &&
			 are_all_ready(), 8000);
	}
}

Test(supervisor, second_instance, .init = setup_ready, .fini = teardown)
{
	char pid[24];
	uint64_t before_ms = clock_mono_ms();

	cr_assert_eq(code_of(start_supervisor(), 1000), EXIT_running);
	uint64_t took_ms = clock_mono_ms() - before_ms;
	cr_expect_lt(took_ms, 200, "%llu ms", (unsigned long long)took_ms);
	snprintf(pid, sizeof(pid), "pid %d", (int)supervisor);
	cr_assert_not_null(strstr(read_file("log"), pid));
	cr_assert(are_all_ready(), "the first has not noticed");
}

Test(supervisor, no_journal, .init = make_dir, .fini = teardown)
{
	unlink(in_dir("data/signer/journal"));
	cr_assert_eq(code_of(start_supervisor(), 2000), EXIT_config);
	cr_assert_not_null(strstr(read_file("log"), "kms-connector key init"));
	cr_assert_eq(home_holder(in_dir("data")), 0);
}

Test(supervisor, asked_to_stop, .init = setup_ready, .fini = teardown)
{
	struct board last = board;

	kill(supervisor, SIGTERM);
	kill(supervisor, SIGTERM);
	cr_assert_eq(code_of(supervisor, 3000), 0);
	supervisor = 0;
	for (int role = ROLE_LISTENER; role <= ROLE_MONITOR; role++)
		cr_assert(is_gone(last.child[role].pid));
	cr_assert_neq(access(in_dir("run/signer.sock"), F_OK), 0);
	cr_assert_neq(access(in_dir("run/processes"), F_OK), 0);
	cr_assert_eq(home_holder(in_dir("data")), 0);
}

Test(supervisor, a_child_that_does_not_leave, .init = setup_ready, .fini = teardown)
{
	kill(board.child[ROLE_SUBMITTER].pid, SIGSTOP);
	uint64_t before_ms = clock_mono_ms();
	kill(supervisor, SIGTERM);
	cr_assert_eq(code_of(supervisor, 7000), 0);
	supervisor = 0;
	cr_assert_geq(clock_mono_ms() - before_ms, 4900);
}

Test(supervisor, killed_itself, .init = setup_ready, .fini = teardown)
{
	struct board last = board;

	kill(supervisor, SIGKILL);
	cr_assert_eq(code_of(supervisor, 1000), 1000 + SIGKILL);
	for (int role = ROLE_LISTENER; role <= ROLE_MONITOR; role++)
		WAIT_FOR(is_gone(last.child[role].pid), 1000);
	/* And starts again over what it left behind. */
	supervisor = start_supervisor();
	WAIT_FOR(are_all_ready(), 3000);
}

Test(supervisor, waits_for_another_configuration, .init = make_dir, .fini = teardown)
{
	write_file("run/fake.executor", "exit 78");
	supervisor = start_supervisor();
	WAIT_FOR(is_child(ROLE_EXECUTOR, "waiting"), 3000);
	WAIT_FOR(is_child(ROLE_LISTENER, "ready"), 3000);
	poll(NULL, 0, 300);
	cr_assert(is_child(ROLE_EXECUTOR, "waiting"));
	cr_assert_str_eq(board.child[ROLE_EXECUTOR].text, "exit 78");
	cr_assert_not_null(strstr(read_file("log"), "KC-S005"));

	unlink(in_dir("run/fake.executor"));
	kill(supervisor, SIGHUP);
	WAIT_FOR(are_all_ready(), 3000);
	cr_assert_eq(board.reloads, 1);
	cr_assert_str_eq(board.reload, "applied; restarted: executor");
}

Test(supervisor, crash_loop_is_slow, .init = make_dir, .fini = teardown)
{
	write_file("run/fake.listener", "exit 70");
	supervisor = start_supervisor();
	poll(NULL, 0, 2000);
	cr_assert(look());
	/* 0, 0.1, 0.3, 0.7, 1.5 s */
	cr_assert(board.child[ROLE_LISTENER].restarts >= 3 && board.child[ROLE_LISTENER].restarts <= 6,
		  "%d", (int)board.child[ROLE_LISTENER].restarts);
	cr_assert(is_child(ROLE_SIGNER, "ready"), "the others do not care");
}

Test(supervisor, reload_restarts_what_changed, .init = setup_ready, .fini = teardown)
{
	struct board before = board;

	kill(supervisor, SIGHUP);
	WAIT_FOR(look() && board.reloads == 1, 2000);
	cr_assert_str_eq(board.reload, "applied; restarted: none");

	write_config("request_deadline: 12h\n");
	kill(supervisor, SIGHUP);
	WAIT_FOR(look() && board.reloads == 2, 2000);
	cr_assert_str_eq(board.reload, "applied; restarted: executor");
	WAIT_FOR(look() && board.child[ROLE_EXECUTOR].pid != before.child[ROLE_EXECUTOR].pid &&
		 are_all_ready(), 3000);
	cr_assert_eq(board.child[ROLE_LISTENER].pid, before.child[ROLE_LISTENER].pid);
	cr_assert_eq(board.child[ROLE_SIGNER].pid, before.child[ROLE_SIGNER].pid);
	cr_assert_eq(board.child[ROLE_EXECUTOR].restarts, 0);
}

Test(supervisor, bad_reload_changes_nothing, .init = setup_ready, .fini = teardown)
{
	struct board before = board;

	write_config("nonsense: 1\n");
	kill(supervisor, SIGHUP);
	WAIT_FOR(look() && board.reloads == 1, 2000);
	cr_assert_eq(strncmp(board.reload, "refused", 7), 0);
	cr_assert_not_null(strstr(read_file("log"), "KC-S008"));
	for (int role = ROLE_LISTENER; role <= ROLE_MONITOR; role++)
		cr_assert_eq(board.child[role].pid, before.child[role].pid);
	write_config("");
	kill(supervisor, SIGHUP);
	WAIT_FOR(look() && board.reloads == 2, 2000);
	cr_assert_eq(strncmp(board.reload, "applied", 7), 0);
}

Test(supervisor, many_signals, .init = setup_ready, .fini = teardown)
{
	struct board before = board;

	for (unsigned i = 0; i < 2000; i++)
		kill(supervisor, i % 2 ? SIGHUP : SIGCHLD);
	kill(supervisor, SIGPIPE);
	WAIT_FOR(look() && board.reloads > 0, 5000);
	WAIT_FOR(are_all_ready(), 2000);
	cr_assert_eq(board.child[ROLE_SIGNER].pid, before.child[ROLE_SIGNER].pid);
}

Test(supervisor, hung_child_is_killed, .init = make_dir, .fini = teardown)
{
	write_file("run/fake.listener", "stopped");
	supervisor = start_supervisor();
	WAIT_FOR(is_child(ROLE_LISTENER, "ready"), 3000);
	pid_t old = board.child[ROLE_LISTENER].pid;
	unlink(in_dir("run/fake.listener"));
	WAIT_FOR(look() && board.child[ROLE_LISTENER].pid != old &&
		 strcmp(board.child[ROLE_LISTENER].state, "ready") == 0, 14000);
	cr_assert_not_null(strstr(read_file("log"), "KC-S004"));
}
