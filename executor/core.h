/*
 * core - unary calls to KMS Cores over gRPC's C core.
 *
 * One thread waits on the completion queue and hands finished calls to the loop; everything
 * else happens on the loop.  Every call has a deadline, keepalive and size limits.  Policy
 * (what to do about a status) is the caller's.
 */
#pragma once

#include <grpc/slice.h>

#include "common/bytes.h"
#include "common/loop.h"

#define CORES_MAX        16
#define CORE_DETAILS_MAX 200

struct core;		/* owned by the executor */
struct core_call;	/* owned by the module until its on_done returns */

/*
 * Endpoints are "host:port".  A connection that is silent for KEEPALIVE_S is tried by a ping, and
 * given up when no answer comes in half of that.  Call after proc_confine: gRPC starts threads.
 */
struct core *core_new(struct loop *loop, const char *const *endpoints, unsigned count,
		      size_t message_max, unsigned keepalive_s);
void core_free(struct core **c);

/* Status codes of gRPC, by their names. */
enum core_status {
	CORE_OK = 0, CORE_CANCELLED = 1, CORE_UNKNOWN = 2, CORE_INVALID_ARGUMENT = 3,
	CORE_DEADLINE_EXCEEDED = 4, CORE_NOT_FOUND = 5, CORE_ALREADY_EXISTS = 6,
	CORE_PERMISSION_DENIED = 7, CORE_RESOURCE_EXHAUSTED = 8, CORE_FAILED_PRECONDITION = 9,
	CORE_ABORTED = 10, CORE_OUT_OF_RANGE = 11, CORE_UNIMPLEMENTED = 12, CORE_INTERNAL = 13,
	CORE_UNAVAILABLE = 14, CORE_DATA_LOSS = 15, CORE_UNAUTHENTICATED = 16,
};

const char *core_status_name(int status);

struct core_reply {
	int status;
	bool from_peer;			/* the status was sent by the Core, not made here */
	char details[CORE_DETAILS_MAX];	/* for people; printable */
	struct bytes message;		/* of OK; borrowed until on_done returns */
};

/*
 * Two lanes to each Core, on connections of their own: long polls for results must not
 * stand in the way of new work where a server limits the streams of a connection.
 */
enum core_lane { CORE_LANE_WORK, CORE_LANE_RESULTS, CORE_LANES };

/*
 * Start one call.  METHOD is a constant path ("/kms_service.v1.CoreServiceEndpoint/...").
 * The slices are taken over, whatever happens.  ON_DONE comes exactly once from the loop,
 * unless the call is abandoned.
 */
struct core_call *core_start(struct core *c, unsigned endpoint, enum core_lane lane,
			     const char *method,
			     grpc_slice *slices, size_t count, double timeout_s,
			     void (*on_done)(void *owner, const struct core_reply *r), void *owner);

/* on_done is not called any more; the call itself is cancelled. */
void core_abandon(struct core_call **call);

unsigned core_endpoints(const struct core *c);
