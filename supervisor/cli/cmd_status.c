/* cmd_status - what runs, what is paused, what needs you. */

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/window.h"
#include "proto/counters.h"
#include "supervisor/board.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/talk.h"

#define STAGES_MAX   8
#define FIGURES_MAX  128
#define PATIENCE_MS  (10u * 60 * 1000)	/* what has not cleared by itself then wants a look */
#define SENTENCES    8192

struct status {
	struct board board;
	bool answered;			/* by the executor */
	char silence[256];		/* why not */
	struct stage_seen { char name[17], why[201], clears[201]; uint64_t state, since_ms; }
		stage[STAGES_MAX];
	struct figure_seen { char name[49], value[81]; } figure[FIGURES_MAX];
	unsigned stages, figures;
	uint64_t held;
	struct text needs, degraded;	/* sentences, one in a line */
};

static struct status status;	/* too large for a frame */
static struct talk talk;

/* Asking. */

static void see_stage(struct status *s, const struct msg_stage *m)
{
	if (s->stages == STAGES_MAX)
		return;
	struct stage_seen *g = &s->stage[s->stages++];

	wire_text(m->name, g->name, sizeof(g->name));
	wire_text(m->why, g->why, sizeof(g->why));
	wire_text(m->clears, g->clears, sizeof(g->clears));
	g->state = m->state;
	g->since_ms = m->since_ms;
}

static void see_figure(struct status *s, const struct msg_figure *m)
{
	if (s->figures == FIGURES_MAX)
		return;
	struct figure_seen *f = &s->figure[s->figures++];

	wire_text(m->name, f->name, sizeof(f->name));
	wire_text(m->value, f->value, sizeof(f->value));
}

/* One question and everything up to its done. */
static enum err ask(struct status *s, const struct msg_query *q)
{
	enum err e = talk_send(&talk, &ipc_query, q);

	while (!e) {
		struct ipc_frame f;
		struct msg_stage stage;
		struct msg_figure figure;
		struct msg_done done;

		e = talk_next(&talk, &f);
		if (e)
			break;
		if (f.msg == &ipc_stage && !(e = wire_decode(&f, &stage)))
			see_stage(s, &stage);
		else if (f.msg == &ipc_figure && !(e = wire_decode(&f, &figure)))
			see_figure(s, &figure);
		else if (f.msg == &ipc_done)
			return wire_decode(&f, &done);
	}
	return e;
}

static void ask_executor(struct status *s, const struct connector_config *c)
{
	struct msg_query what = { .tag = 1, .what = 1, .limit = 1 };
	const struct board_child *b = &s->board.child[ROLE_EXECUTOR];

	/* Its socket takes connections all the same: nobody would answer. */
	if (b->present && (strcmp(b->state, "waiting") == 0 || strcmp(b->state, "resting") == 0)) {
		snprintf(s->silence, sizeof(s->silence), "the executor does not run");
		return;
	}
	if (talk_open(&talk, c, s->silence, sizeof(s->silence)))
		return;
	enum err e = ask(s, &what);
	if (e)
		snprintf(s->silence, sizeof(s->silence), "the executor does not answer (%s)",
			 err_text(e));
	else
		s->answered = true;
	talk_close(&talk);
}

/* Judging. */

/* Value of a figure; "" when the executor did not say it. */
static const char *figure_of(const struct status *s, const char *name)
{
	for (unsigned i = 0; i < s->figures; i++)
		if (strcmp(s->figure[i].name, name) == 0)
			return s->figure[i].value;
	return "";
}

static const char *span(uint64_t ms, char out[24])
{
	uint64_t s = ms / 1000;

	if (s < 100)
		snprintf(out, 24, "%" PRIu64 " s", s);
	else if (s < 6000)
		snprintf(out, 24, "%" PRIu64 " min", s / 60);
	else if (s < 172800)
		snprintf(out, 24, "%" PRIu64 " h", s / 3600);
	else
		snprintf(out, 24, "%" PRIu64 " d", s / 86400);
	return out;
}

static uint64_t since(uint64_t unix_ms)
{
	uint64_t now_ms = clock_unix_ms();

	return now_ms > unix_ms ? now_ms - unix_ms : 0;
}

static void judge_child(struct status *s, const char *name, const struct board_child *b)
{
	const char *colon = *b->text ? ": " : "";

	if (strcmp(b->state, "ready") == 0) {
		if (*b->text)	/* it works, but for this */
			text_add(&s->degraded, "%s: %s\n", name, b->text);
		return;
	}
	if (strncmp(b->text, NOTE_DISK_FULL, strlen(NOTE_DISK_FULL)) == 0)
		text_add(&s->needs, "%s: %s: make room on the file system of data_dir\n", name,
			 NOTE_DISK_FULL);
	else if (strcmp(b->state, "waiting") == 0)
		text_add(&s->needs, "%s cannot run with this configuration (%s): read its last log "
			 "line, correct it, kms-connector reload\n", name, b->text);
	else if (strcmp(b->state, "starting") == 0)
		text_add(&s->degraded, "%s cannot do its work yet%s%s\n", name, colon, b->text);
	else
		text_add(&s->degraded, "%s is %s%s%s\n", name, b->state, colon, b->text);
}

/* What clears only when somebody does something wants that at once, all else after a while. */
static bool wants_somebody(const struct stage_seen *g)
{
	static const char *const deeds[] = { "is funded", "lists this node" };

	for (size_t i = 0; i < ARRAY_LEN(deeds); i++)
		if (strstr(g->clears, deeds[i]))
			return true;
	return false;
}

static void judge_stage(struct status *s, const struct stage_seen *g)
{
	char age[24];

	if (g->state == 1)
		return;
	if (g->state == 3) {
		text_add(&s->needs, "%s is paused by an operator: kms-connector continue %s\n",
			 g->name, g->name);
		return;
	}
	bool old = g->since_ms && since(g->since_ms) >= PATIENCE_MS;
	text_add(old || wants_somebody(g) ? &s->needs : &s->degraded, "%s is paused%s%s: %s%s%s\n", g->name,
		 g->since_ms ? " for " : "", g->since_ms ? span(since(g->since_ms), age) : "",
		 g->why, *g->clears ? "; clears " : "", g->clears);
}

static void judge(struct status *s)
{
	for (int role = 0; role < ROLE_COUNT; role++)
		if (s->board.child[role].present)
			judge_child(s, ipc_role_name((enum ipc_role)role), &s->board.child[role]);
	if (!s->answered)
		text_add(&s->degraded, "%s\n", s->silence);
	for (unsigned i = 0; i < s->stages; i++)
		judge_stage(s, &s->stage[i]);
	if (strcmp(figure_of(s, "registered"), "no") == 0)
		text_add(&s->needs, "the chain does not list this node: register its account %s "
			 "with identity kms_signer_address\n", figure_of(s, "account"));
	s->held = strtoull(figure_of(s, "requests_held"), NULL, 10);
	if (s->held)
		text_add(&s->needs, "%" PRIu64 " request%s held: kms-connector list --state held\n",
			 s->held, s->held == 1 ? " is" : "s are");
}

/* Printing. */

/* Up to CAP - 1 bytes of /proc/PID/NAME as text. */
static bool read_proc(pid_t pid, const char *name, char *out, size_t cap)
{
	char path[60];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, out, cap - 1);
	close(fd);
	out[n > 0 ? n : 0] = 0;
	return n > 0;
}

/* Its share of the machine's memory (PSS) where we may see it, else what is resident. */
static uint64_t memory_of(pid_t pid)
{
	char text[2048];
	unsigned long n;
	const char *pss = read_proc(pid, "smaps_rollup", text, sizeof(text))
		? strstr(text, "\nPss:") : NULL;

	if (pss && sscanf(pss, "\nPss: %lu", &n) == 1)
		return (uint64_t)n * 1024;
	if (read_proc(pid, "statm", text, sizeof(text)) && sscanf(text, "%*u %lu", &n) == 1)
		return (uint64_t)n * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

/* Sentences of T as lines: the first after LABEL, the others below it. */
static void print_sentences(const char *label, const struct text *t)
{
	const char *p = t->len ? t->p : "";

	for (bool first = true; *p; first = false) {
		size_t len = strcspn(p, "\n");
		printf("%*s%.*s\n", (int)strlen(label), first ? label : "", (int)len, p);
		p += len + (p[len] == '\n');
	}
}

static void print_process(const char *name, const char *state, pid_t pid, uint64_t restarts,
			  uint64_t since_ms, const char *text)
{
	char age[24] = "-", memory[24] = "-", number[16] = "-";

	if (pid) {
		span(since(since_ms), age);
		snprintf(memory, sizeof(memory), "%.1f MiB", (double)memory_of(pid) / 1048576);
		snprintf(number, sizeof(number), "%d", (int)pid);
	}
	printf("%-11s %-10s %8s %9" PRIu64 " %8s %10s  %s\n", name, state, number, restarts, age,
	       memory, text);
}

static void print_text(const struct status *s)
{
	if (!s->needs.len)
		printf("needs you: nothing\n");
	print_sentences("needs you: ", &s->needs);
	print_sentences("degraded:  ", &s->degraded);
	if (s->stages)
		printf("\n%-11s %-22s %s\n", "stage", "state", "since");
	for (unsigned i = 0; i < s->stages; i++) {
		char age[24] = "";
		if (s->stage[i].since_ms)
			span(since(s->stage[i].since_ms), age);
		printf("%-11s %-22s %s\n", s->stage[i].name, window_stage_state(s->stage[i].state),
		       age);
	}
	if (s->figures)
		printf("\n");
	for (unsigned i = 0; i < s->figures; i++)
		printf("%-22s %s\n", s->figure[i].name, s->figure[i].value);
	printf("\n%-11s %-10s %8s %9s %8s %10s\n", "process", "state", "pid", "restarts", "up",
	       "memory");
	print_process("supervisor", "ready", s->board.pid, 0, s->board.since_ms, "");
	for (int role = 0; role < ROLE_COUNT; role++) {
		const struct board_child *b = &s->board.child[role];
		if (b->present)
			print_process(ipc_role_name((enum ipc_role)role), b->state, b->pid,
				      b->restarts, b->since_ms, b->text);
	}
}

static void json_sentences(struct text *t, const char *name, const struct text *sentences)
{
	const char *p = sentences->len ? sentences->p : "", *comma = "";

	text_add(t, "\"%s\":[", name);
	while (*p) {
		size_t len = strcspn(p, "\n");
		text_add(t, "%s", comma);
		text_json(t, BYTES(p, len));
		comma = ",";
		p += len + (p[len] == '\n');
	}
	text_add(t, "],");
}

static void json_processes(struct text *t, const struct board *b)
{
	text_add(t, "\"processes\":[{\"name\":\"supervisor\",\"state\":\"ready\",\"pid\":%d,"
		 "\"restarts\":0,\"since_ms\":%" PRIu64 ",\"memory\":%" PRIu64 ",\"note\":\"\"}",
		 (int)b->pid, b->since_ms, memory_of(b->pid));
	for (int role = 0; role < ROLE_COUNT; role++) {
		const struct board_child *p = &b->child[role];
		if (!p->present)
			continue;
		text_add(t, ",{\"name\":\"%s\",\"state\":\"%s\",\"pid\":%d,\"restarts\":%" PRIu64
			 ",\"since_ms\":%" PRIu64 ",\"memory\":%" PRIu64 ",\"note\":",
			 ipc_role_name((enum ipc_role)role), p->state, (int)p->pid, p->restarts,
			 p->since_ms, p->pid ? memory_of(p->pid) : 0);
		text_json(t, bytes_str(p->text));
		text_add(t, "}");
	}
	text_add(t, "]");
}

static void print_json(const struct status *s)
{
	struct text t;

	text_init(&t, 1u << 20);
	text_add(&t, "{");
	json_sentences(&t, "needs_you", &s->needs);
	json_sentences(&t, "degraded", &s->degraded);
	text_add(&t, "\"executor\":%s,\"held\":%" PRIu64 ",\"stages\":[",
		 s->answered ? "true" : "false", s->held);
	for (unsigned i = 0; i < s->stages; i++) {
		const struct stage_seen *g = &s->stage[i];
		struct msg_stage m = { .name = bytes_str(g->name), .state = g->state,
				       .since_ms = g->since_ms, .why = bytes_str(g->why),
				       .clears = bytes_str(g->clears) };
		text_add(&t, "%s", i ? "," : "");
		window_stage(&t, &m);
	}
	text_add(&t, "],\"figures\":{");
	for (unsigned i = 0; i < s->figures; i++) {
		struct msg_figure m = { .name = bytes_str(s->figure[i].name),
					.value = bytes_str(s->figure[i].value) };
		text_add(&t, "%s", i ? "," : "");
		window_figure(&t, &m);
	}
	text_add(&t, "},");
	json_processes(&t, &s->board);
	text_add(&t, "}\n");
	fputs(t.len ? t.p : "{}\n", stdout);
	text_fini(&t);
}

int cmd_status(int argc, char **argv, const struct connector_config *c)
{
	bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
	pid_t pid;

	if (argc > 2 || (argc == 2 && !json)) {
		fprintf(stderr, "usage: kms-connector status [--json]\n");
		return EXIT_usage;
	}
	enum exit_code code = talk_find(c, &pid);
	if (code)
		return (int)code;
	text_init(&status.needs, SENTENCES);
	text_init(&status.degraded, SENTENCES);
	if (board_read(c->runtime_dir, &status.board) != OK || status.board.pid != pid)
		text_add(&status.degraded, "the supervisor (pid %d) is starting\n", (int)pid);
	ask_executor(&status, c);
	judge(&status);
	if (json)
		print_json(&status);
	else
		print_text(&status);
	code = status.needs.len ? EXIT_needs_you : status.degraded.len ? EXIT_degraded : EXIT_ok;
	text_fini(&status.needs);
	text_fini(&status.degraded);
	return (int)code;
}
