/*
 * jsonrpc_reply - the body of a response to a batch of known calls: all of it is hostile.
 *
 * Pure: bytes in, replies out.  common/jsonrpc.c is the only user beside tests and fuzzing.
 */
#pragma once

#include "common/jsonrpc.h"

#define JSONRPC_DATA_MAX    4096
#define JSONRPC_MESSAGE_MAX 300
#define JSONRPC_VALUES_MAX  500000	/* JSON values in one reply */

struct jsonrpc_replies {
	cJSON *root;				/* owned */
	unsigned count;
	const cJSON *item[JSONRPC_BATCH_MAX];	/* in the order of the calls; borrowed */
};

/*
 * COUNT calls with ids FIRST_ID, FIRST_ID + 1, ... were sent: one reply for each, or one error
 * without an id for all of them.  Anything else is an error, and *why_out a constant phrase.
 */
enum err jsonrpc_replies_open(struct bytes body, uint64_t first_id, unsigned count,
			      struct jsonrpc_replies *out, const char **why_out) MUST_CHECK;
void jsonrpc_replies_close(struct jsonrpc_replies *r);

/* Where message and data of an error go. */
struct jsonrpc_room {
	uint8_t data[JSONRPC_DATA_MAX];
	char message[JSONRPC_MESSAGE_MAX + 1];
};

/* Outcome, result or error of one item that was accepted above; all but the endpoint. */
void jsonrpc_reply_read(const cJSON *item, struct jsonrpc_room *room, struct jsonrpc_reply *out);

/* Text of a stranger for our log: printable, no quotes, no URL, at most CAP - 1 bytes. */
void jsonrpc_tame(const char *text, char *out, size_t cap);
