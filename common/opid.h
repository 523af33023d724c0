/*
 * opid - how people name a request: "public-7", "keygen-0x5f0c...".
 *
 * The prefix is the kind's (proto/operations.h), the rest is the request id on the chain:
 * decimal when it fits 64 bits, else "0x" and hexadecimal without leading zeros.  Used by the
 * command line, the monitor and the log.
 *
 * A key operation's result has an id that we choose, and that is equal on all nodes:
 * keccak256(abi.encode(tag of the kind, chain id, contract, request id)).
 */
#pragma once

#include "common/bytes.h"

#define OPID_TEXT 84		/* prefix, "-0x", 64 digits, NUL */

/* A kind that nobody knows is written as "kind9". */
char *opid_text(uint64_t kind, const struct b32 *id, char out[OPID_TEXT]);

/*
 * Both spellings are taken for every size of id.  ERR_UNKNOWN for a prefix nobody has,
 * ERR_FORMAT or ERR_RANGE for the number.
 */
enum err opid_parse(const char *s, uint64_t *kind_out, struct b32 *id_out) MUST_CHECK;

/* Does a request of this kind make something with an id of its own?  Key operations do. */
bool op_has_result_id(uint64_t kind);

/* Only for kinds that have one. */
struct b32 op_result_id(uint64_t kind, uint64_t chain, const struct addr *contract,
			const struct b32 *request_id);
