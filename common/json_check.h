/*
 * json_check - is a text JSON, strictly and within bounds, before a parser builds it?
 *
 * RFC 8259 to the letter: UTF-8, no control characters in strings, no leading zeros, one value
 * and nothing after it.  Beyond it: no \u0000 in keys, numbers of at most 40 characters, DEPTH
 * levels and VALUES values at the most.  Never allocates, never recurses.
 *
 * A value may hold \u0000 and ends there for its reader: nodes decode the arguments of a revert
 * into their message, whatever bytes they are.
 */
#pragma once

#include "common/bytes.h"

#define JSON_CHECK_DEPTH_MAX 64

/* ERR_FORMAT, ERR_TRUNCATED, ERR_TRAILING, or ERR_TOO_BIG for depth, values, numbers. */
enum err json_check(struct bytes text, unsigned depth, unsigned values) MUST_CHECK;
