/* claims_test - what the parent chain says, until our chain says which blocks that is. */
#include "listener/claims.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "common/keccak.h"
#include "listener/decode.h"
#include "proto/settlement.h"

TestSuite(claims, .timeout = 20);

static struct claims k;

static void begin(void)
{
	k = (struct claims){ 0 };
}

static struct b32 hash_of(unsigned n)
{
	struct b32 h = { { 0 } };

	be64_put(h.b, n);
	return h;
}

static bool say(uint64_t at, uint64_t index, unsigned n)
{
	return claims_add(&k, &(struct claim){ .hash = hash_of(n), .at = at, .index = index });
}

static void hear(unsigned n, uint64_t number)
{
	struct b32 h = hash_of(n);

	claims_hear(&k, &h, number, 1000 + number);
}

static unsigned settle(unsigned n)
{
	struct b32 h = hash_of(n);

	return claims_settle(&k, &h);
}

/* Number of the best one; 0: none. */
static uint64_t best(uint64_t above, uint64_t up_to)
{
	const struct claim *c = claims_best(&k, above, up_to);

	return c ? c->number : 0;
}

static void stand(const char *wanted)
{
	char got[200] = "";

	for (unsigned i = 0; i < k.count; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%u", i ? " " : "",
			 (unsigned)be64_get(k.claim[i].hash.b));
	cr_assert_str_eq(got, wanted);
}

Test(claims, stand_as_they_were_said, .init = begin)
{
	struct b32 unknown[CLAIMS_MAX];

	cr_assert(say(10, 3, 1));
	cr_assert(say(9, 7, 2));
	cr_assert(say(10, 1, 3));
	cr_assert_not(say(11, 0, 2), "it is there already");
	stand("2 3 1");
	cr_assert_eq(claims_unknown(&k, unknown), 3);
	hear(3, 50);
	cr_assert_eq(claims_unknown(&k, unknown), 2);
	cr_assert_eq(be64_get(unknown[1].b), 1);
}

Test(claims, the_highest_that_is_finalized, .init = begin)
{
	say(1, 0, 1);
	say(2, 0, 2);
	say(3, 0, 3);
	cr_assert_eq(best(0, 100), 0, "nobody knows their numbers");
	hear(1, 10);
	hear(2, 20);
	hear(3, 30);
	cr_assert_eq(best(0, 9), 0);
	cr_assert_eq(best(0, 29), 20);
	cr_assert_eq(best(0, 30), 30);
	cr_assert_eq(best(20, 29), 0);
	hear(9, 99);
	cr_assert_eq(best(0, 100), 30, "nobody said this one");
}

Test(claims, what_was_said_before_the_settled_one_leaves, .init = begin)
{
	say(1, 0, 1);
	say(2, 0, 2);
	say(3, 0, 3);
	say(4, 0, 4);
	hear(1, 10);
	hear(3, 30);
	cr_assert_eq(settle(3), 0);
	stand("3 4");
	cr_assert_eq(best(0, 100), 30, "after a restart of the executor it is tried again");
	cr_assert_eq(best(30, 100), 0);
	hear(4, 40);
	cr_assert_eq(best(30, 100), 40);
}

Test(claims, do_not_go_back, .init = begin)
{
	say(1, 0, 1);
	say(2, 0, 2);
	say(3, 0, 3);
	hear(1, 30);
	hear(2, 20);
	hear(3, 40);
	cr_assert_eq(settle(1), 1, "2 was said later, of a lower block");
	stand("1 3");
	cr_assert_eq(settle(3), 0);
	stand("3");
	cr_assert_eq(settle(7), 0, "nobody said this one");
}

Test(claims, a_higher_one_waits_until_it_is_finalized, .init = begin)
{
	say(1, 0, 1);
	say(2, 0, 2);
	hear(1, 30);
	hear(2, 20);
	cr_assert_eq(best(0, 25), 20);
	cr_assert_eq(settle(2), 0);
	stand("1 2");
	cr_assert_eq(best(20, 30), 30);
	cr_assert_eq(settle(1), 1);
	stand("1");
}

Test(claims, one_that_is_not_on_the_chain_leaves, .init = begin)
{
	struct b32 h = hash_of(2);

	say(1, 0, 1);
	say(2, 0, 2);
	hear(1, 10);
	hear(2, 20);
	claims_drop(&k, &h);
	claims_drop(&k, &h);
	stand("1");
	cr_assert_eq(best(0, 100), 10);
}

Test(claims, doubt_is_told_once, .init = begin)
{
	struct b32 h = hash_of(1), other = hash_of(2);

	say(1, 0, 1);
	claims_miss(&k, &other);
	cr_assert_not(claims_doubt(&k));
	claims_miss(&k, &h);
	cr_assert(claims_has_missing(&k));
	cr_assert(claims_doubt(&k));
	claims_miss(&k, &h);
	cr_assert_not(claims_doubt(&k));
	hear(1, 5);
	cr_assert_not(claims_has_missing(&k), "the node was behind");
}

/* Whoever says much cannot make us forget what is settled. */
Test(claims, of_too_many_the_oldest_unknown_leave, .init = begin)
{
	say(1, 0, 1);
	hear(1, 10);
	settle(1);
	for (unsigned n = 2; n < 100; n++)
		say(n, 0, n);
	cr_assert_eq(k.count, CLAIMS_MAX);
	stand("1 85 86 87 88 89 90 91 92 93 94 95 96 97 98 99");
	for (unsigned n = 85; n < 100; n++)
		hear(n, n);
	say(100, 0, 100);
	cr_assert_eq(k.count, CLAIMS_MAX);
	cr_assert_eq(best(0, 1000), 99);
}

/* From the parent chain's JSON. */

#define OUTBOX "0x0000000000000000000000000000000000000005"
#define EVENT  "0xb4df3847300f076a369cd76d2314b470a1194d9e8a6bb97f1860aee88a5f6748"
#define ROOT   "0x00000000000000000000000000000000000000000000000000000000000000aa"
#define BLOCK  "0x0000000000000001000000000000000000000000000000000000000000000000"

static enum err decode(const char *address, const char *topics, const char *number, const char *more,
		       struct claim *out)
{
	struct addr outbox = { { [19] = 5 } };
	char text[1000];

	snprintf(text, sizeof(text), "{\"address\":\"%s\",\"topics\":[%s],\"data\":\"0x\",\"blockNumber\":\"%s\","
		 "\"blockHash\":\"" ROOT "\",\"transactionHash\":\"" ROOT "\",\"logIndex\":\"0x3\"%s}",
		 address, topics, number, more);

	cJSON *v = cJSON_Parse(text);
	cr_assert(v);
	enum err e = decode_claim(v, &outbox, 10, 20, out);
	cJSON_Delete(v);
	return e;
}

Test(claims, the_event)
{
	const struct b32 event = keccak_text(SETTLED_EVENT);
	char hex[67];

	cr_assert_str_eq(hex_encode0x(BYTES_OF(event.b), hex), EVENT);
}

Test(claims, from_logs)
{
	const char *topics = "\"" EVENT "\",\"" ROOT "\",\"" BLOCK "\"";
	struct b32 block = hash_of(1);
	struct claim c;

	cr_assert_eq(decode(OUTBOX, topics, "0xc", "", &c), OK);
	cr_assert(b32_eq(&c.hash, &block), "the third topic is our block, the second the root");
	cr_assert_eq(c.at, 12);
	cr_assert_eq(c.index, 3);
	cr_assert_not(c.known);

	cr_assert_eq(decode(OUTBOX, topics, "0x9", "", &c), ERR_MISMATCH, "it was not asked for");
	cr_assert_eq(decode(OUTBOX, topics, "0x15", "", &c), ERR_MISMATCH);
	cr_assert_eq(decode(OUTBOX, topics, "0xc", ",\"removed\":true", &c), ERR_MISMATCH);
	cr_assert_eq(decode("0x0000000000000000000000000000000000000006", topics, "0xc", "", &c), ERR_MISMATCH);
	cr_assert_eq(decode(OUTBOX, "\"" EVENT "\",\"" BLOCK "\"", "0xc", "", &c), ERR_MISMATCH);
	cr_assert_eq(decode(OUTBOX, "\"" EVENT "\",\"" ROOT "\",\"" BLOCK "\",\"" ROOT "\"", "0xc", "", &c), ERR_MISMATCH);
	cr_assert_eq(decode(OUTBOX, "\"" ROOT "\",\"" ROOT "\",\"" BLOCK "\"", "0xc", "", &c), ERR_MISMATCH);
	cr_assert_eq(decode(OUTBOX, "", "0xc", "", &c), ERR_MISMATCH);
	cr_assert_eq(decode(OUTBOX, "\"" EVENT "\",\"0x1\",\"" BLOCK "\"", "0xc", "", &c), ERR_FORMAT);
	cr_assert_eq(decode(OUTBOX, "7", "0xc", "", &c), ERR_FORMAT);
	cr_assert_eq(decode(OUTBOX, topics, "12", "", &c), ERR_FORMAT);
}
