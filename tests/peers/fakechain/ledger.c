/* ledger - rows in the order of their arrival; accounts, nonces and answers beside them. */

#include "tests/peers/fakechain/ledger.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/keccak.h"
#include "common/log.h"
#include "common/loop.h"
#include "tests/peers/fakechain/gateway.h"
#include "tests/peers/fakechain/node.h"
#include "tests/peers/trace.h"

#define LISTED_MAX 100 /* of a list in a verdict */
#define NONCES_MAX (1u << 24)

struct row {
	uint64_t at_ms, nonce, max_fee, gas;
	struct b32 hash, request;
	struct addr from, to;
	uint8_t selector[4];
	uint8_t verdict;
	bool is_tx;
	const char *why;
};

struct nonce {
	uint64_t call; /* the first call it was signed for; a hash */
	uint32_t variants; /* distinct transactions */
	bool is_known, is_used, has_two_calls;
};

/* One request answered by one sender. */
struct answer {
	struct b32 hash; /* first: of sender, contract, selector, request */
	struct addr from;
	struct addr to;
	uint8_t selector[4];
	struct b32 request;
	uint32_t included, good; /* now on the chain; those that did not revert */
};

struct account {
	struct addr who;
	struct account *next;
	struct nonce *nonce; /* owned */
	size_t nonces; /* highest received, plus one */
	size_t cap;
	uint64_t received, distinct, included, reverted, refused, requests, good, two_calls;
};

struct seen {
	struct b32 hash;
};

struct ledger {
	struct row *row; /* owned */
	size_t rows, cap;
	struct account *accounts; /* owned */
	struct table seen, answers; /* items owned */
	uint64_t verdicts[8], garbage;
};

static const char *const verdict_names[] = {
#define V(name, text) #name,
	VERDICTS(V)
#undef V
};

struct ledger *ledger_new(void)
{
	return new_zeroed(sizeof(struct ledger));
}

static struct account *find_account(const struct ledger *l, const struct addr *who)
{
	struct account *a = l->accounts;

	while (a && !addr_eq(&a->who, who))
		a = a->next;
	return a;
}

static struct account *get_account(struct ledger *l, const struct addr *who)
{
	struct account *a = find_account(l, who);

	if (!a) {
		a = new_zeroed(sizeof(*a));
		*a = (struct account){ .who = *who, .next = l->accounts };
		l->accounts = a;
	}
	return a;
}

static struct nonce *get_nonce(struct account *a, uint64_t nonce)
{
	if (nonce >= a->cap) {
		size_t cap = a->cap ? a->cap : 256;

		while (cap <= nonce)
			cap *= 2;
		a->nonce = resized(a->nonce, cap * sizeof(*a->nonce));
		memset(a->nonce + a->cap, 0, (cap - a->cap) * sizeof(*a->nonce));
		a->cap = cap;
	}
	if (nonce >= a->nonces)
		a->nonces = nonce + 1;
	return &a->nonce[nonce];
}

static uint64_t call_of(const struct tx *tx)
{
	struct keccak k;
	struct b32 h;

	keccak_init(&k);
	keccak_update(&k, tx->to.b, 20);
	keccak_update(&k, tx->value.b, 32);
	keccak_update(&k, tx->data.p, tx->data.len);
	keccak_final(&k, h.b);
	return be64_get(h.b);
}

static void note_nonce(struct ledger *l, struct account *a, const struct tx *tx)
{
	struct seen *s;

	if (table_find(&l->seen, &tx->hash) || tx->nonce >= NONCES_MAX)
		return;
	s = new_zeroed(sizeof(*s));
	s->hash = tx->hash;
	table_put(&l->seen, s);
	struct nonce *n = get_nonce(a, tx->nonce);
	uint64_t call = call_of(tx);
	a->distinct++;
	n->variants++;
	if (!n->is_known)
		n->call = call;
	else if (n->call != call && !n->has_two_calls) {
		n->has_two_calls = true;
		a->two_calls++;
	}
	n->is_known = true;
}

size_t ledger_note(struct ledger *l, struct bytes raw, const struct tx *tx)
{
	if (l->rows == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 1024;
		l->row = resized(l->row, l->cap * sizeof(*l->row));
	}
	struct row *r = &l->row[l->rows];
	*r = (struct row){ .at_ms = clock_unix_ms(), .why = "", .verdict = VERDICT_refused };
	l->verdicts[r->verdict]++;
	if (!tx) {
		r->hash = keccak_bytes(raw);
		l->garbage++;
		return l->rows++;
	}
	struct account *a = get_account(l, &tx->from);
	r->is_tx = true;
	r->hash = tx->hash;
	r->nonce = tx->nonce;
	r->max_fee = tx->max_fee;
	r->gas = tx->gas;
	r->from = tx->from;
	r->to = tx->to;
	if (tx->data.len >= 4)
		memcpy(r->selector, tx->data.p, 4);
	if (tx->data.len >= 36)
		memcpy(r->request.b, tx->data.p + 4, 32);
	trace_note("sent", &r->request);
	a->received++;
	a->refused++;
	note_nonce(l, a, tx);
	return l->rows++;
}

void ledger_verdict(struct ledger *l, size_t number, enum verdict v, const char *why)
{
	struct row *r = &l->row[number];
	struct account *a = r->is_tx ? get_account(l, &r->from) : NULL;

	l->verdicts[r->verdict]--;
	l->verdicts[v]++;
	if (a) {
		a->refused -= r->verdict == VERDICT_refused;
		a->refused += v == VERDICT_refused;
	}
	r->verdict = v;
	r->why = why;
}

/* ---- what the chain has ---- */

static struct answer *get_answer(struct ledger *l, const struct tx *tx)
{
	uint8_t text[76];
	struct b32 hash;

	memcpy(text, tx->from.b, 20);
	memcpy(text + 20, tx->to.b, 20);
	memcpy(text + 40, tx->data.p, 36);
	hash = keccak_bytes(BYTES_OF(text));
	struct answer *a = table_find(&l->answers, &hash);
	if (a)
		return a;
	a = new_zeroed(sizeof(*a));
	a->hash = hash;
	a->from = tx->from;
	a->to = tx->to;
	memcpy(a->selector, tx->data.p, 4);
	memcpy(a->request.b, tx->data.p + 4, 32);
	table_put(&l->answers, a);
	return a;
}

static bool is_answer(const struct tx *tx)
{
	return tx->data.len >= 36 && gateway_is_response(tx->data);
}

void ledger_included(struct ledger *l, const struct tx *tx)
{
	struct account *a = get_account(l, &tx->from);

	if (tx->kind != TX_SIGNED)
		return;
	a->included++;
	a->reverted += !tx->status;
	get_nonce(a, tx->nonce)->is_used = true;
	if (!is_answer(tx))
		return;
	struct answer *one = get_answer(l, tx);
	a->requests += one->included++ == 0;
	if (tx->status)
		a->good += one->good++ == 0;
}

void ledger_removed(struct ledger *l, const struct tx *tx)
{
	struct account *a = get_account(l, &tx->from);

	if (tx->kind != TX_SIGNED)
		return;
	a->included--;
	a->reverted -= !tx->status;
	get_nonce(a, tx->nonce)->is_used = false;
	if (!is_answer(tx))
		return;
	struct answer *one = get_answer(l, tx);
	a->requests -= --one->included == 0;
	if (tx->status)
		a->good -= --one->good == 0;
}

/* ---- verdicts ---- */

void ledger_totals(const struct node *n, struct text *out)
{
	const struct ledger *l = n->ledger;

	text_add(out, "{\"received\":%zu,\"distinct\":%zu,\"garbage\":%" PRIu64, l->rows,
		 l->seen.count, l->garbage);
	for (size_t i = 0; i < ARRAY_LEN(verdict_names); i++)
		text_add(out, ",\"%s\":%" PRIu64, verdict_names[i], l->verdicts[i]);
	text_str(out, "}");
}

void ledger_page(const struct node *n, size_t from, size_t limit, struct text *out)
{
	const struct ledger *l = n->ledger;
	size_t end = from < l->rows && limit < l->rows - from ? from + limit : l->rows;

	text_str(out, "[");
	for (size_t i = from; i < end; i++) {
		const struct row *r = &l->row[i];
		const struct tx *tx = table_find(&n->chain.txs, &r->hash);

		text_add(out, "%s{\"at\":%zu,\"timeMs\":%" PRIu64 ",\"hash\":", i > from ? "," : "",
			 i, r->at_ms);
		text_hex(out, BYTES_OF(r->hash.b));
		text_str(out, ",\"from\":");
		text_hex(out, BYTES_OF(r->from.b));
		text_add(out, ",\"nonce\":%" PRIu64 ",\"to\":", r->nonce);
		text_hex(out, BYTES_OF(r->to.b));
		text_str(out, ",\"selector\":");
		text_hex(out, BYTES_OF(r->selector));
		text_str(out, ",\"request\":");
		text_hex(out, BYTES_OF(r->request.b));
		text_add(out,
			 ",\"maxFee\":%" PRIu64 ",\"gas\":%" PRIu64 ",\"verdict\":\"%s\",\"why\":",
			 r->max_fee, r->gas, verdict_names[r->verdict]);
		text_json(out, bytes_str(r->why));
		if (tx && tx->block)
			text_add(out, ",\"block\":%" PRIu64, tx->block->number);
		text_str(out, "}");
	}
	text_str(out, "]");
}

/* The numbers of nonces that fit, as a list that may be cut, and how many there are. */
static void put_nonces(struct text *out, const char *name, const struct account *a,
		       bool (*fits)(const struct nonce *))
{
	size_t count = 0;

	text_add(out, ",\"%s\":[", name);
	for (size_t i = 0; a && i < a->nonces; i++)
		if (fits(&a->nonce[i]) && count++ < LISTED_MAX)
			text_add(out, "%s%zu", count > 1 ? "," : "", i);
	text_add(out, "],\"%sCount\":%zu", name, count);
}

static bool is_hole(const struct nonce *n)
{
	return !n->is_known;
}

static bool is_unused(const struct nonce *n)
{
	return n->is_known && !n->is_used;
}

static bool has_two_calls(const struct nonce *n)
{
	return n->has_two_calls;
}

static void put_twice(struct text *out, const struct ledger *l, const struct addr *who)
{
	size_t count = 0;

	text_str(out, ",\"twice\":[");
	for (size_t i = 0; i < l->answers.size; i++) {
		const struct answer *a = l->answers.slot[i];

		if (!a || a->included < 2 || !addr_eq(&a->from, who) || count++ >= LISTED_MAX)
			continue;
		text_add(out, "%s{\"selector\":", count > 1 ? "," : "");
		text_hex(out, BYTES_OF(a->selector));
		text_str(out, ",\"request\":");
		text_hex(out, BYTES_OF(a->request.b));
		text_add(out, ",\"included\":%u,\"good\":%u}", a->included, a->good);
	}
	text_add(out, "],\"twiceCount\":%zu", count);
}

void ledger_judge(const struct node *n, const struct addr *sender, struct text *out)
{
	static const struct account nobody;
	const struct account *a = find_account(n->ledger, sender);
	uint64_t asked = gateway_asked(n, UINT64_MAX), done = gateway_done(n, UINT64_MAX);

	if (!a)
		a = &nobody;
	text_add(out,
		 "{\"received\":%" PRIu64 ",\"transactions\":%" PRIu64 ",\"accepted\":%" PRIu64
		 ",\"reverted\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"requests\":%" PRIu64
		 ",\"answered\":%" PRIu64 ",\"asked\":%" PRIu64 ",\"done\":%" PRIu64
		 ",\"open\":%" PRIu64,
		 a->received, a->distinct, a->included, a->reverted, a->refused, a->requests,
		 a->good, asked, done, asked > a->good ? asked - a->good : 0);
	put_twice(out, n->ledger, sender);
	put_nonces(out, "nonceTwoCalls", a, has_two_calls);
	put_nonces(out, "holes", a, is_hole);
	put_nonces(out, "unused", a, is_unused);
	text_str(out, "}");
}
