/*
 * rows - requests and their changes of state, as commands print them.
 */
#pragma once

#include "proto/ipc.h"

#define ROWS_TIME 24
#define ROWS_BYTES 8192		/* of one row, or one change, as JSON */

/* "2025-04-07 12:00:00", UTC. */
const char *rows_time(uint64_t unix_ms, char out[ROWS_TIME]);

/* One line: when, [which,] state, block, transaction, reason. */
void rows_print_change(const struct msg_change *m, bool with_id);

/* An id such as public-7; a line on standard error if it is none. */
bool rows_parse_id(const char *word, uint64_t *kind_out, struct b32 *id_out);
