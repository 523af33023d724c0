/*
 * verdict - what a status of the Core means, on the start call and on the result call.
 * Source: the Core's error contract (NOT_FOUND, UNAVAILABLE and RESOURCE_EXHAUSTED may be tried
 * again) and what a restart of the Core, which forgets, makes of it.
 *
 *	ASK	it is known there: ask for the result
 *	MAYBE	it may be known there: later, and then ask for the result first
 *	TAKE	here is the result
 *	AGAIN	later, the same call
 *	FORGOT	it is not known there: start again with the same id
 *	DOWN	from the peer: not now or not ready; else the Core cannot be reached
 *	SLOW	from the peer: halve what is under way; else the message is too large for it
 *	REFUSE	the request can never succeed
 *	PAUSE	the Core refuses this node
 *	ODD	three times again, then held
 */
#pragma once

/*  status              on start  on result */
#define CORE_VERDICTS(V) \
	V(OK,                 ASK,    TAKE) \
	V(CANCELLED,          MAYBE,  AGAIN) \
	V(UNKNOWN,            MAYBE,  AGAIN) \
	V(INVALID_ARGUMENT,   REFUSE, REFUSE) \
	V(DEADLINE_EXCEEDED,  MAYBE,  AGAIN) \
	V(NOT_FOUND,          AGAIN,  FORGOT) \
	V(ALREADY_EXISTS,     ASK,    ODD) \
	V(PERMISSION_DENIED,  PAUSE,  PAUSE) \
	V(RESOURCE_EXHAUSTED, SLOW,   SLOW) \
	V(FAILED_PRECONDITION, ODD,   ODD) \
	V(ABORTED,            ODD,    ODD) \
	V(OUT_OF_RANGE,       ODD,    ODD) \
	V(UNIMPLEMENTED,      ODD,    ODD) \
	V(INTERNAL,           ODD,    ODD) \
	V(UNAVAILABLE,        DOWN,   DOWN) \
	V(DATA_LOSS,          ODD,    ODD) \
	V(UNAUTHENTICATED,    PAUSE,  PAUSE)

enum core_verdict {
	VERDICT_ODD,	/* also of a status nobody knows */
	VERDICT_ASK, VERDICT_MAYBE, VERDICT_TAKE, VERDICT_AGAIN, VERDICT_FORGOT, VERDICT_DOWN,
	VERDICT_SLOW, VERDICT_REFUSE, VERDICT_PAUSE,
};
