/*
 * exits - exit codes of all our programs.  code, name, what it means
 */
#pragma once

#define EXITS(X) \
	X(0,   ok,         "asked to stop") \
	X(1,   degraded,   "status: works, but something is paused; verify: an answer is wrong") \
	X(2,   needs_you,  "status: an operator is needed") \
	X(64,  usage,      "the command line is wrong") \
	X(65,  data,       "store or journal unusable") \
	X(69,  online,     "an online check failed") \
	X(70,  bug,        "a check of our own failed") \
	X(71,  confine,    "the system refused a sandbox") \
	X(74,  io,         "the machine failed to read or write") \
	X(75,  again,      "asks to be started again") \
	X(77,  permission, "not permitted") \
	X(78,  config,     "configuration or key unusable") \
	X(100, running,    "another instance runs already")

enum exit_code {
#define X(code, name, text) EXIT_##name = code,
	EXITS(X)
#undef X
};
