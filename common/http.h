/*
 * http - requests over libcurl's multi interface on our loop; HTTP/1.1, no redirects, no
 * proxy, no compression, a cap on every body, a deadline that activity does not extend.
 */
#pragma once

#include "common/bytes.h"
#include "common/loop.h"

struct http;		/* the pool of a process; owned */
struct http_call;	/* one request in flight; valid until its on_done returns */

struct http_limits {
	unsigned connections_per_host;
	unsigned connections;
};

struct http *http_new(struct loop *loop, const struct http_limits *limits);
void http_free(struct http **h);

enum http_outcome {
	HTTP_OK,		/* a response came, complete; look at status */
	HTTP_UNREACHABLE,	/* not sent: no name, refused, no connection in time */
	HTTP_BROKEN,		/* sent, perhaps: the connection ended or the time was up */
	HTTP_TOO_BIG,		/* the body is over its cap (announced or real) */
};

struct http_result {
	enum http_outcome outcome;
	long status;			/* HTTP status; 0 without a response */
	struct bytes body;		/* borrowed until on_done returns */
	uint8_t *taken;			/* on_done may take the body: see http_take_body */
	bool drop;			/* on_done may set it: this connection is not used again */
	bool late;			/* the time was up, for a connection or an answer */
	const char *why;		/* constant or borrowed English phrase */
	uint64_t retry_after_s;		/* of 429 and 503; 0 if not said */
};

/* AWS Signature Version 4, for requests without a body.  Outlives the pool. */
struct http_sign {
	const char *scope;		/* "aws:amz:eu-west-1:s3" */
	const char *access_key, *secret_key;
	const char *session_token;	/* "": none */
};

struct http_request {
	const char *url;		/* copied */
	const struct http_sign *sign;	/* borrowed; NULL: not signed */
	struct bytes post;		/* POST body, copied; .p NULL: GET */
	const char *content_type;	/* for POST; constant */
	size_t body_max;		/* bytes */
	double timeout_s;		/* for the whole exchange */
	double connect_timeout_s;
	double stall_s;			/* ends it when no byte moves for so long; 0: only timeout_s */
	bool public_only;		/* refuse private, loopback and link-local addresses */
	/* Optional: each piece of body as it comes, before it is appended (incremental hash). */
	void (*on_piece)(void *owner, struct bytes piece);
	/* Exactly once, never from http_start. */
	void (*on_done)(void *owner, struct http_result *result);
	void *owner;
};

/* NULL only when memory is short or the URL is none (http, https only). */
struct http_call *http_start(struct http *h, const struct http_request *r);

/* on_done is not called any more. */
void http_cancel(struct http_call **call);

/* Inside on_done: the body as malloc'ed memory, now the caller's.  NULL when it is empty. */
uint8_t *http_take_body(struct http_result *result, size_t *len_out);
