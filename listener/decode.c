/* decode - what is missing or malformed is an error; nothing is made up. */

#include "listener/decode.h"

#include <stdlib.h>

#include "common/keccak.h"
#include "proto/ipc.h"
#include "proto/settlement.h"

enum err decode_header(const cJSON *v, struct header *out)
{
	size_t len;

	*out = (struct header){ 0 };
	if (cJSON_IsNull(v))
		return ERR_MISSING;
	if (json_u64(json_get(v, "number"), &out->number) ||
	    json_u64(json_get(v, "timestamp"), &out->time) ||
	    json_b32(json_get(v, "hash"), &out->hash) ||
	    json_b32(json_get(v, "parentHash"), &out->parent))
		return ERR_FORMAT;
	out->has_bloom = json_bytes(json_get(v, "logsBloom"), out->bloom, sizeof(out->bloom),
				    &len) == OK && len == sizeof(out->bloom);
	return OK;
}

static enum err decode_topics(const cJSON *v, struct log_entry *out)
{
	if (!cJSON_IsArray(v))
		return ERR_FORMAT;
	for (const cJSON *t = v->child; t; t = t->next)
		if (out->topics == ARRAY_LEN(out->topic) ||
		    json_b32(t, &out->topic[out->topics++]))
			return ERR_FORMAT;
	return OK;
}

static enum err decode_place(const cJSON *v, struct log_entry *out)
{
	return json_addr(json_get(v, "address"), &out->contract) ||
	       json_u64(json_get(v, "blockNumber"), &out->block) ||
	       json_b32(json_get(v, "blockHash"), &out->block_hash) ||
	       json_b32(json_get(v, "transactionHash"), &out->tx_hash) ||
	       json_u64(json_get(v, "logIndex"), &out->index) ? ERR_FORMAT : OK;
}

/* Data over the limit cannot travel; the log is held without it. */
static enum err take_data(const cJSON *v, struct log_entry *out)
{
	size_t cap = cJSON_IsString(v) ? strlen(v->valuestring) / 2 : 0;

	if (cap > IPC_LOG_MAX) {
		out->reason = "the data is larger than its limit";
		return OK;
	}
	out->data = malloc(cap ? cap : 1);
	if (!out->data)
		return ERR_NOMEM;
	if (json_bytes(v, out->data, cap, &out->len) == OK)
		return OK;
	free(out->data);
	out->data = NULL;
	return ERR_FORMAT;
}

static void check_event(const struct abi_line *line, struct log_entry *out)
{
	struct abi_view view;
	enum err e = abi_check_topics(line, out->topic, out->topics);

	if (e) {
		out->reason = "the topics are not those of the event";
		return;
	}
	e = abi_decode(line, line->inputs, BYTES(out->data, out->len), &view);
	if (e)
		out->reason = err_text(e);
}

enum err decode_name(const cJSON *v, struct log_entry *out)
{
	*out = (struct log_entry){ 0 };

	enum err e = decode_place(v, out);
	if (!e)
		e = decode_topics(json_get(v, "topics"), out);
	return e ? e : cJSON_IsTrue(json_get(v, "removed")) ? ERR_MISMATCH : OK;
}

enum err decode_log(const cJSON *v, const struct filter *f, const struct profile *p,
		    struct log_entry *out)
{
	enum err e = decode_name(v, out);
	if (e)
		return e;
	if (out->topics == 0 || !filter_asked(f, &out->contract, &out->topic[0]))
		return ERR_MISMATCH;

	const struct filter_row *row = filter_find(f, &out->contract, &out->topic[0]);
	if (!row)
		return ERR_UNKNOWN;
	out->request = row->request;
	e = take_data(json_get(v, "data"), out);
	if (!e && !out->reason)
		check_event(&p->request[row->request].event, out);
	return e;
}

enum err decode_claim(const cJSON *v, const struct addr *outbox, uint64_t from, uint64_t to,
		      struct claim *out)
{
	const struct b32 event = keccak_text(SETTLED_EVENT);
	struct log_entry log;
	enum err e = decode_name(v, &log);

	if (e)
		return e;
	if (!addr_eq(&log.contract, outbox) || log.block < from || log.block > to ||
	    log.topics != 3 || !b32_eq(&log.topic[0], &event))
		return ERR_MISMATCH;
	*out = (struct claim){ .hash = log.topic[2], .at = log.block, .index = log.index };
	return OK;
}
