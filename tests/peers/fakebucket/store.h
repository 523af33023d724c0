/*
 * store - the bodies, what is wrong with them on request, and what was asked for.
 *
 * A body's name is its keccak256.  It was put, or is made from a seed whenever it is asked for:
 * its 32-bit words, little-endian, are mix(base + i * 0x9e3779b9), with
 * base = mix(seed ^ mix(index + 1)); bodyOf() in tests/peers/fakebucket.mjs does the same.
 */
#pragma once

#include "tests/peers/ids.h"
#include "tests/peers/peer.h"

#define BUCKETS_MAX 32
#define BODY_MAX    (256u << 20)	/* bytes */
#define BODIES_MAX  (4u << 20)

struct body {
	struct ided ided;		/* its digest */
	uint32_t buckets;		/* a bit for each that has it */
	uint32_t seed, index;		/* of one without bytes */
	uint8_t *bytes;			/* owned; NULL: made from the seed */
	size_t len;
	unsigned gets;
};

/*
 * What a fault does with an answer.
 * kind, its numbers (and what they are without being said), what comes of it
 */
#define FAULTS(F) \
	F(status,    "status", 500, "",        0,   "this status, with S3's words for it") \
	F(redirect,  "",       0,   "",        0,   "302 to the URL `to`, or to itself") \
	F(hang,      "",       0,   "",        0,   "no answer") \
	F(reset,     "bytes",  0,   "",        0,   "a reset after so many bytes of the body") \
	F(wrong,     "at",     0,   "",        0,   "one bit of this byte is another") \
	F(empty,     "",       0,   "",        0,   "a body of no bytes") \
	F(truncated, "bytes",  -1,  "",        0,   "the connection ends after so many bytes; half") \
	F(announced, "bytes",  70254592, "",   0,   "a length that does not come; the connection ends") \
	F(oversize,  "bytes",  70254592, "",   0,   "the body, followed by others up to this length") \
	F(endless,   "",       0,   "",        0,   "no length and no end") \
	F(drip,      "bytes",  16,  "everyMs", 100, "so many bytes at a time, so often") \
	F(delay,     "ms",     1000, "",       0,   "the answer comes so much later")

enum fault_kind {
#define F(kind, first, d1, second, d2, text) FAULT_##kind,
	FAULTS(F)
#undef F
};

struct fault {
	struct fault *next;
	char where[160];		/* "bucket/digest", "digest", "bucket/" "*" or "*" */
	enum fault_kind kind;
	double amount[2];		/* by the row's names */
	char to[256];
	unsigned count;			/* answers that it still meets; 0: all */
};

struct store {
	char name[BUCKETS_MAX][64];
	unsigned buckets;
	bool hide_missing;		/* what is not there is 403, as where listing is forbidden */
	struct ids bodies;		/* of struct body, owned */
	struct fault *faults;		/* owned */

	uint64_t gets, puts, bytes, active, active_peak;
	uint64_t statuses[600], by_bucket[BUCKETS_MAX];
};

int store_bucket(const struct store *s, struct bytes name);	/* -1: none of this name */
struct body *store_get(struct store *s, const struct b32 *digest);	/* made if there is room */
bool body_is_in(const struct body *b, int bucket);

/* BYTES (malloc'ed) becomes the store's. */
struct b32 store_put(struct store *s, uint8_t *bytes, size_t len, uint32_t buckets);
void body_expand(const struct body *b, uint8_t *out);

/* The fault for this answer, spent by one, to *out; false: none. */
bool store_fault(struct store *s, int bucket, struct bytes key, struct fault *out);

extern const struct control_op store_control[];	/* their owner is the store */
