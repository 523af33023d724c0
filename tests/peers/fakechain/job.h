/*
 * job - one POST or message: a call or a batch of them, answered in their order.
 *
 * As in an Arbitrum node, the calls of a batch are one after another: one that waits for its
 * block holds up those behind it.
 */
#pragma once

#include <cjson/cJSON.h>

#include "tests/peers/fakechain/node.h"
#include "tests/peers/fakechain/sequencer.h"

struct conn;
struct job;

/* How the reply leaves. */
enum manner { AS_IT_IS, NEVER, CUT, CLOSED };

/* Takes what was asked and answers by conn_answer(), now or later; frees itself. */
void job_start(struct node *n, struct conn *conn, struct bytes body);

/* The asker is gone: the job ends without an answer. */
void job_leave(struct job *job);

/* What it waited for has happened. */
void job_taken(struct job *job, const struct tx *tx);
void job_refused(struct job *job, const struct refusal *why);

/* ---- for methods ---- */

enum outcome { DONE, FAILED, WAITS };

struct rpc {
	struct node *n;
	struct job *job;
	struct conn *conn; /* NULL: the asker is gone */
	const char *method;
	const cJSON *params;
	struct text *out; /* the result goes there */
	uint64_t head; /* the block that is latest in this answer */
	int64_t code; /* of an error; message and data too */
	char message[400];
	struct text data; /* owned; JSON, or empty */
};

struct method {
	const char *name;
	enum outcome (*answer)(struct rpc *r);
};

const struct method *find_method(const char *name); /* the standard ones; NULL */
const struct method *find_control(const char *name); /* those of the harness; NULL */

enum outcome fail(struct rpc *r, int64_t code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Parameters, strictly; false after fail(). */
const cJSON *param(const struct rpc *r, int i); /* NULL: none */
bool read_u64(struct rpc *r, const cJSON *v, uint64_t *out); /* "0x1f" or 31 */
bool read_addr(struct rpc *r, const cJSON *v, struct addr *out);
bool read_b32(struct rpc *r, const cJSON *v, struct b32 *out);
bool read_bytes(struct rpc *r, const cJSON *v, struct bytes *out); /* out->p is the caller's */
