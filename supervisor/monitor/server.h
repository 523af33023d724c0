/*
 * server - a small bounded HTTP/1.1 server: GET only, one request for each connection.
 *
 * Written by hand and not over libwebsockets: its timers come late on libev (a shorter one is
 * lost while a longer one is armed), so that the 2 s for a request could not be held; and it
 * brings TLS and 10 MB into a process that strangers talk to and that needs neither.
 *
 * Limits: SERVER_CLIENTS at once (more wait in the backlog), SERVER_HEAD_MAX bytes of request,
 * SERVER_READ_S to send it, SERVER_ANSWER_S for us to answer, SERVER_WRITE_S to take it.
 *
 * A stream is an answer without an end.  It leaves the place of the others for one of
 * LIMIT_EVENTS_CLIENTS; LIMIT_EVENTS_BUFFER bytes may wait for it, and it may take nothing of
 * them for LIMIT_EVENTS_STALL_S (proto/limits.h).
 */
#pragma once

#include "common/bytes.h"
#include "common/loop.h"
#include "proto/limits.h"

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
	/* A stream has taken all that waited; or nothing for too long, and it goes. */
	void (*on_room)(void *owner, struct client *c);
	void (*on_stalled)(void *owner, struct client *c);
	/* For counters: clients and streams connected now; and one that was refused. */
	void (*on_clients)(void *owner, unsigned clients, unsigned streams);
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

/* Instead of an answer: a stream begins.  False when there are as many as may be. */
bool client_stream(struct client *c, const char *type) MUST_CHECK;

/* More of the stream; copied.  False, and nothing of it, when too much would wait. */
bool client_say(struct client *c, struct bytes text);
size_t client_waiting(const struct client *c);	/* bytes that it has not taken */

/* Value of a header to OUT, cut to CAP - 1 bytes; false when there is none. */
bool find_header(const struct client *c, const char *name, char *out, size_t cap);

/*
 * Value of NAME in a query string "a=1&b=2" to OUT, with %20 and + as what they stand for; false
 * when absent.  QUERY_BAD, which is no value of anything, when it is longer than CAP - 1 or has
 * an escape that is none.
 */
#define QUERY_BAD "\x7f"
bool find_query(const char *query, const char *name, char *out, size_t cap);
