/* clock - milliseconds; apart from the loop, because not every process has one. */

#include "common/loop.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static uint64_t clock_ms(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t clock_unix_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

uint64_t clock_mono_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

/* What chains say may lie beyond all calendars. */
const char *clock_text(uint64_t unix_s, char out[CLOCK_TEXT])
{
	time_t t = (time_t)unix_s;
	struct tm tm;

	if (unix_s > INT64_MAX || !gmtime_r(&t, &tm) ||
	    !strftime(out, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(out, CLOCK_TEXT, "second %" PRIu64, unix_s);
	return out;
}
