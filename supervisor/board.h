/*
 * board - what the supervisor shows about its children: runtime_dir/processes.
 *
 * Lines of words, written anew (and renamed into place) at each change; read by the command
 * line, which must be able to say what is wrong while nobody else can answer.
 *
 *	pid PID SINCE_UNIX_MS
 *	reload NUMBER TEXT
 *	child ROLE STATE PID RESTARTS SINCE_UNIX_MS TEXT
 */
#pragma once

#include <sys/types.h>

#include "common/bytes.h"
#include "proto/ipc.h"

#define BOARD_FILE "processes"
#define BOARD_TEXT 256

struct board_child {
	bool present;
	char state[16];		/* of supervisor/children.h */
	pid_t pid;
	uint64_t restarts;
	uint64_t since_ms;	/* Unix; of the present process */
	char text[BOARD_TEXT];	/* what it waits for, or how the last one ended */
};

struct board {
	pid_t pid;		/* of the supervisor */
	uint64_t since_ms;
	uint64_t reloads;	/* grows with each reload, good or bad */
	char reload[BOARD_TEXT];	/* what the last one did */
	struct board_child child[ROLE_COUNT];
};

/* ERR_IO when it cannot be written: nobody is harmed but who looks. */
enum err board_write(const char *runtime_dir, const struct board *b) MUST_CHECK;
enum err board_read(const char *runtime_dir, struct board *out) MUST_CHECK;
void board_remove(const char *runtime_dir);
