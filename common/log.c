/* log - lines to standard error, limited in rate and length, never blocking for long. */

#include "common/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/bytes.h"
#include "proto/exits.h"

static const struct log_row rows[EV_COUNT] = {
#define E(c, n, l, t, h) { .code = #c, .name = #n, .text = t, .hint = h, .level = LOG_##l },
	EVENTS_ALL(E)
#undef E
};

static struct {
	const char *proc;
	bool json;
	enum log_level least;
	time_t second;
	unsigned lines[2], dropped;	/* lines: of what is loud, and of all else */
} self = { .proc = "kms", .least = LOG_INFO };

static const char *const level_name[] = { "debug", "info", "warn", "error" };

void log_open(const char *proc, const char *format, enum log_level least)
{
	self.proc = proc;
	self.json = format && strcmp(format, "json") == 0;
	self.least = least;
}

const struct log_row *log_row(enum log_event ev)
{
	return &rows[ev];
}

const struct log_row *find_log_row(const char *code)
{
	if (strncmp(code, "KC-", 3) == 0)
		code += 3;
	for (unsigned i = 0; i < EV_COUNT; i++)
		if (strcmp(rows[i].code, code) == 0)
			return &rows[i];
	return NULL;
}

/*
 * True when this line may be written; lines over the limit of a second are counted.  Many
 * requests that are done do not drown a warning.
 */
static bool admit(time_t now, enum log_level level)
{
	if (now != self.second) {
		self.second = now;
		self.lines[0] = self.lines[1] = 0;
	}
	if (self.lines[level < LOG_WARN]++ < LOG_LINES_MAX)
		return true;
	self.dropped++;
	return false;
}

struct line {
	char text[LOG_LINE_MAX];
	size_t len;
};

static void add(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct line *l, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(l->text + l->len, sizeof(l->text) - l->len, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	l->len += (size_t)n;
	if (l->len > sizeof(l->text) - 2)
		l->len = sizeof(l->text) - 2;
}

/* "a=1 b="two words"" to "a":"1","b":"two words". */
static void add_json_fields(struct line *l, const char *s)
{
	while (*s) {
		const char *eq = strchr(s, '=');
		if (!eq)
			return;
		add(l, ",\"%.*s\":\"", (int)(eq - s), s);
		s = eq + 1;
		char end = ' ';
		if (*s == '"') {
			end = '"';
			s++;
		}
		for (; *s && *s != end; s++)
			add(l, *s == '\\' || *s == '"' ? "\\%c" : "%c", *s);
		add(l, "\"");
		while (*s == '"' || *s == ' ')
			s++;
	}
}

static void add_head(struct line *l, const struct log_row *row, const struct timespec *now)
{
	struct tm tm;
	char when[32];

	gmtime_r(&now->tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	add(l, self.json ? "{\"ts\":\"%s.%03ldZ\",\"level\":\"%s\",\"proc\":\"%s\",\"code\":\"KC-%s\",\"event\":\"%s\",\"msg\":\"%s\""
			 : "ts=%s.%03ldZ level=%s proc=%s code=KC-%s event=%s msg=\"%s\"",
	    when, now->tv_nsec / 1000000, level_name[row->level], self.proc, row->code, row->name,
	    row->text);
}

void log_say(enum log_event ev, const char *fmt, ...)
{
	const struct log_row *row = &rows[ev];
	struct line l = { .len = 0 };
	char fields[LOG_LINE_MAX];
	struct timespec now;

	if (row->level < self.least)
		return;
	/* one reading: the second that is counted is the one that is printed (time() lags a tick) */
	clock_gettime(CLOCK_REALTIME, &now);
	if (!admit(now.tv_sec, row->level))
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(fields, sizeof(fields), fmt, ap);
	va_end(ap);
	clean_text(fields, "");

	add_head(&l, row, &now);
	if (self.json)
		add_json_fields(&l, fields);
	else if (*fields)
		add(&l, " %s", fields);
	if (*row->hint)
		add(&l, self.json ? ",\"hint\":\"%s\"" : " hint=\"%s\"", row->hint);
	if (self.dropped)
		add(&l, self.json ? ",\"dropped\":%u" : " dropped=%u", self.dropped);
	if (self.json)
		add(&l, "}");
	l.text[l.len++] = '\n';
	/*
	 * A sink that is full or gone must not stop us: the line is counted, not kept.  A pipe
	 * that is ready takes at least PIPE_BUF bytes, which is more than a line.
	 */
	struct pollfd sink = { .fd = STDERR_FILENO, .events = POLLOUT };
	struct timespec at_once = { 0, 0 };
	if (ppoll(&sink, 1, &at_once, NULL) != 1 || !(sink.revents & POLLOUT) ||
	    write(STDERR_FILENO, l.text, l.len) < 0)
		self.dropped++;
	else
		self.dropped = 0;
}

_Noreturn void log_bug(const char *file, int line, const char *what)
{
	log_say(EV_G007_bug, "at=%s:%d check=\"%s\"", file, line, what);
	_exit(EXIT_bug);
}
