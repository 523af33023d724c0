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
#define CALL_DATA_MAX (4 + 32)
#define RETURN_MAX    (256 * 1024)
#define QUEUE_MAX     4096

/* A question that waits for its turn to end. */
struct question {
	struct question *next;
	struct executor *x;
	struct chainview *view;
	const struct profile_read *read;
	uint64_t op;
	uint8_t data[CALL_DATA_MAX];
	size_t len;
	void (*cb)(struct executor *x, uint64_t op, int done);
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
	bool has_buckets;
	int registered;
};

static void on_rpc_call(void *owner, unsigned calls, bool failed)
{
	(void)owner;
	count(CNT_EXECUTOR_rpc_calls, calls);
	if (failed)
		count(CNT_EXECUTOR_rpc_errors, calls);
}

static const struct jsonrpc_events rpc_events = { .on_call = on_rpc_call };

static struct jsonrpc *rpc_of(struct chainview *v, const struct profile_read *r)
{
	uint64_t chain = v->x->profile.contract[r->contract].chain;

	for (unsigned i = 0; i < v->x->chains; i++)
		if (v->x->chain[i].id == chain)
			return v->rpc[i];
	return NULL;
}

static const struct addr *target_of(struct chainview *v, const struct profile_read *r)
{
	return &v->x->profile.contract[r->contract].address;
}

/* JSON parameters of one eth_call. */
static void write_params(struct chainview *v, const struct profile_read *r, struct bytes data,
			 char *out, size_t cap)
{
	char to[ADDR_TEXT], hex[2 * CALL_DATA_MAX + 3];

	snprintf(out, cap, "[{\"to\":\"%s\",\"data\":\"%s\"},\"latest\"]", addr_text(target_of(v, r), to),
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

static void ask_list(struct chainview *v, enum profile_read_name name,
		     void (*on_reply)(void *owner, const struct jsonrpc_reply *reply))
{
	const struct profile_read *r = &v->x->profile.read[name];
	char params[300];

	if (!r->present)
		return;
	write_params(v, r, BYTES_OF(r->function.selector), params, sizeof(params));
	struct jsonrpc_call call = { .method = "eth_call", .params = params, .on_reply = on_reply,
				     .owner = v };
	if (jsonrpc_send(rpc_of(v, r), -1, &call, 1, CALL_TIMEOUT_S, NULL))
		count(CNT_EXECUTOR_rpc_errors, 1);
}

static void on_refresh(void *owner)
{
	struct chainview *v = owner;

	v->refreshed_ms = loop_now_ms(v->x->loop);
	ask_list(v, READ_coprocessor_bucket, on_buckets);
	ask_list(v, READ_kms_identity, on_identities);
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

bool chainview_has_buckets(const struct chainview *v)
{
	return v->has_buckets;
}

int chainview_registered(const struct chainview *v)
{
	return v->registered;
}

/* Is it done? */

static void on_done_reply(void *owner, const struct jsonrpc_reply *reply)
{
	struct question *q = owner;
	uint8_t buf[64];
	struct abi_view root, value;
	int done = -1;

	if (!read_return(q->read, reply, buf, sizeof(buf), &root) && abi_member_at(root, 0, &value)) {
		struct b32 word = abi_word(value);
		done = !b32_is_zero(&word);
	}
	q->cb(q->x, q->op, done);
	free(q);
}

void chainview_ask_done(struct chainview *v, enum op_kind kind, const struct b32 *id, uint64_t op,
			void (*cb)(struct executor *x, uint64_t op, int done))
{
	const struct profile_read *r = &v->x->profile.done[kind];
	struct question *q;

	if (!r->present || v->queued >= QUEUE_MAX || !(q = calloc(1, sizeof(*q)))) {
		cb(v->x, op, r->present ? -1 : 0);
		return;
	}
	*q = (struct question){ .x = v->x, .view = v, .read = r, .op = op, .cb = cb };
	struct abi_arg arg = { .v = BYTES_OF(id->b) };
	check(abi_encode_call(&r->function, &arg, 1, q->data, sizeof(q->data), &q->len) == OK);
	*v->last = q;
	v->last = &q->next;
	v->queued++;
}

/* Up to one batch of questions about one chain. */
static void send_questions(struct chainview *v)
{
	struct jsonrpc_call call[JSONRPC_BATCH_MAX];
	char params[JSONRPC_BATCH_MAX][300];
	struct jsonrpc *rpc = rpc_of(v, v->first->read);
	unsigned n = 0;

	for (; v->first && n < JSONRPC_BATCH_MAX && rpc_of(v, v->first->read) == rpc; n++) {
		struct question *q = v->first;
		v->first = q->next;
		v->queued--;
		write_params(v, q->read, BYTES(q->data, q->len), params[n], sizeof(params[n]));
		call[n] = (struct jsonrpc_call){ .method = "eth_call", .params = params[n],
						 .on_reply = on_done_reply, .owner = q };
	}
	if (!v->first)
		v->last = &v->first;
	if (jsonrpc_send(rpc, -1, call, n, CALL_TIMEOUT_S, NULL) == OK)
		return;
	struct jsonrpc_reply none = { .outcome = RPC_NOT_SENT, .message = "no memory" };
	for (unsigned i = 0; i < n; i++)
		on_done_reply(call[i].owner, &none);
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
