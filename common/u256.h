/*
 * u256 - unsigned integers of 256 bits: wei, ids and ABI words.
 *
 * Kept as 32 big-endian bytes from end to end; arithmetic is for money only and
 * says when it overflows.
 */
#pragma once

#include "common/bytes.h"

struct u256 { uint8_t b[32]; };

struct u256 u256_from_u64(uint64_t v);

/* ERR_RANGE when the value needs more than 64 bits; *out is then UINT64_MAX. */
enum err u256_to_u64(const struct u256 *a, uint64_t *out) MUST_CHECK;

bool u256_is_zero(const struct u256 *a);
int u256_cmp(const struct u256 *a, const struct u256 *b);	/* < 0, 0, > 0 */

/* False when the result does not fit; *out is then all ones (or zero for sub). */
bool u256_add(const struct u256 *a, const struct u256 *b, struct u256 *out);
bool u256_sub(const struct u256 *a, const struct u256 *b, struct u256 *out);
bool u256_mul_u64(const struct u256 *a, uint64_t m, struct u256 *out);

/* Quotient and remainder by a divisor that is not 0. */
uint64_t u256_divmod_u64(const struct u256 *a, uint64_t divisor, struct u256 *quotient_out);

/* Decimal digits only, no sign, no leading zeros needed; ERR_FORMAT or ERR_RANGE. */
enum err u256_from_dec(const char *s, size_t len, struct u256 *out) MUST_CHECK;

/* Decimal text with a final NUL (at most 78 digits). */
#define U256_DEC_TEXT 79
char *u256_dec(const struct u256 *a, char out[U256_DEC_TEXT]);

/* "0x" hex of at most 64 digits, as JSON-RPC writes quantities. */
enum err u256_from_hex(const char *s, size_t len, struct u256 *out) MUST_CHECK;
char *u256_hex(const struct u256 *a, char out[67]);		/* "0x0" for zero */

/* Wei as ETH for people, six digits after the point at the most: "0.05". */
#define U256_ETH_TEXT 90
char *u256_eth(const struct u256 *wei, char out[U256_ETH_TEXT]);
