/*
 * line - who waits for room, in two lanes: what is asked just now before what waited for days.
 *
 * The live lane goes first, the backlog has at least one turn in four, so that neither waits for
 * the other's end.
 */
#pragma once

#include <stdbool.h>

struct op;

enum lane { LANE_LIVE, LANE_BACKLOG, LANES };
#define BACKLOG_TURN 4		/* each so many turns it is the backlog's */

/* Where operations wait: for room at the Core, credit at the submitter, the end of the turn. */
enum line_name { LINE_CORE, LINE_SUBMIT, LINES };

/* Of an operation, in each line. */
struct line_place { struct op *next; bool waits; };

struct line {
	enum line_name name;
	struct op *first[LANES], **last[LANES];
	unsigned turns;
};

void line_init(struct line *l, enum line_name name);
void line_join(struct line *l, struct op *op);		/* it does not wait there yet */
void line_leave(struct line *l, struct op *op);		/* nothing, when it does not wait there */
bool line_is_empty(const struct line *l);
struct op *line_take(struct line *l);			/* the next one, taken off; NULL: empty */
