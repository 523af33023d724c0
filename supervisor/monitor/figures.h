/*
 * figures - what the counter pages say: metrics, liveness, readiness, processes.
 */
#pragma once

#include "common/text.h"
#include "proto/counters.h"
#include "proto/ipc.h"

#define FIGURES_HUNG_MS 10000u

struct figures {
	const struct counter_page *page[ROLE_COUNT];	/* read-only maps; NULL: not handed on */
};

/* All for the Prometheus text format: kms_connector_<process>_<name>[_total]. */
void figures_metrics(const struct figures *f, uint64_t mono_ms, struct text *out);

/* True when the loops of all processes that run turn; one line for each that does not. */
bool figures_live(const struct figures *f, uint64_t mono_ms, struct text *out);

/* True when all processes can do their work; one line for each process. */
bool figures_ready(const struct figures *f, uint64_t mono_ms, struct text *out);

/* A JSON array: name, pid, ready, restarts, times, note. */
void figures_processes(const struct figures *f, uint64_t mono_ms, struct text *out);
