/* chain - blocks and their headers. */

#include "tests/peers/fakechain/chain.h"

#include <stdlib.h>

#include "common/keccak.h"
#include "common/log.h"
#include "common/rlp.h"
#include "tests/peers/fakechain/node.h"

#define GAS_LIMIT (1ull << 50)

struct log *log_new(const struct addr *address, const struct b32 *topics, unsigned count,
		    struct bytes data)
{
	struct log *l = new_zeroed(sizeof(*l) + 32 * count + data.len);

	*l = (struct log){ .address = *address, .topics = count, .len = data.len };
	if (count)
		memcpy(l->bytes, topics, 32 * count);
	if (data.len)
		memcpy(l->bytes + 32 * count, data.p, data.len);
	return l;
}

struct b32 log_topic(const struct log *l, unsigned i)
{
	struct b32 t;

	memcpy(t.b, l->bytes + 32 * i, 32);
	return t;
}

struct bytes log_data(const struct log *l)
{
	return BYTES(l->bytes + 32 * l->topics, l->len);
}

void logs_add(struct logs *l, struct log *log)
{
	if (l->count == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 4;
		l->at = resized(l->at, l->cap * sizeof(*l->at));
	}
	l->at[l->count++] = log;
}

void logs_free(struct logs *l)
{
	for (unsigned i = 0; i < l->count; i++)
		free(l->at[i]);
	free(l->at);
	*l = (struct logs){ 0 };
}

/* Three bits of 2048 for each item: yellow paper, section 4.3.1. */
static void bloom_put(uint8_t bloom[256], struct bytes item)
{
	struct b32 h = keccak_bytes(item);

	for (unsigned i = 0; i < 3; i++) {
		unsigned bit = (h.b[2 * i] << 8 | h.b[2 * i + 1]) & 2047;

		bloom[255 - bit / 8] |= 1u << bit % 8;
	}
}

void bloom_log(uint8_t bloom[256], const struct log *l)
{
	bloom_put(bloom, BYTES_OF(l->address.b));
	for (unsigned i = 0; i < l->topics; i++)
		bloom_put(bloom, BYTES(l->bytes + 32 * i, 32));
}

uint64_t chain_head(const struct chain *c)
{
	return c->height - 1;
}

struct block *chain_at(const struct chain *c, uint64_t number)
{
	return number < c->height ? c->at[number] : NULL;
}

uint64_t chain_time_s(const struct node *n)
{
	const struct chain *c = &n->chain;
	uint64_t now = clock_unix_ms() / 1000 + n->clock_s - n->knobs.behind_s,
		 before = c->height ? c->at[c->height - 1]->time_s : 0;

	return now > before ? now : before;
}

struct block *chain_open(struct node *n)
{
	struct chain *c = &n->chain;

	if (!c->open) {
		c->open = new_zeroed(sizeof(*c->open));
		c->open->number = c->height;
		c->open->base_fee = n->knobs.base_fee;
		c->open->salt = c->salt;
	}
	return c->open;
}

void chain_add(struct node *n, struct tx *tx)
{
	struct block *b = chain_open(n);

	if ((b->txs & (b->txs - 1)) == 0)
		b->tx = resized(b->tx, (b->txs ? 2 * b->txs : 1) * sizeof(*b->tx));
	tx->block = b;
	tx->index = b->txs;
	tx->first_log = b->logs;
	b->tx[b->txs++] = tx;
	b->logs += tx->logs.count;
	b->gas_used += tx->gas_used;
}

/* The header as it is hashed; roots of tries that are not kept are zero. */
static struct b32 header_hash(const struct block *b)
{
	static const uint8_t zeros[32], nonce[8], coinbase[20];
	struct b32 extra = b32_of_u64(b->salt);
	uint8_t buf[1024];
	struct rlp w;

	rlp_init(&w, buf, sizeof(buf));

	size_t mark = rlp_mark(&w);

	rlp_put_u64(&w, b->base_fee);
	rlp_put_bytes(&w, BYTES_OF(nonce));
	rlp_put_bytes(&w, BYTES_OF(zeros)); /* mixHash */
	rlp_put_bytes(&w, BYTES_OF(extra.b));
	rlp_put_u64(&w, b->time_s);
	rlp_put_u64(&w, b->gas_used);
	rlp_put_u64(&w, GAS_LIMIT);
	rlp_put_u64(&w, b->number);
	rlp_put_u64(&w, 1); /* difficulty */
	rlp_put_bytes(&w, BYTES_OF(b->bloom));
	rlp_put_bytes(&w, BYTES_OF(b->receipts_root.b));
	rlp_put_bytes(&w, BYTES_OF(b->txs_root.b));
	rlp_put_bytes(&w, BYTES_OF(zeros)); /* stateRoot */
	rlp_put_bytes(&w, BYTES_OF(coinbase));
	rlp_put_bytes(&w, BYTES_OF(zeros)); /* sha3Uncles */
	rlp_put_bytes(&w, BYTES_OF(b->parent.b));
	rlp_put_list(&w, mark);
	return keccak_bytes(rlp_done(&w));
}

static void hash_receipts(struct block *b)
{
	struct keccak txs, receipts;

	keccak_init(&txs);
	keccak_init(&receipts);
	for (unsigned i = 0; i < b->txs; i++) {
		const struct tx *tx = b->tx[i];
		uint8_t status = tx->status;

		keccak_update(&txs, tx->hash.b, 32);
		keccak_update(&receipts, &status, 1);
		for (unsigned k = 0; k < tx->logs.count; k++) {
			const struct log *l = tx->logs.at[k];

			keccak_update(&receipts, l->address.b, 20);
			keccak_update(&receipts, l->bytes, 32 * l->topics + l->len);
			bloom_log(b->bloom, l);
		}
	}
	keccak_final(&txs, b->txs_root.b);
	keccak_final(&receipts, b->receipts_root.b);
}

struct block *chain_close(struct node *n)
{
	struct chain *c = &n->chain;
	struct block *b = chain_open(n);

	b->time_s = chain_time_s(n);
	if (c->height)
		b->parent = c->at[c->height - 1]->hash;
	hash_receipts(b);
	b->hash = header_hash(b);
	if (c->height == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 1024;
		c->at = resized(c->at, c->cap * sizeof(*c->at));
	}
	c->at[c->height++] = b;
	table_put(&c->blocks, b);
	c->open = NULL;
	return b;
}

struct block *chain_pop(struct node *n)
{
	struct chain *c = &n->chain;

	check(c->height > 1 && !c->open);
	struct block *b = c->at[--c->height];
	table_remove(&c->blocks, &b->hash);
	for (unsigned i = 0; i < b->txs; i++)
		b->tx[i]->block = NULL;
	return b;
}

void block_free(struct block **b)
{
	free((*b)->tx);
	free(*b);
	*b = NULL;
}

void chain_start(struct node *n)
{
	chain_open(n);
	chain_close(n);
}

static struct tx *tx_made(struct node *n, enum tx_kind kind)
{
	struct tx *tx = new_zeroed(sizeof(*tx));
	struct b32 seed[2] = { b32_of_u64(++n->chain.made), b32_of_u64(n->knobs.chain_id) };

	tx->kind = kind;
	tx->hash = keccak_bytes(BYTES(seed, sizeof(seed)));
	table_put(&n->chain.txs, tx);
	return tx;
}

struct tx *chain_call(struct node *n, const struct addr *from, const struct addr *to,
		      struct bytes data)
{
	struct tx *tx = tx_made(n, TX_CALL);

	tx->from = *from;
	tx->to = *to;
	tx->data = bytes_copy(data);
	return tx;
}

struct tx *chain_log(struct node *n, struct log *log)
{
	struct tx *tx = tx_made(n, TX_LOG);

	tx->to = log->address;
	tx->log = log;
	return tx;
}

void tx_free(struct tx **tx)
{
	if (!*tx)
		return;
	logs_free(&(*tx)->logs);
	free((*tx)->log);
	if (!(*tx)->raw.p)
		free((void *)(uintptr_t)(*tx)->data.p);
	free((void *)(uintptr_t)(*tx)->raw.p);
	free(*tx);
	*tx = NULL;
}
