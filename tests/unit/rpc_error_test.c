/* rpc_error - what nodes have been heard to say, and what each means. */

#include <criterion/criterion.h>

#include "submitter/rpc_error.h"

TestSuite(rpc_error, .timeout = 20);

struct heard {
	const char *message;
	enum send_class cls;
};

static const struct heard corpus[] = {
	/* anvil */
	{ "nonce too low", SEND_nonce_low },
	{ "transaction already imported", SEND_accepted },
	{ "replacement transaction underpriced", SEND_fee_low },
	{ "Insufficient funds for gas * price + value", SEND_funds },
	{ "intrinsic gas too low", SEND_gas_low },
	{ "max fee per gas less than block base fee", SEND_fee_low },
	{ "invalid chain id for signer", SEND_refusing },
	{ "Failed to decode transaction", SEND_ambiguous },
	/* geth and Nitro */
	{ "already known", SEND_accepted },
	{ "ALREADY_EXISTS: already known", SEND_accepted },
	{ "nonce too low: address 0xabc, tx: 5 state: 6", SEND_nonce_low },
	{ "nonce too high: address 0xabc, tx: 9 state: 6", SEND_gap },
	{ "max fee per gas less than block base fee: address 0xabc, maxFeePerGas: 1, baseFee: 2", SEND_fee_low },
	{ "insufficient funds for gas * price + value: address 0xabc have 1 want 2", SEND_funds },
	{ "intrinsic gas too low: have 20000, want 21484", SEND_gas_low },
	{ "sequencer pending tx pool full, please try again", SEND_busy },
	{ "queue full", SEND_busy },
	{ "sequencer temporarily not available", SEND_busy },
	{ "expected surplus too low", SEND_busy },
	{ "publishing transactions not supported by this endpoint", SEND_refusing },
	{ "transaction sender is not on the whitelist", SEND_refusing },
	{ "failed to publish transaction to any of the forwarding targets", SEND_ambiguous },
	{ "context deadline exceeded", SEND_ambiguous },
	{ "unknown transaction", SEND_ambiguous },
	/* hardhat */
	{ "Nonce too low. Expected nonce to be 1 but got 0.", SEND_nonce_low },
	{ "Known transaction: 0xabc", SEND_accepted },
	{ "Sender doesn't have enough funds to send tx.", SEND_funds },
	{ "Transaction requires at least 21484 gas but got 20000", SEND_gas_low },
	{ "Transaction maxFeePerGas (1) is too low for the next block", SEND_fee_low },
	/* nobody */
	{ "", SEND_ambiguous },
	{ "the moon is full", SEND_ambiguous },
};

Test(rpc_error, words_that_were_heard)
{
	for (size_t i = 0; i < sizeof(corpus) / sizeof(corpus[0]); i++)
		cr_assert_eq(send_class_of(corpus[i].message), corpus[i].cls, "%s: class %d",
			     corpus[i].message, send_class_of(corpus[i].message));
}
