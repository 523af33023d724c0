/* store - what is known again after a restart, and what one event does to another. */

#include "executor/store_internal.h"
#include "tests/unit/store_world.h"

TestSuite(store, .timeout = 30, .init = begin, .fini = end);

Test(store, the_same_event_again_changes_nothing)
{
	struct store *s = open_store();

	cr_assert_eq(put(s, event(1, 1, 10)), STORE_NEW);
	uint64_t first = t.op;
	cr_assert_eq(put(s, event(1, 1, 10)), STORE_AGAIN);
	cr_assert_eq(t.op, first);
	cr_assert_eq(put(s, event(1, 1, 11)), STORE_MOVED);
	cr_assert_eq(t.op, first);
	cr_assert(store_row(s, first, visitor));
	cr_assert_eq(last.block, 11);
	store_close(&s);
}

Test(store, other_content_under_a_known_id_is_held)
{
	struct store *s = open_store();

	cr_assert_eq(put(s, event(1, 1, 10)), STORE_NEW);
	cr_assert_eq(put(s, event(1, 2, 11)), STORE_CONFLICT);
	cr_assert(store_row(s, t.op, visitor));
	cr_assert_eq(last.state, STATE_held);
	cr_assert_eq(store_count(s, STATE_seen), 1);
	store_close(&s);
}

static void done_in_block(struct store *s, uint64_t op, uint8_t block)
{
	struct store_change c = { .op = op, .state = STATE_done, .tx_block = block,
				  .calldata = BYTES("call", 4), .result = "CRS=0x1" };
	c.tx_block_hash.b[0] = block;
	c.tx.b[0] = 0xaa;
	store_put_change(s, &c, on_change, NULL);
	wait_for(1);
}

Test(store, a_block_that_left_retracts_and_reopens)
{
	struct store *s = open_store();
	struct b32 hash = { { 20 } }, other = { { 21 } };

	put(s, event(1, 1, 20));
	uint64_t seen = t.op;
	put(s, event(2, 1, 10));
	uint64_t done = t.op;
	put(s, event(3, 1, 19));
	done_in_block(s, done, 20);

	store_put_retracted(s, 7, 20, &other, on_touched, NULL);	/* another hash: nothing */
	wait_for(1);
	cr_assert_eq(t.touches, 0);
	store_put_retracted(s, 7, 20, &hash, on_touched, NULL);
	wait_for(1);
	cr_assert_eq(t.touches, 2);
	for (unsigned i = 0; i < t.touches; i++)
		cr_assert_eq(t.touched[i].now, t.touched[i].op == seen ? STATE_retracted : STATE_submitting);
	cr_assert(store_row(s, done, visitor));
	cr_assert_eq(last.state, STATE_submitting);
	cr_assert_eq(last.calldata.len, 4, "the answer is kept");
	cr_assert_eq(last.tx_block, 0);

	cr_assert_eq(put(s, event(1, 1, 22)), STORE_REVIVED);	/* the event again, in another block */
	cr_assert_eq(t.op, seen);
	/* and the same id with other content, after the first was retracted, is a new request */
	hash.b[0] = 22;
	store_put_retracted(s, 7, 22, &hash, on_touched, NULL);
	wait_for(1);
	cr_assert_eq(put(s, event(1, 9, 23)), STORE_NEW);
	store_close(&s);
}

Test(store, the_event_of_an_answered_request_left)
{
	struct store *s = open_store();
	struct b32 hash = { { 20 } };

	put(s, event(4, 1, 20));
	uint64_t done = t.op;
	done_in_block(s, done, 21);
	store_put_retracted(s, 7, 20, &hash, on_touched, NULL);
	wait_for(1);
	cr_assert_eq(t.touches, 1);
	cr_assert_eq(t.touched[0].now, STATE_retracted);
	/* other content under the same id is a new request, to be answered again */
	cr_assert_eq(put(s, event(4, 2, 22)), STORE_NEW);
	cr_assert_neq(t.op, done);
	/* the same content has the same answer: brought, not computed */
	cr_assert_eq(put(s, event(4, 1, 23)), STORE_REVIVED);
	cr_assert_eq(t.op, done);
	cr_assert(store_row(s, done, visitor));
	cr_assert_eq(last.state, STATE_submitting);
	cr_assert_eq(last.tx_block, 0);
	store_close(&s);
}

/* A chain on which nothing happens for us costs a commit now and then; who waits has one at once. */
Test(store, cursors_without_events_go_together)
{
	struct store *s = open_store();
	struct store_cursor c = { .present = true, .block = 1 };
	uint64_t before_ms = clock_mono_ms();

	for (; c.block <= 3; c.block++)
		store_put_cursor(s, 7, &c, false, on_cursor, NULL);
	store_put_finalized(s, 7, 1);
	wait_for(3);
	cr_assert_geq(clock_mono_ms() - before_ms, STORE_IDLE_MS - 1);
	cr_assert_leq(clock_mono_ms() - before_ms, 2 * STORE_IDLE_MS);

	before_ms = clock_mono_ms();
	store_put_cursor(s, 7, &c, false, on_cursor, NULL);
	put(s, event(1, 1, 10));
	cr_assert_lt(clock_mono_ms() - before_ms, STORE_IDLE_MS);
	c.block = 9;
	store_put_cursor(s, 7, &c, false, on_cursor, NULL);
	store_close(&s);	/* commits what is waiting */

	s = open_store();
	cr_assert_eq(store_cursor(s, 7).block, 9);
	cr_assert_eq(store_finalized(s, 7), 1);
	store_close(&s);
}

Test(store, everything_is_there_after_a_restart)
{
	struct store *s = open_store();
	struct store_cursor c = { .present = true, .block = 99 };

	c.hash.b[5] = 5;
	c.filter.b[6] = 6;
	for (uint8_t i = 0; i < 100; i++) {
		struct store_event ev = event(i, 1, 10);
		store_put_event(s, &ev, on_event, NULL);
	}
	wait_for(100);
	store_put_cursor(s, 7, &c, true, on_cursor, NULL);
	wait_for(1);
	store_put_finalized(s, 7, 42);
	store_close(&s);

	s = open_store();
	struct store_cursor back = store_cursor(s, 7);
	cr_assert(back.present);
	cr_assert_eq(back.block, 99);
	cr_assert(b32_eq(&back.hash, &c.hash) && b32_eq(&back.filter, &c.filter));
	cr_assert_eq(store_finalized(s, 7), 42);
	cr_assert_not(store_cursor(s, 8).present);
	rows = 0;
	cr_assert_eq(store_open_rows(s, 0, 1000, visitor), 100);
	cr_assert_eq(store_open_rows(s, 60, 10, visitor), 10);
	rows = 0;
	cr_assert_eq(store_list(s, STATE_seen, 0, 0, 7, visitor), 7);
	cr_assert_eq(last.op, 94);
	uint8_t open[40 * 4];
	cr_assert_eq(store_open_blocks(s, 7, 0, open, 4), 1);
	cr_assert_eq(be64_get(open), 10);
	store_close(&s);
}

Test(store, what_was_reported_survives_a_kill)
{
	int said[2];

	cr_assert_eq(pipe(said), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct store *s = open_store();
		for (uint8_t i = 0; i < 50; i++) {
			put(s, event(i, 1, 10));
			if (write(said[1], &i, 1) != 1)
				_exit(1);
		}
		for (;;)
			pause();
	}
	close(said[1]);
	uint8_t n = 0;
	for (uint8_t i = 0; i < 50; i++)
		cr_assert_eq(read(said[0], &n, 1), 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);

	struct store *s = open_store();
	cr_assert_eq(store_count(s, STATE_seen), 50);
	store_close(&s);
}

Test(store, a_newer_schema_and_no_store_are_refused, .exit_code = 65)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/requests.db", dir);
	FILE *f = fopen(path, "w");
	fputs("this is no database, whatever its name says; it is text of some length\n", f);
	fclose(f);
	struct store *s = open_store();
	store_close(&s);
}

static unsigned fulls, rooms;

static void on_full(void *owner, bool full)
{
	(void)owner;
	fulls += full;
	rooms += !full;
	called();
}

/* The writer sleeps meanwhile: it has nothing to do, or waits for room. */
static void limit_pages(struct store *s, const char *most)
{
	char sql[60];

	snprintf(sql, sizeof(sql), "PRAGMA max_page_count=%s", most);
	cr_assert_eq(sqlite3_exec(s->writer, sql, NULL, NULL, NULL), SQLITE_OK);
}

static unsigned seen_steps;

static void on_step(void *owner, const struct store_step *step)
{
	(void)owner, (void)step;
	seen_steps++;
}

Test(store, a_full_disk_waits_for_room)
{
	struct store *s = open_store();
	struct store_event ev = event(2, 1, 10);
	static uint8_t large[64 << 10];

	store_on_full(s, on_full, s);
	cr_assert_eq(put(s, event(1, 1, 10)), STORE_NEW);
	limit_pages(s, "1"); /* as many as there are */
	ev.data = BYTES_OF(large);
	store_put_finalized(s, 7, 9); /* goes with it: nothing is left to write afterwards */
	store_put_event(s, &ev, on_event, NULL);
	wait_for(1);
	cr_assert(store_is_full(s));
	store_put_finalized(s, 7, 10); /* not kept: it is said again */
	cr_assert_eq(store_count(s, STATE_seen), 1);
	limit_pages(s, "1000000");
	wait_for(2);
	cr_assert_not(store_is_full(s));
	cr_assert_eq(fulls, 1);
	cr_assert_eq(rooms, 1);
	cr_assert_eq(t.what, STORE_NEW);
	cr_assert_eq(store_count(s, STATE_seen), 2);
	store_steps(s, 0, 10, (struct store_step_visitor){ .step = on_step });
	cr_assert_eq(seen_steps, 2, "each is recorded once");
	limit_pages(s, "1");
	ev = event(3, 1, 10);
	ev.data = BYTES_OF(large);
	store_put_event(s, &ev, on_event, NULL);
	wait_for(1);
	store_close(&s); /* also while it waits */
	s = open_store();
	cr_assert_eq(store_count(s, STATE_seen), 2);
	store_close(&s);
}
