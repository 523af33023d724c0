/*
 * key_file - the account's key in a file: 64 hex digits, with 0x or without, one newline at
 * the most.  A number from 1 to the order of secp256k1 less 1; the program that prints
 * anything of it does not exist.
 */
#pragma once

#include "common/bytes.h"
#include "supervisor/cli/trouble.h"

#define KEY_BYTES    32
#define KEY_TEXT_MAX 67		/* 0x, 64 digits, newline */

/* The address of the key in FD, whose position stays; false and trouble at AT. */
bool key_file_address(int fd, struct place at, struct troubles *t, struct addr *out);

/*
 * Make a new key at PATH, which must not exist, with mode 0600, on disk when it returns.
 * ERR_CONFLICT: something is there already; ERR_IO and errno.
 */
enum err key_file_create(const char *path, struct addr *out) MUST_CHECK;
