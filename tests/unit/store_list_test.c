/* store_list - pages: each request once, filters together, and no more work than a page. */

#include "tests/unit/store_world.h"

#include "proto/limits.h"

TestSuite(store_list, .timeout = 60, .init = begin, .fini = end);

#define MANY 13000	/* more than is looked at for one page, twice over */

static struct {
	unsigned count, calls;
	bool known[MANY + 1];
	uint64_t last;
} got;

static void on_page_row(void *owner, const struct store_row *r)
{
	(void)owner;
	cr_assert_leq(r->op, MANY);
	cr_assert_not(got.known[r->op], "%u came twice", (unsigned)r->op);
	cr_assert(!got.last || r->op < got.last, "newest first");
	got.known[r->op] = true;
	got.last = r->op;
	got.count++;
}

/* All pages; the count of rows. */
static unsigned page_through(struct store *s, struct store_filter f, unsigned limit)
{
	memset(&got, 0, sizeof(got));
	f.reason = f.reason ? f.reason : "";
	do {
		unsigned before = got.count;
		f.before = store_page(s, &f, limit, (struct store_visitor){ .row = on_page_row });
		cr_assert_leq(got.count - before, limit);
		got.calls++;
	} while (f.before);
	return got.count;
}

/* Number N is seen at N seconds; every 1,000th is a user decryption that is held. */
static struct store *open_with_many(void)
{
	struct store *s = open_store();

	for (unsigned n = 1; n <= MANY; n++) {
		struct store_event ev = event(0, 0, 10);
		be64_put(ev.id.b, n);
		ev.seen_ms = 1000ull * n;
		if (n % 1000 == 0) {
			ev.kind = KIND_user_decryption;
			ev.state = STATE_held;
			ev.reason = n % 2000 ? "The bucket has NO such file" : "the Core said no";
		}
		store_put_event(s, &ev, on_event, NULL);
	}
	wait_for(MANY);
	return s;
}

Test(store_list, pages_give_each_request_once)
{
	struct store *s = open_with_many();

	cr_assert_eq(page_through(s, (struct store_filter){ 0 }, 1000), MANY);
	cr_assert_eq(got.calls, MANY / 1000, "no empty page at the end");
	cr_assert_eq(page_through(s, (struct store_filter){ 0 }, 999), MANY);
	cr_assert_eq(page_through(s, (struct store_filter){ .state = STATE_done }, 10), 0);
	cr_assert_eq(got.calls, 1);
	store_close(&s);
}

Test(store_list, filters_alone_and_together)
{
	struct store *s = open_with_many();

	cr_assert_eq(page_through(s, (struct store_filter){ .state = STATE_held }, 50), 13);
	cr_assert_eq(got.calls, 1, "by its index");
	cr_assert_eq(page_through(s, (struct store_filter){ .kind = KIND_user_decryption }, 50), 13);
	cr_assert_eq(got.calls, 1);
	cr_assert_eq(page_through(s, (struct store_filter){ .kind = KIND_user_decryption,
							    .state = STATE_held }, 5), 13);
	cr_assert_eq(page_through(s, (struct store_filter){ .kind = KIND_public_decryption,
							    .state = STATE_held }, 50), 0);
	cr_assert_eq(page_through(s, (struct store_filter){ .reason = "no such" }, 50), 7);
	cr_assert_geq(got.calls, MANY / LIMIT_LIST_LOOKED_AT, "a part at a time");
	cr_assert_eq(page_through(s, (struct store_filter){ .reason = "NO", .state = STATE_held }, 2), 13);
	cr_assert_eq(page_through(s, (struct store_filter){ .reason = "%" }, 50), 0);
	cr_assert_eq(page_through(s, (struct store_filter){ .reason = "' OR 1 --" }, 50), 0);
	store_close(&s);
}

Test(store_list, times_bound_what_is_looked_at)
{
	struct store *s = open_with_many();
	struct store_filter f = { .since_ms = 2000000, .until_ms = 2003000 };

	cr_assert_eq(page_through(s, f, 50), 3);
	cr_assert(got.known[2000] && got.known[2001] && got.known[2002]);
	cr_assert_eq(got.calls, 1, "found where it is");
	cr_assert_eq(page_through(s, (struct store_filter){ .since_ms = 1000ull * (MANY - 4) }, 50), 5);
	cr_assert_eq(got.calls, 1);
	cr_assert_eq(page_through(s, (struct store_filter){ .until_ms = 6000 }, 50), 5);
	cr_assert_eq(got.calls, 1);
	cr_assert_eq(page_through(s, (struct store_filter){ .since_ms = 1ull << 52 }, 50), 0);
	cr_assert_eq(got.calls, 1);
	store_close(&s);
}

Test(store_list, an_empty_store_has_one_empty_page)
{
	struct store *s = open_store();

	cr_assert_eq(page_through(s, (struct store_filter){ .reason = "x", .since_ms = 5 }, 50), 0);
	cr_assert_eq(got.calls, 1);
	store_close(&s);
}
