/*
 * state - what accounts and contracts hold, as of each block.
 *
 * Every value has a version for each block that wrote it, so that a call can be answered as of
 * any block and a reorganisation is one cut.
 */
#pragma once

#include "tests/peers/fakechain/util.h"

struct state;

#define STATE_KEY 56
struct key {
	uint8_t b[STATE_KEY];
}; /* a tag, an id, an address; zeros where there is none */

struct state *state_new(void);

struct key key_of(uint8_t tag, const struct b32 *id, const struct addr *who); /* NULL: zeros */

/* The value as of the end of block AT; .p is NULL when there is none.  Borrowed until a cut. */
struct bytes state_get(const struct state *s, const struct key *k, uint64_t at);
uint64_t state_get_u64(const struct state *s, const struct key *k, uint64_t at);

/* Blocks must not decrease from one put to the next. */
void state_put(struct state *s, const struct key *k, uint64_t block, struct bytes v);
void state_put_u64(struct state *s, const struct key *k, uint64_t block, uint64_t v);

/* Forgets what blocks from BLOCK on wrote. */
void state_cut(struct state *s, uint64_t block);
