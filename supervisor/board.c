/* board - a small file that is always whole. */

#include "supervisor/board.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"

#define BOARD_MAX 8192		/* bytes of the file */

static bool path_of(char out[PATH_MAX], const char *dir, const char *suffix)
{
	int n = snprintf(out, PATH_MAX, "%s/" BOARD_FILE "%s", dir, suffix);

	return n > 0 && n < PATH_MAX;
}

/* The rest of a line: nothing that would end it, or do things to a terminal. */
static void add_clean(struct text *t, const char *s)
{
	size_t from = t->len;

	text_add(t, "%s", s);
	if (t->p)
		clean_text(t->p + from, "");
	text_add(t, "\n");
}

static void print(struct text *t, const struct board *b)
{
	text_add(t, "pid %d %" PRIu64 "\n", (int)b->pid, b->since_ms);
	text_add(t, "reload %" PRIu64 " ", b->reloads);
	add_clean(t, b->reload);
	for (int role = 0; role < ROLE_COUNT; role++) {
		const struct board_child *c = &b->child[role];
		if (!c->present)
			continue;
		text_add(t, "child %s %s %d %" PRIu64 " %" PRIu64 " ",
			 ipc_role_name((enum ipc_role)role), c->state, (int)c->pid, c->restarts,
			 c->since_ms);
		add_clean(t, c->text);
	}
}

static bool write_whole(const char *path, const struct text *t)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return false;
	bool good = fchmod(fd, 0644) == 0 && write(fd, t->p, t->len) == (ssize_t)t->len;
	return close(fd) == 0 && good;
}

enum err board_write(const char *runtime_dir, const struct board *b)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	struct text t;

	if (!path_of(path, runtime_dir, "") || !path_of(fresh, runtime_dir, ".new"))
		return ERR_TOO_BIG;
	text_init(&t, BOARD_MAX);
	print(&t, b);
	bool good = !t.cut && write_whole(fresh, &t) && rename(fresh, path) == 0;
	text_fini(&t);
	return good ? OK : ERR_IO;
}

static void read_child(char *line, struct board *out)
{
	char name[16], state[16];
	int pid, at = 0;
	struct board_child c = { .present = true };

	if (sscanf(line, "child %15s %15s %d %" SCNu64 " %" SCNu64 " %n", name, state, &pid,
		   &c.restarts, &c.since_ms, &at) < 5 || at == 0)
		return;
	c.pid = pid;
	snprintf(c.state, sizeof(c.state), "%s", state);
	snprintf(c.text, sizeof(c.text), "%s", line + at);
	for (int role = 0; role < ROLE_COUNT; role++)
		if (strcmp(ipc_role_name((enum ipc_role)role), name) == 0)
			out->child[role] = c;
}

static void read_line(char *line, struct board *out)
{
	int pid, at = 0;

	if (sscanf(line, "pid %d %" SCNu64, &pid, &out->since_ms) == 2)
		out->pid = pid;
	else if (sscanf(line, "reload %" SCNu64 " %n", &out->reloads, &at) == 1 && at)
		snprintf(out->reload, sizeof(out->reload), "%s", line + at);
	else
		read_child(line, out);
}

enum err board_read(const char *runtime_dir, struct board *out)
{
	char path[PATH_MAX], text[BOARD_MAX + 1], *rest = text, *line;

	*out = (struct board){ 0 };
	if (!path_of(path, runtime_dir, ""))
		return ERR_TOO_BIG;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return ERR_MISSING;
	ssize_t n = read(fd, text, BOARD_MAX);
	close(fd);
	if (n < 0)
		return ERR_IO;
	text[n] = 0;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			read_line(line, out);
	return out->pid ? OK : ERR_FORMAT;
}

void board_remove(const char *runtime_dir)
{
	char path[PATH_MAX];

	if (path_of(path, runtime_dir, ""))
		unlink(path);
}
