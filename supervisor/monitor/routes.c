/* routes - a table of paths; each answers at once or asks the executor. */

#include "supervisor/monitor/routes.h"

#include <stdlib.h>
#include <sys/random.h>

#include "common/opid.h"
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
	text_add(&t, "],\"count\":%llu,\"before\":", (unsigned long long)a->count);
	text_add(&t, a->count ? "%llu}\n" : "null}\n", (unsigned long long)a->last_op);
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

/* Decimal, from 1 to MAX. */
static bool take_number(const char *s, uint64_t max, uint64_t *out)
{
	char *rest;

	if (*s < '0' || *s > '9' || strlen(s) > 19)
		return false;
	*out = strtoull(s, &rest, 10);
	return *rest == 0 && *out >= 1 && *out <= max;
}

static void on_list(struct routes *r, struct client *c, const char *rest, const char *query)
{
	struct msg_query q = { .what = 3, .limit = 50 };
	char word[40];
	(void)rest;

	if (find_query(query, "state", word, sizeof(word)) && *word &&
	    !(q.state = (uint64_t)state_by_name(word))) {
		answer_error(c, 400, "state is none of the states");
		return;
	}
	if (find_query(query, "kind", word, sizeof(word)) && *word &&
	    !(q.kind = (uint64_t)op_by_name(word)) &&
	    !(q.kind = (uint64_t)op_by_prefix(word, (unsigned)strlen(word)))) {
		answer_error(c, 400, "kind is none of the kinds");
		return;
	}
	if (find_query(query, "limit", word, sizeof(word)) && *word &&
	    !take_number(word, ASK_ROWS, &q.limit)) {
		answer_error(c, 400, "limit is a number from 1 to 200");
		return;
	}
	if (find_query(query, "before", word, sizeof(word)) && *word &&
	    !take_number(word, UINT64_MAX, &q.before)) {
		answer_error(c, 400, "before is an operation number");
		return;
	}
	ask(r, c, &q, on_list_answer);
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

/* path ("*" at its end: one more word), who answers */
#define ROUTES(R) \
	R("/livez",         on_livez) \
	R("/readyz",        on_readyz) \
	R("/metrics",       on_metrics) \
	R("/v1/status",     on_status) \
	R("/v1/requests",   on_list) \
	R("/v1/requests/*", on_one) \
	R("/",              on_page)

static const struct route {
	const char *path;
	void (*answer)(struct routes *r, struct client *c, const char *rest, const char *query);
} routes[] = {
#define R(path_, answer_) { .path = path_, .answer = answer_ },
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
