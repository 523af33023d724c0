/* store - opening and jobs; the writer thread is in store_writer.c, reads are in store_read.c. */

#include "executor/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "executor/store_internal.h"
#include "proto/exits.h"
#include "proto/limits.h"

/*
 * The record of changes.  Its first number is the millisecond of its birth times a thousand:
 * below 2^53, and above every number of a store that was lost, so that none has two meanings.
 */
#define STEP_SCHEMA \
	"CREATE TABLE step(" \
	" seq INTEGER PRIMARY KEY, op INTEGER NOT NULL, state INTEGER NOT NULL, at_ms INTEGER NOT NULL," \
	" reason TEXT NOT NULL, block INTEGER NOT NULL, tx BLOB);" \
	"CREATE INDEX step_op ON step(op);" \
	"INSERT INTO figure(name, value)" \
	" SELECT column1, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000" \
	" FROM (VALUES('steps_first'), ('steps_gone'), ('steps_newest'));"

/* Times are Unix milliseconds; hashes and ids are 32-byte blobs; numbers fit 63 bits. */
static const char schema[] =
	"CREATE TABLE op("
	" op INTEGER PRIMARY KEY AUTOINCREMENT, chain INTEGER NOT NULL, contract BLOB NOT NULL,"
	" kind INTEGER NOT NULL, id BLOB NOT NULL, content BLOB NOT NULL,"
	" request INTEGER NOT NULL, block INTEGER NOT NULL, block_hash BLOB NOT NULL,"
	" block_time INTEGER NOT NULL, log_index INTEGER NOT NULL, tx_hash BLOB NOT NULL,"
	" topics BLOB NOT NULL, data BLOB NOT NULL, state INTEGER NOT NULL,"
	" reason TEXT NOT NULL DEFAULT '', seen_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL,"
	" fetch_ms INTEGER NOT NULL DEFAULT 0, core_ms INTEGER NOT NULL DEFAULT 0,"
	" send_ms INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,"
	" nonce INTEGER NOT NULL DEFAULT 0, tx BLOB, tx_block INTEGER NOT NULL DEFAULT 0,"
	" tx_block_hash BLOB, calldata BLOB, result TEXT NOT NULL DEFAULT '', due_ms INTEGER NOT NULL);"
	"CREATE UNIQUE INDEX op_identity ON op(kind, id, chain, contract, content);"
	"CREATE INDEX op_open ON op(op) WHERE state < 7;"
	"CREATE INDEX op_state ON op(state, op);"
	"CREATE INDEX op_kind ON op(kind, op);"
	"CREATE INDEX op_ended ON op(changed_ms) WHERE state >= 7;"
	"CREATE INDEX op_block ON op(chain, block);"
	"CREATE INDEX op_tx_block ON op(chain, tx_block) WHERE tx_block > 0;"
	"CREATE TABLE chain("
	" chain INTEGER PRIMARY KEY, filter BLOB, block INTEGER, hash BLOB,"
	" finalized INTEGER NOT NULL DEFAULT 0);"
	"CREATE TABLE figure(name TEXT PRIMARY KEY, value INTEGER NOT NULL);"
	STEP_SCHEMA
	"PRAGMA user_version=2;";
_Static_assert(STORE_SCHEMA == 2, "schema and its number");

/* What makes a store of the schema before the next one; every request is recorded as it stands. */
static const char *const upgrades[STORE_SCHEMA] = {
	[1] = "ALTER TABLE op ADD COLUMN result TEXT NOT NULL DEFAULT '';"
	      "DROP INDEX op_block; DROP INDEX op_identity;"
	      "CREATE UNIQUE INDEX op_identity ON op(kind, id, chain, contract, content);"
	      "CREATE INDEX op_block ON op(chain, block);"
	      "CREATE INDEX op_kind ON op(kind, op);"
	      STEP_SCHEMA
	      "INSERT INTO step(seq, op, state, at_ms, reason, block, tx)"
	      " SELECT value + row_number() OVER (ORDER BY op), op, state, changed_ms, reason,"
	      " CASE WHEN tx_block > 0 THEN tx_block ELSE block END, nullif(tx, zeroblob(32))"
	      " FROM op, figure WHERE name = 'steps_first';"
	      "UPDATE figure SET value = (SELECT max(value, coalesce(max(seq), 0)) FROM step)"
	      " WHERE name = 'steps_newest';"
	      "PRAGMA user_version=2;",
};
_Static_assert(STATE_done == 7, "the indexes say which states are open");

_Noreturn void store_fail(sqlite3 *db, const char *what)
{
	int code = db ? sqlite3_errcode(db) : SQLITE_IOERR;

	log_say(EV_X013_store_failed, "doing=%s error=\"%s\"", what,
		db ? sqlite3_errmsg(db) : "cannot open");
	_exit(code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? EXIT_data : EXIT_io);
}

void store_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
	if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK)
		store_fail(db, "prepare");
}

static sqlite3_stmt **statement_at(void *statements, const struct sql *q)
{
	return (sqlite3_stmt **)(void *)((char *)statements + q->offset);
}

void store_prepare_all(sqlite3 *db, const struct sql *sqls, size_t n, void *statements)
{
	for (size_t i = 0; i < n; i++)
		store_prepare(db, sqls[i].text, statement_at(statements, &sqls[i]));
}

void store_finalize_all(const struct sql *sqls, size_t n, void *statements)
{
	for (size_t i = 0; i < n; i++)
		sqlite3_finalize(*statement_at(statements, &sqls[i]));
}

void bind_u64(sqlite3_stmt *st, int at, uint64_t v)
{
	sqlite3_bind_int64(st, at, (sqlite3_int64)(v > INT64_MAX ? INT64_MAX : v));
}

void bind_b32(sqlite3_stmt *st, int at, const struct b32 *v)
{
	sqlite3_bind_blob(st, at, v->b, 32, SQLITE_STATIC);
}

void bind_bytes(sqlite3_stmt *st, int at, struct bytes v)
{
	if (v.p)
		sqlite3_bind_blob64(st, at, v.p, v.len, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, at);
}

void bind_text(sqlite3_stmt *st, int at, const char *v)
{
	sqlite3_bind_text(st, at, v, -1, SQLITE_STATIC);
}

uint64_t column_u64(sqlite3_stmt *st, int at)
{
	return (uint64_t)sqlite3_column_int64(st, at);
}

struct bytes column_bytes(sqlite3_stmt *st, int at)
{
	const void *p = sqlite3_column_blob(st, at);
	return BYTES(p, p ? (size_t)sqlite3_column_bytes(st, at) : 0);
}

struct b32 column_b32(sqlite3_stmt *st, int at)
{
	struct b32 v = { { 0 } };
	struct bytes b = column_bytes(st, at);
	if (b.len == 32)
		memcpy(v.b, b.p, 32);
	return v;
}

static void run_sql(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		store_fail(db, "open");
}

static int user_version(sqlite3 *db)
{
	sqlite3_stmt *st;
	int version = -1;

	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(st) == SQLITE_ROW)
		version = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return version;
}

static _Noreturn void unusable(const char *path, const char *why, int code)
{
	log_say(EV_X013_store_failed, "path=%s error=\"%s\"", path, why);
	_exit(code);
}

static void open_writer(struct store *s, const char *path)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

	if (sqlite3_open_v2(path, &s->writer, flags, NULL) != SQLITE_OK)
		store_fail(s->writer, "open");
	run_sql(s->writer, "PRAGMA page_size=4096; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-4096;");
	int version = user_version(s->writer);
	if (version < 0)
		unusable(path, "it is not a store of the connector; the store is a cache of the chain: "
			 "move it away and it is read again from start_block", EXIT_data);
	if (version > STORE_SCHEMA)
		unusable(path, "it was written by a newer release; run that release, or move it away", EXIT_data);
	run_sql(s->writer, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000;");
	if (version == STORE_SCHEMA)
		return;
	run_sql(s->writer, "BEGIN IMMEDIATE");
	if (version == 0)
		run_sql(s->writer, schema);
	else
		for (; version < STORE_SCHEMA; version++)
			run_sql(s->writer, upgrades[version]);
	run_sql(s->writer, "COMMIT");
}

static void on_done(void *owner);

/* Its waits are by the monotonic clock. */
static void init_condition(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

struct store *store_open(struct loop *loop, const char *dir)
{
	struct store *s = calloc(1, sizeof(*s));
	char path[512];

	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);	/* a lock at each allocation, for nobody */
	check(s != NULL && snprintf(path, sizeof(path), "%s/" STORE_FILE, dir) < (int)sizeof(path));
	s->loop = loop;
	s->steps_most = LIMIT_CHANGES_KEPT;
	open_writer(s, path);
	if (sqlite3_open_v2(path, &s->reader, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		store_fail(s->reader, "open for reading");
	run_sql(s->reader, "PRAGMA query_only=1; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-2048;");
	store_reader_open(s);
	store_writer_open(s);
	job_list_init(&s->todo);
	job_list_init(&s->done);
	pthread_mutex_init(&s->lock, NULL);
	init_condition(&s->wake);
	s->waker = waker_new(loop, on_done, s);
	check(pthread_create(&s->thread, NULL, store_writer_main, s) == 0);
	log_say(EV_X014_store_opened, "open=%llu", (unsigned long long)
		store_open_rows(s, 0, 1000000, (struct store_visitor){ NULL, NULL }));
	return s;
}

void store_close(struct store **sp)
{
	struct store *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	on_done(s);
	jobs_free(s->todo.first);	/* the disk was full to the end */
	store_reader_close(s);
	store_writer_close(s);
	waker_free(&s->waker);
	free(s);
}

/* Jobs. */

void job_list_init(struct job_list *l)
{
	*l = (struct job_list){ .first = NULL };
	l->last = &l->first;
}

void job_list_add(struct job_list *l, struct job *j)
{
	j->next = NULL;
	*l->last = j;
	l->last = &j->next;
	l->count++;
}

static struct job *new_job(enum job_type type, size_t extra, void *owner)
{
	struct job *j = calloc(1, sizeof(*j) + extra);

	check(j != NULL);
	j->type = type;
	j->owner = owner;
	return j;
}

void jobs_free(struct job *first)
{
	while (first) {
		struct job *next = first->next;

		free(first->touched);
		free(first);
		first = next;
	}
}

/* What is said again with the next block or the next hour. */
static bool may_be_lost(const struct job *j)
{
	return j->type == JOB_FINALIZED || j->type == JOB_PRUNE;
}

/* For so long a job may lie, to go with others; 0: somebody waits for it. */
static unsigned patience_ms(const struct job *j)
{
	switch (j->type) {
	case JOB_CHANGE:
		return j->cb.change ? 0 : STORE_GATHER_MS;
	case JOB_CURSOR:
		return j->u.cursor.now ? 0 : STORE_IDLE_MS;
	case JOB_FINALIZED:
		return STORE_IDLE_MS;
	case JOB_EVENT:
	case JOB_RETRACTED:
	case JOB_PRUNE:
	case JOB_FIGURE:
		break;
	}
	return 0;
}

static void give(struct store *s, struct job *j)
{
	uint64_t by_ms = clock_mono_ms() + patience_ms(j);

	pthread_mutex_lock(&s->lock);
	bool lost = s->full && may_be_lost(j);
	bool is_first = !lost && (!s->todo.first || by_ms < s->by_ms);
	if (is_first)
		s->by_ms = by_ms;
	if (!lost)
		job_list_add(&s->todo, j);
	pthread_mutex_unlock(&s->lock);
	if (is_first)
		pthread_cond_signal(&s->wake);
	if (lost)
		jobs_free(j);
}

static void copy_bytes(struct bytes *v, uint8_t **at)
{
	if (v->len)
		memcpy(*at, v->p, v->len);
	if (v->p)
		v->p = *at;
	*at += v->len;
}

void store_put_event(struct store *s, const struct store_event *ev,
		     void (*cb)(void *owner, uint64_t op, enum store_outcome what), void *owner)
{
	size_t reason = strlen(ev->reason) + 1;
	struct job *j = new_job(JOB_EVENT, ev->topics.len + ev->data.len + reason, owner);
	uint8_t *at = j->bytes;

	j->u.event = *ev;
	copy_bytes(&j->u.event.topics, &at);
	copy_bytes(&j->u.event.data, &at);
	memcpy(at, ev->reason, reason);
	j->u.event.reason = (const char *)at;
	j->cb.event = cb;
	give(s, j);
}

void store_put_cursor(struct store *s, uint64_t chain, const struct store_cursor *c, bool now,
		      void (*cb)(void *owner, uint64_t chain, uint64_t block), void *owner)
{
	struct job *j = new_job(JOB_CURSOR, 0, owner);

	j->u.cursor.chain = chain;
	j->u.cursor.c = *c;
	j->u.cursor.now = now;
	j->cb.cursor = cb;
	give(s, j);
}

void store_put_change(struct store *s, const struct store_change *c,
		      void (*cb)(void *owner, uint64_t op, enum op_state state), void *owner)
{
	size_t result = c->calldata.p ? strlen(c->result) + 1 : 0;
	struct job *j = new_job(JOB_CHANGE, c->calldata.len + result, owner);
	uint8_t *at = j->bytes;

	j->u.change = *c;
	copy_bytes(&j->u.change.calldata, &at);
	if (result)
		j->u.change.result = memcpy(at, c->result, result);
	j->cb.change = cb;
	give(s, j);
}

void store_put_finalized(struct store *s, uint64_t chain, uint64_t block)
{
	struct job *j = new_job(JOB_FINALIZED, 0, NULL);

	j->u.block.chain = chain;
	j->u.block.number = block;
	give(s, j);
}

void store_put_retracted(struct store *s, uint64_t chain, uint64_t number, const struct b32 *hash,
			 void (*cb)(void *owner, uint64_t op, enum op_state now), void *owner)
{
	struct job *j = new_job(JOB_RETRACTED, 0, owner);

	j->u.block.chain = chain;
	j->u.block.number = number;
	j->u.block.hash = *hash;
	j->cb.change = cb;
	give(s, j);
}

void store_put_prune(struct store *s, uint64_t before_ms)
{
	struct job *j = new_job(JOB_PRUNE, 0, NULL);

	j->u.before_ms = before_ms;
	give(s, j);
}

void store_put_figure(struct store *s, const char *name, uint64_t value)
{
	struct job *j = new_job(JOB_FIGURE, 0, NULL);

	j->u.figure.name = name;
	j->u.figure.value = value;
	give(s, j);
}

static void report(const struct job *j)
{
	switch (j->type) {
	case JOB_EVENT:
		j->cb.event(j->owner, j->op, j->outcome);
		break;
	case JOB_CURSOR:
		j->cb.cursor(j->owner, j->u.cursor.chain, j->u.cursor.c.block);
		break;
	case JOB_CHANGE:
		if (j->cb.change)
			j->cb.change(j->owner, j->u.change.op, j->u.change.state);
		break;
	case JOB_RETRACTED:
		for (unsigned i = 0; i < j->touched_count; i++)
			j->cb.change(j->owner, j->touched[i].op, j->touched[i].now);
		j->cb.change(j->owner, 0, (enum op_state)0);
		break;
	case JOB_FINALIZED:
	case JOB_PRUNE:
	case JOB_FIGURE:
		break;
	}
}

/* The commit that held these jobs is on disk. */
static void on_done(void *owner)
{
	struct store *s = owner;

	pthread_mutex_lock(&s->lock);
	struct job *j = s->done.first;
	bool news = s->news, full = s->full;
	job_list_init(&s->done);
	s->news = false;
	pthread_mutex_unlock(&s->lock);
	if (full != s->told_full) {
		s->told_full = full;
		if (s->on_full)
			s->on_full(s->full_owner, full);
	}
	while (j) {
		struct job *next = j->next;
		report(j);
		free(j->touched);
		free(j);
		j = next;
	}
	if (news && s->on_steps)
		s->on_steps(s->steps_owner);
}

void store_on_steps(struct store *s, void (*cb)(void *owner), void *owner)
{
	s->on_steps = cb;
	s->steps_owner = owner;
}

void store_on_full(struct store *s, void (*cb)(void *owner, bool full), void *owner)
{
	s->on_full = cb;
	s->full_owner = owner;
}

bool store_is_full(const struct store *s)
{
	return s->told_full;
}

void store_keep_steps(struct store *s, uint64_t most)
{
	__atomic_store_n(&s->steps_most, most, __ATOMIC_RELAXED);
}
