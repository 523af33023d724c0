/*
 * server - a small bounded HTTP/1.1 server: GET only, one request for each connection.
 *
 * Written by hand and not over libwebsockets: its timers come late on libev (a shorter one is
 * lost while a longer one is armed), so that the 2 s for a request could not be held; and it
 * brings TLS and 10 MB into a process that strangers talk to and that needs neither.
 *
 * Limits: SERVER_CLIENTS at once (more wait in the backlog), SERVER_HEAD_MAX bytes of request,
 * SERVER_READ_S to send it, SERVER_ANSWER_S for us to answer, SERVER_WRITE_S to take it.
 */
#pragma once

#include "common/bytes.h"
#include "common/loop.h"

#define SERVER_CLIENTS  16
#define SERVER_HEAD_MAX 4096
#define SERVER_PATH_MAX 512
#define SERVER_READ_S   2.0
#define SERVER_ANSWER_S 5.0
#define SERVER_WRITE_S  5.0
#define SERVER_DRAIN_S  1.0

struct server;		/* owned by the process */
struct client;		/* one request; valid until answered or gone */

struct server_ops {
	/* A request: answer now or later with client_answer. */
	void (*on_request)(void *owner, struct client *c, const char *path, const char *query);
	/* It left, or we took too long: it must not be answered any more. */
	void (*on_gone)(void *owner, struct client *c);
	/* For counters: clients connected now; and one that was refused. */
	void (*on_clients)(void *owner, unsigned clients);
	void (*on_refused)(void *owner);
};

struct server *server_new(struct loop *loop, int fd, const struct server_ops *ops, void *owner);
void server_free(struct server **s);

/*
 * The whole answer; BODY is copied.  STATUS 200, 400, 404, 405, 408, 431, 500 or 503;
 * SCRIPT_NONCE: the nonce of inline script and style, NULL when there is none.
 */
void client_answer(struct client *c, unsigned status, const char *type, struct bytes body,
		   const char *script_nonce);

/* Value of NAME in a query string "a=1&b=2" to OUT; false when absent or longer than CAP - 1. */
bool find_query(const char *query, const char *name, char *out, size_t cap);
