/*
 * confine - the rights of a process are thrown away in one visible line, and then tried.
 *
 * Three layers: no new privileges, resource limits and an undumpable memory; landlock, which
 * says below which directories files may be opened (where the kernel has it); and seccomp,
 * which says which system calls exist at all: any other kills the process at once.
 */

#include "common/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"

/* Calls of the signer, complete. */
#define CALLS_SIGNER(C) \
	C(read) C(write) C(pread64) C(ppoll) C(accept4) C(getsockopt) C(fdatasync) C(close) \
	C(clock_gettime) C(exit_group) C(rt_sigreturn) C(restart_syscall)

/* Calls of everything that has an event loop. */
#define CALLS_LOOP(C) \
	CALLS_SIGNER(C) \
	C(readv) C(writev) C(recvmsg) C(sendmsg) C(recvfrom) C(sendto) C(shutdown) C(setsockopt) \
	C(getsockname) C(getpeername) C(fcntl) C(ioctl) C(poll) C(pipe2) C(eventfd2) \
	C(epoll_create1) C(epoll_ctl) C(epoll_wait) C(epoll_pwait) C(epoll_pwait2) C(timerfd_create) \
	C(timerfd_settime) C(futex) C(mmap) C(munmap) C(mprotect) C(madvise) C(brk) C(mremap) \
	C(rt_sigprocmask) C(rt_sigaction) C(sigaltstack) C(sched_yield) C(clock_nanosleep) \
	C(clock_getres) C(gettimeofday) C(getrandom) C(getpid) C(gettid) C(tgkill) C(getuid) \
	C(geteuid) C(getgid) C(getegid) C(exit) C(fstat) C(newfstatat) C(lseek) C(uname) C(sysinfo) \
	C(prctl) C(getrusage) C(prlimit64) C(rseq) C(set_robust_list) C(membarrier) C(getcpu)

/* Threads (gRPC, resolver) and files by name (resolver, certificates). */
#define CALLS_NETWORK(C) \
	C(bind) C(clone) C(clone3) C(sched_getaffinity) C(sched_getparam) C(sched_getscheduler) \
	C(sched_setscheduler) C(openat) C(readlink) C(readlinkat) C(access) C(faccessat) \
	C(faccessat2) C(stat) C(lstat) C(statx) C(statfs) C(fstatfs) C(getdents64) C(memfd_create) \
	C(ftruncate) C(listen) C(sendmmsg) C(recvmmsg) C(socketpair) C(getppid) C(times)

/* A database below the working directory. */
#define CALLS_STORE(C) \
	C(pwrite64) C(fsync) C(unlink) C(unlinkat) C(rename) C(getcwd) C(mkdir) C(fchmod) C(fchown) \
	C(umask) C(flock) C(open) C(utimensat) C(fallocate) C(chmod)

struct call_set {
	const int *call;
	size_t count;
};

#define C(name) SCMP_SYS(name),
static const int calls_signer[] = { CALLS_SIGNER(C) };
static const int calls_window[] = { CALLS_LOOP(C) };
static const int calls_network[] = { CALLS_LOOP(C) CALLS_NETWORK(C) };
static const int calls_store[] = { CALLS_LOOP(C) CALLS_NETWORK(C) CALLS_STORE(C) };
#undef C

static const struct call_set call_sets[] = {
	[RIGHTS_SIGNER]  = { calls_signer,  ARRAY_LEN(calls_signer) },
	[RIGHTS_WINDOW]  = { calls_window,  ARRAY_LEN(calls_window) },
	[RIGHTS_NETWORK] = { calls_network, ARRAY_LEN(calls_network) },
	[RIGHTS_STORE]   = { calls_store,   ARRAY_LEN(calls_store) },
};

static _Noreturn void cannot(const char *what)
{
	fprintf(stderr, "confinement failed: %s: %s; this system cannot run the connector safely\n",
		what, strerror(errno));
	_exit(EXIT_confine);
}

#ifndef KMS_UNCONFINED

/* Directories whose files may be read: names, certificates, libraries loaded late. */
static const char *const readable[] = {
	"/etc", "/usr/lib", "/usr/share", "/lib", "/run/systemd/resolve", "/proc", "/sys", "/dev",
};

#define LL_READ  (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define LL_WRITE (LL_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
		  LANDLOCK_ACCESS_FS_MAKE_REG)
#define LL_ALL   (LL_WRITE | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
		  LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | \
		  LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | \
		  LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

static void permit_below(int rules, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr a = { .allowed_access = access };

	a.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (a.parent_fd < 0)
		return;		/* not on this system: nothing to permit */
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &a, 0) < 0)
		cannot(path);
	close(a.parent_fd);
}

static void confine_files(enum rights rights)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = LL_ALL };
	int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (rules < 0) {
		if (errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM)
			return;	/* a kernel without landlock: seccomp still stands */
		cannot("landlock");
	}
	if (rights == RIGHTS_NETWORK || rights == RIGHTS_STORE)
		for (size_t i = 0; i < ARRAY_LEN(readable); i++)
			permit_below(rules, readable[i], LL_READ);
	if (rights == RIGHTS_STORE)
		permit_below(rules, ".", LL_WRITE);
	if (syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		cannot("landlock");
	close(rules);
}

static void permit(scmp_filter_ctx ctx, int call)
{
	int e = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 0);
	if (e < 0) {
		errno = -e;
		cannot("seccomp rule");
	}
}

static void permit_special(scmp_filter_ctx ctx, enum rights rights)
{
	/* Tried below: it must answer, not kill. */
	seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(execve), 0);
	if (rights == RIGHTS_SIGNER) {
		/* malloc must fail in an orderly way; brk has no error codes. */
		seccomp_rule_add(ctx, SCMP_ACT_ERRNO(0), SCMP_SYS(brk), 0);
		seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOMEM), SCMP_SYS(mmap), 0);
		return;
	}
	if (rights == RIGHTS_WINDOW) {
		seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				 SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
		permit(ctx, SCMP_SYS(connect));
		return;
	}
	permit(ctx, SCMP_SYS(socket));
	permit(ctx, SCMP_SYS(connect));
	/* Libraries look for these and live without them. */
	seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(io_uring_setup), 0);
	seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setpriority), 0);
}

static void confine_calls(enum rights rights)
{
	const struct call_set *set = &call_sets[rights];
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);

	if (!ctx)
		cannot("seccomp");
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	for (size_t i = 0; i < set->count; i++)
		permit(ctx, set->call[i]);
	permit_special(ctx, rights);
	int e = seccomp_load(ctx);
	if (e < 0) {
		errno = -e;
		cannot("seccomp");
	}
	seccomp_release(ctx);
}

static void confine_process(void)
{
	struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		cannot("core size limit");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		cannot("undumpable");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		cannot("no new privileges");
}

/* What must fail now, does it? */
static void try_to_escape(void)
{
	static char *const nothing[] = { NULL };

	execve("/bin/true", nothing, nothing);
	if (errno != EPERM) {
		errno = 0;
		cannot("a program could still be started");
	}
}

#endif

void proc_confine(enum rights rights)
{
#ifdef KMS_UNCONFINED
	(void)rights;
	log_say(EV_G008_no_confinement, "sets=%zu", ARRAY_LEN(call_sets));
	if (rights > RIGHTS_WINDOW)
		cannot("unknown rights");
#else
	confine_process();
	confine_files(rights);
	confine_calls(rights);
	try_to_escape();
#endif
}
