/* range_test - how many blocks are asked for at once, for sparse and dense chains. */
#include "listener/range.h"

#include <criterion/criterion.h>

TestSuite(range, .timeout = 20);

/* Ranges until BLOCKS are read, each of which holds PER_BLOCK logs; *most_out: logs in one reply. */
static unsigned read_all(struct range *r, uint64_t blocks, unsigned per_block, uint64_t *most_out)
{
	unsigned ranges = 0;

	for (; blocks; ranges++) {
		uint64_t size = r->size < blocks ? r->size : blocks;

		if (size * per_block > *most_out)
			*most_out = size * per_block;
		range_took(r, (unsigned)(size * per_block));
		blocks -= size;
	}
	return ranges;
}

Test(range, empty_chain)
{
	struct range r;
	uint64_t most = 0;

	range_begin(&r);
	cr_assert_lt(read_all(&r, 10000000, 0, &most), 1100u);
	cr_assert_eq(r.size, (uint64_t)RANGE_MAX);
}

/* However dense, no reply after the first few holds much more than is wanted. */
Test(range, dense_chain)
{
	for (unsigned per_block = 1; per_block <= 1000; per_block *= 10) {
		struct range r;
		uint64_t most = 0;

		range_begin(&r);
		read_all(&r, 2000, per_block, &most);
		cr_assert_leq(most, per_block * RANGE_FIRST > 2 * RANGE_LOGS
					    ? per_block * RANGE_FIRST
					    : 2 * RANGE_LOGS);
		most = 0;
		read_all(&r, 1000, per_block, &most);
		cr_assert_leq(most, per_block > 2 * RANGE_LOGS ? per_block : 2 * RANGE_LOGS);
	}
}

/* Dense blocks among sparse ones: small for a while, and large again. */
Test(range, grows_again)
{
	struct range r;
	uint64_t most = 0;

	range_begin(&r);
	read_all(&r, 100, 600, &most);
	cr_assert_eq(r.size, 1u);
	cr_assert_lt(read_all(&r, 1000000, 0, &most), 500u);
	cr_assert_eq(r.size, (uint64_t)RANGE_MAX);
}

/* A node that permits few: never less than one. */
Test(range, refused)
{
	struct range r;

	range_begin(&r);
	for (unsigned i = 0; i < 10; i++)
		range_shrink(&r);
	cr_assert_eq(r.size, 1u);
	for (unsigned i = 0; i < 15; i++)
		range_took(&r, 0);
	cr_assert_eq(r.size, 1u, "not at once again");
	range_took(&r, 0);
	cr_assert_eq(r.size, 2u);
}
