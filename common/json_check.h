/*
 * json_check - is a text JSON, strictly and within bounds, before a parser builds it?
 *
 * RFC 8259 to the letter: UTF-8, no control characters in strings, no leading zeros, one value
 * and nothing after it.  Beyond it: no \u0000 (a C string would end there), numbers of at most
 * 40 characters, DEPTH levels and VALUES values at the most.  Never allocates, never recurses.
 */
#pragma once

#include "common/bytes.h"

#define JSON_CHECK_DEPTH_MAX 64

/* ERR_FORMAT, ERR_TRUNCATED, ERR_TRAILING, or ERR_TOO_BIG for depth, values, numbers. */
enum err json_check(struct bytes text, unsigned depth, unsigned values) MUST_CHECK;
