/*
 * kms-connector - the program that operators start: one command, then its exit code.
 *
 * Hears:  its arguments, its configuration file, its environment.
 * Says:   to the terminal; `run` becomes the supervisor (supervisor/run.h).
 * Owns:   the configuration, until the command returns.
 * Trusts: the operator; not a secret on the command line, where every process can read it.
 */
#include <stdlib.h>

#include "supervisor/cli/commands.h"
#include "supervisor/cli/suggest.h"
#include "supervisor/cli/value.h"
#include "supervisor/run.h"

static const struct command {
	const char *name;
	int (*function)(int argc, char **argv, const struct connector_config *c);
	enum command_needs needs;
} commands[] = {
#define C(word, what, need, arguments, text) { .name = word, .function = what, .needs = need },
	COMMANDS(C)
#undef C
};

struct call {
	const char *config;		/* borrowed from argv */
	int argc;
	char **argv;			/* without the options of this file */
};

static int usage(const char *why, const char *word)
{
	const char *names[ARRAY_LEN(commands)];

	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		names[i] = commands[i].name;

	const char *near = word ? suggest(word, names, ARRAY_LEN(names)) : NULL;

	fprintf(stderr, "kms-connector: %s%s%.40s%s\n", why, word ? " \"" : "", word ? word : "",
		word ? "\"" : "");
	if (near)
		fprintf(stderr, "Did you mean %s?\n", near);
	fprintf(stderr, "kms-connector help lists the commands.\n");
	return EXIT_usage;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

/* -c FILE may stand anywhere; all else is the command's.  False when FILE is missing. */
static bool open_call(int argc, char **argv, struct call *call)
{
	*call = (struct call){ .config = CONFIG_PATH_DEFAULT, .argv = argv };
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0) {
			if (++i == argc)
				return false;
			call->config = argv[i];
		} else if (strncmp(argv[i], "--config=", 9) == 0) {
			call->config = argv[i] + 9;
		} else {
			argv[call->argc++] = argv[i];
		}
	}
	argv[call->argc] = NULL;
	return true;
}

/* By itself or as the value of an option. */
static bool has_secret(const struct call *call)
{
	for (int i = 1; i < call->argc; i++) {
		const char *value = strchr(call->argv[i], '=');
		if (value_is_secret(call->argv[i]) || (value && value_is_secret(value + 1)))
			return true;
	}
	return false;
}

static int load_config(const struct command *command, const char *path,
		       struct connector_config **out)
{
	switch (command->needs) {
	case NEEDS_NOTHING:
		return EXIT_ok;
	case NEEDS_CONFIG:
		return config_load_without_key(path, stderr, out);
	case NEEDS_KEY:
		return config_load(path, stderr, out);
	}
	return EXIT_bug;
}

static int serve(const struct call *call)
{
	struct connector_config *c = NULL;
	const char *name = call->argc ? call->argv[0] : "help";

	if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0)
		name = "help";
	else if (strcmp(name, "-V") == 0 || strcmp(name, "--version") == 0)
		name = "version";

	const struct command *command = find_command(name);

	if (!command)
		return usage("unknown command", name);
	if (command->function != cmd_show && command->function != cmd_watch && has_secret(call))
		return usage(
			"a secret on the command line can be read by every process; take another "
			"key, and name its file in key_file",
			NULL);

	int code = load_config(command, call->config, &c);

	if (!code)
		code = command->function(call->argc, call->argv, c);
	else if (command->function == cmd_reload)
		fprintf(stderr, "nothing was changed\n");
	config_free(&c);
	return code;
}

/* The supervisor may keep and change it until it returns; nobody else looks meanwhile. */
int cmd_run(int argc, char **argv, const struct connector_config *c)
{
	(void)argv;
	if (argc > 1)
		return usage("run takes no arguments", NULL);
	return supervisor_run((struct connector_config *)c, c->path);
}

int main(int argc, char **argv)
{
	struct call call;

	if (!open_call(argc, argv, &call))
		return usage("--config needs a file", NULL);
	return serve(&call);
}
