/*
 * talk - a command's conversation with the executor over operator.sock: blocking, bounded.
 *
 * A command asks one thing and ends; it needs no loop.  All waits together end after
 * TALK_WAIT_S.
 */
#pragma once

#include <signal.h>

#include "common/wire.h"
#include "supervisor/config.h"

#define TALK_WAIT_S 5

struct talk {
	int fd;			/* -1: closed */
	uint64_t until_ms;	/* monotonic: when waiting ends */
	uint64_t tag;		/* of the question under way */
	/* NULL, or what ends a wait when it is set, by a signal that MASK lets through meanwhile. */
	const volatile sig_atomic_t *stop;
	const sigset_t *mask;
	uint8_t buf[IPC_PACKET_MAX];
};

/*
 * Is the connector running?  EXIT_ok with its pid; EXIT_online when it is not; EXIT_permission
 * when this user may not know.  Says so on standard error.
 */
enum exit_code talk_find(const struct connector_config *c, pid_t *pid_out);

/*
 * Connect and exchange hellos.  EXIT_online when the executor does not answer (it may be
 * starting), EXIT_permission, or EXIT_usage when the running connector is of another build.
 * WHY_OUT is a phrase for people.
 */
enum exit_code talk_open(struct talk *t, const struct connector_config *c, char *why_out,
			 size_t cap);
void talk_close(struct talk *t);

/* Send MSG; its tag is t->tag, set by the caller in the message. */
enum err talk_send(struct talk *t, const struct ipc_msg *msg, const void *m) MUST_CHECK;

/* The next packet; borrowed until the next call. */
enum err talk_next(struct talk *t, struct ipc_frame *out) MUST_CHECK;
