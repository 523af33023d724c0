/*
 * server - unary calls of gRPC's C core, server side.
 *
 * One thread waits on the completion queue and hands what is finished to the loop; everything
 * else happens on the loop.  Calls of methods that are not in kind_rows get UNIMPLEMENTED.
 */
#pragma once

#include "common/loop.h"
#include "tests/peers/fakecore/answers.h"

#define MESSAGE_MAX (100 << 20)	/* bytes, both ways */

struct server;
struct op;

/* One call of a client; the server's, from on_call until its reply has left. */
struct call {
	enum kind kind;
	bool is_result;			/* the result call of its kind, else the start call */
	ProtobufCMessage *message;	/* owned; NULL: it could not be read */

	bool compressed; /* its answer is to be */

	/* for the one who lets it wait */
	void *owner;			/* borrowed */
	struct op *op;			/* borrowed */
	struct timer *timer;		/* owned; stopped by the reply */
	void (*on_time)(struct call *call);
	struct call *next, **link;	/* a list that it stands in */
};

struct server_events {
	void (*on_call)(void *owner, struct call *call);
	/* The client has cancelled a call that waits; it must not be replied to any more. */
	void (*on_gone)(void *owner, struct call *call);
};

/* Dies when the port cannot be had; *port_out is the one it has. */
struct server *server_open(struct loop *loop, uint16_t port, const struct server_events *events,
			   void *owner, uint16_t *port_out);

/* Once, before on_call returns or after call_wait.  MESSAGE counts for status OK; it is copied. */
void call_reply(struct call *call, int status, const char *details, struct bytes message);

/* No reply now: on_gone may come from here on.  May be said again. */
void call_wait(struct call *call);

const char *call_method(const struct call *call);	/* "PublicDecrypt" */
