/* ahead_test - turns of the head beside the reading of what is far behind it. */
#include "listener/ahead.h"

#include <criterion/criterion.h>

TestSuite(ahead, .timeout = 20);

/* The head has its turn, and reads up to LAST in it. */
static void turn(struct ahead *a, uint64_t *next, uint64_t head, uint64_t first, uint64_t last)
{
	uint64_t behind = *next;

	cr_assert(ahead_begin(a, next, head));
	cr_assert(a->on);
	cr_assert_eq(*next, first);
	*next = last + 1;
	ahead_end(a, next);
	cr_assert_not(a->on);
	cr_assert_eq(*next, behind);
	cr_assert_eq(a->next, last + 1);
}

/* One part of what is behind, then the newest blocks, each of them once. */
Test(ahead, turns)
{
	struct ahead a = { .on = false };
	uint64_t next = 100;

	turn(&a, &next, 10000, 10000 - AHEAD_BLOCKS + 1, 10000);
	cr_assert_not(ahead_begin(&a, &next, 10010), "nothing was read behind");
	next = 200;
	turn(&a, &next, 10010, 10001, 10010);
	next = 300;
	cr_assert_not(ahead_begin(&a, &next, 10010), "there is nothing new");
	turn(&a, &next, 10011, 10011, 10011);
	next = 400;	/* a turn that was not enough goes on in the next one */
	turn(&a, &next, 10020, 10012, 10015);
	next = 500;
	turn(&a, &next, 10020, 10016, 10020);
	next = 600;	/* what is left behind by a leap is read with the rest */
	turn(&a, &next, 20000, 20000 - AHEAD_BLOCKS + 1, 20000);
}

/* Whoever is near the head needs no turns; also where the chain has only begun. */
Test(ahead, near_the_head)
{
	struct ahead a = { .on = false };
	uint64_t next = 1;

	cr_assert_not(ahead_begin(&a, &next, 0));
	cr_assert_not(ahead_begin(&a, &next, AHEAD_BLOCKS));
	cr_assert_not(a.on);
	cr_assert_eq(next, 1u);
	turn(&a, &next, AHEAD_BLOCKS + 1, 2, AHEAD_BLOCKS + 1);
	next = 1000 - AHEAD_BLOCKS + 1;
	cr_assert_not(ahead_begin(&a, &next, 1000));
	next = 2000;
	cr_assert_not(ahead_begin(&a, &next, 1000));
}

/* What is behind cannot be read now: the head has its turn after each attempt. */
Test(ahead, trouble_behind)
{
	struct ahead a = { .on = false };
	uint64_t next = 100;

	turn(&a, &next, 1000, 1000 - AHEAD_BLOCKS + 1, 1000);
	cr_assert_not(ahead_begin(&a, &next, 1001));
	ahead_tried(&a);
	turn(&a, &next, 1001, 1001, 1001);
	cr_assert_not(ahead_begin(&a, &next, 1002));
}

/* And a trouble of its own ends its turn, which is not repeated at once. */
Test(ahead, trouble_in_a_turn)
{
	struct ahead a = { .on = false };
	uint64_t next = 100;

	cr_assert(ahead_begin(&a, &next, 1000));
	ahead_tried(&a);
	ahead_end(&a, &next);
	cr_assert_eq(next, 100u);
	cr_assert_eq(a.next, 1000u - AHEAD_BLOCKS + 1);
	cr_assert_not(ahead_begin(&a, &next, 1000));
	next = 200;
	turn(&a, &next, 1000, 1000 - AHEAD_BLOCKS + 1, 1000);
}

/* Blocks that were read ahead left the chain: those in their place are read ahead, too. */
Test(ahead, reorganisation)
{
	struct ahead a = { .on = false };
	uint64_t next = 100;

	turn(&a, &next, 1000, 1000 - AHEAD_BLOCKS + 1, 1000);
	ahead_cut(&a, 1005);
	cr_assert_eq(a.next, 1001u);
	ahead_cut(&a, 990);
	next = 200;
	turn(&a, &next, 1001, 990, 1001);
	ahead_end(&a, &next);	/* nothing: it has no turn */
	cr_assert_eq(next, 200u);
}
