/*
 * node - all there is of one fake chain, passed to who works on it.
 */
#pragma once

#include "common/loop.h"
#include "tests/peers/fakechain/chain.h"
#include "tests/peers/fakechain/ledger.h"
#include "tests/peers/fakechain/lies.h"
#include "tests/peers/fakechain/state.h"

/* field, name in fake_set, at first, what it is */
#define KNOBS(K) \
	K(chain_id, "chainId", 421614, "of all transactions and signatures") \
	K(block_ms, "blockMs", 0, "0: a block for each POST that sends; else each so many ms") \
	K(base_fee, "baseFee", 100000000, "wei, of the blocks to come") \
	K(safe, "safe", 32, "blocks from latest back to safe") \
	K(finalized, "finalized", 64, "blocks from latest back to finalized") \
	K(gap_ms, "gapMs", 1000, "how long a nonce above the next one is held") \
	K(gas_percent, "gasPercent", 100, "what calls cost, of the table's gas") \
	K(tx_bytes, "txBytes", 95000, "longer transactions are refused") \
	K(code, "code", 1, "0: the contracts have no code") \
	K(logs_range, "logsRange", 0, "blocks that one eth_getLogs may span; 0: any") \
	K(logs_results, "logsResults", 0, "logs that it may return; 0: any") \
	K(sync, "sync", 1, "0: there is no eth_sendRawTransactionSync") \
	K(behind_s, "behindS", 0, "seconds that the clock of new blocks is behind") \
	K(halted, "halted", 0, "1: transactions are taken and wait for a block")

struct knobs {
#define K(field, name, first, text) uint64_t field;
	KNOBS(K)
#undef K
	char logs_error[200]; /* what a refused eth_getLogs says, with its code */
	int64_t logs_code;
};

struct job;
struct server;
struct gateway;

struct node {
	struct loop *loop;
	struct state *state;
	struct chain chain;
	struct knobs knobs;
	struct gateway *gateway;
	struct ledger *ledger;
	struct lies lies;
	struct server *server;
	struct waiting *waiting; /* owned by the sequencer: nonces above the next */
	struct timer *ticker, *expiry; /* owned by the sequencer */
	int64_t clock_s; /* what the chain's clock is ahead */
};

/* What every account has; tags of keys in the state. */
#define STATE_NONCE   1
#define STATE_BALANCE 2
#define STATE_GATEWAY 16 /* from here on: the gateway's */

uint64_t account_nonce(const struct node *n, const struct addr *who, uint64_t at);
struct u256 account_balance(const struct node *n, const struct addr *who, uint64_t at);
void account_put(struct node *n, const struct addr *who, uint64_t nonce,
		 const struct u256 *balance);
