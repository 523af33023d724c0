/*
 * bodies - the ciphertexts of a request, from every bucket that is said to hold them.
 *
 * Each copy is hashed and must have the digest that the chain gives: one that has not is wrong,
 * whatever the others are; one that cannot be had is nothing, as long as another can.  The
 * operator's own bucket is asked for what no registered one gives.  Rules for addresses,
 * redirects and signed requests are the executor's (executor/fetch.h).
 */
#pragma once

#include "common/s3.h"
#include "supervisor/cli/audit.h"

#define BODIES_BUCKETS_MAX 128

/* Buckets by who registered them; "" for who has none. */
struct buckets {
	unsigned count;
	bool is_list;			/* all that are registered */
	struct { struct addr holder; char url[S3_BUCKET_MAX]; } bucket[BODIES_BUCKETS_MAX];
};

/* From what the read coprocessor_bucket returned. */
enum err buckets_read(const struct profile_read *r, struct abi_view root, struct buckets *out)
	MUST_CHECK;

/* Those of one account, where coprocessors are read one by one.  When there is no room, the others
   are forgotten. */
bool buckets_know(const struct buckets *b, const struct addr *holder);
void buckets_add(struct buckets *b, const struct addr *holder, struct bytes url);

struct bodies;

/* SETTINGS are the executor's; CREDENTIALS a descriptor, or -1. */
struct bodies *bodies_open(const struct settings *settings, int credentials);
void bodies_close(struct bodies **b);

/* Blocking: at most BODIES_AT_ONCE downloads at a time.  Findings to OUT. */
#define BODIES_AT_ONCE 8
void bodies_check(struct bodies *b, const struct profile *p, const struct request *r,
		  const struct buckets *buckets, struct audit *out);
