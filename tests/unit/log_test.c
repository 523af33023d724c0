/* log_test - the limit of lines in a second, and a sink that nobody empties. */
#include "common/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SPEAKS_NS = 100000000 };

static int sink;	/* read end of the pipe that stands for stderr */

static void open_sink(void)
{
	int ends[2];

	cr_assert_eq(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	cr_assert_neq(dup2(ends[1], STDERR_FILENO), -1);
	close(ends[1]);
	sink = ends[0];
	log_open("test", "logfmt", LOG_INFO);
}

TestSuite(log, .timeout = 10, .init = open_sink);

static struct timespec wall(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return ts;
}

/* All lines that are there, as one text. */
static const char *lines(void)
{
	static char text[1 << 17];
	size_t len = 0;
	for (ssize_t n; (n = read(sink, text + len, sizeof(text) - 1 - len)) > 0;)
		len += (size_t)n;
	text[len] = 0;
	return text;
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;
	for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
		n++;
	return n;
}

/*
 * As many lines as can be said from the moment a second begins, the one before having room left:
 * the lines that bear the second's name are as many as the limit, by whichever clock one counts.
 */
Test(log, no_second_has_more_lines_than_the_limit)
{
	unsigned said = 0;
	char second[sizeof("ts=2026-01-01T00:00:00")];
	struct tm tm;
	time_t before = wall().tv_sec;
	struct timespec now;

	log_say(EV_G003_link_up, "n=0");
	lines();
	while ((now = wall()).tv_sec == before)
		;
	gmtime_r(&now.tv_sec, &tm);
	strftime(second, sizeof(second), "ts=%FT%T", &tm);
	for (time_t began = now.tv_sec; now.tv_sec == began && now.tv_nsec < SPEAKS_NS; now = wall())
		log_say(EV_G003_link_up, "n=%u", ++said);
	cr_assert_gt(said, 2 * LOG_LINES_MAX);
	cr_assert_eq(count(lines(), second), LOG_LINES_MAX);
}

Test(log, what_is_said_often_leaves_room_for_a_warning)
{
	while (wall().tv_nsec > 500000000L)
		usleep(1000);
	for (unsigned i = 0; i < 2 * LOG_LINES_MAX; i++)
		log_say(EV_G003_link_up, "n=%u", i);
	log_say(EV_G005_link_refused, "n=1");
	const char *all = lines();
	cr_assert_eq(count(all, "level=info"), LOG_LINES_MAX);
	cr_assert_eq(count(all, "level=warn"), 1);
	cr_assert_eq(count(all, " dropped=50"), 1);
}

/* A pipe that is full takes no line; nobody waits for it, and the loss is told afterwards. */
Test(log, a_full_sink_stops_nobody)
{
	static const char filler[4096];

	while (write(STDERR_FILENO, filler, sizeof(filler)) > 0)
		;
	log_say(EV_G003_link_up, "n=1");
	log_say(EV_G003_link_up, "n=2");
	while (read(sink, (char[4096]){ 0 }, 4096) > 0)
		;
	log_say(EV_G003_link_up, "n=3");
	const char *all = lines();
	cr_assert_eq(count(all, "\n"), 1);
	cr_assert_not_null(strstr(all, "n=3 dropped=2"), "%s", all);
}
