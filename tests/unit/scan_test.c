/* scan_test - every transaction of an account is found, whatever the chain looks like. */
#include "executor/scan.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "common/bytes.h"

TestSuite(scan, .timeout = 20);

#define BLOCKS 5000

/* A scripted chain: how many of ours each block holds. */
static unsigned sent[BLOCKS];
static unsigned counts, reads, found;

static uint64_t nonce_at(uint64_t block)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i <= block; i++)
		n += sent[i];
	return n;
}

/* To the head, one answer after the other. */
static void run(struct scan *s, uint64_t head)
{
	uint64_t block;

	counts = reads = 0;
	for (unsigned steps = 0;; steps++) {
		enum scan_wants what = scan_next(s, head, &block);
		cr_assert_lt(steps, 4 * BLOCKS, "it does not end");
		if (what == SCAN_NOTHING)
			return;
		cr_assert_leq(block, head);
		if (what == SCAN_COUNT) {
			counts++;
			scan_counted(s, block, nonce_at(block));
		} else {
			reads++;
			cr_expect_gt(sent[block], 0, "block %u was read in vain", (unsigned)block);
			found += sent[block];
			scan_read(s, block, sent[block]);
		}
	}
}

static void clear(void)
{
	memset(sent, 0, sizeof(sent));
	found = 0;
}

Test(scan, nothing_begun, .init = clear)
{
	struct scan s = { .has_from = false };
	uint64_t block;

	cr_assert_eq(scan_next(&s, 100, &block), SCAN_NOTHING);
	cr_expect_not(scan_covers(&s, 5));
	scan_retract(&s, 5);
	cr_assert_eq(scan_next(&s, 100, &block), SCAN_NOTHING);
}

Test(scan, an_idle_account_costs_one_call, .init = clear)
{
	struct scan s;

	sent[3] = 7;	/* before */
	scan_begin(&s, 10);
	run(&s, 4000);
	cr_expect_eq(counts, 2);
	cr_expect_eq(reads, 0);
	run(&s, 4999);
	cr_expect_eq(counts, 1);
	cr_expect_eq(s.at, 4999);
	cr_expect(scan_covers(&s, 11));
	cr_expect_not(scan_covers(&s, 10));
}

Test(scan, one_transaction_far_away, .init = clear)
{
	struct scan s;

	sent[1234] = 1;
	scan_begin(&s, 0);
	run(&s, 4999);
	cr_expect_eq(found, 1);
	cr_expect_eq(reads, 1);
	cr_expect_leq(counts, 2 + 13);
}

Test(scan, chains_of_all_sorts)
{
	unsigned seed = 20250412;

	for (unsigned round = 0; round < 200; round++) {
		struct scan s;
		unsigned all = 0, every = 1 + (unsigned)rand_r(&seed) % 50;
		uint64_t from = (uint64_t)rand_r(&seed) % 100, head = from;

		clear();
		for (unsigned i = 0; i < 600; i++)
			sent[i] = (unsigned)rand_r(&seed) % every ? 0 : 1 + (unsigned)rand_r(&seed) % 3;
		for (unsigned i = (unsigned)from + 1; i < 600; i++)
			all += sent[i];
		scan_begin(&s, from);
		while (head < 599) {
			head += 1 + (uint64_t)rand_r(&seed) % 200;
			head = head < 599 ? head : 599;
			run(&s, head);
		}
		cr_expect_eq(found, all, "seed round %u", round);
		cr_expect_eq(s.at, 599);
		cr_expect_eq(s.nonce, nonce_at(599));
	}
}

/* Blocks that left: their transactions are looked for again, others are not. */
Test(scan, reorganisation, .init = clear)
{
	struct scan s;

	sent[100] = sent[200] = 1;
	scan_begin(&s, 50);
	run(&s, 300);
	cr_expect_eq(found, 2);
	sent[200] = 0;
	sent[150] = 1;
	sent[220] = 1;
	scan_retract(&s, 140);
	cr_expect(scan_covers(&s, 100));
	run(&s, 300);
	cr_expect_eq(found, 4);
	scan_retract(&s, 20);
	cr_expect(scan_covers(&s, 20));
	cr_expect_not(scan_covers(&s, 19));
	run(&s, 300);
	cr_expect_eq(found, 7);
}

/* A node that says less than before, or a block with another count: asked again, never believed. */
Test(scan, contradictions, .init = clear)
{
	struct scan s;
	uint64_t block;

	sent[60] = 2;
	scan_begin(&s, 50);
	cr_assert_eq(scan_next(&s, 70, &block), SCAN_COUNT);
	scan_counted(&s, block, 5);
	cr_assert_eq(scan_next(&s, 70, &block), SCAN_COUNT);
	cr_expect_eq(block, 70);
	scan_counted(&s, block, 4);
	cr_expect_not(s.has_nonce);
	scan_begin(&s, 59);
	scan_counted(&s, 59, 0);
	scan_counted(&s, 60, 2);
	cr_assert_eq(scan_next(&s, 60, &block), SCAN_BLOCK);
	scan_read(&s, block, 1);
	cr_expect_eq(s.at, 59);
	cr_expect_not(s.has_nonce);
	run(&s, 60);
	cr_expect_eq(found, 2);
}
