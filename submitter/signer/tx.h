/*
 * tx - the one kind of transaction that this connector sends: type 2, value 0, no access list.
 *
 * Source of the format: EIP-1559, EIP-2718.  What cannot be said in struct tx_call cannot be
 * signed.
 */
#pragma once

#include "submitter/signer/key.h"

#define TX_RAW_EXTRA 256		/* bytes beside the calldata, at most */

struct tx_call {
	uint64_t chain, nonce;
	uint64_t tip, max_fee;		/* wei per gas */
	uint64_t gas;
	struct addr to;
	struct bytes calldata;		/* borrowed for the call */
};

/* What is signed: keccak256 of the transaction without its signature. */
enum err tx_hash_to_sign(const struct tx_call *t, uint8_t *buf, size_t cap,
			 struct b32 *hash_out) MUST_CHECK;

/*
 * The signed transaction, borrowed from BUF, and its hash.  ERR_TOO_BIG when CAP is less than
 * the calldata and TX_RAW_EXTRA.
 */
enum err tx_sign(const struct tx_call *t, struct secret *key, uint8_t *buf, size_t cap,
		 struct bytes *raw_out, struct b32 *hash_out) MUST_CHECK;

/*
 * The call that tx_sign wrote into RAW; its calldata is borrowed from RAW.  What tx_sign does
 * not write is ERR_TRUNCATED, ERR_TRAILING, ERR_CANONICAL, ERR_RANGE or ERR_FORMAT.  Whose the
 * signature is, is not asked.
 */
enum err tx_read(struct bytes raw, struct tx_call *out) MUST_CHECK;
