/*
 * config - the configuration of one connector: read, checked at once, resolved for each child.
 *
 * Only kms-connector reads YAML.  config_load() takes the file, then the environment
 * (KMS_CONNECTOR_ and the option's path in upper case, levels joined by "__"), then the
 * profile; it checks everything, prints every trouble as
 *
 *	file:line:column: what is wrong; what to do
 *
 * and makes one struct settings for each child, with exactly the options of that child
 * (proto/options.h says which).  Nothing of it starts anything or speaks to the network.
 */
#pragma once

#include <stdio.h>
#include <sys/types.h>

#include "common/bytes.h"
#include "common/log.h"
#include "common/settings.h"
#include "proto/exits.h"
#include "proto/ipc.h"

#define CONFIG_PATH_DEFAULT "/etc/kms-connector/config.yaml"
#define CONFIG_FILE_MAX     (256u * 1024)	/* bytes of a configuration or profile */

/* What kms-connector itself needs; all strings are owned. */
struct connector_config {
	char *path;			/* of the file, as it was given */
	char *service_name;
	char *profile;			/* its name */
	char *profile_path;		/* where it was found */
	char *data_dir, *runtime_dir;	/* absolute */
	char *key_file;			/* absolute */
	char *credentials_file;		/* of the storage, absolute; NULL: none */
	char *monitor_host;		/* numeric address, without brackets */
	uint16_t monitor_port;
	char *log_format;		/* "logfmt" or "json" */
	enum log_level log_level;
	char *user[ROLE_COUNT];		/* who runs each child when started as root; NULL: as we are */
	uint64_t body_budget;		/* bytes of ciphertext the executor may hold */
	unsigned warnings;		/* how many were printed */

	bool has_key;			/* the key file was read and is usable */
	struct addr account;		/* its address; valid with has_key */
	struct b32 network;		/* hash of chains, contracts and profile */

	/* For LISTENER, EXECUTOR, SUBMITTER, SIGNER, MONITOR; NULL for other roles. */
	struct settings *child[ROLE_COUNT];
};

/*
 * Read the file at PATH, environment, profile and key; all trouble goes to ERRORS.  EXIT_ok
 * and *out (free it with config_free), or EXIT_config, EXIT_permission when only the rights
 * of a file are wrong, EXIT_io when a file could not be read for now; *out is NULL then.
 */
enum exit_code config_load(const char *path, FILE *errors, struct connector_config **out);

/*
 * The same for commands that neither need the key nor may read it (status, key init): the
 * key file is not opened, has_key is false, the lines `account` are missing in the children.
 */
enum exit_code config_load_without_key(const char *path, FILE *errors,
				       struct connector_config **out);

void config_free(struct connector_config **c);

/*
 * Open the key file: a regular file after links, no bits for others, none for the group
 * unless it is one of our own, and readable.  EXIT_ok and *fd_out, which stands at the start
 * and is close-on-exec; or what config_load() gives: *fd_out is -1, ERRORS says why.
 */
enum exit_code config_open_key(const struct connector_config *c, FILE *errors, int *fd_out);

/* The same for the credentials of the storage, which must be sound; there must be some. */
enum exit_code config_open_credentials(const struct connector_config *c, FILE *errors, int *fd_out);
