/*
 * jsonrpc - calls to Ethereum nodes over HTTP: batches, several endpoints, bounded replies.
 *
 * One pool for each chain.  Calls go to the endpoint in use; a failure moves to the next one
 * that is up.  Three failures in a row, or a wrong chain id, take an endpoint out of use (a
 * circuit breaker with half-open probes every 5 s to 60 s, each second while there is no other).
 * Each endpoint's chain id is asked before its first use and every 60 s.  Who was asked too
 * often is left alone for as long as it wishes, else for 0.1 s to 30 s.  URLs are never printed,
 * names are.
 *
 * A call with a timeout of at most 10 s has 2 s at first; after each answer that did not come in
 * time the endpoint is given twice as long, for a minute, up to the call's own timeout.
 */
#pragma once

#include <cjson/cJSON.h>

#include "common/http.h"
#include "common/u256.h"

#define JSONRPC_REPLY_MAX (16u << 20)	/* bytes of one reply */
#define JSONRPC_DEPTH_MAX 64
#define JSONRPC_BATCH_MAX 64		/* calls in one POST */
#define JSONRPC_ENDPOINTS_MAX 8

struct jsonrpc;		/* owned by its maker */

struct jsonrpc_endpoint { const char *name, *url; };	/* borrowed from settings */

struct jsonrpc_events {			/* any may be NULL */
	void (*on_down)(void *owner, const char *why);	/* no endpoint answers */
	void (*on_up)(void *owner, const char *endpoint);
	void (*on_wrong_chain)(void *owner, const char *endpoint, uint64_t chain_id);
	void (*on_failover)(void *owner, const char *endpoint);
	void (*on_call)(void *owner, unsigned calls, bool failed);	/* for counters */
	/* A reply that was malformed, too large or contradictory; it counts as a failure. */
	void (*on_refused)(void *owner, const char *endpoint, const char *why);
	void (*on_throttled)(void *owner, const char *endpoint);	/* once for each reply */
};

/* CHAIN_ID 0: the id that is said first counts for all endpoints. */
struct jsonrpc *jsonrpc_new(struct loop *loop, struct http *http, uint64_t chain_id,
			    const struct jsonrpc_endpoint *endpoints, unsigned count,
			    const struct jsonrpc_events *events, void *owner);
void jsonrpc_free(struct jsonrpc **j);

bool jsonrpc_is_up(const struct jsonrpc *j);
uint64_t jsonrpc_chain_id(const struct jsonrpc *j);	/* 0: none was said yet */
unsigned jsonrpc_endpoints(const struct jsonrpc *j);

/* Has it answered with the right chain id, and does it go on answering? */
bool jsonrpc_endpoint_is_up(const struct jsonrpc *j, unsigned endpoint);

/*
 * The caller does not trust what ENDPOINT (a reply's) says just now, for instance because it is
 * behind: if it is the one in use, the next one that is up is used from here on.  False when
 * there is no other.
 */
bool jsonrpc_move_on(struct jsonrpc *j, const char *endpoint);

/* The caller needs more endpoints than are up: those that are not are asked now. */
void jsonrpc_seek(struct jsonrpc *j);

/* The caller has a reason to think that ENDPOINT is on another chain: its id is asked now. */
void jsonrpc_doubt(struct jsonrpc *j, const char *endpoint);

enum jsonrpc_outcome {
	RPC_OK,			/* result is set */
	RPC_ERROR,		/* the node answered with an error: code, message, data */
	RPC_NOT_SENT,		/* surely not received by a node */
	RPC_AMBIGUOUS,		/* perhaps received: connection lost, 5xx, garbage, no time left */
	RPC_THROTTLED,		/* 429, or the node says so: not executed */
};

struct jsonrpc_reply {
	enum jsonrpc_outcome outcome;
	const cJSON *result;	/* borrowed until the callback returns; may be JSON null */
	int64_t code;		/* of an error */
	const char *message;	/* of an error, or why there is no reply; never NULL; cut to 300 bytes */
	struct bytes data;	/* decoded error data (revert data), at most 4 KiB; borrowed */
	const char *endpoint;	/* name of who answered */
};

/* An error of eth_call: the contract was asked and refuses; any other error is the node's own. */
bool jsonrpc_is_revert(const struct jsonrpc_reply *r);

/* One call of a batch.  PARAMS is JSON text of the array ("[\"latest\",false]"), copied. */
struct jsonrpc_call {
	const char *method;
	const char *params;
	void (*on_reply)(void *owner, const struct jsonrpc_reply *reply);
	void *owner;
	uint64_t tag;		/* for the owner: not read here */
};

struct jsonrpc_batch;

/*
 * Send COUNT calls in one POST; each on_reply is called exactly once (unless cancelled), in
 * the order of the calls, never from here; replies are matched by id.  A reply that lacks a
 * call, repeats one or holds an unknown id makes the whole batch ambiguous and the
 * connection is dropped.  ENDPOINT -1: the one in use; else that one.  *batch_out may be
 * NULL.  BODY of a single call is not an array.
 */
enum err jsonrpc_send(struct jsonrpc *j, int endpoint, const struct jsonrpc_call *calls,
		      unsigned count, double timeout_s, struct jsonrpc_batch **batch_out);

void jsonrpc_cancel(struct jsonrpc_batch **batch);

/* Helpers for results: strict, ERR_FORMAT when it is not that. */
enum err json_u64(const cJSON *v, uint64_t *out) MUST_CHECK;		/* "0x1f" */
enum err json_u256(const cJSON *v, struct u256 *out) MUST_CHECK;
enum err json_b32(const cJSON *v, struct b32 *out) MUST_CHECK;
enum err json_addr(const cJSON *v, struct addr *out) MUST_CHECK;
enum err json_bytes(const cJSON *v, uint8_t *out, size_t cap, size_t *len_out) MUST_CHECK;
const cJSON *json_get(const cJSON *object, const char *name);		/* NULL-safe, case-sensitive */
