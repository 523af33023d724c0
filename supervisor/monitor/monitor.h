/*
 * monitor - the window: its server, its questions, the pages it reads.
 */
#pragma once

#include "supervisor/monitor/routes.h"

struct monitor {
	struct loop *loop;		/* owned, as are the next two */
	struct server *server;
	struct routes routes;
	uint64_t stalled_said_ms;	/* monotonic */
};

/* From the inherited descriptors http, counters.<role> and the link monitor.sock. */
void monitor_open(struct monitor *self);
int monitor_close(struct monitor *self, int code);	/* gives CODE back */
