/* store_internal - what store.c and store_writer.c share: jobs, statements, binding. */
#pragma once

#include <pthread.h>
#include <sqlite3.h>

#include "executor/store.h"

#define STORE_FILE "requests.db"
#define STORE_BATCH_MAX 256		/* jobs in one commit */

enum job_type { JOB_EVENT, JOB_CURSOR, JOB_CHANGE, JOB_FINALIZED, JOB_RETRACTED, JOB_PRUNE,
		JOB_FIGURE };

struct job {
	struct job *next;
	enum job_type type;
	void *owner;
	/* Copies; the bytes they borrow stand behind the job. */
	union {
		struct store_event event;
		struct { uint64_t chain; struct store_cursor c; } cursor;
		struct store_change change;
		struct { uint64_t chain, number; struct b32 hash; } block;
		uint64_t before_ms;
		struct { const char *name; uint64_t value; } figure;	/* name: constant */
	} u;
	union {
		void (*event)(void *owner, uint64_t op, enum store_outcome what);
		void (*cursor)(void *owner, uint64_t chain, uint64_t block);
		void (*change)(void *owner, uint64_t op, enum op_state state);
	} cb;
	/* Results. */
	uint64_t op;
	enum store_outcome outcome;
	struct touched { uint64_t op; enum op_state now; } *touched;	/* owned; of RETRACTED */
	unsigned touched_count;
	uint8_t bytes[];
};

struct job_list {
	struct job *first, **last;
	unsigned count;
};

struct store {
	struct loop *loop;
	struct waker *waker;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job_list todo, done;	/* under the lock */
	bool stop;			/* under the lock */
	sqlite3 *writer;		/* the thread's after store_open */
	sqlite3 *reader;		/* the loop's */
	struct statements *w;		/* the thread's */
	sqlite3_stmt *r[9];		/* the loop's, by enum reading */
};

void job_list_init(struct job_list *l);
void job_list_add(struct job_list *l, struct job *j);

/* The thread. */
void *store_writer_main(void *store);
void store_writer_open(struct store *s);	/* prepares its statements */
void store_writer_close(struct store *s);

/* Any trouble with the database that is not "no row": one line, exit 74. */
_Noreturn void store_fail(sqlite3 *db, const char *what);
void store_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out);

/* Positions are counted from 1. */
void bind_u64(sqlite3_stmt *st, int at, uint64_t v);
void bind_b32(sqlite3_stmt *st, int at, const struct b32 *v);
void bind_bytes(sqlite3_stmt *st, int at, struct bytes v);	/* .p NULL: NULL */
void bind_text(sqlite3_stmt *st, int at, const char *v);
uint64_t column_u64(sqlite3_stmt *st, int at);
struct b32 column_b32(sqlite3_stmt *st, int at);
struct bytes column_bytes(sqlite3_stmt *st, int at);
