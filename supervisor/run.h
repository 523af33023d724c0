/*
 * run - the supervisor: binds the sockets, starts and restarts everyone, speaks to nobody
 * outside.
 *
 * Hears:  exits, signals, heartbeats (counter pages).
 * Says:   start, stop; to systemd, how it goes; to the command line, the board.
 * Owns:   listening sockets, the configuration, the counter pages, the instance lock.
 * Trusts: the configuration.  Not its children: of a page it believes only that it is there.
 */
#pragma once

#include "supervisor/config.h"

/*
 * Until SIGTERM or SIGINT; SIGHUP reads PATH again.  C stays the caller's.  Returns the exit
 * code: EXIT_ok, or why it could not start (a line on standard error says more).
 */
int supervisor_run(struct connector_config *c, const char *path);
