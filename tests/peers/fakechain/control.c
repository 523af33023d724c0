/* control - what the harness alone may ask for: a table of methods. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/jsonrpc.h"
#include "tests/peers/fakechain/control.h"
#include "tests/peers/fakechain/gateway.h"
#include "tests/peers/fakechain/job.h"
#include "tests/peers/trace.h"

/* method, what it does */
#define CONTROLS(C) \
	C(fake_set, "sets knobs, addresses and the owner") \
	C(fake_send, "calls of the harness: nobody signs, nobody pays") \
	C(fake_request, "logs as they are; what they ask for may be answered") \
	C(fake_fund, "[address, wei]: the account has so much") \
	C(fake_mine, "[count]: blocks, the first with what is open") \
	C(fake_clock, "[seconds]: the chain's clock goes on by so many") \
	C(fake_reorg, "blocks leave and others come") \
	C(fake_lie, "one more lie, or several") \
	C(fake_told, "how often each lie was told") \
	C(fake_truth, "the same, and ends all of them") \
	C(fake_ledger, "totals, and a page of what was received") \
	C(fake_trace, "when logs were told, answers tried and sent, since this was asked last") \
	C(fake_judge, "[address]: the verdict over one sender") \
	C(anvil_setBalance, "as fake_fund") \
	C(anvil_mine, "as fake_mine") \
	C(evm_mine, "one block") \
	C(evm_increaseTime, "as fake_clock") \
	C(evm_setAutomine, "[on]: off, transactions wait for a block") \
	C(evm_setIntervalMining, "[seconds]: a block each so many") \
	C(anvil_setNextBlockBaseFeePerGas, "of all blocks from here on") \
	C(txpool_content, "what waits for an earlier nonce") \
	C(txpool_status, "how many wait for their block, and for an earlier nonce")

static enum outcome ok(struct rpc *r)
{
	text_str(r->out, "true");
	return DONE;
}

/* ---- settings ---- */

bool control_set(struct rpc *r, const cJSON *v)
{
	struct node *n = r->n;
	const cJSON *s = json_get(v, "logsError"), *at;
	struct addr a;

#define K(field, name, first, text) \
	if ((at = json_get(v, name)) && !read_u64(r, at, &n->knobs.field)) \
		return false;
	KNOBS(K)
#undef K
	static const struct {
		const char *name;
		enum contract which;
	} contracts[] = { { "httpz", HTTPZ }, { "manager", MANAGER }, { "access", ACCESS } };

	for (size_t i = 0; i < ARRAY_LEN(contracts); i++) {
		if (!(at = json_get(v, contracts[i].name)))
			continue;
		if (!read_addr(r, at, &a))
			return false;
		gateway_set(n->gateway, contracts[i].which, &a);
	}
	if ((at = json_get(v, "owner"))) {
		if (!read_addr(r, at, &a))
			return false;
		gateway_own(n->gateway, &a);
	}
	if (cJSON_GetStringValue(json_get(s, "message"))) {
		const cJSON *code = json_get(s, "code");

		snprintf(n->knobs.logs_error, sizeof(n->knobs.logs_error), "%s",
			 json_get(s, "message")->valuestring);
		n->knobs.logs_code = cJSON_IsNumber(code) ? (int64_t)code->valuedouble : -32000;
	}
	return true;
}

static enum outcome fake_set(struct rpc *r)
{
	if (!control_set(r, param(r, 0)))
		return FAILED;
	sequencer_retime(r->n);
	return ok(r);
}

/* ---- requests ---- */

static void put_hash(struct rpc *r, const struct tx *tx, bool is_first)
{
	if (!is_first)
		text_str(r->out, ",");
	text_hex(r->out, BYTES_OF(tx->hash.b));
}

/* One call {to, data, from}; FROM is the owner if nobody is named. */
static struct tx *read_call(struct rpc *r, const cJSON *v)
{
	struct addr from = *gateway_owner(r->n->gateway), to;
	struct bytes data;

	if ((json_get(v, "from") && !read_addr(r, json_get(v, "from"), &from)) ||
	    !read_addr(r, json_get(v, "to"), &to) || !read_bytes(r, json_get(v, "data"), &data))
		return NULL;
	struct tx *tx = chain_call(r->n, &from, &to, data);
	free((void *)(uintptr_t)data.p);
	return tx;
}

/* One log {contract, topics, data}. */
static struct tx *read_log(struct rpc *r, const cJSON *v)
{
	const cJSON *topics = json_get(v, "topics"), *one = topics ? topics->child : NULL;
	struct b32 topic[LOG_TOPICS_MAX];
	struct bytes data;
	struct addr from;
	unsigned count = 0;

	if (!read_addr(r, json_get(v, "contract"), &from))
		return NULL;
	for (; one && count < LOG_TOPICS_MAX; one = one->next)
		if (!read_b32(r, one, &topic[count++]))
			return NULL;
	if (!read_bytes(r, json_get(v, "data"), &data))
		return NULL;
	struct tx *tx = chain_log(r->n, log_new(&from, topic, count, data));
	free((void *)(uintptr_t)data.p);
	return tx;
}

/* [list, per block]: all of them in one block unless it says how many. */
static enum outcome run_all(struct rpc *r, struct tx *(*read)(struct rpc *r, const cJSON *v))
{
	const cJSON *list = param(r, 0), *v = list ? list->child : NULL;
	uint64_t per_block = UINT64_MAX, count = 0;

	if (param(r, 1) && !read_u64(r, param(r, 1), &per_block))
		return FAILED;
	text_str(r->out, "[");
	for (; v; v = v->next) {
		struct tx *tx = read(r, v);

		if (!tx)
			return FAILED;
		sequencer_run(r->n, tx);
		put_hash(r, tx, count == 0);
		if (++count % per_block == 0)
			sequencer_settle(r->n);
	}
	text_str(r->out, "]");
	return DONE;
}

static enum outcome fake_send(struct rpc *r)
{
	return run_all(r, read_call);
}

static enum outcome fake_request(struct rpc *r)
{
	return run_all(r, read_log);
}

/* ---- accounts, blocks, time ---- */

static enum outcome fake_fund(struct rpc *r)
{
	struct addr who;
	struct u256 wei;

	if (!read_addr(r, param(r, 0), &who))
		return FAILED;
	if (json_u256(param(r, 1), &wei) != OK)
		return fail(r, -32602, "wei as \"0x..\" are wanted");
	account_put(r->n, &who, account_nonce(r->n, &who, UINT64_MAX), &wei);
	return ok(r);
}

static enum outcome anvil_setBalance(struct rpc *r)
{
	return fake_fund(r);
}

static enum outcome fake_mine(struct rpc *r)
{
	uint64_t count = 1;

	if (param(r, 0) && !read_u64(r, param(r, 0), &count))
		return FAILED;
	while (count--)
		sequencer_seal(r->n);
	return ok(r);
}

static enum outcome anvil_mine(struct rpc *r)
{
	return fake_mine(r);
}

static enum outcome evm_mine(struct rpc *r)
{
	sequencer_seal(r->n);
	return ok(r);
}

static enum outcome fake_clock(struct rpc *r)
{
	uint64_t s;

	if (!read_u64(r, param(r, 0), &s))
		return FAILED;
	r->n->clock_s += (int64_t)s;
	text_quantity(r->out, chain_time_s(r->n));
	return DONE;
}

static enum outcome evm_increaseTime(struct rpc *r)
{
	return fake_clock(r);
}

static enum outcome evm_setAutomine(struct rpc *r)
{
	r->n->knobs.halted = !cJSON_IsTrue(param(r, 0));
	if (!r->n->knobs.halted)
		r->n->knobs.block_ms = 0;
	sequencer_retime(r->n);
	return ok(r);
}

static enum outcome evm_setIntervalMining(struct rpc *r)
{
	uint64_t s;

	if (!read_u64(r, param(r, 0), &s))
		return FAILED;
	r->n->knobs.block_ms = 1000 * s;
	sequencer_retime(r->n);
	return ok(r);
}

static enum outcome anvil_setNextBlockBaseFeePerGas(struct rpc *r)
{
	return read_u64(r, param(r, 0), &r->n->knobs.base_fee) ? ok(r) : FAILED;
}

static enum outcome txpool_content(struct rpc *r)
{
	text_str(r->out, "{\"pending\":{},\"queued\":{");
	sequencer_put_held(r->n, r->out);
	text_str(r->out, "}}");
	return DONE;
}

static enum outcome txpool_status(struct rpc *r)
{
	sequencer_put_status(r->n, r->out);
	return DONE;
}

/* ---- reorganisation ---- */

struct plan {
	struct rpc *r;
	const cJSON *drop, *only, *replace; /* only: NULL, or all that come again */
	const cJSON *place;
};

static const char *hash_text(const struct tx *tx, char out[67])
{
	return hex_encode0x(BYTES_OF(tx->hash.b), out);
}

static bool is_listed(const cJSON *list, const struct tx *tx)
{
	char hash[67];

	hash_text(tx, hash);
	for (const cJSON *one = list ? list->child : NULL; one; one = one->next)
		if (cJSON_IsString(one) && strcmp(one->valuestring, hash) == 0)
			return true;
	return false;
}

static bool drops(void *owner, const struct tx *tx)
{
	const struct plan *p = owner;

	return is_listed(p->drop, tx) || (p->only && !is_listed(p->only, tx));
}

static struct tx *replaces(void *owner, const struct tx *tx)
{
	struct plan *p = owner;
	char hash[67];
	const cJSON *v = json_get(p->replace, hash_text(tx, hash));

	if (!v)
		return NULL;
	return json_get(v, "to") ? read_call(p->r, v) : read_log(p->r, v);
}

static uint64_t place(void *owner, const struct tx *tx, uint64_t was)
{
	const struct plan *p = owner;
	char hash[67];
	const cJSON *at = json_get(p->place, hash_text(tx, hash));

	return cJSON_IsNumber(at) && at->valuedouble >= 0 ? (uint64_t)at->valuedouble : was;
}

/*
 * {depth, keep: "all", "requests", "none" or [hashes], drop: [hashes], replace: {hash: call or
 * log}, place: {hash: new block, from 0 on}, length}
 */
static enum outcome fake_reorg(struct rpc *r)
{
	const cJSON *v = param(r, 0);
	const char *keep = cJSON_GetStringValue(json_get(v, "keep"));
	struct plan plan = { .r = r,
			     .drop = json_get(v, "drop"),
			     .replace = json_get(v, "replace") };
	struct reorg how = { .drops = drops, .replaces = replaces, .owner = &plan };

	if (!read_u64(r, json_get(v, "depth"), &how.depth) ||
	    (json_get(v, "length") && !read_u64(r, json_get(v, "length"), &how.length)))
		return FAILED;
	plan.place = json_get(v, "place");
	how.place = plan.place ? place : NULL;
	if (cJSON_IsArray(json_get(v, "keep")))
		plan.only = json_get(v, "keep");
	if (keep && strcmp(keep, "requests") == 0)
		how.keeps = KEEP_REQUESTS;
	else if (keep && strcmp(keep, "none") == 0)
		how.keeps = KEEP_NONE;
	text_add(r->out, "%u", sequencer_reorg(r->n, &how));
	return DONE;
}

/* ---- lies ---- */

static enum outcome lie_from(struct rpc *r, const cJSON *v)
{
	const cJSON *share = json_get(v, "share"), *methods = json_get(v, "methods"), *one;
	const char *name = cJSON_GetStringValue(json_get(v, "lie"));
	const char *words = cJSON_GetStringValue(json_get(v, "words"));
	const cJSON *code = json_get(v, "code");
	struct lie lie = { .share = cJSON_IsNumber(share) ? share->valuedouble : 1,
			   .seed = 1,
			   .left = UINT64_MAX };
	uint64_t door = 0;
	size_t at = 0;

	if ((json_get(v, "seed") && !read_u64(r, json_get(v, "seed"), &lie.seed)) ||
	    (json_get(v, "by") && !read_u64(r, json_get(v, "by"), &lie.by)) ||
	    (json_get(v, "count") && !read_u64(r, json_get(v, "count"), &lie.left)) ||
	    (json_get(v, "door") && !read_u64(r, json_get(v, "door"), &door)))
		return FAILED;
	lie.door = json_get(v, "door") ? (int)door : -1;
	lie.code = cJSON_IsNumber(code) ? (int64_t)code->valuedouble : -32000;
	snprintf(lie.words, sizeof(lie.words), "%s", words ? words : "as the test wants");
	one = methods ? methods->child : NULL;
	for (; one && cJSON_IsString(one) && at < sizeof(lie.methods); one = one->next)
		at += (size_t)snprintf(lie.methods + at, sizeof(lie.methods) - at, " %s ",
				       one->valuestring);
	if (at >= sizeof(lie.methods))
		return fail(r, -32602, "too many methods");
	if (!name || lies_add(&r->n->lies, name, &lie) != OK)
		return fail(r, -32602, "no such lie, or too many: %s", name ? name : "");
	return DONE;
}

static enum outcome fake_lie(struct rpc *r)
{
	for (int i = 0; param(r, i); i++)
		if (lie_from(r, param(r, i)) != DONE)
			return FAILED;
	return ok(r);
}

static enum outcome fake_told(struct rpc *r)
{
	const struct lies *l = &r->n->lies;

	text_str(r->out, "{");
	for (unsigned i = 0; i < l->count; i++)
		text_add(r->out, "%s\"%s\":%" PRIu64, i ? "," : "", lie_name(l->at[i].kind),
			 l->at[i].told);
	text_str(r->out, "}");
	return DONE;
}

static enum outcome fake_truth(struct rpc *r)
{
	enum outcome how = fake_told(r);

	r->n->lies.count = 0;
	return how;
}

/* ---- the ledger ---- */

/* [from, limit]: without them the totals alone. */
static enum outcome fake_ledger(struct rpc *r)
{
	uint64_t from, limit = 1000;

	text_str(r->out, "{\"totals\":");
	ledger_totals(r->n, r->out);
	if (param(r, 0)) {
		if (!read_u64(r, param(r, 0), &from) ||
		    (param(r, 1) && !read_u64(r, param(r, 1), &limit)))
			return FAILED;
		text_str(r->out, ",\"rows\":");
		ledger_page(r->n, from, limit < 100000 ? limit : 100000, r->out);
	}
	text_str(r->out, "}");
	return DONE;
}

static enum outcome fake_trace(struct rpc *r)
{
	trace_give(r->out);
	return DONE;
}

static enum outcome fake_judge(struct rpc *r)
{
	struct addr who;

	if (!read_addr(r, param(r, 0), &who))
		return FAILED;
	ledger_judge(r->n, &who, r->out);
	return DONE;
}

const struct method *find_control(const char *name)
{
	static const struct method controls[] = {
#define C(method, text) { #method, method },
		CONTROLS(C)
#undef C
	};

	for (size_t i = 0; i < ARRAY_LEN(controls); i++)
		if (strcmp(controls[i].name, name) == 0)
			return &controls[i];
	return NULL;
}
