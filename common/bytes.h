/*
 * bytes - byte strings that are borrowed, hexadecimal, and big-endian integers.
 *
 * Nothing here allocates and nothing here can fail by running out of memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/err.h"

/* A borrowed byte string; who made it says how long it lives. */
struct bytes {
	const uint8_t *p;
	size_t len;
};

struct addr { uint8_t b[20]; };		/* an account or a contract */
struct b32 { uint8_t b[32]; };		/* a hash, a topic, a chain id of a request */

#define BYTES(ptr, n) ((struct bytes){ .p = (const uint8_t *)(ptr), .len = (n) })
#define BYTES_OF(a)   BYTES((a), sizeof(a))
#define ARRAY_LEN(a)  (sizeof(a) / sizeof((a)[0]))

static inline bool bytes_eq(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* A C string, without its NUL. */
static inline struct bytes bytes_str(const char *s)
{
	return BYTES(s, strlen(s));
}

static inline bool bytes_is(struct bytes v, const char *s)
{
	return bytes_eq(v, bytes_str(s));
}

/* Characters that end a line or do things to a terminal: none may stand in a text. */
bool has_control(struct bytes v);

/* Each of them, and each character of ALSO, becomes '?'.  Returns S. */
char *clean_text(char *s, const char *also);

static inline bool b32_eq(const struct b32 *a, const struct b32 *b)
{
	return memcmp(a->b, b->b, 32) == 0;
}

static inline bool addr_eq(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, 20) == 0;
}

bool b32_is_zero(const struct b32 *a);
bool addr_is_zero(const struct addr *a);

/* Lower-case hex with a final NUL; OUT needs 2 * len + 1 bytes.  Returns OUT. */
char *hex_encode(struct bytes in, char *out);

/* The same with "0x" before it; OUT needs 2 * len + 3 bytes. */
char *hex_encode0x(struct bytes in, char *out);

/*
 * Hex digits of either case, without "0x" or with, LEN characters, to exactly or
 * at most CAP bytes.  hex_decode: the count of bytes goes to *len_out; more than CAP
 * is ERR_TOO_BIG.  hex_decode_exact: anything but 2 * n digits is ERR_FORMAT.
 */
enum err hex_decode(const char *s, size_t len, uint8_t *out, size_t cap,
		    size_t *len_out) MUST_CHECK;
enum err hex_decode_exact(const char *s, size_t len, uint8_t *out, size_t n) MUST_CHECK;

/* A JSON-RPC quantity ("0x0", "0x1f4"): no leading zeros wanted but accepted; at most 64 bits. */
enum err hex_quantity(const char *s, size_t len, uint64_t *out) MUST_CHECK;

/* EIP-55: "0x" and 40 digits in mixed case, with a final NUL. */
#define ADDR_TEXT 43
char *addr_text(const struct addr *a, char out[ADDR_TEXT]);

/*
 * Address from text: "0x" and 40 digits, else ERR_FORMAT.  All lower or all upper
 * case is taken as it is; mixed case must carry the right EIP-55 checksum, else
 * ERR_MISMATCH (*out is still set, so that the caller can print the right spelling).
 */
enum err addr_parse(const char *s, struct addr *out) MUST_CHECK;

void be64_put(uint8_t out[8], uint64_t v);
uint64_t be64_get(const uint8_t in[8]);
