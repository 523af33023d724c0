/* policy_test - each rule with what it permits and what it refuses; budgets under a made clock. */
#include "common/opid.h"
#include "submitter/signer/policy.h"

#include <criterion/criterion.h>

#include "tests/unit/signer_world.h"

TestSuite(policy, .timeout = 20);

static struct {
	struct policy policy;
	struct msg_sign_tx m;
	struct policy_ask ask;
	struct entry earlier;
	uint8_t calldata[1024];
	enum policy_plan plan;
	char detail[POLICY_DETAIL_MAX];
} self;

/* A request that no rule forbids. */
static void open_world(void)
{
	struct settings *s = world_settings();

	policy_open(&self.policy, s);
	settings_free(&s);
	self.m = (struct msg_sign_tx){
		.op = 1, .chain = WORLD_CHAIN, .kind = KIND_public_decryption, .id = world_id(7),
		.to = world_addr(WORLD_MANAGER), .gas = WORLD_GAS, .max_fee = WORLD_FEE,
		.handles_hash = world_handles_hash(),
		.calldata = world_public(7, 42, 0x22, self.calldata, sizeof(self.calldata)),
	};
	self.ask = (struct policy_ask){ .m = &self.m, .known = true, .unanswered = 1,
					.has_room = true };
}

static enum policy_rule ask(void)
{
	self.ask.calldata_hash = keccak_bytes(self.m.calldata);
	return policy_ask(&self.policy, &self.ask, &self.plan, self.detail);
}

/* The request was signed before, at nonce 5. */
static void sign_before(void)
{
	self.earlier = (struct entry){
		.chain = self.m.chain, .kind = self.m.kind, .id = self.m.id, .nonce = 5,
		.gas = self.m.gas, .max_fee = self.m.max_fee, .tip = self.m.tip,
		.calldata_hash = keccak_bytes(self.m.calldata),
	};
	self.ask.earlier = &self.earlier;
}

static void another_answer(void)
{
	self.m.calldata = world_public(7, 43, 0x22, self.calldata, sizeof(self.calldata));
}

static void keygen(void)
{
	struct addr httpz = world_addr(WORLD_HTTPZ);
	struct b32 id = world_id(9);
	struct b32 result = op_result_id(KIND_keygen, WORLD_CHAIN, &httpz, &id);
	struct abi_arg args[] = { { BYTES_OF(id.b) }, { BYTES_OF(result.b) } };

	self.m.kind = KIND_keygen;
	self.m.id = id;
	self.m.to = httpz;
	self.m.handles_hash = (struct b32){ { 0 } };
	self.m.calldata = world_call(KEYGEN_LINE, args, 2, self.calldata, sizeof(self.calldata));
}

Test(policy, permits, .init = open_world)
{
	cr_assert_eq(ask(), RULE_COUNT, "%s", self.detail);
	cr_assert_eq(self.plan, PLAN_first);
	keygen();
	cr_assert_eq(ask(), RULE_COUNT, "%s", self.detail);
}

Test(policy, vectors, .init = open_world)
{
	struct addr httpz = world_addr(WORLD_HTTPZ);
	struct b32 id = world_id(9);
	struct b32 result = op_result_id(KIND_keygen, WORLD_CHAIN, &httpz, &id);
	char text[67];

	cr_assert_str_eq(hex_encode(BYTES_OF(result.b), text),
		"cd36dc7a01080cbd3ec9d2c16f6a6a2a72841c22c8a5a3ace30bce3f474d8013");
	/* The signature of the world's Core, as another implementation makes it. */
	cr_assert_str_eq(hex_encode(BYTES(self.m.calldata.p + 4 + 32 * 6, 32), text),
		"7cb4861f4662a1b158bf63e1977ef897ff2c36b86b13b5f64b7a81eb7e99b339");
}

/* What an attacker would try first: one change to a good request, and the rule that stops it. */

static void other_chain(void) { self.m.chain++; }
static void other_contract(void) { self.m.to = world_addr(WORLD_HTTPZ); }
static void no_contract(void) { self.m.to = (struct addr){ { 0 } }; }
static void kind_zero(void) { self.m.kind = 0; }
static void kind_unknown(void) { self.m.kind = UINT64_MAX; }
static void kind_observed(void) { self.m.kind = KIND_activate_key; }
static void kind_unanswered(void) { self.m.kind = KIND_crsgen; }
static void kind_other(void) { self.m.kind = KIND_keygen; }
static void other_selector(void) { self.calldata[0] ^= 1; }
static void no_selector(void) { self.m.calldata.len = 3; }
static void no_calldata(void) { self.m.calldata.len = 0; }
static void cut_calldata(void) { self.m.calldata.len--; }
static void more_calldata(void) { self.m.calldata.len += 32; }
static void other_offset(void) { self.calldata[4 + 32 + 31] += 32; }
static void padded(void) { self.calldata[self.m.calldata.len - 1] = 1; }
static void other_id(void) { self.m.id = world_id(8); }
static void other_id_in_calldata(void) { self.calldata[4 + 31] = 8; }
static void unknown_nonce(void) { self.ask.known = false; }
static void low_gas(void) { self.m.gas = 21000; }
static void high_gas(void) { self.m.gas = WORLD_MAX_GAS + 1; }
static void high_fee(void) { self.m.max_fee = WORLD_MAX_FEE + 1; }
static void no_fee(void) { self.m.max_fee = 0; }
static void high_tip(void) { self.m.tip = self.m.max_fee + 1; }
static void all_gas(void) { self.m.gas = UINT64_MAX; self.m.max_fee = UINT64_MAX; }
static void other_handles(void) { self.m.handles_hash.b[0] ^= 1; }
static void no_handles(void) { self.m.handles_hash = (struct b32){ { 0 } }; }
static void other_result(void) { self.calldata[4 + 32 * 5 - 1] ^= 1; }
static void flipped_signature(void) { self.calldata[4 + 32 * 6] ^= 1; }
static void zero_signature(void) { memset(self.calldata + 4 + 32 * 6, 0, 65); }
static void full_window(void) { self.ask.unanswered = 17; }
static void full_journal(void) { self.ask.has_room = false; }

static void other_core(void)
{
	self.m.calldata = world_public(7, 42, 0x23, self.calldata, sizeof(self.calldata));
}

static void no_signature(void)
{
	self.m.calldata = world_public(7, 42, 0, self.calldata, sizeof(self.calldata));
}

static void other_result_id(void)
{
	keygen();
	self.calldata[4 + 63] ^= 1;
}

static void result_id_of_other_request(void)
{
	keygen();
	self.m.id = world_id(10);
	memcpy(self.calldata + 4, self.m.id.b, 32);
}

static void spend_hour(void)
{
	check(u256_from_dec("999999999999999999", 18, &self.ask.spent_hour) == OK);
}

static void spend_day(void)
{
	check(u256_from_dec("4999999999999999999", 19, &self.ask.spent_day) == OK);
}

static void equivocate(void)
{
	sign_before();
	another_answer();
}

static void equivocate_after_loss(void)
{
	equivocate();
	self.ask.adopted = 6;		/* even then it must be said: replace=1 */
}

/* A raise: the call is the earlier one's, gas and fee are asked for. */
static void raise_to(uint64_t gas, uint64_t max_fee)
{
	sign_before();
	self.ask.raise = true;
	self.m.gas = gas;
	self.m.max_fee = max_fee;
}

static void raise_less_gas(void) { raise_to(WORLD_GAS - 1, WORLD_FEE + 1); }
static void raise_less_fee(void) { raise_to(WORLD_GAS + 1, WORLD_FEE - 1); }
static void raise_gas_cap(void) { raise_to(WORLD_MAX_GAS + 1, WORLD_FEE); }
static void raise_fee_cap(void) { raise_to(WORLD_GAS, WORLD_MAX_FEE + 1); }

static void raise_gone(void)
{
	raise_to(WORLD_GAS + 1, WORLD_FEE);
	self.ask.adopted = 6;
}

/* Signed when the caps were higher: the present ones hold for a raise. */
static void raise_old_gas(void)
{
	raise_to(WORLD_GAS, WORLD_FEE + 1);
	self.policy.max_gas = WORLD_GAS - 1;
}

static void raise_old_fee(void)
{
	raise_to(WORLD_GAS + 1, WORLD_FEE);
	self.policy.max_fee = WORLD_FEE - 1;
}

static void raise_old_chain(void)
{
	raise_to(WORLD_GAS + 1, WORLD_FEE);
	self.policy.chain[0]++;
}

static void raise_too_many(void)
{
	raise_to(WORLD_GAS + 1, WORLD_FEE);
	self.ask.unanswered = 17;
}

static void raise_over_hour(void)
{
	raise_to(WORLD_GAS + 1, WORLD_FEE);
	self.ask.spent_hour = self.policy.hour;
}

static void raise_over_day(void)
{
	raise_to(WORLD_GAS, WORLD_FEE + 1);
	self.ask.spent_day = self.policy.day;
}

static void replace_open(void)
{
	equivocate();
	self.m.replace = 1;
	self.ask.adopted = 5;		/* the chain waits for nonce 5: not gone */
}

static void replace_same_open(void)
{
	sign_before();
	self.m.replace = 1;
	self.ask.adopted = 5;
}

static void replace_fourth(void)
{
	equivocate();
	self.m.replace = 1;
	self.ask.adopted = 6;
	self.earlier.replaced = POLICY_REPLACED_MAX;
}

static void replace_unsigned(void)
{
	replace_open();
	self.ask.adopted = 6;
	self.m.calldata = world_public(7, 43, 0x23, self.calldata, sizeof(self.calldata));
}

static void replace_two(void) { self.m.replace = 2; }

/* change, rule */
#define REFUSALS(R) \
	R(other_chain, chain) R(other_contract, contract) R(no_contract, contract) \
	R(kind_zero, kind) R(kind_unknown, kind) R(kind_observed, kind) R(kind_unanswered, kind) \
	R(kind_other, contract) R(other_selector, selector) R(no_selector, selector) \
	R(no_calldata, selector) R(cut_calldata, calldata) R(more_calldata, calldata) \
	R(other_offset, calldata) R(padded, calldata) \
	R(other_id, request_id) R(other_id_in_calldata, request_id) R(unknown_nonce, no_nonce) \
	R(low_gas, gas) R(high_gas, gas) R(all_gas, gas) R(high_fee, fee) R(no_fee, fee) \
	R(high_tip, fee) R(other_handles, signature) R(no_handles, signature) \
	R(other_result, signature) R(flipped_signature, signature) R(zero_signature, signature) \
	R(other_core, signature) R(no_signature, signature) R(other_result_id, result_id) \
	R(result_id_of_other_request, result_id) R(spend_hour, budget_hour) \
	R(spend_day, budget_day) R(equivocate, equivocation) \
	R(equivocate_after_loss, equivocation) R(raise_less_gas, raise) R(raise_less_fee, raise) \
	R(raise_gone, raise) R(raise_gas_cap, gas) R(raise_fee_cap, fee) R(raise_old_gas, gas) \
	R(raise_old_fee, fee) R(raise_old_chain, chain) R(raise_too_many, window) \
	R(raise_over_hour, budget_hour) R(raise_over_day, budget_day) R(replace_open, replace) \
	R(replace_same_open, replace) R(replace_fourth, replace) R(replace_unsigned, signature) \
	R(replace_two, replace) R(full_window, window) R(full_journal, journal_full)

#define R(change, rule) { #change, change, RULE_##rule },
static const struct {
	const char *name;
	void (*change)(void);
	enum policy_rule rule;
} refusals[] = {
	REFUSALS(R)
};
#undef R

Test(policy, refuses)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		memset(&self, 0, sizeof(self));
		open_world();
		refusals[i].change();
		enum policy_rule rule = ask();
		cr_expect_eq(rule, refusals[i].rule, "%s: %s (%s)", refusals[i].name,
			     rule < RULE_COUNT ? policy_rule_name(rule) : "permitted", self.detail);
	}
}

Test(policy, every_rule_is_tried)
{
	static const char *const names[] = {
#define R(name, ...) #name,
		POLICY_RULES(R)
#undef R
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		unsigned tried = 0;

		for (size_t k = 0; k < ARRAY_LEN(refusals); k++)
			tried += refusals[k].rule == i;
		cr_expect_gt(tried, 0u, "%s", names[i]);
		cr_expect_str_eq(policy_rule_name((enum policy_rule)i), names[i]);
	}
}

Test(policy, repeats, .init = open_world)
{
	sign_before();
	cr_assert_eq(ask(), RULE_COUNT);
	cr_assert_eq(self.plan, PLAN_repeat);

	/* Bytes that exist cost nothing: no cap and no budget holds for them. */
	self.m.gas = UINT64_MAX;
	spend_day();
	self.ask.has_room = false;
	cr_assert_eq(ask(), RULE_COUNT);
	cr_assert_eq(self.plan, PLAN_repeat);
	full_window();
	cr_assert_eq(ask(), RULE_window);
}

Test(policy, raises, .init = open_world)
{
	raise_to(WORLD_GAS + 1, WORLD_FEE);
	cr_assert_eq(ask(), RULE_COUNT, "%s", self.detail);
	cr_assert_eq(self.plan, PLAN_raise);

	/* It needs no new entry, and what its call once passed is not asked again. */
	self.ask.has_room = self.ask.known = false;
	self.m.kind = KIND_crsgen;
	cr_assert_eq(ask(), RULE_COUNT, "%s", self.detail);

	/* Only the difference is new money: 1 gas more at 0.2 gwei. */
	struct u256 left = u256_from_u64(WORLD_FEE);

	cr_assert(u256_sub(&self.policy.hour, &left, &self.ask.spent_hour));
	cr_assert_eq(ask(), RULE_COUNT, "%s", self.detail);
	self.m.gas++;
	cr_assert_eq(ask(), RULE_budget_hour);

	/* The answer to it was lost: the same question again. */
	self.m.gas = self.earlier.gas;
	cr_assert_eq(ask(), RULE_COUNT);
	cr_assert_eq(self.plan, PLAN_repeat);
}

Test(policy, replaces, .init = open_world)
{
	sign_before();
	self.m.replace = 1;
	self.ask.adopted = 6;
	cr_assert_eq(ask(), RULE_COUNT, "%s: the same call, its nonce is lost", self.detail);
	cr_assert_eq(self.plan, PLAN_replace);
	another_answer();
	cr_assert_eq(ask(), RULE_COUNT, "%s", self.detail);
	cr_assert_eq(self.plan, PLAN_replace);
	self.earlier.replaced = POLICY_REPLACED_MAX - 1;
	cr_assert_eq(ask(), RULE_COUNT, "%s", self.detail);

	/* Its answer was lost: the second transaction's bytes, not a third one. */
	sign_before();
	self.earlier.nonce = 6;
	self.earlier.replaced = 1;
	cr_assert_eq(ask(), RULE_COUNT);
	cr_assert_eq(self.plan, PLAN_repeat);

	/* A request that the journal does not know is a first one, whatever it is called. */
	self.ask.earlier = NULL;
	cr_assert_eq(ask(), RULE_COUNT);
	cr_assert_eq(self.plan, PLAN_first);
}

#define MINUTE 60000ull

static bool is_sum(const struct u256 *sum, uint64_t v)
{
	struct u256 want = u256_from_u64(v);

	return u256_cmp(sum, &want) == 0;
}

Test(policy, ledger)
{
	static struct ledger l;
	struct u256 wei = u256_from_u64(10);
	uint64_t t = 30000000 * MINUTE;

	ledger_turn(&l, t);
	ledger_spend(&l, t, &wei);
	ledger_spend(&l, t + 59999, &wei);
	cr_assert(is_sum(&l.hour, 20) && is_sum(&l.day, 20));
	ledger_turn(&l, t + 60 * MINUTE);
	cr_assert(is_sum(&l.hour, 20), "never shorter than an hour");
	ledger_turn(&l, t + 61 * MINUTE);
	cr_assert(is_sum(&l.hour, 0) && is_sum(&l.day, 20));
	ledger_turn(&l, t);
	cr_assert(is_sum(&l.hour, 0), "time does not go back");
	ledger_spend(&l, t, &wei);
	cr_assert(is_sum(&l.hour, 0) && is_sum(&l.day, 30), "an old record counts where it stands");
	ledger_turn(&l, t + 1440 * MINUTE);
	cr_assert(is_sum(&l.day, 30));
	ledger_turn(&l, t + 1441 * MINUTE);
	cr_assert(is_sum(&l.day, 0));
	ledger_spend(&l, t, &wei);
	cr_assert(is_sum(&l.day, 0), "older than a day");

	struct u256 all, limit = u256_from_u64(5);

	memset(&all, 0xff, sizeof(all));
	ledger_spend(&l, t + 1441 * MINUTE, &all);
	ledger_spend(&l, t + 1441 * MINUTE, &wei);
	cr_assert_eq(u256_cmp(&l.day, &all), 0, "it saturates");
	all = ledger_left(&limit, &wei);
	cr_assert(u256_is_zero(&all));
}
