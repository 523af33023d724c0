/* lane - how often an answer tries whether a pause is over. */

#include <criterion/criterion.h>

#include "submitter/submitter.h"

TestSuite(lane, .timeout = 10);

/* With a pause that has lasted so long. */
static unsigned canary_ms(enum pause pause, uint64_t seconds)
{
	struct lane l = { .pause = pause, .paused_ms = clock_mono_ms() - 1000 * seconds };

	return lane_canary_ms(&l);
}

Test(lane, canaries_come_less_and_less_often)
{
	cr_assert_eq(canary_ms(PAUSE_revert, 0), 1000);
	cr_assert_eq(canary_ms(PAUSE_revert, 3), 1000);
	cr_assert(canary_ms(PAUSE_revert, 20) >= 5000 && canary_ms(PAUSE_revert, 20) < 5500);
	cr_assert_eq(canary_ms(PAUSE_revert, 3600), 30000);
	cr_assert_eq(canary_ms(PAUSE_contract, 3600), 5000);
	cr_assert_eq(canary_ms(PAUSE_base_fee, 3600), 0, "nobody has to try");
	cr_assert_eq(canary_ms(PAUSE_none, 3600), 0);
}
