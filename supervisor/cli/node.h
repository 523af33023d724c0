/*
 * node - one JSON-RPC call to a chain node, blocking: for checks before anything runs.
 *
 * HTTP/1.1, no redirects, no proxy, NODE_WAIT_S for the whole exchange, NODE_REPLY_MAX bytes; the
 * connection is kept for the next call.
 * The URL may hold a key: it is never printed, and taken out of what libraries say.
 */
#pragma once

#include <cjson/cJSON.h>

#include "common/jsonrpc_reply.h"

#define NODE_WAIT_S    10
#define NODE_REPLY_MAX JSONRPC_REPLY_MAX

struct node_reply {
	struct jsonrpc_replies replies;		/* owned */
	struct jsonrpc_room room;
	const cJSON *result;			/* borrowed from replies */
	char why[JSONRPC_MESSAGE_MAX + 1];	/* after a failure */
	bool reverted;				/* the failure is the contract's refusal */
};

/*
 * PARAMS is the JSON text of the array.  Anything but OK: why is set, there is no result.
 * ERR_CLOSED: no answer at all; ERR_MISMATCH: the node answered with an error; ERR_AGAIN,
 * ERR_TIMEOUT, ERR_TOO_BIG: not now, or not so much.
 */
enum err node_call(const char *url, const char *method, const char *params,
		   struct node_reply *out) MUST_CHECK;
void node_reply_free(struct node_reply *r);

/* Does HOST:PORT of URL accept connections (for wss: with a valid certificate)? */
enum err node_connect(const char *url, char *why_out, size_t cap) MUST_CHECK;
