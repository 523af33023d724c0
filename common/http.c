/*
 * http - libcurl's multi_socket interface on our loop.
 *
 * curl says which sockets it wants watched and when it wants to be called.  It must not be
 * entered from those two callbacks, so they only note it down.  Easy handles are kept and used
 * again, since making one costs more than a request.
 *
 * Whether a request was sent decides what a failure means, so curl's last word before the
 * first byte leaves (the prereq callback) is where a call becomes "sent, perhaps".
 */
#include "common/http.h"

#include <curl/curl.h>
#include <malloc.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "common/address.h"
#include "common/log.h"

#define IDLE_MAX        32		/* easy handles kept */
#define BODY_KEPT       (64u << 10)	/* larger buffers are given back after use */
#define LARGE           (1 << 20)	/* bytes; such a buffer goes back to the system at once */
#define HEADERS_MAX     (64u << 10)	/* bytes of response headers */
#define HEADER_MAX      4200		/* one of ours, with the longest session token */

#define SHA256_OF_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct sock {
	struct http *http;
	struct watch *watch;		/* owned */
	curl_socket_t fd;
	struct sock *next;		/* in the list of those that ended */
};

struct http_call {
	struct http *http;
	CURL *easy;			/* owned */
	struct curl_slist *headers;	/* owned; for content_type and sign */
	const char *content_type;	/* what headers was made for */
	const struct http_sign *sign;	/* with what the handle signs now */
	uint8_t *body;			/* owned, unless it was taken */
	size_t len, cap, body_max, header_bytes;
	bool public_only, sent, too_big, cancelled;
	const char *refused;		/* why we ended it ourselves */
	void (*on_piece)(void *owner, struct bytes piece);
	void (*on_done)(void *owner, struct http_result *result);
	void *owner;
	struct http_call *prev, *next;	/* in flight, or idle (next only) */
};

struct http {
	struct loop *loop;
	CURLM *multi;
	struct timer *timer;		/* curl's */
	struct timer *burial;		/* frees watches outside their own callback */
	struct sock *ended;
	struct http_call flight;	/* head of a ring */
	struct http_call *idle;
	unsigned idle_count;
	unsigned doomed;		/* cancelled while curl was running */
	bool inside;			/* curl is running */
};

static void call_reset(struct http_call *c)
{
	c->len = c->header_bytes = 0;
	c->public_only = c->sent = c->too_big = c->cancelled = false;
	c->refused = NULL;
	c->on_piece = NULL;
	c->on_done = NULL;
	c->owner = NULL;
	if (c->cap > BODY_KEPT) {
		free(c->body);
		c->body = NULL;
		c->cap = 0;
	}
}

static void call_free(struct http_call *c)
{
	curl_easy_cleanup(c->easy);
	curl_slist_free_all(c->headers);
	free(c->body);
	free(c);
}

/* Out of curl and of the ring, back to the idle ones. */
static void call_retire(struct http_call *c)
{
	struct http *h = c->http;

	check(curl_multi_remove_handle(h->multi, c->easy) == CURLM_OK);
	c->prev->next = c->next;
	c->next->prev = c->prev;
	call_reset(c);
	if (h->idle_count == IDLE_MAX) {
		call_free(c);
		return;
	}
	c->next = h->idle;
	h->idle = c;
	h->idle_count++;
}

/* Room for LEN more bytes. */
static bool body_grow(struct http_call *c, size_t len)
{
	size_t want = c->cap ? c->cap : 4096;

	if (c->cap - c->len >= len)
		return true;
	while (want - c->len < len)
		want *= 2;
	if (want > c->body_max)
		want = c->body_max;

	uint8_t *p = realloc(c->body, want);
	if (!p)
		return false;
	c->body = p;
	c->cap = want;
	return true;
}

static size_t on_body(char *p, size_t size, size_t n, void *owner)
{
	struct http_call *c = owner;
	size_t len = size * n;

	if (len > c->body_max - c->len) {
		c->too_big = true;
		return CURL_WRITEFUNC_ERROR;
	}
	if (!c->cancelled && c->on_piece)
		c->on_piece(c->owner, BYTES(p, len));
	if (c->cancelled || !body_grow(c, len))
		return CURL_WRITEFUNC_ERROR;
	if (len)
		memcpy(c->body + c->len, p, len);
	c->len += len;
	return len;
}

static size_t on_header(char *p, size_t size, size_t n, void *owner)
{
	struct http_call *c = owner;

	(void)p;
	c->header_bytes += size * n;
	if (c->header_bytes > HEADERS_MAX) {
		c->too_big = true;
		return CURL_WRITEFUNC_ERROR;
	}
	return size * n;
}

static curl_socket_t on_open(void *owner, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct http_call *c = owner;

	(void)purpose;
	if (c->public_only && !address_is_public(&a->addr)) {
		c->refused = "the address is not public";
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/*
 * Connected, perhaps long ago and for a call without public_only; nothing is sent yet.  On one
 * machine a connection can also end up with itself: a source port that equals the target.
 */
static int on_prereq(void *owner, char *ip, char *local_ip, int port, int local_port)
{
	struct http_call *c = owner;

	if (c->public_only && !address_text_is_public(ip))
		c->refused = "the address is not public";
	else if (port == local_port && strcmp(ip, local_ip) == 0)
		c->refused = "connected to itself";
	if (c->refused)
		return CURL_PREREQFUNC_ABORT;
	c->sent = true;
	return CURL_PREREQFUNC_OK;
}

static void result_fill(struct http_call *c, CURLcode code, struct http_result *r)
{
	curl_off_t after = 0;

	r->body = (struct bytes){ .p = c->len ? c->body : NULL, .len = c->len };
	r->why = c->refused ? c->refused : curl_easy_strerror(code);
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &r->status);
	curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &after);
	r->retry_after_s = after > 0 ? (uint64_t)after : 0;
	r->late = code == CURLE_OPERATION_TIMEDOUT;
	if (c->too_big || code == CURLE_FILESIZE_EXCEEDED) {
		r->outcome = HTTP_TOO_BIG;
		r->why = "the response is larger than its limit";
	} else if (code == CURLE_OK) {
		r->outcome = HTTP_OK;
	} else {
		r->outcome = c->sent ? HTTP_BROKEN : HTTP_UNREACHABLE;
	}
}

/* The pooled connection ends here: curl finds it dead before it would use it again. */
static void connection_drop(CURL *easy)
{
	curl_socket_t fd = CURL_SOCKET_BAD;

	if (curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK &&
	    fd != CURL_SOCKET_BAD)
		shutdown(fd, SHUT_RDWR);
}

static void call_finish(struct http_call *c, CURLcode code)
{
	struct http_result r = { 0 };

	result_fill(c, code, &r);
	if (c->cancelled)
		c->http->doomed--;
	else
		c->on_done(c->owner, &r);
	if (r.drop)
		connection_drop(c->easy);
	if (r.taken) {
		c->body = NULL;
		c->cap = 0;
	}
	call_retire(c);
}

static void retire_doomed(struct http *h)
{
	for (struct http_call *c = h->flight.next, *next; h->doomed && c != &h->flight; c = next) {
		next = c->next;
		if (!c->cancelled)
			continue;
		h->doomed--;
		call_retire(c);
	}
}

static void drive(struct http *h, curl_socket_t fd, int events)
{
	int running;

	h->inside = true;
	check(curl_multi_socket_action(h->multi, fd, events, &running) == CURLM_OK);
	h->inside = false;

	for (CURLMsg *m; (m = curl_multi_info_read(h->multi, &running));) {
		struct http_call *c = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&c);
		call_finish(c, m->data.result);	/* m is gone after it */
	}
	retire_doomed(h);
}

static void on_timer(void *owner)
{
	drive(owner, CURL_SOCKET_TIMEOUT, 0);
}

static void on_ready(void *owner, unsigned events)
{
	struct sock *s = owner;

	drive(s->http, s->fd, (events & WATCH_READ ? CURL_CSELECT_IN : 0) |
			      (events & WATCH_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_burial(void *owner)
{
	struct http *h = owner;

	for (struct sock *s; (s = h->ended);) {
		h->ended = s->next;
		watch_free(&s->watch);
		free(s);
	}
}

static int on_timer_wanted(CURLM *multi, long timeout_ms, void *owner)
{
	struct http *h = owner;

	(void)multi;
	if (timeout_ms < 0)
		timer_stop(h->timer);
	else
		timer_start(h->timer, (double)timeout_ms / 1000, 0);
	return 0;
}

static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *owner, void *of_socket)
{
	struct http *h = owner;
	struct sock *s = of_socket;
	unsigned events = (what & CURL_POLL_IN ? WATCH_READ : 0) |
			  (what & CURL_POLL_OUT ? WATCH_WRITE : 0);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (!s)
			return 0;
		curl_multi_assign(h->multi, fd, NULL);
		watch_set(s->watch, 0);
		s->next = h->ended;
		h->ended = s;
		timer_start(h->burial, 0, 0);
		return 0;
	}
	if (s) {
		watch_set(s->watch, events);
		return 0;
	}
	s = calloc(1, sizeof(*s));
	check(s);
	*s = (struct sock){ .http = h, .fd = fd };
	s->watch = watch_new(h->loop, fd, events, on_ready, s);
	curl_multi_assign(h->multi, fd, s);
	return 0;
}

struct http *http_new(struct loop *loop, const struct http_limits *limits)
{
	struct http *h = calloc(1, sizeof(*h));

	check(h);
	/* Unless told so, malloc would keep up to 64 MiB after one reply of 16. */
	mallopt(M_MMAP_THRESHOLD, LARGE);
	mallopt(M_TRIM_THRESHOLD, LARGE);
	check(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
	h->loop = loop;
	h->flight.prev = h->flight.next = &h->flight;
	h->timer = timer_new(loop, on_timer, h);
	h->burial = timer_new(loop, on_burial, h);
	h->multi = curl_multi_init();
	check(h->multi);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	curl_multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
			  (long)limits->connections_per_host);
	curl_multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)limits->connections);
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)limits->connections);
	return h;
}

void http_free(struct http **hp)
{
	struct http *h = *hp;

	if (!h)
		return;
	*hp = NULL;
	while (h->flight.next != &h->flight)
		call_retire(h->flight.next);
	for (struct http_call *c; (c = h->idle);) {
		h->idle = c->next;
		call_free(c);
	}
	curl_multi_cleanup(h->multi);
	on_burial(h);
	timer_free(&h->timer);
	timer_free(&h->burial);
	free(h);
	curl_global_cleanup();
}

/* What is the same for every request of a handle. */
static void easy_prepare(CURL *easy, struct http_call *c)
{
	curl_easy_setopt(easy, CURLOPT_PRIVATE, c);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "kms-connector");
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, c);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_prereq);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, c);
}

static struct http_call *call_new(struct http *h)
{
	struct http_call *c = h->idle;

	if (c) {
		h->idle = c->next;
		h->idle_count--;
		return c;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->http = h;
	c->easy = curl_easy_init();
	if (!c->easy) {
		free(c);
		return NULL;
	}
	easy_prepare(c->easy, c);
	return c;
}

static bool add_header(struct http_call *c, const char *name, const char *value)
{
	char line[HEADER_MAX];
	int n = snprintf(line, sizeof(line), "%s:%s%s", name, *value ? " " : "", value);
	struct curl_slist *longer = n < HEADER_MAX ? curl_slist_append(c->headers, line) : NULL;

	if (longer)
		c->headers = longer;
	return longer;
}

/*
 * "Expect:" switches off a round trip that curl would otherwise make for large bodies.  With a
 * signature there is none, and a header that is not sent would be signed.
 */
static bool headers_for(struct http_call *c, const char *content_type, const struct http_sign *sign)
{
	if (c->headers && c->content_type == content_type && c->sign == sign)
		return true;
	curl_slist_free_all(c->headers);
	c->headers = NULL;
	c->content_type = content_type;
	if (sign)
		return add_header(c, "x-amz-content-sha256", SHA256_OF_NOTHING) &&
		       (!*sign->session_token ||
			add_header(c, "x-amz-security-token", sign->session_token));
	return add_header(c, "Expect", "") &&
	       (!content_type || add_header(c, "Content-Type", content_type));
}

/* Handles are used again: what signed the last request must not sign this one. */
static bool sign_with(struct http_call *c, const struct http_sign *sign)
{
	CURL *easy = c->easy;

	if (c->sign == sign)
		return true;
	c->sign = sign;
	return !curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, sign ? sign->scope : NULL) &&
	       !curl_easy_setopt(easy, CURLOPT_HTTPAUTH,
				 sign ? CURLAUTH_AWS_SIGV4 : CURLAUTH_BASIC) &&
	       !curl_easy_setopt(easy, CURLOPT_USERNAME, sign ? sign->access_key : NULL) &&
	       !curl_easy_setopt(easy, CURLOPT_PASSWORD, sign ? sign->secret_key : NULL);
}

static bool is_web_url(const char *url)
{
	return strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
}

static bool call_set(struct http_call *c, const struct http_request *r)
{
	CURL *easy = c->easy;

	if (!headers_for(c, r->post.p ? r->content_type : NULL, r->sign) ||
	    !sign_with(c, r->sign) || curl_easy_setopt(easy, CURLOPT_URL, r->url))
		return false;
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, c->headers);
	if (r->post.p) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->post.len);
		if (curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, r->post.p))
			return false;
	} else {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	}
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(r->timeout_s * 1000));
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(r->connect_timeout_s * 1000));
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, r->stall_s > 0 ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)r->stall_s);
	curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)r->body_max);
	return true;
}

struct http_call *http_start(struct http *h, const struct http_request *r)
{
	struct http_call *c = is_web_url(r->url) ? call_new(h) : NULL;

	if (!c)
		return NULL;
	check(!r->sign || !r->post.p);
	c->body_max = r->body_max;
	c->public_only = r->public_only;
	c->on_piece = r->on_piece;
	c->on_done = r->on_done;
	c->owner = r->owner;
	if (!call_set(c, r) || curl_multi_add_handle(h->multi, c->easy) != CURLM_OK) {
		call_free(c);
		return NULL;
	}
	c->next = &h->flight;
	c->prev = h->flight.prev;
	c->prev->next = c->next->prev = c;
	return c;
}

void http_cancel(struct http_call **cp)
{
	struct http_call *c = *cp;

	if (!c)
		return;
	*cp = NULL;
	if (!c->http->inside) {
		call_retire(c);
		return;
	}
	c->cancelled = true;
	c->http->doomed++;
}

uint8_t *http_take_body(struct http_result *result, size_t *len_out)
{
	uint8_t *body = result->taken ? NULL : (uint8_t *)(uintptr_t)result->body.p;

	*len_out = body ? result->body.len : 0;
	result->taken = body;
	return body;
}
