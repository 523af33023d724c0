/* journal_test - every truncation and every flipped byte, restarts, groups, segments. */
#include "submitter/signer/journal.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/keccak.h"
#include "submitter/signer/book.h"
#include "tests/unit/signer_world.h"

TestSuite(journal, .timeout = 60);

#define T0 1800000000000ull

static struct {
	int fd;
	struct book book;
	struct journal journal;
	uint64_t cut, bad_at;
} self;

static enum err on_record(void *owner, const struct record *r, uint64_t at, uint32_t length)
{
	return book_take(owner, r, at, length);
}

static enum err start(void)
{
	struct journal_reader reader = { .on_record = on_record, .owner = &self.book };

	cr_assert_eq(book_open(&self.book, &self.journal, T0), OK);
	return journal_open(&self.journal, self.fd, &reader, &self.cut, &self.bad_at);
}

static void stop(void)
{
	journal_close(&self.journal);
	book_close(&self.book);
}

static void open_file(void)
{
	cr_assert_geq(sodium_init(), 0);
	self.fd = memfd_create("journal", 0);
	cr_assert_eq(start(), OK);
}

static void commit(void)
{
	cr_assert_eq(journal_commit(&self.journal), OK);
}

static void adopt(uint64_t chain, uint64_t nonce)
{
	struct record r = { .type = RECORD_adopted, .unix_ms = T0, .chain = chain, .nonce = nonce };

	cr_assert_eq(book_write(&self.book, &self.journal, &r), OK);
}

static struct record tx_record(enum record_type type, uint64_t nonce, uint64_t id, struct bytes raw)
{
	return (struct record){
		.type = type, .unix_ms = T0, .chain = 1, .nonce = nonce, .op = id, .kind = 1,
		.gas = 100000, .max_fee = 7, .tip = 1, .id = world_id(id),
		.calldata_hash = world_id(id + 1000), .tx_hash = keccak_bytes(raw), .body = raw,
	};
}

static void sign(uint64_t nonce, uint64_t id)
{
	uint8_t raw[100];

	memset(raw, (int)nonce, sizeof(raw));
	struct record r = tx_record(RECORD_signed, nonce, id, BYTES_OF(raw));
	cr_assert_eq(book_write(&self.book, &self.journal, &r), OK);
}

static void has_tx(uint64_t nonce, uint64_t id, bool uncommitted)
{
	struct b32 want = world_id(id);
	struct entry e, of_request;
	struct record r;

	cr_assert_eq(index_find_nonce(&self.book.index, 1, nonce, &e), OK, "nonce %d", (int)nonce);
	cr_assert(b32_eq(&e.id, &want));
	cr_assert_eq(index_find_request(&self.book.index, 1, 1, &want, &of_request), OK);
	cr_assert_eq(e.at, of_request.at);
	cr_assert_eq(journal_read(&self.journal, e.at, e.length, &r), OK);
	cr_assert_eq(r.nonce, nonce);
	cr_assert_eq(r.body.len, 100u);
	cr_assert_eq(r.body.p[99], (uint8_t)nonce);
	cr_assert(uncommitted || e.at + e.length <= self.journal.size);
}

static bool has_nonce(uint64_t nonce, struct entry *out)
{
	enum err e = index_find_nonce(&self.book.index, 1, nonce, out);

	cr_assert(e == OK || e == ERR_MISSING);
	return e == OK;
}

/* Three groups: adopted and two transactions, one transaction, one transaction. */
static uint64_t size_before_last;
static void write_some(void)
{
	adopt(1, 5);
	sign(5, 50);
	sign(6, 60);
	commit();
	sign(7, 70);
	commit();
	size_before_last = self.journal.size;
	sign(8, 80);
	has_tx(8, 80, true);
	commit();
}

Test(journal, restart, .init = open_file)
{
	write_some();

	struct b32 link = self.journal.link;
	uint64_t size = self.journal.size;
	struct u256 spent = self.book.chain[0].ledger.day;

	for (unsigned i = 0; i < 3; i++) {
		stop();
		cr_assert_eq(start(), OK);
		cr_assert(b32_eq(&link, &self.journal.link));
		cr_assert_eq(self.journal.size, size);
		cr_assert_eq(self.cut, 0u);
		cr_assert_eq(self.book.chains, 1u);
		cr_assert_eq(self.book.chain[0].next, 9u);
		cr_assert_eq(self.book.chain[0].adopted, 5u);
		cr_assert(self.book.chain[0].known);
		cr_assert_eq(u256_cmp(&spent, &self.book.chain[0].ledger.day), 0);
		for (uint64_t n = 5; n < 9; n++)
			has_tx(n, n * 10, false);
	}
	sign(9, 90);
	commit();
	stop();
	cr_assert_eq(start(), OK);
	has_tx(9, 90, false);
}

static uint8_t *copy_file(void)
{
	uint8_t *p = malloc(self.journal.size);

	cr_assert_eq(pread(self.fd, p, self.journal.size, 0), (ssize_t)self.journal.size);
	return p;
}

static void put_file(const uint8_t *p, size_t len)
{
	cr_assert_eq(ftruncate(self.fd, 0), 0);
	cr_assert_eq(pwrite(self.fd, p, len, 0), (ssize_t)len);
}

/* A disk that is full: what was gathered stays, and goes to the file when there is room. */
Test(journal, full_disk, .init = open_file)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	write_some();

	uint64_t size = self.journal.size;

	sign(9, 90);
	self.journal.fd = full;
	for (unsigned i = 0; i < 3; i++)
		cr_assert_eq(journal_commit(&self.journal), ERR_FULL);
	cr_assert_eq(self.journal.size, size);
	self.journal.fd = self.fd;
	cr_assert_eq(journal_commit(&self.journal), OK);
	cr_assert_gt(self.journal.size, size);
	sign(10, 100);
	commit();
	stop();
	cr_assert_eq(start(), OK);
	cr_assert_eq(self.cut, 0u);
	has_tx(9, 90, false);
	has_tx(10, 100, false);
	close(full);
}

/* A last record that is cut anywhere is forgotten; what was synced before it stays. */
Test(journal, truncations, .init = open_file)
{
	struct entry none;

	write_some();

	size_t size = self.journal.size;
	uint8_t *file = copy_file();

	for (size_t len = size_before_last + 1; len < size; len++) {
		stop();
		put_file(file, len);
		cr_assert_eq(start(), OK, "%zu", len);
		cr_assert_eq(self.cut, len - size_before_last);
		cr_assert_eq(self.journal.size, size_before_last);
		cr_assert_eq(self.book.chain[0].next, 8u);
		cr_assert_eq(lseek(self.fd, 0, SEEK_END), (off_t)size_before_last);
		cr_assert_not(has_nonce(8, &none));
	}
	sign(8, 81);
	commit();
	stop();
	cr_assert_eq(start(), OK);
	has_tx(8, 81, false);
	free(file);
}

/* Every byte of the file, flipped: the end is cut as after a crash, the middle is refused. */
Test(journal, flips, .init = open_file)
{
	write_some();

	size_t size = self.journal.size;
	uint8_t *file = copy_file();

	for (size_t i = JOURNAL_FIRST; i < size; i++) {
		stop();
		file[i] ^= 0x40;
		put_file(file, size);
		file[i] ^= 0x40;
		enum err e = start();
		if (i < size_before_last) {
			cr_assert_eq(e, ERR_CONFLICT, "byte %zu: %s", i, err_text(e));
			cr_assert_leq(self.bad_at, i);
			cr_assert_eq(lseek(self.fd, 0, SEEK_END), (off_t)size, "nothing is cut");
		} else {
			cr_assert_eq(e, OK, "byte %zu: %s", i, err_text(e));
			cr_assert_eq(self.journal.size, size_before_last);
		}
	}
	free(file);
}

/* Either slot may be lost; without both the file is not ours. */
Test(journal, slots, .init = open_file)
{
	write_some();

	size_t size = self.journal.size;
	uint8_t *file = copy_file();

	for (unsigned slot = 0; slot < 2; slot++)
		for (size_t i = 0; i < 88; i++) {
			stop();
			file[slot * 4096 + i] ^= 1;
			put_file(file, size);
			file[slot * 4096 + i] ^= 1;
			cr_assert_eq(start(), OK);
			cr_assert_eq(self.book.chain[0].next, 9u);
		}
	stop();
	file[0] ^= 1;
	file[4096] ^= 1;
	put_file(file, size);
	cr_assert_eq(start(), ERR_CONFLICT);
	free(file);
}

/* A crash while the file was made: no record can have been told to anybody. */
Test(journal, half_made_file, .init = open_file)
{
	uint8_t *file = copy_file();

	for (size_t len = 0; len <= JOURNAL_FIRST; len += 8) {
		stop();
		put_file(file, len);
		cr_assert_eq(start(), OK, "%zu", len);
		cr_assert_eq(self.journal.size, JOURNAL_FIRST);
		cr_assert_eq(self.book.chains, 0u);
	}
	free(file);
}

/* Zeros as a file system leaves them, and more of them than one group can be. */
Test(journal, zeros_at_the_end, .init = open_file)
{
	write_some();

	uint64_t size = self.journal.size;

	stop();
	cr_assert_eq(ftruncate(self.fd, (off_t)size + 5000), 0);
	cr_assert_eq(start(), OK);
	cr_assert_eq(self.cut, 5000u);
	cr_assert_eq(self.book.chain[0].next, 9u);
	stop();
	cr_assert_eq(ftruncate(self.fd, (off_t)size + JOURNAL_GROUP + 1), 0);
	cr_assert_eq(start(), ERR_CONFLICT);
}

/* A page in the middle of the last group was lost: the whole rest of that group goes. */
Test(journal, torn_group, .init = open_file)
{
	write_some();
	uint64_t at = self.journal.size;
	for (uint64_t n = 9; n < 40; n++)
		sign(n, n * 10);
	commit();
	stop();

	uint8_t zero[512] = { 0 };

	cr_assert_eq(pwrite(self.fd, zero, sizeof(zero), (off_t)at + 2048), 512);
	cr_assert_eq(start(), OK);
	cr_assert_gt(self.cut, 0u);
	cr_assert_geq(self.journal.size, at);
	cr_assert_leq(self.journal.size, at + 2048);
	cr_assert_eq(self.book.chain[0].next,
		     9 + (self.journal.size - at) / (RECORD_HEAD + 100 + RECORD_LINK));
}

/* Records whose own story is impossible are refused, checksum or not. */
Test(journal, impossible_records, .init = open_file)
{
	uint8_t raw[10] = { 0 };
	struct record early = tx_record(RECORD_signed, 0, 1, BYTES_OF(raw));
	struct record hole = tx_record(RECORD_signed, 7, 1, BYTES_OF(raw));
	struct record raise = tx_record(RECORD_raised, 5, 1, BYTES_OF(raw));

	cr_assert_eq(book_take(&self.book, &early, 8192, 242), ERR_CONFLICT, "before an adopt");
	adopt(1, 5);
	cr_assert_eq(book_take(&self.book, &hole, 8192, 242), ERR_CONFLICT, "a hole");
	cr_assert_eq(book_take(&self.book, &raise, 8192, 242), ERR_CONFLICT, "raised what is not");
	sign(5, 1);
	commit();
	raise = tx_record(RECORD_raised, 5, 2, BYTES_OF(raw));
	raise.calldata_hash = world_id(1001);
	cr_assert_eq(book_take(&self.book, &raise, 8192, 242), ERR_CONFLICT, "of another request");
}

/* A record that cannot be read, or is not what was written, is never "not there". */
Test(journal, lost_record, .init = open_file)
{
	struct b32 id = world_id(50);
	struct entry e;
	uint8_t byte;

	write_some();
	cr_assert(has_nonce(5, &e));

	off_t at = (off_t)e.at + RECORD_HEAD + 3;

	cr_assert_eq(pread(self.fd, &byte, 1, at), 1);
	byte ^= 1;
	cr_assert_eq(pwrite(self.fd, &byte, 1, at), 1);
	cr_assert_eq(index_find_nonce(&self.book.index, 1, 5, &e), ERR_CONFLICT);
	cr_assert_eq(index_find_request(&self.book.index, 1, 1, &id, &e), ERR_CONFLICT);
	cr_assert_eq(ftruncate(self.fd, at), 0);
	cr_assert_eq(index_find_request(&self.book.index, 1, 1, &id, &e), ERR_IO);
}

Test(journal, raised_and_replaced, .init = open_file)
{
	uint8_t raw[100];

	adopt(1, 0);
	sign(0, 1);
	memset(raw, 0, sizeof(raw));

	struct record r = tx_record(RECORD_raised, 0, 1, BYTES_OF(raw));
	struct u256 before = self.book.chain[0].ledger.day, cost = wei_of(100000, 9);

	r.max_fee = 9;
	cr_assert_eq(book_write(&self.book, &self.journal, &r), OK);
	cr_assert_eq(u256_cmp(&cost, &self.book.chain[0].ledger.day), 0);
	cr_assert_lt(u256_cmp(&before, &cost), 0);

	memset(raw, 1, sizeof(raw));
	r = tx_record(RECORD_replaced, 1, 1, BYTES_OF(raw));
	r.replaced = 1;
	cr_assert_eq(book_write(&self.book, &self.journal, &r), OK);
	commit();
	for (unsigned i = 0; i < 2; i++) {
		struct b32 id = world_id(1);
		struct entry found;

		has_tx(1, 1, false);
		cr_assert_eq(index_find_request(&self.book.index, 1, 1, &id, &found), OK);
		cr_assert_eq(found.replaced, 1u);
		cr_assert(has_nonce(0, &found));
		cr_assert_eq(found.max_fee, 9u);
		cr_assert_eq(self.book.chain[0].next, 2u);
		stop();
		cr_assert_eq(start(), OK);
	}
}

/* A new segment says the same: nonces, money, newest transactions; and again after that. */
Test(journal, segments, .init = open_file)
{
	struct entry none;

	adopt(1, 5);
	adopt(2, 77);		/* a chain of which no transaction is carried */
	for (uint64_t n = 5; n < 5 + BOOK_CARRY_MAX + 100; n++) {
		sign(n, n);
		if (!journal_has_room(&self.journal))
			commit();
	}
	commit();

	struct u256 spent = self.book.chain[0].ledger.day;
	uint64_t before = journal_bytes(&self.journal);

	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(book_carry(&self.book, &self.journal), OK);
		stop();
		cr_assert_eq(start(), OK);
		cr_assert_eq(self.cut, 0u);
		cr_assert_lt(journal_bytes(&self.journal), before);
		cr_assert_eq(self.book.chains, 2u);
		cr_assert_eq(self.book.chain[0].next, 5u + BOOK_CARRY_MAX + 100);
		cr_assert_eq(self.book.chain[0].adopted, 5u);
		cr_assert_eq(self.book.chain[1].next, 77u);
		cr_assert(self.book.chain[1].known);
		cr_assert_eq(u256_cmp(&spent, &self.book.chain[0].ledger.day), 0);
		cr_assert_eq(u256_cmp(&spent, &self.book.chain[0].ledger.hour), 0);
		cr_assert_not(has_nonce(5, &none));
		has_tx(105 + INDEX_BLOCK, 105 + INDEX_BLOCK, false);
		has_tx(5 + BOOK_CARRY_MAX + 99, 5 + BOOK_CARRY_MAX + 99, false);
	}
	sign(5 + BOOK_CARRY_MAX + 100, 1);
	commit();
	stop();
	cr_assert_eq(start(), OK);
	has_tx(5 + BOOK_CARRY_MAX + 100, 1, false);
}

/* Many small ones: the index is full first, and that too is over with the new segment. */
Test(journal, full_index, .init = open_file)
{
	uint8_t raw[10] = { 0 };
	uint64_t n = 0;
	struct entry none;

	adopt(1, 0);
	for (; !book_is_full(&self.book, &self.journal); n++) {
		struct record r = tx_record(RECORD_signed, n, n, BYTES_OF(raw));

		cr_assert_eq(book_write(&self.book, &self.journal, &r), OK);
		if (!journal_has_room(&self.journal))
			commit();
	}
	commit();
	cr_assert_lt(journal_bytes(&self.journal), JOURNAL_LIMIT);
	for (unsigned i = 0; i < 2; i++) {
		stop();
		cr_assert_eq(start(), OK);
		cr_assert(book_is_full(&self.book, &self.journal));
	}
	cr_assert_eq(book_carry(&self.book, &self.journal), OK);
	stop();
	cr_assert_eq(start(), OK);
	cr_assert_not(book_is_full(&self.book, &self.journal));
	cr_assert(has_nonce(n - 1, &none));
	cr_assert(has_nonce(n - BOOK_CARRY_MAX + INDEX_BLOCK, &none));
	cr_assert_not(has_nonce(n - BOOK_CARRY_MAX - 1, &none));
}

/* A crash at any record while the segment is made: the old one counts, nothing counts twice. */
Test(journal, half_made_segment, .init = open_file)
{
	write_some();

	struct u256 spent = self.book.chain[0].ledger.day;
	uint64_t size = self.journal.size;
	uint8_t slot[JOURNAL_FIRST];

	cr_assert_eq(pread(self.fd, slot, sizeof(slot), 0), (ssize_t)sizeof(slot));
	uint8_t *file = copy_file();
	cr_assert_eq(book_carry(&self.book, &self.journal), OK);

	size_t full = self.journal.size;
	uint8_t *after = copy_file();

	memcpy(after, file, size);	/* the slot and what the hole took, as before the crash */
	for (size_t len = size; len <= full; len++) {
		stop();
		put_file(after, len);
		cr_assert_eq(start(), OK, "%zu", len);
		cr_assert_eq(self.book.chain[0].next, 9u);
		cr_assert_eq(u256_cmp(&spent, &self.book.chain[0].ledger.day), 0, "%zu", len);
		for (uint64_t n = 5; n < 9; n++)
			has_tx(n, n * 10, false);
	}
	cr_assert_eq(book_carry(&self.book, &self.journal), OK);
	stop();
	cr_assert_eq(start(), OK);
	cr_assert_eq(u256_cmp(&spent, &self.book.chain[0].ledger.day), 0);
	free(file);
	free(after);
}

/* A clock that was years ahead must not use up the budget for years. */
Test(journal, clock_ahead, .init = open_file)
{
	adopt(1, 0);

	uint8_t raw[10] = { 0 };
	struct record r = tx_record(RECORD_signed, 0, 1, BYTES_OF(raw));

	r.unix_ms = T0 * 2;
	cr_assert_eq(book_write(&self.book, &self.journal, &r), OK);
	commit();
	stop();
	cr_assert_eq(start(), OK);
	cr_assert(!u256_is_zero(&self.book.chain[0].ledger.day));
	ledger_turn(&self.book.chain[0].ledger, T0 + 25 * 3600 * 1000);
	cr_assert(u256_is_zero(&self.book.chain[0].ledger.day));
}
