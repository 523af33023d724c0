/* control - rules and counts. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "tests/peers/faultproxy/proxy.h"

static const struct fault_row {
	const char *name;
	enum level level;
	const char *arg[2];
	double otherwise[2];
} rows[FAULTS_COUNT] = {
#define F(word, at, a1, d1, a2, d2, text) \
	[FAULT_##word] = { #word, LEVEL_##at, { a1, a2 }, { d1, d2 } },
	FAULTS(F)
#undef F
};

enum level fault_level(enum fault_name name)
{
	return rows[name].level;
}

static void free_rule(struct rule *r)
{
	free(r->match);
	free(r->headers);
	free(r->body);
	free(r);
}

static bool has_text(struct bytes in, const char *text)
{
	return !text || memmem(in.p, in.len, text, strlen(text));
}

bool rule_meet(struct proxy *p, enum level level, struct bytes text, struct rule *rule_out)
{
	static struct rule *spent;	/* its texts live until the next call */

	if (spent)
		free_rule(spent);
	spent = NULL;
	for (struct rule **at = &p->rules, *r; (r = *at); at = &r->next) {
		if (fault_level(r->fault.name) != level || !has_text(text, r->match))
			continue;
		if (r->skip) {
			r->skip--;
			continue;
		}
		*rule_out = *r;
		if (r->count && --r->count == 0) {
			*at = r->next;
			spent = r;
		}
		return true;
	}
	return false;
}

/* ---- rules ---- */

static char *copy_text(const cJSON *m, const char *name)
{
	const char *text = json_text(m, name);
	char *copy = text ? strdup(text) : NULL;

	check(!text || copy);
	return copy;
}

static const char *read_dir(struct rule *r, const cJSON *m)
{
	const char *dir = json_text(m, "dir");
	bool both = dir && strcmp(dir, "both") == 0;

	r->dir[UP] = both || (dir && strcmp(dir, "up") == 0);
	r->dir[DOWN] = both || !dir || strcmp(dir, "down") == 0;
	return r->dir[UP] || r->dir[DOWN] ? NULL : "dir: up, down or both";
}

static const char *read_rule(struct rule *r, const cJSON *m)
{
	const char *name = json_text(m, "name");

	for (int i = FAULT_none + 1; name && i < FAULTS_COUNT; i++)
		if (strcmp(rows[i].name, name) == 0)
			r->fault.name = (enum fault_name)i;
	if (!r->fault.name)
		return "unknown fault";
	for (int i = 0; i < 2; i++)
		r->fault.arg[i] = json_number(m, rows[r->fault.name].arg[i],
					      rows[r->fault.name].otherwise[i]);
	r->skip = (unsigned)json_number(m, "skip", 0);
	r->count = (unsigned)json_number(m, "count", 0);
	r->match = copy_text(m, "match");
	r->headers = copy_text(m, "headers");
	r->body = copy_text(m, "body");
	return read_dir(r, m);
}

/* Into all open connections of its kind, or the first few. */
static unsigned inject(struct proxy *p, const struct rule *r)
{
	unsigned done = 0;

	for (struct pair *pair = p->pairs, *next; pair && (!r->count || done < r->count);
	     pair = next) {
		next = pair->next;
		done += frames_inject(pair, r);
	}
	p->acted[r->fault.name] += done;
	return done;
}

static unsigned attach_open(struct proxy *p, const struct rule *r)
{
	unsigned done = 0;

	for (struct pair *pair = p->pairs, *next; pair; pair = next, done++) {
		next = pair->next;
		for (int d = 0; d < DIRS; d++)
			if (r->dir[d])
				flow_attach(&pair->flow[d], &r->fault);
	}
	return done;
}

/* {"met": n}: connections that are open and have it now. */
static const char *on_fault(void *owner, const cJSON *m, struct text *answer)
{
	struct proxy *p = owner;
	struct rule *r = calloc(1, sizeof(*r)), **last = &p->rules;
	unsigned met = 0;

	check(r != NULL);
	const char *why = read_rule(r, m);
	enum level level = fault_level(r->fault.name);
	if (!why && level == LEVEL_HTTP && p->mode != MODE_HTTP)
		why = "this proxy does not look at requests (--mode http)";
	if (why) {
		free_rule(r);
		return why;
	}
	if (level == LEVEL_STREAM && json_flag(m, "open"))
		met = attach_open(p, r);
	if (level == LEVEL_WS || level == LEVEL_H2) {
		met = inject(p, r);
		free_rule(r);
	} else {
		while (*last)
			last = &(*last)->next;
		*last = r;
	}
	text_add(answer, "{\"met\":%u}", met);
	return NULL;
}

/* No rules; what was held goes on. */
static const char *on_clear(void *owner, const cJSON *m, struct text *answer)
{
	struct proxy *p = owner;

	(void)m, (void)answer;
	for (struct rule *r; (r = p->rules);) {
		p->rules = r->next;
		free_rule(r);
	}
	for (struct pair *pair = p->pairs, *next; pair; pair = next) {
		next = pair->next;
		if (pair->blackhole)
			pair_connect(pair);
		for (int d = 0; d < DIRS && !pair->over; d++) {
			flow_detach(&pair->flow[d]);
			flow_pump(&pair->flow[d]);
		}
	}
	return NULL;
}

static const char *on_forward(void *owner, const cJSON *m, struct text *answer)
{
	proxy_listen(owner);
	return on_clear(owner, m, answer);
}

static const char *on_drop(void *owner, const cJSON *m, struct text *answer)
{
	struct proxy *p = owner;

	(void)m, (void)answer;
	while (p->pairs)
		pair_reset(p->pairs);
	return NULL;
}

static const char *on_refuse(void *owner, const cJSON *m, struct text *answer)
{
	(void)m, (void)answer;
	proxy_refuse(owner);
	return NULL;
}

/* ---- counts ---- */

static const char *on_stats(void *owner, const cJSON *m, struct text *t)
{
	const struct proxy *p = owner;
	char *calls = cJSON_PrintUnformatted(p->calls);
	const char *between = "";

	(void)m;
	check(calls != NULL);
	text_add(t, "{\"connections\":%" PRIu64 ",\"open\":%" PRIu64 ",\"bytesIn\":%" PRIu64,
		 p->connections, p->open, p->bytes[UP]);
	text_add(t, ",\"bytesOut\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"metBytes\":%" PRIu64,
		 p->bytes[DOWN], p->requests, p->met_bytes);
	text_add(t, ",\"calls\":");
	text_bytes(t, bytes_str(calls));
	text_add(t, ",\"acted\":{");
	for (int i = FAULT_none + 1; i < FAULTS_COUNT; i++) {
		if (!p->acted[i])
			continue;
		text_add(t, "%s\"%s\":%" PRIu64, between, rows[i].name, p->acted[i]);
		between = ",";
	}
	text_add(t, "}}");
	free(calls);
	return NULL;
}

static const char *on_reset_stats(void *owner, const cJSON *m, struct text *answer)
{
	struct proxy *p = owner;

	(void)m, (void)answer;
	p->connections = p->requests = p->bytes[UP] = p->bytes[DOWN] = 0;
	memset(p->acted, 0, sizeof(p->acted));
	cJSON_Delete(p->calls);
	p->calls = cJSON_CreateObject();
	check(p->calls != NULL);
	return NULL;
}

/* The table, for those who ask what there is. */
static const char *on_faults(void *owner, const cJSON *m, struct text *t)
{
	static const char *const texts[FAULTS_COUNT] = {
#define F(word, at, a1, d1, a2, d2, text) [FAULT_##word] = text,
		FAULTS(F)
#undef F
	};

	(void)owner, (void)m;
	text_add(t, "{");
	for (int i = FAULT_none + 1; i < FAULTS_COUNT; i++)
		text_add(t, "%s\"%s\":\"%s\"", i > 1 ? "," : "", rows[i].name, texts[i]);
	text_add(t, "}");
	return NULL;
}

const struct control_op proxy_control[] = {
	{ "fault", on_fault },
	{ "clear", on_clear },
	{ "forward", on_forward },
	{ "drop", on_drop },
	{ "refuse", on_refuse },
	{ "stats", on_stats },
	{ "resetStats", on_reset_stats },
	{ "faults", on_faults },
	{ NULL, NULL },
};
