/* home - directories, users and the lock of one instance. */

#include "supervisor/home.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum exit_code code_of(int error)
{
	return error == EACCES || error == EPERM || error == EROFS ? EXIT_permission : EXIT_io;
}

static enum exit_code trouble(enum exit_code code, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static enum exit_code trouble(enum exit_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("kms-connector: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return code;
}

/* False when DIR/NAME does not fit a path. */
static bool join(char out[PATH_MAX], const char *dir, const char *name)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", dir, name);

	return n > 0 && n < PATH_MAX;
}

enum exit_code home_users(const struct connector_config *c, struct who who[ROLE_COUNT])
{
	for (int role = 0; role < ROLE_COUNT; role++) {
		who[role] = (struct who){ .uid = geteuid(), .gid = getegid() };
		if (!c->user[role] || geteuid() != 0)
			continue;
		errno = 0;
		const struct passwd *pw = getpwnam(c->user[role]);
		if (!pw)
			return trouble(EXIT_config, "user %s of %s does not exist: create it "
				       "(systemd-sysusers) or correct users", c->user[role],
				       ipc_role_name((enum ipc_role)role));
		who[role] = (struct who){ .drop = pw->pw_uid != 0, .uid = pw->pw_uid,
					  .gid = pw->pw_gid };
	}
	return EXIT_ok;
}

static bool has_users(const struct who who[ROLE_COUNT])
{
	for (int role = 0; role < ROLE_COUNT; role++)
		if (who[role].drop)
			return true;
	return false;
}

/* DIR and what is missing above it. */
static enum exit_code make_dir(const char *dir, mode_t mode)
{
	char path[PATH_MAX];

	if (!join(path, dir, ""))
		return trouble(EXIT_config, "%s: the path is too long", dir);
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdir(path, slash[1] ? 0755 : mode) < 0 && errno != EEXIST)
			return trouble(code_of(errno), "cannot create %s: %s", path, strerror(errno));
		*slash = '/';
	}
	return EXIT_ok;
}

/* Children with users of their own must be able to pass through. */
static enum exit_code check_passable(const char *dir, bool users)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return trouble(code_of(errno), "%s: %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return trouble(EXIT_config, "%s is not a directory", dir);
	if (users && !(st.st_mode & S_IXOTH))
		return trouble(EXIT_permission, "the children's users cannot pass through %s: "
			       "chmod o+x %s", dir, dir);
	return EXIT_ok;
}

static enum exit_code lock_instance(const char *data_dir, int *out)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[PATH_MAX], pid[24];

	if (!join(path, data_dir, "lock"))
		return trouble(EXIT_config, "%s: the path is too long", data_dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return trouble(code_of(errno), "cannot open %s: %s", path, strerror(errno));
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		int error = errno;
		close(fd);
		if (error == EAGAIN || error == EACCES)
			return trouble(EXIT_running, "already running (pid %d) with data_dir %s",
				       (int)home_holder(data_dir), data_dir);
		return trouble(EXIT_io, "cannot lock %s: %s", path, strerror(error));
	}
	int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n) {
		int error = errno;
		close(fd);
		return trouble(EXIT_io, "cannot write %s: %s", path, strerror(error));
	}
	*out = fd;
	return EXIT_ok;
}

static enum exit_code check_journal(const struct connector_config *c)
{
	char path[PATH_MAX];
	struct stat st;

	if (!join(path, c->data_dir, "signer/journal"))
		return trouble(EXIT_config, "%s: the path is too long", c->data_dir);
	if (stat(path, &st) == 0)
		return S_ISREG(st.st_mode) ? EXIT_ok
			: trouble(EXIT_config, "%s is not a regular file", path);
	if (errno == ENOENT || errno == ENOTDIR)
		return trouble(EXIT_config, "there is no journal at %s.  For a new account: "
			       "kms-connector key init.  If this account has sent before, restore "
			       "the journal instead", path);
	return trouble(code_of(errno), "%s: %s", path, strerror(errno));
}

static enum exit_code open_store(const struct connector_config *c, const struct who *who, int *out)
{
	char path[PATH_MAX];
	struct stat st;

	if (!join(path, c->data_dir, "store"))
		return trouble(EXIT_config, "%s: the path is too long", c->data_dir);
	enum exit_code code = make_dir(path, 0700);
	if (code)
		return code;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0 ||
	    (who->drop && st.st_uid != who->uid && fchown(fd, who->uid, who->gid) < 0)) {
		code = trouble(code_of(errno), "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return code;
	}
	*out = fd;
	return EXIT_ok;
}

static enum exit_code open_dirs(const struct connector_config *c, struct home *p)
{
	bool users = has_users(p->who);
	enum exit_code code = make_dir(c->data_dir, users ? 0711 : 0700);

	code = code ? code : check_passable(c->data_dir, users);
	code = code ? code : lock_instance(c->data_dir, &p->lock);
	code = code ? code : check_journal(c);
	code = code ? code : make_dir(c->runtime_dir, 0711);
	code = code ? code : check_passable(c->runtime_dir, users);
	return code ? code : open_store(c, &p->who[ROLE_EXECUTOR], &p->store);
}

enum exit_code home_open(const struct connector_config *c, struct home *out)
{
	*out = (struct home){ .lock = -1, .store = -1 };
	mode_t mask = umask(0022);
	enum exit_code code = home_users(c, out->who);

	code = code ? code : open_dirs(c, out);
	umask(mask);
	if (code)
		home_close(out);
	return code;
}

void home_close(struct home *p)
{
	if (p->store >= 0)
		close(p->store);
	if (p->lock >= 0)
		close(p->lock);
	p->store = p->lock = -1;
}

int home_open_journal(const struct connector_config *c)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[PATH_MAX];

	if (!join(path, c->data_dir, "signer/journal")) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		int error = errno;
		close(fd);
		errno = error == EACCES ? EAGAIN : error;
		return -1;
	}
	return fd;
}

pid_t home_holder(const char *data_dir)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[PATH_MAX], pid[24] = "";

	if (!join(path, data_dir, "lock"))
		return -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	bool looked = fcntl(fd, F_OFD_GETLK, &lock) == 0;
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);
	close(fd);
	if (!looked || n < 0)
		return -1;
	return lock.l_type == F_UNLCK ? 0 : (pid_t)strtol(pid, NULL, 10);
}
