/*
 * lies - the ways in which this node misleads on request, each told for a share of the calls.
 */
#pragma once

#include "tests/peers/fakechain/util.h"

/* name, what is said instead of the truth; `by` is a number given with the lie */
#define LIES(L) \
	/* of the connection */ \
	L(http_429, "429 with Retry-After: by seconds; nothing is executed") \
	L(http_502, "502 with a page of HTML; nothing is executed") \
	L(http_503, "503 with a page of HTML; nothing is executed") \
	L(html, "200 with a page of HTML; nothing is executed") \
	L(reset, "the connection ends; nothing is executed") \
	L(lost_reply, "everything is executed, then the connection ends") \
	L(lost_502, "everything is executed, then 502") \
	L(cut_reply, "the reply ends in its middle, with the connection") \
	L(stall, "no reply ever comes; everything is executed") \
	L(mute, "subscriptions say nothing") \
	/* of the envelope */ \
	L(rate_limited, "-32005 instead of an answer; nothing is executed") \
	L(wrong_id, "the reply has another id") \
	L(no_id, "the reply has none") \
	L(backwards, "the replies of a batch come in the reverse order") \
	L(no_reply, "a batch lacks the reply") \
	L(twice, "a batch has the reply twice") \
	L(null, "null instead of the result") \
	L(error, "an internal error, -32603") \
	L(refused_with, "an error with these words and this code; nothing is executed") \
	/* of the chain */ \
	L(lagging, "answers as of by blocks ago") \
	L(wrong_chain_id, "another chain's id") \
	L(wrong_hash, "blocks and logs have another block hash") \
	L(tags_above, "safe and finalized are by blocks above latest") \
	L(tags_back, "safe and finalized are by blocks below what they were") \
	/* of logs */ \
	L(no_logs, "no logs") \
	L(cut_logs, "only the first by logs, without an error") \
	L(duplicate_logs, "each log twice") \
	L(removed_logs, "each log once more, as removed") \
	L(shuffled_logs, "from the last to the first") \
	L(cut_data, "the data of logs lacks its last by bytes") \
	L(wild_data, "a word of the data of logs is 2^255: the one at by") \
	L(noise_logs, "one more log of another contract, one of another topic") \
	/* of transactions */ \
	L(dropped, "accepted and dropped") \
	L(taken_with, "accepted, and an error with these words and this code") \
	L(busy, "the sequencer's queue is full") \
	L(huge_gas, \
	  "gas, gas price and base fee of 2^255; gas and its price of by, if that is given") \
	L(no_receipt, "null instead of a receipt") \
	L(wrong_receipt, "the receipt has another transaction's hash") \
	L(odd_receipt, "the receipt's status is none: the one of the kind by, from 0 on") \
	L(sync_timeout, "included, and code 4 of eth_sendRawTransactionSync") \
	L(sync_unknown, "not included, and its code 5")

enum lie_kind {
#define L(name, text) LIE_##name,
	LIES(L)
#undef L
		LIE_COUNT
};

#define LIES_MAX 32

struct lie {
	enum lie_kind kind;
	double share; /* of the calls, 0 to 1 */
	uint64_t seed, by, left; /* left: how often it may still be told */
	uint64_t told;
	int door; /* told at this port alone; -1: at each but the first of several */
	char methods[200]; /* " eth_getLogs eth_call "; "": all */
	char words[200];
	int64_t code;
};

struct lies {
	struct lie at[LIES_MAX];
	unsigned count;
	const struct lie *last; /* that was told */
	int door; /* the port at which is being spoken now */
	int doors; /* of several the first is the harness's, and tells no lie that is not its own */
};

/* ERR_UNKNOWN: no such lie.  ERR_FULL: too many. */
enum err lies_add(struct lies *l, const char *name, const struct lie *how) MUST_CHECK;
const char *lie_name(enum lie_kind kind);

/* Is it told now, in answer to METHOD?  *by_out may be NULL. */
bool lie_told(struct lies *l, enum lie_kind kind, const char *method, uint64_t *by_out);
