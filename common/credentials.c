/* credentials - three names, each at most once; what was read is wiped. */

#include "common/credentials.h"

#include <unistd.h>

#define MEMBER(word) \
	{ #word, offsetof(struct credentials, word), sizeof(((struct credentials *)0)->word) }

static const struct { const char *name; size_t at, room; } members[] = {
	MEMBER(access_key), MEMBER(secret_key), MEMBER(session_token),
};
#undef MEMBER

/* Without the blanks around it. */
static struct bytes trim(struct bytes s)
{
	while (s.len && (*s.p == ' ' || *s.p == '\t'))
		s = BYTES(s.p + 1, s.len - 1);
	while (s.len && strchr(" \t\r", s.p[s.len - 1]))
		s.len--;
	return s;
}

static bool is_value(struct bytes v)
{
	for (size_t i = 0; i < v.len; i++)
		if (v.p[i] <= ' ' || v.p[i] > '~')
			return false;
	return v.len > 0;
}

/* What is wrong with a line; NULL: nothing. */
static const char *read_line(struct bytes line, struct credentials *out)
{
	const uint8_t *equals;

	line = trim(line);
	if (line.len == 0 || *line.p == '#')
		return NULL;
	equals = memchr(line.p, '=', line.len);
	if (!equals)
		return "this is no NAME=VALUE; write access_key=, secret_key= and their values";

	struct bytes name = trim(BYTES(line.p, equals - line.p));
	struct bytes value = trim(BYTES(equals + 1, line.p + line.len - equals - 1));

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		char *to = (char *)out + members[i].at;

		if (!bytes_is(name, members[i].name))
			continue;
		if (*to)
			return "this name stands there twice; keep one of them";
		if (!is_value(value) || value.len >= members[i].room)
			return "this value is empty, too long, or holds a blank; correct it";
		memcpy(to, value.p, value.len);
		return NULL;
	}
	return "nobody knows this name; there are access_key, secret_key and session_token";
}

static const char *read_lines(struct bytes text, struct credentials *out, unsigned *line_out)
{
	const char *why = NULL;

	for (*line_out = 1; text.len && !why; ++*line_out) {
		const uint8_t *end = memchr(text.p, '\n', text.len);
		size_t len = end ? (size_t)(end - text.p) : text.len;

		why = read_line(BYTES(text.p, len), out);
		if (why)
			return why;
		len += end != NULL;
		text = BYTES(text.p + len, text.len - len);
	}
	*line_out = 0;
	if (!*out->access_key || !*out->secret_key)
		return "access_key or secret_key is missing; write both, a line each";
	return NULL;
}

enum err credentials_read(int fd, struct credentials *out, unsigned *line_out, const char **why_out)
{
	char text[CREDENTIALS_BYTES + 1];
	ssize_t n = pread(fd, text, sizeof(text), 0);

	memset(out, 0, sizeof(*out));
	*line_out = 0;
	if (n < 0)
		*why_out = "the file cannot be read; correct it";
	else if (n > CREDENTIALS_BYTES)
		*why_out = "the file is too long; it holds two or three lines";
	else
		*why_out = read_lines(BYTES(text, n), out, line_out);
	explicit_bzero(text, sizeof(text));
	if (!*why_out)
		return OK;
	explicit_bzero(out, sizeof(*out));
	return n < 0 ? ERR_IO : ERR_FORMAT;
}
