/* book - one function for each type of record, and the head of a new segment. */

#include "submitter/signer/book.h"

#include "common/log.h"

static struct entry entry_of(const struct record *r, uint64_t at, uint32_t length)
{
	return (struct entry){
		.chain = r->chain, .nonce = r->nonce, .op = r->op, .kind = r->kind,
		.gas = r->gas, .max_fee = r->max_fee, .tip = r->tip, .at = at, .length = length,
		.replaced = (uint32_t)r->replaced, .id = r->id,
		.calldata_hash = r->calldata_hash, .tx_hash = r->tx_hash,
	};
}

static bool is_tx(enum record_type type)
{
	return type == RECORD_signed || type == RECORD_raised || type == RECORD_replaced ||
	       type == RECORD_carried;
}

static enum err read_entry(void *journal, uint64_t at, struct entry *out, bool *is_tx_out,
			   uint64_t *end_out)
{
	struct record r;
	enum err e = journal_look(journal, at, &r, end_out);

	if (e)
		return e;
	*is_tx_out = is_tx(r.type);
	*out = entry_of(&r, at, (uint32_t)(*end_out - at));
	return OK;
}

enum err book_open(struct book *b, struct journal *j, uint64_t now_ms)
{
	const struct index_reader reader = { .read = read_entry, .owner = j };

	memset(b, 0, sizeof(*b));
	b->now_ms = now_ms;
	return index_open(&b->index, &reader);
}

void book_close(struct book *b)
{
	index_close(&b->index);
}

struct book_chain *find_chain(struct book *b, uint64_t id)
{
	for (unsigned i = 0; i < b->chains; i++)
		if (b->chain[i].id == id)
			return &b->chain[i];
	return NULL;
}

struct book_chain *book_chain(struct book *b, uint64_t id)
{
	struct book_chain *c = find_chain(b, id);

	if (c || b->chains == BOOK_CHAINS_MAX)
		return c;
	c = &b->chain[b->chains++];
	c->id = id;
	ledger_turn(&c->ledger, b->now_ms);
	return c;
}

struct u256 wei_of(uint64_t gas, uint64_t max_fee)
{
	struct u256 wei = u256_from_u64(gas);

	(void)u256_mul_u64(&wei, max_fee, &wei);	/* 128 bits at the most */
	return wei;
}

/* A clock that was wrong when the record was written must not lock the budget for years. */
static uint64_t past_ms(const struct book *b, const struct record *r)
{
	return r->unix_ms < b->now_ms ? r->unix_ms : b->now_ms;
}

static enum err take_new(struct book *b, struct book_chain *c, const struct record *r,
			 uint64_t at, uint32_t length)
{
	struct entry e = entry_of(r, at, length);
	struct u256 wei = wei_of(r->gas, r->max_fee);

	if (!c->known || r->nonce != c->next)
		return ERR_CONFLICT;
	enum err bad = index_add(&b->index, &e);
	if (bad)
		return bad;
	c->next = r->nonce + 1;
	ledger_spend(&c->ledger, past_ms(b, r), &wei);
	return OK;
}

static bool is_same_call(const struct entry *e, const struct record *r)
{
	return e->kind == r->kind && b32_eq(&e->id, &r->id) &&
	       b32_eq(&e->calldata_hash, &r->calldata_hash);
}

/* The same nonce again, for the same: only the difference is new money. */
static enum err take_raised(struct book *b, struct book_chain *c, const struct record *r,
			    uint64_t at, uint32_t length)
{
	struct entry new = entry_of(r, at, length), known;

	enum err e = index_find_nonce(&b->index, r->chain, r->nonce, &known);
	if (e)
		return e == ERR_MISSING ? ERR_CONFLICT : e;
	if (!is_same_call(&known, r))
		return ERR_CONFLICT;

	struct u256 before = wei_of(known.gas, known.max_fee), wei = wei_of(r->gas, r->max_fee);

	(void)u256_sub(&wei, &before, &wei);
	ledger_spend(&c->ledger, past_ms(b, r), &wei);
	return index_raise(&b->index, &new, &known);
}

static enum err take_adopted(struct book_chain *c, const struct record *r)
{
	c->known = true;
	if (r->nonce > c->adopted)
		c->adopted = r->nonce;
	if (r->nonce > c->next)
		c->next = r->nonce;
	return OK;
}

static enum err take_reached(struct book_chain *c, const struct record *r)
{
	c->known = true;
	if (r->nonce > c->next)
		c->next = r->nonce;
	return OK;
}

/* What a segment that was left behind half made repeats is known. */
static enum err take_carried(struct book *b, const struct record *r, uint64_t at, uint32_t length)
{
	struct entry new = entry_of(r, at, length), known;
	enum err e = index_find_nonce(&b->index, r->chain, r->nonce, &known);

	if (e)
		return e == ERR_MISSING ? index_add(&b->index, &new) : e;
	return is_same_call(&known, r) ? index_raise(&b->index, &new, &known) : ERR_CONFLICT;
}

static enum err take_spent(struct book *b, struct book_chain *c, const struct record *r)
{
	struct u256 wei;

	if (r->body.len != sizeof(wei.b))
		return ERR_FORMAT;
	memcpy(wei.b, r->body.p, sizeof(wei.b));
	if (b->spent_counts)
		ledger_spend(&c->ledger, past_ms(b, r), &wei);
	return OK;
}

enum err book_take(struct book *b, const struct record *r, uint64_t at, uint32_t length)
{
	bool first = !b->read_any;

	b->read_any = true;
	if (r->type == RECORD_segment) {
		/* One that is not the beginning was left behind half made: what it repeats
		   has been read. */
		b->spent_counts = first;
		return OK;
	}
	if (r->type == RECORD_refused)
		return OK;

	struct book_chain *c = book_chain(b, r->chain);

	if (!c)
		return ERR_FULL;
	switch (r->type) {
	case RECORD_signed:
	case RECORD_replaced:
		return take_new(b, c, r, at, length);
	case RECORD_raised:
		return take_raised(b, c, r, at, length);
	case RECORD_adopted:
		return take_adopted(c, r);
	case RECORD_carried:
		return take_carried(b, r, at, length);
	case RECORD_reached:
		return take_reached(c, r);
	case RECORD_spent:
		return take_spent(b, c, r);
	case RECORD_none:
	case RECORD_refused:
	case RECORD_segment:
	case RECORD_COUNT:
		break;
	}
	return ERR_CONFLICT;
}

enum err book_write(struct book *b, struct journal *j, const struct record *r)
{
	uint64_t at;
	uint32_t length;

	journal_add(j, r, &at, &length);
	return book_take(b, r, at, length);
}

/* From here on: a new segment. */

bool book_is_full(const struct book *b, const struct journal *j)
{
	return journal_bytes(j) >= JOURNAL_LIMIT || !index_has_room(&b->index);
}

/* Gather without taking: the book knows it. */
static enum err carry(struct journal *j, const struct record *r, uint64_t *at_out,
		      uint32_t *length_out)
{
	enum err e = journal_has_room(j) ? OK : journal_commit(j);
	if (e)
		return e;
	journal_add(j, r, at_out, length_out);
	return OK;
}

static enum err carry_chain(const struct book_chain *c, struct journal *j)
{
	struct record adopted = { .type = RECORD_adopted, .chain = c->id, .nonce = c->adopted };
	struct record reached = { .type = RECORD_reached, .chain = c->id, .nonce = c->next };
	uint64_t at;
	uint32_t length;
	enum err e = c->known ? carry(j, &adopted, &at, &length) : OK;

	e = e || !c->known ? e : carry(j, &reached, &at, &length);

	for (unsigned age = LEDGER_DAY; !e && age-- > 0;) {
		struct record s = { .type = RECORD_spent, .chain = c->id };
		struct u256 wei = ledger_at(&c->ledger, age, &s.unix_ms);

		s.body = BYTES_OF(wei.b);
		if (!u256_is_zero(&wei))
			e = carry(j, &s, &at, &length);
	}
	return e;
}

/* Unless it was raised later on. */
static enum err carry_tx(struct book *b, struct journal *j, const struct entry *e)
{
	struct entry newest;
	struct record r;
	uint64_t at;
	uint32_t length;

	enum err bad = index_find_nonce(&b->index, e->chain, e->nonce, &newest);
	if (bad || newest.at != e->at)
		return bad;
	bad = journal_read(j, e->at, e->length, &r);
	if (bad)
		return bad;
	r.type = RECORD_carried;
	return carry(j, &r, &at, &length);
}

/* The newest transactions, in their order. */
static enum err carry_txs(struct book *b, struct journal *j)
{
	uint64_t at = index_newest(&b->index, BOOK_CARRY_MAX, BOOK_CARRY_BYTES);

	while (at < b->index.end) {
		struct entry e;
		bool is_tx;

		enum err bad = read_entry(j, at, &e, &is_tx, &at);
		if (!bad && is_tx)
			bad = carry_tx(b, j, &e);
		if (bad)
			return bad;
	}
	return OK;
}

enum err book_carry(struct book *b, struct journal *j)
{
	struct record head = { .type = RECORD_segment, .unix_ms = b->now_ms };
	struct b32 before = j->link;
	uint64_t from;
	uint32_t length;

	enum err e = carry(j, &head, &from, &length);

	for (unsigned i = 0; !e && i < b->chains; i++)
		e = carry_chain(&b->chain[i], j);
	e = e ? e : carry_txs(b, j);
	e = e ? e : journal_commit(j);
	return e ? e : journal_begin_segment(j, from, &before);
}
