/* store_writer - the thread that writes: takes what has gathered, commits it, reports. */

#include <stdlib.h>
#include <time.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/proc.h"
#include "executor/store_internal.h"

struct statements {
	sqlite3_stmt *begin, *commit;
	sqlite3_stmt *find_same, *find_other, *insert, *move, *cursor, *finalized, *change, *answer;
	sqlite3_stmt *touch_find, *touch, *prune, *figure;
};

#define CHANGE \
	"UPDATE op SET state = ?2, reason = ?3, changed_ms = ?4, fetch_ms = ?5, core_ms = ?6," \
	" send_ms = ?7, attempts = ?8, nonce = ?9, tx = ?10, tx_block = ?11, tx_block_hash = ?12," \
	" due_ms = CASE WHEN ?13 > 0 THEN ?13 ELSE due_ms END"

#define SQL(name, text) { offsetof(struct statements, name), text }
static const struct sql sqls[] = {
	SQL(begin, "BEGIN IMMEDIATE"),
	SQL(commit, "COMMIT"),
	SQL(find_same,
	    "SELECT op, state, block_hash, calldata IS NOT NULL FROM op WHERE chain = ?1 AND"
	    " contract = ?2 AND kind = ?3 AND id = ?4 AND content = ?5"),
	/* what can have an answer on the chain, or is about to */
	SQL(find_other,
	    "SELECT 1 FROM op WHERE chain = ?1 AND contract = ?2 AND kind = ?3 AND id = ?4"
	    " AND content <> ?5 AND state NOT IN (8, 9, 10)"),
	SQL(insert,
	    "INSERT INTO op(chain, contract, kind, id, content, request, block, block_hash,"
	    " block_time, log_index, tx_hash, topics, data, state, reason, seen_ms, changed_ms,"
	    " due_ms) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?16,?17)"),
	SQL(move,
	    "UPDATE op SET block = ?2, block_hash = ?3, block_time = ?4, log_index = ?5,"
	    " tx_hash = ?6, state = ?7, reason = ?8, changed_ms = ?9, due_ms = ?10 WHERE op = ?1"),
	SQL(cursor, "INSERT INTO chain(chain, filter, block, hash) VALUES(?1,?2,?3,?4)"
		    " ON CONFLICT(chain) DO UPDATE SET filter = ?2, block = ?3, hash = ?4"),
	SQL(finalized, "INSERT INTO chain(chain, finalized) VALUES(?1,?2)"
		       " ON CONFLICT(chain) DO UPDATE SET finalized = ?2"),
	SQL(change, CHANGE " WHERE op = ?1"),
	SQL(answer, CHANGE ", calldata = ?14, result = ?15 WHERE op = ?1"),
	SQL(touch_find, "SELECT op, block = ?2 AND block_hash = ?3 FROM op WHERE chain = ?1 AND"
			" ((block = ?2 AND block_hash = ?3 AND (state < 7 OR state IN (7, 11))) OR"
			" (tx_block = ?2 AND tx_block > 0 AND tx_block_hash = ?3 AND state = 7))"),
	SQL(touch, "UPDATE op SET state = ?3, reason = ?4, changed_ms = ?2, tx_block = 0,"
		   " tx_block_hash = NULL WHERE op = ?1"),
	SQL(prune, "DELETE FROM op WHERE op IN (SELECT op FROM op WHERE state >= 7 AND state <> 11"
		   " AND changed_ms < ?1 ORDER BY changed_ms LIMIT 1000)"),
	SQL(figure, "INSERT INTO figure(name, value) VALUES(?1,?2)"
		    " ON CONFLICT(name) DO UPDATE SET value = ?2"),
};
#undef SQL
#undef CHANGE
_Static_assert(STATE_done == 7 && STATE_refused == 8 && STATE_expired == 9 && STATE_retracted == 10 &&
	       STATE_held == 11, "in the statements");

void store_writer_open(struct store *s)
{
	s->w = calloc(1, sizeof(*s->w));
	check(s->w != NULL);
	store_prepare_all(s->writer, sqls, ARRAY_LEN(sqls), s->w);
	steps_open(s);
}

void store_writer_close(struct store *s)
{
	steps_close(s);
	store_finalize_all(sqls, ARRAY_LEN(sqls), s->w);
	free(s->w);
	sqlite3_close(s->writer);
}

static int step(struct store *s, sqlite3_stmt *st)
{
	int rc = s->unwritten ? SQLITE_FULL : sqlite3_step(st);

	s->unwritten = rc == SQLITE_FULL;
	return rc;
}

void store_run(struct store *s, sqlite3_stmt *st)
{
	int rc = step(s, st);

	if (rc != SQLITE_DONE && rc != SQLITE_FULL)
		store_fail(s->writer, sqlite3_sql(st));
	sqlite3_reset(st);
}

bool store_has_row(struct store *s, sqlite3_stmt *st)
{
	int rc = step(s, st);

	if (rc != SQLITE_ROW && rc != SQLITE_DONE && rc != SQLITE_FULL)
		store_fail(s->writer, sqlite3_sql(st));
	return rc == SQLITE_ROW;
}

void store_write_figure(struct store *s, const char *name, uint64_t value)
{
	bind_text(s->w->figure, 1, name);
	bind_u64(s->w->figure, 2, value);
	store_run(s, s->w->figure);
}

static void bind_identity(sqlite3_stmt *st, const struct store_event *ev)
{
	bind_u64(st, 1, ev->chain);
	bind_bytes(st, 2, BYTES_OF(ev->contract.b));
	bind_u64(st, 3, ev->kind);
	bind_b32(st, 4, &ev->id);
	bind_b32(st, 5, &ev->content);
}

static void move_event(struct store *s, uint64_t op, const struct store_event *ev,
		       enum op_state state, const char *reason)
{
	sqlite3_stmt *st = s->w->move;
	struct store_step step = { .op = op, .state = state, .at_ms = ev->seen_ms, .reason = reason,
				   .block = ev->block };

	steps_add(s, &step, NULL);
	bind_u64(st, 1, op);
	bind_u64(st, 2, ev->block);
	bind_b32(st, 3, &ev->block_hash);
	bind_u64(st, 4, ev->block_time);
	bind_u64(st, 5, ev->log_index);
	bind_b32(st, 6, &ev->tx_hash);
	bind_u64(st, 7, state);
	bind_text(st, 8, reason);
	bind_u64(st, 9, ev->seen_ms);
	bind_u64(st, 10, ev->due_ms);
	store_run(s, st);
}

struct known {
	enum op_state state;
	struct b32 block_hash;
	bool answered;
};

/* The request is known: the same block, another block, or back after it was retracted. */
static void meet_again(struct store *s, struct job *j, const struct known *k)
{
	const struct store_event *ev = &j->u.event;

	if (k->state == STATE_retracted) {
		/* The same question has the same answer. */
		move_event(s, j->op, ev, k->answered ? STATE_submitting : ev->state, ev->reason);
		j->outcome = STORE_REVIVED;
	} else if (b32_eq(&k->block_hash, &ev->block_hash)) {
		j->outcome = STORE_AGAIN;
	} else {
		move_event(s, j->op, ev, k->state, "");
		j->outcome = STORE_MOVED;
	}
}

static bool has_other_content(struct store *s, const struct store_event *ev)
{
	sqlite3_stmt *st = s->w->find_other;

	bind_identity(st, ev);
	bool found = store_has_row(s, st);
	sqlite3_reset(st);
	return found;
}

static void insert_event(struct store *s, struct job *j)
{
	const struct store_event *ev = &j->u.event;
	/* Undecodable logs have no id of their own to conflict with. */
	bool conflict = ev->state != STATE_held && has_other_content(s, ev);
	struct store_step step = {
		.state = conflict ? STATE_held : ev->state, .at_ms = ev->seen_ms, .block = ev->block,
		.reason = conflict ? "id_conflict: this id came before with other content" : ev->reason,
	};
	sqlite3_stmt *st = s->w->insert;

	bind_identity(st, ev);
	bind_u64(st, 6, ev->request);
	bind_u64(st, 7, ev->block);
	bind_b32(st, 8, &ev->block_hash);
	bind_u64(st, 9, ev->block_time);
	bind_u64(st, 10, ev->log_index);
	bind_b32(st, 11, &ev->tx_hash);
	bind_bytes(st, 12, ev->topics);
	bind_bytes(st, 13, ev->data.p ? ev->data : BYTES("", 0));
	bind_u64(st, 14, step.state);
	bind_text(st, 15, step.reason);
	bind_u64(st, 16, ev->seen_ms);
	bind_u64(st, 17, ev->due_ms);
	store_run(s, st);
	j->op = (uint64_t)sqlite3_last_insert_rowid(s->writer);
	j->outcome = conflict ? STORE_CONFLICT : STORE_NEW;
	step.op = j->op;
	steps_add_first(s, &step);
}

static void do_event(struct store *s, struct job *j)
{
	sqlite3_stmt *st = s->w->find_same;

	bind_identity(st, &j->u.event);
	bool known = store_has_row(s, st);
	struct known k = { .state = (enum op_state)0 };
	if (known) {
		j->op = column_u64(st, 0);
		k.state = (enum op_state)column_u64(st, 1);
		k.block_hash = column_b32(st, 2);
		k.answered = column_u64(st, 3);
	}
	sqlite3_reset(st);
	if (known)
		meet_again(s, j, &k);
	else
		insert_event(s, j);
}

static void do_cursor(struct store *s, const struct job *j)
{
	sqlite3_stmt *st = s->w->cursor;

	bind_u64(st, 1, j->u.cursor.chain);
	bind_b32(st, 2, &j->u.cursor.c.filter);
	bind_u64(st, 3, j->u.cursor.c.block);
	bind_b32(st, 4, &j->u.cursor.c.hash);
	store_run(s, st);
}

static void add_steps(struct store *s, const struct store_change *c)
{
	struct store_step step = { .op = c->op, .reason = "" };
	const enum op_state *after = NULL;

	for (unsigned i = 0; i < c->passed_count; i++) {
		step.state = c->passed[i].state;
		step.at_ms = c->passed[i].at_ms;
		steps_add(s, &step, after);
		after = &c->passed[i].state;
	}
	step.state = c->state;
	step.at_ms = c->changed_ms;
	step.reason = c->reason;
	step.block = c->tx_block;
	step.tx = c->tx;
	steps_add(s, &step, after);
}

static void do_change(struct store *s, const struct job *j)
{
	const struct store_change *c = &j->u.change;
	sqlite3_stmt *st = c->calldata.p ? s->w->answer : s->w->change;

	add_steps(s, c);
	bind_u64(st, 1, c->op);
	bind_u64(st, 2, c->state);
	bind_text(st, 3, c->reason);
	bind_u64(st, 4, c->changed_ms);
	bind_u64(st, 5, c->fetch_ms);
	bind_u64(st, 6, c->core_ms);
	bind_u64(st, 7, c->send_ms);
	bind_u64(st, 8, c->attempts);
	bind_u64(st, 9, c->nonce);
	bind_b32(st, 10, &c->tx);
	bind_u64(st, 11, c->tx_block);
	bind_b32(st, 12, &c->tx_block_hash);
	bind_u64(st, 13, c->due_ms);
	if (c->calldata.p) {
		bind_bytes(st, 14, c->calldata);
		bind_text(st, 15, c->result);
	}
	store_run(s, st);
}

static void touch(struct store *s, const struct touched *t)
{
	bool left = t->now == STATE_retracted;
	sqlite3_stmt *st = s->w->touch;
	struct store_step step = {
		.op = t->op, .state = t->now, .at_ms = clock_unix_ms(),
		.reason = left ? "its block left the chain" : "its transaction left the chain",
	};

	steps_add(s, &step, NULL);
	bind_u64(st, 1, t->op);
	bind_u64(st, 2, step.at_ms);
	bind_u64(st, 3, step.state);
	bind_text(st, 4, step.reason);
	store_run(s, st);
}

static void do_retracted(struct store *s, struct job *j)
{
	sqlite3_stmt *st = s->w->touch_find;
	unsigned room = 0;

	bind_u64(st, 1, j->u.block.chain);
	bind_u64(st, 2, j->u.block.number);
	bind_b32(st, 3, &j->u.block.hash);
	while (store_has_row(s, st)) {
		if (j->touched_count == room) {
			room = room ? room * 2 : 16;
			j->touched = realloc(j->touched, room * sizeof(*j->touched));
			check(j->touched != NULL);
		}
		j->touched[j->touched_count].op = column_u64(st, 0);
		j->touched[j->touched_count++].now =
			column_u64(st, 1) ? STATE_retracted : STATE_submitting;
	}
	sqlite3_reset(st);
	for (unsigned i = 0; i < j->touched_count; i++)
		touch(s, &j->touched[i]);
}

static void do_job(struct store *s, struct job *j)
{
	switch (j->type) {
	case JOB_EVENT:
		do_event(s, j);
		break;
	case JOB_CURSOR:
		do_cursor(s, j);
		break;
	case JOB_CHANGE:
		do_change(s, j);
		break;
	case JOB_FINALIZED:
		bind_u64(s->w->finalized, 1, j->u.block.chain);
		bind_u64(s->w->finalized, 2, j->u.block.number);
		store_run(s, s->w->finalized);
		break;
	case JOB_RETRACTED:
		do_retracted(s, j);
		break;
	case JOB_FIGURE:
		store_write_figure(s, j->u.figure.name, j->u.figure.value);
		break;
	case JOB_PRUNE:
		steps_prune(s, j->u.before_ms);
		bind_u64(s->w->prune, 1, j->u.before_ms);
		store_run(s, s->w->prune);
		break;
	}
}

static struct timespec at_ms(uint64_t mono_ms)
{
	return (struct timespec){ .tv_sec = (time_t)(mono_ms / 1000),
				  .tv_nsec = (long)(mono_ms % 1000) * 1000000 };
}

/* While nobody waits for what there is, more may go with it. */
static void gather(struct store *s)
{
	while (!s->stop && s->by_ms > clock_mono_ms()) {
		struct timespec until = at_ms(s->by_ms);

		pthread_cond_timedwait(&s->wake, &s->lock, &until);
	}
}

/* Wait for work; the next batch, or NULL when it is time to stop and nothing is left. */
static struct job *take_batch(struct store *s, struct job **last)
{
	pthread_mutex_lock(&s->lock);
	while (!s->todo.first && !s->stop)
		pthread_cond_wait(&s->wake, &s->lock);
	if (s->todo.first)
		gather(s);
	struct job *first = s->todo.first, *j = first;
	for (unsigned n = 1; j && j->next && n < STORE_BATCH_MAX; n++)
		j = j->next;
	*last = j;
	if (j) {
		s->todo.first = j->next;
		if (!j->next)
			s->todo.last = &s->todo.first;
		j->next = NULL;
	}
	s->by_ms = 0;	/* what is left has gathered */
	pthread_mutex_unlock(&s->lock);
	return first;
}

static void give_back(struct store *s, struct job *first, struct job *last, bool news)
{
	pthread_mutex_lock(&s->lock);
	*s->done.last = first;
	s->done.last = &last->next;
	s->news = s->news || news;
	s->full = false;
	pthread_mutex_unlock(&s->lock);
	waker_wake(s->waker);
}

/* As if it had never been tried. */
static void undo(struct store *s, struct job *first)
{
	if (!sqlite3_get_autocommit(s->writer) &&
	    sqlite3_exec(s->writer, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
		store_fail(s->writer, "rollback");
	steps_go_back(s);
	for (struct job *j = first; j; j = j->next) {
		free(j->touched);
		j->touched = NULL;
		j->touched_count = 0;
	}
}

/* All of them in one transaction; false: the disk is full, and nothing has happened. */
static bool write_batch(struct store *s, struct job *first, bool *news_out)
{
	uint64_t rows = 0;

	s->unwritten = false;
	steps_keep(s);
	store_run(s, s->w->begin);
	for (struct job *j = first; j; j = j->next, rows++)
		do_job(s, j);
	*news_out = steps_end_batch(s);
	store_run(s, s->w->commit);
	if (s->unwritten) {
		undo(s, first);
		return false;
	}
	count(CNT_EXECUTOR_commits, 1);
	count(CNT_EXECUTOR_rows, rows);
	return true;
}

/* What is in the database already needs no place in the log any more, if it comes there now. */
static void make_room(struct store *s)
{
	int rc = sqlite3_wal_checkpoint_v2(s->writer, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

	if (rc != SQLITE_OK && rc != SQLITE_FULL && rc != SQLITE_BUSY && rc != SQLITE_LOCKED)
		store_fail(s->writer, "checkpoint");
}

/* Says that there is none, once, and waits a little; false when it is time to stop. */
static bool wait_for_room(struct store *s)
{
	struct timespec until = at_ms(clock_mono_ms() + STORE_FULL_MS);

	pthread_mutex_lock(&s->lock);
	bool news = !s->full;
	s->full = true;
	if (news)
		waker_wake(s->waker);
	while (!s->stop && pthread_cond_timedwait(&s->wake, &s->lock, &until) == 0)
		;
	bool goes_on = !s->stop;
	pthread_mutex_unlock(&s->lock);
	return goes_on;
}

void *store_writer_main(void *store)
{
	struct store *s = store;
	struct job *first, *last;
	bool news;

	while ((first = take_batch(s, &last)) != NULL) {
		for (bool again = false; !write_batch(s, first, &news); again = true) {
			make_room(s);
			if (again && !wait_for_room(s)) {
				jobs_free(first);
				return NULL;
			}
		}
		give_back(s, first, last, news);
	}
	return NULL;
}
