/*
 * limits - what is kept and told of the requests' changes of state and of the contracts' events,
 * and how much of it.
 */
#pragma once

/* name, value, what is limited */
#define LIMITS(L) \
	L(CHANGES_KEPT,     5000000, "changes of state in the store; above it those of the requests that ended first are removed; all go with their request, 30 days after its end") \
	L(CHANGES_SHOWN,    100,     "changes of state that are shown of one request, the latest") \
	L(CHANGES_PART,     250,     "changes of state in one part of a stream") \
	L(PARTS_PER_S,      100,     "parts that all streams together read again from the store in a second") \
	L(LIST_ROWS,        1000,    "rows of one page of list; 200 of /v1/requests") \
	L(LIST_LOOKED_AT,   5000,    "requests that are looked at for one part of a filtered list") \
	L(EVENTS_CLIENTS,   32,      "clients of /v1/events; one more is answered 503") \
	L(EVENTS_BUFFER,    524288,  "bytes that wait for one client of /v1/events; the rest stays in the store") \
	L(EVENTS_STALL_S,   10,      "seconds for which a client of /v1/events may take nothing of what waits; then it is cut off") \
	L(EVENTS_ALIVE_S,   15,      "seconds between two comment lines that show a client of /v1/events that we live") \
	L(UNKNOWN_EVERY_S,  3600,    "seconds of the chain's time between two looks for events that the profile does not know") \
	L(UNKNOWN_BACK,     50000,   "blocks below the finalized one; older ones are not looked at for such events") \
	L(UNKNOWN_KINDS,    32,      "such events of one chain that are told, each once from one start to the next; all are counted")

enum limit {
#define L(name, value, text) LIMIT_##name = value,
	LIMITS(L)
#undef L
};
