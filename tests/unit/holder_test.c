/* holder - who is asked for a ciphertext, and who is asked last. */

#include <criterion/criterion.h>

#include "executor/holder.h"

TestSuite(holder, .timeout = 10);

static struct holders all;
static struct addr list[3];

static void begin(void)
{
	all.count = 0;
	for (uint8_t i = 0; i < ARRAY_LEN(list); i++)
		list[i].b[0] = (uint8_t)(i + 1);
}

/* The order in which one request asks all, as a number: 012, 120, ... */
static unsigned order(unsigned first, uint64_t now_ms)
{
	uint64_t asked = 0;
	unsigned n = 0;
	int at;

	while ((at = holder_next(&all, list, ARRAY_LEN(list), first, &asked, now_ms)) >= 0)
		n = n * 10 + (unsigned)at;
	return n;
}

Test(holder, each_once_from_a_place_on, .init = begin)
{
	cr_assert_eq(order(0, 1), 12);
	cr_assert_eq(order(1, 1), 120);
	cr_assert_eq(order(2, 1), 201);
}

Test(holder, the_silent_come_last_but_are_asked, .init = begin)
{
	holder_was_silent(&all, &list[0], 1000);
	cr_assert_eq(order(0, 1000), 120);
	holder_was_silent(&all, &list[2], 1000);
	cr_assert_eq(order(0, 1001), 102);
	holder_was_silent(&all, &list[1], 1001);
	cr_assert_eq(order(0, 1002), 12, "when none answers the order is the same again");
	holder_answered(&all, &list[0]);
	cr_assert_eq(order(2, 1003), 21);
	holder_answered(&all, &list[0]);
	cr_assert_eq(all.count, 2);
}

Test(holder, after_a_while_one_request_finds_out, .init = begin)
{
	holder_was_silent(&all, &list[0], 1000);
	cr_assert_eq(order(0, 1000 + HOLDER_SILENT_MS - 1), 120);
	cr_assert_eq(order(0, 1000 + HOLDER_SILENT_MS), 12, "this one");
	cr_assert_eq(order(0, 1001 + HOLDER_SILENT_MS), 120, "the others do not wait for it");
}

Test(holder, no_more_than_there_is_room_for, .init = begin)
{
	struct addr a = { { 0 } };

	for (unsigned i = 0; i < 2 * BUCKETS_MAX; i++) {
		a.b[19] = (uint8_t)i;
		a.b[18] = (uint8_t)(i >> 8);
		holder_was_silent(&all, &a, 1);
	}
	cr_assert_eq(all.count, BUCKETS_MAX);
	cr_assert_eq(order(0, 1), 12);
}
