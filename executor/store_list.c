/*
 * store_list - a page of requests, newest first, that costs no more than a page.
 *
 * A filter by state or kind alone has an index.  Any other looks at LIMIT_LIST_LOOKED_AT requests
 * and says where to go on, so that a question which nothing fits cannot hold up the loop.
 */
#include "executor/store_internal.h"
#include "proto/limits.h"

#define CLOCK_STEP_MS 60000	/* by this much our clock may have been set back */

/* Where requests from MS on begin: their numbers grow with the time they were seen at. */
static uint64_t find_first_seen(struct store *s, uint64_t ms)
{
	sqlite3_stmt *st = s->r[READ_SEEN];
	uint64_t low = 1, high = store_newest(s) + 1;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		bind_u64(st, 1, middle);
		bool later = sqlite3_step(st) != SQLITE_ROW || column_u64(st, 0) >= ms;
		sqlite3_reset(st);
		if (later)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct range {
	uint64_t before, end;		/* numbers below BEFORE, not below END */
	uint64_t floor;			/* of this page */
};

static struct range range_of(struct store *s, const struct store_filter *f)
{
	struct range r = { .before = store_newest(s) + 1, .end = 1 };
	bool indexed = !*f->reason && !(f->state && f->kind);

	if (f->before && f->before < r.before)
		r.before = f->before;
	if (f->since_ms > CLOCK_STEP_MS)
		r.end = find_first_seen(s, f->since_ms - CLOCK_STEP_MS);
	if (f->until_ms) {
		uint64_t first = find_first_seen(s, f->until_ms + CLOCK_STEP_MS);
		r.before = first < r.before ? first : r.before;
	}
	r.floor = r.end;
	if (!indexed && r.before > r.end + LIMIT_LIST_LOOKED_AT)
		r.floor = r.before - LIMIT_LIST_LOOKED_AT;
	return r;
}

static unsigned visit_range(struct store *s, const struct store_filter *f, const struct range *r,
			    unsigned limit, struct store_visitor v)
{
	sqlite3_stmt *st = s->r[f->state ? READ_PAGE_STATE : f->kind ? READ_PAGE_KIND : READ_PAGE];

	bind_u64(st, 1, f->state);
	bind_u64(st, 2, f->kind);
	bind_u64(st, 3, r->before);
	bind_u64(st, 4, r->floor);
	bind_u64(st, 5, f->since_ms);
	bind_u64(st, 6, f->until_ms ? f->until_ms : INT64_MAX);
	bind_text(st, 7, f->reason);
	bind_u64(st, 8, limit);
	return store_visit_rows(s, st, v);
}

unsigned store_list(struct store *s, uint64_t state, uint64_t kind, uint64_t before_op,
		    unsigned limit, struct store_visitor v)
{
	struct store_filter f = { .state = state, .kind = kind, .reason = "" };
	struct range r = { .before = before_op ? before_op : INT64_MAX };

	return visit_range(s, &f, &r, limit, v);
}

struct page {
	struct store_visitor v;
	uint64_t last;
};

static void on_row(void *owner, const struct store_row *row)
{
	struct page *p = owner;

	p->last = row->op;
	p->v.row(p->v.owner, row);
}

uint64_t store_page(struct store *s, const struct store_filter *f, unsigned limit,
		    struct store_visitor v)
{
	struct range r = range_of(s, f);
	struct page p = { .v = v };

	if (visit_range(s, f, &r, limit, (struct store_visitor){ .row = on_row, .owner = &p }) == limit)
		return p.last > r.end ? p.last : 0;
	return r.floor > r.end ? r.floor : 0;
}
