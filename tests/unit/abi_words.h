/*
 * abi_words - lines and data for the tests of the ABI.
 *
 * Data are written as words: hexadecimal, filled up with zeros on the left, or on the
 * right if the word starts with "<".
 */
#pragma once

#include "common/abi.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static inline struct abi_line parsed(const char *text)
{
	struct abi_line line;
	const char *why = "";
	unsigned column = 0;

	cr_assert_eq(abi_parse(text, &line, &column, &why), OK, "%s: %u: %s", text, column, why);
	return line;
}

/* The bytes of WORDS, in a block of exactly their size, so that a step beyond is seen. */
static inline struct bytes data_of(const char *words)
{
	uint8_t *out = calloc(1, strlen(words) * 32 + 1);
	size_t at = 0;

	while (*(words += strspn(words, " "))) {
		bool left = *words == '<';
		const char *digits = words + left;
		size_t n = strcspn(digits, " "), skip = left ? 0 : 64 - n;
		char hex[65];

		memset(hex, '0', 64);
		memcpy(hex + skip, digits, n);
		cr_assert_eq(hex_decode_exact(hex, 64, out + at, 32), OK);
		at += 32;
		words = digits + n;
	}
	return BYTES(realloc(out, at ? at : 1), at);
}
