/*
 * window - what an operator is shown, as JSON: rows, stages and figures of the executor.
 *
 * The command line (--json) and the monitor print the same objects.  Members that have no
 * value yet (transaction, nonce, next attempt) are null, never 0.
 */
#pragma once

#include "common/text.h"
#include "proto/ipc.h"

void window_row(struct text *t, const struct msg_row *m);	/* {"id":"public-7",...} */
void window_change(struct text *t, const struct msg_change *m);	/* {"seq":12,...} */
void window_stage(struct text *t, const struct msg_stage *m);	/* {"name":"core",...} */
void window_figure(struct text *t, const struct msg_figure *m);	/* "open":12 */

/* A row with its history: begin, a step for each change, end. */
void window_row_begin(struct text *t, const struct msg_row *m);
void window_row_step(struct text *t, const struct msg_change *m);
void window_row_end(struct text *t);

const char *window_stage_state(uint64_t state);	/* "runs", "paused", "paused by an operator" */
