/* filter_test - what is asked for, blooms, the hash of the filter; headers and logs from JSON. */
#include "listener/filter.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/keccak.h"
#include "listener/decode.h"
#include "proto/ipc.h"

TestSuite(filter, .timeout = 20);

static struct profile profile;
static struct filter filter;

static void add_request(unsigned contract, const char *line)
{
	struct profile_request *r = &profile.request[profile.requests++];

	r->kind = KIND_public_decryption;
	r->contract = contract;
	cr_assert_eq(abi_parse(line, &r->event, NULL, NULL), OK);
}

static void add_contract(uint64_t chain, uint8_t last)
{
	struct profile_contract *c = &profile.contract[profile.contracts++];

	c->chain = chain;
	c->address.b[19] = last;
}

static void begin(void)
{
	profile = (struct profile){ 0 };
	add_contract(7, 1);
	add_contract(7, 2);
	add_contract(8, 3);
	add_request(0, "event A(uint256 indexed id, bytes data)");
	add_request(1, "event B(uint256 id)");
	add_request(2, "event C(uint256 id)");
	filter_init(&filter, &profile, 7);
}

Test(filter, rows_of_this_chain, .init = begin)
{
	struct b32 b = keccak_text("B(uint256)"), c = keccak_text("C(uint256)");

	cr_assert_eq(filter.rows, 2);
	cr_assert_eq(filter.addresses, 2);
	cr_assert_eq(filter_find(&filter, &profile.contract[1].address, &b)->request, 1);
	cr_assert_null(filter_find(&filter, &profile.contract[0].address, &b));
	cr_assert(filter_asked(&filter, &profile.contract[0].address, &b), "the cross product");
	cr_assert_not(filter_asked(&filter, &profile.contract[2].address, &c));
	cr_assert(strstr(filter.text, "\"address\":[\"0x0000000000000000000000000000000000000001\",\"0x"));
	cr_assert_eq(strcmp(filter.text + strlen(filter.text) - 3, "\"]]"), 0);
}

Test(filter, hash, .init = begin)
{
	struct filter other;
	struct profile_request swap = profile.request[0];

	profile.request[0] = profile.request[1];
	profile.request[1] = swap;
	filter_init(&other, &profile, 7);
	cr_assert(b32_eq(&filter.hash, &other.hash), "the order of lines does not matter");
	profile.contract[0].address.b[0] = 1;
	filter_init(&other, &profile, 7);
	cr_assert_not(b32_eq(&filter.hash, &other.hash));
	filter_init(&other, &profile, 9);
	cr_assert_eq(other.rows, 0);
	cr_assert_str_eq(other.text, "");
}

static void bloom_add(uint8_t *bloom, struct bytes v)
{
	struct b32 h = keccak_bytes(v);

	for (unsigned i = 0; i < 6; i += 2) {
		unsigned bit = (h.b[i] * 256u + h.b[i + 1]) % 2048;

		bloom[255 - bit / 8] = (uint8_t)(bloom[255 - bit / 8] | 1 << bit % 8);
	}
}

Test(filter, blooms, .init = begin)
{
	uint8_t bloom[BLOOM_BYTES] = { 0 };
	struct b32 a = keccak_text("A(uint256,bytes)"), c = keccak_text("C(uint256)");

	cr_assert_not(filter_admits(&filter, bloom));
	bloom_add(bloom, BYTES_OF(profile.contract[0].address.b));
	cr_assert_not(filter_admits(&filter, bloom), "an address without a topic");
	bloom_add(bloom, BYTES_OF(c.b));
	cr_assert_not(filter_admits(&filter, bloom), "another chain's topic");
	bloom_add(bloom, BYTES_OF(a.b));
	cr_assert(filter_admits(&filter, bloom));
	memset(bloom, 0xff, sizeof(bloom));
	cr_assert(filter_admits(&filter, bloom));
}

Test(filter, a_known_bit)
{
	/* keccak256 of twenty zero bytes begins 5380 c7b7 ae81: bits 0x380, 0x7b7, 0x681 */
	uint8_t bloom[BLOOM_BYTES] = { 0 };
	struct addr zero = { { 0 } };

	bloom_add(bloom, BYTES_OF(zero.b));
	cr_assert_eq(bloom[255 - 0x380 / 8], 1 << 0x380 % 8);
	cr_assert_eq(bloom[255 - 0x7b7 / 8], 1 << 0x7b7 % 8);
	cr_assert_eq(bloom[255 - 0x681 / 8], 1 << 0x681 % 8);
}

/* decode */

#define H1 "0x1111111111111111111111111111111111111111111111111111111111111111"
#define H2 "0x2222222222222222222222222222222222222222222222222222222222222222"

static enum err header(const char *text, struct header *out)
{
	cJSON *v = cJSON_Parse(text);
	enum err e = decode_header(v, out);

	cJSON_Delete(v);
	return e;
}

Test(filter, headers)
{
	struct header h;

	cr_assert_eq(header("{\"number\":\"0x10\",\"timestamp\":\"0x20\",\"hash\":\"" H1 "\",\"parentHash\":\"" H2 "\"}", &h), OK);
	cr_assert_eq(h.number, 16);
	cr_assert_eq(h.time, 32);
	cr_assert_not(h.has_bloom);
	cr_assert_eq(header("null", &h), ERR_MISSING);
	cr_assert_eq(header("{}", &h), ERR_FORMAT);
	cr_assert_eq(header("{\"number\":null,\"timestamp\":\"0x20\",\"hash\":null,\"parentHash\":\"" H2 "\"}", &h), ERR_FORMAT);
	cr_assert_eq(header("{\"number\":\"0x10\",\"number\":\"0x11\",\"timestamp\":\"0x20\",\"hash\":\"" H1 "\",\"parentHash\":\"" H2 "\"}", &h), ERR_FORMAT);
	cr_assert_eq(header("{\"number\":16,\"timestamp\":\"0x20\",\"hash\":\"" H1 "\",\"parentHash\":\"" H2 "\"}", &h), ERR_FORMAT);
}

static enum err one_log(const char *address, const char *topics, const char *data, const char *more,
			struct log_entry *out)
{
	static char text[4096];

	snprintf(text, sizeof(text), "{\"address\":\"%s\",\"topics\":[%s],\"data\":\"%s\",\"blockNumber\":\"0x5\","
		 "\"blockHash\":\"" H1 "\",\"transactionHash\":\"" H2 "\",\"logIndex\":\"0x3\"%s}",
		 address, topics, data, more);

	cJSON *v = cJSON_Parse(text);
	cr_assert(v);
	enum err e = decode_log(v, &filter, &profile, out);
	cJSON_Delete(v);
	return e;
}

static const char *topic_text(const char *signature)
{
	static char text[4][72];
	static unsigned at;
	struct b32 t = keccak_text(signature);
	char hex[67];

	at = (at + 1) % 4;
	snprintf(text[at], sizeof(text[at]), "\"%s\"", hex_encode0x(BYTES_OF(t.b), hex));
	return text[at];
}

#define ADDRESS1 "0x0000000000000000000000000000000000000001"
#define ADDRESS2 "0x0000000000000000000000000000000000000002"
#define ADDRESS3 "0x0000000000000000000000000000000000000003"
#define WORD1    "0x0000000000000000000000000000000000000000000000000000000000000009"

Test(filter, logs, .init = begin)
{
	const char *b = topic_text("B(uint256)");
	struct log_entry e;

	cr_assert_eq(one_log(ADDRESS2, b, WORD1, "", &e), OK);
	cr_assert_null(e.reason);
	cr_assert_eq(e.request, 1);
	cr_assert_eq(e.block, 5);
	cr_assert_eq(e.index, 3);
	cr_assert_eq(e.len, 32);
	free(e.data);

	cr_assert_eq(one_log(ADDRESS2, b, "0x01", "", &e), OK, "handed on raw");
	cr_assert_not_null(e.reason);
	cr_assert_eq(e.len, 1);
	free(e.data);

	cr_assert_eq(one_log(ADDRESS2, b, WORD1, ",\"removed\":true", &e), ERR_MISMATCH);
	cr_assert_eq(one_log(ADDRESS3, b, WORD1, "", &e), ERR_MISMATCH);
	cr_assert_eq(one_log(ADDRESS2, topic_text("X()"), WORD1, "", &e), ERR_MISMATCH);
	cr_assert_eq(one_log(ADDRESS1, b, WORD1, "", &e), ERR_UNKNOWN);
	cr_assert_eq(one_log(ADDRESS2, "", WORD1, "", &e), ERR_MISMATCH);
	cr_assert_eq(one_log(ADDRESS2, "\"0x01\"", WORD1, "", &e), ERR_FORMAT);
	cr_assert_eq(one_log(ADDRESS2, b, "0x1", "", &e), ERR_FORMAT);
	cr_assert_eq(one_log(ADDRESS2, b, "", "", &e), ERR_FORMAT);
	cr_assert_eq(one_log("0x02", b, WORD1, "", &e), ERR_FORMAT);
}

Test(filter, topics_that_are_not_the_events, .init = begin)
{
	char two[200];
	struct log_entry e;

	snprintf(two, sizeof(two), "%s,\"" WORD1 "\"", topic_text("B(uint256)"));
	cr_assert_eq(one_log(ADDRESS2, two, WORD1, "", &e), OK);
	cr_assert_str_eq(e.reason, "the topics are not those of the event");
	free(e.data);
}

Test(filter, data_over_the_limit, .init = begin)
{
	size_t n = 2 * (IPC_LOG_MAX + 32) + 2;
	char *text = malloc(n + 1), *all = malloc(n + 1000);
	struct log_entry e;
	cJSON *v;

	memset(text, '0', n);
	text[1] = 'x';
	text[n] = '\0';
	snprintf(all, n + 1000, "{\"address\":\"" ADDRESS2 "\",\"topics\":[%s],\"data\":\"%s\",\"blockNumber\":\"0x5\","
		 "\"blockHash\":\"" H1 "\",\"transactionHash\":\"" H2 "\",\"logIndex\":\"0x3\"}",
		 topic_text("B(uint256)"), text);
	v = cJSON_Parse(all);
	cr_assert_eq(decode_log(v, &filter, &profile, &e), OK);
	cr_assert_null(e.data);
	cr_assert_not_null(e.reason);
	cJSON_Delete(v);
	free(text);
	free(all);
}
