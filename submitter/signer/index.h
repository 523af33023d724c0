/*
 * index - every transaction in the journal, found by request and by nonce.
 *
 * What is kept of a transaction is where its record stands and two hashes: 16 bytes, and 11 in
 * the tables at the most.  The record itself is read again when it is asked for, and tells
 * whether it is the one: two that have one hash are never taken for each other.  So a full
 * segment of the journal (some 400,000 transactions) takes 11 MiB.
 *
 * All memory is reserved at once and touched as it fills, because nothing can be allocated
 * after confinement.  Entries are never removed.
 */
#pragma once

#include "common/bytes.h"

#define INDEX_MAX (1u << 20)		/* entries */

/* A transaction as its record says. */
struct entry {
	uint32_t number;		/* in the index */
	uint64_t chain, nonce, op, kind;
	uint64_t gas, max_fee, tip;	/* of the newest version at this nonce */
	uint64_t at;			/* its record in the journal */
	uint32_t length;
	uint32_t replaced;		/* how many transactions of this request came before it */
	struct b32 id, calldata_hash, tx_hash;
};

enum index_key { BY_REQUEST, BY_NONCE, INDEX_KEYS };

#define PLACE_AT_BITS     46
#define PLACE_LENGTH_BITS 17

struct place {
	uint64_t at : PLACE_AT_BITS, length : PLACE_LENGTH_BITS;
	uint64_t is_old : 1;		/* a newer one of the same request came */
	uint32_t hash[INDEX_KEYS];
};

struct table {
	uint32_t *slot;			/* entry number plus one; 0: free */
	uint32_t slots, used;
};

/* What stands at a place: ERR_IO, ERR_CONFLICT. */
struct index_reader {
	enum err (*read)(void *owner, uint64_t at, uint32_t length, struct entry *out);
	void *owner;
};

struct index {
	struct index_reader reader;
	struct place *place;		/* INDEX_MAX of them */
	uint32_t count;
	struct table table[INDEX_KEYS];
	uint8_t hash_key[16];		/* ids come from outside: nobody can make them collide */
};

enum err index_open(struct index *x, const struct index_reader *reader) MUST_CHECK;	/* ERR_NOMEM */
void index_close(struct index *x);

/*
 * The newest transaction of a request; the one at a nonce.  ERR_MISSING when there is none;
 * the reader's own trouble says nothing about it: the process must end.
 */
enum err index_find_request(const struct index *x, uint64_t chain, uint64_t kind,
			    const struct b32 *id, struct entry *out) MUST_CHECK;
enum err index_find_nonce(const struct index *x, uint64_t chain, uint64_t nonce,
			  struct entry *out) MUST_CHECK;

/* E, at a nonce that has none, becomes the newest of its request.  Room was asked for. */
bool index_has_room(const struct index *x);
enum err index_add(struct index *x, const struct entry *e) MUST_CHECK;

/* Entry NUMBER, of the same request and nonce, is said by another record now. */
void index_move(struct index *x, uint32_t number, uint64_t at, uint32_t length);
