/*
 * asks - questions to the executor over monitor.sock, and their answers as JSON.
 *
 * At most ASKS_PER_S questions a second leave, however many clients there are: who stands at
 * the window cannot keep the executor from its work.  Others wait; their client's deadline
 * ends the wait.
 */
#pragma once

#include "common/link.h"
#include "common/text.h"

#define ASKS_MAX    16		/* as many as clients */
#define ASKS_PER_S  40
#define ASK_BYTES   (1u << 20)	/* of one answer */
#define ASK_ROWS    200		/* of one list */
#define ASK_PARTS   20		/* asked for one list; then it is answered as it is */

struct asks;		/* owned by the process */

struct answer {
	bool answered;		/* false: the executor is not there */
	struct bytes rows;	/* JSON objects with commas between them */
	struct bytes stages;
	struct bytes figures;	/* members of an object */
	uint64_t count;		/* of rows */
	uint64_t next;		/* where the next page begins; 0: this was the last */
};

struct asks *asks_new(struct loop *loop, const char *path);
void asks_free(struct asks **a);

/*
 * QUERY is copied; its tag is set here.  ON_ANSWER is called once, unless asks_forget(CLIENT) came before;
 * what it gets is borrowed.  False when no place is free.
 */
bool asks_put(struct asks *a, const struct msg_query *query,
	      void (*on_answer)(void *client, void *owner, const struct answer *answer),
	      void *client, void *owner);
void asks_forget(struct asks *a, const void *client);
