/* policy - each rule answers "is this permitted?"; where not, it leaves a word for people. */

#include "submitter/signer/policy.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/keccak.h"
#include "common/log.h"
#include "common/opid.h"

#define GAS_MIN 21000		/* below it no transaction is valid */

/* One request on its way through the rules; what a rule finds, later ones use. */
struct ask_state {
	const struct policy_ask *ask;
	const struct msg_sign_tx *m;
	const struct profile_response *response;
	struct abi_view arguments;
	enum policy_plan plan;
	char *why;
};

__attribute__((format(printf, 2, 3)))
static bool no(struct ask_state *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(s->why, POLICY_DETAIL_MAX, fmt, args);
	va_end(args);
	return false;
}

/* The argument that comes from SOURCE; false when the function has none. */
static bool argument(const struct ask_state *s, enum answer_source source, struct abi_view *out)
{
	for (unsigned i = 0; i < s->response->args; i++)
		if (s->response->arg[i] == source)
			return abi_member_at(s->arguments, i, out);
	return false;
}

static bool permits_window(const struct policy *p, struct ask_state *s)
{
	(void)p;
	return s->ask->unanswered <= (s->ask->raise ? ipc_raise : ipc_sign_tx).window ||
	       no(s, "%u unanswered", s->ask->unanswered);
}

static bool permits_journal_full(const struct policy *p, struct ask_state *s)
{
	(void)p;
	return s->ask->has_room || no(s, "it goes on in a new segment at once");
}

static bool permits_chain(const struct policy *p, struct ask_state *s)
{
	return policy_has_chain(p, s->m->chain) ||
	       no(s, "chain %llu", (unsigned long long)s->m->chain);
}

static bool permits_kind(const struct policy *p, struct ask_state *s)
{
	s->response = op_group(s->m->kind) == OP_OBSERVED
		      ? NULL : find_response(&p->profile, (enum op_kind)s->m->kind);
	return s->response || no(s, "kind %llu", (unsigned long long)s->m->kind);
}

static bool permits_contract(const struct policy *p, struct ask_state *s)
{
	const struct profile_contract *c = &p->profile.contract[s->response->contract];
	char text[ADDR_TEXT];

	return (c->chain == s->m->chain && addr_eq(&c->address, &s->m->to)) ||
	       no(s, "%s", addr_text(&s->m->to, text));
}

static bool permits_selector(const struct policy *p, struct ask_state *s)
{
	struct bytes d = s->m->calldata;

	(void)p;
	if (d.len < 4)
		return no(s, "%zu bytes", d.len);
	return memcmp(d.p, s->response->function.selector, 4) == 0 ||
	       no(s, "0x%02x%02x%02x%02x", d.p[0], d.p[1], d.p[2], d.p[3]);
}

static bool permits_calldata(const struct policy *p, struct ask_state *s)
{
	const struct abi_line *f = &s->response->function;
	struct bytes d = BYTES(s->m->calldata.p + 4, s->m->calldata.len - 4);
	enum err e = abi_decode(f, f->inputs, d, &s->arguments);

	(void)p;
	return !e || no(s, "%s", err_text(e));
}

static bool permits_request_id(const struct policy *p, struct ask_state *s)
{
	struct abi_view v;

	(void)p;
	if (!argument(s, ANSWER_request_id, &v))	/* a result id says as much */
		return (op_group(s->m->kind) == OP_KEY && argument(s, ANSWER_result_id, &v)) ||
		       no(s, "%s takes none", s->response->function.name);

	struct b32 id = abi_word(v);

	return b32_eq(&id, &s->m->id) || no(s, "the calldata names another request");
}

static bool permits_no_nonce(const struct policy *p, struct ask_state *s)
{
	(void)p;
	return s->ask->known || no(s, "adopt must be said first");
}

static bool is_same_call(const struct ask_state *s)
{
	const struct entry *e = s->ask->earlier;

	return e && b32_eq(&e->calldata_hash, &s->ask->calldata_hash);
}

/* The chain has gone past the earlier transaction's nonce. */
static bool is_nonce_gone(const struct ask_state *s)
{
	return s->ask->earlier && s->ask->adopted > s->ask->earlier->nonce;
}

static bool permits_equivocation(const struct policy *p, struct ask_state *s)
{
	(void)p;
	return s->m->replace || !s->ask->earlier ||
	       no(s, "nonce %llu has another answer", (unsigned long long)s->ask->earlier->nonce);
}

static bool permits_raise(const struct policy *p, struct ask_state *s)
{
	const struct entry *e = s->ask->earlier;

	(void)p;
	if (is_nonce_gone(s))
		return no(s, "nonce %llu is used", (unsigned long long)e->nonce);
	return (s->m->gas >= e->gas && s->m->max_fee >= e->max_fee) || no(s, "less than before");
}

static bool permits_replace(const struct policy *p, struct ask_state *s)
{
	const struct entry *e = s->ask->earlier;

	(void)p;
	if (s->m->replace > 1)
		return no(s, "replace=%llu", (unsigned long long)s->m->replace);
	if (!s->m->replace || !e)
		return true;
	if (!is_nonce_gone(s))
		return no(s, "nonce %llu may still be used", (unsigned long long)e->nonce);
	return e->replaced < POLICY_REPLACED_MAX ||
	       no(s, "replaced %u times already", e->replaced);
}

static bool permits_result_id(const struct policy *p, struct ask_state *s)
{
	struct abi_view v;

	(void)p;
	if (op_group(s->m->kind) != OP_KEY)
		return true;
	if (!op_has_result_id(s->m->kind) || !argument(s, ANSWER_result_id, &v))
		return no(s, "%s takes none", s->response->function.name);

	struct b32 said = abi_word(v);
	struct b32 right = op_result_id(s->m->kind, s->m->chain, &s->m->to, &s->m->id);

	return b32_eq(&said, &right) || no(s, "another id");
}

static bool permits_gas(const struct policy *p, struct ask_state *s)
{
	return (s->m->gas > GAS_MIN && s->m->gas <= p->max_gas) ||
	       no(s, "gas %llu, cap %llu", (unsigned long long)s->m->gas,
		  (unsigned long long)p->max_gas);
}

static bool permits_fee(const struct policy *p, struct ask_state *s)
{
	return (s->m->max_fee > 0 && s->m->max_fee <= p->max_fee && s->m->tip <= s->m->max_fee) ||
	       no(s, "fee %llu, tip %llu, cap %llu", (unsigned long long)s->m->max_fee,
		  (unsigned long long)s->m->tip, (unsigned long long)p->max_fee);
}

/* What this transaction may cost beyond what is counted already. */
static struct u256 further_cost(const struct ask_state *s)
{
	struct u256 wei = wei_of(s->m->gas, s->m->max_fee);

	if (s->plan == PLAN_raise) {
		struct u256 before = wei_of(s->ask->earlier->gas, s->ask->earlier->max_fee);

		(void)u256_sub(&wei, &before, &wei);
	}
	return wei;
}

static bool fits_budget(struct ask_state *s, const struct u256 *limit, const struct u256 *spent)
{
	struct u256 wei = further_cost(s), left = ledger_left(limit, spent);
	char wants[U256_DEC_TEXT], has[U256_DEC_TEXT];

	return u256_cmp(&wei, &left) <= 0 ||
	       no(s, "%s wei of %s left", u256_dec(&wei, wants), u256_dec(&left, has));
}

static bool permits_budget_hour(const struct policy *p, struct ask_state *s)
{
	return fits_budget(s, &p->hour, &s->ask->spent_hour);
}

static bool permits_budget_day(const struct policy *p, struct ask_state *s)
{
	return fits_budget(s, &p->day, &s->ask->spent_day);
}

/* A decryption's answer carries the Core's signature over handles, key and result. */
static bool permits_signature(const struct policy *p, struct ask_state *s)
{
	struct eip712_values v = { .handles_hash = s->m->handles_hash,
				   .public_key_hash = s->m->public_key_hash };
	struct abi_view result, sig, extra;
	struct addr by;
	char text[ADDR_TEXT];

	if (op_group(s->m->kind) != OP_DECRYPTION)
		return true;
	if (!s->response->has_eip712 || !argument(s, ANSWER_result, &result) ||
	    !argument(s, ANSWER_signature, &sig))
		return no(s, "%s takes none", s->response->function.name);
	v.result = abi_bytes(result);
	v.extra_data = argument(s, ANSWER_extra_data, &extra) ? abi_bytes(extra) : BYTES("", 0);

	struct b32 digest = eip712_digest(&s->response->domain, &s->response->eip712, &v);
	enum err e = eip712_recover(&digest, abi_bytes(sig), &by);

	if (e)
		return no(s, "%s", err_text(e));
	return addr_eq(&by, &p->kms_signer) || no(s, "signed by %s", addr_text(&by, text));
}

static const struct {
	const char *name;
	unsigned plans;			/* a bit for each; 0: no rule */
	bool (*permits)(const struct policy *p, struct ask_state *s);
} rules[RULE_COUNT] = {
#define R(rname, for_plans, text) [RULE_##rname] = { #rname, for_plans, permits_##rname },
	POLICY_RULES(R)
#undef R
#define R(rname, text) [RULE_##rname] = { .name = #rname },
	POLICY_OTHERS(R)
#undef R
};

const char *policy_rule_name(enum policy_rule rule)
{
	check(rule < RULE_COUNT);
	return rules[rule].name;
}

/* A question that was answered before, perhaps by a process that died before it could say so. */
static bool is_repeat(const struct ask_state *s)
{
	const struct entry *e = s->ask->earlier;

	if (!is_same_call(s))
		return false;
	if (s->ask->raise)
		return s->m->gas == e->gas && s->m->max_fee == e->max_fee;
	if (s->m->replace == 1)
		return e->replaced > 0 && !is_nonce_gone(s);
	return s->m->replace == 0;
}

static enum policy_plan plan_of(const struct ask_state *s)
{
	if (is_repeat(s))
		return PLAN_repeat;
	if (!s->ask->earlier)
		return PLAN_first;
	return s->ask->raise ? PLAN_raise : PLAN_replace;
}

enum policy_rule policy_ask(const struct policy *p, const struct policy_ask *ask,
			    enum policy_plan *plan_out, char detail_out[POLICY_DETAIL_MAX])
{
	struct ask_state s = { .ask = ask, .m = ask->m, .why = detail_out };

	detail_out[0] = '\0';
	s.plan = *plan_out = plan_of(&s);
	for (unsigned i = 0; i < RULE_COUNT; i++)
		if (rules[i].plans & 1u << s.plan && !rules[i].permits(p, &s))
			return (enum policy_rule)i;
	return RULE_COUNT;
}

bool policy_has_chain(const struct policy *p, uint64_t chain)
{
	for (unsigned i = 0; i < p->chains; i++)
		if (p->chain[i] == chain)
			return true;
	return false;
}

/* A cap over 64 bits is no cap: no transaction can say more. */
static uint64_t cap_of(struct u256 v)
{
	uint64_t cap;

	(void)!u256_to_u64(&v, &cap);
	return cap;
}

void policy_open(struct policy *p, const struct settings *s)
{
	memset(p, 0, sizeof(*p));
	check(profile_load(s, NULL, &p->profile) == OK);
	uint64_t chains = get_setting_u64(s, "chain");
	check(chains <= POLICY_CHAINS_MAX);
	for (unsigned i = 0; i < chains; i++)
		p->chain[p->chains++] = get_setting_u64(s, "chain.%u.id", i);
	p->kms_signer = get_setting_addr(s, "kms_signer_address");
	p->max_fee = cap_of(get_setting_wei(s, "sign.max_fee"));
	p->max_gas = cap_of(get_setting_wei(s, "sign.max_gas"));
	p->hour = get_setting_wei(s, "sign.hour");
	p->day = get_setting_wei(s, "sign.day");
	check(p->chains > 0);
}
