/*
 * journal - every transaction that was ever signed, in one file that only grows.
 *
 *	file     = slot, slot, records...	slots at 0 and SLOT_BYTES: where the records begin
 *	record   = head, body, link		all numbers big-endian, 8 bytes
 *	head     = magic, length, base, type, link of the record before,
 *		   RECORD_NUMBERS, RECORD_HASHES
 *	link     = BLAKE2b-256 of head and body
 *
 * Records are gathered and written by one write and one sync; `base` is where the file ended
 * when their gathering began.  Nothing that was not synced has been told to anybody, so after
 * a crash a damaged group at the very end is cut off.  A damaged record that another group
 * follows is no crash: the journal is refused.
 *
 * journal_begin_segment() moves the beginning forward: what lies before it is given back to
 * the disk.
 */
#pragma once

#include "common/bytes.h"
#include "proto/ipc.h"

/* name, what it says */
#define RECORD_TYPES(R) \
	R(signed,   "a transaction at a new nonce; body: the raw transaction") \
	R(raised,   "the same call at the same nonce, for more; body: the raw transaction") \
	R(replaced, "the same request again at a new nonce; body: the raw transaction") \
	R(adopted,  "the chain's next nonce, as the submitter saw it") \
	R(refused,  "a request that the policy refused; body: the rule's name") \
	R(segment,  "a segment begins: the records up to its transactions repeat older ones") \
	R(carried,  "a transaction of an older segment; body: the raw transaction") \
	R(reached,  "next nonce of an older segment") \
	R(spent,    "wei spent in one minute of an older segment; body: 32 bytes")

enum record_type {
	RECORD_none,
#define R(name, text) RECORD_##name,
	RECORD_TYPES(R)
#undef R
	RECORD_COUNT
};

#define RECORD_NUMBERS(N) \
	N(unix_ms) N(chain) N(nonce) N(op) N(kind) N(gas) N(max_fee) N(tip) N(replaced)
#define RECORD_HASHES(H) \
	H(id) H(calldata_hash) H(tx_hash)

struct record {
	enum record_type type;
#define N(name) uint64_t name;
	RECORD_NUMBERS(N)
#undef N
#define H(name) struct b32 name;
	RECORD_HASHES(H)
#undef H
	struct bytes body;		/* borrowed from the journal's buffer */
};

#define RECORD_HEAD   232
#define RECORD_LINK   32
#define RECORD_MAX    (RECORD_HEAD + IPC_RAW_TX_MAX + RECORD_LINK)
#define JOURNAL_FIRST 8192			/* where records begin in a new file */
#define JOURNAL_GROUP (2u << 20)		/* bytes written together, at most */
#define JOURNAL_LIMIT (256ull << 20)		/* bytes of one segment */

struct journal {
	int fd;				/* borrowed from the supervisor */
	uint64_t start;			/* where the present segment begins */
	uint64_t size;			/* synced bytes of the file */
	uint64_t slot_number;		/* of the newest slot */
	struct b32 link;		/* of the last record, gathered ones included */
	size_t gathered;		/* bytes in group that are not synced yet */
	size_t written;			/* of these, what is in the file already */
	uint64_t group_at;		/* where group stands in the file */
	size_t held;			/* bytes in group, written or not: read without a call */
	uint8_t *group;			/* owned; JOURNAL_GROUP bytes */
	uint8_t *one;			/* owned; RECORD_MAX bytes, for reading one */
};

struct journal_reader {
	enum err (*on_record)(void *owner, const struct record *r, uint64_t at, uint32_t length);
	void *owner;
};

/*
 * Read the file FD from its beginning and say each record; an empty file becomes a new
 * journal.  *cut_out: bytes that were cut off at the end.  On failure *bad_at_out is where:
 * ERR_CONFLICT (not what we wrote), ERR_IO, ERR_NOMEM, or what the reader returned.
 * This and journal_begin_segment need more rights than the rest: before confinement.
 */
enum err journal_open(struct journal *j, int fd, const struct journal_reader *reader,
		      uint64_t *cut_out, uint64_t *bad_at_out) MUST_CHECK;
void journal_close(struct journal *j);		/* the descriptor stays the caller's */

/* Room for one more record of any size in this group? */
bool journal_has_room(const struct journal *j);

/* Gather one; *at_out and *length_out name it for journal_read. */
void journal_add(struct journal *j, const struct record *r, uint64_t *at_out,
		 uint32_t *length_out);

/*
 * Write what was gathered and sync.  ERR_FULL: the disk is full; called again it goes on where it
 * stood, and until then nothing may be added or told.  After any other failure the process must end.
 */
enum err journal_commit(struct journal *j) MUST_CHECK;

/* A record again, from the group or the file; ERR_CONFLICT when it is damaged. */
enum err journal_read(struct journal *j, uint64_t at, uint32_t length,
		      struct record *out) MUST_CHECK;

/*
 * The record at AT whatever its length, and where it ends; every byte of it is checked.
 * ERR_CONFLICT: there is none, or it is damaged.
 */
enum err journal_look(struct journal *j, uint64_t at, struct record *out,
		      uint64_t *end_out) MUST_CHECK;

/* The records from FROM on say everything: begin there, give the rest back to the disk. */
enum err journal_begin_segment(struct journal *j, uint64_t from,
			       const struct b32 *link_before) MUST_CHECK;

uint64_t journal_bytes(const struct journal *j);	/* of the present segment */
