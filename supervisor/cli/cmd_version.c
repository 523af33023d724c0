/* cmd_version - what can be said without a configuration: version, explain, help. */

#include <stdlib.h>

#include "common/proc.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/document.h"

int cmd_version(int argc, char **argv, const struct connector_config *c)
{
	(void)c;
	if (argc > 1 && strcmp(argv[1], "--json") == 0)
		printf("{\"version\":\"%s\",\"build\":\"%s\"}\n", BUILD_VERSION, proc_build());
	else
		printf("kms-connector %s (build %s)\n", BUILD_VERSION, proc_build());
	return EXIT_ok;
}

int cmd_explain(int argc, char **argv, const struct connector_config *c)
{
	static const char *const levels[] = { "debug", "info", "warn", "error" };
	char code[16] = "";

	(void)c;
	if (argc != 2) {
		fprintf(stderr, "usage: kms-connector explain CODE, for example KC-L003\n");
		return EXIT_usage;
	}
	for (size_t i = 0; argv[1][i] && i < sizeof(code) - 1; i++)
		code[i] = (char)(argv[1][i] >= 'a' && argv[1][i] <= 'z' ? argv[1][i] - 32
									: argv[1][i]);

	const struct log_row *row = find_log_row(code);

	if (!row) {
		fprintf(stderr, "there is no code \"%.20s\"; codes look like KC-L003\n", argv[1]);
		return EXIT_usage;
	}
	printf("KC-%s %s (%s)\n%s\n", row->code, row->name, levels[row->level], row->text);
	printf("What to do: %s\n", *row->hint ? row->hint : "nothing");
	return EXIT_ok;
}

static void print_exits(void)
{
	printf("\nExit codes:\n");
#define X(code, name, text) printf("  %-4d %s\n", code, text);
	EXITS(X)
#undef X
}

static void print_commands(void)
{
	printf("usage: kms-connector [-c FILE] COMMAND [ARGUMENTS]\n\n"
	       "  -c, --config FILE   configuration (%s)\n\nCommands:\n", CONFIG_PATH_DEFAULT);
#define C(name, function, needs, arguments, text) \
	printf("  %-9s %-20s %s\n", name, arguments, text);
	COMMANDS(C)
#undef C
	print_exits();
}

/* What this version can do of an option; "" when everything. */
static const char *limit_of(const char *path)
{
#define U(key, accepted, text) \
	if (strcmp(path, key) == 0) \
		return *accepted ? "; only " accepted " in this version" : "; not in this version";
	UNSUPPORTED(U)
#undef U
	return "";
}

static void print_options(void)
{
	for (int i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &option_rows[i];

		printf("%s\n    %s", row->path, row->text);
		if (row->words)
			printf(" (%s)", row->words);
		if (!row->fallback)
			printf("; must be set");
		else if (*row->fallback)
			printf("; default %s", row->fallback);
		printf("%s\n", limit_of(row->path));
	}
}

int cmd_help(int argc, char **argv, const struct connector_config *c)
{
	(void)c;
	if (argc > 1 && strcmp(argv[1], "options") == 0)
		print_options();
	else
		print_commands();
	return EXIT_ok;
}
