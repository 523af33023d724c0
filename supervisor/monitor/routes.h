/*
 * routes - what can be asked for at the window, and who answers.
 *
 *	/livez				200 while all loops turn, else 503
 *	/readyz				200 when all processes can do their work, else 503; a line each
 *	/metrics			Prometheus text
 *	/v1/status			JSON: stages, figures, processes
 *	/v1/requests?state=&kind=&limit=&before=	JSON: newest first
 *	/v1/requests/ID			JSON: one request, "public-7"
 *	/				a page for people
 */
#pragma once

#include "supervisor/monitor/asks.h"
#include "supervisor/monitor/figures.h"
#include "supervisor/monitor/server.h"

struct routes {
	struct figures figures;
	struct asks *asks;	/* owned by main */
};

void routes_request(struct routes *r, struct client *c, const char *path, const char *query);
