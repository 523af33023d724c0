/* store_internal - what store.c and store_writer.c share: jobs, statements, binding. */
#pragma once

#include <pthread.h>
#include <sqlite3.h>

#include "executor/store.h"

#define STORE_FILE "requests.db"
#define STORE_BATCH_MAX 256		/* jobs in one commit */
#define STORE_GATHER_MS 100		/* for so long a change that nobody waits for may lie */
#define STORE_IDLE_MS   500	/* and what only says that the chain goes on */
#define STORE_FULL_MS   500	/* from one attempt to the next while the disk is full */

enum job_type { JOB_EVENT, JOB_CURSOR, JOB_CHANGE, JOB_FINALIZED, JOB_RETRACTED, JOB_PRUNE,
		JOB_FIGURE };

enum reading { READ_CURSOR, READ_OPEN, READ_ONE, READ_FIND, READ_COUNT, READ_BLOCKS,
	       READ_OPEN_COUNT, READ_FIGURE, READ_NEWEST, READ_STEPS, READ_HISTORY, READ_SEEN,
	       READ_PAGE, READ_PAGE_STATE, READ_PAGE_KIND, READING_COUNT };

struct job {
	struct job *next;
	enum job_type type;
	void *owner;
	/* Copies; the bytes they borrow stand behind the job. */
	union {
		struct store_event event;
		struct { uint64_t chain; struct store_cursor c; bool now; } cursor;
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
	bool stop, news, full;		/* under the lock */
	uint64_t by_ms;			/* the same; monotonic: when the first in todo wants its commit */
	sqlite3 *writer;		/* the thread's after store_open */
	sqlite3 *reader;		/* the loop's */
	struct statements *w;		/* the thread's */
	struct steps *steps;		/* the thread's */
	uint64_t steps_most;
	bool unwritten;	/* the thread's: this transaction found no room */
	bool told_full;	/* the loop's */
	sqlite3_stmt *r[READING_COUNT];	/* the loop's */
	void (*on_steps)(void *owner);	/* the loop's */
	void *steps_owner;
	void (*on_full)(void *owner, bool full);	/* the loop's */
	void *full_owner;
};

/* A statement and its place in a struct of them. */
struct sql {
	size_t offset;
	const char *text;
};

void job_list_init(struct job_list *l);
void job_list_add(struct job_list *l, struct job *j);
void jobs_free(struct job *first);

/* The thread. */
void *store_writer_main(void *store);
void store_writer_open(struct store *s);	/* prepares its statements */
void store_writer_close(struct store *s);

/* When the disk is full they do nothing more: the transaction is tried again as a whole. */
void store_run(struct store *s, sqlite3_stmt *st);
bool store_has_row(struct store *s, sqlite3_stmt *st);
void store_write_figure(struct store *s, const char *name, uint64_t value);

/* The record, within the thread's commit: a request's first state; another, if it is another. */
void steps_open(struct store *s);
void steps_close(struct store *s);
void steps_add_first(struct store *s, const struct store_step *p);
/* Only if it differs from the state before: AFTER, or NULL for that of its row. */
void steps_add(struct store *s, const struct store_step *p, const enum op_state *after);
void steps_prune(struct store *s, uint64_t before_ms);
bool steps_end_batch(struct store *s);		/* something was added */
void steps_keep(struct store *s);	/* as it is now, for */
void steps_go_back(struct store *s);	/* a commit that did not happen */

/* The loop. */
void store_reader_open(struct store *s);
void store_reader_close(struct store *s);
unsigned store_visit_rows(struct store *s, sqlite3_stmt *st, struct store_visitor v);
uint64_t store_newest(struct store *s);		/* highest operation number; 0: none */

/* Any trouble with the database that is not "no row": one line, exit 74. */
_Noreturn void store_fail(sqlite3 *db, const char *what);
void store_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out);
void store_prepare_all(sqlite3 *db, const struct sql *sqls, size_t n, void *statements);
void store_finalize_all(const struct sql *sqls, size_t n, void *statements);

/* Positions are counted from 1. */
void bind_u64(sqlite3_stmt *st, int at, uint64_t v);
void bind_b32(sqlite3_stmt *st, int at, const struct b32 *v);
void bind_bytes(sqlite3_stmt *st, int at, struct bytes v);	/* .p NULL: NULL */
void bind_text(sqlite3_stmt *st, int at, const char *v);
uint64_t column_u64(sqlite3_stmt *st, int at);
struct b32 column_b32(sqlite3_stmt *st, int at);
struct bytes column_bytes(sqlite3_stmt *st, int at);
