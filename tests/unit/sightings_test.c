/* sightings_test - two who speak of a block, and disagree. */

#include <criterion/criterion.h>

#include "executor/sightings.h"

static const struct b32 one = { { 1 } }, two = { { 2 } };

Test(sightings, the_newest_of_a_number_counts)
{
	struct sightings s = { 0 };

	cr_assert_null(sightings_find(&s, 0));
	cr_assert_null(sightings_find(&s, 7));
	sightings_add(&s, 7, &one);
	sightings_add(&s, 8, &one);
	sightings_add(&s, 7, &two);
	cr_assert(b32_eq(&sightings_find(&s, 7)->hash, &two));
	for (uint64_t n = 100; n < 100 + SIGHTINGS_MAX; n++)
		sightings_add(&s, n, &one);
	cr_assert_null(sightings_find(&s, 7), "the oldest make room");
	cr_assert_not_null(sightings_find(&s, 100));
}

Test(sightings, another_hash_is_taken_out_once)
{
	struct sightings s = { 0 };
	struct sighting out;

	cr_assert_not(sightings_take_other(&s, 0, &one, &out));
	sightings_add(&s, 7, &one);
	sightings_add(&s, 7, &two);
	cr_assert_not(sightings_take_other(&s, 8, &one, &out));
	cr_assert(sightings_take_other(&s, 7, &two, &out));
	cr_assert_eq(out.number, 7);
	cr_assert(b32_eq(&out.hash, &one));
	cr_assert_not(sightings_take_other(&s, 7, &two, &out));
}
