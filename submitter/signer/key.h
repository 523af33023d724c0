/*
 * key - the account's key: read once, kept where nothing else can look, used to sign.
 *
 * The key file is 64 hex digits, with or without "0x", and perhaps a newline.  There is no
 * function that prints, copies or gives away what is in a struct secret.
 */
#pragma once

#include "common/bytes.h"

struct secret;		/* owned by who opened it; never leaves this process */

struct key_signature {
	struct b32 r, s;		/* s is low */
	uint8_t y_parity;		/* 0 or 1 */
};

/*
 * Takes the descriptor: it is closed in any case.  ERR_FORMAT for a file that is no key,
 * ERR_RANGE for digits that are no key of the curve, ERR_IO, ERR_NOMEM.
 */
enum err key_open(int fd, struct secret **out) MUST_CHECK;
void key_close(struct secret **key);

struct addr key_account(const struct secret *key);

/*
 * Deterministic (RFC 6979): the same hash gives the same signature.  Never fails for a key
 * that key_open took.  The library's blinding is renewed every KEY_BLIND_EVERY signatures.
 */
#define KEY_BLIND_EVERY 256
void key_sign(struct secret *key, const struct b32 *hash, struct key_signature *out);
