/*
 * store_world - a store in a directory of its own, and calls that wait for their commit.
 */
#pragma once

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/loop.h"
#include "executor/store.h"

static char dir[64];

static inline void begin(void)
{
	snprintf(dir, sizeof(dir), "/tmp/kms-store-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
}

static inline void end(void)
{
	char path[100];
	static const char *const files[] = { "requests.db", "requests.db-wal", "requests.db-shm" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

static struct {
	uint64_t op;
	enum store_outcome what;
	unsigned calls, want;
	struct loop *loop;
	struct { uint64_t op; enum op_state now; } touched[8];
	unsigned touches;
} t;

static inline void called(void)
{
	if (++t.calls >= t.want)
		loop_stop(t.loop);
}

static inline void on_event(void *owner, uint64_t op, enum store_outcome what)
{
	(void)owner;
	t.op = op;
	t.what = what;
	called();
}

static inline void on_change(void *owner, uint64_t op, enum op_state state)
{
	(void)owner, (void)op, (void)state;
	called();
}

static inline void on_cursor(void *owner, uint64_t chain, uint64_t block)
{
	(void)owner, (void)chain, (void)block;
	called();
}

static inline void on_touched(void *owner, uint64_t op, enum op_state now)
{
	(void)owner;
	if (!op) {
		called();
		return;
	}
	t.touched[t.touches].op = op;
	t.touched[t.touches++].now = now;
}

static inline void wait_for(unsigned n)
{
	t.calls = 0;
	t.want = n;
	loop_run(t.loop);
}

static inline struct store_event event(uint8_t id, uint8_t content, uint8_t block)
{
	struct store_event ev = { .chain = 7, .kind = KIND_public_decryption, .block = block,
				  .topics = BYTES("topics", 6), .data = BYTES("data", 4),
				  .state = STATE_seen, .reason = "", .seen_ms = 1 };
	ev.id.b[31] = id;
	ev.content.b[0] = content;
	ev.block_hash.b[0] = block;
	return ev;
}

static inline enum store_outcome put(struct store *s, struct store_event ev)
{
	store_put_event(s, &ev, on_event, NULL);
	wait_for(1);
	return t.what;
}

static inline struct store *open_store(void)
{
	t.loop = t.loop ? t.loop : loop_new();
	return store_open(t.loop, dir);
}

static struct store_row last;
static unsigned rows;

static inline void on_row(void *owner, const struct store_row *r)
{
	(void)owner;
	last = *r;
	last.topics.p = last.data.p = last.calldata.p = NULL;
	rows++;
}

static const struct store_visitor visitor = { .row = on_row };
