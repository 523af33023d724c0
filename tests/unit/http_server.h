/*
 * http_server - an HTTP/1.1 server in a thread of the test itself, for what libraries of servers
 * never do: answers that are late, cut, endless or contradict themselves.
 *
 * The test gives one function; it sees each request and writes whatever it likes to the socket.
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
	int fd;
	unsigned number;		/* from 0, over all connections */
	char head[4096];
	char body[65536];
};

struct server {
	int fd;
	uint16_t port;
	atomic_uint connections, requests;
	bool (*answer)(struct server *s, struct request *r);	/* false: close */
};

static inline void say(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return;		/* the client is gone: the test looks at its side */
}

static inline void say_ok(int fd, const char *body)
{
	char head[128];

	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(body));
	say(fd, head);
	say(fd, body);
}

static inline bool read_request(int fd, struct request *r)
{
	size_t n = 0, want = 0;
	char *end;

	for (;;) {
		if (n == sizeof(r->head) - 1 || recv(fd, r->head + n, 1, 0) != 1)
			return false;
		r->head[++n] = '\0';
		end = strstr(r->head, "\r\n\r\n");
		if (end)
			break;
	}
	end = strcasestr(r->head, "\r\ncontent-length:");
	if (end)
		want = strtoul(end + 17, NULL, 10);
	if (want >= sizeof(r->body))
		return false;
	r->body[want] = '\0';
	return want == 0 || recv(fd, r->body, want, MSG_WAITALL) == (ssize_t)want;
}

struct visit { struct server *s; int fd; };

static inline void *serve_one(void *arg)
{
	struct visit v = *(struct visit *)arg;
	struct request *r = calloc(1, sizeof(*r));

	free(arg);
	r->fd = v.fd;
	while (read_request(v.fd, r)) {
		r->number = atomic_fetch_add(&v.s->requests, 1);
		if (!v.s->answer(v.s, r))
			break;
	}
	close(v.fd);
	free(r);
	return NULL;
}

static inline void *serve_all(void *arg)
{
	struct server *s = arg;
	pthread_t t;

	for (;;) {
		struct visit *v = malloc(sizeof(*v));

		*v = (struct visit){ .s = s, .fd = accept(s->fd, NULL, NULL) };
		if (v->fd < 0) {
			free(v);
			return NULL;
		}
		atomic_fetch_add(&s->connections, 1);
		pthread_create(&t, NULL, serve_one, v);
		pthread_detach(t);
	}
}

static inline void server_start(struct server *s, bool (*answer)(struct server *, struct request *))
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	pthread_t t;

	*s = (struct server){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .answer = answer };
	if (bind(s->fd, (struct sockaddr *)&a, sizeof(a)) || listen(s->fd, 64) ||
	    getsockname(s->fd, (struct sockaddr *)&a, &len))
		abort();
	s->port = ntohs(a.sin_port);
	pthread_create(&t, NULL, serve_all, s);
	pthread_detach(t);
}

static inline const char *server_url(const struct server *s, char out[64], const char *path)
{
	snprintf(out, 64, "http://127.0.0.1:%u%s", s->port, path);
	return out;
}
