/*
 * server - HTTP/1.1 with keep-alive, and WebSockets, on one port of the loopback.
 *
 * Of our own making, because a call takes a few microseconds here and all later figures are
 * measured against it.  One answer at a time on each connection.  Several ports ("doors", from
 * 0 on) are several nodes of one chain: each may have lies of its own.
 */
#pragma once

#include "tests/peers/fakechain/job.h"
#include "tests/peers/fakechain/subscribe.h"

#define BODY_MAX  (32u << 20)
#define DOORS_MAX 8

struct conn;

struct server *server_new(struct node *n);

/* One more door; its port, or 0 when it cannot be had (errno). */
unsigned server_open(struct server *s, unsigned port);
int conn_door(const struct conn *c);

/* An answer is being made: nothing is read meanwhile. */
void conn_busy(struct conn *c, struct job *job);
void conn_answer(struct conn *c, int status, struct bytes body, enum manner how);
void conn_page(struct conn *c, int status, uint64_t retry_after_s); /* of HTML */

/* A message to a WebSocket. */
void conn_say(struct conn *c, struct bytes text);
bool conn_is_ws(const struct conn *c);
struct subscription **conn_subscriptions(struct conn *c);

void server_each(struct server *s,
		 void (*cb)(struct conn *c, struct subscription *list, void *owner), void *owner);
