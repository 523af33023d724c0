/* store - bodies and faults, by the control port and for the server. */

#include "tests/peers/fakebucket/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/keccak.h"
#include "common/log.h"
#include "tests/peers/trace.h"

int store_bucket(const struct store *s, struct bytes name)
{
	for (unsigned i = 0; i < s->buckets; i++)
		if (bytes_is(name, s->name[i]))
			return (int)i;
	return -1;
}

struct body *store_get(struct store *s, const struct b32 *digest)
{
	struct body *b = (struct body *)find_id(&s->bodies, digest);

	if (b || s->bodies.count >= BODIES_MAX)
		return b;
	b = calloc(1, sizeof(*b));
	check(b != NULL);
	b->ided.id = *digest;
	ids_add(&s->bodies, &b->ided);
	return b;
}

bool body_is_in(const struct body *b, int bucket)
{
	return b && (b->buckets >> bucket & 1);
}

static uint32_t mix(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x7feb352d;
	x ^= x >> 15;
	x *= 0x846ca68b;
	return x ^ x >> 16;
}

void body_expand(const struct body *b, uint8_t *out)
{
	uint32_t base = mix(b->seed ^ mix(b->index + 1)), words = (uint32_t)(b->len / 4);

	for (uint32_t i = 0; i < words; i++) {
		uint32_t w = mix(base + i * 0x9e3779b9);
		memcpy(out + 4 * (size_t)i, &w, 4);	/* the machine is little-endian */
	}
	uint32_t last = mix(base + words * 0x9e3779b9);
	memcpy(out + 4 * (size_t)words, &last, b->len % 4);
}

/* A body that is put again takes no more room; the old bytes may be on their way to somebody. */
struct b32 store_put(struct store *s, uint8_t *bytes, size_t len, uint32_t buckets)
{
	struct b32 digest = keccak_bytes(BYTES(bytes, len));
	struct body *b = store_get(s, &digest);

	if (b && !b->bytes && !b->len) {
		b->bytes = bytes;
		b->len = len;
	} else {
		free(bytes);
	}
	if (b)
		b->buckets |= buckets;
	return digest;
}

/* ---- faults ---- */

static const struct fault_row {
	const char *kind, *name[2];
	double otherwise[2];
} fault_rows[] = {
#define F(kind, first, d1, second, d2, text) \
	[FAULT_##kind] = { #kind, { first, second }, { d1, d2 } },
	FAULTS(F)
#undef F
};

static struct fault **find_fault(struct store *s, const char *where)
{
	struct fault **at = &s->faults;

	while (*at && strcmp((*at)->where, where) != 0)
		at = &(*at)->next;
	return *at ? at : NULL;
}

static void end_fault(struct fault **at)
{
	struct fault *f = *at;

	*at = f->next;
	free(f);
}

/* The narrowest one counts. */
bool store_fault(struct store *s, int bucket, struct bytes key, struct fault *out)
{
	const char *name = bucket >= 0 ? s->name[bucket] : "?";
	int len = key.len > 64 ? 64 : (int)key.len;
	char where[4][160];
	struct fault **at = NULL;

	if (!s->faults)
		return false;
	snprintf(where[0], sizeof(where[0]), "%s/%.*s", name, len, (const char *)key.p);
	snprintf(where[1], sizeof(where[1]), "%.*s", len, (const char *)key.p);
	snprintf(where[2], sizeof(where[2]), "%s/*", name);
	snprintf(where[3], sizeof(where[3]), "*");
	for (int i = 0; i < 4 && !at; i++)
		at = find_fault(s, where[i]);
	if (!at)
		return false;
	*out = **at;
	if ((*at)->count && --(*at)->count == 0)
		end_fault(at);
	return true;
}

static const char *on_fault(void *owner, const cJSON *m, struct text *answer)
{
	struct store *s = owner;
	const char *where = json_text(m, "where"), *kind = json_text(m, "kind"),
		   *to = json_text(m, "to");
	struct fault *f = calloc(1, sizeof(*f)), **old;
	size_t row = 0;

	(void)answer;
	check(f != NULL);
	while (kind && row < ARRAY_LEN(fault_rows) && strcmp(fault_rows[row].kind, kind) != 0)
		row++;
	if (!where || !kind || row == ARRAY_LEN(fault_rows)) {
		free(f);
		return "unknown fault";
	}
	f->kind = (enum fault_kind)row;
	for (int i = 0; i < 2; i++)
		f->amount[i] =
			json_number(m, fault_rows[row].name[i], fault_rows[row].otherwise[i]);
	f->count = (unsigned)json_number(m, "count", 0);
	snprintf(f->to, sizeof(f->to), "%s", to ? to : "");
	const char *hex = strstr(where, "0x");	/* digests may be written with it */
	int before = hex ? (int)(hex - where) : (int)strlen(where);
	snprintf(f->where, sizeof(f->where), "%.*s%s", before, where, hex ? hex + 2 : "");
	old = find_fault(s, f->where);
	if (old)
		end_fault(old);
	f->next = s->faults;
	s->faults = f;
	return NULL;
}

static const char *on_clear(void *owner, const cJSON *m, struct text *answer)
{
	struct store *s = owner;

	(void)m, (void)answer;
	while (s->faults)
		end_fault(&s->faults);
	return NULL;
}

/* ---- bodies ---- */

/* The buckets named in a list; without one all. */
static const char *read_buckets(const struct store *s, const cJSON *list, uint32_t *out)
{
	const cJSON *one;

	*out = cJSON_IsArray(list) ? 0 : UINT32_MAX;
	cJSON_ArrayForEach(one, list)
	{
		int i = cJSON_IsString(one) ? store_bucket(s, bytes_str(one->valuestring)) : -1;
		if (i < 0)
			return "no such bucket";
		*out |= 1u << i;
	}
	return NULL;
}

static const char *seed_one(struct store *s, const struct body *like, uint32_t buckets,
			    uint8_t *room, struct text *answer)
{
	char hex[67];

	body_expand(like, room);
	struct b32 digest = keccak_bytes(BYTES(room, like->len));
	struct body *b = store_get(s, &digest);
	if (!b)
		return "too many bodies";
	if (!b->bytes && !b->len) {
		b->seed = like->seed;
		b->index = like->index;
		b->len = like->len;
	}
	b->buckets |= buckets;
	text_add(answer, "%s\"%s\"", answer->p[answer->len - 1] == '[' ? "" : ",",
		 hex_encode0x(BYTES_OF(digest.b), hex));
	return NULL;
}

/* COUNT bodies of SIZE bytes from SEED, numbered from FIRST on. */
static const char *on_seed(void *owner, const cJSON *m, struct text *answer)
{
	struct store *s = owner;
	double size = json_number(m, "size", 4096), count = json_number(m, "count", 1);
	struct body like = { .seed = (uint32_t)json_number(m, "seed", 1) };
	uint32_t buckets, first = (uint32_t)json_number(m, "first", 0);
	const char *why = read_buckets(s, cJSON_GetObjectItemCaseSensitive(m, "buckets"), &buckets);

	if (why)
		return why;
	if (size < 1 || size > BODY_MAX || count < 0 || count > BODIES_MAX)
		return "size or count is out of range";
	like.len = (size_t)size;
	uint8_t *room = malloc(like.len);
	check(room != NULL);
	text_add(answer, "{\"digests\":[");
	for (uint32_t i = 0; i < (uint32_t)count && !why; i++) {
		like.index = first + i;
		why = seed_one(s, &like, buckets, room, answer);
	}
	text_add(answer, "]}");
	free(room);
	return why;
}

static const char *on_remove(void *owner, const cJSON *m, struct text *answer)
{
	struct store *s = owner;
	const char *digest = json_text(m, "digest"), *bucket = json_text(m, "bucket");
	int i = bucket ? store_bucket(s, bytes_str(bucket)) : -1;
	struct b32 id;

	(void)answer;
	if (bucket && i < 0)
		return "no such bucket";
	if (digest && strncmp(digest, "0x", 2) == 0)
		digest += 2;
	if (!digest || hex_decode_exact(digest, strlen(digest), id.b, 32) != OK)
		return "digest is not 32 bytes in hex";
	struct body *b = (struct body *)find_id(&s->bodies, &id);
	if (b)
		b->buckets &= bucket ? ~(1u << i) : 0;
	return NULL;
}

/* ---- counts ---- */

static void add_keys(const struct store *s, struct text *t)
{
	const char *between = "";
	char hex[65];
	size_t at = 0;

	text_add(t, ",\"keys\":{");
	for (struct body *b; (b = (struct body *)ids_next(&s->bodies, &at));) {
		if (!b->gets)
			continue;
		text_add(t, "%s\"%s\":%u", between, hex_encode(BYTES_OF(b->ided.id.b), hex),
			 b->gets);
		between = ",";
	}
	text_add(t, "}");
}

static uint64_t most_stored(const struct store *s)
{
	uint64_t in[BUCKETS_MAX] = { 0 }, most = 0;
	size_t at = 0;

	for (struct body *b; (b = (struct body *)ids_next(&s->bodies, &at));)
		for (unsigned i = 0; i < s->buckets; i++)
			in[i] += b->buckets >> i & 1;
	for (unsigned i = 0; i < s->buckets; i++)
		most = in[i] > most ? in[i] : most;
	return most;
}

static const char *on_stats(void *owner, const cJSON *m, struct text *t)
{
	const struct store *s = owner;
	const char *between = "";

	text_add(t, "{\"gets\":%" PRIu64 ",\"puts\":%" PRIu64 ",\"bytes\":%" PRIu64, s->gets,
		 s->puts, s->bytes);
	text_add(t, ",\"active\":%" PRIu64 ",\"activePeak\":%" PRIu64 ",\"statuses\":{", s->active,
		 s->active_peak);
	for (unsigned i = 0; i < ARRAY_LEN(s->statuses); i++) {
		if (!s->statuses[i])
			continue;
		text_add(t, "%s\"%u\":%" PRIu64, between, i, s->statuses[i]);
		between = ",";
	}
	text_add(t, "},\"buckets\":{");
	between = "";
	for (unsigned i = 0; i < s->buckets; i++) {
		if (!s->by_bucket[i])
			continue;
		text_add(t, "%s\"%s\":%" PRIu64, between, s->name[i], s->by_bucket[i]);
		between = ",";
	}
	text_add(t, "},\"stored\":%" PRIu64, most_stored(s));
	if (json_flag(m, "keys"))
		add_keys(s, t);
	text_add(t, "}");
	return NULL;
}

static const char *on_reset_stats(void *owner, const cJSON *m, struct text *answer)
{
	struct store *s = owner;
	size_t at = 0;

	(void)m, (void)answer;
	s->gets = s->puts = s->bytes = s->active_peak = 0;
	memset(s->statuses, 0, sizeof(s->statuses));
	memset(s->by_bucket, 0, sizeof(s->by_bucket));
	for (struct body *b; (b = (struct body *)ids_next(&s->bodies, &at));)
		b->gets = 0;
	return NULL;
}

static const char *on_trace(void *owner, const cJSON *m, struct text *answer)
{
	(void)owner;
	(void)m;
	trace_give(answer);
	return NULL;
}

const struct control_op store_control[] = {
	{ "seed", on_seed },   { "remove", on_remove }, { "fault", on_fault },
	{ "clear", on_clear }, { "stats", on_stats },   { "resetStats", on_reset_stats },
	{ "trace", on_trace }, { NULL, NULL },
};
