/* cmd_window - list, show, retry, drop, pause, continue: what an operator asks the executor. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/loop.h"
#include "common/opid.h"
#include "common/window.h"
#include "proto/limits.h"
#include "proto/operations.h"
#include "proto/states.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/rows.h"
#include "supervisor/cli/talk.h"
#include "supervisor/cli/value.h"

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

/* What is done with the parts of an answer; either may be NULL. */
struct taker {
	void (*on_row)(const struct msg_row *m, void *owner);
	void (*on_change)(const struct msg_change *m, void *owner);
	void *owner;
};

/* Parts to TAKER until done; *done_out then holds count and text (borrowed from talk). */
static enum err take_rows(const struct taker *t, struct msg_done *done_out)
{
	for (;;) {
		struct ipc_frame f;
		struct msg_row row;
		struct msg_change change;
		enum err e = talk_next(&talk, &f);

		if (!e && f.msg == &ipc_done)
			return wire_decode(&f, done_out);
		if (!e && f.msg == &ipc_row && t->on_row && !(e = wire_decode(&f, &row)))
			t->on_row(&row, t->owner);
		if (!e && f.msg == &ipc_change && t->on_change && !(e = wire_decode(&f, &change)))
			t->on_change(&change, t->owner);
		if (e)
			return e;
	}
}

/* Printing a list. */

struct list {
	bool json;
	unsigned rows, steps;
	bool in_history;		/* of the last row */
};

static void print_json(void (*write)(struct text *t, const struct msg_row *m), const struct msg_row *m,
		       bool first)
{
	struct text t;

	text_init(&t, ROWS_BYTES);
	write(&t, m);
	printf("%s%s", first ? "" : ",\n", t.len ? t.p : "null");
	text_fini(&t);
}

static void on_list_row(const struct msg_row *m, void *owner)
{
	struct list *l = owner;
	char id[OPID_TEXT], reason[201], when[ROWS_TIME];
	const char *state = state_name(m->state);

	if (l->json) {
		print_json(window_row, m, l->rows++ == 0);
		return;
	}
	if (l->rows++ == 0)
		printf("%-24s %-11s %-20s %s\n", "request", "state", "changed (UTC)", "reason");
	printf("%-24s %-11s %-20s %s\n", opid_text(m->kind, &m->id, id), state ? state : "unknown",
	       rows_time(m->at_ms, when), wire_text(m->reason, reason, sizeof(reason)));
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

/* An age such as 2h, or Unix milliseconds. */
static bool parse_when(const char *word, uint64_t *out)
{
	static const struct option_row row = { .path = "", .type = OPT_TYPE_start };
	struct parsed p = { .is_age = false };
	struct why why;

	if (!value_parse(&row, word, &p, &why))
		return false;
	*out = p.is_age ? clock_unix_ms() - p.age_s * 1000 : p.number;
	return *out < 1ull << 53;
}

static bool parse_state(const char *word, uint64_t *out)
{
	*out = (uint64_t)state_by_name(word);
	return *out != 0;
}

static bool parse_limit(const char *word, uint64_t *out)
{
	return parse_number(word, out) && *out >= 1 && *out <= LIMIT_LIST_ROWS;
}

static bool parse_before(const char *word, uint64_t *out)
{
	return parse_number(word, out) && *out >= 1;
}

/* option, how it is read, where it goes */
#define LIST_OPTIONS(O) \
	O("--state",  parse_state,  state) \
	O("--kind",   parse_kind,   kind) \
	O("--since",  parse_when,   since_ms) \
	O("--until",  parse_when,   until_ms) \
	O("--before", parse_before, before) \
	O("--limit",  parse_limit,  limit)

/* False when it is none of them, or not rightly said. */
static bool parse_list_option(int argc, char **argv, int *i, struct msg_query *q)
{
	const char *v;

#define O(name, parse, field) \
	if ((v = option(argc, argv, i, name))) \
		return parse(v, &q->field);
	LIST_OPTIONS(O)
#undef O
	v = option(argc, argv, i, "--reason");
	if (!v || strlen(v) > 80 || strpbrk(v, "\n\r\t\x1b\x7f"))
		return false;
	q->reason = bytes_str(v);
	return true;
}

static bool parse_list(int argc, char **argv, struct msg_query *q, bool *json)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			*json = true;
		else if (!parse_list_option(argc, argv, &i, q))
			return false;
	}
	return true;
}

/* A filter that little fits is answered a part at a time. */
static enum err take_page(struct msg_query *q, struct list *l, struct msg_done *done_out)
{
	const struct taker t = { .on_row = on_list_row, .owner = l };
	enum err e;

	do {
		q->tag = ++talk.tag;
		e = talk_send(&talk, &ipc_query, q);
		e = e ? e : take_rows(&t, done_out);
		if (e)
			return e;
		q->limit -= done_out->count;
		q->before = done_out->next;
	} while (q->limit && q->before);
	return OK;
}

static void end_list(const struct list *l, uint64_t next)
{
	if (l->json && next)
		printf("],\"next\":%" PRIu64 "}\n", next);
	else if (l->json)
		printf("],\"next\":null}\n");
	else if (next)
		printf("there are more: --before %" PRIu64 "\n", next);
	else if (l->rows == 0)
		printf("no requests\n");
}

int cmd_list(int argc, char **argv, const struct connector_config *c)
{
	struct msg_query q = { .what = 3, .limit = 50 };
	struct list l = { .json = false };
	struct msg_done done;

	if (!parse_list(argc, argv, &q, &l.json))
		return usage("list [--state STATE] [--kind KIND] [--since AGE] [--until AGE] "
			     "[--reason TEXT] [--before N] [--limit 1..1000] [--json]");
	enum exit_code code = begin(c);
	if (code)
		return (int)code;
	if (l.json)
		printf("{\"requests\":[");
	enum err e = take_page(&q, &l, &done);
	if (e) {
		if (l.json)
			printf("]}\n");
		return broken(e);
	}
	end_list(&l, q.before);
	talk_close(&talk);
	return EXIT_ok;
}

/* Printing one request. */

static void line_ms(const char *name, uint64_t ms)
{
	if (ms)
		printf("%-13s %" PRIu64 " ms\n", name, ms);
}

static void line_time(const char *name, uint64_t unix_ms)
{
	char when[ROWS_TIME];

	if (unix_ms)
		printf("%-13s %s UTC\n", name, rows_time(unix_ms, when));
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

/* The history of a row comes after it. */
static void end_history(struct list *l)
{
	if (l->in_history && l->json)
		printf("]}");
	l->in_history = false;
}

static void on_show_row(const struct msg_row *m, void *owner)
{
	struct list *l = owner;

	end_history(l);
	if (l->json)
		print_json(window_row_begin, m, l->rows == 0);
	else {
		if (l->rows)
			printf("\n");	/* an earlier version of the same id */
		print_request(m);
	}
	l->rows++;
	l->steps = 0;
	l->in_history = true;
}

static void on_show_change(const struct msg_change *m, void *owner)
{
	struct list *l = owner;
	struct text t;

	if (l->json) {
		text_init(&t, ROWS_BYTES);
		window_change(&t, m);
		printf("%s%s", l->steps ? "," : "", t.len ? t.p : "null");
		text_fini(&t);
	} else {
		printf("%-13s ", l->steps ? "" : "history");
		rows_print_change(m, false);
	}
	l->steps++;
}

int cmd_show(int argc, char **argv, const struct connector_config *c)
{
	struct msg_query q = { .what = 2, .limit = 20 };
	struct list l = { .json = false };
	const struct taker t = { .on_row = on_show_row, .on_change = on_show_change, .owner = &l };
	struct msg_done done;
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
	if (!rows_parse_id(word, &q.kind, &q.id))
		return EXIT_usage;
	enum exit_code code = begin(c);
	if (code)
		return (int)code;
	q.tag = talk.tag;
	enum err e = talk_send(&talk, &ipc_query, &q);
	if (l.json && !e)
		printf("{\"requests\":[");
	e = e ? e : take_rows(&t, &done);
	end_history(&l);
	if (l.json)
		printf("]}\n");
	if (e)
		return broken(e);
	talk_close(&talk);
	if (l.rows == 0 && !l.json)
		fprintf(stderr, "kms-connector: no request %s\n", word);
	return l.rows ? EXIT_ok : EXIT_degraded;
}

/* Commands that change something: sent, then the executor's sentence. */
static int command(const struct connector_config *c, const struct ipc_msg *msg, const void *m,
		   const char *verb)
{
	const struct taker none = { .owner = NULL };
	struct msg_done done;
	char text[201];
	enum exit_code code = begin(c);

	if (code)
		return (int)code;
	enum err e = talk_send(&talk, msg, m);
	e = e ? e : take_rows(&none, &done);
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
	if (strcmp(argv[1], "--all") != 0 && !rows_parse_id(argv[1], &m.kind, &m.id))
		return EXIT_usage;
	return command(c, &ipc_retry, &m, "retry");
}

int cmd_drop(int argc, char **argv, const struct connector_config *c)
{
	struct msg_drop m = { .tag = 1 };

	if (argc != 2)
		return usage("drop ID");
	if (!rows_parse_id(argv[1], &m.kind, &m.id))
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
