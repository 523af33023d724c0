/*
 * trap - a library in front of the C library: it counts what a process says to others and to the
 * disk, and at the call that is named it ends the process, or the call fails.
 *
 * A program of build/crash/bin is the built one with this library before all others.  It lives
 * under the program's own confinement: all it needs is open before main begins, and afterwards
 * it makes no call that the program could not make itself.  Only the first process of a role is
 * counted and trapped, so that the one that takes its place lives.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/crash/trap.h"

#define FDS	  4096
#define EXIT_KILL 137 /* as a shell says of SIGKILL */

_Static_assert(sizeof(struct trap_slot) == TRAP_SLOT, "as trap.mjs reads it");

static const char *const roles[] = {
#define R(name) name,
	TRAP_ROLES(R)
#undef R
};

static struct trap_slot *slot; /* NULL: this process is not counted */
static uint8_t kinds[FDS];

/* The function of the C library; looked up early, kept. */
#define REAL(name) \
	__typeof__(&name) real = (__typeof__(&name))(uintptr_t)real_of(TRAP_##name, #name)

static void *real_of(enum trap_call call, const char *name)
{
	static void *found[TRAP_CALL_COUNT];

	if (!found[call])
		found[call] = dlsym(RTLD_NEXT, name);
	return found[call];
}

static void note_kind(int fd, enum trap_kind kind)
{
	if (fd >= 0 && fd < FDS)
		kinds[fd] = (uint8_t)kind;
}

static enum trap_kind kind_of(int fd)
{
	return fd >= 0 && fd < FDS ? (enum trap_kind)kinds[fd] : TRAP_KIND_other;
}

/* What was handed on, as it is; later ones are noted when they are made. */
static void note_inherited(void)
{
	struct stat st;

	for (int fd = 0; fd < 64; fd++) {
		if (fstat(fd, &st) < 0)
			continue;
		if (S_ISSOCK(st.st_mode))
			note_kind(fd, TRAP_KIND_sock);
		else if (S_ISREG(st.st_mode))
			note_kind(fd, fd <= 2 ? TRAP_KIND_log : TRAP_KIND_file);
	}
}

static void look_up_all(void)
{
#define C(name, group) real_of(TRAP_##name, #name);
	TRAP_CALLS(C)
#undef C
}

/* A child of the supervisor is not the supervisor, also before it starts its program. */
static void forget(void)
{
	slot = NULL;
}

static struct trap_slot *map_slot(void)
{
	char path[512];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 8);
	char *name = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;
	int role = (int)(sizeof(roles) / sizeof(roles[0]));

	if (!name)
		return NULL;
	path[n] = 0;
	name++;
	while (role-- > 0 && strcmp(roles[role], name) != 0)
		;
	if (role < 0)
		return NULL;
	memcpy(name, "trap", 5);
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	syscall(SYS_close, fd);
	return page == MAP_FAILED ? NULL : (struct trap_slot *)(void *)(page + role * TRAP_SLOT);
}

__attribute__((constructor)) static void begin(void)
{
	struct trap_slot *mine = map_slot();

	look_up_all();
	close(-1);
	note_inherited();
	pthread_atfork(NULL, NULL, forget);
	if (mine && __atomic_fetch_add(&mine->starts, 1, __ATOMIC_SEQ_CST) == 0)
		slot = mine;
}

/* ---- what is counted, and what happens then ---- */

static bool is_write(enum trap_call call)
{
	return call == TRAP_write || call == TRAP_writev || call == TRAP_pwrite64;
}

static bool needs_room(enum trap_call call, enum trap_kind kind)
{
	if (call == TRAP_rename)
		return true;
	if (kind != TRAP_KIND_file && kind != TRAP_KIND_log)
		return false;
	return is_write(call) || call == TRAP_fsync || call == TRAP_fdatasync ||
	       call == TRAP_ftruncate || call == TRAP_open;
}

static bool is_counted(enum trap_mode mode, enum trap_call call, enum trap_kind kind)
{
	static const bool makes[] = {
#define OUT  false
#define MAKE true
#define C(name, group) group,
		TRAP_CALLS(C)
#undef C
#undef OUT
#undef MAKE
	};

	switch (mode) {
	case TRAP_MODE_before:
	case TRAP_MODE_after:
	case TRAP_MODE_fails:
		/* a thread that wakes another one: nobody else sees it */
		return !makes[call] && kind != TRAP_KIND_waker;
	case TRAP_MODE_torn:
		return is_write(call) && kind == TRAP_KIND_file;
	case TRAP_MODE_full:
		return needs_room(call, kind);
	case TRAP_MODE_denied:
		return makes[call];
	case TRAP_MODE_off:
		return false;
	}
	return false;
}

static _Noreturn void end(void)
{
	for (;;)
		syscall(SYS_exit_group, EXIT_KILL);
}

/* What becomes of this call. */
enum fate { GOES, FAILS, HALF, LAST };

static enum fate meet_kind(enum trap_call call, int fd, enum trap_kind kind)
{
	struct trap_slot *s = slot;

	if (!s || !is_counted((enum trap_mode)s->mode, call, kind))
		return GOES;
	if (__atomic_add_fetch(&s->count, 1, __ATOMIC_SEQ_CST) != s->at)
		return GOES;
	s->call = call;
	s->fd = fd;
	s->kind = kind;
	__atomic_store_n(&s->fired, 1, __ATOMIC_SEQ_CST);
	if (s->mode == TRAP_MODE_before)
		end();
	if (s->mode == TRAP_MODE_torn)
		return HALF;
	if (s->mode == TRAP_MODE_after)
		return LAST;
	errno = (int)s->error;
	return FAILS;
}

static enum fate meet(enum trap_call call, int fd)
{
	return meet_kind(call, fd, kind_of(fd));
}

/* One call as it is: ARGS, or -1. */
#define PASS(name, fd, args) \
	do { \
		REAL(name); \
		enum fate fate = meet(TRAP_##name, fd); \
		__typeof__(real args) got = -1; \
		if (fate == FAILS) \
			return got; \
		got = real args; \
		if (fate == LAST) \
			end(); \
		return got; \
	} while (0)

/* ---- writes ---- */

ssize_t write(int fd, const void *p, size_t len)
{
	REAL(write);
	enum fate fate = meet(TRAP_write, fd);

	if (fate == FAILS)
		return -1;
	ssize_t n = real(fd, p, fate == HALF ? len / 2 : len);
	if (fate != GOES)
		end();
	return n;
}

ssize_t pwrite64(int fd, const void *p, size_t len, off64_t at)
{
	REAL(pwrite64);
	enum fate fate = meet(TRAP_pwrite64, fd);

	if (fate == FAILS)
		return -1;
	ssize_t n = real(fd, p, fate == HALF ? len / 2 : len, at);
	if (fate != GOES)
		end();
	return n;
}

ssize_t pwrite(int fd, const void *p, size_t len, off_t at)
{
	return pwrite64(fd, p, len, at);
}

ssize_t writev(int fd, const struct iovec *v, int count)
{
	REAL(writev);
	enum fate fate = meet(TRAP_writev, fd);

	if (fate == FAILS)
		return -1;
	ssize_t n = real(fd, v, fate == HALF ? (count + 1) / 2 : count);
	if (fate != GOES)
		end();
	return n;
}

/* ---- what others get to see ---- */

ssize_t send(int fd, const void *p, size_t len, int flags)
{
	PASS(send, fd, (fd, p, len, flags));
}

ssize_t sendto(int fd, const void *p, size_t len, int flags, __CONST_SOCKADDR_ARG to,
	       socklen_t to_len)
{
	PASS(sendto, fd, (fd, p, len, flags, to, to_len));
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	PASS(sendmsg, fd, (fd, m, flags));
}

int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t len)
{
	PASS(connect, fd, (fd, to, len));
}

int fsync(int fd)
{
	PASS(fsync, fd, (fd));
}

int fdatasync(int fd)
{
	PASS(fdatasync, fd, (fd));
}

int rename(const char *from, const char *to)
{
	PASS(rename, -1, (from, to));
}

int unlink(const char *path)
{
	PASS(unlink, -1, (path));
}

int ftruncate(int fd, off_t len)
{
	PASS(ftruncate, fd, (fd, len));
}

int ftruncate64(int fd, off64_t len)
{
	PASS(ftruncate, fd, (fd, len));
}

/* ---- what makes a descriptor ---- */

/* FD is new; or -1 if it could not be made.  Gives it back. */
static int made(int fd, enum trap_kind kind)
{
	note_kind(fd, kind);
	return fd;
}

static int open_any(int dir, const char *path, int flags, mode_t mode)
{
	/* only a file that is made needs room */
	enum trap_kind wanted = flags & O_CREAT ? TRAP_KIND_file : TRAP_KIND_other;
	struct stat st;

	if (meet_kind(TRAP_open, -1, wanted) == FAILS)
		return -1;
	/* As the C library itself: one call for all of its names. */
	int fd = (int)syscall(SYS_openat, dir, path, flags, mode);
	bool regular = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	return made(fd, regular ? TRAP_KIND_file : TRAP_KIND_other);
}

#define MODE_OF(flags, mode) \
	mode_t mode = 0; \
	if ((flags) & (O_CREAT | __O_TMPFILE)) { \
		va_list ap; \
		va_start(ap, flags); \
		mode = va_arg(ap, mode_t); \
		va_end(ap); \
	}

int open(const char *path, int flags, ...)
{
	MODE_OF(flags, mode)
	return open_any(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	MODE_OF(flags, mode)
	return open_any(AT_FDCWD, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	MODE_OF(flags, mode)
	return open_any(dir, path, flags, mode);
}

int socket(int domain, int type, int protocol)
{
	REAL(socket);

	if (meet(TRAP_socket, -1) == FAILS)
		return -1;
	return made(real(domain, type, protocol), TRAP_KIND_sock);
}

int accept4(int fd, __SOCKADDR_ARG from, socklen_t *len, int flags)
{
	REAL(accept4);

	if (meet(TRAP_accept4, -1) == FAILS)
		return -1;
	return made(real(fd, from, len, flags), TRAP_KIND_sock);
}

int eventfd(unsigned first, int flags)
{
	REAL(eventfd);

	if (meet(TRAP_eventfd, -1) == FAILS)
		return -1;
	return made(real(first, flags), TRAP_KIND_waker);
}

int pipe2(int fd[2], int flags)
{
	REAL(pipe2);

	if (meet(TRAP_pipe2, -1) == FAILS)
		return -1;
	int e = real(fd, flags);
	if (e == 0) {
		note_kind(fd[0], TRAP_KIND_waker);
		note_kind(fd[1], TRAP_KIND_waker);
	}
	return e;
}

int epoll_create1(int flags)
{
	REAL(epoll_create1);

	if (meet(TRAP_epoll_create1, -1) == FAILS)
		return -1;
	return made(real(flags), TRAP_KIND_other);
}

int close(int fd)
{
	static int (*real)(int);

	if (!real)
		real = (int (*)(int))(uintptr_t)dlsym(RTLD_NEXT, "close");
	note_kind(fd, TRAP_KIND_other);
	return real(fd);
}

int memfd_create(const char *name, unsigned flags)
{
	REAL(memfd_create);

	if (meet(TRAP_memfd_create, -1) == FAILS)
		return -1;
	return made(real(name, flags), TRAP_KIND_other);
}
