/*
 * monitor - the window for operators: shows what happens, can change nothing.
 *
 * Hears:  GET requests; from the executor, rows, stages, figures, changes.
 * Says:   query and follow to the executor; pages, JSON, metrics and events to who asks.
 * Owns:   its clients, until they have their answer.
 * Trusts: nobody.  Whoever can reach the port may read what is shown; the worst a client can
 *         get is the place of another for two seconds.
 */

#include "common/proc.h"
#include "supervisor/monitor/monitor.h"

int main(int argc, char **argv)
{
	static struct monitor self;

	proc_start(ROLE_MONITOR, argc, argv);
	monitor_open(&self);
	proc_confine(RIGHTS_WINDOW);	/* no way back; from here all input is hostile */
	return monitor_close(&self, proc_serve(self.loop));
}
