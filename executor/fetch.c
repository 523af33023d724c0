/* fetch - bodies in line for their budget, each from one bucket after the other. */

#include "executor/fetch.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/keccak.h"
#include "common/log.h"
#include "common/proc.h"
#include "executor/holder.h"

#define OVERTAKEN_MAX 3		/* then it is the turn of what waited */
#define CONNECT_TIMEOUT_S 5.0
#define STALL_S 4.0		/* a bucket that moves no byte for so long hangs */

struct part {			/* one body of a fetch */
	struct fetch *fetch;
	struct http_call *call;
	struct keccak hash;
	struct body body;
	size_t held, received;	/* bytes: reserved for it, and come from the present holder */
	uint64_t asked;		/* holders asked so far, by position */
	unsigned holder;	/* the one asked now, unless it is the operator's own bucket */
	bool own;		/* that comes last, and is asked now */
	bool is_signed;		/* the request on its way */
	bool is_bare;		/* a signed one was refused: the same without */
	bool started, finished;
};

struct fetch {
	struct fetcher *fetcher;
	struct fetch *next;	/* in line */
	const struct request *request;
	uint64_t op;
	bool live;
	unsigned overtaken;	/* by live ones, while it stands first of the others */
	void (*on_done)(void *owner, enum fetch_outcome what, const char *why);
	void *owner;
	size_t reserved, bytes;
	unsigned waiting;	/* parts not finished */
	unsigned started;
	bool in_line, missed;	/* missed: some bucket answered, but without the body */
	char why[200];
	struct part part[];
};

struct fetcher {
	struct executor *x;
	struct fetch *first, **last;
	uint64_t reserved;	/* bytes, of the budget */
	size_t guess;		/* expected size of a body */
	struct fetch *over;	/* grew over the budget: ended in the next turn */
	unsigned busy;
	struct holders holders;
};

static void pump(struct fetcher *f);
static bool ask(struct part *p);
static void try_next(struct part *p);

static unsigned part_index(const struct part *p)
{
	return (unsigned)(p - p->fetch->part);
}

static void give_back(struct fetch *f)
{
	f->fetcher->reserved -= f->reserved;
	f->reserved = 0;
	gauge(CNT_EXECUTOR_body_bytes, f->fetcher->reserved);
}

static void reserve(struct fetch *f, size_t bytes)
{
	f->fetcher->reserved += bytes;
	f->reserved += bytes;
	gauge(CNT_EXECUTOR_body_bytes, f->fetcher->reserved);
}

static void leave_line(struct fetch *f)
{
	struct fetcher *all = f->fetcher;

	for (struct fetch **p = &all->first; *p; p = &(*p)->next) {
		if (*p != f)
			continue;
		*p = f->next;
		if (!*p)
			all->last = p;
		break;
	}
	f->in_line = false;
}

static void stop_parts(struct fetch *f)
{
	for (unsigned i = 0; i < f->request->materials; i++) {
		struct part *p = &f->part[i];
		if (!p->call)
			continue;
		http_cancel(&p->call);
		f->fetcher->busy--;
	}
}

void fetch_free(struct fetch **fp)
{
	struct fetch *f = *fp;

	*fp = NULL;
	if (!f)
		return;
	if (f->fetcher->over == f)
		f->fetcher->over = NULL;
	if (f->in_line)
		leave_line(f);
	stop_parts(f);
	for (unsigned i = 0; i < f->request->materials; i++)
		free(f->part[i].body.p);
	give_back(f);
	struct fetcher *all = f->fetcher;
	free(f);
	pump(all);
}

static void finish(struct fetch *f, enum fetch_outcome what)
{
	if (f->in_line)
		leave_line(f);
	stop_parts(f);
	if (what != FETCH_OK)
		count(CNT_EXECUTOR_fetch_errors, 1);
	f->on_done(f->owner, what, f->why);	/* may free f */
}

static const struct addr *holder_list(const struct part *p)
{
	const struct request *r = p->fetch->request;

	return &r->coprocessor[r->material[part_index(p)].first];
}

/* The URL of the bucket that is asked now; NULL while the chain lists none. */
static const char *bucket_of(const struct part *p)
{
	struct executor *x = p->fetch->fetcher->x;

	return p->own ? x->s3.own : find_bucket(x->view, &holder_list(p)[p->holder]);
}

static void say_why(struct part *p, const char *what, long status)
{
	struct fetch *f = p->fetch;
	const char *bucket = bucket_of(p), *why;
	struct s3_place place = { .url = "bucket" };

	if (bucket)
		s3_find(&f->fetcher->x->s3, bucket, &place, &why);
	if (status)
		snprintf(f->why, sizeof(f->why), "%.110s: %s (HTTP %ld)", place.url, what, status);
	else
		snprintf(f->why, sizeof(f->why), "%.110s: %s", place.url, what);
	clean_text(f->why, "\"");
}

/* S3 refuses a wrong or expired signature even for what all may read. */
static bool is_refusal(const struct http_result *r)
{
	return r->outcome == HTTP_OK && (r->status == 400 || r->status == 401 || r->status == 403);
}

/* It grew over the budget while others hold theirs: another time, when there is room. */
static void on_over(void *owner)
{
	struct fetcher *all = owner;
	struct fetch *f = all->over;

	all->over = NULL;
	if (!f)
		return;
	snprintf(f->why, sizeof(f->why), "its ciphertexts are larger than body_budget has room for now");
	finish(f, FETCH_AGAIN);
}

static void on_piece(void *owner, struct bytes piece)
{
	struct part *p = owner;
	struct fetch *f = p->fetch;
	struct fetcher *all = f->fetcher;

	p->received += piece.len;
	if (p->received > p->held) {
		reserve(f, p->received - p->held);
		p->held = p->received;
	}
	if (all->reserved > all->x->opt.body_budget && all->reserved > f->reserved && !all->over) {
		all->over = f;
		if (p->received > all->guess)
			all->guess = p->received;
		loop_defer(all->x->loop, on_over, all);
	}
	keccak_update(&p->hash, piece.p, piece.len);
}

static const char *trouble_of(const struct part *p, const struct http_result *r)
{
	struct b32 digest;
	struct keccak k = p->hash;

	if (r->outcome == HTTP_TOO_BIG)
		return "the ciphertext is over 66 MiB";
	if (r->outcome != HTTP_OK)
		return r->why;
	if (r->status >= 300 && r->status < 400)
		return "the bucket redirects, which is not followed";
	if (r->status != 200)
		return "no ciphertext there now";
	keccak_final(&k, digest.b);
	if (!b32_eq(&digest, &p->fetch->request->material[part_index(p)].digest))
		return "the content does not have the digest that the chain gives";
	return NULL;
}

static void part_done(struct part *p, struct http_result *r)
{
	struct fetch *f = p->fetch;
	size_t guess = f->fetcher->guess;

	p->body.p = http_take_body(r, &p->body.len);
	p->finished = true;
	f->bytes += p->body.len;
	f->waiting--;
	count(CNT_EXECUTOR_fetch_bytes, p->body.len);
	/* The guess follows the sizes seen: up at once, down slowly. */
	f->fetcher->guess = p->body.len > guess ? p->body.len : guess - (guess - p->body.len) / 32;
	if (f->bytes > f->fetcher->x->opt.message_max) {
		snprintf(f->why, sizeof(f->why), "its ciphertexts are together larger than core.max_message");
		finish(f, FETCH_TOO_BIG);
	} else if (f->waiting == 0) {
		finish(f, FETCH_OK);
	}
}

/* Any answer but "not now" says that the bucket lives; without a status there was none. */
static void note_answer(struct part *p, const struct http_result *r)
{
	struct fetcher *all = p->fetch->fetcher;
	const struct addr *who = &holder_list(p)[p->holder];

	if (r->status > 0 && r->status < 500 && r->status != 429)
		p->fetch->missed = true;
	if (p->own)
		return;
	if (r->status > 0)
		holder_answered(&all->holders, who);
	else
		holder_was_silent(&all->holders, who, loop_now_ms(all->x->loop));
}

/* It did not come from there: what to say of it, and whom to ask now. */
static void go_on(struct part *p, const char *trouble, const struct http_result *r)
{
	char what[100], code[S3_ERROR_MAX];

	note_answer(p, r);
	if (p->is_signed && is_refusal(r)) {
		snprintf(what, sizeof(what), "not given to our credentials: %s",
			 s3_error(r->body, code));
		say_why(p, what, r->status);
		p->is_bare = true;
		if (ask(p))
			return;
	} else if (!p->is_bare || !is_refusal(r)) {
		say_why(p, trouble, r->status);
	}	/* else what was said of the signed one counts */
	try_next(p);
}

static void on_http(void *owner, struct http_result *r)
{
	struct part *p = owner;
	struct fetcher *all = p->fetch->fetcher;
	const char *trouble = trouble_of(p, r);

	p->call = NULL;
	all->busy--;
	if (trouble) {
		go_on(p, trouble, r);
	} else {
		if (!p->own)
			holder_answered(&all->holders, &holder_list(p)[p->holder]);
		part_done(p, r);
	}
	pump(all);
}

/* False when there is nobody to ask. */
static bool ask(struct part *p)
{
	struct fetch *f = p->fetch;
	struct executor *x = f->fetcher->x;
	const char *bucket = bucket_of(p), *why;
	struct s3_place place;
	char url[CIPHERTEXT_URL_MAX];

	if (!bucket) {
		snprintf(f->why, sizeof(f->why),
			 "the chain lists no bucket of a coprocessor that holds it");
		return false;
	}
	if (!s3_find(&x->s3, bucket, &place, &why)) {
		say_why(p, why, 0);
		return false;
	}
	struct http_request r = {
		.url = url, .sign = p->is_bare ? NULL : s3_signer(&x->s3, &place),
		.body_max = CIPHERTEXT_MAX, .timeout_s = FETCH_TIMEOUT_S,
		.connect_timeout_s = CONNECT_TIMEOUT_S, .stall_s = STALL_S,
		.public_only = !place.is_ours && !x->opt.allow_private,
		.on_piece = on_piece, .on_done = on_http, .owner = p,
	};
	p->received = 0;
	p->is_signed = r.sign != NULL;
	keccak_init(&p->hash);
	if (request_url(&x->profile, place.url, &f->request->material[part_index(p)], url, sizeof(url)) ||
	    !(p->call = http_start(x->http, &r))) {
		say_why(p, "not a usable http URL", 0);
		return false;
	}
	f->fetcher->busy++;
	count(CNT_EXECUTOR_fetches, 1);
	return true;
}

/* The next holder; after all of them the operator's own bucket.  False: all were asked. */
static bool choose_next(struct part *p)
{
	struct fetcher *all = p->fetch->fetcher;
	unsigned holders = p->fetch->request->material[part_index(p)].count;
	unsigned first = holders ? (unsigned)(p->fetch->op % holders) : 0;
	int at = holder_next(&all->holders, holder_list(p), holders, first, &p->asked,
			     loop_now_ms(all->x->loop));

	p->is_bare = false;
	if (at >= 0) {
		p->holder = (unsigned)at;
		return true;
	}
	if (p->own || !*all->x->s3.own)
		return false;
	p->own = true;
	return true;
}

/* When all were asked, the fetch is over. */
static void try_next(struct part *p)
{
	struct fetch *f = p->fetch;

	while (choose_next(p)) {
		if (ask(p))
			return;
		f->missed = true;
	}
	finish(f, f->missed ? FETCH_AGAIN : FETCH_OUTAGE);
}

/* Begin what fits into the budget: whole requests, in order. */
static bool may_begin(const struct fetch *f)
{
	const struct fetcher *all = f->fetcher;
	uint64_t want = (uint64_t)all->guess * f->request->materials;

	return all->reserved == 0 || all->reserved + want <= all->x->opt.body_budget;
}

/* The next part of the first in line; false when nothing may start now. */
static bool begin_one(struct fetcher *all)
{
	struct fetch *f = all->first;

	if (!f || all->busy >= FETCHES_MAX)
		return false;
	if (f->started == 0) {
		if (!may_begin(f))
			return false;
		reserve(f, all->guess * f->request->materials);
	}
	struct part *p = &f->part[f->started++];
	if (f->started == f->request->materials)
		leave_line(f);
	p->held = all->guess;
	p->started = true;
	try_next(p);		/* may end the fetch */
	return true;
}

static void on_pump(void *owner)
{
	while (begin_one(owner))
		;
}

static void pump(struct fetcher *f)
{
	if (f->first)
		loop_defer(f->x->loop, on_pump, f);
}

/* Live ones go before the others, of which the first is not overtaken for ever. */
static void join_line(struct fetch *f)
{
	struct fetcher *all = f->fetcher;
	struct fetch **p = f->live ? &all->first : all->last;

	while (*p && ((*p)->live || (*p)->started || (*p)->overtaken == OVERTAKEN_MAX))
		p = &(*p)->next;
	if (*p)
		(*p)->overtaken++;
	f->next = *p;
	*p = f;
	if (!f->next)
		all->last = &f->next;
	f->in_line = true;
}

struct fetch *fetch_start(struct fetcher *all, const struct request *r, uint64_t op, bool live,
			  void (*on_done)(void *owner, enum fetch_outcome what, const char *why),
			  void *owner)
{
	struct fetch *f = calloc(1, sizeof(*f) + r->materials * sizeof(f->part[0]));

	check(f != NULL);
	f->fetcher = all;
	f->request = r;
	f->op = op;
	f->live = live;
	f->on_done = on_done;
	f->owner = owner;
	f->waiting = r->materials;
	snprintf(f->why, sizeof(f->why), "no bucket is known that could have it");
	for (unsigned i = 0; i < r->materials; i++)
		f->part[i].fetch = f;
	join_line(f);
	pump(all);
	return f;
}

struct body *fetch_body(struct fetch *f, unsigned material)
{
	return &f->part[material].body;
}

size_t fetch_bytes(const struct fetch *f)
{
	return f->bytes;
}

struct fetcher *fetcher_new(struct executor *x)
{
	struct fetcher *f = calloc(1, sizeof(*f));

	check(f != NULL);
	f->x = x;
	f->last = &f->first;
	f->guess = BODY_GUESS;
	return f;
}

void fetcher_free(struct fetcher **f)
{
	free(*f);
	*f = NULL;
}
