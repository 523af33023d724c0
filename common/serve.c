/* serve - run a process's loop until it is asked to stop or the supervisor is gone. */

#include "common/proc.h"

#include <signal.h>

#include "common/log.h"

#define BEAT_S 1.0

static void on_beat(void *owner)
{
	(void)owner;
	proc_beat(clock_mono_ms());
}

static void on_stop(void *owner, int signo)
{
	(void)signo;
	log_say(EV_G002_stopping, "reason=signal");
	loop_stop(owner);
}

static void on_alive(void *owner, unsigned events)
{
	(void)events;
	log_say(EV_G002_stopping, "reason=\"the supervisor is gone\"");
	loop_stop(owner);
}

int proc_serve(struct loop *loop)
{
	struct timer *beat = timer_new(loop, on_beat, NULL);
	struct watch *alive = NULL;

	timer_start(beat, 0, BEAT_S);
	if (proc_fd("alive") >= 0)
		alive = watch_new(loop, proc_fd("alive"), WATCH_READ, on_alive, loop);
	loop_on_signal(loop, SIGTERM, on_stop, loop);
	loop_on_signal(loop, SIGINT, on_stop, loop);
	loop_run(loop);
	watch_free(&alive);
	timer_free(&beat);
	return EXIT_ok;
}
