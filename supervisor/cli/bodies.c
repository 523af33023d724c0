/* bodies - a list of (ciphertext, place), some of them on the way at a time. */

#include "supervisor/cli/bodies.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/http.h"
#include "common/keccak.h"
#include "common/log.h"
#include "common/loop.h"

#define CONNECT_S 5.0
#define STALL_S   8.0
#define TIMEOUT_S 60.0
#define WHY_MAX   140

struct bodies {
	struct loop *loop;
	struct http *http;
	struct s3 s3;
	bool allow_private;

	/* Of the request at hand; all borrowed but `had`. */
	const struct profile *profile;
	const struct request *request;
	const struct buckets *buckets;
	struct audit *out;
	bool *had;			/* owned: by material, some place gave it */
	unsigned material, holder;	/* the next to ask */
	bool own;			/* the second round: our own bucket */
	unsigned busy;
	char why[WHY_MAX];		/* the last failure */
};

/* One copy on its way. */
struct copy {
	struct bodies *b;
	unsigned material;
	struct s3_place place;
	struct http_call *call;
	struct keccak hash;
	bool is_signed;
};

static void go_on(struct bodies *b);

/* Buckets. */

static const char *find_bucket(const struct buckets *b, const struct addr *holder)
{
	for (unsigned i = 0; i < b->count; i++)
		if (addr_eq(&b->bucket[i].holder, holder))
			return b->bucket[i].url;
	return NULL;
}

bool buckets_know(const struct buckets *b, const struct addr *holder)
{
	return find_bucket(b, holder) != NULL;
}

void buckets_add(struct buckets *b, const struct addr *holder, struct bytes url)
{
	bool usable = url.len < S3_BUCKET_MAX && (url.len == 0 || !memchr(url.p, 0, url.len));

	if (b->count == BODIES_BUCKETS_MAX)
		b->count = 0;
	b->bucket[b->count].holder = *holder;
	b->bucket[b->count].url[0] = '\0';
	if (usable && url.len) {
		memcpy(b->bucket[b->count].url, url.p, url.len);
		b->bucket[b->count].url[url.len] = '\0';
	}
	b->count++;
}

enum err buckets_read(const struct profile_read *r, struct abi_view root, struct buckets *out)
{
	struct abi_view list, key, value;

	*out = (struct buckets){ .count = 0 };
	if (!abi_member_at(root, 0, &list) || abi_type_of(list) != ABI_ARRAY)
		return ERR_FORMAT;
	for (uint32_t i = 0; i < abi_count(list) && out->count < BODIES_BUCKETS_MAX; i++) {
		if (!abi_member(abi_item(list, i), r->key, &key) ||
		    !abi_member(abi_item(list, i), r->value, &value))
			return ERR_FORMAT;
		struct addr holder = abi_addr(key);
		buckets_add(out, &holder, abi_bytes(value));
	}
	return OK;
}

/* One copy. */

static void say_wrong(struct copy *c)
{
	char handle[67], text[20];

	hex_encode0x(BYTES_OF(c->b->request->material[c->material].handle.b), handle);
	snprintf(text, sizeof(text), "%.6s..%.4s", handle, handle + 62);
	audit_wrong(c->b->out, "the ciphertext of handle %s in %.100s does not have the digest that the "
		    "chain gives", text, c->place.url);
}

static void note_failure(struct copy *c, const struct http_result *r)
{
	char code[S3_ERROR_MAX];

	if (r->status)
		snprintf(c->b->why, WHY_MAX, "%.80s: HTTP %ld %s", c->place.url, r->status,
			 s3_error(r->body, code));
	else
		snprintf(c->b->why, WHY_MAX, "%.80s: %.40s", c->place.url, r->why);
	clean_text(c->b->why, "");
}

static bool begin(struct copy *c, bool may_sign);

/* S3 refuses a wrong or expired signature even for what all may read: once more without. */
static bool is_refusal(const struct copy *c, const struct http_result *r)
{
	return c->is_signed && r->outcome == HTTP_OK &&
	       (r->status == 400 || r->status == 401 || r->status == 403);
}

static void on_piece(void *owner, struct bytes piece)
{
	struct copy *c = owner;

	keccak_update(&c->hash, piece.p, piece.len);
}

static void on_done(void *owner, struct http_result *r)
{
	struct copy *c = owner;
	struct bodies *b = c->b;
	struct b32 digest;

	c->call = NULL;
	b->busy--;
	if (is_refusal(c, r) && begin(c, false))
		return;
	if (r->outcome == HTTP_TOO_BIG) {
		say_wrong(c);
	} else if (r->outcome == HTTP_OK && r->status == 200) {
		keccak_final(&c->hash, digest.b);
		b->had[c->material] = true;
		if (!b32_eq(&digest, &b->request->material[c->material].digest))
			say_wrong(c);
	} else {
		note_failure(c, r);
	}
	free(c);
	go_on(b);
}

static bool begin(struct copy *c, bool may_sign)
{
	struct bodies *b = c->b;
	char url[CIPHERTEXT_URL_MAX];
	struct http_request r = {
		.url = url, .sign = may_sign ? s3_signer(&b->s3, &c->place) : NULL,
		.body_max = CIPHERTEXT_MAX, .timeout_s = TIMEOUT_S, .connect_timeout_s = CONNECT_S,
		.stall_s = STALL_S, .public_only = !c->place.is_ours && !b->allow_private,
		.on_piece = on_piece, .on_done = on_done, .owner = c,
	};

	c->is_signed = r.sign != NULL;
	keccak_init(&c->hash);
	if (request_url(b->profile, c->place.url, &b->request->material[c->material], url, sizeof(url)) ||
	    !(c->call = http_start(b->http, &r)))
		return false;
	b->busy++;
	return true;
}

/* All of them. */

static void ask(struct bodies *b, unsigned material, const char *bucket)
{
	struct copy *c = calloc(1, sizeof(*c));
	const char *why = "not a usable http URL";

	check(c != NULL);
	c->b = b;
	c->material = material;
	if (s3_find(&b->s3, bucket, &c->place, &why) && begin(c, true))
		return;
	snprintf(b->why, WHY_MAX, "%.80s: %.50s", c->place.url, why);
	clean_text(b->why, "");
	free(c);
}

/* Several handles may have one ciphertext. */
static bool was_seen(const struct request *r, unsigned i)
{
	for (unsigned j = 0; j < i; j++)
		if (b32_eq(&r->material[j].digest, &r->material[i].digest))
			return true;
	return false;
}

/* The next place of the present material; false when it has no more. */
static bool ask_next(struct bodies *b)
{
	const struct request *r = b->request;
	const struct material *m = &r->material[b->material];

	if (b->own) {
		bool wanted = b->holder++ == 0 && !b->had[b->material] && !was_seen(r, b->material);
		if (wanted)
			ask(b, b->material, b->s3.own);
		return wanted;
	}
	if (b->holder == m->count || (b->holder == 0 && was_seen(r, b->material)))
		return false;
	const char *bucket = find_bucket(b->buckets, &r->coprocessor[m->first + b->holder++]);
	if (bucket && *bucket)
		ask(b, b->material, bucket);
	return true;
}

static void go_on(struct bodies *b)
{
	while (b->busy < BODIES_AT_ONCE && b->material < b->request->materials) {
		if (ask_next(b))
			continue;
		b->material++;
		b->holder = 0;
	}
	if (b->busy == 0)
		loop_stop(b->loop);
}

static void on_begin(void *owner)
{
	go_on(owner);
}

static void ask_all(struct bodies *b, bool own)
{
	b->own = own;
	b->material = b->holder = 0;
	loop_defer(b->loop, on_begin, b);
	loop_run(b->loop);
}

static void say_missing(struct bodies *b, struct audit *out)
{
	unsigned missing = 0;

	for (unsigned i = 0; i < b->request->materials; i++)
		missing += !b->had[i] && !was_seen(b->request, i);
	if (missing)
		audit_unknown(out, "%u ciphertext%s cannot be had: %s", missing,
			      missing == 1 ? "" : "s", b->why);
}

void bodies_check(struct bodies *b, const struct profile *p, const struct request *r,
		  const struct buckets *buckets, struct audit *out)
{
	if (p->ciphertext_inline || r->materials == 0)
		return;		/* hashed when the request was decoded */
	b->profile = p;
	b->request = r;
	b->buckets = buckets;
	b->out = out;
	b->had = calloc(r->materials, sizeof(*b->had));
	check(b->had != NULL);
	snprintf(b->why, WHY_MAX, "no bucket of who holds it is registered");
	ask_all(b, false);
	if (*b->s3.own)
		ask_all(b, true);
	say_missing(b, out);
	free(b->had);
	b->had = NULL;
}

struct bodies *bodies_open(const struct settings *settings, int credentials)
{
	static const struct http_limits limits = { .connections_per_host = 4, .connections = 8 };
	struct bodies *b = calloc(1, sizeof(*b));
	const char *why;

	check(b != NULL);
	b->loop = loop_new();
	b->http = http_new(b->loop, &limits);
	b->allow_private = get_setting_u64(settings, "s3.private_ok") != 0;
	/* They were sound a moment ago; without them what all may read can still be read. */
	if (s3_open(&b->s3, settings, credentials, &why) != OK)
		check(s3_open(&b->s3, settings, -1, &why) == OK);
	return b;
}

void bodies_close(struct bodies **bp)
{
	struct bodies *b = *bp;

	*bp = NULL;
	if (!b)
		return;
	http_free(&b->http);
	loop_free(&b->loop);
	explicit_bzero(&b->s3, sizeof(b->s3));
	free(b);
}
