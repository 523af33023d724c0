/*
 * holder - which coprocessor is asked next for a ciphertext.
 *
 * One whose bucket does not answer is asked last for a while, so that only the first requests
 * wait for it; after that one request finds out whether it is back.
 */
#pragma once

#include "executor/chainview.h"

#define HOLDER_SILENT_MS 30000

struct holders {
	struct { struct addr who; uint64_t until_ms; } silent[BUCKETS_MAX];
	unsigned count;
};

/* Its bucket gave an answer, or none, at a time of the loop's clock. */
void holder_answered(struct holders *h, const struct addr *who);
void holder_was_silent(struct holders *h, const struct addr *who, uint64_t now_ms);

/*
 * One of LIST (up to COPROCESSORS_MAX) that is not in *ASKED, a set of bits by position; from
 * FIRST on, those that answer before those that do not.  It is added to *ASKED.  -1: all were asked.
 */
int holder_next(struct holders *h, const struct addr *list, unsigned count, unsigned first,
		uint64_t *asked, uint64_t now_ms);
