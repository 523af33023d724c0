/* store_read - what the loop reads: committed rows, through a connection of its own. */

#include <stdio.h>

#include "common/log.h"
#include "executor/store_internal.h"

#define ROW_COLUMNS \
	"op, chain, kind, request, contract, id, block, block_time, log_index, block_hash, state," \
	" reason, seen_ms, changed_ms, fetch_ms, core_ms, send_ms, attempts, nonce, tx_block, tx," \
	" tx_block_hash, tx_hash, topics, data, calldata, due_ms, result"

/* Filters of a page: state, kind, before, not below, since, until, words, limit. */
#define PAGE_FILTER \
	" AND op < ?3 AND op >= ?4 AND seen_ms >= ?5 AND seen_ms < ?6 AND" \
	" (?7 = '' OR instr(lower(reason), lower(?7)) > 0) ORDER BY op DESC LIMIT ?8"

#define STEP_COLUMNS \
	"s.seq, s.op, o.chain, o.kind, o.id, s.state, s.at_ms, s.block, s.tx, s.reason"

static const char *const readings[] = {
	[READ_CURSOR] = "SELECT filter, block, hash, finalized FROM chain WHERE chain = ?1",
	[READ_OPEN] = "SELECT " ROW_COLUMNS " FROM op WHERE state < 7 AND op > ?1 ORDER BY op LIMIT ?2",
	[READ_ONE] = "SELECT " ROW_COLUMNS " FROM op WHERE op = ?1",
	[READ_FIND] = "SELECT " ROW_COLUMNS " FROM op INDEXED BY op_identity WHERE kind = ?1 AND id = ?2 ORDER BY op DESC LIMIT 16",
	[READ_COUNT] = "SELECT count(*) FROM op WHERE state = ?1",
	[READ_BLOCKS] = "SELECT block, block_hash FROM op WHERE chain = ?1 AND (state < 7 OR"
			" (block > ?4 AND state IN (7, 11)))"
			" UNION SELECT tx_block, tx_block_hash FROM op WHERE chain = ?1 AND tx_block > ?4"
			" ORDER BY 1 LIMIT ?2 OFFSET ?3",
	[READ_OPEN_COUNT] = "SELECT count(*) FROM op WHERE state < 7",
	[READ_FIGURE] = "SELECT value FROM figure WHERE name = ?1",
	[READ_NEWEST] = "SELECT max(op) FROM op",
	[READ_STEPS] = "SELECT " STEP_COLUMNS " FROM step s CROSS JOIN op o ON o.op = s.op"
		       " WHERE s.seq > ?1 ORDER BY s.seq LIMIT ?2",
	[READ_HISTORY] = "SELECT * FROM (SELECT " STEP_COLUMNS " FROM step s CROSS JOIN op o ON o.op = s.op"
			 " WHERE s.op = ?1 ORDER BY s.seq DESC LIMIT ?2) ORDER BY 1",
	[READ_SEEN] = "SELECT seen_ms FROM op WHERE op >= ?1 ORDER BY op LIMIT 1",
	[READ_PAGE] = "SELECT " ROW_COLUMNS " FROM op NOT INDEXED WHERE ?1 = 0 AND ?2 = 0" PAGE_FILTER,
	[READ_PAGE_STATE] = "SELECT " ROW_COLUMNS " FROM op INDEXED BY op_state WHERE state = ?1 AND"
			    " (?2 = 0 OR kind = ?2)" PAGE_FILTER,
	[READ_PAGE_KIND] = "SELECT " ROW_COLUMNS " FROM op INDEXED BY op_kind WHERE kind = ?2 AND ?1 = 0"
			   PAGE_FILTER,
};

void store_reader_open(struct store *s)
{
	for (unsigned i = 0; i < ARRAY_LEN(readings); i++)
		store_prepare(s->reader, readings[i], &s->r[i]);
}

void store_reader_close(struct store *s)
{
	for (unsigned i = 0; i < ARRAY_LEN(readings); i++)
		sqlite3_finalize(s->r[i]);
	sqlite3_close(s->reader);
}

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

unsigned store_visit_rows(struct store *s, sqlite3_stmt *st, struct store_visitor v)
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
	return store_visit_rows(s, s->r[READ_OPEN], v);
}

bool store_row(struct store *s, uint64_t op, struct store_visitor v)
{
	bind_u64(s->r[READ_ONE], 1, op);
	return store_visit_rows(s, s->r[READ_ONE], v) == 1;
}

unsigned store_find(struct store *s, uint64_t kind, const struct b32 *id, struct store_visitor v)
{
	bind_u64(s->r[READ_FIND], 1, kind);
	bind_b32(s->r[READ_FIND], 2, id);
	return store_visit_rows(s, s->r[READ_FIND], v);
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

uint64_t store_newest(struct store *s)
{
	return read_number(s->r[READ_NEWEST]);
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
