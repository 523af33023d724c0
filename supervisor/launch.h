/*
 * launch - what each child is given when it starts.
 *
 *	all		config, counters, alive
 *	who listens	its sockets (IPC_LINKS), by file name
 *	signer		key, journal
 *	monitor		http, counters.<role> of all others, read-only
 *	executor	credentials, if there are any; starts in data_dir/store
 */
#pragma once

#include "supervisor/pages.h"
#include "supervisor/sockets.h"

struct launcher {
	struct connector_config *config;	/* borrowed */
	const struct home *home;		/* borrowed */
	const struct sockets *sockets;		/* borrowed */
	const struct pages *pages;		/* borrowed */
	char dir[512];		/* where our programs are */
	int http;		/* the monitor's port; -1 until it could be bound */
	int alive[2];		/* pipe: children hold the read end, we the other */
};

/* Directory of our own executable, alive pipe. */
enum err launcher_open(struct launcher *l) MUST_CHECK;
void launcher_close(struct launcher *l);

#define LAUNCH_REFUSED (-2)	/* key or credentials do not permit it: nothing to try again */

/* Pid, or -1 or LAUNCH_REFUSED with a phrase in why_out. */
pid_t launch_child(struct launcher *l, enum ipc_role role, char *why_out, size_t cap);

/* The monitor's address is another now: bound anew at its next start. */
void launcher_forget_http(struct launcher *l);
