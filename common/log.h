/*
 * log - one line to standard error for each change of state.
 *
 *	log_say(EV_L001_ws_lost, "rpc=%s reason=%s", name, reason);
 *
 * writes (logfmt; or the same fields as JSON)
 *
 *	ts=2026-01-02T03:04:05.678Z level=info proc=listener code=KC-L001 event=ws_lost
 *	msg="the WebSocket is lost; polling goes on" rpc=gateway reason="reset by peer"
 *
 * The format's words are key=value; a value with spaces is written with log_quote or as %s
 * inside quotes.  Control characters never reach the line.  At most LOG_LINES_MAX warnings and
 * errors a second, and as many other lines; what is dropped is counted in the next line
 * (dropped=n).  Never blocks.
 */
#pragma once

#include "proto/events.h"

#define LOG_LINES_MAX 50
#define LOG_LINE_MAX  1000	/* bytes; longer lines are cut */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_open(const char *proc, const char *format, enum log_level least);	/* "logfmt" or "json" */

void log_say(enum log_event ev, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A check of our own: what cannot happen stops the program (exit 70). */
#define check(cond) \
	do { \
		if (!(cond)) \
			log_bug(__FILE__, __LINE__, #cond); \
	} while (0)

_Noreturn void log_bug(const char *file, int line, const char *what);

/* Rows of the table, for `explain` and the manual. */
struct log_row {
	const char *code, *name, *text, *hint;
	enum log_level level;
};
const struct log_row *log_row(enum log_event ev);
const struct log_row *find_log_row(const char *code);	/* "KC-L001" or "L001"; NULL */
