/*
 * cmd_key - the account: its key file and its journal.
 *
 * Only `key init` creates the journal, so that a lost one is never taken for a new account.
 * It refuses to overwrite anything, and makes the journal last: what an interrupted run
 * leaves behind is used by the next.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/cli/commands.h"
#include "supervisor/cli/key_file.h"
#include "supervisor/cli/secret_file.h"

static int fail(const char *path)
{
	int code = errno == EACCES || errno == EPERM || errno == EROFS ? EXIT_permission : EXIT_io;

	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	return code;
}

/* PATH with what is missing above it; what is there stays as it is. */
static int make_dir(const char *path, mode_t mode)
{
	char part[PATH_MAX];

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) && errno != EEXIST)
			return fail(part);
		*slash = '/';
	}
	return mkdir(path, mode) && errno != EEXIST ? fail(path) : EXIT_ok;
}

static bool has_users(const struct connector_config *c)
{
	for (unsigned i = 0; i < ROLE_COUNT; i++)
		if (c->user[i])
			return true;
	return false;
}

/*
 * Root works for the user who owns data_dir, as a package or systemd-tmpfiles has made it: the
 * connector will run as that user, and must own what is made here.  With users of their own for
 * the children it will run as root.
 */
static int become_owner(const struct connector_config *c)
{
	struct stat st;

	if (geteuid() != 0 || has_users(c))
		return EXIT_ok;
	if (stat(c->data_dir, &st))
		return fail(c->data_dir);
	if (st.st_uid == 0)
		return EXIT_ok;
	if (setgroups(1, &st.st_gid) || setresgid(st.st_gid, st.st_gid, st.st_gid) ||
	    setresuid(st.st_uid, st.st_uid, st.st_uid))
		return fail(c->data_dir);
	return EXIT_ok;
}

/* The key: the one that is there, or a new one. */
static int have_key(const struct connector_config *c, struct addr *out)
{
	struct place at = { .file = "key_file" };
	struct troubles t = { .count = 0 };

	switch (key_file_create(c->key_file, out)) {
	case OK:
		printf("made the key file %s; keep a copy of it in a safe place\n", c->key_file);
		return EXIT_ok;
	case ERR_CONFLICT:
		break;
	default:
		return fail(c->key_file);
	}

	int fd = secret_file_open(SECRET_FILE_key, c->key_file, at, &t);

	if (fd >= 0) {
		key_file_address(fd, at, &t, out);
		close(fd);
	}

	int code = trouble_print(&t, stderr);

	if (!code)
		printf("the key file %s is there already; it was left as it is\n", c->key_file);
	return code;
}

/* A new key beside an old journal would be neither account. */
static int refuse_journal(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? EXIT_ok : fail(path);
	fprintf(stderr, "%s is there already: this account has a journal; nothing was changed\n",
		path);
	return EXIT_config;
}

static int make_journal(const char *path)
{
	int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);

	if (fd < 0)
		return fail(path);

	int code = fsync(fd) ? fail(path) : EXIT_ok;

	close(fd);
	if (!code)
		printf("made the journal %s\n", path);
	return code;
}

static int sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return fail(path);

	int code = fsync(fd) ? fail(path) : EXIT_ok;

	close(fd);
	return code;
}

static int key_init(const struct connector_config *c)
{
	char dir[PATH_MAX], journal[PATH_MAX], text[ADDR_TEXT];
	struct addr account;

	snprintf(dir, sizeof(dir), "%s/signer", c->data_dir);
	snprintf(journal, sizeof(journal), "%s/signer/journal", c->data_dir);

	/* Children with users of their own pass through. */
	int code = make_dir(c->data_dir, has_users(c) ? 0711 : 0700);

	code = code ? code : become_owner(c);
	code = code ? code : make_dir(dir, 0700);
	code = code ? code : refuse_journal(journal);
	code = code ? code : have_key(c, &account);
	code = code ? code : make_journal(journal);
	code = code ? code : sync_dir(dir);
	if (!code)
		printf("account %s\n", addr_text(&account, text));
	return code;
}

static int key_address(const struct connector_config *c)
{
	struct place at = { .file = "key_file" };
	struct troubles t = { .count = 0 };
	struct addr account;
	char text[ADDR_TEXT];
	int fd = secret_file_open(SECRET_FILE_key, c->key_file, at, &t);

	if (fd >= 0) {
		if (key_file_address(fd, at, &t, &account))
			printf("%s\n", addr_text(&account, text));
		close(fd);
	}
	return trouble_print(&t, stderr);
}

int cmd_key(int argc, char **argv, const struct connector_config *c)
{
	if (argc == 2 && strcmp(argv[1], "init") == 0)
		return key_init(c);
	if (argc == 2 && strcmp(argv[1], "address") == 0)
		return key_address(c);
	fprintf(stderr, "usage: kms-connector key init | address\n");
	return EXIT_usage;
}
