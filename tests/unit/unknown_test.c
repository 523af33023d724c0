/* unknown_test - which events are news, which blocks are looked at and when; a log's name. */
#include "listener/unknown.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "common/keccak.h"
#include "listener/decode.h"

TestSuite(unknown, .timeout = 20);

#define HOUR 3600u
#define BACK 50000u

static struct profile profile;
static struct unknown u;

static void add_contract(uint64_t chain, uint8_t last)
{
	struct profile_contract *c = &profile.contract[profile.contracts++];

	c->chain = chain;
	c->address.b[19] = last;
}

static void begin(void)
{
	profile = (struct profile){ .has_others = true, .requests = 1, .answered = 1, .others = 1 };
	add_contract(7, 1);
	add_contract(7, 2);
	add_contract(8, 3);
	profile.request[0].event.hash = keccak_text("Asked(uint256)");
	profile.answer[0].contract = 1;
	profile.answer[0].event.hash = keccak_text("Answered(uint256)");
	profile.other[0] = keccak_text("Paused(address)");
	unknown_init(&u, &profile, 7);
}

static bool is_known(unsigned contract, const char *event)
{
	struct b32 topic = keccak_text(event);

	return unknown_is_known(&u, contract, &topic);
}

Test(unknown, what_the_profile_knows, .init = begin)
{
	cr_expect(is_known(0, "Asked(uint256)"));
	cr_expect_not(is_known(1, "Asked(uint256)"), "a request of another contract");
	cr_expect(is_known(1, "Answered(uint256)"));
	cr_expect_not(is_known(0, "Answered(uint256)"));
	cr_expect(is_known(0, "Paused(address)"));
	cr_expect(is_known(1, "Paused(address)"));
	cr_expect_not(is_known(0, "Asked(uint256,bytes)"), "the same name with more");
}

Test(unknown, contracts_of_this_chain, .init = begin)
{
	unsigned at = 99;

	cr_expect(unknown_contract(&u, &profile.contract[1].address, &at));
	cr_expect_eq(at, 1);
	cr_expect_not(unknown_contract(&u, &profile.contract[2].address, &at));
	cr_expect_str_eq(u.text, "\"address\":[\"0x0000000000000000000000000000000000000001\","
				 "\"0x0000000000000000000000000000000000000002\"]");
	unknown_init(&u, &profile, 9);
	cr_expect_not(unknown_is_due(&u, 100, 1), "nothing of ours is there");
	profile.has_others = false;
	unknown_init(&u, &profile, 7);
	cr_expect_not(unknown_is_due(&u, 100, 1), "the profile does not say what else there is");
}

static void expect_look(uint64_t from, uint64_t to)
{
	cr_expect_eq(u.next, from, "from %lu", (unsigned long)u.next);
	cr_expect_eq(u.to, to, "to %lu", (unsigned long)u.to);
}

/* Block 0 is looked at first, then what an hour of the chain has added. */
Test(unknown, each_hour_of_the_chain, .init = begin)
{
	cr_assert(unknown_is_due(&u, 40, 1000));
	expect_look(0, 40);
	unknown_looked(&u, 9);
	cr_assert(unknown_is_due(&u, 45, 1010), "it goes on");
	expect_look(10, 40);
	unknown_looked(&u, 40);
	cr_expect_not(unknown_is_due(&u, 60, 1000 + HOUR - 1));
	cr_assert(unknown_is_due(&u, 60, 1000 + HOUR));
	expect_look(41, 60);
	unknown_looked(&u, 60);
	cr_expect_not(unknown_is_due(&u, 60, 1000 + 5 * HOUR), "no new block is finalized");
	cr_assert(unknown_is_due(&u, 61, 1000 + 5 * HOUR));
	expect_look(61, 61);
}

Test(unknown, never_further_back_than_the_limit, .init = begin)
{
	cr_assert(unknown_is_due(&u, BACK - 1, 1));
	expect_look(0, BACK - 1);
	begin();
	cr_assert(unknown_is_due(&u, 10 * BACK, 1));
	expect_look(9 * BACK + 1, 10 * BACK);
	unknown_looked(&u, 10 * BACK);
	cr_assert(unknown_is_due(&u, 30 * BACK, 1 + HOUR), "after a long time without a node");
	expect_look(29 * BACK + 1, 30 * BACK);
}

/* One header with a time of its own neither stops the looks nor makes them many. */
Test(unknown, a_clock_that_lies, .init = begin)
{
	cr_assert(unknown_is_due(&u, 10, UINT64_MAX));
	unknown_looked(&u, 10);
	cr_assert(unknown_is_due(&u, 11, 1000), "the clock was put right");
	unknown_looked(&u, 11);
	cr_expect_not(unknown_is_due(&u, 12, 1001));
	cr_assert(unknown_is_due(&u, 12, 1000 + HOUR));
}

static bool add(unsigned contract, unsigned topic, uint64_t block)
{
	struct unknown_kind k = { .contract = contract, .block = block };

	be64_put(k.topic.b, topic);
	return unknown_add(&u.told, &k);
}

Test(unknown, each_kind_once, .init = begin)
{
	cr_expect(add(0, 1, 10));
	cr_expect_not(add(0, 1, 11));
	cr_expect_eq(u.told.kind[0].block, 10, "the first");
	cr_expect(add(1, 1, 12), "of another contract");
	for (unsigned i = 2; u.told.count < LIMIT_UNKNOWN_KINDS; i++)
		cr_assert(add(0, i, i));
	cr_expect_not(add(0, 999, 1), "there is no more room");
	cr_expect_eq(u.told.count, LIMIT_UNKNOWN_KINDS);
}

#define HASH "0x1111111111111111111111111111111111111111111111111111111111111111"
#define PLACE \
	"\"blockNumber\":\"0x5\",\"blockHash\":\"" HASH "\",\"transactionHash\":\"" HASH \
	"\",\"logIndex\":\"0x3\""
#define ADDRESS "\"address\":\"0x0000000000000000000000000000000000000009\""

static enum err name(const char *text, struct log_entry *out)
{
	cJSON *v = cJSON_Parse(text);
	enum err e = decode_name(v, out);

	cr_assert(v, "%s", text);
	cJSON_Delete(v);
	return e;
}

/* Of whatever contract and topic, and whatever it says: the data is not read. */
Test(unknown, the_name_of_a_log)
{
	struct log_entry e;

	cr_assert_eq(name("{" ADDRESS "," PLACE ",\"topics\":[\"" HASH "\"],\"data\":\"odd\"}", &e),
		     OK);
	cr_expect_eq(e.block, 5);
	cr_expect_eq(e.topics, 1);
	cr_expect_eq(e.topic[0].b[31], 0x11);
	cr_expect_eq(e.contract.b[19], 9);
	cr_expect_null(e.data);
	cr_expect_eq(name("{" ADDRESS "," PLACE ",\"topics\":[]}", &e), OK, "an anonymous event");
	cr_expect_eq(e.topics, 0);
	cr_expect_eq(name("{" ADDRESS "," PLACE ",\"topics\":[],\"removed\":true}", &e),
		     ERR_MISMATCH);
	cr_expect_eq(name("{" ADDRESS "," PLACE "}", &e), ERR_FORMAT);
	cr_expect_eq(name("{" ADDRESS ",\"topics\":[]}", &e), ERR_FORMAT);
	cr_expect_eq(name("{" PLACE ",\"topics\":[]}", &e), ERR_FORMAT);
	cr_expect_eq(name("{" ADDRESS "," PLACE ",\"topics\":[\"" HASH "\",\"" HASH "\",\"" HASH
			  "\",\"" HASH "\",\"" HASH "\"]}",
			  &e),
		     ERR_FORMAT);
}
