/*
 * jsonrpc_fuzz - the body of a node's response to a batch of known calls.
 *
 * The first byte of an input chooses what stands around the rest: nothing (the rest is the
 * body), or the envelope of one reply or of two.  Nothing may crash; what is accepted keeps the
 * promises of jsonrpc_reply.h: one reply for each call, messages and data within their limits.
 * All values of what was accepted are then read as every type.
 *
 * With PLANTED_BUG a message is copied without looking at its length; a fuzzer that does not
 * find that within a minute does not look.
 */
#include "common/jsonrpc_reply.h"

#include <stdlib.h>

#define FIRST_ID  41
#define MUST(cond) do { if (!(cond)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct { unsigned calls; const char *before, *after; } around[] = {
	{ 1, "", "" },
	{ 2, "", "" },
	{ 64, "", "" },
	{ 1, "{\"jsonrpc\":\"2.0\",\"id\":41,\"result\":", "}" },
	{ 1, "{\"jsonrpc\":\"2.0\",\"id\":41,\"result\":\"0x", "\"}" },
	{ 1, "{\"jsonrpc\":\"2.0\",\"id\":41,\"error\":", "}" },
	{ 1, "{\"jsonrpc\":\"2.0\",\"id\":41,\"error\":{\"code\":3,\"message\":\"", "\"}}" },
	{ 1, "{\"jsonrpc\":\"2.0\",\"id\":41,\"error\":{\"code\":3,\"message\":\"m\",\"data\":\"0x", "\"}}" },
	{ 2, "[{\"jsonrpc\":\"2.0\",\"id\":42,\"result\":null},", "]" },
	{ 2, "[{\"jsonrpc\":\"2.0\",\"id\":42,\"result\":{}},{\"jsonrpc\":\"2.0\",\"id\":", "}]" },
};

static void read_value(const cJSON *v, unsigned depth)
{
	static uint8_t room[1024];
	struct u256 w;
	struct addr a;
	struct b32 h;
	uint64_t n;
	size_t len;

	MUST(depth <= JSONRPC_DEPTH_MAX);
	if (json_bytes(v, room, sizeof(room), &len) == OK)
		MUST(len <= sizeof(room));
	if (json_u64(v, &n) == OK && strlen(v->valuestring) <= 66)
		MUST(json_u256(v, &w) == OK);
	if (json_b32(v, &h) == OK)
		MUST(json_addr(v, &a) != OK);
	for (const cJSON *c = v->child; c; c = c->next) {
		if (cJSON_IsObject(v)) {
			const cJSON *found = json_get(v, c->string);

			MUST(!found || found == c);
		}
		read_value(c, depth + 1);
	}
}

static void read_reply(const cJSON *item)
{
	static struct jsonrpc_room room;
	struct jsonrpc_reply r;

	jsonrpc_reply_read(item, &room, &r);
	MUST(r.message && strlen(r.message) <= JSONRPC_MESSAGE_MAX);
	MUST(r.data.len <= JSONRPC_DATA_MAX);
	MUST((r.outcome == RPC_OK) == (r.result != NULL));
	for (const char *p = r.message; *p; p++)
		MUST(*p >= 0x20 && *p < 0x7f && *p != '"' && *p != '\\');
#ifdef PLANTED_BUG
	char copy[64];

	memcpy(copy, r.message, strlen(r.message) + 1);
	MUST(copy[0] == r.message[0]);
#endif
	if (r.result)
		read_value(r.result, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jsonrpc_replies replies;
	const char *why = NULL;

	if (size == 0)
		return 0;

	unsigned which = data[0] % ARRAY_LEN(around);
	size_t before = strlen(around[which].before), after = strlen(around[which].after);
	size_t len = before + size - 1 + after;
	uint8_t *body = malloc(len ? len : 1);	/* its own block: reading past the end shows */

	MUST(body);
	memcpy(body, around[which].before, before);
	memcpy(body + before, data + 1, size - 1);
	memcpy(body + before + size - 1, around[which].after, after);
	if (jsonrpc_replies_open(BYTES(body, len), FIRST_ID, around[which].calls, &replies, &why)) {
		MUST(why && !replies.root);
	} else {
		MUST(replies.count == around[which].calls);
		for (unsigned i = 0; i < replies.count; i++)
			read_reply(replies.item[i]);
		jsonrpc_replies_close(&replies);
	}
	free(body);
	return 0;
}
