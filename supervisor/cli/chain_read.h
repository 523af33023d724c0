/*
 * chain_read - views of the profile's contracts, read by a command: blocking, at the first node
 * that is on the right chain.
 */
#pragma once

#include "common/profile.h"
#include "supervisor/cli/node.h"
#include "supervisor/config.h"

#define CHAIN_READ_MAX (256u * 1024)	/* bytes that a view returns */

struct chain_reader {
	const struct connector_config *config;	/* borrowed */
	struct profile profile;			/* the executor's */
	const char *url[8];			/* by chain of the listener's list; NULL: no node answers */
	uint64_t chain[8];
	unsigned chains;
	char why[200];				/* after a failure */
	bool reverted;				/* it was the contract's refusal */
};

/* Asks every chain's nodes for their chain id.  The reader is large: keep it static. */
void chain_reader_open(struct chain_reader *r, const struct connector_config *c);
const char *chain_reader_url(const struct chain_reader *r, uint64_t chain);	/* NULL: none */

/*
 * Call FUNCTION of a contract of the profile with one-word ARGS; *out borrows from a buffer that
 * the next call reuses.
 */
enum err chain_read(struct chain_reader *r, unsigned contract, const struct abi_line *function,
		    const struct abi_arg *args, unsigned count, struct abi_view *out) MUST_CHECK;

/* The same as it was at a block: NUMBER is "latest" or "0x1f4". */
enum err chain_read_at(struct chain_reader *r, unsigned contract, const struct abi_line *function,
		       const struct abi_arg *args, unsigned count, const char *number,
		       struct abi_view *out) MUST_CHECK;
