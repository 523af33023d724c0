/*
 * sockets - the listening sockets of all links and the monitor's port.
 *
 * Made once by the supervisor, under the instance lock, and handed on to each start of the
 * process that listens: a restarted process has the same address, its peers only connect
 * again, and what came in between waits in the backlog.
 */
#pragma once

#include "supervisor/home.h"

#define SOCKETS_BACKLOG 16
#define SOCKETS_BACKLOG_TCP 256	/* a full one costs who connects a second */

/* link_<name>: index of the rows of IPC_LINKS */
enum link_name {
#define L(name, file, listens, connects) LINK_##name,
	IPC_LINKS(L)
#undef L
	LINK_COUNT
};

struct link_row {
	const char *file;
	enum ipc_role listens, connects;
};
extern const struct link_row link_rows[LINK_COUNT];

struct sockets {
	char dir[96];			/* runtime_dir */
	int fd[LINK_COUNT];
};

/*
 * Bind all links below runtime_dir.  Owner is the user of who listens; where the user of who
 * connects is another, its group may connect as well, else nobody else may.
 */
enum exit_code sockets_open(const char *runtime_dir, const struct who who[ROLE_COUNT],
			    struct sockets *out);
void sockets_close(struct sockets *s);		/* and remove the files */

/* A TCP socket that listens at a numeric address; -1 and errno. */
int sockets_listen_tcp(const char *host, uint16_t port);
