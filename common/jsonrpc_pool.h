/*
 * jsonrpc_pool - what the two halves of jsonrpc share: jsonrpc.c (batches) and
 * jsonrpc_endpoint.c (which endpoint is asked).  Included by them and by nobody else.
 */
#pragma once

#include "common/jsonrpc.h"

struct endpoint {
	struct jsonrpc *j;
	const char *name, *url;		/* borrowed from settings */
	bool up;			/* right chain id, and not too many failures */
	bool tried;			/* its first check has ended */
	bool wrong;			/* on another chain */
	bool checking;
	unsigned failures;		/* in a row */
	uint64_t check_at_ms;
	uint64_t probe_ms;		/* pause before the next probe */
	uint64_t throttled_until_ms, throttle_ms;
	double patience_s;		/* seconds for a small answer */
	uint64_t patient_until_ms;	/* then it is as in the beginning */
};

enum reach { BEGINNING, UP, DOWN };

struct jsonrpc {
	struct loop *loop;
	struct http *http;
	uint64_t chain_id, next_id;
	struct endpoint endpoint[JSONRPC_ENDPOINTS_MAX];
	unsigned count, in_use;
	enum reach reach;
	struct jsonrpc_events events;
	void *owner;
	struct timer *check_timer, *soon;
	struct jsonrpc_batch *first, *last;	/* owned */
};

/* Endpoints, for batches. */
struct endpoint *endpoint_choose(struct jsonrpc *j);	/* NULL: none is ready */
bool endpoint_any_up(const struct jsonrpc *j);
bool endpoint_all_tried(const struct jsonrpc *j);
void endpoint_failed(struct endpoint *e, const char *why);
void endpoint_answered(struct endpoint *e, uint64_t took_ms);
void endpoint_throttled(struct endpoint *e, uint64_t retry_after_s);
void endpoint_late(struct endpoint *e);			/* no answer in time */
/* Seconds to wait for an answer, at most TIMEOUT_S. */
double endpoint_patience(struct endpoint *e, double timeout_s);
void endpoint_on_timer(void *j);			/* checks that are due */

/* Batches, for endpoints. */
void batch_send_check(struct endpoint *e, const struct jsonrpc_call *call, double timeout_s);
void batch_launch_waiting(struct jsonrpc *j);		/* there is an endpoint, or surely none */
