/* store_steps - the record: each change once, in its own commit, numbers that never come again. */

#include "tests/unit/store_world.h"

#include <sqlite3.h>

#include "executor/store_internal.h"

TestSuite(store_steps, .timeout = 60, .init = begin, .fini = end);

#define SEEN_MAX 4000

static struct {
	unsigned count;
	struct store_step step[SEEN_MAX];
	char reason[SEEN_MAX][60];
} seen;

static void on_step(void *owner, const struct store_step *p)
{
	(void)owner;
	cr_assert_lt(seen.count, SEEN_MAX);
	snprintf(seen.reason[seen.count], sizeof(seen.reason[0]), "%s", p->reason);
	seen.step[seen.count] = *p;
	seen.step[seen.count].reason = seen.reason[seen.count];
	seen.count++;
}

static const struct store_step_visitor step_visitor = { .step = on_step };

/* Everything after a number, read in small parts as a follower does. */
static unsigned all_after(struct store *s, uint64_t after)
{
	seen.count = 0;
	while (store_steps(s, after, 7, step_visitor))
		after = seen.step[seen.count - 1].seq;
	return seen.count;
}

static unsigned history(struct store *s, uint64_t op)
{
	seen.count = 0;
	return store_history(s, op, SEEN_MAX, step_visitor);
}

static void put_state(struct store *s, uint64_t op, enum op_state state, const char *reason)
{
	struct store_change c = { .op = op, .state = state, .changed_ms = 1000u * state };

	snprintf(c.reason, sizeof(c.reason), "%s", reason);
	if (state == STATE_done) {
		c.tx.b[0] = 0xaa;
		c.tx_block = 77;
		c.tx_block_hash.b[0] = 77;
	}
	store_put_change(s, &c, on_change, NULL);
	wait_for(1);
}

static void expect_step(unsigned at, enum op_state state, uint64_t block, bool has_tx, const char *reason)
{
	const struct store_step *p = &seen.step[at];

	cr_assert_lt(at, seen.count);
	cr_expect_eq(p->state, state, "%u: %s", at, state_name(p->state));
	cr_expect_eq(p->block, block, "%u: block %u", at, (unsigned)p->block);
	cr_expect_eq(!b32_is_zero(&p->tx), has_tx, "%u", at);
	cr_expect_str_eq(p->reason, reason);
}

Test(store_steps, each_change_of_state_once_and_flushes_add_none)
{
	struct store *s = open_store();
	struct store_record r = store_record(s);

	put(s, event(1, 1, 10));
	uint64_t op = t.op;
	put(s, event(1, 1, 10));		/* the same event again */
	put_state(s, op, STATE_checking, "");
	put_state(s, op, STATE_checking, "tried again");
	put_state(s, op, STATE_computing, "");
	put_state(s, op, STATE_refused, "for a reason");
	put_state(s, op, STATE_done, "");
	put_state(s, op, STATE_done, "");
	cr_assert_eq(history(s, op), 5);
	expect_step(0, STATE_seen, 10, false, "");
	expect_step(1, STATE_checking, 10, false, "");
	expect_step(2, STATE_computing, 10, false, "");
	expect_step(3, STATE_refused, 10, false, "for a reason");
	expect_step(4, STATE_done, 77, true, "");
	cr_assert_eq(seen.step[0].at_ms, 1);
	cr_assert_eq(seen.step[4].at_ms, 7000);
	cr_assert_eq(seen.step[4].kind, KIND_public_decryption);
	cr_assert_eq(seen.step[4].id.b[31], 1);
	cr_assert_eq(all_after(s, r.newest), 5);
	for (unsigned i = 0; i < 5; i++)
		cr_assert_eq(seen.step[i].seq, r.newest + 1 + i);
	cr_assert_eq(store_record(s).newest, r.newest + 5);
	cr_assert_eq(all_after(s, r.newest + 5), 0);
	store_close(&s);
}

Test(store_steps, states_passed_since_the_last_change_come_before_it)
{
	struct store *s = open_store();

	put(s, event(1, 1, 10));
	uint64_t op = t.op;
	struct store_change c = {
		.op = op,
		.state = STATE_answered,
		.changed_ms = 5000,
		.passed_count = 4,
		.passed = { { STATE_seen, 1 }, /* as its row is: nothing new */
			    { STATE_checking, 2000 },
			    { STATE_computing, 3000 },
			    { STATE_checking, 4000 } },
	};

	store_put_change(s, &c, on_change, NULL);
	wait_for(1);
	cr_assert_eq(history(s, op), 5);
	expect_step(0, STATE_seen, 10, false, "");
	expect_step(1, STATE_checking, 10, false, "");
	expect_step(2, STATE_computing, 10, false, "");
	expect_step(3, STATE_checking, 10, false, "");
	expect_step(4, STATE_answered, 10, false, "");
	cr_assert_eq(seen.step[3].at_ms, 4000);
	store_close(&s);
}

Test(store_steps, retractions_and_revivals_are_recorded)
{
	struct store *s = open_store();
	struct b32 ours = { { 77 } }, theirs = { { 10 } };

	put(s, event(1, 1, 10));
	uint64_t op = t.op;
	put(s, event(1, 1, 11));		/* in another block: the same state */
	put(s, event(1, 1, 10));
	put_state(s, op, STATE_done, "");
	store_put_retracted(s, 7, 77, &ours, on_touched, NULL);
	wait_for(1);
	put_state(s, op, STATE_done, "");
	store_put_retracted(s, 7, 10, &theirs, on_touched, NULL);
	wait_for(1);
	put(s, event(1, 1, 12));
	put(s, event(1, 2, 13));		/* the same id with other content */
	cr_assert_eq(history(s, op), 6);
	expect_step(0, STATE_seen, 10, false, "");
	expect_step(1, STATE_done, 77, true, "");
	expect_step(2, STATE_submitting, 10, true, "its transaction left the chain");
	expect_step(3, STATE_done, 77, true, "");
	expect_step(4, STATE_retracted, 10, true, "its block left the chain");
	expect_step(5, STATE_seen, 12, true, "");
	cr_assert_eq(history(s, t.op), 1);
	expect_step(0, STATE_held, 13, false, "id_conflict: this id came before with other content");
	store_close(&s);
}

/* The row and the last of its record are one commit. */
static void compare_row(void *owner, const struct store_row *r)
{
	struct store *s = owner;

	cr_assert_gt(history(s, r->op), 0);
	cr_assert(seen.step[0].state == STATE_seen || seen.step[0].state == STATE_held);
	cr_assert_eq(seen.step[seen.count - 1].state, r->state);
	for (unsigned i = 1; i < seen.count; i++)
		cr_assert(seen.step[i].seq > seen.step[i - 1].seq &&
			  seen.step[i].state != seen.step[i - 1].state);
	rows++;
}

Test(store_steps, a_kill_leaves_rows_and_record_as_one)
{
	uint64_t newest = 0;

	for (unsigned round = 0; round < 4; round++) {
		int committed[2];
		char byte;
		cr_assert_eq(pipe(committed), 0);
		pid_t pid = fork();
		if (pid == 0) {
			struct store *s = open_store();
			for (uint64_t n = 0;; n++) {
				struct store_event ev = event((uint8_t)n, (uint8_t)(n / 256 + 50 * round), 10);
				struct store_change c = { .op = 1 + n % 200, .changed_ms = 1,
							  .state = STATE_checking + (enum op_state)(n / 7 % 5) };
				store_put_event(s, &ev, on_event, NULL);
				store_put_change(s, &c, n % 3 ? NULL : on_change, NULL);
				if (n % 16 == 15)
					wait_for(3);
				if (n == 15 && write(committed[1], "", 1) != 1)
					_exit(1);
			}
		}
		cr_assert_eq(read(committed[0], &byte, 1), 1);
		close(committed[0]);
		close(committed[1]);
		usleep(10000 + 37000 * round);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);

		struct store *s = open_store();
		struct store_record r = store_record(s);
		cr_assert_gt(r.newest, newest);
		newest = r.newest;
		rows = 0;
		store_list(s, 0, 0, 0, 1000, (struct store_visitor){ .row = compare_row, .owner = s });
		cr_assert_gt(rows, 0);
		/* no number is missing and none is there twice */
		for (uint64_t at = r.first; at < r.newest;) {
			seen.count = 0;
			cr_assert_gt(store_steps(s, at, 1000, step_visitor), 0);
			for (unsigned i = 0; i < seen.count; i++)
				cr_assert_eq(seen.step[i].seq, ++at);
		}
		store_close(&s);
	}
}

static unsigned news;

static void on_news(void *owner)
{
	(void)owner;
	news++;
	called();
}

static void on_time(void *owner)
{
	(void)owner;
	called();
}

Test(store_steps, who_waits_for_no_commit_forces_none_and_is_told_all_the_same)
{
	struct store *s = open_store();
	struct timer *timer = timer_new(t.loop, on_time, NULL);
	struct store_change c = { .changed_ms = 1 };

	for (uint8_t i = 1; i <= 20; i++)
		put(s, event(i, 1, 10));
	store_on_steps(s, on_news, NULL);
	for (uint8_t i = 1; i <= 20; i++) {
		c.op = i;
		c.state = STATE_checking;
		store_put_change(s, &c, NULL, NULL);
		timer_start(timer, 0.002, 0);
		wait_for(1);
	}
	cr_assert_eq(news, 0);
	uint64_t before_ms = clock_mono_ms();
	wait_for(1);
	cr_assert_eq(news, 1, "all in one commit");
	cr_assert_leq(clock_mono_ms() - before_ms, 2 * STORE_GATHER_MS);
	cr_assert_eq(all_after(s, store_record(s).first), 40);
	/* somebody waits: it goes along */
	c.state = STATE_computing;
	store_put_change(s, &c, NULL, NULL);
	c.op = 1;
	before_ms = clock_mono_ms();
	store_put_change(s, &c, on_change, NULL);
	wait_for(2);
	cr_assert_eq(news, 2);
	cr_assert_lt(clock_mono_ms() - before_ms, STORE_GATHER_MS);
	store_close(&s);
}

Test(store_steps, numbers_go_on_after_a_restart_and_are_higher_in_another_store)
{
	struct store *s = open_store();

	put(s, event(1, 1, 10));
	struct store_record first = store_record(s);
	store_close(&s);
	s = open_store();
	cr_assert_eq(store_record(s).newest, first.newest);
	put(s, event(2, 1, 10));
	cr_assert_eq(store_record(s).newest, first.newest + 1);
	store_close(&s);
	end();
	begin();
	usleep(5000);
	s = open_store();
	cr_assert_gt(store_record(s).first, first.newest + 1);
	cr_assert_lt(store_record(s).first, 1ull << 53);
	store_close(&s);
}

Test(store_steps, it_is_pruned_with_its_request)
{
	struct store *s = open_store();
	struct store_record r = store_record(s);

	for (uint8_t i = 1; i <= 5; i++) {
		put(s, event(i, 1, 10));	/* 1, 3, 5, 7, 9 */
		put_state(s, t.op, i % 2 ? STATE_done : STATE_checking, "");
	}
	store_put_prune(s, 1000u * STATE_done);	/* not older */
	put(s, event(9, 1, 10));
	cr_assert_eq(all_after(s, r.first), 11);
	cr_assert_eq(store_record(s).gone, r.first);
	store_put_prune(s, 1000u * STATE_done + 1);
	put(s, event(10, 1, 10));
	cr_assert_eq(all_after(s, r.first), 6);
	for (unsigned i = 0; i < seen.count; i++)
		cr_assert_neq(seen.step[i].state, STATE_done);
	cr_assert_eq(store_record(s).gone, r.first + 10);
	cr_assert_eq(store_record(s).removed, 6);
	cr_assert_eq(store_record(s).newest, r.first + 12);
	cr_assert_eq(history(s, 1), 0);
	store_close(&s);
	s = open_store();
	cr_assert_eq(store_record(s).removed, 6);
	store_close(&s);
}

Test(store_steps, it_is_bounded_and_keeps_what_is_open)
{
	struct store *s = open_store();
	struct store_record r = store_record(s);

	store_keep_steps(s, 200);
	for (unsigned i = 0; i < 10; i++)
		put(s, event((uint8_t)i, 200, 10));
	for (unsigned i = 0; i < 1000; i++) {
		put(s, event((uint8_t)i, (uint8_t)(i / 256), 10));
		put_state(s, t.op, STATE_done, "");
	}
	struct store_record now = store_record(s);
	cr_assert_eq(now.newest, r.first + 2010);
	cr_assert_leq(now.newest - now.first - now.removed, 200);
	cr_assert_geq(now.newest - now.first - now.removed, 100);
	cr_assert_eq(all_after(s, r.first), now.newest - now.first - now.removed);
	unsigned open = 0;
	for (unsigned i = 0; i < seen.count; i++)
		open += seen.step[i].state == STATE_seen && seen.step[i].op <= 10;
	cr_assert_eq(open, 10);
	cr_assert_eq(all_after(s, now.gone), now.newest - now.gone, "behind GONE nothing is missing");
	store_close(&s);
}

/* A store of the schema before: columns and indexes that this one does without. */
static const char schema_1[] =
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
	" tx_block_hash BLOB, handles_hash BLOB, calldata BLOB, due_ms INTEGER NOT NULL);"
	"CREATE UNIQUE INDEX op_identity ON op(chain, contract, kind, id, content);"
	"CREATE INDEX op_open ON op(op) WHERE state < 7;"
	"CREATE INDEX op_state ON op(state, op);"
	"CREATE INDEX op_ended ON op(changed_ms) WHERE state >= 7;"
	"CREATE INDEX op_block ON op(chain, block) WHERE state < 7;"
	"CREATE INDEX op_tx_block ON op(chain, tx_block) WHERE tx_block > 0;"
	"CREATE TABLE chain("
	" chain INTEGER PRIMARY KEY, filter BLOB, block INTEGER, hash BLOB,"
	" finalized INTEGER NOT NULL DEFAULT 0);"
	"CREATE TABLE figure(name TEXT PRIMARY KEY, value INTEGER NOT NULL);"
	"PRAGMA user_version=1;"
	"INSERT INTO op(chain, contract, kind, id, content, request, block, block_hash, block_time,"
	" log_index, tx_hash, topics, data, state, reason, seen_ms, changed_ms, tx, tx_block, due_ms)"
	" VALUES(7, zeroblob(20), 1, randomblob(32), zeroblob(32), 0, 10, zeroblob(32), 1, 0,"
	" zeroblob(32), 'topics', 'data', 3, '', 1, 2, zeroblob(32), 0, 9),"
	" (7, zeroblob(20), 1, randomblob(32), zeroblob(32), 0, 10, zeroblob(32), 1, 1,"
	" zeroblob(32), 'topics', 'data', 7, 'why', 1, 3, randomblob(32), 12, 9);";

Test(store_steps, a_store_of_the_schema_before_is_brought_here)
{
	char path[100];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/requests.db", dir);
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, schema_1, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
	struct store *s = open_store();
	cr_assert_eq(all_after(s, store_record(s).first), 2);
	expect_step(0, STATE_checking, 10, false, "");
	expect_step(1, STATE_done, 12, true, "why");
	cr_assert_eq(store_record(s).newest, store_record(s).first + 2);
	put(s, event(5, 1, 13));
	cr_assert_eq(t.op, 3);
	cr_assert_eq(history(s, 3), 1);
	cr_assert_eq(seen.step[0].seq, store_record(s).first + 3);
	store_close(&s);
	s = open_store();
	cr_assert_eq(all_after(s, store_record(s).first), 3);
	store_close(&s);
}
