/*
 * routes - what can be asked for at the window, and who answers.
 */
#pragma once

#include "supervisor/monitor/asks.h"
#include "supervisor/monitor/events.h"
#include "supervisor/monitor/figures.h"
#include "supervisor/monitor/server.h"

/* path ("*" at its end: one more word), who answers, what may follow it, what it gives */
#define ROUTES(R) \
	R("/livez",         on_livez,   "", "200 while all loops turn, else 503") \
	R("/readyz",        on_readyz,  "", "200 when all processes can do their work, else 503; a line each") \
	R("/metrics",       on_metrics, "", "counters, as Prometheus reads them") \
	R("/v1/status",     on_status,  "", "JSON: stages, figures, processes") \
	R("/v1/requests",   on_list,    "?state=&kind=&since=&until=&reason=&before=&limit=", \
	  "JSON: requests, newest first; since and until in Unix milliseconds of when it was first seen, " \
	  "reason a part of it, limit up to 200. A page may be short; \"next\" is the before of the " \
	  "following one, null after the last") \
	R("/v1/requests/*", on_one,     "", "JSON: one request (public-7) with the history of its states") \
	R("/v1/events",     on_events,  "?since=&id=&kind=&state=", \
	  "server-sent events: each change of state once, in order, from now on or after the sequence " \
	  "number in Last-Event-ID or since (0: all that are kept); state takes several (done,refused). " \
	  "\"event: reset\": some before this number are not kept any more, or the store is another") \
	R("/",              on_page,    "", "a page for people")

struct routes {
	struct figures figures;
	struct asks *asks;	/* owned by main, as is the next */
	struct events *events;
};

void routes_request(struct routes *r, struct client *c, const char *path, const char *query);
