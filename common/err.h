/*
 * err - the closed list of what can go wrong, each with what to do about it.
 *
 * A function returns what went wrong; the caller who can choose, chooses and
 * logs once.  The class says which choices there are:
 *
 *   ok      nothing went wrong
 *   again   the world: ask again later, with a back-off
 *   refuse  a peer or an input: this one can never succeed
 *   fatal   ourselves or the machine: stop, be restarted
 */
#pragma once

#define ERRS(E) \
	E(OK,            ok,     "fine") \
	E(ERR_AGAIN,     again,  "not now") \
	E(ERR_TIMEOUT,   again,  "no answer in time") \
	E(ERR_CLOSED,    again,  "the other side is gone") \
	E(ERR_FULL,      again,  "a queue or window is full") \
	E(ERR_TRUNCATED, refuse, "the input ends too early") \
	E(ERR_TRAILING,  refuse, "the input goes on too long") \
	E(ERR_RANGE,     refuse, "a value is outside its limits") \
	E(ERR_FORMAT,    refuse, "the input is not of its format") \
	E(ERR_CANONICAL, refuse, "the input is not in its canonical form") \
	E(ERR_UNKNOWN,   refuse, "a name or number that nobody knows") \
	E(ERR_DENIED,    refuse, "the policy does not permit it") \
	E(ERR_CONFLICT,  refuse, "it contradicts what is already recorded") \
	E(ERR_TOO_BIG,   refuse, "larger than its limit") \
	E(ERR_MISMATCH,  refuse, "it is not what was asked for") \
	E(ERR_MISSING,   refuse, "it is not there") \
	E(ERR_NOMEM,     fatal,  "no memory") \
	E(ERR_IO,        fatal,  "the machine failed to read or write")

enum err {
#define E(name, cls, text) name,
	ERRS(E)
#undef E
};

enum err_class { ERR_CLASS_ok, ERR_CLASS_again, ERR_CLASS_refuse, ERR_CLASS_fatal };

#define MUST_CHECK __attribute__((warn_unused_result))

/* A short English sentence part; never NULL. */
const char *err_text(enum err e);

enum err_class err_class(enum err e);
