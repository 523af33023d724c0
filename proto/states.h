/*
 * states - what can become of a request.  Numbers are for ever; they stand in the store.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* number, name, is it over, what it means */
#define STATES(S) \
	S(1,  seen,       OPEN,  "the event is on disk") \
	S(2,  waiting,    OPEN,  "its block has not reached the wanted finality") \
	S(3,  checking,   OPEN,  "done already? ciphertexts are fetched and hashed") \
	S(4,  computing,  OPEN,  "the Core works on it") \
	S(5,  answered,   OPEN,  "the complete answer is on disk") \
	S(6,  submitting, OPEN,  "the answer is on its way to the chain") \
	S(7,  done,       ENDED, "the chain has an answer of this node, or needs none") \
	S(8,  refused,    ENDED, "it can never succeed") \
	S(9,  expired,    ENDED, "its deadline passed") \
	S(10, retracted,  ENDED, "its block left the chain") \
	S(11, held,       ENDED, "this one needs an operator")

enum op_state {
#define S(number, name, life, text) STATE_##name = number,
	STATES(S)
#undef S
	STATE_COUNT		/* one above the highest number */
};

/* Why the submitter gives an answer back.  class, what the executor does */
#define FAIL_CLASSES(F) \
	F(already,   "the contract has our answer: done, nothing was paid") \
	F(rejected,  "the contract will never take this answer: refused") \
	F(reverted,  "it was included and reverted: refused, gas was paid") \
	F(policy,    "the signer refuses to sign it: held") \
	F(unknown,   "the contract's reason is not known to the profile: held")

enum fail_class {
	FAIL_none,
#define F(name, text) FAIL_##name,
	FAIL_CLASSES(F)
#undef F
	FAIL_COUNT
};

const char *state_name(uint64_t state);		/* NULL if unknown */
const char *state_text(uint64_t state);
bool state_is_open(uint64_t state);
enum op_state state_by_name(const char *name);	/* 0 if unknown */
