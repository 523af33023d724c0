/* clock_test - times for people. */
#include "common/loop.h"

#include <criterion/criterion.h>

TestSuite(clock, .timeout = 10);

Test(clock, text)
{
	char out[CLOCK_TEXT];

	cr_assert_str_eq(clock_text(0, out), "1970-01-01T00:00:00Z");
	cr_assert_str_eq(clock_text(1796040000, out), "2026-11-30T12:00:00Z");
	cr_assert_str_eq(clock_text(UINT64_MAX, out), "second 18446744073709551615");
	cr_assert_str_eq(clock_text(INT64_MAX, out), "second 9223372036854775807");
}
