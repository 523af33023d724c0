/* index_test - an index of records that stand in an array instead of a journal. */
#include "submitter/signer/index.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>

TestSuite(index, .timeout = 60);

static struct b32 id_of(uint64_t n)
{
	struct b32 id = { { 0 } };

	be64_put(id.b + 24, n);
	return id;
}

/* Record N begins at 300 times N. */
#define RECORD_BYTES 300u
static struct entry *says;
static uint64_t looks;

static enum err look(void *owner, uint64_t at, struct entry *out, bool *is_tx_out,
		     uint64_t *end_out)
{
	(void)owner;
	looks++;
	cr_assert_eq(at % RECORD_BYTES, 0u);
	*out = says[at / RECORD_BYTES];
	*is_tx_out = out->length > 0;
	*end_out = at + RECORD_BYTES;
	return OK;
}

static void add(struct index *x, uint64_t n, const struct entry *what)
{
	says[n] = *what;
	says[n].at = n * RECORD_BYTES;
	says[n].length = RECORD_BYTES;
	cr_assert_eq(index_add(x, &says[n]), OK);
}

static void open_index(struct index *x, uint32_t records)
{
	const struct index_reader reader = { .read = look };

	cr_assert_geq(sodium_init(), 0);
	cr_assert_eq(index_open(x, &reader), OK);
	says = calloc(records, sizeof(*says));
}

/* The record of the same, for more. */
static void raise_it(struct index *x, uint64_t n, const struct entry *what)
{
	struct entry before;

	says[n] = *what;
	says[n].at = n * RECORD_BYTES;
	says[n].length = RECORD_BYTES;
	cr_assert_eq(index_find_nonce(x, what->chain, what->nonce, &before), OK);
	cr_assert_eq(index_raise(x, &says[n], &before), OK);
}

static uint64_t at_nonce(const struct index *x, uint64_t chain, uint64_t nonce)
{
	struct entry e;

	return index_find_nonce(x, chain, nonce, &e) == OK ? e.at / RECORD_BYTES : UINT64_MAX;
}

static uint64_t of_request(const struct index *x, uint64_t chain, uint64_t id)
{
	struct b32 wanted = id_of(id);
	struct entry e;

	return index_find_request(x, chain, 1, &wanted, &e) == OK ? e.at / RECORD_BYTES
								  : UINT64_MAX;
}

/* As many as it has room for: each is found among all, what is not there is not, and few are read. */
Test(index, full)
{
	struct index x;
	uint64_t n = 0;

	open_index(&x, INDEX_SLOTS);
	for (; index_has_room(&x); n++) {
		struct entry e = { .chain = 1 + n % 3, .nonce = n, .kind = 1, .id = id_of(n) };

		add(&x, n, &e);
	}
	cr_assert_gt(n, 360000u, "a segment has as many");
	for (uint64_t i = 0; i < n; i++) {
		cr_assert_eq(at_nonce(&x, 1 + i % 3, i), i);
		cr_assert_eq(of_request(&x, 1 + i % 3, i), i);
	}
	looks = 0;
	for (uint64_t i = 0; i < n; i++) {
		cr_assert_eq(at_nonce(&x, 1 + (i + 1) % 3, i), UINT64_MAX);
		cr_assert_eq(of_request(&x, 1, n + i), UINT64_MAX);
	}
	cr_assert_lt(looks, n / 50, "%d", (int)looks);
	for (; x.used + 2 <= INDEX_SLOTS / 8 * 7; n++) {
		struct entry e = { .chain = 1, .nonce = n, .kind = 1, .id = id_of(n) };

		add(&x, n, &e); /* what an earlier process took is read again */
	}
	says[n].at = n * RECORD_BYTES;
	says[n].length = RECORD_BYTES;
	cr_assert_eq(index_add(&x, &says[n]), ERR_FULL);
	index_close(&x);
	free(says);
}

/* A raise is the newest of its nonce, and of its request unless that was replaced. */
Test(index, newest)
{
	struct index x;
	struct entry first = { .chain = 1, .nonce = 5, .kind = 1, .id = id_of(1) };
	struct entry second = { .chain = 1, .nonce = 90, .kind = 1, .id = id_of(1) };
	uint64_t n = 0;

	open_index(&x, 100);
	add(&x, n++, &first);
	raise_it(&x, n++, &first);
	cr_assert_eq(at_nonce(&x, 1, 5), 1u);
	cr_assert_eq(of_request(&x, 1, 1), 1u);
	n++; /* a record of no transaction */
	for (; n < 50; n++) {
		struct entry e = { .chain = 1, .nonce = 10 + n, .kind = 1, .id = id_of(n) };

		add(&x, n, &e);
	}
	add(&x, n++, &second);
	raise_it(&x, n++, &first);
	cr_assert_eq(x.used, 2 * 49u);
	cr_assert_eq(at_nonce(&x, 1, 5), 51u);
	cr_assert_eq(at_nonce(&x, 1, 90), 50u);
	cr_assert_eq(of_request(&x, 1, 1), 50u);
	/* Blocks of 16, 16, 16 and 3: they begin with records 0, 17, 33 and 49. */
	cr_assert_eq(index_newest(&x, 3, 1 << 20) / RECORD_BYTES, 49u);
	cr_assert_eq(index_newest(&x, 18, 1 << 20) / RECORD_BYTES, 49u);
	cr_assert_eq(index_newest(&x, 19, 1 << 20) / RECORD_BYTES, 33u);
	cr_assert_eq(index_newest(&x, 19, 18 * RECORD_BYTES) / RECORD_BYTES, 49u);
	cr_assert_eq(index_newest(&x, 1000, 1 << 20), 0u);
	cr_assert_eq(index_newest(&x, 2, 1 << 20), x.end);
	index_close(&x);
	free(says);
}

/* As often as it is raised, one record is looked for and not all of them. */
Test(index, raised_often)
{
	struct index x;
	struct entry e = { .chain = 1, .nonce = 5, .kind = 1, .id = id_of(1) };

	open_index(&x, 100001);
	add(&x, 0, &e);
	for (uint64_t n = 1; n <= 100000; n++)
		raise_it(&x, n, &e);
	cr_assert_eq(x.used, 2u);
	cr_assert_lt(looks, 100000u * (INDEX_BLOCK + 1));
	cr_assert_eq(at_nonce(&x, 1, 5), 100000u);
	cr_assert_eq(of_request(&x, 1, 1), 100000u);
	index_close(&x);
	free(says);
}

/* Two of one hash: each is told from the other by what its record says. */
Test(index, one_hash)
{
	struct index x;
	struct entry e = { .chain = 1, .nonce = 1, .kind = 1, .id = id_of(1) };
	struct entry other = { .chain = 1, .nonce = 2, .kind = 1, .id = id_of(2) };

	open_index(&x, 100);
	add(&x, 0, &e);
	other.length = 1;
	says[0] = other; /* the slot of request 1 leads to request 2 */
	cr_assert_eq(of_request(&x, 1, 1), UINT64_MAX);
	cr_assert_eq(at_nonce(&x, 1, 1), UINT64_MAX);
	for (uint64_t n = 1; n < 40; n++) /* and the next one to another block */
		add(&x, n, &(struct entry){ .chain = 2, .nonce = n, .kind = 1, .id = id_of(99) });
	add(&x, 40, &e);
	cr_assert_eq(of_request(&x, 1, 1), 40u);
	cr_assert_eq(at_nonce(&x, 1, 1), 40u);
	cr_assert_eq(of_request(&x, 2, 99), 39u);
	index_close(&x);
	free(says);
}
