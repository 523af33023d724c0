/*
 * pages - the counter pages of all processes: made here, written by their owners.
 *
 * A page is a sealed memfd (its size is fixed: a process that cut it would stop its readers)
 * that outlives the process; the monitor gets descriptors that can only be read.
 */
#pragma once

#include "common/bytes.h"
#include "proto/counters.h"
#include "proto/ipc.h"

struct pages {
	int fd[ROLE_COUNT];		/* for the owner; -1: the role has no page */
	int readable[ROLE_COUNT];	/* for the monitor */
	struct counter_page *page[ROLE_COUNT];
};

/* ERR_IO when the system gives no memory or /proc is not mounted. */
enum err pages_open(struct pages *p) MUST_CHECK;
void pages_close(struct pages *p);

bool has_page(enum ipc_role role);	/* all but the operator's command */

/* A new process is about to write it. */
void page_begin(struct counter_page *page, uint64_t restarts, uint64_t now_ms);
/* Its process is gone. */
void page_end(struct counter_page *page);
