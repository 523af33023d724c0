/*
 * proc - how each of our programs starts, shows that it lives, and gives its rights away.
 *
 * The supervisor hands descriptors on by the socket-activation convention (LISTEN_PID,
 * LISTEN_FDS, LISTEN_FDNAMES), told apart by name:
 *
 *	config		sealed memfd with the settings of this child
 *	counters	memfd of one page, struct counter_page
 *	alive		read end of a pipe; its end means that the supervisor is gone
 *	key, journal	signer only
 *	credentials	executor only, if there are any
 *	*.sock, http	listening sockets
 *
 * Exit codes of all our programs are in proto/exits.h.
 */
#pragma once

#include <sys/types.h>

#include "common/loop.h"
#include "common/settings.h"
#include "proto/counters.h"
#include "proto/exits.h"
#include "proto/ipc.h"

#define BUILD_VERSION "0.1.0"

/* Descriptors, settings, counters, log.  A child started by hand exits with 64. */
void proc_start(enum ipc_role role, int argc, char **argv);

const struct settings *proc_settings(void);
int proc_fd(const char *name);			/* -1 when it was not handed on */
const char *proc_build(void);			/* version and hash of the sources */
void proc_path(char out[108], const char *socket_name);	/* in runtime_dir, for sun_path */

/* What a process may still do after proc_confine. */
enum rights {
	RIGHTS_SIGNER,		/* answer on one socket, append to one file */
	RIGHTS_NETWORK,		/* loop, sockets, threads; opens files to resolve names only */
	RIGHTS_STORE,		/* the same, and files below the working directory */
	RIGHTS_WINDOW,		/* loop, one inherited socket and its clients */
};

/*
 * No new privileges, resource limits, not dumpable, no core, seccomp: no way back.  Then it
 * tries what it must not do and stops the program (71) if that works.  Sanitizer builds
 * (-DKMS_UNCONFINED) log a line instead; a release build cannot switch it off.
 */
void proc_confine(enum rights rights);

/* Run LOOP until asked to stop (SIGTERM) or the supervisor is gone; returns the exit code. */
int proc_serve(struct loop *loop);

/* Own counters. */
struct counter_page *proc_page(void);
void count(unsigned counter, uint64_t n);		/* TOTAL rows */
void gauge(unsigned counter, uint64_t value);		/* GAUGE rows */
void proc_beat(uint64_t mono_ms);			/* done by proc_serve; the signer does it itself */
void proc_ready(bool ready);				/* it can (or cannot) do its work now */
void proc_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* That of any process; it may be in any hands, and writes while this reads. */
void page_note(const struct counter_page *page, char *out, size_t cap);
