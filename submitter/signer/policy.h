/*
 * policy - what may be signed: a table of rules, each a function, asked in the order of rows.
 *
 * Pure: everything that a rule looks at is an argument, time included (as sums of the ledger).
 * Whoever asks may be an attacker; the worst it can get is what all rules permit.
 */
#pragma once

#include "common/profile.h"
#include "submitter/signer/book.h"

#define POLICY_CHAINS_MAX   8
#define POLICY_REPLACED_MAX 3		/* further transactions of one request */
#define POLICY_NONCE_MAX    (1ull << 48)
#define POLICY_DETAIL_MAX   160

/* What to do with a request that no rule forbids. */
enum policy_plan {
	PLAN_repeat,		/* the bytes of `earlier` again */
	PLAN_first,		/* a new nonce */
	PLAN_raise,		/* the nonce and the call of `earlier`, for more */
	PLAN_replace,		/* a new nonce; another transaction of this request has one */
};

/* Plans that a rule is asked for.  What is repeated or raised has passed the rules of a new call. */
#define FOR_NEW       (1u << PLAN_first | 1u << PLAN_replace)
#define FOR_RAISE     (1u << PLAN_raise)
#define FOR_SIGNATURE (FOR_NEW | FOR_RAISE)
#define FOR_ALL       (FOR_SIGNATURE | 1u << PLAN_repeat)

/* name, plans, what it forbids */
#define POLICY_RULES(R) \
	R(window,       FOR_ALL,       "more unanswered requests than the link's window") \
	R(journal_full, FOR_NEW,       "another transaction in a journal that is full; a new segment follows at once") \
	R(chain,        FOR_SIGNATURE, "a chain that is not in the configuration") \
	R(kind,         FOR_NEW,       "an operation without a response in the profile") \
	R(contract,     FOR_NEW,       "another contract than the profile's for this operation") \
	R(selector,     FOR_NEW,       "another function than the profile's for this operation") \
	R(calldata,     FOR_NEW,       "calldata that is not exactly that function's arguments") \
	R(request_id,   FOR_NEW,       "calldata for another request than the one that is named") \
	R(no_nonce,     FOR_NEW,       "a transaction before anybody said the account's nonce") \
	R(equivocation, FOR_NEW,       "another answer for a request that has one") \
	R(raise,        FOR_RAISE,     "less than is signed, or a nonce that the chain has passed") \
	R(replace,      FOR_NEW,       "another nonce while the first one may still be used") \
	R(result_id,    FOR_NEW,       "a result id that does not follow from the request") \
	R(gas,          FOR_SIGNATURE, "more gas than the cap, or too little for any call") \
	R(fee,          FOR_SIGNATURE, "a fee above the cap, or a tip above the fee") \
	R(budget_hour,  FOR_SIGNATURE, "more than the hour's budget") \
	R(budget_day,   FOR_SIGNATURE, "more than the day's budget") \
	R(signature,    FOR_NEW,       "an answer that the Core did not sign")

/* Refusals that are not rules.  name, what it says */
#define POLICY_OTHERS(R) \
	R(adopt,         "a next nonce below the journal's, or beyond all reason") \
	R(unknown_nonce, "no transaction was signed for this nonce")

enum policy_rule {
#define R(name, ...) RULE_##name,
	POLICY_RULES(R)
	POLICY_OTHERS(R)
#undef R
	RULE_COUNT		/* no rule forbids it */
};

struct policy {
	struct profile profile;
	unsigned chains;
	uint64_t chain[POLICY_CHAINS_MAX];
	struct addr kms_signer;		/* whose signature an answer carries */
	uint64_t max_fee, max_gas;
	struct u256 hour, day;		/* budgets of each chain */
};

void policy_open(struct policy *p, const struct settings *s);
bool policy_has_chain(const struct policy *p, uint64_t chain);

struct policy_ask {
	const struct msg_sign_tx *m;		/* borrowed */
	struct b32 calldata_hash;
	bool raise;				/* m is the call of earlier, but for gas and fee */
	const struct entry *earlier;		/* newest transaction of this request, or NULL */
	bool known;				/* the chain's nonce was said */
	uint64_t adopted;			/* highest nonce seen on the chain */
	struct u256 spent_hour, spent_day;
	unsigned unanswered;			/* of this link and message, this one included */
	bool has_room;				/* in the journal's index */
};

/* RULE_COUNT and the plan, or the rule that forbids it and a word for people. */
enum policy_rule policy_ask(const struct policy *p, const struct policy_ask *ask,
			    enum policy_plan *plan_out, char detail_out[POLICY_DETAIL_MAX]);

const char *policy_rule_name(enum policy_rule rule);
