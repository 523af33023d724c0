/*
 * settings - lines of "path<TAB>value", kept in the order in which they were added.
 *
 * Readers walk lists in that same order, so a search begins where the last one ended.
 */
#include "common/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/keccak.h"
#include "common/log.h"
#include "proto/exits.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct line {
	char *path, *value;		/* owned; value lies in path's block, behind its NUL */
};

struct settings {
	unsigned count, room;
	size_t bytes;			/* of the whole text */
	struct line *line;		/* owned */
	unsigned found;			/* where the last search ended */
};

struct settings *settings_new(void)
{
	struct settings *s = calloc(1, sizeof(*s));

	check(s);
	return s;
}

void settings_free(struct settings **s)
{
	if (!*s)
		return;
	for (unsigned i = 0; i < (*s)->count; i++)
		free((*s)->line[i].path);
	free((*s)->line);
	free(*s);
	*s = NULL;
}

static struct line *find_line(const struct settings *s, const char *path)
{
	for (unsigned i = 0; i < s->count; i++) {
		unsigned at = (s->found + i) % s->count;

		if (strcmp(s->line[at].path, path) == 0) {
			((struct settings *)s)->found = at;
			return &s->line[at];
		}
	}
	return NULL;
}

/* The next free line; NULL when the table is full. */
static struct line *new_line(struct settings *s)
{
	if (s->count == SETTINGS_MAX)
		return NULL;
	if (s->count == s->room) {
		s->room = s->room ? s->room * 2 : 64;
		s->line = reallocarray(s->line, s->room, sizeof(*s->line));
		check(s->line);
	}
	s->line[s->count] = (struct line){ .path = NULL };
	return &s->line[s->count++];
}

static bool is_text(const char *s)
{
	return strpbrk(s, "\t\n") == NULL;
}

enum err settings_put(struct settings *s, const char *path, const char *value)
{
	size_t path_len = strlen(path), value_len = strlen(value);

	if (path_len == 0 || path_len >= SETTINGS_PATH_MAX || !is_text(path) || !is_text(value))
		return ERR_FORMAT;

	struct line *line = find_line(s, path);
	size_t old = line ? path_len + strlen(line->value) + 2 : 0;

	if (s->bytes - old + path_len + value_len + 2 > SETTINGS_BYTES)
		return ERR_TOO_BIG;
	if (!line)
		line = new_line(s);
	if (!line)
		return ERR_TOO_BIG;

	char *block = malloc(path_len + value_len + 2);

	check(block);
	memcpy(block, path, path_len + 1);
	memcpy(block + path_len + 1, value, value_len + 1);
	free(line->path);
	line->path = block;
	line->value = block + path_len + 1;
	s->bytes += path_len + value_len + 2 - old;
	return OK;
}

enum err settings_putf(struct settings *s, const char *path, const char *fmt, ...)
{
	char *value;
	va_list args;

	va_start(args, fmt);
	int len = vasprintf(&value, fmt, args);
	va_end(args);
	check(len >= 0);

	enum err e = settings_put(s, path, value);

	free(value);
	return e;
}

/* The whole as text; the caller frees it. */
static char *text_of(const struct settings *s)
{
	char *text = malloc(s->bytes + 1), *p = text;

	check(text);
	for (unsigned i = 0; i < s->count; i++) {
		p = stpcpy(p, s->line[i].path);
		*p++ = '\t';
		p = stpcpy(p, s->line[i].value);
		*p++ = '\n';
	}
	*p = '\0';
	return text;
}

static bool write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

int settings_to_fd(const struct settings *s, const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;

	char *text = text_of(s);
	bool ok = write_all(fd, text, s->bytes) && fcntl(fd, F_ADD_SEALS, SEALS) == 0;

	free(text);
	if (ok)
		return fd;
	close(fd);
	return -1;
}

/* TEXT is cut up on the way. */
static enum err parse(char *text, size_t len, struct settings *s)
{
	char *end = text + len;

	while (text < end) {
		char *stop = memchr(text, '\n', (size_t)(end - text));

		if (!stop || memchr(text, '\0', (size_t)(stop - text)))
			return ERR_FORMAT;
		*stop = '\0';

		char *tab = strchr(text, '\t');

		if (!tab)
			return ERR_FORMAT;
		*tab = '\0';
		if (find_line(s, text))
			return ERR_CONFLICT;

		enum err e = settings_put(s, text, tab + 1);
		if (e)
			return e;
		text = stop + 1;
	}
	return OK;
}

static bool read_all(int fd, char *p, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(fd, p + done, len - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

enum err settings_from_fd(int fd, struct settings **out)
{
	struct stat st;

	*out = NULL;
	if (fstat(fd, &st))
		return ERR_IO;
	if (fcntl(fd, F_GET_SEALS) != SEALS)
		return ERR_DENIED;
	if (st.st_size < 0 || st.st_size > SETTINGS_BYTES)
		return ERR_TOO_BIG;

	size_t len = (size_t)st.st_size;
	char *text = malloc(len + 1);

	check(text);
	*out = settings_new();

	enum err e = read_all(fd, text, len) ? parse(text, len, *out) : ERR_IO;

	free(text);
	if (e)
		settings_free(out);
	return e;
}

struct b32 settings_hash(const struct settings *s)
{
	char *text = text_of(s);
	struct b32 hash = keccak_bytes(BYTES(text, s->bytes));

	free(text);
	return hash;
}

unsigned settings_count(const struct settings *s)
{
	return s->count;
}

const char *settings_path_at(const struct settings *s, unsigned i)
{
	check(i < s->count);
	return s->line[i].path;
}

const char *settings_value_at(const struct settings *s, unsigned i)
{
	check(i < s->count);
	return s->line[i].value;
}

/* From here on: reading.  A path is too long only by a bug of ours. */

static void path_of(char out[SETTINGS_PATH_MAX], const char *fmt, va_list args)
{
	int len = vsnprintf(out, SETTINGS_PATH_MAX, fmt, args);

	check(len >= 0 && len < SETTINGS_PATH_MAX);
}

_Noreturn static void stop(const char *path, const char *why)
{
	log_say(EV_G009_settings, "path=%s why=\"%s\"", path, why);
	exit(EXIT_bug);
}

static const char *get(const struct settings *s, const char *path)
{
	struct line *line = find_line(s, path);

	if (!line)
		stop(path, "it is missing");
	return line->value;
}

#define PATH(path, fmt) \
	do { \
		va_list args; \
		va_start(args, fmt); \
		path_of(path, fmt, args); \
		va_end(args); \
	} while (0)

const char *find_setting(const struct settings *s, const char *fmt, ...)
{
	char path[SETTINGS_PATH_MAX];

	PATH(path, fmt);

	struct line *line = find_line(s, path);

	return line ? line->value : NULL;
}

const char *get_setting(const struct settings *s, const char *fmt, ...)
{
	char path[SETTINGS_PATH_MAX];

	PATH(path, fmt);
	return get(s, path);
}

uint64_t get_setting_u64(const struct settings *s, const char *fmt, ...)
{
	char path[SETTINGS_PATH_MAX];

	PATH(path, fmt);

	const char *text = get(s, path);
	struct u256 wide;
	uint64_t v;

	if (u256_from_dec(text, strlen(text), &wide) || u256_to_u64(&wide, &v))
		stop(path, "it is no number of 64 bits");
	return v;
}

struct addr get_setting_addr(const struct settings *s, const char *fmt, ...)
{
	char path[SETTINGS_PATH_MAX];
	struct addr a;

	PATH(path, fmt);
	if (addr_parse(get(s, path), &a))
		stop(path, "it is no address");
	return a;
}

struct b32 get_setting_b32(const struct settings *s, const char *fmt, ...)
{
	char path[SETTINGS_PATH_MAX];
	struct b32 v;

	PATH(path, fmt);

	const char *text = get(s, path);

	if (hex_decode_exact(text, strlen(text), v.b, sizeof(v.b)))
		stop(path, "it is no hash");
	return v;
}

struct u256 get_setting_wei(const struct settings *s, const char *fmt, ...)
{
	char path[SETTINGS_PATH_MAX];
	struct u256 v;

	PATH(path, fmt);

	const char *text = get(s, path);

	if (u256_from_dec(text, strlen(text), &v))
		stop(path, "it is no amount");
	return v;
}
