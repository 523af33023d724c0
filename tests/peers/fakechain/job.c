/* job - parses, calls methods one after another, and puts the replies together. */

#include "tests/peers/fakechain/job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/jsonrpc.h"
#include "tests/peers/fakechain/server.h"
#include "tests/peers/fakechain/show.h"

#define REPLY_MAX      (256u << 20)
#define PARSE_ERROR    (-32700)
#define INVALID_PARAMS (-32602)
#define NO_METHOD      (-32601)
#define RATE_LIMITED   (-32005)

struct job {
	struct node *n;
	struct conn *conn; /* borrowed; NULL: the asker is gone */
	int door;
	cJSON *root; /* owned */
	const cJSON *at; /* the call that is being answered, or NULL */
	bool is_batch, is_written; /* is_written: a reply precedes the next */
	struct text out; /* owned */
	struct rpc rpc; /* of the call that waits */
	size_t mark; /* where its reply begins */
	enum manner manner;
	int status;
};

enum outcome fail(struct rpc *r, int64_t code, const char *format, ...)
{
	va_list ap;

	r->code = code;
	va_start(ap, format);
	vsnprintf(r->message, sizeof(r->message), format, ap);
	va_end(ap);
	return FAILED;
}

const cJSON *param(const struct rpc *r, int i)
{
	const cJSON *v = r->params ? r->params->child : NULL;

	while (v && i-- > 0)
		v = v->next;
	return v;
}

bool read_u64(struct rpc *r, const cJSON *v, uint64_t *out)
{
	if (cJSON_IsNumber(v) && v->valuedouble >= 0) {
		*out = (uint64_t)v->valuedouble;
		return true;
	}
	if (json_u64(v, out) == OK)
		return true;
	fail(r, INVALID_PARAMS, "invalid argument: a number is wanted");
	return false;
}

bool read_addr(struct rpc *r, const cJSON *v, struct addr *out)
{
	if (json_addr(v, out) == OK)
		return true;
	fail(r, INVALID_PARAMS, "invalid argument: an address is wanted");
	return false;
}

bool read_b32(struct rpc *r, const cJSON *v, struct b32 *out)
{
	if (json_b32(v, out) == OK)
		return true;
	fail(r, INVALID_PARAMS, "invalid argument: 32 bytes are wanted");
	return false;
}

static bool hex_read(const cJSON *v, struct bytes *out)
{
	const char *s = cJSON_GetStringValue(v);
	size_t cap = s ? strlen(s) / 2 + 1 : 0, len;
	uint8_t *p;

	if (!s || strncmp(s, "0x", 2) != 0)
		return false;
	p = new_zeroed(cap);
	if (hex_decode(s, strlen(s), p, cap, &len) == OK) {
		*out = BYTES(p, len);
		return true;
	}
	free(p);
	return false;
}

bool read_bytes(struct rpc *r, const cJSON *v, struct bytes *out)
{
	if (hex_read(v, out))
		return true;
	fail(r, INVALID_PARAMS, "invalid argument: hexadecimal is wanted");
	return false;
}

/* ---- one call ---- */

static void put_id(struct text *out, const cJSON *id, uint64_t add)
{
	if (cJSON_IsNumber(id))
		text_add(out, "%.0f", id->valuedouble + (double)add);
	else if (cJSON_IsString(id))
		text_json(out, bytes_str(id->valuestring));
	else
		text_str(out, "null");
}

static void begin_reply(struct job *job)
{
	const cJSON *id = job->at ? cJSON_GetObjectItemCaseSensitive(job->at, "id") : NULL;
	bool lies = lie_told(&job->n->lies, LIE_wrong_id, job->rpc.method, NULL);

	if (job->is_written)
		text_str(&job->out, ",");
	text_str(&job->out, "{\"jsonrpc\":\"2.0\"");
	if (lie_told(&job->n->lies, LIE_no_id, job->rpc.method, NULL))
		return;
	text_str(&job->out, ",\"id\":");
	put_id(&job->out, id, lies ? 1000 : 0);
}

static void write_error(struct job *job)
{
	job->out.len = job->mark;
	begin_reply(job);
	text_add(&job->out, ",\"error\":{\"code\":%lld,\"message\":", (long long)job->rpc.code);
	text_json(&job->out, bytes_str(job->rpc.message));
	if (job->rpc.data.len) {
		text_str(&job->out, ",\"data\":");
		text_bytes(&job->out, text_view(&job->rpc.data));
	}
	text_str(&job->out, "}}");
}

/* What some lies make of a reply that is written. */
static void twist(struct job *job)
{
	struct lies *l = &job->n->lies;
	size_t len = job->out.len - job->mark;

	if (!l->count || !job->is_batch)
		return;
	if (lie_told(l, LIE_no_reply, job->rpc.method, NULL)) {
		job->out.len = job->mark;
	} else if (lie_told(l, LIE_twice, job->rpc.method, NULL)) {
		struct bytes copy = bytes_copy(BYTES(job->out.p + job->mark, len));

		if (!job->is_written)
			text_str(&job->out, ",");
		text_bytes(&job->out, copy);
		free((void *)(uintptr_t)copy.p);
	}
}

static void end_reply(struct job *job, enum outcome how)
{
	if (how == DONE)
		text_str(&job->out, "}");
	else
		write_error(job);
	twist(job);
	job->is_written = job->is_written || job->out.len > job->mark;
	text_fini(&job->rpc.data);
	if (job->is_batch)
		job->at = job->at->next;
	else
		job->at = NULL;
}

static bool is_sending(const char *method)
{
	return method && strncmp(method, "eth_sendRaw", 11) == 0;
}

/* A call that is not looked at; what it sends has left its sender all the same. */
static void overhear(struct node *n, const cJSON *call)
{
	const char *method = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(call, "method"));
	const cJSON *params = cJSON_GetObjectItemCaseSensitive(call, "params");
	struct bytes raw;

	if (!is_sending(method) || !hex_read(cJSON_GetArrayItem(params, 0), &raw))
		return;
	sequencer_overhear(n, raw);
	free((void *)(uintptr_t)raw.p);
}

static enum outcome misled(struct rpc *r)
{
	struct lies *l = &r->n->lies;

	if (lie_told(l, LIE_rate_limited, r->method, NULL))
		return fail(r, RATE_LIMITED, "daily request count exceeded, request rate limited");
	if (lie_told(l, LIE_error, r->method, NULL))
		return fail(r, -32603, "Internal error");
	if (lie_told(l, LIE_refused_with, r->method, NULL))
		return fail(r, l->last->code, "%s", l->last->words);
	if (lie_told(l, LIE_null, r->method, NULL)) {
		text_str(r->out, "null");
		return DONE;
	}
	return WAITS;
}

static enum outcome answer(struct rpc *r)
{
	const struct method *m = find_method(r->method),
			    *control = m ? NULL : find_control(r->method);
	enum outcome how = WAITS;
	uint64_t by;

	if (control)
		return control->answer(r);
	if (r->n->lies.count) {
		how = misled(r);
		if (how != WAITS)
			overhear(r->n, r->job->at);
		if (lie_told(&r->n->lies, LIE_lagging, r->method, &by))
			r->head -= by < r->head ? by : r->head;
	}
	if (how != WAITS)
		return how;
	if (!m)
		return fail(r, NO_METHOD, "the method %s does not exist/is not available",
			    r->method);
	return m->answer(r);
}

/* Answers AT; false when it waits. */
static bool step(struct job *job)
{
	const char *method =
		cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(job->at, "method"));
	bool sends = is_sending(method);

	job->n->lies.door = job->door;
	/* A block for all that a POST sends, but what comes after it sees it. */
	if (!sends)
		sequencer_settle(job->n);
	job->rpc = (struct rpc){ .n = job->n,
				 .job = job,
				 .conn = job->conn,
				 .method = method ? method : "",
				 .params = cJSON_GetObjectItemCaseSensitive(job->at, "params"),
				 .out = &job->out,
				 .head = chain_head(&job->n->chain) };
	text_init(&job->rpc.data, 1u << 20);
	job->mark = job->out.len;
	begin_reply(job);
	text_str(&job->out, ",\"result\":");
	enum outcome how = answer(&job->rpc);
	if (how == WAITS)
		return false;
	if (how == DONE && sends && lie_told(&job->n->lies, LIE_taken_with, method, NULL))
		how = fail(&job->rpc, job->n->lies.last->code, "%s", job->n->lies.last->words);
	end_reply(job, how);
	return true;
}

static void finish(struct job *job)
{
	sequencer_settle(job->n);
	if (job->is_batch)
		text_str(&job->out, "]");
	if (job->conn)
		conn_answer(job->conn, job->status, text_view(&job->out), job->manner);
	cJSON_Delete(job->root);
	text_fini(&job->out);
	free(job);
}

static void run(struct job *job)
{
	while (job->at)
		if (!step(job))
			return;
	finish(job);
}

void job_taken(struct job *job, const struct tx *tx)
{
	struct rpc *r = &job->rpc;

	job->n->lies.door = job->door;
	r->head = chain_head(&job->n->chain);
	if (strcmp(r->method, "eth_sendRawTransactionSync") == 0)
		show_receipt(r, tx);
	else
		text_hex(r->out, BYTES_OF(tx->hash.b));
	end_reply(job, DONE);
	run(job);
}

void job_refused(struct job *job, const struct refusal *why)
{
	struct rpc *r = &job->rpc;

	job->n->lies.door = job->door;
	if (why->code == 6)
		text_quantity(&r->data, why->expected);
	fail(r, why->code, "%s", why->message);
	end_reply(job, FAILED);
	run(job);
}

void job_leave(struct job *job)
{
	job->conn = NULL;
	job->rpc.conn = NULL;
}

/* ---- one body ---- */

static bool says(struct job *job, enum lie_kind kind, uint64_t *by)
{
	const cJSON *call = job->is_batch ? job->root->child : job->root;

	for (; call; call = job->is_batch ? call->next : NULL) {
		const char *method =
			cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(call, "method"));

		if (!method || find_control(method))
			continue;
		if (lie_told(&job->n->lies, kind, method, by))
			return true;
	}
	return false;
}

/* Lies of the connection: true when nothing is to be executed. */
static bool is_cut_off(struct job *job)
{
	static const struct {
		enum lie_kind kind;
		int status;
	} pages[] = { { LIE_http_429, 429 },
		      { LIE_http_502, 502 },
		      { LIE_http_503, 503 },
		      { LIE_html, 200 } };
	uint64_t by = 0;

	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		if (!says(job, pages[i].kind, &by))
			continue;
		conn_page(job->conn, pages[i].status, by);
		return true;
	}
	if (says(job, LIE_reset, NULL)) {
		conn_answer(job->conn, 200, BYTES("", 0), CLOSED);
		return true;
	}
	job->manner = says(job, LIE_lost_reply, NULL)  ? CLOSED
		      : says(job, LIE_stall, NULL)     ? NEVER
		      : says(job, LIE_cut_reply, NULL) ? CUT
						       : AS_IT_IS;
	if (says(job, LIE_lost_502, NULL))
		job->status = 502;
	return false;
}

/* The last call is answered first. */
static void turn_round(cJSON *batch)
{
	for (int i = 1, n = cJSON_GetArraySize(batch); i < n; i++)
		cJSON_InsertItemInArray(batch, 0, cJSON_DetachItemFromArray(batch, i));
}

void job_start(struct node *n, struct conn *conn, struct bytes body)
{
	struct job *job = new_zeroed(sizeof(*job));

	*job = (struct job){ .n = n, .conn = conn, .status = 200, .rpc = { .method = "" } };
	job->door = n->lies.door = conn_door(conn);
	text_init(&job->out, REPLY_MAX);
	conn_busy(conn, job);
	job->root = cJSON_ParseWithLength((const char *)body.p, body.len);
	job->is_batch = cJSON_IsArray(job->root);
	if (n->lies.count && job->root && is_cut_off(job)) {
		for (cJSON *call = job->is_batch ? job->root->child : job->root; call; call = call->next)
			overhear(n, call);
		cJSON_Delete(job->root);
		text_fini(&job->out);
		free(job);
		return;
	}
	if (job->is_batch) {
		if (n->lies.count && says(job, LIE_backwards, NULL))
			turn_round(job->root);
		text_str(&job->out, "[");
	}
	job->at = job->is_batch ? job->root->child : job->root;
	if (!job->root) {
		fail(&job->rpc, PARSE_ERROR, "parse error");
		write_error(job);
	}
	run(job);
}
