/*
 * index - every transaction in the journal, found by request and by nonce.
 *
 * All memory is reserved at once and touched as it fills, because nothing can be allocated
 * after confinement.  Entries are never removed.
 */
#pragma once

#include "common/bytes.h"

#define INDEX_MAX (1u << 20)		/* entries */

struct entry {
	uint64_t chain, nonce, op, kind;
	uint64_t gas, max_fee, tip;	/* of the newest version at this nonce */
	uint64_t at;			/* its record in the journal */
	uint32_t length;
	uint32_t replaced;		/* how many transactions of this request came before it */
	struct b32 id, calldata_hash, tx_hash;
};

struct table {
	uint32_t *slot;			/* a table of N slots lives at slot[N] to slot[2N - 1] */
	uint32_t slots, used;
};

struct index {
	struct entry *entry;		/* INDEX_MAX of them */
	uint32_t count;
	struct table by_request, by_nonce;
	uint8_t hash_key[16];		/* ids come from outside: nobody can make them collide */
};

enum err index_open(struct index *x) MUST_CHECK;	/* ERR_NOMEM */
void index_close(struct index *x);

/* The newest transaction of a request; the one at a nonce.  NULL when there is none. */
struct entry *find_by_request(const struct index *x, uint64_t chain, uint64_t kind,
			      const struct b32 *id);
struct entry *find_by_nonce(const struct index *x, uint64_t chain, uint64_t nonce);

/* E becomes the newest of its request and the one of its nonce.  Room was asked for. */
bool index_has_room(const struct index *x);
struct entry *index_add(struct index *x, const struct entry *e);
