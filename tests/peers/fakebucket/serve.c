/* serve - one connection: a head, perhaps a body, an answer, and again. */

#include "tests/peers/fakebucket/serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/peers/trace.h"

#define READ_BYTES 16384
#define FILLER_LEN 65536

/* What comes after the last byte of an answer. */
enum end { END_NEXT, END_CLOSE, END_RESET, END_NEVER };

struct conn {
	struct conn *next;		/* among those that are over */
	int fd;
	struct watch *watch;		/* owned */
	bool over;
	struct timer *timer;		/* owned; NULL until it is needed */
	uint8_t *in;			/* owned */
	size_t len, cap;

	/* the answer */
	bool answering, counted;
	struct b32 traced; /* whose body it is */
	char head[1024];
	size_t head_len, head_sent;
	const uint8_t *body;		/* borrowed from the store, own, or the filler */
	uint8_t *own;			/* owned */
	size_t body_len, body_sent;
	size_t allowed;			/* bytes of the body that may leave by now */
	struct fault fault;		/* of a drip or a delay */
	bool waits;			/* its timer lets it go on */
	bool endless;
	enum end end;
};

static struct server {
	struct loop *loop;
	struct store *store;
	int fd;
	struct watch *watch;
	struct conn *over;
	uint8_t filler[FILLER_LEN];
} server;

struct request {
	struct bytes method, target, host, buckets, bucket, key;
	size_t content_length;
	bool last;			/* the client wants no further answer here */
};

/* ---- ends ---- */

static void reap(void *owner)
{
	struct server *s = owner;

	for (struct conn *c; (c = s->over);) {
		s->over = c->next;
		watch_free(&c->watch);
		timer_free(&c->timer);
		close(c->fd);
		free(c->own);
		free(c->in);
		free(c);
	}
}

static void forget_answer(struct conn *c)
{
	if (c->counted)
		server.store->active--;
	c->counted = c->answering = false;
	free(c->own);
	c->own = NULL;
}

static void leave(struct conn *c)
{
	if (c->over)
		return;
	c->over = true;
	forget_answer(c);
	watch_set(c->watch, 0);
	if (c->timer)
		timer_stop(c->timer);
	c->next = server.over;
	server.over = c;
	loop_defer(server.loop, reap, &server);
}

static void reset(struct conn *c)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	leave(c);
}

/* ---- answers ---- */

/* An answer of no bytes, for a start. */
static void begin_nothing(struct conn *c)
{
	c->head_len = c->head_sent = c->body_sent = c->body_len = 0;
	c->body = server.filler;
	c->allowed = SIZE_MAX;
	c->answering = true;
	c->endless = c->waits = false;
	c->end = END_NEXT;
}

static void begin(struct conn *c, unsigned status, const char *reason, const char *more,
		  size_t length, bool has_length)
{
	char len[64] = "";

	begin_nothing(c);
	server.store->statuses[status]++;
	if (has_length)
		snprintf(len, sizeof(len), "content-length: %zu\r\n", length);
	c->head_len = (size_t)snprintf(c->head, sizeof(c->head), "HTTP/1.1 %u %s\r\n%s%s\r\n",
				       status, reason, len, more);
	check(c->head_len < sizeof(c->head));
}

static const struct {
	unsigned status;
	const char *name, *reason, *message;
} refusals[] = {
	{ 404, "NoSuchKey", "Not Found", "The specified key does not exist." },
	{ 404, "NoSuchBucket", "Not Found", "The specified bucket does not exist" },
	{ 403, "AccessDenied", "Forbidden", "Access Denied" },
	{ 503, "SlowDown", "Service Unavailable", "Please reduce your request rate." },
	{ 405, "MethodNotAllowed", "Method Not Allowed",
	  "The specified method is not allowed against this resource." },
	{ 500, "InternalError", "Internal Server Error",
	  "We encountered an internal error. Please try again." },
};

/* NAME is NULL for the first row of the status, else the last one. */
static void refuse(struct conn *c, const char *name, unsigned status)
{
	size_t row = 0;
	char *text = malloc(512);

	check(text != NULL);
	while (row + 1 < ARRAY_LEN(refusals) &&
	       (name ? strcmp(refusals[row].name, name) != 0 : refusals[row].status != status))
		row++;
	int len = snprintf(text, 512,
			   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
			   "<Error><Code>%s</Code><Message>%s</Message></Error>",
			   refusals[row].name, refusals[row].message);
	begin(c, status ? status : refusals[row].status, refusals[row].reason,
	      "content-type: application/xml\r\n", (size_t)len, true);
	c->own = (uint8_t *)text;
	c->body = c->own;
	c->body_len = (size_t)len;
}

static void give(struct conn *c, const uint8_t *body, size_t len, size_t announced)
{
	begin(c, 200, "OK", "content-type: binary/octet-stream\r\naccept-ranges: bytes\r\n",
	      announced, true);
	c->body = body;
	c->body_len = len;
	server.store->bytes += len;
}

static void redirect(struct conn *c, const struct request *r, const char *to)
{
	char more[800];

	if (*to)
		snprintf(more, sizeof(more), "location: %s\r\n", to);
	else
		snprintf(more, sizeof(more), "location: http://%.*s%.*s?again\r\n",
			 r->host.len > 100 ? 100 : (int)r->host.len, (const char *)r->host.p,
			 r->target.len > 400 ? 400 : (int)r->target.len, (const char *)r->target.p);
	begin(c, 302, "Found", more, 0, true);
}

/* A copy of the body, the connection's own, with room for LEN bytes. */
static uint8_t *own_body(struct conn *c, const uint8_t *body, size_t body_len, size_t len)
{
	c->own = malloc((len > body_len ? len : body_len) + 1);
	check(c->own != NULL);
	if (body_len)
		memcpy(c->own, body, body_len);
	if (len > body_len)
		memset(c->own + body_len, 0x5a, len - body_len);
	return c->own;
}

static void on_timer(void *owner);

static void wait_ms(struct conn *c, double ms)
{
	c->waits = true;
	if (!c->timer)
		c->timer = timer_new(server.loop, on_timer, c);
	timer_start(c->timer, ms / 1000, 0);
}

/* At most so many bytes of what is there. */
static size_t cut(double wanted, size_t len)
{
	return wanted < 0 ? len / 2 : wanted > (double)len ? len : (size_t)wanted;
}

static void spoil(struct conn *c, const struct request *r, const struct fault *f,
		  const uint8_t *body, size_t len)
{
	size_t n = cut(f->amount[0], len),
	       more = f->amount[0] > BODY_MAX ? BODY_MAX : (size_t)f->amount[0];

	switch (f->kind) {
	case FAULT_status:
		refuse(c, NULL,
		       f->amount[0] >= 200 && f->amount[0] < 600 ? (unsigned)f->amount[0] : 500);
		break;
	case FAULT_redirect:
		redirect(c, r, f->to);
		break;
	case FAULT_hang:
		begin_nothing(c);
		c->end = END_NEVER;
		break;
	case FAULT_reset:
		give(c, body, n, len);
		c->end = END_RESET;
		if (f->amount[0] <= 0)
			c->head_len = 0;
		break;
	case FAULT_wrong:
		if (!c->own)
			own_body(c, body, len, len);
		c->own[n < len ? n : 0] ^= 1;
		give(c, c->own, len, len);
		break;
	case FAULT_empty:
		give(c, body, 0, 0);
		break;
	case FAULT_truncated:
		give(c, body, n, len);
		c->end = END_CLOSE;
		break;
	case FAULT_announced:
		give(c, body, len, more);
		c->end = END_CLOSE;
		break;
	case FAULT_oversize: {
		uint8_t *before = c->own;
		own_body(c, body, len, more);
		free(before);
		give(c, c->own, more > len ? more : len, more > len ? more : len);
		break;
	}
	case FAULT_endless:
		begin(c, 200, "OK", "content-type: binary/octet-stream\r\n", 0, false);
		c->endless = true;
		break;
	case FAULT_drip:
		give(c, body, len, len);
		c->fault = *f;
		c->allowed = 0;
		wait_ms(c, 0);
		c->waits = false;	/* the head may leave */
		break;
	case FAULT_delay:
		give(c, body, len, len);
		c->fault = *f;
		wait_ms(c, f->amount[0]);
		break;
	}
}

static bool is_hex64(struct bytes key, struct b32 *out)
{
	return key.len == 64 && hex_decode_exact((const char *)key.p, 64, out->b, 32) == OK;
}

static void answer_get(struct conn *c, const struct request *r)
{
	struct store *s = server.store;
	int bucket = store_bucket(s, r->bucket);
	struct b32 digest = { { 0 } };
	struct body *b = is_hex64(r->key, &digest) ? store_get(s, &digest) : NULL;
	bool there = bucket >= 0 && body_is_in(b, bucket);
	struct fault f;

	c->traced = digest;
	trace_note("asked", &digest);
	s->gets++;
	c->counted = true;
	if (++s->active > s->active_peak)
		s->active_peak = s->active;
	if (bucket >= 0)
		s->by_bucket[bucket]++;
	if (b)
		b->gets++;

	const uint8_t *body = there ? b->bytes : NULL;
	size_t len = there ? b->len : 0;
	bool spoiled = store_fault(s, bucket, r->key, &f);

	if (there && !body && !(spoiled && f.kind == FAULT_status)) {
		body = c->own = malloc(len + 1);
		check(c->own != NULL);
		body_expand(b, c->own);
	}
	if (spoiled)
		spoil(c, r, &f, body, len);
	else if (bucket < 0)
		refuse(c, "NoSuchBucket", 0);
	else if (!there)
		refuse(c, s->hide_missing ? "AccessDenied" : "NoSuchKey", 0);
	else
		give(c, body, len, len);
	if (bytes_is(r->method, "HEAD"))
		c->body_len = 0;
}

/* Buckets by their names in "a,b", or the one of the path. */
static uint32_t buckets_of(const struct request *r)
{
	uint32_t all = 0;
	int one = store_bucket(server.store, r->bucket);

	if (!r->buckets.p)
		return one < 0 ? 0 : 1u << one;
	for (size_t at = 0; at < r->buckets.len;) {
		const uint8_t *p = r->buckets.p + at, *end = memchr(p, ',', r->buckets.len - at);
		size_t len = end ? (size_t)(end - p) : r->buckets.len - at;
		int i = store_bucket(server.store, BYTES(p, len));
		all |= i < 0 ? 0 : 1u << i;
		at += len + 1;
	}
	return all;
}

static void answer_put(struct conn *c, const struct request *r, const uint8_t *body)
{
	uint8_t *copy = malloc(r->content_length + 1);
	char hex[67], more[100];

	check(copy != NULL);
	memcpy(copy, body, r->content_length);
	server.store->puts++;
	struct b32 digest = store_put(server.store, copy, r->content_length, buckets_of(r));
	snprintf(more, sizeof(more), "x-digest: %s\r\n", hex_encode0x(BYTES_OF(digest.b), hex));
	begin(c, 200, "OK", more, 0, true);
}

/* ---- requests ---- */

static bool is_header(struct bytes line, const char *name, struct bytes *value_out)
{
	size_t n = strlen(name);

	if (line.len <= n || line.p[n] != ':' || strncasecmp((const char *)line.p, name, n) != 0)
		return false;
	n++;
	while (n < line.len && line.p[n] == ' ')
		n++;
	*value_out = BYTES(line.p + n, line.len - n);
	return true;
}

static bool read_header(struct request *r, struct bytes line)
{
	struct bytes v;

	if (is_header(line, "content-length", &v)) {
		r->content_length = strtoull((const char *)v.p, NULL, 10);
		return r->content_length <= BODY_MAX;
	}
	if (is_header(line, "connection", &v))
		r->last = v.len == 5 && strncasecmp((const char *)v.p, "close", 5) == 0;
	is_header(line, "host", &r->host);
	is_header(line, "x-buckets", &r->buckets);
	return !is_header(line, "transfer-encoding", &v);
}

static bool read_target(struct request *r, struct bytes line)
{
	const uint8_t *end = line.p + line.len, *space = memchr(line.p, ' ', line.len);

	if (!space || space + 1 >= end || space[1] != '/')
		return false;
	r->method = BYTES(line.p, space - line.p);
	const uint8_t *p = space + 1, *stop = p;
	while (stop < end && *stop != ' ' && *stop != '?')
		stop++;
	r->target = BYTES(p, stop - p);
	const uint8_t *slash = memchr(p + 1, '/', (size_t)(stop - p - 1));
	r->bucket = BYTES(p + 1, (slash ? slash : stop) - p - 1);
	r->key = slash ? BYTES(slash + 1, stop - slash - 1) : BYTES(stop, 0);
	return true;
}

/* The head, LEN bytes with its empty line; false when it is none. */
static bool read_head(struct request *r, const uint8_t *p, size_t len)
{
	const uint8_t *end = p + len - 2;
	bool first = true;

	*r = (struct request){ 0 };
	while (p < end) {
		const uint8_t *stop = memchr(p, '\r', (size_t)(end - p));
		struct bytes line = BYTES(p, (stop ? stop : end) - p);
		if (first ? !read_target(r, line) : !read_header(r, line))
			return false;
		first = false;
		p = line.p + line.len + 2;
	}
	return !first;
}

/* Takes the next request out of what came; false: it is no request. */
static bool next_request(struct conn *c)
{
	const uint8_t *end = memmem(c->in, c->len, "\r\n\r\n", 4);
	struct request r;

	if (!end)
		return c->len < HEAD_MAX;
	size_t head = (size_t)(end - c->in) + 4;
	if (!read_head(&r, c->in, head))
		return false;
	if (c->len - head < r.content_length)
		return true;
	if (bytes_is(r.method, "PUT"))
		answer_put(c, &r, c->in + head);
	else if (bytes_is(r.method, "GET") || bytes_is(r.method, "HEAD"))
		answer_get(c, &r);
	else
		refuse(c, "MethodNotAllowed", 0);
	if (r.last && c->end == END_NEXT)
		c->end = END_CLOSE;
	c->len -= head + r.content_length;
	memmove(c->in, c->in + head + r.content_length, c->len);
	return true;
}

/* ---- bytes ---- */

/* False: the connection is lost. */
static bool write_some(struct conn *c)
{
	size_t most = c->body_len < c->allowed ? c->body_len : c->allowed;

	while (c->head_sent < c->head_len || c->body_sent < most) {
		struct iovec v[2] = {
			{ c->head + c->head_sent, c->head_len - c->head_sent },
			{ (void *)(uintptr_t)(c->body + c->body_sent), most - c->body_sent },
		};
		ssize_t n = writev(c->fd, v, most > c->body_sent ? 2 : 1);
		if (n < 0)
			return errno == EAGAIN;
		size_t of_head = (size_t)n < v[0].iov_len ? (size_t)n : v[0].iov_len;
		c->head_sent += of_head;
		c->body_sent += (size_t)n - of_head;
	}
	if (c->endless) {
		c->body = server.filler;
		server.store->bytes += c->body_len;
		c->body_len = FILLER_LEN;
		c->body_sent = 0;
	}
	return true;
}

static bool is_written(const struct conn *c)
{
	return !c->waits && !c->endless && c->head_sent == c->head_len &&
	       c->body_sent == c->body_len;
}

/* Answers what has come, as far as the client takes it. */
static void go_on(struct conn *c)
{
	for (;;) {
		if (!c->answering && c->len && !next_request(c)) {
			leave(c);
			return;
		}
		if (!c->answering)
			break;
		if (!c->waits && !write_some(c)) {
			leave(c);
			return;
		}
		if (!is_written(c) || c->end == END_NEVER)
			break;
		if (c->end != END_NEXT) {
			if (c->end == END_RESET)
				reset(c);
			else
				leave(c);
			return;
		}
		trace_note("given", &c->traced);
		forget_answer(c);
	}
	bool held = c->waits || c->end == END_NEVER || c->body_sent >= c->allowed;
	watch_set(c->watch, WATCH_READ | (c->answering && !held ? WATCH_WRITE : 0));
}

static void on_timer(void *owner)
{
	struct conn *c = owner;

	c->waits = false;
	if (c->answering && c->fault.kind == FAULT_drip && c->allowed < c->body_len) {
		c->allowed += (size_t)c->fault.amount[0];
		timer_start(c->timer, c->fault.amount[1] / 1000, 0);
	}
	go_on(c);
}

static bool read_some(struct conn *c)
{
	if (c->cap - c->len < READ_BYTES) {
		if (c->len > BODY_MAX + HEAD_MAX)
			return false;
		c->cap = 2 * c->cap + READ_BYTES;
		c->in = realloc(c->in, c->cap);
		check(c->in != NULL);
	}
	ssize_t n = read(c->fd, c->in + c->len, c->cap - c->len);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	c->len += (size_t)n;
	return true;
}

static void on_conn(void *owner, unsigned events)
{
	struct conn *c = owner;

	if ((events & WATCH_READ) && !read_some(c))
		leave(c);
	else
		go_on(c);
}

static void on_listener(void *owner, unsigned events)
{
	struct server *s = owner;

	(void)events;
	for (int fd; (fd = peer_accept(s->fd)) >= 0;) {
		struct conn *c = calloc(1, sizeof(*c));
		check(c != NULL);
		c->fd = fd;
		c->watch = watch_new(s->loop, fd, WATCH_READ, on_conn, c);
	}
}

uint16_t serve_open(struct loop *loop, uint16_t port, struct store *store)
{
	uint16_t got;

	server.loop = loop;
	server.store = store;
	memset(server.filler, 0x5a, sizeof(server.filler));
	server.fd = peer_listen(port, &got);
	server.watch = watch_new(loop, server.fd, WATCH_READ, on_listener, &server);
	return got;
}
