/* secret_file - what is the same for all files of secrets; only the words differ. */

#include "supervisor/cli/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"

static const struct row { const char *noun, *remedy, *renew; } rows[] = {
#define F(name, noun_, remedy_, renew_) \
	[SECRET_FILE_##name] = { .noun = noun_, .remedy = remedy_, .renew = renew_ },
	SECRET_FILES(F)
#undef F
};

static bool is_own_group(gid_t group)
{
	gid_t list[1024];
	int n = getgroups((int)ARRAY_LEN(list), list);

	for (int i = 0; i < n; i++)
		if (list[i] == group)
			return true;
	return group == getegid();
}

static bool check_rights(const struct row *row, const struct stat *st, const char *path,
			 struct place at, struct troubles *t)
{
	if (!S_ISREG(st->st_mode)) {
		trouble_error(t, at, "%s is %s, not a regular file; name the file that holds the %s",
			      path, S_ISDIR(st->st_mode) ? "a directory" : "something else",
			      row->noun);
		return false;
	}
	if (st->st_mode & S_IRWXO || (st->st_mode & S_IRWXG && !is_own_group(st->st_gid))) {
		trouble_permission(t, at, "%s has mode %04o, so that others can use the %s; "
				   "chmod 0600 it, and if others had access %s", path,
				   (unsigned)(st->st_mode & 07777), row->noun, row->renew);
		return false;
	}
	return true;
}

int secret_file_open(enum secret_file what, const char *path, struct place at, struct troubles *t)
{
	const struct row *row = &rows[what];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 && errno == EACCES) {
		trouble_permission(t, at, "%s may not be read by this user; run as its owner, or "
				   "correct owner and mode", path);
	} else if (fd < 0 && errno == ENOENT) {
		trouble_error(t, at, "there is no %s file %s; %s", row->noun, path, row->remedy);
	} else if (fd < 0) {
		int error = errno;
		trouble_file(t, at, error, "%s cannot be opened: %s; name another file", path,
			     strerror(error));
	} else if (fstat(fd, &st) || !check_rights(row, &st, path, at, t)) {
		close(fd);
		return -1;
	}
	return fd;
}
