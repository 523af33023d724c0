/* store - opening, jobs and reads; the writer thread is in store_writer.c. */

#include "executor/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "executor/store_internal.h"
#include "proto/exits.h"

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
	"CREATE UNIQUE INDEX op_identity ON op(chain, contract, kind, id, content);"
	"CREATE INDEX op_open ON op(op) WHERE state < 7;"
	"CREATE INDEX op_state ON op(state, op);"
	"CREATE INDEX op_ended ON op(changed_ms) WHERE state >= 7;"
	"CREATE INDEX op_block ON op(chain, block);"
	"CREATE INDEX op_tx_block ON op(chain, tx_block) WHERE tx_block > 0;"
	"CREATE TABLE chain("
	" chain INTEGER PRIMARY KEY, filter BLOB, block INTEGER, hash BLOB,"
	" finalized INTEGER NOT NULL DEFAULT 0);"
	"CREATE TABLE figure(name TEXT PRIMARY KEY, value INTEGER NOT NULL);"
	"PRAGMA user_version=1;";
_Static_assert(STORE_SCHEMA == 1, "schema and its number");
_Static_assert(STATE_done == 7, "the indexes say which states are open");

#define ROW_COLUMNS \
	"op, chain, kind, request, contract, id, block, block_time, log_index, block_hash, state," \
	" reason, seen_ms, changed_ms, fetch_ms, core_ms, send_ms, attempts, nonce, tx_block, tx," \
	" tx_block_hash, tx_hash, topics, data, calldata, due_ms, result"

enum reading { READ_CURSOR, READ_OPEN, READ_ONE, READ_FIND, READ_LIST, READ_COUNT, READ_BLOCKS,
	       READ_OPEN_COUNT, READ_FIGURE };

static const char *const readings[] = {
	[READ_CURSOR] = "SELECT filter, block, hash, finalized FROM chain WHERE chain = ?1",
	[READ_OPEN] = "SELECT " ROW_COLUMNS " FROM op WHERE state < 7 AND op > ?1 ORDER BY op LIMIT ?2",
	[READ_ONE] = "SELECT " ROW_COLUMNS " FROM op WHERE op = ?1",
	[READ_FIND] = "SELECT " ROW_COLUMNS " FROM op WHERE kind = ?1 AND id = ?2 ORDER BY op DESC LIMIT 16",
	[READ_LIST] = "SELECT " ROW_COLUMNS " FROM op WHERE (?1 = 0 OR state = ?1) AND"
		      " (?2 = 0 OR kind = ?2) AND op < ?3 ORDER BY op DESC LIMIT ?4",
	[READ_COUNT] = "SELECT count(*) FROM op WHERE state = ?1",
	[READ_BLOCKS] = "SELECT block, block_hash FROM op WHERE chain = ?1 AND (state < 7 OR"
			" (block > ?4 AND state IN (7, 11)))"
			" UNION SELECT tx_block, tx_block_hash FROM op WHERE chain = ?1 AND tx_block > ?4"
			" ORDER BY 1 LIMIT ?2 OFFSET ?3",
	[READ_OPEN_COUNT] = "SELECT count(*) FROM op WHERE state < 7",
	[READ_FIGURE] = "SELECT value FROM figure WHERE name = ?1",
};

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
	if (version == 0) {
		run_sql(s->writer, "BEGIN IMMEDIATE");
		run_sql(s->writer, schema);
		run_sql(s->writer, "COMMIT");
	}
}

static void on_done(void *owner);

struct store *store_open(struct loop *loop, const char *dir)
{
	struct store *s = calloc(1, sizeof(*s));
	char path[512];

	check(s != NULL && snprintf(path, sizeof(path), "%s/" STORE_FILE, dir) < (int)sizeof(path));
	s->loop = loop;
	open_writer(s, path);
	if (sqlite3_open_v2(path, &s->reader, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		store_fail(s->reader, "open for reading");
	run_sql(s->reader, "PRAGMA query_only=1; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-2048;");
	for (unsigned i = 0; i < ARRAY_LEN(readings); i++)
		store_prepare(s->reader, readings[i], &s->r[i]);
	store_writer_open(s);
	job_list_init(&s->todo);
	job_list_init(&s->done);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
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
	for (unsigned i = 0; i < ARRAY_LEN(readings); i++)
		sqlite3_finalize(s->r[i]);
	sqlite3_close(s->reader);
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

static void give(struct store *s, struct job *j)
{
	pthread_mutex_lock(&s->lock);
	job_list_add(&s->todo, j);
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
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

void store_put_cursor(struct store *s, uint64_t chain, const struct store_cursor *c,
		      void (*cb)(void *owner, uint64_t chain, uint64_t block), void *owner)
{
	struct job *j = new_job(JOB_CURSOR, 0, owner);

	j->u.cursor.chain = chain;
	j->u.cursor.c = *c;
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
	job_list_init(&s->done);
	pthread_mutex_unlock(&s->lock);
	while (j) {
		struct job *next = j->next;
		report(j);
		free(j->touched);
		free(j);
		j = next;
	}
}

/* Reads. */

static void load_row(sqlite3_stmt *st, struct store_row *r)
{
	int c = 0;

	r->op = column_u64(st, c++);
	r->chain = column_u64(st, c++);
	r->kind = column_u64(st, c++);
	r->request = column_u64(st, c++);
	struct bytes contract = column_bytes(st, c++);
	if (contract.len == 20)
		memcpy(r->contract.b, contract.p, 20);
	r->id = column_b32(st, c++);
	r->block = column_u64(st, c++);
	r->block_time = column_u64(st, c++);
	r->log_index = column_u64(st, c++);
	r->block_hash = column_b32(st, c++);
	r->state = (enum op_state)column_u64(st, c++);
	const unsigned char *reason = sqlite3_column_text(st, c++);
	snprintf(r->reason, sizeof(r->reason), "%s", reason ? (const char *)reason : "");
	r->seen_ms = column_u64(st, c++);
	r->changed_ms = column_u64(st, c++);
	r->fetch_ms = (uint32_t)column_u64(st, c++);
	r->core_ms = (uint32_t)column_u64(st, c++);
	r->send_ms = (uint32_t)column_u64(st, c++);
	r->attempts = (uint32_t)column_u64(st, c++);
	r->nonce = column_u64(st, c++);
	r->tx_block = column_u64(st, c++);
	r->tx = column_b32(st, c++);
	r->tx_block_hash = column_b32(st, c++);
	r->tx_hash = column_b32(st, c++);
	r->topics = column_bytes(st, c++);
	r->data = column_bytes(st, c++);
	r->calldata = column_bytes(st, c++);
	r->due_ms = column_u64(st, c++);
	r->result = (const char *)sqlite3_column_text(st, c++);
}

static unsigned visit_rows(struct store *s, sqlite3_stmt *st, struct store_visitor v)
{
	unsigned n = 0;
	int rc;

	for (; (rc = sqlite3_step(st)) == SQLITE_ROW; n++) {
		struct store_row row = { .op = 0 };
		if (!v.row)
			continue;
		load_row(st, &row);
		v.row(v.owner, &row);
	}
	if (rc != SQLITE_DONE)
		store_fail(s->reader, "read");
	sqlite3_reset(st);
	return n;
}

static bool read_chain(struct store *s, uint64_t chain, struct store_cursor *c, uint64_t *finalized)
{
	sqlite3_stmt *st = s->r[READ_CURSOR];
	bool found;

	bind_u64(st, 1, chain);
	found = sqlite3_step(st) == SQLITE_ROW;
	if (found) {
		c->present = sqlite3_column_type(st, 1) != SQLITE_NULL;
		c->filter = column_b32(st, 0);
		c->block = column_u64(st, 1);
		c->hash = column_b32(st, 2);
		*finalized = column_u64(st, 3);
	}
	sqlite3_reset(st);
	return found;
}

struct store_cursor store_cursor(struct store *s, uint64_t chain)
{
	struct store_cursor c = { .present = false };
	uint64_t finalized;

	read_chain(s, chain, &c, &finalized);
	return c;
}

uint64_t store_finalized(struct store *s, uint64_t chain)
{
	struct store_cursor c;
	uint64_t finalized = 0;

	read_chain(s, chain, &c, &finalized);
	return finalized;
}

unsigned store_open_rows(struct store *s, uint64_t after_op, unsigned limit, struct store_visitor v)
{
	bind_u64(s->r[READ_OPEN], 1, after_op);
	bind_u64(s->r[READ_OPEN], 2, limit);
	return visit_rows(s, s->r[READ_OPEN], v);
}

bool store_row(struct store *s, uint64_t op, struct store_visitor v)
{
	bind_u64(s->r[READ_ONE], 1, op);
	return visit_rows(s, s->r[READ_ONE], v) == 1;
}

unsigned store_find(struct store *s, uint64_t kind, const struct b32 *id, struct store_visitor v)
{
	bind_u64(s->r[READ_FIND], 1, kind);
	bind_b32(s->r[READ_FIND], 2, id);
	return visit_rows(s, s->r[READ_FIND], v);
}

unsigned store_list(struct store *s, uint64_t state, uint64_t kind, uint64_t before_op,
		    unsigned limit, struct store_visitor v)
{
	sqlite3_stmt *st = s->r[READ_LIST];

	bind_u64(st, 1, state);
	bind_u64(st, 2, kind);
	bind_u64(st, 3, before_op ? before_op : INT64_MAX);
	bind_u64(st, 4, limit);
	return visit_rows(s, st, v);
}

static uint64_t read_number(sqlite3_stmt *st)
{
	uint64_t n = sqlite3_step(st) == SQLITE_ROW ? column_u64(st, 0) : 0;
	sqlite3_reset(st);
	return n;
}

uint64_t store_count(struct store *s, enum op_state state)
{
	bind_u64(s->r[READ_COUNT], 1, state);
	return read_number(s->r[READ_COUNT]);
}

uint64_t store_count_open(struct store *s)
{
	return read_number(s->r[READ_OPEN_COUNT]);
}

uint64_t store_figure(struct store *s, const char *name)
{
	bind_text(s->r[READ_FIGURE], 1, name);
	return read_number(s->r[READ_FIGURE]);
}

unsigned store_open_blocks(struct store *s, uint64_t chain, unsigned skip, uint8_t *out, unsigned max)
{
	sqlite3_stmt *st = s->r[READ_BLOCKS];
	unsigned n = 0;

	bind_u64(st, 1, chain);
	bind_u64(st, 2, max);
	bind_u64(st, 3, skip);
	bind_u64(st, 4, store_finalized(s, chain));
	for (; sqlite3_step(st) == SQLITE_ROW && n < max; n++) {
		struct b32 hash = column_b32(st, 1);
		be64_put(out + 40 * n, column_u64(st, 0));
		memcpy(out + 40 * n + 8, hash.b, 32);
	}
	sqlite3_reset(st);
	return n;
}
