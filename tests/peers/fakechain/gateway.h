/*
 * gateway - the contracts of profile httpz, as tests/peers/contracts/ has them, without an EVM.
 *
 * One table of functions: the same calldata, the same events, the same reverts.  Only canonical
 * calldata is understood; anything else reverts without data.
 */
#pragma once

#include "tests/peers/fakechain/chain.h"

struct node;
struct gateway;

enum contract { HTTPZ = 1, MANAGER = 2, ACCESS = 4 };

/* One call, executed as of a block. */
struct call {
	struct node *n;
	struct addr from, to;
	struct bytes data; /* borrowed */
	uint64_t at; /* the block whose state is read, and written */
	bool dry; /* nothing is written */
	enum contract contract; /* of `to` */

	bool reverted;
	struct text ret; /* owned: what is returned, or the revert's data */
	struct logs logs; /* owned */
};

struct gateway *gateway_new(void);

/* Addresses and the owner of all three; may be set before the first call only. */
void gateway_set(struct gateway *g, enum contract which, const struct addr *address);
void gateway_own(struct gateway *g, const struct addr *owner);
const struct addr *gateway_owner(const struct gateway *g);
const struct addr *gateway_address(const struct gateway *g, enum contract which);
enum contract gateway_which(const struct gateway *g, const struct addr *address); /* 0: none */

/* What a call costs beyond its intrinsic gas. */
uint64_t gateway_gas(const struct node *n, const struct addr *to, struct bytes data);

/* A call to an address without a contract does nothing and succeeds. */
void gateway_call(struct call *c);
void call_fini(struct call *c);

/* A log that the harness made: if it asks for something, that may be answered from block AT on. */
void gateway_heard(struct node *n, const struct log *log, uint64_t at);

/* Requests so far, and those that enough nodes have answered. */
uint64_t gateway_asked(const struct node *n, uint64_t at);
uint64_t gateway_done(const struct node *n, uint64_t at);

/* Is it a response, by its first four bytes? */
bool gateway_is_response(struct bytes data);
