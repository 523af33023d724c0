/*
 * ids - a table of things by their 32-byte names: ids of requests, digests of bodies.
 *
 * What is put in stays; things are owned by who put them in.
 */
#pragma once

#include "common/bytes.h"

/* The first member of each thing. */
struct ided {
	struct b32 id;
};

struct ids {
	struct ided **slot;	/* owned; the things are not */
	size_t cap, count;	/* cap is a power of 2, or 0 */
};

struct ided *find_id(const struct ids *t, const struct b32 *id);	/* NULL: none */
void ids_add(struct ids *t, struct ided *thing);	/* its id must not be there */

/* All of them in no order: start with *at = 0; NULL at the end. */
struct ided *ids_next(const struct ids *t, size_t *at);

/* The table itself; its things are freed before, by their owner. */
void ids_fini(struct ids *t);
