/* server - places for clients and for streams, each with one deadline. */

#include "supervisor/monitor/server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/text.h"

#define HEADERS_MAX 1024
#define BODY_MAX    (2u << 20)
#define PLACES      (SERVER_CLIENTS + LIMIT_EVENTS_CLIENTS)
#define STREAM_SOCKET_BYTES (64 * 1024)	/* in the kernel, beside LIMIT_EVENTS_BUFFER */
#define STREAM_GONE_MS      30000	/* a host that confirms nothing for so long is gone */
#define REST_S              0.2	/* when no client can be accepted: files are used up */

enum client_step {
	STEP_FREE,
	STEP_READING,		/* its request comes */
	STEP_ASKED,		/* our answer is being made */
	STEP_WRITING,		/* it takes the answer */
	STEP_STREAMING,		/* it takes what comes, as long as it likes */
	STEP_DRAINING,		/* it has everything; its end is awaited, else it might lose the answer */
	STEP_ENDED,		/* freed in the next turn: a watch does not free itself */
};

struct client {
	struct server *server;
	enum client_step step;
	int fd;
	struct watch *watch;
	struct timer *deadline;		/* owned as long as the server */
	bool is_stream;
	char head[SERVER_HEAD_MAX + 1];
	size_t head_len, headers;	/* headers: where they begin */
	struct text out;
	size_t written;
};

struct server {
	struct loop *loop;
	const struct server_ops *ops;
	void *owner;
	int fd;
	struct watch *watch;
	struct timer *rest;
	unsigned clients, streams;
	struct client client[PLACES];
};

static const struct { unsigned status; const char *phrase; } phrases[] = {
	{ 200, "OK" }, { 400, "Bad Request" }, { 404, "Not Found" },
	{ 405, "Method Not Allowed" }, { 408, "Request Timeout" },
	{ 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" },
	{ 503, "Service Unavailable" },
};

static const char *phrase_of(unsigned status)
{
	for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Unknown";
}

static void release(struct client *c)
{
	watch_free(&c->watch);
	close(c->fd);
	text_fini(&c->out);
	c->step = STEP_FREE;
	if (c->is_stream)
		c->server->streams--;
	else
		c->server->clients--;
}

static void on_sweep(void *owner)
{
	struct server *s = owner;

	for (unsigned i = 0; i < PLACES; i++)
		if (s->client[i].step == STEP_ENDED)
			release(&s->client[i]);
	s->ops->on_clients(s->owner, s->clients, s->streams);
	watch_set(s->watch, WATCH_READ);
}

static void end(struct client *c)
{
	struct server *s = c->server;

	if (c->step == STEP_ASKED || c->step == STEP_STREAMING)
		s->ops->on_gone(s->owner, c);
	c->step = STEP_ENDED;
	timer_stop(c->deadline);
	watch_set(c->watch, 0);
	loop_defer(s->loop, on_sweep, s);
}

static void drain(struct client *c)
{
	c->step = STEP_DRAINING;
	shutdown(c->fd, SHUT_WR);
	timer_start(c->deadline, SERVER_DRAIN_S, 0);
	watch_set(c->watch, WATCH_READ);
}

/* OK: all of it has left. */
static enum err transmit(struct client *c)
{
	while (c->written < c->out.len) {
		ssize_t n = send(c->fd, c->out.p + c->written, c->out.len - c->written,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return ERR_AGAIN;
		if (n <= 0)
			return ERR_CLOSED;
		c->written += (size_t)n;
	}
	return OK;
}

static void go_on_writing(struct client *c)
{
	enum err e = transmit(c);

	if (e == ERR_CLOSED)
		end(c);
	else if (!e)
		drain(c);
}

/*
 * The page's script and style carry a nonce; nothing else may run, load or frame, and the
 * page may ask only us.
 */
static void add_headers(struct text *t, unsigned status, const char *type, const char *nonce)
{
	text_add(t, "HTTP/1.1 %u %s\r\nContent-Type: %s\r\n", status, phrase_of(status), type);
	text_add(t, "Connection: close\r\nCache-Control: no-store\r\n"
		 "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n");
	text_add(t, "Content-Security-Policy: default-src 'none'; base-uri 'none'; "
		 "form-action 'none'; frame-ancestors 'none'");
	if (nonce)
		text_add(t, "; connect-src 'self'; script-src 'nonce-%s'; style-src 'nonce-%s'",
			 nonce, nonce);
	text_add(t, status == 405 ? "\r\nAllow: GET\r\n" : "\r\n");
}

void client_answer(struct client *c, unsigned status, const char *type, struct bytes body,
		   const char *script_nonce)
{
	check(c->step == STEP_ASKED || c->step == STEP_READING);
	text_init(&c->out, HEADERS_MAX + BODY_MAX);
	add_headers(&c->out, status, type, script_nonce);
	text_add(&c->out, "Content-Length: %zu\r\n\r\n", body.len);
	text_bytes(&c->out, body);
	c->written = 0;
	c->step = STEP_WRITING;
	timer_start(c->deadline, SERVER_WRITE_S, 0);
	watch_set(c->watch, WATCH_WRITE);
	if (c->out.cut)		/* no memory: the client sees a closed connection */
		shutdown(c->fd, SHUT_RDWR);
}

/* Streams. */

static unsigned stream_events(const struct client *c)
{
	return client_waiting(c) ? WATCH_READ | WATCH_WRITE : WATCH_READ;
}

size_t client_waiting(const struct client *c)
{
	return c->out.len - c->written;
}

bool client_stream(struct client *c, const char *type)
{
	struct server *s = c->server;
	int bytes = STREAM_SOCKET_BYTES, gone_ms = STREAM_GONE_MS;

	check(c->step == STEP_ASKED);
	if (s->streams == LIMIT_EVENTS_CLIENTS)
		return false;
	s->clients--;
	s->streams++;
	c->is_stream = true;
	c->step = STEP_STREAMING;
	setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	setsockopt(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &gone_ms, sizeof(gone_ms));
	text_init(&c->out, HEADERS_MAX + LIMIT_EVENTS_BUFFER);
	c->written = 0;
	add_headers(&c->out, 200, type, NULL);
	text_add(&c->out, "X-Accel-Buffering: no\r\n\r\n");
	timer_start(c->deadline, LIMIT_EVENTS_STALL_S, 0);
	watch_set(c->watch, stream_events(c));
	watch_set(s->watch, WATCH_READ);	/* its place is free */
	s->ops->on_clients(s->owner, s->clients, s->streams);
	return true;
}

/* What has left makes room for what comes. */
static void close_up(struct client *c)
{
	c->out.len -= c->written;
	if (c->written)
		memmove(c->out.p, c->out.p + c->written, c->out.len);
	c->written = 0;
}

bool client_say(struct client *c, struct bytes text)
{
	size_t waiting = client_waiting(c);

	if (c->step != STEP_STREAMING || waiting + text.len > LIMIT_EVENTS_BUFFER)
		return false;
	if (c->out.len + text.len > LIMIT_EVENTS_BUFFER)
		close_up(c);
	text_bytes(&c->out, text);
	if (c->out.cut)		/* no memory: the client sees a closed connection */
		shutdown(c->fd, SHUT_RDWR);
	if (!waiting) {
		timer_start(c->deadline, LIMIT_EVENTS_STALL_S, 0);
		watch_set(c->watch, stream_events(c));
	}
	return !c->out.cut;
}

static void go_on_streaming(struct client *c)
{
	const struct server_ops *ops = c->server->ops;
	char nowhere[1024];
	ssize_t n = recv(c->fd, nowhere, sizeof(nowhere), MSG_DONTWAIT);
	size_t waiting = client_waiting(c);
	enum err e = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) ? ERR_CLOSED : OK;

	if (n < 0 && errno == ETIMEDOUT)	/* what waited with the kernel was not taken */
		ops->on_stalled(c->server->owner, c);
	e = e ? e : transmit(c);
	if (e == ERR_CLOSED) {
		end(c);
		return;
	}
	if (client_waiting(c) < waiting)
		timer_start(c->deadline, LIMIT_EVENTS_STALL_S, 0);
	if (e || !waiting)
		return;
	timer_stop(c->deadline);
	text_fini(&c->out);
	c->written = 0;
	watch_set(c->watch, stream_events(c));
	ops->on_room(c->server->owner, c);
}

static void refuse(struct client *c, unsigned status)
{
	const char *phrase = phrase_of(status);

	c->server->ops->on_refused(c->server->owner);
	client_answer(c, status, "text/plain; charset=utf-8", bytes_str(phrase), NULL);
}

/* "GET /path?query HTTP/1.1" */
static void take_request(struct client *c)
{
	struct server *s = c->server;
	char *line_end = memmem(c->head, c->head_len, "\r\n", 2), *target, *version, *query;

	check(line_end != NULL);	/* the end of all headers has been seen */
	*line_end = 0;
	c->headers = (size_t)(line_end + 2 - c->head);
	if (strlen(c->head) != (size_t)(line_end - c->head)) {
		refuse(c, 400);	/* a NUL in the line */
		return;
	}
	target = strchr(c->head, ' ');
	version = target ? strchr(target + 1, ' ') : NULL;
	if (!version || target[1] != '/' || version - target > SERVER_PATH_MAX ||
	    (strcmp(version, " HTTP/1.1") != 0 && strcmp(version, " HTTP/1.0") != 0)) {
		refuse(c, 400);
		return;
	}
	*target++ = 0;
	*version = 0;
	if (strcmp(c->head, "GET") != 0) {
		refuse(c, 405);
		return;
	}
	for (const char *p = target; *p; p++)
		if (*p <= 0x20 || *p >= 0x7f) {
			refuse(c, 400);
			return;
		}
	query = strchr(target, '?');
	if (query)
		*query++ = 0;
	c->step = STEP_ASKED;
	timer_start(c->deadline, SERVER_ANSWER_S, 0);
	watch_set(c->watch, 0);
	s->ops->on_request(s->owner, c, target, query ? query : "");
}

static void go_on_reading(struct client *c)
{
	ssize_t n = recv(c->fd, c->head + c->head_len, SERVER_HEAD_MAX - c->head_len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end(c);
		return;
	}
	c->head_len += (size_t)n;
	c->head[c->head_len] = 0;
	if (memmem(c->head, c->head_len, "\r\n\r\n", 4))
		take_request(c);
	else if (c->head_len == SERVER_HEAD_MAX)
		refuse(c, 431);
}

static void go_on_draining(struct client *c)
{
	char nowhere[1024];
	ssize_t n = recv(c->fd, nowhere, sizeof(nowhere), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		end(c);
}

static void on_client(void *owner, unsigned events)
{
	struct client *c = owner;
	(void)events;

	if (c->step == STEP_READING)
		go_on_reading(c);
	else if (c->step == STEP_WRITING)
		go_on_writing(c);
	else if (c->step == STEP_STREAMING)
		go_on_streaming(c);
	else if (c->step == STEP_DRAINING)
		go_on_draining(c);
}

static void on_deadline(void *owner)
{
	struct client *c = owner;
	struct server *s = c->server;

	if (c->step == STEP_READING) {
		refuse(c, 408);
	} else if (c->step == STEP_ASKED) {
		s->ops->on_gone(s->owner, c);
		refuse(c, 503);
	} else {
		if (c->step == STEP_STREAMING)
			s->ops->on_stalled(s->owner, c);
		end(c);
	}
}

static struct client *find_free(struct server *s)
{
	for (unsigned i = 0; i < PLACES && s->clients < SERVER_CLIENTS; i++)
		if (s->client[i].step == STEP_FREE)
			return &s->client[i];
	return NULL;
}

static bool accept_one(struct server *s)
{
	struct client *c = find_free(s);

	if (!c) {
		watch_set(s->watch, 0);	/* the next wait in the backlog */
		return false;
	}
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
			watch_set(s->watch, 0);
			timer_start(s->rest, REST_S, 0);
		}
		return false;
	}
	c->step = STEP_READING;
	c->fd = fd;
	c->is_stream = false;
	c->head_len = 0;
	c->watch = watch_new(s->loop, fd, WATCH_READ, on_client, c);
	timer_start(c->deadline, SERVER_READ_S, 0);
	s->clients++;
	return true;
}

static void on_accept(void *owner, unsigned events)
{
	struct server *s = owner;
	(void)events;

	while (accept_one(s))
		;
	s->ops->on_clients(s->owner, s->clients, s->streams);
}

static void on_rested(void *owner)
{
	struct server *s = owner;

	watch_set(s->watch, WATCH_READ);
}

struct server *server_new(struct loop *loop, int fd, const struct server_ops *ops, void *owner)
{
	struct server *s = calloc(1, sizeof(*s));

	check(s != NULL && fd >= 0);
	s->loop = loop;
	s->ops = ops;
	s->owner = owner;
	s->fd = fd;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (unsigned i = 0; i < PLACES; i++) {
		s->client[i].server = s;
		s->client[i].deadline = timer_new(loop, on_deadline, &s->client[i]);
	}
	s->watch = watch_new(loop, fd, WATCH_READ, on_accept, s);
	s->rest = timer_new(loop, on_rested, s);
	return s;
}

void server_free(struct server **sp)
{
	struct server *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	for (unsigned i = 0; i < PLACES; i++) {
		if (s->client[i].step != STEP_FREE)
			release(&s->client[i]);
		timer_free(&s->client[i].deadline);
	}
	watch_free(&s->watch);
	timer_free(&s->rest);
	free(s);
}

bool find_header(const struct client *c, const char *name, char *out, size_t cap)
{
	const char *p = c->head + c->headers, *end = c->head + c->head_len;
	size_t name_len = strlen(name);

	for (const char *next; (next = memmem(p, (size_t)(end - p), "\r\n", 2)) && next > p; p = next + 2) {
		if ((size_t)(next - p) <= name_len || p[name_len] != ':' || strncasecmp(p, name, name_len) != 0)
			continue;
		for (p += name_len + 1; p < next && (*p == ' ' || *p == '\t');)
			p++;
		size_t n = (size_t)(next - p) < cap ? (size_t)(next - p) : cap - 1;
		memcpy(out, p, n);
		out[n] = 0;
		return true;
	}
	return false;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* LEN characters of a query's value as what they stand for. */
static bool decode(const char *s, size_t len, char *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = s[i] == '+' ? ' ' : s[i];
		if (c == '%') {
			int high = i + 2 < len ? hex_digit(s[i + 1]) : -1;
			int low = high < 0 ? -1 : hex_digit(s[i + 2]);
			if (low < 0 || (high == 0 && low == 0))
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (n + 1 >= cap)
			return false;
		out[n++] = c;
	}
	out[n] = 0;
	return true;
}

bool find_query(const char *query, const char *name, char *out, size_t cap)
{
	size_t name_len = strlen(name);

	while (*query) {
		size_t len = strcspn(query, "&");
		if (len > name_len && strncmp(query, name, name_len) == 0 && query[name_len] == '=') {
			if (!decode(query + name_len + 1, len - name_len - 1, out, cap))
				memcpy(out, QUERY_BAD, sizeof(QUERY_BAD));
			return true;
		}
		query += len + (query[len] == '&');
	}
	return false;
}
