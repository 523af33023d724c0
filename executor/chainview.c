/* chainview - eth_calls in batches, and what is asked for again each minute. */

#include "executor/chainview_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/proc.h"
#include "executor/op.h"

#define CALL_TIMEOUT_S 10.0
#define CALL_DATA_MAX (4 + 3 * 32)
#define PARAMS_MAX    (2 * CALL_DATA_MAX + 200)
#define RETURN_MAX    (256 * 1024)
#define RETURN_WORDS  8		/* of views that return single values */
#define QUEUE_MAX     4096

/* A question that waits for its turn to end, or for its answer. */
struct question {
	struct question *next;
	struct chainview *view;
	unsigned contract;
	const struct profile_read *read;	/* NULL: the call itself is the question */
	void (*on_read)(struct executor *x, const struct addr *account, enum err e,
			struct abi_view root);	/* NULL: yes or no, to the asker */
	struct addr account;
	struct chain_asker asker;
	uint8_t data[CALL_DATA_MAX];
	size_t len;
};

static void on_rpc_call(void *owner, unsigned calls, bool failed)
{
	(void)owner;
	count(CNT_EXECUTOR_rpc_calls, calls);
	if (failed)
		count(CNT_EXECUTOR_rpc_errors, calls);
}

static void on_rpc_throttled(void *owner, const char *endpoint)
{
	(void)owner, (void)endpoint;
	count(CNT_EXECUTOR_rpc_throttled, 1);
}

static const struct jsonrpc_events rpc_events = {
	.on_call = on_rpc_call,
	.on_throttled = on_rpc_throttled,
};

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

/* What is kept. */

/* What keeps the chain from taking our answers; NULL: nothing. */
static const char *find_unregistered(struct executor *x, enum err e, struct abi_view root)
{
	struct addr identity;

	switch (e ? ERR_MISSING : profile_identity(&x->profile.read[READ_kms_identity], root,
						   &x->opt.account, &identity)) {
	case OK:
		return addr_eq(&identity, &x->opt.core_signer) ? NULL : "its identity is another";
	case ERR_MISSING:
		return "it is not in the list of nodes";
	default:
		return "its identity is no address and no key";
	}
}

static void on_identity(struct executor *x, const struct addr *account, enum err e,
			struct abi_view root)
{
	struct chainview *v = x->view;
	int was = v->registered;

	/* Only a contract that was asked for our account says something by its refusal. */
	if (e && !(e == ERR_DENIED && x->profile.read[READ_kms_identity].by_key))
		return;
	const char *why = find_unregistered(x, e, root);
	v->registered = !why;
	if (why && was != 0) {
		char text[ADDR_TEXT], signer[ADDR_TEXT];
		log_say(EV_X017_not_registered, "account=%s kms_signer_address=%s why=\"%s\"",
			addr_text(account, text), addr_text(&x->opt.core_signer, signer), why);
	}
}

static void on_current_key(struct executor *x, const struct addr *account, enum err e,
			   struct abi_view root)
{
	struct chainview *v = x->view;
	struct abi_view value;

	if (e || profile_value(&x->profile.read[READ_current_key], root, account, &value))
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

static void on_refresh(void *owner)
{
	struct chainview *v = owner;
	const struct addr *us = &v->x->opt.account;

	v->refreshed_ms = loop_now_ms(v->x->loop);
	buckets_refresh(v);
	chainview_read(v, READ_kms_identity, us, on_identity);
	chainview_read(v, READ_current_key, us, on_current_key);
	timer_start(v->refresh, buckets_settled(v) ? REFRESH_S : REFRESH_MIN_S, 0);
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

	if (read_return(r, reply, buf, sizeof(buf), &root) || profile_value(r, root, NULL, &value))
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

static void tell_read(const struct question *q, const struct jsonrpc_reply *reply)
{
	static uint8_t buf[RETURN_MAX];
	struct abi_view root = { 0 };
	enum err e = read_return(q->read, reply, buf, sizeof(buf), &root);

	if (e)
		e = jsonrpc_is_revert(reply) ? ERR_DENIED : ERR_AGAIN;
	q->on_read(q->view->x, &q->account, e, root);
}

static void on_answer(void *owner, const struct jsonrpc_reply *reply)
{
	struct question *q = owner;
	struct executor *x = q->view->x;

	if (q->on_read)
		tell_read(q, reply);
	else
		q->asker.cb(x, q->asker.op, q->asker.ticket,
			    q->read ? read_bool(q->read, reply) : read_attempt(&x->profile, reply));
	free(q);
}

/* NULL: too many wait. */
static struct question *new_question(struct chainview *v, unsigned contract,
				     const struct profile_read *read)
{
	struct question *q = v->queued < QUEUE_MAX ? calloc(1, sizeof(*q)) : NULL;

	if (!q)
		return NULL;
	q->view = v;
	q->contract = contract;
	q->read = read;
	return q;
}

static void enqueue(struct question *q)
{
	struct chainview *v = q->view;

	*v->last = q;
	v->last = &q->next;
	v->queued++;
}

static void ask(struct chainview *v, unsigned contract, const struct abi_line *function,
		const struct profile_read *read, const struct abi_arg *args, unsigned count,
		struct chain_asker asker)
{
	struct question *q = new_question(v, contract, read);

	if (!q || abi_encode_call(function, args, count, q->data, sizeof(q->data), &q->len)) {
		free(q);
		asker.cb(v->x, asker.op, asker.ticket, CHAIN_UNKNOWN);
		return;
	}
	q->asker = asker;
	enqueue(q);
}

void chainview_read(struct chainview *v, enum profile_read_name name, const struct addr *account,
		    void (*cb)(struct executor *x, const struct addr *account, enum err e,
			       struct abi_view root))
{
	static const struct addr nobody;
	const struct profile_read *r = &v->x->profile.read[name];
	struct question *q = r->present ? new_question(v, r->contract, r) : NULL;

	account = account ? account : &nobody;
	if (q) {
		q->on_read = cb;
		q->account = *account;
		q->len = profile_call(r, account, q->data).len;
		enqueue(q);
	} else if (r->present) {
		cb(v->x, account, ERR_AGAIN, (struct abi_view){ 0 });
	}
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
	v->has_buckets = !x->profile.read[READ_coprocessor_bucket].present ||
			 x->profile.read[READ_coprocessor_bucket].by_key;
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
