/* account - one scan for each chain, and a ring of what it found. */

#include "executor/account.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/keccak.h"
#include "common/log.h"
#include "common/proc.h"
#include "executor/chainview.h"
#include "executor/op.h"
#include "executor/scan.h"

#define CALL_TIMEOUT_S  10.0
#define PACE_S          0.02	/* between two calls */
#define REST_S          1.0	/* when all is known, or a node has no answer */
#define REWIND_EVERY_MS 10000
#define RECENT_BLOCKS   64	/* a node may be behind by so many */
#define BLIND_MS        600000	/* then it is tried again: there may be another node */

struct account_chain {
	struct account *account;
	struct executor_chain *chain;
	struct scan scan;
	struct timer *timer;
	struct jsonrpc_batch *batch;	/* the call under way; NULL: none */
	uint64_t asked;			/* its block */
	uint64_t wanted;		/* begin above this block; UINT64_MAX: nobody wants that */
	uint64_t rewound_ms;		/* monotonic; 0: never */
	uint64_t blind_to, blind_ms;	/* blocks up to here were refused, and when */
	struct account_tx *ring;	/* owned; ACCOUNT_KEPT places */
	uint64_t first, found;		/* those from `first` up to `found` are in it */
};

struct account {
	struct executor *x;
	void (*on_sent)(struct executor *x, uint64_t chain, const struct account_tx *tx);
	char from[ADDR_TEXT];
	struct account_chain of[CHAINS_MAX];
};

static struct account_chain *find_its(struct account *a, uint64_t chain)
{
	for (unsigned i = 0; i < a->x->chains; i++)
		if (a->of[i].chain->id == chain)
			return &a->of[i];
	return NULL;
}

/* The ring. */

static struct account_tx *at(const struct account_chain *c, uint64_t i)
{
	return &c->ring[i % ACCOUNT_KEPT];
}

/* What falls out is not known any more, and its block with it. */
static void put(struct account_chain *c, const struct account_tx *tx)
{
	if (c->found - c->first == ACCOUNT_KEPT) {
		if (at(c, c->first)->block > c->scan.from)
			c->scan.from = at(c, c->first)->block;
		c->first++;
	}
	*at(c, c->found++) = *tx;
}

static void drop_from(struct account_chain *c, uint64_t block)
{
	while (c->found > c->first && at(c, c->found - 1)->block >= block)
		c->found--;
}

/* Reading a call. */

static const struct profile_response *find_call(const struct profile *p, uint64_t chain,
						const struct addr *to, struct bytes input)
{
	for (unsigned i = 0; i < p->responses; i++) {
		const struct profile_contract *of = &p->contract[p->response[i].contract];

		if (of->chain == chain && addr_eq(&of->address, to) && input.len >= 4 &&
		    memcmp(input.p, p->response[i].function.selector, 4) == 0)
			return &p->response[i];
	}
	return NULL;
}

static struct b32 hash_of(struct abi_view v)
{
	enum abi_type type = abi_type_of(v);
	struct b32 word;

	if (type == ABI_BYTES || type == ABI_STRING)
		return keccak_bytes(abi_bytes(v));
	if (type != ABI_ARRAY) {
		word = abi_word(v);
		return keccak_bytes(BYTES_OF(word.b));
	}

	struct keccak k;

	keccak_init(&k);
	for (uint32_t i = 0; i < abi_count(v); i++) {
		word = hash_of(abi_item(v, i));
		keccak_update(&k, word.b, sizeof(word.b));
	}
	keccak_final(&k, word.b);
	return word;
}

bool account_read_call(const struct profile *p, uint64_t chain, const struct addr *to,
		       struct bytes input, struct account_tx *out)
{
	const struct profile_response *r = find_call(p, chain, to, input);
	struct abi_view call, v;
	bool has_result_id = false;

	if (!r || abi_decode(&r->function, r->function.inputs, BYTES(input.p + 4, input.len - 4),
			     &call))
		return false;
	out->kind = r->kind;
	out->calldata = keccak_bytes(input);
	out->has_id = false;
	for (unsigned i = 0; i < r->args && abi_member_at(call, i, &v); i++) {
		struct b32 hash = hash_of(v);

		memcpy(&out->part[i], hash.b, sizeof(out->part[i]));
		if (r->arg[i] == ANSWER_request_id) {
			out->id = abi_word(v);
			out->has_id = true;
		} else if (r->arg[i] == ANSWER_result_id) {
			out->result_id = abi_word(v);
			has_result_id = true;
		}
	}
	return out->has_id || has_result_id;
}

/* One block. */

static enum err read_tx(struct account_chain *c, const cJSON *v, struct account_tx *out,
			bool *answer_out)
{
	static uint8_t input[IPC_CALLDATA_MAX];
	const struct executor *x = c->account->x;
	const cJSON *to_text = json_get(v, "to");
	struct addr to;
	size_t len;

	*answer_out = false;
	enum err e = json_u64(json_get(v, "nonce"), &out->nonce);
	e = e ? e : json_b32(json_get(v, "hash"), &out->hash);
	if (e || !to_text || cJSON_IsNull(to_text))
		return e;
	e = json_addr(to_text, &to);
	/* More than an answer can be is none. */
	if (!e && json_bytes(json_get(v, "input"), input, sizeof(input), &len) == OK)
		*answer_out = account_read_call(&x->profile, c->chain->id, &to, BYTES(input, len),
						out);
	return e;
}

/* Our transactions there, to the ring; the count, or -1: this is no block. */
static int64_t read_block(struct account_chain *c, const cJSON *block)
{
	const cJSON *list = json_get(block, "transactions"), *v;
	struct account_tx tx = { .block = c->asked };
	int64_t sent = 0;

	if (!cJSON_IsArray(list) || json_b32(json_get(block, "hash"), &tx.block_hash) != OK)
		return -1;
	cJSON_ArrayForEach(v, list) {
		struct addr from;
		bool is_answer;

		if (json_addr(json_get(v, "from"), &from) != OK)
			return -1;
		if (!addr_eq(&from, &c->account->x->opt.account))
			continue;
		if (read_tx(c, v, &tx, &is_answer) != OK)
			return -1;
		sent++;
		if (is_answer)
			put(c, &tx);
	}
	return sent;
}

/* Asking. */

static void rest(struct account_chain *c, double s)
{
	timer_start(c->timer, s, 0);
}

/* No node says how it was at that block: what is younger can still be known. */
static void go_blind(struct account_chain *c)
{
	if (c->chain->latest < c->asked + RECENT_BLOCKS)
		return;
	c->blind_to = c->asked;
	c->blind_ms = loop_now_ms(c->account->x->loop);
	c->scan = (struct scan){ .has_from = false };
	c->first = c->found;
	c->wanted = UINT64_MAX;
}

static void on_count(void *owner, const struct jsonrpc_reply *reply)
{
	struct account_chain *c = owner;
	uint64_t nonce;

	c->batch = NULL;
	if (reply->outcome == RPC_OK && json_u64(reply->result, &nonce) == OK) {
		scan_counted(&c->scan, c->asked, nonce);
		rest(c, c->scan.has_nonce ? PACE_S : REST_S);
		return;
	}
	if (reply->outcome == RPC_ERROR)
		go_blind(c);
	rest(c, REST_S);
}

static void tell(struct account_chain *c, uint64_t from)
{
	for (uint64_t i = from; i < c->found; i++)
		c->account->on_sent(c->account->x, c->chain->id, at(c, i));
}

static void on_block(void *owner, const struct jsonrpc_reply *reply)
{
	struct account_chain *c = owner;
	uint64_t found = c->found;
	int64_t sent = -1;

	c->batch = NULL;
	if (reply->outcome == RPC_OK)
		sent = read_block(c, reply->result);
	if (sent >= 0)
		scan_read(&c->scan, c->asked, (uint64_t)sent);
	if (sent < 0 || c->scan.at != c->asked) {
		c->found = found;	/* not the block whose count rose: again, a little later */
		rest(c, REST_S);
		return;
	}
	tell(c, found);
	rest(c, PACE_S);
}

static void ask(struct account_chain *c, bool block, uint64_t number)
{
	char params[100];
	struct jsonrpc_call call = {
		.method = block ? "eth_getBlockByNumber" : "eth_getTransactionCount",
		.params = params, .on_reply = block ? on_block : on_count, .owner = c,
	};

	c->asked = number;
	if (block)
		snprintf(params, sizeof(params), "[\"0x%" PRIx64 "\",true]", number);
	else
		snprintf(params, sizeof(params), "[\"%s\",\"0x%" PRIx64 "\"]", c->account->from, number);
	if (jsonrpc_send(chainview_rpc(c->account->x->view, c->chain->id), -1, &call, 1, CALL_TIMEOUT_S,
			 &c->batch) != OK)
		rest(c, REST_S);
}

/* Further back, when somebody wants that and what is younger is known. */
static bool rewind_if_wanted(struct account_chain *c)
{
	uint64_t now = loop_now_ms(c->account->x->loop), wanted = c->wanted;

	if (wanted == UINT64_MAX || (c->rewound_ms && now - c->rewound_ms < REWIND_EVERY_MS))
		return false;
	c->wanted = UINT64_MAX;
	if (scan_covers(&c->scan, wanted + 1))
		return false;
	c->rewound_ms = now;
	c->first = c->found;
	scan_begin(&c->scan, wanted);
	return true;
}

static void on_timer(void *owner)
{
	struct account_chain *c = owner;
	uint64_t block;

	if (c->batch)
		return;
	enum scan_wants what = scan_next(&c->scan, c->chain->latest, &block);
	if (what == SCAN_NOTHING && rewind_if_wanted(c))
		what = scan_next(&c->scan, c->chain->latest, &block);
	if (what == SCAN_NOTHING || c->account->x->active == 0)
		rest(c, REST_S);
	else
		ask(c, what == SCAN_BLOCK, block);
}

/* For others. */

bool account_answers(const struct account_tx *tx, const struct op *op)
{
	if (tx->kind != op->kind)
		return false;
	if (tx->has_id)
		return b32_eq(&tx->id, &op->id);
	return op->request && b32_eq(&tx->result_id, &op->request->core_id);
}

/* The newest of those kept, or the one with this calldata; NULL: there is none. */
static const struct account_tx *look(const struct account_chain *c, const struct op *op,
				     const struct b32 *calldata)
{
	const struct account_tx *found = NULL;

	for (uint64_t i = c->found; i > c->first && at(c, i - 1)->block >= op->block; i--) {
		const struct account_tx *tx = at(c, i - 1);

		if (!account_answers(tx, op))
			continue;
		if (b32_eq(&tx->calldata, calldata))
			return tx;
		found = found ? found : tx;
	}
	return found;
}

enum account_says account_find(struct account *a, const struct op *op, const struct b32 *calldata,
			       const struct account_tx **tx_out)
{
	struct account_chain *c = find_its(a, op->chain);
	uint64_t before = op->block ? op->block - 1 : 0, now = loop_now_ms(a->x->loop);

	if (scan_covers(&c->scan, op->block)) {
		*tx_out = look(c, op, calldata);
		return *tx_out ? ACCOUNT_SENT : ACCOUNT_NOT_YET;
	}
	if (c->blind_ms && before <= c->blind_to && now - c->blind_ms < BLIND_MS)
		return ACCOUNT_BLIND;
	if (before < c->wanted)
		c->wanted = before;
	return ACCOUNT_NOT_YET;
}

void account_retracted(struct account *a, uint64_t chain, uint64_t number)
{
	struct account_chain *c = find_its(a, chain);

	if (c->batch) {
		jsonrpc_cancel(&c->batch);
		rest(c, PACE_S);
	}
	drop_from(c, number);
	scan_retract(&c->scan, number);
}

struct account *account_new(struct executor *x,
			    void (*on_sent)(struct executor *x, uint64_t chain,
					    const struct account_tx *tx))
{
	struct account *a = calloc(1, sizeof(*a));

	check(a != NULL);
	a->x = x;
	a->on_sent = on_sent;
	addr_text(&x->opt.account, a->from);
	for (unsigned i = 0; i < x->chains; i++) {
		struct account_chain *c = &a->of[i];

		c->account = a;
		c->chain = &x->chain[i];
		c->wanted = UINT64_MAX;
		c->ring = calloc(ACCOUNT_KEPT, sizeof(*c->ring));
		check(c->ring != NULL);
		c->timer = timer_new(x->loop, on_timer, c);
		rest(c, REST_S);
	}
	return a;
}

void account_free(struct account **ap)
{
	struct account *a = *ap;

	*ap = NULL;
	if (!a)
		return;
	for (unsigned i = 0; i < a->x->chains; i++) {
		jsonrpc_cancel(&a->of[i].batch);
		timer_free(&a->of[i].timer);
		free(a->of[i].ring);
	}
	free(a);
}
