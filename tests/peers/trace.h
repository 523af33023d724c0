/*
 * trace - when what passed through a peer, for those who measure the time in between.
 *
 * Nothing is kept until it is asked for the first time.  One in a program.
 */
#pragma once

#include "common/bytes.h"
#include "common/text.h"

#define TRACE_MAX 200000 /* kept; what comes then is not */

/* WHAT is constant; KEY is of the request: its id, or the digest of its ciphertext. */
void trace_note(const char *what, const struct b32 *key);

/* The 32 bytes of B from AT on; nothing if there are none. */
void trace_bytes(const char *what, struct bytes b, size_t at);

/* All since it was asked the last time: [[monotonic microseconds, "what", "0x.."], ..]. */
void trace_give(struct text *out);
