/*
 * executor - the only memory of requests: hears events, asks the Core, hands answers on.
 *
 * This header is for the files of this folder only.
 */
#pragma once

#include "common/http.h"
#include "common/jsonrpc.h"
#include "common/link.h"
#include "common/profile.h"
#include "common/s3.h"
#include "executor/core.h"
#include "executor/follow.h"
#include "executor/line.h"
#include "executor/sightings.h"
#include "executor/stage.h"
#include "executor/store.h"

#define CHAINS_MAX 8
#define OP_BUCKETS 4096

struct account;
struct chainview;
struct fetcher;
struct op;

struct executor_chain {
	struct executor *x;
	uint64_t id;
	const char *name;		/* borrowed from the settings */
	struct store_cursor cursor;	/* as granted to the listener */
	uint64_t latest, finalized, safe, confirmed, settled, settled_time, latest_time;
	char deaf[200];			/* why the listener does not hear; empty: it does */
	uint64_t deaf_since_ms;		/* Unix */
	struct sightings read, answered;	/* by the listener; with our transactions in them */
	uint64_t events_back, blocks_back;	/* credit to give back with the next grant */
	bool has_events;		/* put since the last cursor */
};

struct executor_options {
	uint64_t deadline_ms;		/* of decryptions */
	double attempt_s;		/* one attempt at the Core */
	double retry_s;			/* first back-off */
	unsigned window;		/* requests in memory */
	uint64_t body_budget;		/* bytes */
	uint64_t message_max;		/* of the Core, bytes */
	unsigned keepalive_s;		/* of its connections */
	bool send_late;			/* late_answers: send */
	bool observes;			/* sending: observe */
	bool centralized;		/* core.mode */
	bool wants_signature;		/* user_signature: required */
	bool allow_private;		/* bucket URLs may name private addresses */
	struct addr account;		/* of this node; the signer has its key */
	struct addr core_signer;	/* kms_signer_address */
};

struct executor {
	struct loop *loop;
	const struct settings *settings;
	struct profile profile;
	struct executor_options opt;
	unsigned chains;
	struct executor_chain chain[CHAINS_MAX];
	struct http *http;
	struct s3 s3;
	struct chainview *view;
	struct account *account;	/* what it sent; only while we observe */
	struct fetcher *fetcher;
	struct core *core;
	struct store *store;
	struct stage core_stage, storage_stage, sending_stage;
	struct link_door *listener_door, *monitor_door, *operator_door;
	struct link *listener;		/* borrowed from its door; NULL while there is none */
	struct link *submitter;		/* owned */
	struct timer *tick;
	/*
	 * The clock of deadlines: milliseconds in which nothing was paused and we ran.  It is
	 * kept in the store, so that no pause and no absence of ours lets a request expire.
	 */
	uint64_t run_ms, ticked_ms;	/* ticked_ms: monotonic */
	uint64_t full_ms;	/* monotonic: since when the disk is full, or was not any more */
	unsigned ticks;

	/* Requests in memory. */
	struct op *bucket[OP_BUCKETS];
	unsigned active, live;		/* all; those of the live lane */
	uint64_t loaded_to;		/* all open rows up to here are in memory or set aside */
	uint64_t live_to;		/* rows up to here have been looked at for the live lane */
	bool some_aside;		/* some below were set aside for want of room */
	uint64_t newest;		/* highest operation number known */
	struct line core_line;		/* waiting for room at the Core */
	unsigned core_busy, core_limit;
	uint64_t tickets;		/* of questions about access */
	uint64_t forgot_said_ms;	/* monotonic: the last line that says the Core forgot */
	uint64_t busy_said_ms;		/* and that it asks for less */
	struct line submit_line;	/* waiting for credit at the submitter */
	struct timer *flush; /* runs while a change of state is not with the store */
	unsigned turn; /* of the loop, as far as requests changed in it */
	struct followers followers;

	/* Of the account, as the submitter says. */
	struct msg_funds funds;
	bool has_funds;
	char sending_clears[200];
};

struct executor_chain *find_chain(struct executor *x, uint64_t id);	/* NULL: none of ours */

/* intake.c: the listener's side. */
void intake_open(struct executor *x);
/* A transaction of ours is in this block, the submitter says. */
void intake_answered(struct executor *x, uint64_t chain, uint64_t number, const struct b32 *hash);
/* outlet.c: the submitter's side. */
void outlet_open(struct executor *x);
void outlet_submit(struct executor *x, struct op *op);
void outlet_tell(struct executor *x);		/* whether an operator paused sending */
void outlet_withdraw(struct executor *x, struct op *op);
/* Whether it can do its work, and what it waits for; said when one of them comes or goes. */
void executor_show(const struct executor *x);
/* window.c: monitor and operators. */
void window_open(struct executor *x);
