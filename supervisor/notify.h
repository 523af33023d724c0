/*
 * notify - what systemd is told: READY, STATUS, WATCHDOG, RELOADING, STOPPING.
 *
 * A datagram to $NOTIFY_SOCKET (a path, or an abstract name after "@"), as sd_notify(3)
 * describes; written by hand, because it is a few lines and the library brings six others.
 * Without the variable nothing is sent.  Never blocks.
 */
#pragma once

#include <stdint.h>

struct notify {
	int fd;				/* -1: nobody wants to know */
	uint64_t watchdog_ms;		/* WATCHDOG_USEC; 0: none wanted */
	char status[256];		/* the last STATUS */
};

/* Read and remove the variables, so that no child inherits them. */
void notify_open(struct notify *n);
void notify_close(struct notify *n);

void notify_ready(struct notify *n);
void notify_reloading(struct notify *n);	/* notify_ready ends it */
void notify_stopping(struct notify *n);
void notify_alive(struct notify *n);		/* WATCHDOG=1 */

/* One line, said when it changes. */
void notify_status(struct notify *n, const char *line);
