/*
 * commands - every command of kms-connector, once.
 *
 * All have one shape: arguments from the command's own name on, and the configuration, which
 * is borrowed; NULL for commands that need none.  They return an exit code.
 */
#pragma once

#include "supervisor/config.h"

enum command_needs {
	NEEDS_NOTHING,
	NEEDS_CONFIG,			/* the file; the key is not opened */
	NEEDS_KEY,			/* the file, and a key that is usable */
};

/* name, function, what it needs, arguments, what it does */
#define COMMANDS(C) \
	C("run",      cmd_run,      NEEDS_KEY,     "", "start all processes and stay in the foreground") \
	C("check",    cmd_check,    NEEDS_KEY,     "[--online] [--json]", "check the configuration, say what it will do") \
	C("status",   cmd_status,   NEEDS_CONFIG,  "[--json]", "what runs, what is paused, what needs you") \
	C("list",     cmd_list,     NEEDS_CONFIG,  "[--json] ...", "requests, newest first; by --state, --kind, --since and --until (2h), --reason; --limit, --before") \
	C("show",     cmd_show,     NEEDS_CONFIG,  "[--json] ID", "everything about one request, with the history of its states") \
	C("watch",    cmd_watch,    NEEDS_CONFIG,  "[--json] [ID]", "changes of state as they happen (--since NUMBER); of ID until it ends: exit 0 when done, else 1") \
	C("retry",    cmd_retry,    NEEDS_CONFIG,  "ID | --all", "try a refused, expired or held request again") \
	C("drop",     cmd_drop,     NEEDS_CONFIG,  "ID", "give one request up") \
	C("pause",    cmd_pause,    NEEDS_CONFIG,  "core | sending", "stop a stage until continue") \
	C("continue", cmd_continue, NEEDS_CONFIG,  "core | sending", "let a stage go on") \
	C("rewind",   cmd_rewind,   NEEDS_CONFIG,  "--to BLOCK [--chain ID]", "read the chain again from a block") \
	C("inspect",  cmd_inspect,  NEEDS_KEY,     "", "what the contracts say: key, nodes, coprocessors, heights") \
	C("verify",   cmd_verify,   NEEDS_CONFIG,  "[--last N] [ID...] [--json]", "judge past decryptions by the chain and the buckets alone") \
	C("reload",   cmd_reload,   NEEDS_CONFIG,  "", "make the running connector read its file again") \
	C("key",      cmd_key,      NEEDS_CONFIG,  "init | address", "make the account's key and journal, or print its address") \
	C("explain",  cmd_explain,  NEEDS_NOTHING, "CODE", "what a code in the log means, what to do") \
	C("version",  cmd_version,  NEEDS_NOTHING, "[--json]", "version and build") \
	C("help",     cmd_help,     NEEDS_NOTHING, "[options]", "this list, or all options of the file")

#define C(name, function, needs, arguments, text) \
	int function(int argc, char **argv, const struct connector_config *c);
COMMANDS(C)
#undef C

/* Of check --online: asks the chain nodes, the Core and the contracts; EXIT_online if one fails. */
int cmd_online(const struct connector_config *c);
