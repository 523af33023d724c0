/*
 * fetch - the ciphertexts of one request from the coprocessors' buckets, and last from the
 * operator's own (common/s3.h): all or none.
 *
 * Each body is hashed as it comes and must equal the digest that the chain gave.  No
 * redirects; private addresses are refused but at the operator's endpoint.  Memory is
 * reserved from the body budget before a fetch begins; fetches wait in line for it.
 */
#pragma once

#include "common/request.h"
#include "executor/executor.h"

#define BODY_GUESS   (64u << 10)	/* reserved for a body before any size is known */
#define FETCHES_MAX  64			/* bodies on the way at once */
#define FETCH_TIMEOUT_S 20.0		/* one body from one bucket */

enum fetch_outcome {
	FETCH_OK,
	FETCH_AGAIN,		/* not there now, or not what the digest says: another time */
	FETCH_OUTAGE,		/* no bucket could be reached */
	FETCH_TOO_BIG,		/* together more than the Core takes in one message */
};

struct body {
	uint8_t *p;		/* malloc'ed; the owner of the fetch may take it (p = NULL) */
	size_t len;
};

struct fetch;			/* owned by its operation */

struct fetcher *fetcher_new(struct executor *x);
void fetcher_free(struct fetcher **f);

/*
 * R is borrowed until ON_DONE, which comes exactly once from the loop unless freed before.  LIVE:
 * it goes before those that are not.
 */
struct fetch *fetch_start(struct fetcher *f, const struct request *r, uint64_t op, bool live,
			  void (*on_done)(void *owner, enum fetch_outcome what, const char *why),
			  void *owner);

struct body *fetch_body(struct fetch *f, unsigned material);
size_t fetch_bytes(const struct fetch *f);

/* Cancels what is on the way, frees what was not taken, gives the budget back. */
void fetch_free(struct fetch **f);
