/*
 * ledger - every raw transaction ever received, and what it means: the oracle.
 *
 * Nothing is ever taken out.  Per sender it knows which call each nonce was signed for and which
 * requests were answered, so that it can be asked for a verdict at any time.
 */
#pragma once

#include "tests/peers/fakechain/chain.h"

struct node;
struct ledger;

#define VERDICTS(V) \
	V(accepted, "it was executed: in a block, or in one that has left") \
	V(refused, "the node said why") \
	V(held, "an earlier nonce is missing; it waits") \
	V(dropped, "accepted in words, and forgotten")

enum verdict {
#define V(name, text) VERDICT_##name,
	VERDICTS(V)
#undef V
};

struct ledger *ledger_new(void);

/* One more was received; TX NULL: its bytes are no transaction.  Returns its number. */
size_t ledger_note(struct ledger *l, struct bytes raw, const struct tx *tx);
/* WHY is constant. */
void ledger_verdict(struct ledger *l, size_t number, enum verdict v, const char *why);

/* A signed transaction stands in a block of the chain, or does so no longer. */
void ledger_included(struct ledger *l, const struct tx *tx);
void ledger_removed(struct ledger *l, const struct tx *tx);

/* JSON to OUT. */
void ledger_totals(const struct node *n, struct text *out);
void ledger_page(const struct node *n, size_t from, size_t limit, struct text *out);
void ledger_judge(const struct node *n, const struct addr *sender, struct text *out);
