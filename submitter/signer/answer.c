/* answer - what the submitter asks and what it is told. */

#include <unistd.h>

#include "common/keccak.h"
#include "submitter/signer/signer.h"

static struct answer *push(struct client *c)
{
	check(c->count < ANSWERS_MAX);

	struct answer *a = &c->answer[(c->first + c->count++) % ANSWERS_MAX];

	*a = (struct answer){ .kind = ANSWER_IS_tx };
	return a;
}

static struct answer *push_tx(struct client *c, uint64_t op, uint64_t at, uint32_t length)
{
	struct answer *a = push(c);

	a->op = op;
	a->at = at;
	a->length = length;
	return a;
}

static void push_info(struct client *c, uint64_t chain)
{
	struct answer *a = push(c);

	a->kind = ANSWER_IS_info;
	a->chain = chain;
}

static bool is_budget(enum policy_rule rule)
{
	return rule == RULE_budget_hour || rule == RULE_budget_day;
}

/*
 * Once a second for each rule: a flood fills neither the journal nor the log.  A budget is asked
 * for again and again until its time is over: that is news once in ten minutes.
 */
static bool is_news(struct signer *self, enum policy_rule rule)
{
	uint64_t now_s = self->book.now_ms / 1000, last_s = self->refused_s[rule];

	if (last_s <= now_s && now_s - last_s < (is_budget(rule) ? 600 : 1))
		return false;
	self->refused_s[rule] = now_s;
	return true;
}

static enum log_event event_of(enum policy_rule rule)
{
	return is_budget(rule) ? EV_K006_budget : EV_K002_refused;
}

static enum err note_refusal(struct signer *self, enum policy_rule rule, const char *detail,
			     const struct msg_sign_tx *m)
{
	const char *name = policy_rule_name(rule);
	struct record r = {
		.type = RECORD_refused, .unix_ms = self->book.now_ms, .chain = m->chain,
		.op = m->op, .kind = m->kind, .gas = m->gas, .max_fee = m->max_fee,
		.tip = m->tip, .id = m->id, .body = BYTES(name, strlen(name)),
	};

	count(CNT_SIGNER_refused, 1);
	if (!is_news(self, rule))
		return OK;
	r.calldata_hash = keccak_bytes(m->calldata);
	log_say(event_of(rule), "rule=%s op=%llu chain=%llu kind=%llu detail=\"%s\"", name,
		(unsigned long long)m->op, (unsigned long long)m->chain,
		(unsigned long long)m->kind, detail);
	if (journal_bytes(&self->journal) >= JOURNAL_LIMIT)
		return OK;
	return book_write(&self->book, &self->journal, &r);
}

static struct answer *push_refusal(struct client *c, enum policy_rule rule, const char *detail)
{
	struct answer *a = push(c);

	a->kind = ANSWER_IS_refusal;
	a->rule = rule;
	memcpy(a->detail, detail, strlen(detail) + 1);
	return a;
}

/* From here on: sign_tx and raise. */

static enum err sign(struct signer *self, const struct policy_ask *ask, enum policy_plan plan,
		     uint64_t nonce, uint64_t *at_out, uint32_t *length_out)
{
	static const enum record_type type[] = {
		[PLAN_first] = RECORD_signed, [PLAN_raise] = RECORD_raised,
		[PLAN_replace] = RECORD_replaced,
	};
	const struct msg_sign_tx *m = ask->m;
	uint64_t replaced = ask->earlier ? ask->earlier->replaced + (plan == PLAN_replace) : 0;
	struct tx_call t = {
		.chain = m->chain, .nonce = nonce, .tip = m->tip, .max_fee = m->max_fee,
		.gas = m->gas, .to = m->to, .calldata = m->calldata,
	};
	struct record r = {
		.type = type[plan], .unix_ms = self->book.now_ms, .chain = m->chain,
		.nonce = nonce, .op = m->op, .kind = m->kind, .gas = m->gas,
		.max_fee = m->max_fee, .tip = m->tip, .replaced = replaced,
		.id = m->id, .calldata_hash = ask->calldata_hash,
	};

	enum err e = tx_sign(&t, self->key, self->raw, sizeof(self->raw), &r.body, &r.tx_hash);

	check(e == OK);		/* the calldata's limit leaves room */
	if (plan == PLAN_replace)
		log_say(EV_K008_replaced, "op=%llu chain=%llu nonce=%llu before=%llu times=%llu",
			(unsigned long long)m->op, (unsigned long long)m->chain,
			(unsigned long long)nonce, (unsigned long long)ask->earlier->nonce,
			(unsigned long long)replaced);
	journal_add(&self->journal, &r, at_out, length_out);
	return book_take(&self->book, &r, *at_out, *length_out);
}

/* What the policy is told of the chain, beside the request itself. */
static void add_chain(struct signer *self, struct policy_ask *ask)
{
	struct book_chain *chain = find_chain(&self->book, ask->m->chain);

	ask->has_room = index_has_room(&self->book.index);
	if (!chain)
		return;
	ledger_turn(&chain->ledger, self->book.now_ms);
	ask->known = chain->known;
	ask->adopted = chain->adopted;
	ask->spent_hour = chain->ledger.hour;
	ask->spent_day = chain->ledger.day;
}

/* Refuse, repeat or sign; the answer leaves UNANSWERED, which counts its question. */
static enum err decide(struct signer *self, struct client *c, struct policy_ask *ask,
		       unsigned *unanswered)
{
	const struct msg_sign_tx *m = ask->m;
	char detail[POLICY_DETAIL_MAX];
	enum policy_plan plan;

	ask->unanswered = *unanswered;
	add_chain(self, ask);
	enum policy_rule rule = policy_ask(&self->policy, ask, &plan, detail);
	if (rule != RULE_COUNT) {
		struct answer *a = push_refusal(c, rule, detail);

		a->op = m->op;
		a->nonce = ask->raise ? ask->earlier->nonce : 0;
		a->unanswered = unanswered;
		return note_refusal(self, rule, detail, m);
	}
	if (plan == PLAN_repeat) {
		count(CNT_SIGNER_repeated, 1);
		push_tx(c, m->op, ask->earlier->at, ask->earlier->length)->unanswered = unanswered;
		return OK;
	}

	uint64_t nonce = plan == PLAN_raise ? ask->earlier->nonce
					    : find_chain(&self->book, m->chain)->next;
	uint64_t at;
	uint32_t length;

	enum err e = sign(self, ask, plan, nonce, &at, &length);
	if (e)
		return e;
	count(CNT_SIGNER_signed, 1);

	struct answer *a = push_tx(c, m->op, at, length);

	a->first = true;
	a->unanswered = unanswered;
	return OK;
}

static enum err on_sign_tx(struct signer *self, struct client *c, const struct msg_sign_tx *m)
{
	struct policy_ask ask = { .m = m, .calldata_hash = keccak_bytes(m->calldata) };
	struct entry earlier;

	enum err e = index_find_request(&self->book.index, m->chain, m->kind, &m->id, &earlier);
	if (e && e != ERR_MISSING)
		return e;
	ask.earlier = e ? NULL : &earlier;
	c->signs++;
	return decide(self, c, &ask, &c->signs);
}

/*
 * The call of E, out of its own bytes, which the journal lends until it reads another record:
 * whoever asks can name a nonce, and no call.
 */
static enum err read_call(struct signer *self, const struct entry *e, struct msg_sign_tx *out)
{
	struct tx_call t;
	struct record r;

	enum err bad = journal_read(&self->journal, e->at, e->length, &r);
	if (bad)
		return bad;
	if (tx_read(r.body, &t))
		return ERR_CONFLICT;

	struct b32 hash = keccak_bytes(t.calldata);

	if (t.chain != e->chain || t.nonce != e->nonce || t.gas != e->gas ||
	    t.max_fee != e->max_fee || t.tip != e->tip || !b32_eq(&hash, &e->calldata_hash))
		return ERR_CONFLICT;
	*out = (struct msg_sign_tx){
		.op = e->op, .chain = e->chain, .kind = e->kind, .id = e->id, .to = t.to,
		.calldata = t.calldata, .tip = e->tip,
	};
	return OK;
}

static enum err on_raise(struct signer *self, struct client *c, const struct msg_raise *m)
{
	struct entry earlier;
	struct msg_sign_tx call = { .chain = m->chain };
	struct policy_ask ask = { .m = &call, .raise = true, .earlier = &earlier };

	enum err e = index_find_nonce(&self->book.index, m->chain, m->nonce, &earlier);
	if (e && e != ERR_MISSING)
		return e;
	c->raises++;
	if (e) {
		struct answer *a = push_refusal(c, RULE_unknown_nonce, "");

		a->nonce = m->nonce;
		a->unanswered = &c->raises;
		return note_refusal(self, RULE_unknown_nonce, "raise", &call);
	}
	e = read_call(self, &earlier, &call);
	if (e)
		return e;
	call.gas = m->gas;
	call.max_fee = m->max_fee;
	ask.calldata_hash = earlier.calldata_hash;
	return decide(self, c, &ask, &c->raises);
}

static enum err on_get_tx(struct signer *self, struct client *c, const struct msg_get_tx *m)
{
	struct entry found;
	enum err e = index_find_nonce(&self->book.index, m->chain, m->nonce, &found);

	if (e && e != ERR_MISSING)
		return e;
	if (!e) {
		push_tx(c, found.op, found.at, found.length);
		return OK;
	}
	push_refusal(c, RULE_unknown_nonce, "")->nonce = m->nonce;
	return OK;
}

static enum err on_adopt(struct signer *self, struct client *c, const struct msg_adopt *m)
{
	struct record r = { .type = RECORD_adopted, .unix_ms = self->book.now_ms,
			    .chain = m->chain, .nonce = m->nonce };
	const struct book_chain *chain = find_chain(&self->book, m->chain);
	struct msg_sign_tx shown = { .chain = m->chain };

	if (!policy_has_chain(&self->policy, m->chain) || !chain) {
		push_refusal(c, RULE_chain, "");
		return note_refusal(self, RULE_chain, "adopt", &shown);
	}
	if (m->nonce < chain->next || m->nonce > POLICY_NONCE_MAX) {
		push_refusal(c, RULE_adopt, "");
		return note_refusal(self, RULE_adopt, "adopt", &shown);
	}
	push_info(c, m->chain);
	if (chain->known && m->nonce <= chain->adopted)
		return OK;
	log_say(EV_K010_adopted, "chain=%llu nonce=%llu before=%llu", (unsigned long long)m->chain,
		(unsigned long long)m->nonce, (unsigned long long)chain->next);
	return book_write(&self->book, &self->journal, &r);
}

static enum err on_ask_info(struct signer *self, struct client *c, const struct msg_ask_info *m)
{
	if (!find_chain(&self->book, m->chain))
		return ERR_UNKNOWN;
	push_info(c, m->chain);
	return OK;
}

/* From here on: packets. */

static enum err on_hello(struct signer *self, struct client *c, const struct msg_hello *m)
{
	if (!bytes_is(m->build, proc_build()) || !bytes_is(m->role, ipc_role_name(ROLE_SUBMITTER)) ||
	    !b32_eq(&m->network, &self->network))
		return ERR_MISMATCH;
	c->up = true;
	self->mismatch_told = false;
	log_say(EV_G003_link_up, "link=signer");
	for (unsigned i = 0; i < self->policy.chains; i++)
		push_info(c, self->policy.chain[i]);
	return OK;
}

#define CASE(number, name, from, to, window, text) \
	case number: { \
		struct msg_##name m; \
		enum err e = wire_decode(&f, &m); \
		return e ? e : on_##name(self, c, &m); \
	}
enum err signer_on_packet(struct signer *self, struct client *c, struct bytes packet)
{
	struct ipc_frame f;
	enum err opened = packet.len <= IPC_PACKET_MAX
			  ? wire_open(packet, (struct bytes){ 0 }, &f) : ERR_TOO_BIG;

	if (opened)
		return opened;
	if (c->up == (f.msg == &ipc_hello))
		return ERR_DENIED;
	switch (f.msg->number) {
	IPC_ANY(CASE)
	IPC_SUBMITTER_TO_SIGNER(CASE)
	}
	return ERR_DENIED;
}
#undef CASE

static enum err encode(struct signer *self, const struct ipc_msg *msg, const void *m,
		       size_t *len_out)
{
	struct bytes blob;

	return wire_encode(msg, m, self->out, sizeof(self->out), len_out, &blob);
}

enum err signer_say_hello(struct signer *self, struct client *c)
{
	const char *build = proc_build(), *role = ipc_role_name(ROLE_SIGNER);
	struct msg_hello m = { .build = BYTES(build, strlen(build)),
			       .role = BYTES(role, strlen(role)), .network = self->network };
	size_t len;
	enum err e = encode(self, &ipc_hello, &m, &len);

	if (e)
		return e;
	return write(c->fd, self->out, len) == (ssize_t)len ? OK : ERR_CLOSED;
}

static enum err encode_tx(struct signer *self, const struct answer *a, size_t *len_out)
{
	struct record r;
	enum err e = journal_read(&self->journal, a->at, a->length, &r);

	if (e)
		return e;

	struct msg_tx_signed m = {
		.op = a->op, .chain = r.chain, .kind = r.kind, .id = r.id, .nonce = r.nonce,
		.hash = r.tx_hash, .gas = r.gas, .max_fee = r.max_fee, .first = a->first,
		.raw = r.body,
	};

	return encode(self, &ipc_tx_signed, &m, len_out);
}

static enum err encode_info(struct signer *self, const struct answer *a, size_t *len_out)
{
	struct book_chain *chain = find_chain(&self->book, a->chain);

	check(chain != NULL);
	ledger_turn(&chain->ledger, self->book.now_ms);

	struct msg_signer_info m = {
		.chain = a->chain, .account = self->account, .next_nonce = chain->next,
		.hour_left = ledger_left(&self->policy.hour, &chain->ledger.hour),
		.day_left = ledger_left(&self->policy.day, &chain->ledger.day),
	};

	return encode(self, &ipc_signer_info, &m, len_out);
}

enum err signer_encode(struct signer *self, const struct answer *a, size_t *len_out)
{
	if (a->kind == ANSWER_IS_tx)
		return encode_tx(self, a, len_out);
	if (a->kind == ANSWER_IS_info)
		return encode_info(self, a, len_out);

	const char *rule = policy_rule_name(a->rule);
	struct msg_sign_refused m = {
		.op = a->op, .nonce = a->nonce, .rule = BYTES(rule, strlen(rule)),
		.detail = BYTES(a->detail, strlen(a->detail)),
	};

	return encode(self, &ipc_sign_refused, &m, len_out);
}
