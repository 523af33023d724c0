/* past - eth_getLogs in ranges that the node bears. */

#include "supervisor/cli/past.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"

#define PARAMS_MAX   (PAST_FILTER_MAX + 100)
#define SPAN_MAX     (1u << 24)
#define GROW_AFTER   8		/* good calls, before a range that failed once is tried again */

/* Position of an indexed parameter among the topics; 0: it is not indexed. */
static unsigned topic_of(const struct abi_line *line, const char *path)
{
	unsigned at = 1;

	for (uint16_t i = line->node[line->indexed].first; i; i = line->node[i].next, at++)
		if (strcmp(line->node[i].name, path) == 0)
			return at;
	return 0;
}

void past_filter(char out[PAST_FILTER_MAX], const struct profile_contract *contract,
		 const struct abi_line *line, const char *path, const struct b32 *id)
{
	unsigned at = id ? topic_of(line, path) : 0;
	char address[ADDR_TEXT], topic[67], hex[67];
	int n = snprintf(out, PAST_FILTER_MAX, "\"address\":\"%s\",\"topics\":[\"%s\"",
			 addr_text(&contract->address, address),
			 hex_encode0x(BYTES_OF(line->hash.b), topic));

	for (unsigned i = 1; i < at; i++)
		n += snprintf(out + n, PAST_FILTER_MAX - (size_t)n, ",null");
	if (at)
		n += snprintf(out + n, PAST_FILTER_MAX - (size_t)n, ",\"%s\"",
			      hex_encode0x(BYTES_OF(id->b), hex));
	snprintf(out + n, PAST_FILTER_MAX - (size_t)n, "]");
}

/* From JSON. */

static enum err read_topics(const cJSON *list, struct past_log *out)
{
	const cJSON *topic;

	if (!cJSON_IsArray(list))
		return ERR_FORMAT;
	out->topics = 0;
	cJSON_ArrayForEach(topic, list) {
		if (out->topics == ARRAY_LEN(out->topic))
			return ERR_TOO_BIG;
		enum err e = json_b32(topic, &out->topic[out->topics++]);
		if (e)
			return e;
	}
	return OK;
}

/* Data of any length up to the limit; the caller frees out->p. */
static enum err read_data(const cJSON *v, struct bytes *out)
{
	size_t digits = cJSON_IsString(v) ? strlen(v->valuestring) : 0, len;

	if (digits < 2 || digits / 2 > PAST_DATA_MAX)
		return digits < 2 ? ERR_FORMAT : ERR_TOO_BIG;
	uint8_t *p = malloc(digits / 2);
	if (!p)
		return ERR_NOMEM;
	enum err e = json_bytes(v, p, digits / 2, &len);
	if (e)
		free(p);
	else
		*out = BYTES(p, len);
	return e;
}

/* All but the data. */
static enum err read_log(const cJSON *v, struct past_log *out)
{
	enum err e = json_addr(json_get(v, "address"), &out->address);

	e = e ? e : read_topics(json_get(v, "topics"), out);
	e = e ? e : json_u64(json_get(v, "blockNumber"), &out->block);
	e = e ? e : json_u64(json_get(v, "logIndex"), &out->log_index);
	e = e ? e : json_b32(json_get(v, "blockHash"), &out->block_hash);
	return e ? e : json_b32(json_get(v, "transactionHash"), &out->tx);
}

/* *more_out becomes false when the callback has enough. */
static enum err visit(struct past_walk *w, const cJSON *v, uint64_t from, uint64_t to, bool *more_out)
{
	struct past_log log;
	struct bytes data;
	enum err e = read_log(v, &log);

	if (!e && (log.block < from || log.block > to))
		e = ERR_MISMATCH;
	e = e ? e : read_data(json_get(v, "data"), &data);
	if (e) {
		snprintf(w->why, sizeof(w->why), "a log in blocks %" PRIu64 " to %" PRIu64 ": %s", from,
			 to, err_text(e));
		return e;
	}
	log.data = data;
	*more_out = w->on_log(w->owner, &log);
	free((void *)(uintptr_t)data.p);
	return OK;
}

/* The list is in the chain's order: from its end. */
static enum err visit_all(struct past_walk *w, const cJSON *list, uint64_t from, uint64_t to,
			  bool *more_out)
{
	if (!cJSON_IsArray(list)) {
		snprintf(w->why, sizeof(w->why), "eth_getLogs returned no list");
		return ERR_FORMAT;
	}
	for (const cJSON *v = list->child ? list->child->prev : NULL; v && *more_out;
	     v = v == list->child ? NULL : v->prev) {
		enum err e = visit(w, v, from, to, more_out);
		if (e)
			return e;
	}
	return OK;
}

/* One range.  What is wrong with a reply that came is no reason to ask for less. */
static enum err read_range(struct past_walk *w, uint64_t from, bool *more_out, bool *halve_out)
{
	struct node_reply *reply = malloc(sizeof(*reply));	/* walks nest */
	char params[PARAMS_MAX];

	check(reply != NULL);
	snprintf(params, sizeof(params), "[{\"fromBlock\":\"0x%" PRIx64 "\",\"toBlock\":\"0x%" PRIx64
		 "\",%s}]", from, w->to, w->filter);
	enum err e = node_call(w->url, "eth_getLogs", params, reply);
	*halve_out = e && e != ERR_CLOSED && e != ERR_NOMEM;
	if (e)
		snprintf(w->why, sizeof(w->why), "eth_getLogs: %.130s", reply->why);
	else
		e = visit_all(w, reply->result, from, w->to, more_out);
	node_reply_free(reply);
	free(reply);
	return e;
}

enum err past_walk(struct past_walk *w)
{
	uint64_t span = w->span, cap = SPAN_MAX;
	unsigned good = 0, calls = 0;
	bool more = true;

	check(strlen(w->filter) < PAST_FILTER_MAX && span > 0);
	w->reached = w->to + 1;
	while (more && w->reached > w->from) {
		bool halve;

		if (calls++ == PAST_CALLS_MAX)
			return ERR_FULL;
		w->to = w->reached - 1;
		uint64_t from = w->to - w->from < span ? w->from : w->to - span + 1;
		enum err e = read_range(w, from, &more, &halve);
		if (e && (!halve || span == 1))
			return e;
		if (e) {
			span = cap = span / 2;
			good = 0;
			continue;
		}
		w->reached = from;
		if (++good % GROW_AFTER == 0 && cap < SPAN_MAX)
			cap *= 2;
		span = span * 2 < cap ? span * 2 : cap;
	}
	return OK;
}

enum err past_tx(const char *url, const struct b32 *hash, struct past_tx *out, char why[PAST_WHY_MAX])
{
	static struct node_reply reply;
	char params[80], hex[67];

	*out = (struct past_tx){ .found = false };
	snprintf(params, sizeof(params), "[\"%s\"]", hex_encode0x(BYTES_OF(hash->b), hex));
	enum err e = node_call(url, "eth_getTransactionByHash", params, &reply);
	if (e)
		snprintf(why, PAST_WHY_MAX, "%.150s", reply.why);
	const cJSON *block = json_get(reply.result, "blockHash"), *to = json_get(reply.result, "to");
	if (!e && block && !cJSON_IsNull(block)) {
		out->found = true;
		out->makes_contract = !to || cJSON_IsNull(to);
		e = json_b32(block, &out->block_hash);
		e = e ? e : json_addr(json_get(reply.result, "from"), &out->from);
		e = e || out->makes_contract ? e : json_addr(to, &out->to);
		e = e ? e : read_data(json_get(reply.result, "input"), &out->input);
		if (e)
			snprintf(why, PAST_WHY_MAX, "the node's reply: %s", err_text(e));
	}
	node_reply_free(&reply);
	return e;
}

void past_tx_free(struct past_tx *t)
{
	free((void *)(uintptr_t)t->input.p);
	t->input = (struct bytes){ 0 };
}

enum err past_latest(const char *url, uint64_t *out, char why[PAST_WHY_MAX])
{
	static struct node_reply reply;
	enum err e = node_call(url, "eth_blockNumber", "[]", &reply);

	if (e) {
		snprintf(why, PAST_WHY_MAX, "%.150s", reply.why);
	} else {
		e = json_u64(reply.result, out);
		if (e)
			snprintf(why, PAST_WHY_MAX, "eth_blockNumber returned no number");
	}
	node_reply_free(&reply);
	return e;
}
