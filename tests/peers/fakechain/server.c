/* server - connections: bytes in, one body or message at a time, bytes out. */

#include "tests/peers/fakechain/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/peers/fakechain/ws.h"

#define HEAD_MAX (64u << 10)
#define OUT_MAX  (256u << 20)
#define READ_MAX (64u << 10)

struct conn {
	struct conn *next;
	struct server *server;
	int door;
	int fd; /* owned */
	struct watch *watch;
	uint8_t *in; /* owned */
	size_t in_len, in_cap;
	struct text out; /* owned */
	size_t out_at; /* bytes of it that have left */
	struct job *job; /* is making an answer; or NULL */
	bool is_ws, is_last, is_over, is_silent, is_working;
	struct text message; /* owned; parts of a fragmented one */
	struct subscription *subscriptions;
};

struct door {
	struct server *server;
	int fd;
	struct watch *watch;
};

struct server {
	struct node *n;
	struct door door[DOORS_MAX];
	int doors;
	struct conn *conns, *dead; /* owned */
};

static void work(struct conn *c);

/* ---- the end of a connection: at the next turn, nobody holds it any more ---- */

static void bury(void *owner)
{
	struct server *s = owner;

	while (s->dead) {
		struct conn *c = s->dead;

		s->dead = c->next;
		watch_free(&c->watch);
		close(c->fd);
		free(c->in);
		text_fini(&c->out);
		text_fini(&c->message);
		subscribe_free(&c->subscriptions);
		free(c);
	}
}

static void end(struct conn *c)
{
	struct conn **at = &c->server->conns;

	if (c->is_over)
		return;
	c->is_over = true;
	if (c->job) {
		job_leave(c->job);
		c->job = NULL;
	}
	watch_set(c->watch, 0);
	shutdown(c->fd, SHUT_RDWR);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->next = c->server->dead;
	c->server->dead = c;
	loop_defer(c->server->n->loop, bury, c->server);
}

static void flush(struct conn *c)
{
	while (c->out_at < c->out.len) {
		ssize_t n = send(c->fd, c->out.p + c->out_at, c->out.len - c->out_at, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch_set(c->watch, WATCH_READ | WATCH_WRITE);
			return;
		}
		if (n < 0) {
			end(c);
			return;
		}
		c->out_at += (size_t)n;
	}
	c->out.len = c->out_at = 0;
	if (c->out.cap > (1u << 20))
		text_fini(&c->out);
	if (c->is_last)
		end(c);
	else
		watch_set(c->watch, WATCH_READ);
}

static void put_head(struct conn *c, int status, const char *type, size_t len,
		     uint64_t retry_after_s)
{
	const char *why = status == 200 ? "OK" : status == 429 ? "Too Many Requests" : "Trouble";

	text_add(&c->out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n", status,
		 why, type, len);
	if (status == 429)
		text_add(&c->out, "Retry-After: %" PRIu64 "\r\n", retry_after_s);
	if (c->is_last)
		text_str(&c->out, "Connection: close\r\n");
	text_str(&c->out, "\r\n");
}

void conn_busy(struct conn *c, struct job *job)
{
	c->job = job;
}

void conn_answer(struct conn *c, int status, struct bytes body, enum manner how)
{
	c->job = NULL;
	c->is_silent = c->is_silent || how == NEVER;
	if (how == NEVER)
		return;
	if (how == CLOSED) {
		end(c);
		return;
	}
	size_t told = how == CUT ? body.len / 2 : body.len;
	if (how == CUT)
		c->is_last = true;
	if (c->is_ws)
		ws_write(&c->out, WS_TEXT, BYTES(body.p, told));
	else {
		put_head(c, status, "application/json", body.len, 0);
		text_bytes(&c->out, BYTES(body.p, told));
	}
	flush(c);
	work(c);
}

void conn_page(struct conn *c, int status, uint64_t retry_after_s)
{
	static const char page[] =
		"<html><head><title>gateway</title></head><body><h1>not now</h1></body></html>";

	c->job = NULL;
	put_head(c, status, "text/html", strlen(page), retry_after_s);
	text_str(&c->out, page);
	flush(c);
}

void conn_say(struct conn *c, struct bytes text)
{
	ws_write(&c->out, WS_TEXT, text);
	flush(c);
}

bool conn_is_ws(const struct conn *c)
{
	return c->is_ws;
}

struct subscription **conn_subscriptions(struct conn *c)
{
	return &c->subscriptions;
}

void server_each(struct server *s,
		 void (*cb)(struct conn *c, struct subscription *list, void *owner), void *owner)
{
	struct conn *next;

	for (struct conn *c = s ? s->conns : NULL; c; c = next) {
		next = c->next;
		if (c->is_ws && c->subscriptions)
			cb(c, c->subscriptions, owner);
	}
}

/* ---- HTTP ---- */

/* The value of a header in HEAD ("Name: value\r\n"...), or an empty one. */
static struct bytes header(struct bytes head, const char *name)
{
	const char *p = (const char *)head.p, *end = p + head.len;
	size_t n = strlen(name);

	while (p < end) {
		const char *line_end = memchr(p, '\r', (size_t)(end - p));

		if (!line_end)
			break;
		if ((size_t)(line_end - p) > n && p[n] == ':' && strncasecmp(p, name, n) == 0) {
			for (p += n + 1; p < line_end && *p == ' '; p++)
				;
			return BYTES(p, (size_t)(line_end - p));
		}
		p = line_end + 2;
	}
	return BYTES("", 0);
}

static bool has_word(struct bytes v, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= v.len; i++)
		if (strncasecmp((const char *)v.p + i, word, n) == 0)
			return true;
	return false;
}

static void upgrade(struct conn *c, struct bytes head)
{
	c->is_ws = true;
	text_str(&c->out,
		 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		 "Sec-WebSocket-Accept: ");
	ws_accept(header(head, "Sec-WebSocket-Key"), &c->out);
	text_str(&c->out, "\r\n\r\n");
	flush(c);
}

static void refuse(struct conn *c, int status)
{
	c->is_last = true;
	put_head(c, status, "text/plain", 0, 0);
	flush(c);
}

/* How many bytes of the input were used up; 0: more is wanted, or it is over. */
static size_t take_http(struct conn *c)
{
	const uint8_t *end_of_head = memmem(c->in, c->in_len, "\r\n\r\n", 4);
	size_t len = 0;

	if (!end_of_head) {
		if (c->in_len > HEAD_MAX)
			refuse(c, 431);
		return 0;
	}
	struct bytes head = BYTES(c->in, (size_t)(end_of_head - c->in) + 2);
	struct bytes length = header(head, "Content-Length");
	if (has_word(header(head, "Upgrade"), "websocket")) {
		upgrade(c, head);
		return head.len + 2;
	}
	for (size_t i = 0; i < length.len && len <= BODY_MAX; i++)
		len = len * 10 + (size_t)(length.p[i] - '0');
	if (!length.len || len > BODY_MAX) {
		refuse(c, length.len ? 413 : 411);
		return 0;
	}
	if (c->in_len < head.len + 2 + len) {
		if (has_word(header(head, "Expect"), "100-continue") && c->in_len == head.len + 2) {
			text_str(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
			flush(c);
		}
		return 0;
	}
	c->is_last = has_word(header(head, "Connection"), "close");
	job_start(c->server->n, c, BYTES(c->in + head.len + 2, len));
	return head.len + 2 + len;
}

/* ---- WebSocket ---- */

static size_t take_ws(struct conn *c)
{
	struct ws_frame f;
	enum err e = ws_read(c->in, c->in_len, BODY_MAX, &f);

	if (e == ERR_TRUNCATED)
		return 0;
	if (e || f.op == WS_CLOSE) {
		ws_write(&c->out, WS_CLOSE, BYTES("\x03\xe8", 2));
		c->is_last = true;
		flush(c);
		return 0;
	}
	if (f.op == WS_PING) {
		ws_write(&c->out, WS_PONG, f.payload);
		flush(c);
	}
	if (f.op > WS_BINARY)
		return f.size;
	text_bytes(&c->message, f.payload);
	if (f.fin) {
		job_start(c->server->n, c, text_view(&c->message));
		c->message.len = 0;
	}
	return f.size;
}

/* ---- bytes ---- */

static void work(struct conn *c)
{
	if (c->is_working)
		return;
	c->is_working = true;
	while (!c->is_over && !c->job && !c->is_silent && !c->is_last && c->in_len) {
		size_t used = c->is_ws ? take_ws(c) : take_http(c);

		if (!used)
			break;
		memmove(c->in, c->in + used, c->in_len - used);
		c->in_len -= used;
	}
	c->is_working = false;
}

static void read_more(struct conn *c)
{
	if (c->in_cap - c->in_len < READ_MAX) {
		c->in_cap = c->in_cap ? 2 * c->in_cap : 2 * READ_MAX;
		c->in = resized(c->in, c->in_cap);
	}
	ssize_t n = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || c->in_len > BODY_MAX + HEAD_MAX) {
		end(c);
		return;
	}
	c->in_len += (size_t)n;
	work(c);
}

static void on_conn(void *owner, unsigned events)
{
	struct conn *c = owner;

	if (events & WATCH_WRITE)
		flush(c);
	if (!c->is_over && events & WATCH_READ)
		read_more(c);
}

static void on_connect(void *owner, unsigned events)
{
	struct door *door = owner;
	struct server *s = door->server;
	int fd = accept4(door->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	struct conn *c = new_zeroed(sizeof(*c));
	*c = (struct conn){
		.next = s->conns, .server = s, .door = (int)(door - s->door), .fd = fd
	};
	text_init(&c->out, OUT_MAX);
	text_init(&c->message, BODY_MAX);
	c->watch = watch_new(s->n->loop, fd, WATCH_READ, on_conn, c);
	s->conns = c;
}

struct server *server_new(struct node *n)
{
	struct server *s = new_zeroed(sizeof(*s));

	s->n = n;
	return s;
}

unsigned server_open(struct server *s, unsigned port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct door *d = &s->door[s->doors];
	socklen_t len = sizeof(at);

	check(s->doors < DOORS_MAX);
	d->server = s;
	d->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(d->fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (d->fd < 0 || bind(d->fd, (struct sockaddr *)&at, sizeof(at)) || listen(d->fd, 512) ||
	    getsockname(d->fd, (struct sockaddr *)&at, &len))
		return 0;
	d->watch = watch_new(s->n->loop, d->fd, WATCH_READ, on_connect, d);
	s->n->lies.doors = ++s->doors;
	return ntohs(at.sin_port);
}

int conn_door(const struct conn *c)
{
	return c->door;
}
