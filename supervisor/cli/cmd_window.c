/* cmd_window - list, show, retry, drop, pause, continue: what an operator asks the executor. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "common/opid.h"
#include "common/window.h"
#include "proto/operations.h"
#include "proto/states.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/talk.h"

#define ROW_BYTES 8192

static struct talk talk;	/* one for each run of a command; 128 KiB */

static int usage(const char *text)
{
	fprintf(stderr, "usage: kms-connector %s\n", text);
	return EXIT_usage;
}

/* Running, connected; a line on standard error if not. */
static enum exit_code begin(const struct connector_config *c)
{
	char why[256];
	pid_t pid;
	enum exit_code code = talk_find(c, &pid);

	if (code)
		return code;
	code = talk_open(&talk, c, why, sizeof(why));
	if (code)
		fprintf(stderr, "kms-connector: %s\n", why);
	return code;
}

static int broken(enum err e)
{
	fprintf(stderr, "kms-connector: the executor did not answer: %s\n", err_text(e));
	talk_close(&talk);
	return EXIT_online;
}

/* Rows to ON_ROW until done; *done_out then holds count and text (borrowed from talk). */
static enum err take_rows(void (*on_row)(const struct msg_row *m, void *owner), void *owner,
			  struct msg_done *done_out)
{
	for (;;) {
		struct ipc_frame f;
		struct msg_row row;
		enum err e = talk_next(&talk, &f);

		if (!e && f.msg == &ipc_done)
			return wire_decode(&f, done_out);
		if (!e && f.msg == &ipc_row) {
			e = wire_decode(&f, &row);
			if (!e && on_row)
				on_row(&row, owner);
		}
		if (e)
			return e;
	}
}

/* Printing a list. */

struct list {
	bool json;
	unsigned rows;
	uint64_t last_op;
};

static void print_time(uint64_t unix_ms, char out[24])
{
	time_t t = (time_t)(unix_ms / 1000);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, 24, "%Y-%m-%d %H:%M:%S", &tm);
}

static void print_json(const struct msg_row *m, bool first)
{
	struct text t;

	text_init(&t, ROW_BYTES);
	window_row(&t, m);
	printf("%s%s", first ? "" : ",\n", t.len ? t.p : "null");
	text_fini(&t);
}

static void on_list_row(const struct msg_row *m, void *owner)
{
	struct list *l = owner;
	char id[OPID_TEXT], reason[201], when[24];
	const char *state = state_name(m->state);

	l->last_op = m->op;
	if (l->json) {
		print_json(m, l->rows++ == 0);
		return;
	}
	if (l->rows++ == 0)
		printf("%-24s %-11s %-20s %s\n", "request", "state", "changed (UTC)", "reason");
	print_time(m->at_ms, when);
	printf("%-24s %-11s %-20s %s\n", opid_text(m->kind, &m->id, id), state ? state : "unknown",
	       when, wire_text(m->reason, reason, sizeof(reason)));
}

/* Value of the option at argv[*i] ("--state held" or "--state=held"); NULL when it is another. */
static const char *option(int argc, char **argv, int *i, const char *name)
{
	size_t len = strlen(name);

	if (strncmp(argv[*i], name, len) != 0)
		return NULL;
	if (argv[*i][len] == '=')
		return argv[*i] + len + 1;
	if (argv[*i][len] != 0 || *i + 1 >= argc)
		return NULL;
	return argv[++*i];
}

static bool parse_kind(const char *word, uint64_t *out)
{
	*out = (uint64_t)op_by_name(word);
	if (!*out)
		*out = (uint64_t)op_by_prefix(word, (unsigned)strlen(word));
	return *out != 0;
}

static bool parse_number(const char *word, uint64_t *out)
{
	char *rest;

	errno = 0;
	*out = strtoull(word, &rest, 10);
	return *word >= '0' && *word <= '9' && *rest == 0 && errno == 0;
}

static bool parse_limit(const char *word, uint64_t *out)
{
	return parse_number(word, out) && *out >= 1 && *out <= 1000;
}

static bool parse_list(int argc, char **argv, struct msg_query *q, bool *json)
{
	for (int i = 1; i < argc; i++) {
		const char *v;

		if (strcmp(argv[i], "--json") == 0)
			*json = true;
		else if ((v = option(argc, argv, &i, "--state"))) {
			q->state = (uint64_t)state_by_name(v);
			if (!q->state)
				return false;
		} else if ((v = option(argc, argv, &i, "--kind"))) {
			if (!parse_kind(v, &q->kind))
				return false;
		} else if (!(v = option(argc, argv, &i, "--limit")) || !parse_limit(v, &q->limit)) {
			return false;
		}
	}
	return true;
}

/* All rows of a query, each by ON_ROW(row, L). */
static int print_rows(const struct connector_config *c, struct msg_query *q,
		      void (*on_row)(const struct msg_row *m, void *owner), struct list *l)
{
	struct msg_done done;
	enum exit_code code = begin(c);

	if (code)
		return (int)code;
	q->tag = talk.tag;
	enum err e = talk_send(&talk, &ipc_query, q);
	if (e)
		return broken(e);
	if (l->json)
		printf("{\"requests\":[");
	e = take_rows(on_row, l, &done);
	if (l->json)
		printf("]}\n");
	if (e)
		return broken(e);
	talk_close(&talk);
	return EXIT_ok;
}

int cmd_list(int argc, char **argv, const struct connector_config *c)
{
	struct msg_query q = { .what = 3, .limit = 50 };
	struct list l = { .json = false };

	if (!parse_list(argc, argv, &q, &l.json))
		return usage("list [--state STATE] [--kind KIND] [--limit 1..1000] [--json]");
	int code = print_rows(c, &q, on_list_row, &l);
	if (!code && l.rows == 0 && !l.json)
		printf("no requests\n");
	return code;
}

/* Printing one request. */

static void line_ms(const char *name, uint64_t ms)
{
	if (ms)
		printf("%-13s %" PRIu64 " ms\n", name, ms);
}

static void line_time(const char *name, uint64_t unix_ms)
{
	char when[24];

	if (!unix_ms)
		return;
	print_time(unix_ms, when);
	printf("%-13s %s UTC\n", name, when);
}

/* One word a line: digests are long. */
static void print_words(const char *name, struct bytes text)
{
	for (size_t at = 0, end; at < text.len; at = end + 1, name = "") {
		for (end = at; end < text.len && text.p[end] != ' '; end++)
			;
		printf("%-13s %.*s\n", name, (int)(end - at), (const char *)text.p + at);
	}
}

static void print_request(const struct msg_row *m)
{
	char id[OPID_TEXT], text[201], hex[67];
	const char *name = op_name(m->kind), *state = state_name(m->state);
	const char *means = state_text(m->state);

	printf("%-13s %s\n", "request", opid_text(m->kind, &m->id, id));
	printf("%-13s %s on chain %" PRIu64 ", operation %" PRIu64 "\n", "kind",
	       name ? name : "unknown", m->chain, m->op);
	printf("%-13s %s: %s\n", "state", state ? state : "unknown", means ? means : "");
	if (m->reason.len)
		printf("%-13s %s\n", "reason", wire_text(m->reason, text, sizeof(text)));
	line_time("seen", m->seen_ms);
	line_time("changed", m->at_ms);
	line_time("next attempt", m->next_ms);
	if (m->attempts)
		printf("%-13s %" PRIu64 "\n", "attempts", m->attempts);
	printf("%-13s block %" PRIu64 "\n", "event", m->block);
	line_ms("ciphertexts", m->fetch_ms);
	line_ms("Core", m->core_ms);
	line_ms("sending", m->send_ms);
	if (!b32_is_zero(&m->result_id))
		printf("%-13s id %s\n", "result", hex_encode0x(BYTES_OF(m->result_id.b), hex));
	print_words("Core proved", m->result);
	if (b32_is_zero(&m->tx))
		return;
	printf("%-13s %s nonce %" PRIu64, "transaction", hex_encode0x(BYTES_OF(m->tx.b), hex),
	       m->nonce);
	if (m->tx_block)
		printf(" in block %" PRIu64 "\n", m->tx_block);
	else
		printf(", not in a block yet\n");
}

static void on_show_row(const struct msg_row *m, void *owner)
{
	struct list *l = owner;

	if (l->json)
		print_json(m, l->rows == 0);
	else {
		if (l->rows)
			printf("\n");	/* an earlier version of the same id */
		print_request(m);
	}
	l->rows++;
}

/* ID at argv[1]; a line on standard error if it is none. */
static bool parse_id(const char *word, uint64_t *kind, struct b32 *id)
{
	enum err e = opid_parse(word, kind, id);

	if (!e)
		return true;
	fprintf(stderr, "kms-connector: %s: %s; an id looks like public-7 or keygen-0x1234\n", word,
		e == ERR_UNKNOWN ? "no kind of request has this prefix" : err_text(e));
	return false;
}

int cmd_show(int argc, char **argv, const struct connector_config *c)
{
	struct msg_query q = { .what = 2, .limit = 20 };
	struct list l = { .json = false };
	const char *word = NULL;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			l.json = true;
		else if (word || argv[i][0] == '-')
			return usage("show ID [--json]");
		else
			word = argv[i];
	}
	if (!word)
		return usage("show ID [--json]");
	if (!parse_id(word, &q.kind, &q.id))
		return EXIT_usage;
	int code = print_rows(c, &q, on_show_row, &l);
	if (code || l.rows)
		return code;
	if (!l.json)
		fprintf(stderr, "kms-connector: no request %s\n", word);
	return EXIT_degraded;
}

/* Commands that change something: sent, then the executor's sentence. */
static int command(const struct connector_config *c, const struct ipc_msg *msg, const void *m,
		   const char *verb)
{
	struct msg_done done;
	char text[201];
	enum exit_code code = begin(c);

	if (code)
		return (int)code;
	enum err e = talk_send(&talk, msg, m);
	e = e ? e : take_rows(NULL, NULL, &done);
	if (e)
		return broken(e);
	wire_text(done.text, text, sizeof(text));
	if (*text)
		fprintf(stderr, "%s: %s\n", verb, text);
	else if (msg == &ipc_retry)
		printf("%s: %" PRIu64 " request%s\n", verb, done.count, done.count == 1 ? "" : "s");
	else
		printf("%s: done\n", verb);
	talk_close(&talk);
	return *text ? EXIT_degraded : EXIT_ok;
}

int cmd_retry(int argc, char **argv, const struct connector_config *c)
{
	struct msg_retry m = { .tag = 1 };

	if (argc != 2)
		return usage("retry ID | --all");
	if (strcmp(argv[1], "--all") != 0 && !parse_id(argv[1], &m.kind, &m.id))
		return EXIT_usage;
	return command(c, &ipc_retry, &m, "retry");
}

int cmd_drop(int argc, char **argv, const struct connector_config *c)
{
	struct msg_drop m = { .tag = 1 };

	if (argc != 2)
		return usage("drop ID");
	if (!parse_id(argv[1], &m.kind, &m.id))
		return EXIT_usage;
	return command(c, &ipc_drop, &m, "drop");
}

static bool parse_stage(int argc, char **argv, struct bytes *out)
{
	if (argc != 2 || (strcmp(argv[1], "core") != 0 && strcmp(argv[1], "sending") != 0))
		return false;
	*out = BYTES(argv[1], strlen(argv[1]));
	return true;
}

int cmd_pause(int argc, char **argv, const struct connector_config *c)
{
	struct msg_halt m = { .tag = 1 };

	if (!parse_stage(argc, argv, &m.stage))
		return usage("pause core | sending");
	return command(c, &ipc_halt, &m, "pause");
}

int cmd_continue(int argc, char **argv, const struct connector_config *c)
{
	struct msg_proceed m = { .tag = 1 };

	if (!parse_stage(argc, argv, &m.stage))
		return usage("continue core | sending");
	return command(c, &ipc_proceed, &m, "continue");
}

int cmd_rewind(int argc, char **argv, const struct connector_config *c)
{
	struct msg_reread m = { .tag = 1 };
	bool has_block = false;
	const char *v;

	for (int i = 1; i < argc; i++) {
		if ((v = option(argc, argv, &i, "--to")))
			has_block = parse_number(v, &m.block);
		else if (!(v = option(argc, argv, &i, "--chain")) || !parse_number(v, &m.chain))
			return usage("rewind --to BLOCK [--chain ID]");
	}
	if (!has_block)
		return usage("rewind --to BLOCK [--chain ID]");
	return command(c, &ipc_reread, &m, "rewind");
}
