/* routes - a table of paths; each answers at once or asks the executor. */

#include "supervisor/monitor/routes.h"

#include <stdlib.h>
#include <sys/random.h>

#include "common/opid.h"
#include "common/proc.h"
#include "proto/operations.h"
#include "proto/states.h"
#include "supervisor/monitor/page.h"

#define PLAIN "text/plain; charset=utf-8"
#define JSON  "application/json"
#define ANSWER_BYTES (1u << 20)

static struct bytes bytes_of(const struct text *t)
{
	return BYTES(t->p, t->len);
}

static void answer_text(struct client *c, unsigned status, const char *type, struct text *t)
{
	if (t->cut) {
		status = 500;
		t->len = 0;
	}
	client_answer(c, status, type, bytes_of(t), NULL);
	text_fini(t);
}

/* {"error":"..."} */
static void answer_error(struct client *c, unsigned status, const char *why)
{
	struct text t;

	text_init(&t, 512);
	text_add(&t, "{\"error\":");
	text_json(&t, bytes_str(why));
	text_add(&t, "}\n");
	answer_text(c, status, JSON, &t);
}

static void on_livez(struct routes *r, struct client *c, const char *rest, const char *query)
{
	struct text t;
	(void)rest, (void)query;

	text_init(&t, ANSWER_BYTES);
	bool live = figures_live(&r->figures, clock_mono_ms(), &t);
	answer_text(c, live ? 200 : 503, PLAIN, &t);
}

static void on_readyz(struct routes *r, struct client *c, const char *rest, const char *query)
{
	struct text t;
	(void)rest, (void)query;

	text_init(&t, ANSWER_BYTES);
	bool ready = figures_ready(&r->figures, clock_mono_ms(), &t);
	answer_text(c, ready ? 200 : 503, PLAIN, &t);
}

static void on_metrics(struct routes *r, struct client *c, const char *rest, const char *query)
{
	struct text t;
	(void)rest, (void)query;

	text_init(&t, ANSWER_BYTES);
	figures_metrics(&r->figures, clock_mono_ms(), &t);
	answer_text(c, 200, "text/plain; version=0.0.4; charset=utf-8", &t);
}

/* Script and style of the page run only with this word, new for each answer. */
static void on_page(struct routes *r, struct client *c, const char *rest, const char *query)
{
	uint8_t random[16];
	char nonce[33];
	struct text t;
	(void)r, (void)rest, (void)query;

	if (getrandom(random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random)) {
		answer_error(c, 503, "no randomness yet");
		return;
	}
	hex_encode(BYTES_OF(random), nonce);
	text_init(&t, ANSWER_BYTES);
	page_print(&t, nonce);
	client_answer(c, 200, "text/html; charset=utf-8", bytes_of(&t), nonce);
	text_fini(&t);
}

/* What the executor answers. */

static void add_status(struct routes *r, struct text *t, const struct answer *a)
{
	text_add(t, "{\"executor\":%s,\"stages\":[", a->answered ? "true" : "false");
	text_bytes(t, a->answered ? a->stages : BYTES("", 0));
	text_add(t, "],\"figures\":{");
	text_bytes(t, a->answered ? a->figures : BYTES("", 0));
	text_add(t, "},\"processes\":");
	figures_processes(&r->figures, clock_mono_ms(), t);
	text_add(t, ",\"now_ms\":%llu}\n", (unsigned long long)clock_unix_ms());
}

static void on_status_answer(void *client, void *owner, const struct answer *a)
{
	struct text t;

	text_init(&t, ANSWER_BYTES);
	add_status(owner, &t, a);
	answer_text(client, 200, JSON, &t);
}

static void on_list_answer(void *client, void *owner, const struct answer *a)
{
	struct text t;
	(void)owner;

	if (!a->answered) {
		answer_error(client, 503, "the executor does not answer");
		return;
	}
	text_init(&t, ANSWER_BYTES + 1024);
	text_add(&t, "{\"requests\":[");
	text_bytes(&t, a->rows);
	text_add(&t, "],\"count\":%llu,\"next\":", (unsigned long long)a->count);
	text_add(&t, a->next ? "%llu}\n" : "null}\n", (unsigned long long)a->next);
	answer_text(client, 200, JSON, &t);
}

static void on_one_answer(void *client, void *owner, const struct answer *a)
{
	struct text t;
	(void)owner;

	if (!a->answered || a->count == 0) {
		answer_error(client, a->answered ? 404 : 503,
			     a->answered ? "no such request" : "the executor does not answer");
		return;
	}
	/* Versions of one id (after a reorganisation) come together. */
	text_init(&t, ANSWER_BYTES + 1024);
	text_add(&t, "{\"requests\":[");
	text_bytes(&t, a->rows);
	text_add(&t, "]}\n");
	answer_text(client, 200, JSON, &t);
}

static void ask(struct routes *r, struct client *c, const struct msg_query *q,
		void (*on_answer)(void *client, void *owner, const struct answer *answer))
{
	static const struct answer none = { .answered = false };

	if (!asks_put(r->asks, q, on_answer, c, r))
		on_answer(c, r, &none);
}

static void on_status(struct routes *r, struct client *c, const char *rest, const char *query)
{
	struct msg_query q = { .what = 1, .limit = 1 };
	(void)rest, (void)query;

	ask(r, c, &q, on_status_answer);
}

/* What may follow a path. */

#define NUMBER_MAX ((1ull << 53) - 1)	/* every reader of JSON takes it exactly */

/* Decimal, from MIN to MAX. */
static bool take_number(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	char *rest;

	if (*s < '0' || *s > '9' || strlen(s) > 19)
		return false;
	*out = strtoull(s, &rest, 10);
	return *rest == 0 && *out >= min && *out <= max;
}

static bool take_kind(const char *s, uint64_t *out)
{
	*out = (uint64_t)op_by_name(s);
	if (!*out)
		*out = (uint64_t)op_by_prefix(s, (unsigned)strlen(s));
	return *out != 0;
}

static bool take_state(const char *s, uint64_t *out)
{
	*out = (uint64_t)state_by_name(s);
	return *out != 0;
}

/* One or several with commas between them, as bits. */
static bool take_states(char *s, uint64_t *out)
{
	for (char *word = s, *comma; word; word = comma) {
		uint64_t state;
		comma = strchr(word, ',');
		if (comma)
			*comma++ = 0;
		if (!take_state(word, &state))
			return false;
		*out |= 1ull << state;
	}
	return true;
}

static bool is_words(const char *s, size_t max)
{
	size_t n = 0;

	while (s[n] >= 0x20 && s[n] < 0x7f)
		n++;
	return s[n] == 0 && n <= max;
}

/* True when NAME is there and not empty; its value in WORD. */
static bool has_word(const char *query, const char *name, char word[SERVER_PATH_MAX])
{
	return find_query(query, name, word, SERVER_PATH_MAX) && *word;
}

/* NULL, or what is wrong with it.  WORDS must live as long as Q. */
static const char *parse_list(const char *query, struct msg_query *q, char words[SERVER_PATH_MAX])
{
	char word[SERVER_PATH_MAX];

	if (has_word(query, "state", word) && !take_state(word, &q->state))
		return "state is none of the states";
	if (has_word(query, "kind", word) && !take_kind(word, &q->kind))
		return "kind is none of the kinds";
	if (has_word(query, "limit", word) && !take_number(word, 1, ASK_ROWS, &q->limit))
		return "limit is a number from 1 to 200";
	if (has_word(query, "before", word) && !take_number(word, 1, NUMBER_MAX, &q->before))
		return "before is the next of another page";
	if (has_word(query, "since", word) && !take_number(word, 0, NUMBER_MAX, &q->since_ms))
		return "since is a time in Unix milliseconds";
	if (has_word(query, "until", word) && !take_number(word, 0, NUMBER_MAX, &q->until_ms))
		return "until is a time in Unix milliseconds";
	if (has_word(query, "reason", words) && !is_words(words, 80))
		return "reason is a text of at most 80 letters, digits and marks";
	q->reason = bytes_str(words);
	return NULL;
}

static void on_list(struct routes *r, struct client *c, const char *rest, const char *query)
{
	struct msg_query q = { .what = 3, .limit = 50 };
	char words[SERVER_PATH_MAX] = "";
	const char *why = parse_list(query, &q, words);
	(void)rest;

	if (why)
		answer_error(c, 400, why);
	else
		ask(r, c, &q, on_list_answer);
}

/* The header counts more: a client that comes back sends the same path with it. */
static const char *parse_events(struct client *c, const char *query, struct events_ask *a)
{
	char word[SERVER_PATH_MAX];

	a->has_from = (find_header(c, "last-event-id", word, sizeof(word)) && *word) ||
		      has_word(query, "since", word);
	if (a->has_from && !take_number(word, 0, NUMBER_MAX, &a->from))
		return "since and Last-Event-ID are sequence numbers";
	if (has_word(query, "kind", word) && !take_kind(word, &a->kind))
		return "kind is none of the kinds";
	if (has_word(query, "state", word) && !take_states(word, &a->states))
		return "state is none of the states";
	if (!has_word(query, "id", word))
		return NULL;
	a->has_id = true;
	return opid_parse(word, &a->kind, &a->id) == OK ? NULL : "an id looks like public-7 or keygen-0x1234";
}

static void on_events(struct routes *r, struct client *c, const char *rest, const char *query)
{
	struct events_ask a = { .has_from = false };
	const char *why = parse_events(c, query, &a);
	(void)rest;

	if (why) {
		answer_error(c, 400, why);
	} else if (!events_open(r->events, c, &a)) {
		count(CNT_MONITOR_streams_refused, 1);
		answer_error(c, 503, "as many clients follow as may");
	}
}

static void on_one(struct routes *r, struct client *c, const char *rest, const char *query)
{
	struct msg_query q = { .what = 2, .limit = 20 };
	(void)query;

	if (opid_parse(rest, &q.kind, &q.id) != OK) {
		answer_error(c, 400, "an id looks like public-7 or keygen-0x1234");
		return;
	}
	ask(r, c, &q, on_one_answer);
}

static const struct route {
	const char *path;
	void (*answer)(struct routes *r, struct client *c, const char *rest, const char *query);
} routes[] = {
#define R(path_, answer_, query_, text_) { .path = path_, .answer = answer_ },
	ROUTES(R)
#undef R
};

void routes_request(struct routes *r, struct client *c, const char *path, const char *query)
{
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		size_t len = strlen(routes[i].path);
		bool open = routes[i].path[len - 1] == '*';
		if (open ? strncmp(path, routes[i].path, len - 1) == 0 && path[len - 1]
			 : strcmp(path, routes[i].path) == 0) {
			routes[i].answer(r, c, open ? path + len - 1 : "", query);
			return;
		}
	}
	answer_error(c, 404, "no such page");
}
