/*
 * home - where one connector lives: its directories, and the lock that makes it the only one.
 *
 *	data_dir/		created (0700; 0711 when children have users of their own)
 *	data_dir/lock		OFD lock of the supervisor; holds its pid as text
 *	data_dir/signer/journal	made by `kms-connector key init`, opened for the signer
 *	data_dir/store/		working directory of the executor, its own (0700)
 *	runtime_dir/		created (0711): sockets, and what the supervisor shows (board.h)
 */
#pragma once

#include <sys/types.h>

#include "proto/exits.h"
#include "supervisor/config.h"

/* As whom a child runs. */
struct who {
	bool drop;		/* started as root and a user is configured */
	uid_t uid;
	gid_t gid;
};

struct home {
	int lock;		/* data_dir/lock, locked */
	int store;		/* O_PATH of data_dir/store */
	struct who who[ROLE_COUNT];
};

/* Users by name; EXIT_config when one does not exist (a line on standard error says which). */
enum exit_code home_users(const struct connector_config *c, struct who who[ROLE_COUNT]);

/*
 * Everything above.  A second instance gets EXIT_running, a missing journal EXIT_config, what
 * may not be done EXIT_permission; a line on standard error says what and what to do.
 */
enum exit_code home_open(const struct connector_config *c, struct home *out);
void home_close(struct home *p);

/*
 * The journal, locked for whom it is handed to: the lock lives until the last holder of the
 * descriptor is gone, so two signers never write one journal.  -1 and errno; EAGAIN while
 * an earlier signer is still ending.
 */
int home_open_journal(const struct connector_config *c);

/* Pid of the running supervisor; 0 when none runs, -1 when the lock cannot be looked at. */
pid_t home_holder(const char *data_dir);
