/* methods - what every node answers. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/jsonrpc.h"
#include "tests/peers/fakechain/filter.h"
#include "tests/peers/fakechain/gateway.h"
#include "tests/peers/fakechain/server.h"
#include "tests/peers/fakechain/show.h"
#include "tests/peers/fakechain/tx.h"
#include "tests/peers/trace.h"

#define NODE_ERROR (-32000)
#define REVERTED   3

#define METHODS(M) \
	M(eth_blockNumber) \
	M(eth_chainId) M(net_version) M(web3_clientVersion) M(eth_syncing) M(eth_accounts) \
		M(eth_gasPrice) M(eth_maxPriorityFeePerGas) M(eth_feeHistory) M( \
			eth_getBlockByNumber) M(eth_getBlockByHash) M(eth_getBlockReceipts) \
			M(eth_getLogs) M(eth_getTransactionByHash) M(eth_getTransactionReceipt) \
				M(eth_getBalance) M(eth_getTransactionCount) M(eth_getCode) \
					M(eth_call) M(eth_estimateGas) M(eth_sendRawTransaction) \
						M(eth_sendRawTransactionSync) M(eth_subscribe) \
							M(eth_unsubscribe)

static bool told(struct rpc *r, enum lie_kind kind, uint64_t *by)
{
	return r->n->lies.count && lie_told(&r->n->lies, kind, r->method, by);
}

static enum outcome quantity(struct rpc *r, uint64_t v)
{
	text_quantity(r->out, v);
	return DONE;
}

static enum outcome literal(struct rpc *r, const char *json)
{
	text_str(r->out, json);
	return DONE;
}

static enum outcome gas_number(struct rpc *r, uint64_t n)
{
	if (!told(r, LIE_huge_gas, NULL) || (n = r->n->lies.last->by))
		return quantity(r, n);
	return literal(r, "\"0x8000000000000000000000000000000000000000000000000000000000000000\"");
}

/* ---- blocks by name ---- */

static uint64_t tag_height(struct rpc *r, uint64_t behind)
{
	uint64_t by;

	if (told(r, LIE_tags_above, &by))
		return r->head + by;
	if (told(r, LIE_tags_back, &by))
		behind += by;
	return r->head > behind ? r->head - behind : 0;
}

/* A block that does not exist is no error here: null is said of it. */
static bool read_block(struct rpc *r, const cJSON *v, uint64_t *out)
{
	const char *s = cJSON_GetStringValue(v);

	if (!v || (s && (strcmp(s, "latest") == 0 || strcmp(s, "pending") == 0)))
		*out = r->head;
	else if (s && strcmp(s, "earliest") == 0)
		*out = 0;
	else if (s && strcmp(s, "safe") == 0)
		*out = tag_height(r, r->n->knobs.safe);
	else if (s && strcmp(s, "finalized") == 0)
		*out = tag_height(r, r->n->knobs.finalized);
	else
		return read_u64(r, v, out);
	return true;
}

static const struct block *block_at(const struct rpc *r, uint64_t number)
{
	return number <= r->head ? chain_at(&r->n->chain, number) : NULL;
}

static const struct block *find_block(const struct rpc *r, const struct b32 *hash)
{
	const struct block *b = table_find(&r->n->chain.blocks, hash);

	return b && b->number <= r->head ? b : NULL;
}

/* The state that a call sees: *at_out; false after fail(). */
static bool read_state(struct rpc *r, const cJSON *v, uint64_t *at_out)
{
	const char *s = cJSON_GetStringValue(v);
	struct b32 hash;

	if (cJSON_IsObject(v)) {
		const struct block *b = NULL;

		if (json_get(v, "blockNumber"))
			return read_state(r, json_get(v, "blockNumber"), at_out);
		if (!read_b32(r, json_get(v, "blockHash"), &hash))
			return false;
		b = find_block(r, &hash);
		*at_out = b ? b->number : UINT64_MAX;
	} else if (s && strcmp(s, "pending") == 0) {
		*at_out = UINT64_MAX;
		return true;
	} else if (!read_block(r, v, at_out)) {
		return false;
	}
	if (*at_out <= r->head)
		return true;
	fail(r, NODE_ERROR, "header not found");
	return false;
}

static enum outcome eth_getBlockByNumber(struct rpc *r)
{
	uint64_t number;

	if (!read_block(r, param(r, 0), &number))
		return FAILED;
	const char *tag = cJSON_GetStringValue(param(r, 0));
	bool is_tag = tag && strncmp(tag, "0x", 2) != 0;
	const struct block *b = is_tag ? chain_at(&r->n->chain, number) : block_at(r, number);
	/* A tag above the head names a block that nobody has: the newest with another number. */
	if (is_tag && !b) {
		struct block above = *chain_at(&r->n->chain, chain_head(&r->n->chain));

		above.number = number;
		above.txs = 0;
		show_block(r, &above, false);
		return DONE;
	}
	if (!b)
		return literal(r, "null");
	show_block(r, b, cJSON_IsTrue(param(r, 1)));
	return DONE;
}

static enum outcome eth_getBlockByHash(struct rpc *r)
{
	struct b32 hash;

	if (!read_b32(r, param(r, 0), &hash))
		return FAILED;
	const struct block *b = find_block(r, &hash);
	if (!b)
		return literal(r, "null");
	show_block(r, b, cJSON_IsTrue(param(r, 1)));
	return DONE;
}

static enum outcome eth_getBlockReceipts(struct rpc *r)
{
	const char *s = cJSON_GetStringValue(param(r, 0));
	const struct block *b = NULL;
	uint64_t number;
	struct b32 hash;

	if (s && strlen(s) == 66) {
		if (!read_b32(r, param(r, 0), &hash))
			return FAILED;
		b = find_block(r, &hash);
	} else {
		if (!read_block(r, param(r, 0), &number))
			return FAILED;
		b = block_at(r, number);
	}
	if (!b)
		return literal(r, "null");
	text_str(r->out, "[");
	for (unsigned i = 0; i < b->txs; i++) {
		if (i)
			text_str(r->out, ",");
		show_receipt(r, b->tx[i]);
	}
	text_str(r->out, "]");
	return DONE;
}

/* ---- logs ---- */

struct found {
	const struct tx *tx;
	unsigned log;
};

struct list {
	struct found *at; /* owned */
	size_t count, cap;
};

static void find_in(const struct block *b, const struct filter *f, struct list *found)
{
	for (unsigned i = 0; b->logs && i < b->txs; i++) {
		for (unsigned k = 0; k < b->tx[i]->logs.count; k++) {
			if (!filter_wants(f, b->tx[i]->logs.at[k]))
				continue;
			if (found->count == found->cap) {
				found->cap = found->cap ? 2 * found->cap : 64;
				found->at = resized(found->at, found->cap * sizeof(*found->at));
			}
			found->at[found->count++] = (struct found){ b->tx[i], k };
		}
	}
}

static void put_log(struct rpc *r, const struct found *f, bool removed, bool *is_first)
{
	const struct log *log = f->tx->logs.at[f->log];

	if (!*is_first)
		text_str(r->out, ",");
	*is_first = false;
	trace_bytes("told", BYTES(log->bytes, 32u * log->topics), 32);
	show_log(r->out, &r->n->lies, f->tx, f->log, f->tx->block, removed);
}

/* A log of nobody we know, and one of ours that no profile knows, in the place of F. */
static void put_noise(struct rpc *r, const struct found *f)
{
	struct b32 topic[LOG_TOPICS_MAX] = { { { 0 } } };
	const struct log *real = f->tx->logs.at[f->log];
	struct addr other = real->address;
	struct tx tx = *f->tx;
	bool is_first = false;

	for (unsigned i = 0; i < real->topics; i++)
		topic[i] = log_topic(real, i);
	other.b[0] ^= 0xff;
	tx.logs = (struct logs){ 0 };
	tx.first_log += 1000;
	logs_add(&tx.logs, log_new(&other, topic, real->topics, log_data(real)));
	topic[0].b[0] ^= 0xff;
	logs_add(&tx.logs, log_new(&real->address, topic, real->topics, log_data(real)));
	for (unsigned i = 0; i < 2; i++)
		put_log(r, &(struct found){ &tx, i }, false, &is_first);
	logs_free(&tx.logs);
}

static void put_logs(struct rpc *r, const struct list *found)
{
	bool again = told(r, LIE_duplicate_logs, NULL), removed = told(r, LIE_removed_logs, NULL);
	bool backwards = told(r, LIE_shuffled_logs, NULL), is_first = true;
	size_t count = found->count;
	uint64_t by;

	if (told(r, LIE_cut_logs, &by) && by < count)
		count = by;
	if (told(r, LIE_no_logs, NULL))
		count = 0;
	text_str(r->out, "[");
	for (size_t i = 0; i < count; i++) {
		const struct found *f = &found->at[backwards ? count - 1 - i : i];

		put_log(r, f, false, &is_first);
		if (again)
			put_log(r, f, false, &is_first);
		if (removed)
			put_log(r, f, true, &is_first);
	}
	if (count && told(r, LIE_noise_logs, NULL))
		put_noise(r, &found->at[0]);
	text_str(r->out, "]");
}

static enum outcome too_many(struct rpc *r, uint64_t limit)
{
	const struct knobs *k = &r->n->knobs;

	if (k->logs_error[0])
		return fail(r, k->logs_code, "%s", k->logs_error);
	return fail(r, NODE_ERROR, "query exceeds its limit of %" PRIu64, limit);
}

static enum outcome eth_getLogs(struct rpc *r)
{
	const cJSON *v = param(r, 0), *at = json_get(v, "blockHash");
	const struct knobs *k = &r->n->knobs;
	uint64_t from = 0, to = 0;
	struct list found = { 0 };
	struct filter f;
	struct b32 hash;

	if (filter_read(v, &f) != OK)
		return fail(r, -32602, "invalid filter");
	if (at) {
		if (!read_b32(r, at, &hash))
			return FAILED;
		const struct block *b = find_block(r, &hash);
		if (!b)
			return fail(r, NODE_ERROR, "unknown block");
		from = to = b->number;
	} else if (!read_block(r, json_get(v, "fromBlock"), &from) ||
		   !read_block(r, json_get(v, "toBlock"), &to)) {
		return FAILED;
	}
	if (!at && k->logs_range && to >= from && to - from >= k->logs_range)
		return too_many(r, k->logs_range);
	for (uint64_t n = from; n <= to && n <= r->head; n++)
		find_in(chain_at(&r->n->chain, n), &f, &found);
	if (!at && k->logs_results && found.count > k->logs_results) {
		free(found.at);
		return too_many(r, k->logs_results);
	}
	put_logs(r, &found);
	free(found.at);
	return DONE;
}

/* ---- transactions ---- */

static const struct tx *find_tx(struct rpc *r)
{
	struct b32 hash;

	if (!read_b32(r, param(r, 0), &hash))
		return NULL;
	return table_find(&r->n->chain.txs, &hash);
}

static bool is_in(const struct rpc *r, const struct tx *tx)
{
	return tx && tx->block && tx->block != r->n->chain.open && tx->block->number <= r->head;
}

static enum outcome eth_getTransactionByHash(struct rpc *r)
{
	const struct tx *tx = find_tx(r);

	if (r->code)
		return FAILED;
	if (is_in(r, tx) || (tx && tx->block && tx->block == r->n->chain.open))
		show_tx(r, tx);
	else
		text_str(r->out, "null");
	return DONE;
}

static enum outcome eth_getTransactionReceipt(struct rpc *r)
{
	const struct tx *tx = find_tx(r);

	if (r->code)
		return FAILED;
	if (is_in(r, tx) && !told(r, LIE_no_receipt, NULL))
		show_receipt(r, tx);
	else
		text_str(r->out, "null");
	return DONE;
}

static enum outcome send_raw(struct rpc *r, bool sync)
{
	struct refusal why;
	struct b32 hash;
	struct bytes raw;

	if (!read_bytes(r, param(r, 0), &raw))
		return FAILED;
	if (sync && told(r, LIE_sync_unknown, NULL)) {
		free((void *)(uintptr_t)raw.p);
		return fail(r, 5, "the transaction was not added");
	}
	enum taken how = sequencer_take(r->n, raw, r->job, sync, &hash, &why);
	free((void *)(uintptr_t)raw.p);
	if (how == LATER)
		return WAITS;
	if (how == REFUSED) {
		if (why.code == 6)
			text_quantity(&r->data, why.expected);
		return fail(r, why.code, "%s", why.message);
	}
	if (!sync) {
		text_hex(r->out, BYTES_OF(hash.b));
		return DONE;
	}
	sequencer_settle(r->n);
	r->head = chain_head(&r->n->chain);
	const struct tx *tx = table_find(&r->n->chain.txs, &hash);
	if (is_in(r, tx) && !told(r, LIE_sync_timeout, NULL)) {
		show_receipt(r, tx);
		return DONE;
	}
	text_hex(&r->data, BYTES_OF(hash.b));
	return fail(r, 4, "the transaction was added, and was not in a block in time");
}

static enum outcome eth_sendRawTransaction(struct rpc *r)
{
	return send_raw(r, false);
}

static enum outcome eth_sendRawTransactionSync(struct rpc *r)
{
	if (!r->n->knobs.sync)
		return fail(r, -32601, "the method %s does not exist/is not available", r->method);
	return send_raw(r, true);
}

/* ---- accounts ---- */

static enum outcome eth_getBalance(struct rpc *r)
{
	char s[67];
	struct addr who;
	uint64_t at;

	if (!read_addr(r, param(r, 0), &who) || !read_state(r, param(r, 1), &at))
		return FAILED;
	struct u256 v = account_balance(r->n, &who, at);
	text_add(r->out, "\"%s\"", u256_hex(&v, s));
	return DONE;
}

static enum outcome eth_getTransactionCount(struct rpc *r)
{
	struct addr who;
	uint64_t at;

	if (!read_addr(r, param(r, 0), &who) || !read_state(r, param(r, 1), &at))
		return FAILED;
	return quantity(r, account_nonce(r->n, &who, at));
}

static enum outcome eth_getCode(struct rpc *r)
{
	struct addr who;
	uint64_t at;

	if (!read_addr(r, param(r, 0), &who) || !read_state(r, param(r, 1), &at))
		return FAILED;
	return literal(r, r->n->knobs.code && gateway_which(r->n->gateway, &who) ? "\"0x60806040\""
										 : "\"0x\"");
}

/* ---- calls ---- */

static bool make_call(struct rpc *r, struct call *c)
{
	const cJSON *v = param(r, 0),
		    *data = json_get(v, "data") ? json_get(v, "data") : json_get(v, "input");

	*c = (struct call){ .n = r->n, .dry = true };
	if (json_get(v, "from") && !read_addr(r, json_get(v, "from"), &c->from))
		return false;
	if (!read_addr(r, json_get(v, "to"), &c->to) || !read_state(r, param(r, 1), &c->at))
		return false;
	c->data = BYTES(NULL, 0);
	return !data || read_bytes(r, data, &c->data);
}

static void put_revert(struct rpc *r, const struct call *c)
{
	text_hex(&r->data, text_view(&c->ret));
	fail(r, REVERTED, "execution reverted");
}

static enum outcome eth_call(struct rpc *r)
{
	struct call c;

	if (!make_call(r, &c))
		return FAILED;
	gateway_call(&c);
	if (c.reverted)
		put_revert(r, &c);
	else
		text_hex(r->out, text_view(&c.ret));
	free((void *)(uintptr_t)c.data.p);
	call_fini(&c);
	return c.reverted ? FAILED : DONE;
}

static enum outcome eth_estimateGas(struct rpc *r)
{
	uint64_t gas;
	struct call c;

	if (!make_call(r, &c))
		return FAILED;
	trace_bytes("tried", c.data, 4);
	gateway_call(&c);
	gas = (tx_intrinsic_gas(c.data) + gateway_gas(r->n, &c.to, c.data)) *
	      r->n->knobs.gas_percent / 100;
	if (c.reverted)
		put_revert(r, &c);
	trace_bytes("estimated", c.data, 4);
	free((void *)(uintptr_t)c.data.p);
	call_fini(&c);
	if (c.reverted)
		return FAILED;
	return gas_number(r, gas);
}

/* ---- what is said of the node ---- */

static enum outcome eth_blockNumber(struct rpc *r)
{
	return quantity(r, r->head);
}

static enum outcome eth_chainId(struct rpc *r)
{
	return quantity(r, r->n->knobs.chain_id + told(r, LIE_wrong_chain_id, NULL));
}

static enum outcome net_version(struct rpc *r)
{
	text_add(r->out, "\"%" PRIu64 "\"", r->n->knobs.chain_id);
	return DONE;
}

static enum outcome web3_clientVersion(struct rpc *r)
{
	return literal(r, "\"nitro/fakechain\"");
}

static enum outcome eth_syncing(struct rpc *r)
{
	return literal(r, "false");
}

static enum outcome eth_accounts(struct rpc *r)
{
	return literal(r, "[]");
}

static enum outcome eth_gasPrice(struct rpc *r)
{
	return gas_number(r, r->n->knobs.base_fee);
}

static enum outcome eth_maxPriorityFeePerGas(struct rpc *r)
{
	return quantity(r, 0);
}

static enum outcome eth_feeHistory(struct rpc *r)
{
	uint64_t count, to;

	if (!read_u64(r, param(r, 0), &count) || !read_block(r, param(r, 1), &to))
		return FAILED;
	if (to > r->head)
		return fail(r, NODE_ERROR, "request beyond head block");
	if (count > 1024)
		count = 1024;
	if (count > to + 1)
		count = to + 1;
	text_str(r->out, "{\"oldestBlock\":");
	text_quantity(r->out, to + 1 - count);
	text_str(r->out, ",\"baseFeePerGas\":[");
	for (uint64_t i = 0; i < count; i++) {
		text_quantity(r->out, chain_at(&r->n->chain, to + 1 - count + i)->base_fee);
		text_str(r->out, ",");
	}
	text_quantity(r->out, r->n->knobs.base_fee);
	text_str(r->out, "],\"gasUsedRatio\":[");
	for (uint64_t i = 0; i < count; i++)
		text_str(r->out, i ? ",0" : "0");
	text_str(r->out, "]}");
	return DONE;
}

static enum outcome eth_subscribe(struct rpc *r)
{
	if (!r->conn || !conn_is_ws(r->conn))
		return fail(r, -32601, "notifications not supported");
	return subscribe_add(r, conn_subscriptions(r->conn)) ? DONE : FAILED;
}

static enum outcome eth_unsubscribe(struct rpc *r)
{
	if (!r->conn || !conn_is_ws(r->conn))
		return fail(r, -32601, "notifications not supported");
	return subscribe_drop(r, conn_subscriptions(r->conn)) ? DONE : FAILED;
}

const struct method *find_method(const char *name)
{
	static const struct method methods[] = {
#define M(method) { #method, method },
		METHODS(M)
#undef M
	};

	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	return NULL;
}
