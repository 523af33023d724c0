/* show - blocks, transactions, receipts and logs as JSON-RPC has them. */

#include "tests/peers/fakechain/show.h"

#include <stdlib.h>

static void hash_field(struct text *out, const char *name, const struct b32 *v)
{
	text_str(out, name);
	text_hex(out, BYTES_OF(v->b));
}

static void number_field(struct text *out, const char *name, uint64_t v)
{
	text_str(out, name);
	text_quantity(out, v);
}

static void addr_field(struct text *out, const char *name, const struct addr *v)
{
	text_str(out, name);
	text_hex(out, BYTES_OF(v->b));
}

/* One bit of it is another one. */
static struct b32 twisted(struct lies *l, const char *method, const struct b32 *hash)
{
	struct b32 h = *hash;

	if (l && l->count && lie_told(l, LIE_wrong_hash, method, NULL))
		h.b[31] ^= 1;
	return h;
}

static void huge(struct text *out, const char *name)
{
	text_str(out, name);
	text_str(out, "\"0x8000000000000000000000000000000000000000000000000000000000000000\"");
}

static void header(struct text *out, const struct block *b, const struct b32 *hash, bool is_dear)
{
	static const struct b32 none;
	static const struct addr nobody;
	struct b32 extra = b32_of_u64(b->salt);

	hash_field(out, "{\"hash\":", hash);
	hash_field(out, ",\"parentHash\":", &b->parent);
	number_field(out, ",\"number\":", b->number);
	number_field(out, ",\"timestamp\":", b->time_s);
	text_str(out, ",\"logsBloom\":");
	text_hex(out, BYTES_OF(b->bloom));
	number_field(out, ",\"gasUsed\":", b->gas_used);
	number_field(out, ",\"gasLimit\":", 1ull << 50);
	if (is_dear)
		huge(out, ",\"baseFeePerGas\":");
	else
		number_field(out, ",\"baseFeePerGas\":", b->base_fee);
	hash_field(out, ",\"extraData\":", &extra);
	hash_field(out, ",\"transactionsRoot\":", &b->txs_root);
	hash_field(out, ",\"receiptsRoot\":", &b->receipts_root);
	hash_field(out, ",\"stateRoot\":", &none);
	hash_field(out, ",\"sha3Uncles\":", &none);
	hash_field(out, ",\"mixHash\":", &none);
	addr_field(out, ",\"miner\":", &nobody);
	number_field(out, ",\"l1BlockNumber\":", b->number);
	text_str(out, ",\"difficulty\":\"0x1\",\"nonce\":\"0x0000000000000000\"");
}

void show_header(struct text *out, const struct block *b)
{
	header(out, b, &b->hash, false);
	text_str(out, "}");
}

void show_block(struct rpc *r, const struct block *b, bool full)
{
	struct b32 hash = twisted(&r->n->lies, r->method, &b->hash);

	header(r->out, b, &hash, lie_told(&r->n->lies, LIE_huge_gas, r->method, NULL));
	text_str(r->out, ",\"size\":\"0x400\",\"uncles\":[],\"transactions\":[");
	for (unsigned i = 0; i < b->txs; i++) {
		if (i)
			text_str(r->out, ",");
		if (full)
			show_tx(r, b->tx[i]);
		else
			text_hex(r->out, BYTES_OF(b->tx[i]->hash.b));
	}
	text_str(r->out, "]}");
}

static void place(struct text *out, const struct block *b, const struct tx *tx)
{
	hash_field(out, ",\"blockHash\":", &b->hash);
	number_field(out, ",\"blockNumber\":", b->number);
	number_field(out, ",\"transactionIndex\":", tx->index);
}

static void word_field(struct text *out, const char *name, const uint8_t v[32])
{
	char s[67];
	struct u256 n;

	memcpy(n.b, v, 32);
	text_add(out, "%s\"%s\"", name, u256_hex(&n, s));
}

void show_tx(struct rpc *r, const struct tx *tx)
{
	struct text *out = r->out;
	bool is_signed = tx->kind == TX_SIGNED;

	hash_field(out, "{\"hash\":", &tx->hash);
	addr_field(out, ",\"from\":", &tx->from);
	addr_field(out, ",\"to\":", &tx->to);
	number_field(out, ",\"nonce\":", tx->nonce);
	number_field(out, ",\"gas\":", tx->gas);
	word_field(out, ",\"value\":", tx->value.b);
	text_str(out, ",\"input\":");
	text_hex(out, tx->data);
	number_field(out, ",\"type\":", is_signed ? 2 : 0);
	number_field(out, ",\"chainId\":", r->n->knobs.chain_id);
	number_field(out, ",\"gasPrice\":", tx->max_fee);
	if (is_signed) {
		number_field(out, ",\"maxFeePerGas\":", tx->max_fee);
		number_field(out, ",\"maxPriorityFeePerGas\":", tx->tip);
		number_field(out, ",\"yParity\":", tx->y_parity);
		text_str(out, ",\"accessList\":[]");
	}
	number_field(out, ",\"v\":", is_signed ? tx->y_parity : 27);
	word_field(out, ",\"r\":", is_signed ? tx->r.b : tx->hash.b);
	word_field(out, ",\"s\":", is_signed ? tx->s.b : b32_of_u64(1).b);
	if (tx->block && tx->block != r->n->chain.open)
		place(out, tx->block, tx);
	else
		text_str(out, ",\"blockHash\":null,\"blockNumber\":null,\"transactionIndex\":null");
	text_str(out, "}");
}

/* The data as some lies have it; *owned_out is to be freed. */
static struct bytes data_told(struct lies *lies, const struct log *log, uint8_t **owned_out)
{
	struct bytes data = log_data(log);
	uint64_t by;

	*owned_out = NULL;
	if (!lies || !lies->count)
		return data;
	if (lie_told(lies, LIE_cut_data, "eth_getLogs", &by))
		data.len -= by < data.len ? by : data.len;
	if (lie_told(lies, LIE_wild_data, "eth_getLogs", &by) && 32 * (by + 1) <= data.len) {
		*owned_out = (uint8_t *)(uintptr_t)bytes_copy(data).p;
		memset(*owned_out + 32 * by, 0, 32);
		(*owned_out)[32 * by] = 0x80;
		data.p = *owned_out;
	}
	return data;
}

void show_log(struct text *out, struct lies *lies, const struct tx *tx, unsigned i,
	      const struct block *b, bool removed)
{
	const struct log *log = tx->logs.at[i];
	struct b32 hash = twisted(lies, "eth_getLogs", &b->hash);
	uint8_t *owned;

	addr_field(out, "{\"address\":", &log->address);
	text_str(out, ",\"topics\":[");
	for (unsigned t = 0; t < log->topics; t++) {
		if (t)
			text_str(out, ",");
		text_hex(out, BYTES(log->bytes + 32 * t, 32));
	}
	text_str(out, "],\"data\":");
	text_hex(out, data_told(lies, log, &owned));
	free(owned);
	number_field(out, ",\"blockNumber\":", b->number);
	hash_field(out, ",\"blockHash\":", &hash);
	hash_field(out, ",\"transactionHash\":", &tx->hash);
	number_field(out, ",\"transactionIndex\":", tx->index);
	number_field(out, ",\"logIndex\":", tx->first_log + i);
	text_add(out, ",\"removed\":%s}", removed ? "true" : "false");
}

static void receipt_bloom(const struct tx *tx, uint8_t bloom[256])
{
	memset(bloom, 0, 256);
	for (unsigned i = 0; i < tx->logs.count; i++)
		bloom_log(bloom, tx->logs.at[i]);
}

static void put_status(struct rpc *r, const struct tx *tx)
{
	static const char *const odd[] = { "null",   "true",      "1", "\"ok\"",
					   "\"0x\"", "[\"0x1\"]", "-1" };
	uint64_t by = 0;

	if (lie_told(&r->n->lies, LIE_odd_receipt, r->method, &by))
		text_add(r->out, ",\"status\":%s", odd[by % ARRAY_LEN(odd)]);
	else
		number_field(r->out, ",\"status\":", tx->status);
}

void show_receipt(struct rpc *r, const struct tx *tx)
{
	struct text *out = r->out;
	const struct block *b = tx->block;
	struct b32 hash = tx->hash;
	uint8_t bloom[256];
	uint64_t gas_before = 0;

	if (lie_told(&r->n->lies, LIE_wrong_receipt, r->method, NULL))
		hash.b[0] ^= 1;
	for (unsigned i = 0; i <= tx->index; i++)
		gas_before += b->tx[i]->gas_used;
	receipt_bloom(tx, bloom);
	hash_field(out, "{\"transactionHash\":", &hash);
	place(out, b, tx);
	addr_field(out, ",\"from\":", &tx->from);
	addr_field(out, ",\"to\":", &tx->to);
	text_str(out, ",\"contractAddress\":null");
	number_field(out, ",\"gasUsed\":", tx->gas_used);
	number_field(out, ",\"cumulativeGasUsed\":", gas_before);
	number_field(out, ",\"effectiveGasPrice\":", b->base_fee);
	put_status(r, tx);
	number_field(out, ",\"type\":", tx->kind == TX_SIGNED ? 2 : 0);
	text_str(out, ",\"logsBloom\":");
	text_hex(out, BYTES_OF(bloom));
	text_str(out, ",\"logs\":[");
	for (unsigned i = 0; i < tx->logs.count; i++) {
		if (i)
			text_str(out, ",");
		show_log(out, NULL, tx, i, b, false);
	}
	text_str(out, "]}");
}
