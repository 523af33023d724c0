/*
 * serve - the signer's own loop: what one turn reads is written together, synced once, and
 * only then answered.  After confinement it needs the calls that stand here and no others.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "submitter/signer/signer.h"

#define TURN_MS          1000	/* the heartbeat's pace when nothing happens */
#define PACKETS_PER_TURN 64	/* of one client */
#define REST_MS          200	/* when files are used up or the disk is full */

enum { POLL_ALIVE, POLL_DOOR, POLL_CLIENT, POLL_COUNT = POLL_CLIENT + CLIENTS_MAX };

static volatile sig_atomic_t stopped;

static void on_stop(int signo)
{
	(void)signo;
	stopped = 1;
}

/* Signals arrive inside ppoll only, so that none is lost between a look and a sleep. */
void signer_open_signals(sigset_t *while_asleep)
{
	struct sigaction sa = { .sa_handler = on_stop };
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	check(sigprocmask(SIG_BLOCK, &held, while_asleep) == 0);
	sigdelset(while_asleep, SIGTERM);
	sigdelset(while_asleep, SIGINT);
	check(sigaction(SIGTERM, &sa, NULL) == 0 && sigaction(SIGINT, &sa, NULL) == 0);
}

static void close_client(struct client *c)
{
	if (c->up)
		log_say(EV_G004_link_down, "link=signer");
	close(c->fd);
	c->fd = -1;
	c->up = false;
	c->signs = c->raises = c->first = c->count = 0;
}

static struct client *find_free_client(struct signer *self)
{
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		if (self->client[i].fd < 0)
			return &self->client[i];
	return NULL;
}

static bool is_welcome(const struct signer *self, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	return cred.uid == 0 || cred.uid == self->uid || cred.uid == self->submitter_uid;
}

static void accept_one(struct signer *self)
{
	int fd = accept4(self->door, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			self->door_rests = true;
		return;
	}

	struct client *c = find_free_client(self);

	if (!c || !is_welcome(self, fd)) {
		log_say(EV_G006_link_stranger, "link=signer reason=%s",
			c ? "user" : "\"too many links\"");
		close(fd);
		return;
	}
	c->fd = fd;
	if (signer_say_hello(self, c) != OK)
		close_client(c);
}

/* Room for what one more packet can cause? */
static bool has_room(const struct signer *self, const struct client *c)
{
	return c->count + POLICY_CHAINS_MAX <= ANSWERS_MAX && journal_has_room(&self->journal);
}

/* A failure here is our own or the machine's; the client's faults close its link. */
static enum err read_client(struct signer *self, struct client *c)
{
	for (unsigned i = 0; i < PACKETS_PER_TURN && c->fd >= 0 && has_room(self, c); i++) {
		ssize_t n = read(c->fd, self->packet, sizeof(self->packet));

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return OK;
		if (n <= 0) {
			close_client(c);
			return OK;
		}
		enum err e = signer_on_packet(self, c, BYTES(self->packet, (size_t)n));
		if (err_class(e) == ERR_CLASS_fatal || e == ERR_CONFLICT || e == ERR_FULL)
			return e;
		if (e) {
			count(CNT_SIGNER_bad_packets, 1);
			/* One of another build or network comes again and again: said once. */
			if (c->up || e != ERR_MISMATCH || !self->mismatch_told)
				log_say(EV_G005_link_refused, "link=signer bytes=%zd reason=\"%s\"",
					n, err_text(e));
			self->mismatch_told |= !c->up && e == ERR_MISMATCH;
			close_client(c);
		}
	}
	return OK;
}

/* What the client does not take now stays in its ring; it is not read until there is room. */
static enum err answer_client(struct signer *self, struct client *c)
{
	while (c->fd >= 0 && c->count) {
		const struct answer *a = &c->answer[c->first];
		size_t len = 0;
		enum err e = signer_encode(self, a, &len);

		if (e)
			return e;
		if (write(c->fd, self->out, len) != (ssize_t)len) {
			if (errno != EAGAIN)
				close_client(c);
			return OK;
		}
		if (a->unanswered)
			--*a->unanswered;
		c->first = (c->first + 1) % ANSWERS_MAX;
		c->count--;
	}
	return OK;
}

/* There is no room: nothing was told to anybody, and what is in the file already stays. */
static void wait_for_room(struct signer *self, bool full)
{
	if (full == self->disk_full)
		return;
	self->disk_full = full;
	log_say(full ? EV_K011_disk_full : EV_K012_disk_room, "bytes=%zu", self->journal.gathered);
	proc_note("%s", full ? NOTE_DISK_FULL : "");
	proc_ready(!full);
}

static enum err commit(struct signer *self)
{
	const struct book_chain *chain = find_chain(&self->book, self->policy.chain[0]);

	if (!self->journal.gathered)
		return OK;
	enum err e = journal_commit(&self->journal);
	wait_for_room(self, e == ERR_FULL);
	if (e)
		return e == ERR_FULL ? OK : e;
	count(CNT_SIGNER_syncs, 1);
	gauge(CNT_SIGNER_journal_bytes, journal_bytes(&self->journal));
	gauge(CNT_SIGNER_next_nonce, chain ? chain->next : 0);
	return OK;
}

static void prepare(const struct signer *self, struct pollfd set[POLL_COUNT])
{
	set[POLL_ALIVE] = (struct pollfd){ .fd = self->alive, .events = POLLIN };
	set[POLL_DOOR] =
		(struct pollfd){ .fd = self->door_rests ? -1 : self->door, .events = POLLIN };
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		const struct client *c = &self->client[i];

		set[POLL_CLIENT + i] = (struct pollfd){
			.fd = self->disk_full ? -1 : c->fd,
			.events = (short)((c->count ? POLLOUT : 0) |
					  (has_room(self, c) ? POLLIN : 0)),
		};
	}
}

static enum err turn(struct signer *self, const struct pollfd set[POLL_COUNT])
{
	enum err e = OK;

	for (unsigned i = 0; !e && i < CLIENTS_MAX; i++)
		if (set[POLL_CLIENT + i].revents & (POLLIN | POLLHUP | POLLERR))
			e = read_client(self, &self->client[i]);
	if (set[POLL_DOOR].revents)
		accept_one(self);
	e = e ? e : commit(self);
	for (unsigned i = 0; !e && !self->disk_full && i < CLIENTS_MAX; i++)
		e = answer_client(self, &self->client[i]);
	return e;
}

static int failed(enum err e)
{
	if (e == ERR_IO) {
		log_say(EV_K007_journal_failed, "reason=\"%s\"", strerror(errno));
		return EXIT_io;
	}
	log_say(EV_K004_journal_bad, "reason=\"%s\"", err_text(e));
	return EXIT_data;
}

static bool is_asked_to_stop(const struct pollfd set[POLL_COUNT])
{
	if (!stopped && !set[POLL_ALIVE].revents)
		return false;
	log_say(EV_G002_stopping, "reason=%s", stopped ? "signal" : "\"the supervisor is gone\"");
	return true;
}

/* The next start begins a new segment, which needs rights that are gone here. */
static bool is_full(const struct signer *self)
{
	if (self->over || !book_is_full(&self->book, &self->journal))
		return false;
	log_say(EV_K005_journal_full, "bytes=%llu",
		(unsigned long long)journal_bytes(&self->journal));
	return true;
}

int signer_serve(struct signer *self, const sigset_t *while_asleep)
{
	struct pollfd set[POLL_COUNT];
	const struct timespec pace = { .tv_sec = TURN_MS / 1000 };
	const struct timespec rest = { .tv_nsec = REST_MS * 1000000L };

	proc_ready(true);
	for (;;) {
		bool rests = self->door_rests || self->disk_full;

		prepare(self, set);
		if (ppoll(set, POLL_COUNT, rests ? &rest : &pace, while_asleep) < 0)
			for (unsigned i = 0; i < POLL_COUNT; i++)
				set[i].revents = 0;
		self->door_rests = false;

		uint64_t now = clock_mono_ms();

		proc_beat(now);
		self->book.now_ms = self->unix_ms + (now - self->mono_ms);
		if (is_asked_to_stop(set))
			return EXIT_ok;
		enum err e = turn(self, set);
		if (e)
			return failed(e);
		if (is_full(self))
			return EXIT_again;
	}
}
