/*
 * spawn - one child process from a program and named descriptors.
 *
 * The child gets descriptors 0 to 2 as they are, its own from 3 on in the order of the table,
 * and nothing else; an environment of LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES, and nothing
 * else; no blocked signals; SIGKILL when the supervisor dies.
 */
#pragma once

#include <sys/types.h>

#include "supervisor/home.h"

#define SPAWN_FDS_MAX 16

struct spawn_fd {
	char name[32];
	int fd;			/* borrowed */
};

struct spawn {
	const char *program;	/* path */
	const char *name;	/* argv[0] */
	struct who who;
	int workdir;		/* directory to start in; -1: the root */
	unsigned fds;
	struct spawn_fd fd[SPAWN_FDS_MAX];
};

void spawn_add(struct spawn *s, const char *name, int fd);

/* The pid, or -1 and errno (of fork, of a step before exec, or of exec itself). */
pid_t spawn_start(const struct spawn *s);
