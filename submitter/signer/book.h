/*
 * book - what the journal's records add up to: nonces, transactions, money spent.
 *
 * The same function takes a record whether it was just written or is read at start: what a
 * restarted signer knows cannot differ from what the killed one knew.
 */
#pragma once

#include "submitter/signer/index.h"
#include "submitter/signer/journal.h"
#include "submitter/signer/ledger.h"

#define BOOK_CHAINS_MAX   16
/* What a new segment repeats, at most: whole blocks of the index, each as if it were full. */
#define BOOK_CARRY_MAX    4096		/* records of transactions */
#define BOOK_CARRY_BYTES  (64ull << 20)	/* and their bytes */

struct book_chain {
	uint64_t id;
	bool known;			/* next is known: adopted or signed before */
	uint64_t next;			/* nonce of the next new transaction */
	uint64_t adopted;		/* highest nonce the submitter saw on the chain */
	struct ledger ledger;
};

struct book {
	unsigned chains;
	struct book_chain chain[BOOK_CHAINS_MAX];
	struct index index;
	uint64_t now_ms;		/* no record counts as newer than this */
	bool spent_counts;		/* spent records are of the segment that is being read */
	bool read_any;			/* a record was taken */
};

/* J outlives the book, which reads again from it; it is opened after the book.  ERR_NOMEM. */
enum err book_open(struct book *b, struct journal *j, uint64_t now_ms) MUST_CHECK;
void book_close(struct book *b);

/* NULL when there is none; book_chain makes it (NULL only when there are too many). */
struct book_chain *find_chain(struct book *b, uint64_t id);
struct book_chain *book_chain(struct book *b, uint64_t id);

/* Take one record; AT and LENGTH name it in the journal.  ERR_CONFLICT, ERR_FULL, ERR_IO. */
enum err book_take(struct book *b, const struct record *r, uint64_t at,
		   uint32_t length) MUST_CHECK;

/* Gather R, and take it. */
enum err book_write(struct book *b, struct journal *j, const struct record *r) MUST_CHECK;

/* Is it time for a new segment?  The journal is long, or the index has no more room. */
bool book_is_full(const struct book *b, const struct journal *j);

/* Write what is still useful as a new segment of J and begin there; before confinement.
   Journal and book are then opened again. */
enum err book_carry(struct book *b, struct journal *j) MUST_CHECK;

struct u256 wei_of(uint64_t gas, uint64_t max_fee);	/* what it costs at the most */
