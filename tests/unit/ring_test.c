/* ring_test - the blocks we follow, and the walk back under scripted chains. */
#include "listener/ring.h"

#include <criterion/criterion.h>

TestSuite(ring, .timeout = 20);

static struct ring ring;

/* Block NUMBER of chain FORK. */
static struct b32 hash_of(uint64_t number, unsigned fork)
{
	struct b32 h = { { 0 } };

	be64_put(h.b, number);
	h.b[31] = (uint8_t)fork;
	return h;
}

static void add(uint64_t number, unsigned fork)
{
	struct b32 h = hash_of(number, fork);

	ring_add(&ring, number, &h, number);
}

static void fill(uint64_t from, uint64_t to)
{
	ring_clear(&ring);
	for (uint64_t n = from; n <= to; n++)
		add(n, 0);
}

static enum ring_fit fit(uint64_t number, unsigned fork, unsigned parent_fork)
{
	struct b32 h = hash_of(number, fork), p = hash_of(number - 1, parent_fork);

	return ring_fit(&ring, number, &h, &p);
}

Test(ring, stays_sorted)
{
	static const uint64_t order[] = { 7, 3, 9, 5, 3, 8, 1 };

	ring_clear(&ring);
	cr_assert_null(ring_top(&ring));
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		add(order[i], 0);
	cr_assert_eq(ring.count, 6);
	for (unsigned i = 1; i < ring.count; i++)
		cr_assert_lt(ring.block[i - 1].number, ring.block[i].number);
	cr_assert_eq(ring_top(&ring)->number, 9);
	cr_assert_eq(ring_find(&ring, 5)->number, 5);
	cr_assert_null(ring_find(&ring, 4));
}

Test(ring, one_block_is_forgotten)
{
	fill(5, 9);
	ring_forget(&ring, 4);
	ring_forget(&ring, 10);
	cr_assert_eq(ring.count, 5);
	ring_forget(&ring, 7);
	cr_assert_eq(ring.count, 4);
	cr_assert_null(ring_find(&ring, 7));
	cr_assert_eq(fit(7, 1, 0), RING_FITS);
	cr_assert_eq(fit(9, 1, 0), RING_FORK);
	ring_forget(&ring, 9);
	ring_forget(&ring, 5);
	cr_assert_eq(ring_top(&ring)->number, 8);
	cr_assert_eq(ring.block[0].number, 6);
}

Test(ring, a_known_block_is_not_replaced)
{
	struct b32 h = hash_of(5, 0);

	fill(1, 9);
	add(5, 1);
	cr_assert(b32_eq(&ring_find(&ring, 5)->hash, &h));
}

Test(ring, what_fits)
{
	fill(10, 20);
	cr_assert_eq(fit(21, 0, 0), RING_FITS);
	cr_assert_eq(fit(21, 0, 1), RING_FORK, "another parent");
	cr_assert_eq(fit(20, 1, 0), RING_FORK, "another block");
	cr_assert_eq(fit(20, 0, 0), RING_FITS);
	cr_assert_eq(fit(30, 1, 1), RING_FITS, "far above: nothing is known");
	cr_assert_eq(fit(5, 1, 1), RING_FITS, "below");
}

Test(ring, the_lowest_leave_when_it_is_full)
{
	fill(1, RING_MAX + 10);
	cr_assert_eq(ring.count, RING_MAX);
	cr_assert_eq(ring.block[0].number, 11);
	add(5, 0);
	cr_assert_eq(ring.block[0].number, 11);
	cr_assert_eq(ring_top(&ring)->number, RING_MAX + 10);
}

Test(ring, where_to_read_again)
{
	cr_assert_eq(ring_reread(RING_MAX + 500, 0, 0), 500);
	cr_assert_eq(ring_reread(RING_MAX + 500, 0, 499), 500);
	cr_assert_eq(ring_reread(RING_MAX + 500, 0, 700), 700, "not before reading began");
	cr_assert_eq(ring_reread(100, 0, 0), 0);
	cr_assert_eq(ring_reread(100, 0, 100), 100);
	cr_assert_eq(ring_reread(100, 0, 101), 0, "older blocks were read on demand");
	cr_assert_eq(ring_reread(100, 90, 0), 91, "what was final is common");
	cr_assert_eq(ring_reread(100, 99, 95), 100);
	cr_assert_eq(ring_reread(100, 90, 95), 95);
	cr_assert_eq(ring_reread(100, 100, 0), 0, "it was final, and left all the same");
	cr_assert_eq(ring_reread(RING_MAX + 500, 400, 0), 500);
}

Test(ring, prune_keeps_one_at_or_below_finalized)
{
	fill(10, 20);
	ring_prune(&ring, 9);
	cr_assert_eq(ring.count, 11);
	ring_prune(&ring, 15);
	cr_assert_eq(ring.block[0].number, 15);
	ring_clear(&ring);
	add(10, 0);
	add(20, 0);
	ring_prune(&ring, 15);
	cr_assert_eq(ring.block[0].number, 10);
	ring_prune(&ring, 1000);
	cr_assert_eq(ring.count, 1);
	cr_assert_eq(ring.block[0].number, 20);
}

Test(ring, older)
{
	fill(10, 20);	/* seen at their number */
	cr_assert_eq(ring_older(&ring, 15)->number, 15);
	cr_assert_eq(ring_older(&ring, 100)->number, 20);
	cr_assert_null(ring_older(&ring, 9));
}

/*
 * A scripted chain: blocks up to SAME are ours, above it another fork, up to HEAD; some numbers
 * are not known.
 */
struct script {
	uint64_t same, head;
	uint64_t unknown_from, unknown_to;
};

static enum verdict ask(const struct script *s, uint64_t number)
{
	if (number > s->head || (number >= s->unknown_from && number <= s->unknown_to))
		return VERDICT_UNKNOWN;
	return number <= s->same ? VERDICT_STANDS : VERDICT_LEFT;
}

static enum walk_end walk(struct walk *w, const struct script *s, unsigned batch)
{
	enum walk_end end;

	walk_begin(w, &ring);
	while ((end = walk_end(w, &ring)) == WALK_MORE) {
		unsigned n = walk_ask(w, batch);

		cr_assert(n > 0 && n <= batch);
		for (unsigned i = 0; i < n; i++)
			walk_hear(w, ask(s, ring.block[w->low - 1].number));
	}
	return end;
}

Test(ring, depths)
{
	static const unsigned depths[] = { 1, 2, 7, 8, 9, 63, 64, 65, 1000, 4096 };

	for (size_t i = 0; i < ARRAY_LEN(depths); i++) {
		struct walk w;
		struct script s = { .same = 5000 - depths[i], .head = 6000 };

		fill(1, 5000);
		cr_assert_eq(walk(&w, &s, 64), WALK_ANCESTOR);
		cr_assert_eq(ring.block[w.stands].number, 5000 - depths[i]);
		cr_assert_eq(ring.block[w.left].number, 5001 - depths[i]);
		ring_cut(&ring, w.left);
		cr_assert_eq(ring_top(&ring)->number, 5000 - depths[i]);
	}
}

Test(ring, unknown_is_no_evidence)
{
	struct walk w;
	struct script all_null = { .same = 0, .head = 0 };
	struct script shorter = { .same = 100, .head = 90 };
	struct script gap = { .same = 50, .head = 100, .unknown_from = 49, .unknown_to = 60 };

	fill(1, 100);
	cr_assert_eq(walk(&w, &all_null, 8), WALK_NOTHING);
	cr_assert_eq(walk(&w, &shorter, 8), WALK_NOTHING, "a lower head of the same chain");

	/* Blocks that nobody knows about are not said to have left, and are not the ancestor. */
	cr_assert_eq(walk(&w, &gap, 8), WALK_ANCESTOR);
	cr_assert_eq(ring.block[w.left].number, 61);
	cr_assert_eq(ring.block[w.stands].number, 48);
}

Test(ring, a_shorter_fork)
{
	struct walk w;
	struct script s = { .same = 95, .head = 97 };

	fill(1, 100);
	cr_assert_eq(walk(&w, &s, 8), WALK_ANCESTOR);
	cr_assert_eq(ring.block[w.left].number, 96, "98 to 100 went with them");
	cr_assert_eq(ring.block[w.stands].number, 95);
}

Test(ring, no_common_block_is_known)
{
	struct walk w;
	struct script s = { .same = 10, .head = 200 };

	fill(50, 100);
	cr_assert_eq(walk(&w, &s, 64), WALK_BOTTOM);
	cr_assert_eq(w.left, 0);
}

Test(ring, gaps_do_not_matter)
{
	struct walk w;
	struct script s = { .same = 500, .head = 2000 };

	ring_clear(&ring);
	for (uint64_t n = 100; n <= 1000; n += 100)
		add(n, 0);
	cr_assert_eq(walk(&w, &s, 3), WALK_ANCESTOR);
	cr_assert_eq(ring.block[w.stands].number, 500);
	cr_assert_eq(ring.block[w.left].number, 600);
}

Test(ring, nothing_to_walk)
{
	struct walk w;

	ring_clear(&ring);
	walk_begin(&w, &ring);
	cr_assert_eq(walk_end(&w, &ring), WALK_NOTHING);
}
