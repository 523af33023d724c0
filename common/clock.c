/* clock - milliseconds; apart from the loop, because not every process has one. */

#include "common/loop.h"

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
