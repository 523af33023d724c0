/*
 * jsonrpc_reply - checked as text first, parsed then, matched by id, and only then believed to
 * be what its sender says it is.
 */
#include "common/jsonrpc_reply.h"

#include <math.h>
#include <strings.h>

#include "common/json_check.h"

#define CODE_INVALID_REQUEST  (-32600)
#define CODE_LIMIT_EXCEEDED   (-32005)
#define CODE_REVERTED         3

const cJSON *json_get(const cJSON *object, const char *name)
{
	const cJSON *found = NULL;

	if (!cJSON_IsObject(object))
		return NULL;
	for (const cJSON *c = object->child; c; c = c->next) {
		if (strcmp(c->string, name) != 0)
			continue;
		if (found)
			return NULL;	/* said twice: which one counts? */
		found = c;
	}
	return found;
}

enum err json_u64(const cJSON *v, uint64_t *out)
{
	return cJSON_IsString(v) ? hex_quantity(v->valuestring, strlen(v->valuestring), out)
				 : ERR_FORMAT;
}

enum err json_u256(const cJSON *v, struct u256 *out)
{
	return cJSON_IsString(v) ? u256_from_hex(v->valuestring, strlen(v->valuestring), out)
				 : ERR_FORMAT;
}

/* "0x" and an even number of digits, as data is written. */
static bool is_data(const cJSON *v)
{
	return cJSON_IsString(v) && v->valuestring[0] == '0' && v->valuestring[1] == 'x';
}

enum err json_b32(const cJSON *v, struct b32 *out)
{
	return is_data(v) ? hex_decode_exact(v->valuestring, strlen(v->valuestring), out->b, 32)
			  : ERR_FORMAT;
}

enum err json_addr(const cJSON *v, struct addr *out)
{
	return is_data(v) ? hex_decode_exact(v->valuestring, strlen(v->valuestring), out->b, 20)
			  : ERR_FORMAT;
}

enum err json_bytes(const cJSON *v, uint8_t *out, size_t cap, size_t *len_out)
{
	return is_data(v) ? hex_decode(v->valuestring, strlen(v->valuestring), out, cap, len_out)
			  : ERR_FORMAT;
}

static enum err refuse(enum err e, const char *why, const char **why_out)
{
	*why_out = why;
	return e;
}

static bool is_error(const cJSON *item)
{
	return cJSON_IsObject(json_get(item, "error"));
}

static bool has_version(const cJSON *item)
{
	const cJSON *v = json_get(item, "jsonrpc");

	return cJSON_IsString(v) && strcmp(v->valuestring, "2.0") == 0;
}

/* An error that names no call: the node could not read the request, or would not. */
static bool is_general_error(const cJSON *item)
{
	const cJSON *id = json_get(item, "id");

	return has_version(item) && is_error(item) && (!id || cJSON_IsNull(id)) &&
	       !json_get(item, "result");
}

/* Exactly one of result and error; "error": null beside a result says nothing. */
static bool is_reply(const cJSON *item)
{
	const cJSON *result = json_get(item, "result"), *error = json_get(item, "error");

	if (!has_version(item))
		return false;
	return is_error(item) ? !result || cJSON_IsNull(result)
			      : result && (!error || cJSON_IsNull(error));
}

static enum err place(const cJSON *item, uint64_t first_id, struct jsonrpc_replies *out,
		      const char **why_out)
{
	const cJSON *id = json_get(item, "id");
	double n = cJSON_IsNumber(id) ? id->valuedouble - (double)first_id : -1;

	if (!is_reply(item))
		return refuse(ERR_FORMAT, "a reply is not of its form", why_out);
	if (!(n >= 0 && n < out->count) || floor(n) < n || ceil(n) > n)
		return refuse(ERR_MISMATCH, "a reply to a call that was not made", why_out);
	if (out->item[(unsigned)n])
		return refuse(ERR_CONFLICT, "two replies to one call", why_out);
	out->item[(unsigned)n] = item;
	return OK;
}

static enum err place_all(uint64_t first_id, bool single, struct jsonrpc_replies *out,
			  const char **why_out)
{
	enum err e = OK;

	if (cJSON_IsObject(out->root) && is_general_error(out->root)) {
		for (unsigned i = 0; i < out->count; i++)
			out->item[i] = out->root;
		return OK;
	}
	if (single && cJSON_IsObject(out->root))
		return place(out->root, first_id, out, why_out);
	if (single || !cJSON_IsArray(out->root))
		return refuse(ERR_FORMAT, "not the reply to a batch", why_out);
	for (const cJSON *c = out->root->child; c && !e; c = c->next)
		e = place(c, first_id, out, why_out);
	for (unsigned i = 0; i < out->count && !e; i++)
		if (!out->item[i])
			e = refuse(ERR_MISSING, "a reply is missing", why_out);
	return e;
}

enum err jsonrpc_replies_open(struct bytes body, uint64_t first_id, unsigned count,
			      struct jsonrpc_replies *out, const char **why_out)
{
	enum err e = json_check(body, JSONRPC_DEPTH_MAX, JSONRPC_VALUES_MAX);

	*out = (struct jsonrpc_replies){ .count = count };
	if (e)
		return refuse(e, e == ERR_TOO_BIG ? "too much JSON" : "not JSON", why_out);
	out->root = cJSON_ParseWithLengthOpts((const char *)body.p, body.len, NULL, false);
	if (!out->root)
		return refuse(ERR_FORMAT, "not JSON", why_out);
	e = place_all(first_id, count == 1, out, why_out);
	if (e)
		jsonrpc_replies_close(out);
	return e;
}

void jsonrpc_replies_close(struct jsonrpc_replies *r)
{
	cJSON_Delete(r->root);
	r->root = NULL;
}

/* The end of a URL that starts at P; a path may hold an operator's key. */
static const char *url_end(const char *p)
{
	return p + strcspn(p, " \t\r\n\"'<>,;)");
}

void jsonrpc_tame(const char *text, char *out, size_t cap)
{
	size_t n = 0;

	while (*text && n + 1 < cap) {
		unsigned char c = (unsigned char)*text;

		if (strncmp(text, "://", 3) == 0) {
			text = url_end(text);
			continue;
		}
		out[n++] = c == '"' || c == '\\' ? '\'' : c < 0x20 || c >= 0x7f ? ' ' : (char)c;
		text++;
	}
	out[n] = '\0';
}

static bool says(const char *text, const char *word)
{
	return strcasestr(text, word) != NULL;
}

static bool says_any(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (says(text, *words))
			return true;
	return false;
}

/*
 * Asked too often.  Code -32005 is used for that, and for ranges with too many results: the
 * words decide.
 */
static bool is_throttle(int64_t code, const char *message)
{
	static const char *const too_often[] = {
		"rate limit", "ratelimit", "too many requests", "request limit", "compute units",
		"throughput", "requests per second", "request rate", "daily request", "throttle", NULL,
	};
	static const char *const too_much[] = { "result", "range", "block", "logs", "response", NULL };

	if (code == 429 || says_any(message, too_often))
		return true;
	return code == CODE_LIMIT_EXCEEDED && !says_any(message, too_much);
}

/* Revert data stands in data itself, or (hardhat) in an object's data. */
static struct bytes error_data(const cJSON *error, struct jsonrpc_room *room)
{
	const cJSON *data = json_get(error, "data");
	size_t len = 0;

	if (cJSON_IsObject(data))
		data = json_get(data, "data");
	if (!data || json_bytes(data, room->data, sizeof(room->data), &len) != OK)
		return (struct bytes){ 0 };
	return BYTES(room->data, len);
}

static int64_t error_code(const cJSON *error)
{
	const cJSON *code = json_get(error, "code");

	if (!cJSON_IsNumber(code) || !(fabs(code->valuedouble) < 1e15))
		return CODE_INVALID_REQUEST;
	return (int64_t)code->valuedouble;
}

void jsonrpc_reply_read(const cJSON *item, struct jsonrpc_room *room, struct jsonrpc_reply *out)
{
	const cJSON *error = json_get(item, "error"), *message = json_get(error, "message");

	*out = (struct jsonrpc_reply){ .outcome = RPC_OK, .message = "" };
	if (!is_error(item)) {
		out->result = json_get(item, "result");
		return;
	}
	jsonrpc_tame(cJSON_IsString(message) ? message->valuestring : "no message", room->message,
		     sizeof(room->message));
	out->code = error_code(error);
	out->message = room->message;
	out->data = error_data(error, room);
	out->outcome = is_throttle(out->code, out->message) ? RPC_THROTTLED : RPC_ERROR;
}

bool jsonrpc_is_revert(const struct jsonrpc_reply *r)
{
	return r->outcome == RPC_ERROR &&
	       (r->code == CODE_REVERTED || r->data.len > 0 || says(r->message, "revert"));
}
