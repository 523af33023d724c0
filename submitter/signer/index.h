/*
 * index - every transaction in the journal, found by request and by nonce.
 *
 * In memory is only where to look: a table of 4 MiB, whatever it holds, in which each transaction
 * has two slots, 16 bits of a hash and the number of a block; a block is some records that stand
 * together in the journal.  Who is looked for is looked for in the journal itself, in each block
 * that may have it, so two that have one hash are never taken for each other, and what has no
 * slot is not there.  Of a request the highest nonce counts, of a nonce the last record.
 *
 * All memory is reserved at once and touched as it fills, because nothing can be allocated
 * after confinement.  Nothing is removed.
 */
#pragma once

#include "common/bytes.h"

#define INDEX_SLOTS       (1u << 20)
#define INDEX_FULL        (INDEX_SLOTS / 4 * 3) /* slots in use: then the journal goes on anew */
#define INDEX_BLOCK       16 /* records of transactions in a block, at most */
#define INDEX_BLOCK_BYTES (64u << 10) /* and bytes, before its last record begins */
#define INDEX_BLOCKS_MAX  65535u

/* A transaction as its record says. */
struct entry {
	uint64_t chain, nonce, op, kind;
	uint64_t gas, max_fee, tip;	/* of the newest version at this nonce */
	uint64_t at;			/* its record in the journal */
	uint32_t length;
	uint32_t replaced;		/* how many transactions of this request came before it */
	struct b32 id, calldata_hash, tx_hash;
};

/* The record at AT: where it ends, and whether it is one of a transaction; then *OUT is it. */
struct index_reader {
	enum err (*read)(void *owner, uint64_t at, struct entry *out, bool *is_tx_out,
			 uint64_t *end_out);
	void *owner;
};

struct index {
	struct index_reader reader;
	uint32_t *slot; /* INDEX_SLOTS of them; 0: free */
	uint32_t used;
	uint64_t *block; /* where each begins; INDEX_BLOCKS_MAX of them */
	uint32_t blocks, in_last; /* in_last: records of the last one */
	uint64_t end; /* of the last record */
	uint8_t hash_key[16];		/* ids come from outside: nobody can make them collide */
};

enum err index_open(struct index *x, const struct index_reader *reader) MUST_CHECK;	/* ERR_NOMEM */
void index_close(struct index *x);

/*
 * The newest transaction of a request; the newest one at a nonce.  ERR_MISSING when there is
 * none; the reader's own trouble says nothing about it: the process must end.
 */
enum err index_find_request(const struct index *x, uint64_t chain, uint64_t kind,
			    const struct b32 *id, struct entry *out) MUST_CHECK;
enum err index_find_nonce(const struct index *x, uint64_t chain, uint64_t nonce,
			  struct entry *out) MUST_CHECK;

/* Is it not full yet?  Some more fit: raises, and a segment that was left behind half made. */
bool index_has_room(const struct index *x);

/* Records that stand behind all others: at a nonce that has none; of BEFORE's request and nonce,
   in its place.  ERR_FULL. */
enum err index_add(struct index *x, const struct entry *e) MUST_CHECK;
enum err index_raise(struct index *x, const struct entry *e, const struct entry *before) MUST_CHECK;

/* Where the newest records begin: some COUNT transactions in some BYTES, rather fewer. */
uint64_t index_newest(const struct index *x, uint32_t count, uint64_t bytes);
