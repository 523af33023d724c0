/*
 * signer - one process, one key: what its parts share.
 *
 *	serve.c		turns: who connects, what is read, one sync, what is answered
 *	answer.c	each message of the submitter; each answer
 *	policy.c	what may be signed
 *	book.c		what the journal adds up to (index.c, ledger.c)
 *	journal.c	the file
 *	tx.c, key.c	the transaction and its signature
 */
#pragma once

#include <signal.h>

#include "common/log.h"
#include "common/proc.h"
#include "common/wire.h"
#include "submitter/signer/policy.h"
#include "submitter/signer/tx.h"

#define CLIENTS_MAX 4		/* all of them are the submitter, some of them may be its past */
#define ANSWERS_MAX 48		/* waiting for one client; then it is not read */

enum answer_kind { ANSWER_IS_tx, ANSWER_IS_refusal, ANSWER_IS_info };

/* Leaves after the turn's sync.  Names its transaction by where the journal holds it. */
struct answer {
	enum answer_kind kind;
	unsigned *unanswered;		/* of its client: one less when it leaves; NULL: no window */
	bool first;
	uint64_t op, chain, nonce;
	uint64_t at;
	uint32_t length;
	enum policy_rule rule;
	char detail[POLICY_DETAIL_MAX];
};

struct client {
	int fd;				/* -1: free */
	bool up;			/* its hello came */
	unsigned signs, raises;		/* sign_tx and raise that are not answered yet */
	unsigned first, count;		/* of the ring */
	struct answer answer[ANSWERS_MAX];
};

struct signer {
	struct policy policy;
	struct book book;
	struct journal journal;
	struct secret *key;		/* owned */
	struct addr account;
	struct b32 network;
	uid_t uid, submitter_uid;
	int door, alive;		/* inherited */
	bool door_rests;		/* for one turn: nobody could be accepted */
	bool disk_full;	/* what was gathered waits for room; nobody is read or answered */
	bool mismatch_told;	/* until a hello fits */
	uint64_t unix_ms, mono_ms;	/* when the process started: time never jumps after that */
	bool over;			/* the segment was over its limit at start already */
	struct client client[CLIENTS_MAX];
	uint64_t refused_s[RULE_COUNT];	/* when a refusal was last journaled and logged */
	uint8_t raw[IPC_RAW_TX_MAX];	/* the transaction that is being built */
	uint8_t packet[IPC_PACKET_MAX + 1];	/* one more: what is too long is seen */
	uint8_t out[IPC_PACKET_MAX];
};

/* answer.c */
enum err signer_on_packet(struct signer *self, struct client *c, struct bytes packet) MUST_CHECK;
enum err signer_say_hello(struct signer *self, struct client *c) MUST_CHECK;
enum err signer_encode(struct signer *self, const struct answer *a, size_t *len_out) MUST_CHECK;

/* serve.c: signals before confinement; serve returns the exit code. */
void signer_open_signals(sigset_t *while_asleep);
int signer_serve(struct signer *self, const sigset_t *while_asleep);
