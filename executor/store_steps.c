/*
 * store_steps - the record: every change of state of every request, in the commit that makes it.
 *
 * The writer's half is called by its thread between BEGIN and COMMIT; the reader's half by the
 * loop.  A row is removed with its request, or (oldest first, never those of open requests) when
 * there are more than may be kept; the highest number that was ever removed is remembered, so
 * that who asks for what came after an older one is told that something is missing.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "executor/store_internal.h"
#include "proto/limits.h"

#define TRIM_AT_ONCE 64		/* numbers looked at in a commit, and two for each row it adds */

struct steps {
	sqlite3_stmt *first, *next, *prune, *prune_last, *lowest, *trim;
	struct steps_at {
		struct store_record now, said;	/* with this commit; as the figures say */
		uint64_t trimmed_to;
	} at, kept;
};

#define OLD_OPS \
	"(SELECT op FROM op WHERE state >= 7 AND state <> 11 AND changed_ms < ?1" \
	" ORDER BY changed_ms LIMIT 1000)"

#define SQL(name, text) { offsetof(struct steps, name), text }
static const struct sql sqls[] = {
	SQL(first,
	    "INSERT INTO step(seq, op, state, at_ms, reason, block) VALUES(?6,?1,?2,?3,?4,?5)"),
	/* only when the state really changes; what is not given is as the request has it */
	SQL(next, "INSERT INTO step(seq, op, state, at_ms, reason, block, tx)"
		  " SELECT ?6, op, ?2, ?3, ?4, CASE WHEN ?5 > 0 THEN ?5 ELSE block END,"
		  " coalesce(?7, nullif(tx, zeroblob(32))) FROM op WHERE op = ?1 AND coalesce(?8, "
		  "state) <> ?2"),
	SQL(prune_last, "SELECT max(seq) FROM step WHERE op IN " OLD_OPS),
	SQL(prune, "DELETE FROM step WHERE op IN " OLD_OPS),
	SQL(lowest, "SELECT min(seq) FROM step WHERE seq > ?1"),
	SQL(trim, "DELETE FROM step WHERE seq BETWEEN ?1 AND ?2 AND"
		  " (SELECT state FROM op WHERE op.op = step.op) >= 7"),
};
#undef SQL
_Static_assert(STATE_done == 7 && STATE_held == 11, "in the statements");

/* The writer. */

void steps_open(struct store *s)
{
	struct steps *w = calloc(1, sizeof(*w));

	check(w != NULL);
	store_prepare_all(s->writer, sqls, ARRAY_LEN(sqls), w);
	w->at.now = w->at.said = store_record(s);
	s->steps = w;
}

void steps_close(struct store *s)
{
	store_finalize_all(sqls, ARRAY_LEN(sqls), s->steps);
	free(s->steps);
	s->steps = NULL;
}

static void add(struct store *s, sqlite3_stmt *st, const struct store_step *p)
{
	bind_u64(st, 1, p->op);
	bind_u64(st, 2, p->state);
	bind_u64(st, 3, p->at_ms);
	bind_text(st, 4, p->reason);
	bind_u64(st, 5, p->block);
	bind_u64(st, 6, s->steps->at.now.newest + 1);
	store_run(s, st);
	s->steps->at.now.newest += (uint64_t)sqlite3_changes(s->writer);
}

void steps_add_first(struct store *s, const struct store_step *p)
{
	add(s, s->steps->first, p);
}

void steps_add(struct store *s, const struct store_step *p, const enum op_state *after)
{
	sqlite3_stmt *st = s->steps->next;

	if (after)
		bind_u64(st, 8, *after);
	else
		sqlite3_bind_null(st, 8);
	bind_bytes(st, 7, b32_is_zero(&p->tx) ? (struct bytes){ 0 } : BYTES_OF(p->tx.b));
	add(s, st, p);
}

static uint64_t read_number(struct store *s, sqlite3_stmt *st)
{
	uint64_t n = store_has_row(s, st) ? column_u64(st, 0) : 0;

	sqlite3_reset(st);
	return n;
}

/* The last statement has removed rows, none above TO. */
static void note_removed(struct store *s, uint64_t to)
{
	struct store_record *now = &s->steps->at.now;
	uint64_t n = (uint64_t)sqlite3_changes(s->writer);

	now->removed += n;
	if (n && to > now->gone)
		now->gone = to;
}

void steps_prune(struct store *s, uint64_t before_ms)
{
	struct steps *w = s->steps;

	bind_u64(w->prune_last, 1, before_ms);
	uint64_t last = read_number(s, w->prune_last);

	if (!last)
		return;
	bind_u64(w->prune, 1, before_ms);
	store_run(s, w->prune);
	note_removed(s, last);
}

/*
 * Too many: a stretch of the oldest goes, twice as long as what this commit adds.  Rows of open
 * requests stay; the next stretch begins behind them, and after the older half with the oldest.
 */
static void trim(struct store *s, uint64_t most)
{
	struct steps *w = s->steps;

	bind_u64(w->lowest, 1, w->at.trimmed_to);
	uint64_t from = read_number(s, w->lowest),
		 to = from + TRIM_AT_ONCE + 2 * (w->at.now.newest - w->at.said.newest);

	if (!from || to + most / 2 > w->at.now.newest) {
		w->at.trimmed_to = 0;
		return;
	}
	bind_u64(w->trim, 1, from);
	bind_u64(w->trim, 2, to);
	store_run(s, w->trim);
	note_removed(s, to);
	w->at.trimmed_to = to;
}

bool steps_end_batch(struct store *s)
{
	struct store_record *now = &s->steps->at.now, *said = &s->steps->at.said;
	uint64_t most = __atomic_load_n(&s->steps_most, __ATOMIC_RELAXED);
	bool news = now->newest != said->newest;

	if (now->newest - now->first - now->removed > most)
		trim(s, most);
	if (news)
		store_write_figure(s, "steps_newest", now->newest);
	if (now->removed != said->removed) {
		store_write_figure(s, "steps_removed", now->removed);
		store_write_figure(s, "steps_gone", now->gone);
	}
	*said = *now;
	return news;
}

void steps_keep(struct store *s)
{
	s->steps->kept = s->steps->at;
}

void steps_go_back(struct store *s)
{
	s->steps->at = s->steps->kept;
}

/* The reader. */

struct store_record store_record(struct store *s)
{
	return (struct store_record){
		.first = store_figure(s, "steps_first"), .gone = store_figure(s, "steps_gone"),
		.newest = store_figure(s, "steps_newest"), .removed = store_figure(s, "steps_removed"),
	};
}

static unsigned visit(struct store *s, sqlite3_stmt *st, struct store_step_visitor v)
{
	unsigned n = 0;
	int rc;

	for (; (rc = sqlite3_step(st)) == SQLITE_ROW; n++) {
		struct store_step p = {
			.seq = column_u64(st, 0), .op = column_u64(st, 1), .chain = column_u64(st, 2),
			.kind = column_u64(st, 3), .id = column_b32(st, 4),
			.state = (enum op_state)column_u64(st, 5), .at_ms = column_u64(st, 6),
			.block = column_u64(st, 7), .tx = column_b32(st, 8),
			.reason = (const char *)sqlite3_column_text(st, 9),
		};
		v.step(v.owner, &p);
	}
	if (rc != SQLITE_DONE)
		store_fail(s->reader, "read the record");
	sqlite3_reset(st);
	return n;
}

unsigned store_steps(struct store *s, uint64_t after, unsigned limit, struct store_step_visitor v)
{
	bind_u64(s->r[READ_STEPS], 1, after);
	bind_u64(s->r[READ_STEPS], 2, limit);
	return visit(s, s->r[READ_STEPS], v);
}

unsigned store_history(struct store *s, uint64_t op, unsigned limit, struct store_step_visitor v)
{
	bind_u64(s->r[READ_HISTORY], 1, op);
	bind_u64(s->r[READ_HISTORY], 2, limit);
	return visit(s, s->r[READ_HISTORY], v);
}
