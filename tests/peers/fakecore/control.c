/* control - what a test may tell the Core, and what it may ask; the words are core.mjs's. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/peers/fakecore/core.h"
#include "tests/peers/trace.h"

/* ---- lists of ids ---- */

static bool has_id(const struct id_list *l, const struct b32 *id)
{
	for (unsigned i = 0; i < l->count; i++)
		if (b32_eq(&l->id[i], id))
			return true;
	return l->count == 0;
}

static const char *read_ids(const cJSON *list, struct id_list *out)
{
	const cJSON *one;
	int n = cJSON_GetArraySize(list);

	out->id = calloc((size_t)n + 1, sizeof(*out->id));
	check(out->id != NULL);
	cJSON_ArrayForEach(one, list)
	{
		if (!cJSON_IsString(one) || !id_parse(one->valuestring, &out->id[out->count]))
			return "an id is not 64 lower-case hex digits";
		out->count++;
	}
	return NULL;
}

/* ---- rules ---- */

static double next_random(struct core *c)
{
	c->random = c->random * 6364136223846793005u + 1442695040888963407u;
	return (double)(c->random >> 11) / (double)(UINT64_C(1) << 53);
}

static bool meets(struct core *c, const struct rule *r, const struct call *call, const char *id)
{
	struct b32 parsed = { { 0 } };

	if (r->stage != STAGE_ANY && (r->stage == STAGE_RESULT) != call->is_result)
		return false;
	if (*r->method && strcmp(r->method, call_method(call)) != 0)
		return false;
	if (r->ids.count && (!id_parse(id, &parsed) || !has_id(&r->ids, &parsed)))
		return false;
	if (r->has_match && regexec(&r->match, id, 0, NULL, 0) != 0)
		return false;
	return r->share >= 1 || next_random(c) < r->share;
}

struct rule *core_rule(struct core *c, const struct call *call, const char *id, bool *spent_out)
{
	*spent_out = false;
	for (struct rule **at = &c->rules, *r; (r = *at); at = &r->next) {
		if (!meets(c, r, call, id))
			continue;
		if (r->count && --r->count == 0) {
			*spent_out = true;
			*at = r->next;
		}
		return r;
	}
	return NULL;
}

void rule_free(struct rule *r)
{
	if (r->has_match)
		regfree(&r->match);
	text_fini(&r->bytes);
	free(r->ids.id);
	free(r);
}

static const char *read_status(struct rule *r, const cJSON *code)
{
	r->status = 14;
	if (!code)
		return NULL;
	r->status = cJSON_IsNumber(code) ? code->valueint : -1;
	if (cJSON_IsString(code))
		r->status = status_by_name(code->valuestring);
	return r->status > 0 ? NULL : "no such status";
}

static const char *read_act(struct rule *r, const cJSON *m)
{
	static const char *const words[] = {
#define A(name, word, text) [ACT_##name] = word,
		ACTS(A)
#undef A
	};
	const char *hex = json_text(m, "bytes");

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (cJSON_GetObjectItemCaseSensitive(m, words[i]))
			r->act = (enum act)i;
	r->amount = (uint64_t)json_number(m, words[r->act], 0);
	if ((r->act == ACT_HUGE || r->act == ACT_BOMB) && r->amount > MESSAGE_MAX)
		return "more bytes than a message may have";
	if (r->act == ACT_RAW) {
		static uint8_t raw[1 << 20];
		size_t len;
		if (!hex || hex_decode(hex, strlen(hex), raw, sizeof(raw), &len) != OK)
			return "bytes are not hex";
		text_bytes(&r->bytes, BYTES(raw, len));
	}
	return read_status(r, cJSON_GetObjectItemCaseSensitive(m, "code"));
}

static const char *read_rule(struct rule *r, const cJSON *m)
{
	const char *stage = json_text(m, "call"), *method = json_text(m, "method");
	const char *match = json_text(m, "match"), *text = json_text(m, "message");

	r->stage = stage && strcmp(stage, "any") == 0      ? STAGE_ANY
		   : stage && strcmp(stage, "result") == 0 ? STAGE_RESULT
							   : STAGE_START;
	snprintf(r->method, sizeof(r->method), "%s", method ? method : "");
	snprintf(r->message, sizeof(r->message), "%s", text ? text : "as the test wants");
	r->count = (unsigned)json_number(m, "count", 0);
	r->share = json_number(m, "share", 1);
	r->after = json_flag(m, "after");
	text_init(&r->bytes, SIZE_MAX / 2);
	if (match && regcomp(&r->match, match, REG_EXTENDED | REG_NOSUB) != 0)
		return "match is no regular expression";
	r->has_match = match;
	const char *why = read_ids(cJSON_GetObjectItemCaseSensitive(m, "ids"), &r->ids);
	return why ? why : read_act(r, m);
}

static const char *on_fail(void *owner, const cJSON *m, struct text *answer)
{
	struct core *c = owner;
	struct rule *r = calloc(1, sizeof(*r)), **last = &c->rules;

	check(r != NULL);
	const char *why = read_rule(r, m);
	if (why) {
		rule_free(r);
		return why;
	}
	if (json_number(m, "seed", 0) > 0)
		c->random = (uint64_t)json_number(m, "seed", 0);
	unsigned rules = 1;
	for (; *last; last = &(*last)->next)
		rules++;
	*last = r;
	text_add(answer, "{\"rules\":%u}", rules);
	return NULL;
}

/* ---- twists ---- */

static void free_twists(struct core *c)
{
	for (struct twisting *t; (t = c->twists);) {
		c->twists = t->next;
		free(t->ids.id);
		free(t);
	}
}

const struct twist *core_twist(const struct core *c, const struct b32 *id)
{
	static const struct twist none;

	for (const struct twisting *t = c->twists; t; t = t->next)
		if (has_id(&t->ids, id))
			return &t->twist;
	return &none;
}

static const char *read_twist(struct twist *t, const cJSON *m)
{
	static const char *const plaintexts[] = { "", "missing", "extra", "wrong", "type" };
	const char *key = json_text(m, "key"), *how = json_text(m, "plaintexts");

	t->other_id = json_flag(m, "otherId");
	t->bad_signature = json_flag(m, "badSignature");
	t->short_signature = json_flag(m, "shortSignature");
	t->no_external = json_flag(m, "noExternalSignature");
	t->pad_to = (unsigned)json_number(m, "padTo", 0);
	for (int i = PLAINTEXTS_missing; how && i <= PLAINTEXTS_type; i++)
		if (strcmp(how, plaintexts[i]) == 0)
			t->plaintexts = (enum plaintexts)i;
	if (how && t->plaintexts == PLAINTEXTS_RIGHT)
		return "plaintexts: missing, extra, wrong or type";
	t->has_key = key;
	if (key && hex_decode_exact(key + (strncmp(key, "0x", 2) ? 0 : 2), 64, t->key, 32) != OK)
		return "key is not 32 bytes in hex";
	return NULL;
}

/* Without ids it takes the place of all twists; with ids it comes before them. */
static const char *on_twist(void *owner, const cJSON *m, struct text *answer)
{
	struct core *c = owner;
	struct twisting *t = calloc(1, sizeof(*t));

	(void)answer;
	check(t != NULL);
	const char *why = read_twist(&t->twist, m);
	if (!why)
		why = read_ids(cJSON_GetObjectItemCaseSensitive(m, "ids"), &t->ids);
	if (why) {
		free(t->ids.id);
		free(t);
		return why;
	}
	if (!t->ids.count)
		free_twists(c);
	t->next = c->twists;
	c->twists = t;
	return NULL;
}

/* ---- settings ---- */

static void set_delay(struct core *c, const cJSON *delay)
{
	for (int kind = 0; kind < KINDS_COUNT; kind++)
		c->delay_ms[kind] = cJSON_IsNumber(delay)
					    ? delay->valuedouble
					    : json_number(delay, kind_rows[kind].name, 0);
}

static const char *set_keys(struct core *c, const cJSON *keys)
{
	struct id_list list = { .count = 0 };
	const char *why = read_ids(keys, &list);

	if (!why && list.count > ARRAY_LEN(c->keys.id))
		why = "too many keys";
	if (!why) {
		c->keys.any = !cJSON_IsArray(keys);
		c->keys.count = list.count;
		memcpy(c->keys.id, list.id, list.count * sizeof(list.id[0]));
	}
	free(list.id);
	return why;
}

static const char *on_set(void *owner, const cJSON *m, struct text *answer)
{
	struct core *c = owner;
	const cJSON *delay = cJSON_GetObjectItemCaseSensitive(m, "delayMs");
	const cJSON *keys = cJSON_GetObjectItemCaseSensitive(m, "keys");
	const cJSON *poll = cJSON_GetObjectItemCaseSensitive(m, "longPollMs");
	const char *mode = json_text(m, "mode");

	(void)answer;
	if (delay)
		set_delay(c, delay);
	if (poll)
		c->long_poll_ms = cJSON_IsNumber(poll) ? poll->valuedouble : -1;
	if (mode)
		c->centralized = strcmp(mode, "centralized") == 0;
	return keys ? set_keys(c, keys) : NULL;
}

static const char *on_clear(void *owner, const cJSON *m, struct text *answer)
{
	struct core *c = owner;

	(void)m, (void)answer;
	for (struct rule *r; (r = c->rules);) {
		c->rules = r->next;
		rule_free(r);
	}
	free_twists(c);
	memset(c->delay_ms, 0, sizeof(c->delay_ms));
	c->long_poll_ms = c->first_long_poll_ms;
	return NULL;
}

static const char *on_forget(void *owner, const cJSON *m, struct text *answer)
{
	(void)m, (void)answer;
	core_forget(owner);
	return NULL;
}

/* ---- counts ---- */

static uint64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	if (!f || fscanf(f, "%*s %lu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void comma(struct text *t, const char *open)
{
	if (strcmp(t->p + t->len - strlen(open), open) != 0)
		text_add(t, ",");
}

static const char *method_name(int kind, int is_result)
{
	return is_result ? kind_rows[kind].result : kind_rows[kind].start;
}

static void add_calls(const struct stats *s, struct text *t)
{
	text_add(t, "\"calls\":{");
	for (int i = 0; i < 2 * KINDS_COUNT; i++) {
		if (!s->calls[i / 2][i % 2])
			continue;
		comma(t, "{");
		text_add(t, "\"%s\":%" PRIu64, method_name(i / 2, i % 2), s->calls[i / 2][i % 2]);
	}
	text_add(t, "},\"errors\":{");
	for (int i = 0; i < 2 * KINDS_COUNT; i++) {
		for (int status = 0; status < 100; status++) {
			const char *name = status_name(status);
			uint64_t n = s->errors[i / 2][i % 2][status];
			if (!n)
				continue;
			comma(t, "{");
			text_add(t, "\"%s:", method_name(i / 2, i % 2));
			if (name)
				text_add(t, "%s\":%" PRIu64, name, n);
			else
				text_add(t, "%d\":%" PRIu64, status, n);
		}
	}
	text_add(t, "}");
}

static const char *on_stats(void *owner, const cJSON *m, struct text *t)
{
	const struct core *c = owner;
	const struct stats *s = &c->stats;

	(void)m;
	text_add(t, "{");
	add_calls(s, t);
	text_add(t, ",\"bytes\":%" PRIu64 ",\"waiting\":%" PRIu64 ",\"waitingPeak\":%" PRIu64,
		 s->bytes, s->waiting, s->waiting_peak);
	text_add(t, ",\"duplicates\":%" PRIu64 ",\"forgotten\":%" PRIu64 ",\"distinct\":{",
		 s->duplicates, s->forgotten);
	for (int kind = 0; kind < KINDS_COUNT; kind++) {
		size_t at = 0, distinct = 0;
		for (struct op *op; (op = (struct op *)ids_next(&c->ops[kind], &at));)
			distinct += op->starts > 0;
		comma(t, "{");
		text_add(t, "\"%s\":%zu", kind_rows[kind].name, distinct);
	}
	text_add(t, "},\"rss\":%" PRIu64 "}", resident_bytes());
	return NULL;
}

static const char *on_reset_stats(void *owner, const cJSON *m, struct text *answer)
{
	(void)m, (void)answer;
	core_reset_stats(owner);
	return NULL;
}

static const char *list_ids(struct core *c, const cJSON *m, struct text *t, bool all)
{
	const char *name = json_text(m, "kind");
	char hex[65];

	for (int kind = 0; name && kind < KINDS_COUNT; kind++) {
		size_t at = 0;
		if (strcmp(kind_rows[kind].name, name) != 0)
			continue;
		text_add(t, "{");
		for (struct op *op; (op = (struct op *)ids_next(&c->ops[kind], &at));) {
			if (!op->starts && !op->results)
				continue;
			comma(t, "{");
			text_add(t, "\"%s\":", hex_encode(BYTES_OF(op->ided.id.b), hex));
			if (all)
				text_add(t, "[%u,%u,%u]", op->starts, op->results, op->answers);
			else
				text_add(t, "%u", op->starts);
		}
		text_add(t, "}");
		return NULL;
	}
	return "no such kind";
}

static const char *on_ids(void *owner, const cJSON *m, struct text *answer)
{
	return list_ids(owner, m, answer, false);
}

static const char *on_ledger(void *owner, const cJSON *m, struct text *answer)
{
	return list_ids(owner, m, answer, true);
}

/* A timer that is due runs in the next turn. */
static const char *on_finish(void *owner, const cJSON *m, struct text *answer)
{
	struct core *c = owner;
	unsigned done = 0;

	(void)m;
	for (int kind = 0; kind < KINDS_COUNT; kind++) {
		size_t at = 0;
		for (struct op *op; (op = (struct op *)ids_next(&c->ops[kind], &at));) {
			if (!op->timer || !timer_is_running(op->timer))
				continue;
			timer_start(op->timer, 0, 0);
			done++;
		}
	}
	text_add(answer, "%u", done);
	return NULL;
}

static const char *on_trace(void *owner, const cJSON *m, struct text *answer)
{
	(void)owner;
	(void)m;
	trace_give(answer);
	return NULL;
}

const struct control_op core_control[] = {
	{ "set", on_set },       { "twist", on_twist },
	{ "fail", on_fail },     { "clear", on_clear },
	{ "finish", on_finish }, { "forget", on_forget },
	{ "stats", on_stats },   { "resetStats", on_reset_stats },
	{ "ids", on_ids },       { "ledger", on_ledger },
	{ "trace", on_trace },   { NULL, NULL },
};
