/*
 * server - HTTP/1.1 with keep-alive, and WebSockets, on one port of the loopback.
 *
 * Of the own making, because a call takes a few microseconds here and all later figures are
 * measured against it.  One answer at a time on each connection.
 */
#pragma once

#include "tests/peers/fakechain/job.h"
#include "tests/peers/fakechain/subscribe.h"

#define BODY_MAX (32u << 20)

struct conn;

/* The port, or 0 when it cannot be had (errno). */
unsigned server_start(struct node *n, unsigned port);

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
