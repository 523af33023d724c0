/*
 * rpc_error - what a node's words mean when it was given a transaction.
 *
 * Nodes agree neither on codes nor on wording, so the words decide: the first row whose text
 * occurs in the message, letters of either case.  What no row knows is ambiguous: then only
 * the same bytes may be sent again.
 */
#pragma once

/* class, what it means */
#define SEND_CLASSES(C) \
	C(ambiguous, "perhaps taken: only the same bytes again") \
	C(accepted,  "the node has it") \
	C(nonce_low, "its nonce is used: look for the receipt") \
	C(gap,       "an earlier nonce is missing there: all bytes again, in order") \
	C(fee_low,   "the base fee has risen: the same call at the same nonce, higher fee") \
	C(gas_low,   "it needs more gas: the same call at the same nonce, more gas") \
	C(funds,     "the account cannot pay: sending pauses") \
	C(busy,      "not taken now: the same bytes again") \
	C(refusing,  "the node takes no transactions, or not ours: sending pauses")

enum send_class {
#define C(name, text) SEND_##name,
	SEND_CLASSES(C)
#undef C
};

/* words, class; order matters.  Sources: geth, Nitro, anvil, hardhat, reth as seen. */
#define SEND_ERRORS(E) \
	E("already known",                     accepted) \
	E("already imported",                  accepted) \
	E("unknown transaction",               ambiguous) \
	E("known transaction",                 accepted) \
	E("already_exists",                    accepted) \
	E("nonce too low",                     nonce_low) \
	E("nonce too high",                    gap) \
	E("nonce gap",                         gap) \
	E("less than block base fee",          fee_low) \
	E("fee cap less than",                 fee_low) \
	E("maxfeepergas",                      fee_low) \
	E("fee too low",                       fee_low) \
	E("underpriced",                       fee_low) \
	E("insufficient funds",                funds) \
	E("enough funds",                      funds) \
	E("intrinsic gas too low",             gas_low) \
	E("requires at least",                 gas_low) \
	E("gas required exceeds",              gas_low) \
	E("queue full",                        busy) \
	E("pool is full",                      busy) \
	E("pool full",                         busy) \
	E("expected surplus",                  busy) \
	E("temporarily not available",         busy) \
	E("publishing transactions not supported", refusing) \
	E("not on the whitelist",              refusing) \
	E("forbidden sender",                  refusing) \
	E("invalid chain id",                  refusing)

enum send_class send_class_of(const char *message);
