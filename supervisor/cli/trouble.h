/*
 * trouble - what is wrong with a configuration, gathered so that all of it is seen at once.
 *
 * Printed in the order of the files and their lines, as
 *
 *	file:line:column: what is wrong; what to do
 *	file:line:column: warning: what is doubtful; what to do
 */
#pragma once

#include <stdio.h>

#include "common/config.h"
#include "proto/exits.h"

#define TROUBLES_MAX 100

/* Where: a place in a file, or (line 0) a name such as "environment". */
struct place {
	const char *file;
	struct config_mark mark;
};

struct troubles {
	struct trouble_line {
		struct place place;	/* its file is a copy, owned */
		char *text;		/* owned */
		bool warning;
	} list[TROUBLES_MAX];
	unsigned count, dropped;
	unsigned errors, warnings;
	enum exit_code exit;		/* EXIT_ok while there is no error */
};

/* An error makes the exit code EXIT_config. */
void trouble_error(struct troubles *t, struct place at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void trouble_warning(struct troubles *t, struct place at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The rights of a file are wrong: EXIT_permission, unless there are other errors. */
void trouble_permission(struct troubles *t, struct place at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * A file could not be opened or read, ERROR is why: by it EXIT_permission; EXIT_config when it is
 * the file; EXIT_io when the machine has too little of something now, whatever else is found, so
 * that who starts us tries again.
 */
void trouble_file(struct troubles *t, struct place at, int error, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Print everything in order (OUT may be NULL) and forget it; gives the exit code. */
enum exit_code trouble_print(struct troubles *t, FILE *out);
