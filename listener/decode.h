/*
 * decode - headers and logs from a node's JSON, strictly; and whether a log's data is what the
 * profile's event line says.  Pure.
 */
#pragma once

#include "common/jsonrpc.h"
#include "listener/claims.h"
#include "listener/filter.h"

struct header {
	uint64_t number, time;
	struct b32 hash, parent;
	bool has_bloom;
	uint8_t bloom[BLOOM_BYTES];
};

struct log_entry {
	unsigned request;		/* row of the profile */
	struct addr contract;
	uint64_t block, time, index;
	struct b32 block_hash, tx_hash;
	unsigned topics;
	struct b32 topic[4];
	uint8_t *data;			/* owned */
	size_t len;
	const char *reason;		/* constant: why it cannot be decoded; NULL: it can */
};

/* ERR_MISSING for null: the node does not know the block. */
enum err decode_header(const cJSON *v, struct header *out) MUST_CHECK;

/*
 * One log.  ERR_UNKNOWN when it is not one of ours, ERR_MISMATCH when it was not asked for or is
 * marked as removed; ERR_FORMAT when it is no log; OK also when the event's data cannot be
 * decoded (*out then has a reason).  The caller frees out->data.
 */
enum err decode_log(const cJSON *v, const struct filter *f, const struct profile *p,
		    struct log_entry *out) MUST_CHECK;

/*
 * Where a log stands and what it is called, whatever its data says; for logs that were asked for
 * without a topic.  ERR_MISMATCH when it is marked as removed, ERR_FORMAT when it is no log.
 * Nothing of *out is owned.
 */
enum err decode_name(const cJSON *v, struct log_entry *out) MUST_CHECK;

/*
 * One SETTLED_EVENT of the parent chain, which was asked for from FROM to TO.  ERR_FORMAT when
 * it is no log, ERR_MISMATCH when it is another one or marked as removed.
 */
enum err decode_claim(const cJSON *v, const struct addr *outbox, uint64_t from, uint64_t to,
		      struct claim *out) MUST_CHECK;
