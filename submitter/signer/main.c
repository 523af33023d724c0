/*
 * signer - holds the key, signs what the policy allows, does nothing else.
 *
 * Hears:  sign_tx, raise, get_tx, adopt from the submitter.
 * Says:   tx_signed or sign_refused, once for each sign_tx, raise and get_tx; signer_info after
 *         hello and after adopt.
 * Owns:   the key, from open_key() until the process ends; the journal of every transaction
 *         it signed.
 * Trusts: nobody.  The submitter may be in an attacker's hands; the worst it can get is a
 *         signature the policy was written to give.
 */

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "submitter/signer/signer.h"

#define HEAP_SPARE (512u << 10)		/* bytes of heap that are there before confinement */

/* No memory can be had after confinement: take some now and never give it back. */
static void open_heap(void)
{
	mallopt(M_TOP_PAD, 1 << 20);
	mallopt(M_TRIM_THRESHOLD, -1);
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	free(malloc(HEAP_SPARE));
	tzset();		/* the log's clock reads files the first time */
}

static _Noreturn void stop(enum log_event ev, const char *reason, int code)
{
	log_say(ev, "reason=\"%s\"", reason);
	exit(code);
}

static void open_key(struct signer *self)
{
	struct addr account = get_setting_addr(proc_settings(), "account");
	char has[ADDR_TEXT];
	int fd = proc_fd("key");

	if (fd < 0)
		stop(EV_K009_key_bad, "no key was handed on", EXIT_config);
	enum err e = key_open(fd, &self->key);
	if (e)
		stop(EV_K009_key_bad, err_text(e), e == ERR_IO ? EXIT_io : EXIT_config);
	self->account = key_account(self->key);
	if (!addr_eq(&self->account, &account)) {
		log_say(EV_K009_key_bad, "reason=\"it is the key of another account\" account=%s",
			addr_text(&self->account, has));
		exit(EXIT_config);
	}
	log_say(EV_K001_key_open, "account=%s", addr_text(&self->account, has));
}

static enum err on_record(void *owner, const struct record *r, uint64_t at, uint32_t length)
{
	return book_take(owner, r, at, length);
}

static void read_journal(struct signer *self, int fd)
{
	struct journal_reader reader = { .on_record = on_record, .owner = &self->book };
	uint64_t cut, bad_at;

	enum err e = book_open(&self->book, &self->journal, self->unix_ms);

	e = e ? e : journal_open(&self->journal, fd, &reader, &cut, &bad_at);
	if (e == ERR_IO)
		stop(EV_K007_journal_failed, strerror(errno), EXIT_io);
	if (e) {
		log_say(EV_K004_journal_bad, "at=%llu reason=\"%s\"", (unsigned long long)bad_at,
			err_text(e));
		exit(e == ERR_NOMEM ? EXIT_io : EXIT_data);
	}
	if (cut)
		log_say(EV_K003_journal_cut, "at=%llu bytes=%llu",
			(unsigned long long)self->journal.size, (unsigned long long)cut);
}

/* What is too long begins a new segment, and is read again as any later start will read it. */
static void open_journal(struct signer *self)
{
	int fd = proc_fd("journal");

	if (fd < 0)
		stop(EV_K004_journal_bad, "no journal was handed on", EXIT_config);
	read_journal(self, fd);
	if (book_is_full(&self->book, &self->journal)) {
		if (book_carry(&self->book, &self->journal) != OK)
			stop(EV_K007_journal_failed, strerror(errno), EXIT_io);
		journal_close(&self->journal);
		book_close(&self->book);
		read_journal(self, fd);
		log_say(EV_K005_journal_full, "at=%llu bytes=%llu",
			(unsigned long long)self->journal.start,
			(unsigned long long)journal_bytes(&self->journal));
	}
	self->over = book_is_full(&self->book, &self->journal);
	for (unsigned i = 0; i < self->policy.chains; i++)
		if (!book_chain(&self->book, self->policy.chain[i]))
			stop(EV_K004_journal_bad, "too many chains", EXIT_data);
}

static void open_door(struct signer *self)
{
	const char *uid = find_setting(proc_settings(), "uid.submitter");

	self->door = proc_fd("signer.sock");
	self->alive = proc_fd("alive");
	check(self->door >= 0 && fcntl(self->door, F_SETFL, O_NONBLOCK) == 0);
	self->uid = getuid();
	self->submitter_uid = uid ? (uid_t)strtoul(uid, NULL, 10) : self->uid;
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		self->client[i].fd = -1;
}

static void signer_open(struct signer *self)
{
	const struct settings *s = proc_settings();

	self->unix_ms = clock_unix_ms();
	self->mono_ms = clock_mono_ms();
	self->network = get_setting_b32(s, "network");
	policy_open(&self->policy, s);
	open_key(self);
	open_journal(self);
	open_door(self);
	gauge(CNT_SIGNER_journal_bytes, journal_bytes(&self->journal));
	gauge(CNT_SIGNER_next_nonce, find_chain(&self->book, self->policy.chain[0])->next);
}

int main(int argc, char **argv)
{
	static struct signer self;
	sigset_t while_asleep;

	open_heap();
	proc_start(ROLE_SIGNER, argc, argv);
	signer_open(&self);		/* the last thing that needs a right */
	signer_open_signals(&while_asleep);
	proc_confine(RIGHTS_SIGNER);	/* no way back; from here all input is hostile */
	return signer_serve(&self, &while_asleep);
}
