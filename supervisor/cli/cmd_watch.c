/*
 * cmd_watch - changes of state as they happen, from the executor's own record.
 *
 * It knows how far it has heard; when the executor is restarted it goes on there.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include "common/loop.h"
#include "common/window.h"
#include "proto/limits.h"
#include "proto/states.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/rows.h"
#include "supervisor/cli/talk.h"

#define AGAIN_MS    200			/* between two attempts at an executor that is away */
#define PATIENCE_MS 30000		/* with a connector that does not run any more */
#define WAIT_MS     (3600u * 1000)	/* one wait for news; then another */

struct watch {
	const struct connector_config *config;
	bool json, one;			/* one: of this request only */
	uint64_t kind;
	struct b32 id;
	bool has_from;			/* FROM is where it has heard to */
	uint64_t from;
	bool told_past;			/* what was recorded of it before we came */
	uint64_t op, state;		/* the newest version of it; 0: none was seen */
	bool away;			/* said */
};

static struct talk talk;		/* 128 KiB */
static volatile sig_atomic_t stop;

static void on_signal(int signo)
{
	(void)signo;
	stop = 1;
}

/* Signals come while we wait and at no other time: no line is cut in the middle. */
static void open_signals(void)
{
	static sigset_t old;
	struct sigaction act = { .sa_handler = on_signal };
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigprocmask(SIG_BLOCK, &ours, &old);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	talk.stop = &stop;
	talk.mask = &old;
}

static void print_change(const struct watch *w, const struct msg_change *m)
{
	struct text t;

	if (!w->json) {
		rows_print_change(m, true);
	} else {
		text_init(&t, ROWS_BYTES);
		window_change(&t, m);
		printf("%s\n", t.len ? t.p : "null");
		text_fini(&t);
	}
	fflush(stdout);
}

static void take_change(struct watch *w, const struct msg_change *m)
{
	if (w->one && (m->kind != w->kind || !b32_eq(&m->id, &w->id)))
		return;
	print_change(w, m);
	if (m->op >= w->op) {
		w->op = m->op;
		w->state = m->state;
	}
}

static void print_reset(const struct watch *w, const struct msg_followed *m)
{
	char why[101];

	wire_text(m->reset, why, sizeof(why));
	if (w->json)
		printf("{\"reset\":\"%s\",\"after\":%" PRIu64 "}\n", why, m->next);
	else
		printf("-- some changes are missing here: %s\n", why);
	fflush(stdout);
}

static bool is_over(const struct watch *w)
{
	return w->one && w->op && !state_is_open(w->state);
}

/* What is recorded of the request already; its versions come newest first. */
static enum err tell_past(struct watch *w)
{
	struct msg_query q = { .tag = ++talk.tag, .what = 2, .kind = w->kind, .id = w->id, .limit = 20 };
	enum err e = talk_send(&talk, &ipc_query, &q);

	for (struct ipc_frame f; !e && !(e = talk_next(&talk, &f)) && f.msg != &ipc_done;) {
		struct msg_change m;
		if (f.msg != &ipc_change || (e = wire_decode(&f, &m)))
			continue;
		take_change(w, &m);
		w->from = m.seq > w->from ? m.seq : w->from;
	}
	if (!e && !w->op)
		fprintf(stderr, "kms-connector: it is not known yet; it is waited for\n");
	w->told_past = !e;
	return e;
}

/* One follow and its answer. */
static enum err follow(struct watch *w, uint64_t from, bool wait)
{
	struct msg_follow ask = { .tag = ++talk.tag, .from = from, .limit = LIMIT_CHANGES_PART,
				  .wait = wait };
	enum err e = talk_send(&talk, &ipc_follow, &ask);

	while (!e) {
		struct ipc_frame f;
		struct msg_change m;
		struct msg_followed done;

		talk.until_ms = clock_mono_ms() + (wait ? WAIT_MS : TALK_WAIT_S * 1000u);
		e = talk_next(&talk, &f);
		if (e == ERR_TIMEOUT && wait) {
			e = OK;
		} else if (!e && f.msg == &ipc_change && !(e = wire_decode(&f, &m))) {
			take_change(w, &m);
			w->from = m.seq;
			if (is_over(w))
				return OK;
		} else if (!e && f.msg == &ipc_followed && !(e = wire_decode(&f, &done))) {
			if (done.reset.len)
				print_reset(w, &done);
			w->from = done.next;
			w->has_from = true;
			return OK;
		}
	}
	return e;
}

static enum err converse(struct watch *w)
{
	enum err e = w->has_from ? OK : follow(w, IPC_FOLLOW_NOW, false);

	if (!e && w->one && !w->told_past)
		e = tell_past(w);
	while (!e && !is_over(w) && !stop)
		e = follow(w, w->from, true);
	return e;
}

static void rest(void)
{
	struct timespec t = { .tv_nsec = AGAIN_MS * 1000000L };

	ppoll(NULL, 0, &t, talk.mask);
}

/* Until it is over or we are; with an executor that may come and go. */
static enum exit_code watch(struct watch *w)
{
	uint64_t heard_ms = clock_mono_ms();
	char why[256];

	while (!stop) {
		enum exit_code code = talk_open(&talk, w->config, why, sizeof(why));
		if (!code) {
			w->away = false;
			enum err e = converse(w);
			talk_close(&talk);
			heard_ms = clock_mono_ms();
			if (!e || stop)
				break;
			if (err_class(e) != ERR_CLASS_again) {
				snprintf(why, sizeof(why), "the executor's answer: %s", err_text(e));
				code = EXIT_bug;
			}
		}
		if ((code && code != EXIT_online) || clock_mono_ms() > heard_ms + PATIENCE_MS) {
			fprintf(stderr, "kms-connector: %s\n", why);
			return code ? code : EXIT_online;
		}
		if (!w->away && !stop)
			fprintf(stderr, "kms-connector: the executor is away; watching goes on when it is back\n");
		w->away = true;
		rest();
	}
	return is_over(w) && w->state != STATE_done ? EXIT_degraded : EXIT_ok;
}

static bool take_number(const char *word, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(word, &end, 10);
	return *word >= '0' && *word <= '9' && *end == 0 && !errno && *out < 1ull << 53;
}

int cmd_watch(int argc, char **argv, const struct connector_config *c)
{
	struct watch w = { .config = c };
	const char *word = NULL;
	bool right = true;
	pid_t pid;

	for (int i = 1; i < argc && right; i++) {
		if (strcmp(argv[i], "--json") == 0)
			w.json = true;
		else if (strcmp(argv[i], "--since") == 0)
			right = w.has_from = ++i < argc && take_number(argv[i], &w.from);
		else if (strncmp(argv[i], "--since=", 8) == 0)
			right = w.has_from = take_number(argv[i] + 8, &w.from);
		else if (word || argv[i][0] == '-')
			right = false;
		else
			word = argv[i];
	}
	if (!right) {
		fprintf(stderr, "usage: kms-connector watch [ID] [--json] [--since SEQUENCE-NUMBER]\n");
		return EXIT_usage;
	}
	w.one = word;
	w.told_past = w.has_from;
	if (word && !rows_parse_id(word, &w.kind, &w.id))
		return EXIT_usage;
	enum exit_code code = talk_find(c, &pid);
	if (code)
		return (int)code;
	open_signals();
	return (int)watch(&w);
}
