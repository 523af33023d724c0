/*
 * decode_fuzz - headers and logs as a hostile node writes them, after the reply's envelope was
 * accepted.
 *
 * Links: listener/decode.c listener/filter.c
 *
 * The first byte of an input chooses what stands around the rest.  Nothing may crash; a log that
 * is accepted is one of ours, with at most four topics and data within the limit, and either
 * decodes or says why not.
 *
 * With PLANTED_BUG topics are copied into room for three.
 */
#include "listener/decode.h"

#include <stdlib.h>

#include "common/json_check.h"
#include "proto/ipc.h"

#define MUST(cond) do { if (!(cond)) abort(); } while (0)
#define H "0x1111111111111111111111111111111111111111111111111111111111111111"
#define PLACE "\"blockNumber\":\"0x5\",\"blockHash\":\"" H "\",\"transactionHash\":\"" H "\",\"logIndex\":\"0x3\""
#define OURS "\"address\":\"0x0000000000000000000000000000000000000001\""

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct profile profile;
static struct filter filter;
static char topic[70];

static const struct { const char *before, *after; bool with_topic; } around[] = {
	{ "", "", false },
	{ "{\"number\":\"0x5\",\"timestamp\":\"0x5\",\"hash\":\"" H "\",\"parentHash\":\"" H "\",\"logsBloom\":\"0x", "\"}", false },
	{ "{\"number\":\"0x5\",\"hash\":\"" H "\",", "}", false },
	{ "{" OURS "," PLACE ",\"data\":\"0x\",\"topics\":[", "]}", true },
	{ "{" OURS "," PLACE ",\"data\":\"0x\",\"topics\":[", ",\"" H "\",\"" H "\",\"" H "\"]}", true },
	{ "{" OURS "," PLACE ",\"topics\":[", "]}", true },
	{ "{" PLACE ",\"data\":\"0x", "\"}", false },
	{ "{" OURS "," PLACE ",", "}", false },
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	profile.contracts = profile.requests = 1;
	profile.contract[0].chain = 7;
	profile.contract[0].address.b[19] = 1;
	MUST(abi_parse("event A(uint256 indexed a, (uint256 b, bytes c, address[] d)[] e)",
		       &profile.request[0].event, NULL, NULL) == OK);
	filter_init(&filter, &profile, 7);
	topic[0] = '"';
	hex_encode0x(BYTES_OF(profile.request[0].event.hash.b), topic + 1);
	strncat(topic, "\"", 2);
	return 0;
}

static void try_log(const cJSON *v)
{
	struct log_entry e;
	struct claim c;

	if (decode_claim(v, &profile.contract[0].address, 0, 5, &c) == OK)
		MUST(c.at <= 5 && !c.known);

	if (decode_log(v, &filter, &profile, &e))
		return;
	MUST(e.request == 0 && e.topics >= 1 && e.topics <= 4 && e.len <= IPC_LOG_MAX);
	MUST(e.data || e.reason);
#ifdef PLANTED_BUG
	struct b32 copy[3];

	memcpy(copy, e.topic, e.topics * sizeof(copy[0]));
	MUST(b32_eq(&copy[0], &e.topic[0]));
#endif
	free(e.data);
}

static void try_header(const cJSON *v)
{
	struct header h;

	if (decode_header(v, &h) == OK && h.has_bloom && filter_admits(&filter, h.bloom))
		MUST(cJSON_IsString(json_get(v, "number")));
}

static void put(uint8_t *text, size_t *len, const void *p, size_t n)
{
	if (n)
		memcpy(text + *len, p, n);
	*len += n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;

	unsigned which = data[0] % ARRAY_LEN(around);
	const char *before = around[which].before, *after = around[which].after;
	uint8_t *text = malloc(strlen(before) + sizeof(topic) + size + strlen(after));
	size_t len = 0;

	MUST(text);
	put(text, &len, before, strlen(before));
	if (around[which].with_topic)
		put(text, &len, topic, strlen(topic));
	put(text, &len, data + 1, size - 1);
	put(text, &len, after, strlen(after));
	if (json_check(BYTES(text, len), JSON_CHECK_DEPTH_MAX, 10000) == OK) {
		cJSON *v = cJSON_ParseWithLengthOpts((const char *)text, len, NULL, false);

		if (v) {
			try_log(v);
			try_header(v);
		}
		cJSON_Delete(v);
	}
	free(text);
	return 0;
}
