/* chainview - eth_calls in batches, and two lists that are asked again each minute. */

#include "executor/chainview.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/proc.h"
#include "executor/op.h"

#define REFRESH_S     60.0
#define REFRESH_MIN_S 2.0	/* after a miss, or while the lists are not known */
#define CALL_TIMEOUT_S 10.0
#define CALL_DATA_MAX (4 + 3 * 32)
#define PARAMS_MAX    (2 * CALL_DATA_MAX + 200)
#define RETURN_MAX    (256 * 1024)
#define RETURN_WORDS  8		/* of views that return single values */
#define QUEUE_MAX     4096

/* A question that waits for its turn to end. */
struct question {
	struct question *next;
	struct chainview *view;
	unsigned contract;
	const struct profile_read *read;	/* NULL: the call itself is the question */
	struct chain_asker asker;
	uint8_t data[CALL_DATA_MAX];
	size_t len;
};

struct bucket {
	struct addr coprocessor;
	char url[S3_BUCKET_MAX];
};

struct chainview {
	struct executor *x;
	struct jsonrpc *rpc[CHAINS_MAX];
	struct question *first, **last;
	unsigned queued;
	struct timer *refresh;
	uint64_t refreshed_ms;
	struct bucket bucket[BUCKETS_MAX];
	unsigned buckets;
	bool has_buckets, has_current_key;
	int registered;
	struct b32 current_key;
	char from[ADDR_TEXT];		/* our account */
};

static void on_rpc_call(void *owner, unsigned calls, bool failed)
{
	(void)owner;
	count(CNT_EXECUTOR_rpc_calls, calls);
	if (failed)
		count(CNT_EXECUTOR_rpc_errors, calls);
}

static const struct jsonrpc_events rpc_events = { .on_call = on_rpc_call };

static struct jsonrpc *rpc_of(struct chainview *v, unsigned contract)
{
	for (unsigned i = 0; i < v->x->chains; i++)
		if (v->x->chain[i].id == v->x->profile.contract[contract].chain)
			return v->rpc[i];
	return NULL;
}

struct jsonrpc *chainview_rpc(struct chainview *v, uint64_t chain)
{
	for (unsigned i = 0; i < v->x->chains; i++)
		if (v->x->chain[i].id == chain)
			return v->rpc[i];
	return NULL;
}

/* JSON parameters of one eth_call, as from our account. */
static void write_params(struct chainview *v, unsigned contract, struct bytes data,
			 char out[PARAMS_MAX])
{
	char to[ADDR_TEXT], hex[2 * CALL_DATA_MAX + 3];

	snprintf(out, PARAMS_MAX, "[{\"from\":\"%s\",\"to\":\"%s\",\"data\":\"%s\"},\"latest\"]",
		 v->from, addr_text(&v->x->profile.contract[contract].address, to),
		 hex_encode0x(data, hex));
}

/* The view of what a call returned; data in BUF. */
static enum err read_return(const struct profile_read *r, const struct jsonrpc_reply *reply,
			    uint8_t *buf, size_t cap, struct abi_view *out)
{
	size_t len;

	if (reply->outcome != RPC_OK)
		return ERR_AGAIN;
	enum err e = json_bytes(reply->result, buf, cap, &len);
	if (e)
		return e;
	return abi_decode(&r->function, r->function.outputs, BYTES(buf, len), out);
}

/* Lists. */

static void add_bucket(struct chainview *v, struct abi_view item)
{
	const struct profile_read *r = &v->x->profile.read[READ_coprocessor_bucket];
	struct abi_view key, value;

	if (v->buckets == BUCKETS_MAX || !abi_member(item, r->key, &key) ||
	    !abi_member(item, r->value, &value))
		return;
	struct bytes url = abi_bytes(value);
	if (url.len == 0 || url.len >= S3_BUCKET_MAX || memchr(url.p, 0, url.len))
		return;
	struct bucket *b = &v->bucket[v->buckets++];
	b->coprocessor = abi_addr(key);
	memcpy(b->url, url.p, url.len);
	b->url[url.len] = 0;
}

static void on_buckets(void *owner, const struct jsonrpc_reply *reply)
{
	struct chainview *v = owner;
	static uint8_t buf[RETURN_MAX];
	struct abi_view root, list;

	if (read_return(&v->x->profile.read[READ_coprocessor_bucket], reply, buf, sizeof(buf), &root) ||
	    !abi_member_at(root, 0, &list))
		return;
	v->buckets = 0;
	for (uint32_t i = 0; i < abi_count(list); i++)
		add_bucket(v, abi_item(list, i));
	if (!v->has_buckets) {
		v->has_buckets = true;
		op_buckets_known(v->x);
	}
}

/* What keeps the chain from taking our answers; NULL: nothing. */
static const char *find_unregistered(struct chainview *v, struct abi_view root)
{
	const struct executor_options *opt = &v->x->opt;
	struct addr identity;

	switch (profile_identity(&v->x->profile.read[READ_kms_identity], root, &opt->account,
				 &identity)) {
	case OK:
		return addr_eq(&identity, &opt->core_signer) ? NULL : "its identity is another";
	case ERR_MISSING:
		return "it is not in the list of nodes";
	default:
		return "its identity is no address and no key";
	}
}

static void on_identities(void *owner, const struct jsonrpc_reply *reply)
{
	struct chainview *v = owner;
	static uint8_t buf[RETURN_MAX];
	struct abi_view root;
	int was = v->registered;

	if (read_return(&v->x->profile.read[READ_kms_identity], reply, buf, sizeof(buf), &root))
		return;
	const char *why = find_unregistered(v, root);
	v->registered = !why;
	if (why && was != 0) {
		char account[ADDR_TEXT], signer[ADDR_TEXT];
		log_say(EV_X017_not_registered, "account=%s kms_signer_address=%s why=\"%s\"",
			addr_text(&v->x->opt.account, account),
			addr_text(&v->x->opt.core_signer, signer), why);
	}
}

static void on_current_key(void *owner, const struct jsonrpc_reply *reply)
{
	struct chainview *v = owner;
	const struct profile_read *r = &v->x->profile.read[READ_current_key];
	uint8_t buf[RETURN_WORDS * 32];
	struct abi_view root, value;

	if (read_return(r, reply, buf, sizeof(buf), &root) ||
	    !(*r->value ? abi_member(root, r->value, &value) : abi_member_at(root, 0, &value)))
		return;

	struct b32 key = abi_word(value);

	if (!v->has_current_key || !b32_eq(&key, &v->current_key)) {
		char hex[67];
		log_say(EV_X028_current_key, "key_id=%s", hex_encode0x(BYTES_OF(key.b), hex));
	}
	v->current_key = key;
	v->has_current_key = true;
}

bool chainview_current_key(const struct chainview *v, struct b32 *out)
{
	*out = v->current_key;
	return v->has_current_key;
}

static void ask_list(struct chainview *v, enum profile_read_name name,
		     void (*on_reply)(void *owner, const struct jsonrpc_reply *reply))
{
	const struct profile_read *r = &v->x->profile.read[name];
	char params[PARAMS_MAX];

	if (!r->present)
		return;
	write_params(v, r->contract, BYTES_OF(r->function.selector), params);
	struct jsonrpc_call call = { .method = "eth_call", .params = params, .on_reply = on_reply,
				     .owner = v };
	if (jsonrpc_send(rpc_of(v, r->contract), -1, &call, 1, CALL_TIMEOUT_S, NULL))
		count(CNT_EXECUTOR_rpc_errors, 1);
}

static void on_refresh(void *owner)
{
	struct chainview *v = owner;

	v->refreshed_ms = loop_now_ms(v->x->loop);
	ask_list(v, READ_coprocessor_bucket, on_buckets);
	ask_list(v, READ_kms_identity, on_identities);
	ask_list(v, READ_current_key, on_current_key);
	timer_start(v->refresh, v->has_buckets ? REFRESH_S : REFRESH_MIN_S, 0);
}

const char *find_bucket(struct chainview *v, const struct addr *coprocessor)
{
	for (unsigned i = 0; i < v->buckets; i++)
		if (addr_eq(&v->bucket[i].coprocessor, coprocessor))
			return v->bucket[i].url;
	if (loop_now_ms(v->x->loop) - v->refreshed_ms > (uint64_t)(REFRESH_MIN_S * 1000))
		on_refresh(v);
	return NULL;
}

void chainview_refresh(struct chainview *v)
{
	timer_start(v->refresh, 0, 0);
}

bool chainview_has_buckets(const struct chainview *v)
{
	return v->has_buckets;
}

int chainview_registered(const struct chainview *v)
{
	return v->registered;
}

/* Questions. */

static enum chain_says read_bool(const struct profile_read *r, const struct jsonrpc_reply *reply)
{
	uint8_t buf[RETURN_WORDS * 32];
	struct abi_view root, value;

	if (read_return(r, reply, buf, sizeof(buf), &root) || !abi_member_at(root, 0, &value))
		return CHAIN_UNKNOWN;

	struct b32 word = abi_word(value);

	return b32_is_zero(&word) ? CHAIN_NO : CHAIN_YES;
}

/* The final answer, tried: what the contract says against it tells whether it has it. */
static enum chain_says read_attempt(const struct profile *p, const struct jsonrpc_reply *reply)
{
	const char *name;

	if (reply->outcome == RPC_OK)
		return CHAIN_NO;
	if (reply->outcome != RPC_ERROR)
		return CHAIN_UNKNOWN;
	return profile_revert(p, reply->data, &name) == REVERT_already_answered ? CHAIN_YES
										 : CHAIN_NO;
}

static void on_answer(void *owner, const struct jsonrpc_reply *reply)
{
	struct question *q = owner;
	struct executor *x = q->view->x;
	enum chain_says what = q->read ? read_bool(q->read, reply) : read_attempt(&x->profile, reply);

	q->asker.cb(x, q->asker.op, q->asker.ticket, what);
	free(q);
}

static void ask(struct chainview *v, unsigned contract, const struct abi_line *function,
		const struct profile_read *read, const struct abi_arg *args, unsigned count,
		struct chain_asker asker)
{
	struct question *q = v->queued < QUEUE_MAX ? calloc(1, sizeof(*q)) : NULL;

	if (!q || abi_encode_call(function, args, count, q->data, sizeof(q->data), &q->len)) {
		free(q);
		asker.cb(v->x, asker.op, asker.ticket, CHAIN_UNKNOWN);
		return;
	}
	q->view = v;
	q->contract = contract;
	q->read = read;
	q->asker = asker;
	*v->last = q;
	v->last = &q->next;
	v->queued++;
}

static void ask_by_attempt(struct chainview *v, const struct op *op, struct chain_asker asker)
{
	const struct profile_response *r = find_response(&v->x->profile, op->kind);
	struct abi_arg args[PROFILE_ARGS_MAX];

	for (unsigned i = 0; i < r->args; i++) {
		if (r->arg[i] != ANSWER_request_id && r->arg[i] != ANSWER_result_id) {
			asker.cb(v->x, asker.op, asker.ticket, CHAIN_NO);
			return;
		}
		args[i].v = r->arg[i] == ANSWER_request_id ? BYTES_OF(op->id.b)
							    : BYTES_OF(op->request->core_id.b);
	}
	ask(v, r->contract, &r->function, NULL, args, r->args, asker);
}

void chainview_ask_done(struct chainview *v, const struct op *op, struct chain_asker asker)
{
	const struct profile_read *r = &v->x->profile.done[op->kind];
	struct abi_arg id = { .v = BYTES_OF(op->id.b) };

	if (r->present)
		ask(v, r->contract, &r->function, r, &id, 1, asker);
	else if (op_group(op->kind) == OP_KEY)
		ask_by_attempt(v, op, asker);
	else
		asker.cb(v->x, asker.op, asker.ticket, CHAIN_NO);
}

void chainview_ask_access(struct chainview *v, const struct b32 *handle, const struct addr *user,
			  struct chain_asker asker)
{
	const struct profile_read *r =
		&v->x->profile.read[user ? READ_user_access : READ_public_access];
	struct b32 account = { { 0 } };
	struct abi_arg args[2] = { { .v = BYTES_OF(handle->b) }, { .v = BYTES_OF(account.b) } };

	if (user)
		memcpy(account.b + 12, user->b, sizeof(user->b));
	ask(v, r->contract, &r->function, r, args, user ? 2 : 1, asker);
}

/* Transactions of events. */

struct call_question {
	struct executor *x;
	uint64_t op;
	void (*cb)(struct executor *x, uint64_t op, const struct chain_call *call);
};

static void on_call(void *owner, const struct jsonrpc_reply *reply)
{
	static uint8_t input[IPC_LOG_MAX];
	struct call_question *q = owner;
	struct chain_call call = { .found = false };
	size_t len;

	if (reply->outcome == RPC_OK && !cJSON_IsNull(reply->result) &&
	    json_bytes(json_get(reply->result, "input"), input, sizeof(input), &len) == OK) {
		call.data = BYTES(input, len);
		call.found = cJSON_IsNull(json_get(reply->result, "to")) ||
			     json_addr(json_get(reply->result, "to"), &call.to) == OK;
	}
	q->cb(q->x, q->op, &call);
	free(q);
}

void chainview_ask_call(struct chainview *v, const struct op *op,
			void (*cb)(struct executor *x, uint64_t op, const struct chain_call *call))
{
	struct call_question *q = malloc(sizeof(*q));
	char params[80], hash[67];
	struct jsonrpc_call call = { .method = "eth_getTransactionByHash", .params = params,
				     .on_reply = on_call, .owner = q };

	check(q != NULL);
	*q = (struct call_question){ .x = v->x, .op = op->number, .cb = cb };
	snprintf(params, sizeof(params), "[\"%s\"]", hex_encode0x(BYTES_OF(op->tx_hash.b), hash));
	if (jsonrpc_send(rpc_of(v, op->profile->contract), -1, &call, 1, CALL_TIMEOUT_S, NULL) == OK)
		return;
	cb(v->x, op->number, &(struct chain_call){ .found = false });
	free(q);
}

/* Up to one batch of questions about one chain. */
static void send_questions(struct chainview *v)
{
	struct jsonrpc_call call[JSONRPC_BATCH_MAX];
	static char params[JSONRPC_BATCH_MAX][PARAMS_MAX];
	struct jsonrpc *rpc = rpc_of(v, v->first->contract);
	unsigned n = 0;

	for (; v->first && n < JSONRPC_BATCH_MAX && rpc_of(v, v->first->contract) == rpc; n++) {
		struct question *q = v->first;
		v->first = q->next;
		v->queued--;
		write_params(v, q->contract, BYTES(q->data, q->len), params[n]);
		call[n] = (struct jsonrpc_call){ .method = "eth_call", .params = params[n],
						 .on_reply = on_answer, .owner = q };
	}
	if (!v->first)
		v->last = &v->first;
	if (jsonrpc_send(rpc, -1, call, n, CALL_TIMEOUT_S, NULL) == OK)
		return;
	struct jsonrpc_reply none = { .outcome = RPC_NOT_SENT, .message = "no memory" };
	for (unsigned i = 0; i < n; i++)
		on_answer(call[i].owner, &none);
}

static void on_turn(void *owner)
{
	struct chainview *v = owner;

	while (v->first)
		send_questions(v);
}

static struct jsonrpc *open_rpc(struct executor *x, unsigned chain)
{
	struct jsonrpc_endpoint ep[JSONRPC_ENDPOINTS_MAX];
	unsigned n = (unsigned)get_setting_u64(x->settings, "chain.%u.http", chain);

	check(n > 0 && n <= JSONRPC_ENDPOINTS_MAX);
	for (unsigned i = 0; i < n; i++) {
		ep[i].name = get_setting(x->settings, "chain.%u.http.%u.name", chain, i);
		ep[i].url = get_setting(x->settings, "chain.%u.http.%u.url", chain, i);
	}
	return jsonrpc_new(x->loop, x->http, x->chain[chain].id, ep, n, &rpc_events, x);
}

struct chainview *chainview_new(struct executor *x)
{
	struct chainview *v = calloc(1, sizeof(*v));

	check(v != NULL);
	v->x = x;
	v->last = &v->first;
	v->registered = -1;
	v->has_buckets = !x->profile.read[READ_coprocessor_bucket].present;
	addr_text(&x->opt.account, v->from);
	for (unsigned i = 0; i < x->chains; i++)
		v->rpc[i] = open_rpc(x, i);
	v->refresh = timer_new(x->loop, on_refresh, v);
	timer_start(v->refresh, 0, 0);
	loop_on_turn(x->loop, on_turn, v);
	return v;
}

void chainview_free(struct chainview **vp)
{
	struct chainview *v = *vp;

	*vp = NULL;
	if (!v)
		return;
	for (unsigned i = 0; i < v->x->chains; i++)
		jsonrpc_free(&v->rpc[i]);
	while (v->first) {
		struct question *q = v->first;
		v->first = q->next;
		free(q);
	}
	timer_free(&v->refresh);
	free(v);
}
