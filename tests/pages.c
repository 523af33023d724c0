/*
 * pages - prints documentation from the tables, so that it cannot differ from the code:
 *
 *	kms-pages protocol	proto/PROTOCOL.md
 *	kms-pages man1		the manual of the command line
 *	kms-pages man5		the manual of the configuration file
 */

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/proc.h"
#include "proto/ipc.h"
#include "proto/limits.h"
#include "proto/options.h"
#include "supervisor/cli/commands.h"
#include "supervisor/monitor/routes.h"

static const char *const type_text[] = {
	[IPC_u64] = "u64", [IPC_b20] = "b20", [IPC_b32] = "b32", [IPC_u256] = "u256",
	[IPC_bytes] = "bytes", [IPC_blob] = "blob", [IPC_str] = "str",
};

static void print_message(const struct ipc_msg *m)
{
	printf("\n### 0x%02x `%s`: %s to %s\n\n%s", m->number, m->name, m->from, m->to, m->text);
	if (m->window)
		printf(" Window: %u.", m->window);
	printf("\n\n| field | type | limit | what it is |\n|---|---|---|---|\n");
	for (unsigned i = 0; i < m->fields; i++) {
		const struct ipc_field *f = &m->field[i];
		char limit[16] = "";
		if (f->limit)
			snprintf(limit, sizeof(limit), "%u", f->limit);
		printf("| %s | %s | %s | %s |\n", f->name, type_text[f->type], limit, f->text);
	}
}

static void print_protocol(void)
{
	printf("# The messages between our processes\n\n"
	       "Printed from `proto/ipc.h` by `make pages`; do not edit.\n\n"
	       "A packet on a `SOCK_SEQPACKET` socket is one msgpack array `[number, fields...]` in\n"
	       "canonical form, at most %d bytes. A blob over %d bytes travels as a sealed memfd.\n"
	       "A packet that is too long, not canonical, unknown or not for its socket closes the link.\n\n"
	       "| socket | listens | connects |\n|---|---|---|\n", IPC_PACKET_MAX, IPC_INLINE_MAX);
#define L(name, file, listens, connects) printf("| `%s` | %s | %s |\n", file, #listens, #connects);
	IPC_LINKS(L)
#undef L
	for (const struct ipc_msg *const *m = ipc_messages; *m; m++)
		print_message(*m);
}

/* Text for troff: no line may begin with a dot, a backslash is written \e. */
static void put(const char *s)
{
	if (*s == '.' || *s == '\'')
		fputs("\\&", stdout);
	for (; *s; s++) {
		if (*s == '\\')
			fputs("\\e", stdout);
		else if (*s == '-')
			fputs("\\-", stdout);
		else
			putchar(*s);
	}
}

static void item(const char *head, const char *text)
{
	printf(".TP\n.B ");
	put(head);
	putchar('\n');
	put(text);
	putchar('\n');
}

static void print_command(const char *name, const char *arguments, const char *text)
{
	char head[120];

	snprintf(head, sizeof(head), "%s %s", name, arguments);
	item(head, text);
}

static void print_route(const char *path, const char *query, const char *text)
{
	char head[200];

	snprintf(head, sizeof(head), "GET %s%s", path, query);
	item(head, text);
}

static void print_limit(const char *name, unsigned value, const char *text)
{
	char head[60];

	snprintf(head, sizeof(head), "%s %u", name, value);
	item(head, text);
}

static void print_man1(void)
{
	printf(".TH KMS-CONNECTOR 1 \"\" \"kms-connector " BUILD_VERSION "\"\n"
	       ".SH NAME\nkms-connector \\- answers requests of the gateway chain with this node's KMS Core\n"
	       ".SH SYNOPSIS\n.B kms-connector\n[\\-c FILE] COMMAND [ARGUMENTS]\n.SH COMMANDS\n");
#define C(name, function, needs, arguments, text) print_command(name, arguments, text);
	COMMANDS(C)
#undef C
	printf(".SH MONITOR\nOver HTTP at monitor.listen (127.0.0.1:9464), for reading only.\n");
#define R(path, answer, query, text) print_route(path, query, text);
	ROUTES(R)
#undef R
	printf(".SH LIMITS\nOf what is kept and told of the requests' changes of state and of the "
	       "contracts' events.\n");
#define L(name, value, text) print_limit(#name, value, text);
	LIMITS(L)
#undef L
	printf(".SH EXIT STATUS\n");
#define X(code, name, text) item(#code, text);
	EXITS(X)
#undef X
	printf(".SH LOG\nOne line for each change of state, on standard error. Codes:\n");
	for (unsigned i = 0; i < EV_COUNT; i++) {
		const struct log_row *r = log_row((enum log_event)i);
		char head[60];
		snprintf(head, sizeof(head), "KC-%s %s", r->code, r->name);
		item(head, r->text);
		if (*r->hint) {
			printf("What to do: ");
			put(r->hint);
			printf(".\n");
		}
	}
	printf(".SH SEE ALSO\n.BR kms-connector.yaml (5)\n");
}

static void print_option(const char *path, const char *type, const char *fallback, const char *text)
{
	printf(".TP\n.B ");
	put(path);
	printf("\n(%s) ", type);
	put(text);
	if (!fallback)
		printf(". It must be said");
	else if (*fallback) {
		printf(". Default: ");
		put(fallback);
	}
	printf(".\n");
}

static void print_man5(void)
{
	printf(".TH KMS-CONNECTOR.YAML 5 \"\" \"kms-connector " BUILD_VERSION "\"\n"
	       ".SH NAME\nkms-connector.yaml \\- configuration of kms-connector\n"
	       ".SH DESCRIPTION\nRead from " CONFIG_PATH_DEFAULT " or the file after \\-c. Any option can be set\n"
	       "in the environment as KMS_CONNECTOR_ and its path in upper case, levels joined by two\n"
	       "underscores. Durations, sizes and amounts carry their unit. \"kms-connector check\" prints\n"
	       "all errors at once.\n.SH OPTIONS\n");
#define O(name, path, type, limits, fallback, setting, children, text) \
	print_option(path, #type, fallback, text);
	OPTIONS(O)
#undef O
	printf(".SH SEE ALSO\n.BR kms-connector (1)\n");
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (strcmp(what, "protocol") == 0)
		print_protocol();
	else if (strcmp(what, "man1") == 0)
		print_man1();
	else if (strcmp(what, "man5") == 0)
		print_man5();
	else {
		fprintf(stderr, "usage: kms-pages protocol | man1 | man5\n");
		return EXIT_usage;
	}
	return EXIT_ok;
}
