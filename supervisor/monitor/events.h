/*
 * events - /v1/events: each change of state to each client, from the executor's record.
 *
 * No history is kept here.  One follow waits at the tip of the record for all clients that have
 * heard everything; those who come back, or were too slow for what came, are brought there one
 * part at a time, LIMIT_PARTS_PER_S in a second however many they are.  What a client takes
 * slowly waits in the store.
 *
 * A client hears: "id: SEQ / event: state / data: {change}" for each change, "event: reset" when
 * what came after its number is not all there, and a comment when there is nothing to say.
 */
#pragma once

#include "common/bytes.h"
#include "common/loop.h"
#include "supervisor/monitor/server.h"

struct events;		/* owned by the process */

/* Which changes a client wants; 0 filters nothing. */
struct events_ask {
	bool has_from;		/* else from now on */
	uint64_t from;		/* sequence number that it has heard; 0: none */
	uint64_t kind, states;	/* states: bit of each */
	bool has_id;		/* of that kind */
	struct b32 id;
};

struct events *events_new(struct loop *loop, const char *path);
void events_free(struct events **e);

/* False when as many follow as may; the client is then still to be answered. */
bool events_open(struct events *e, struct client *c, const struct events_ask *ask) MUST_CHECK;
void events_room(struct events *e);			/* a client has taken what waited */
void events_gone(struct events *e, const struct client *c);
