/*
 * chain - blocks, each linked to its parent by a real header hash, with their transactions and
 * logs.
 *
 * Transactions and receipts have no tries: their roots are hashes over what they hold.
 */
#pragma once

#include "tests/peers/fakechain/util.h"

struct node;
struct job;
struct block;

#define LOG_TOPICS_MAX 4

struct log {
	struct addr address;
	uint8_t topics;
	uint32_t len; /* of the data */
	uint8_t bytes[]; /* topics, then data */
};

struct logs {
	struct log **at; /* owned */
	unsigned count, cap;
};

enum tx_kind {
	TX_SIGNED, /* came as bytes */
	TX_CALL, /* of the harness: nobody signs and nobody pays */
	TX_LOG, /* of the harness: one log as it is */
};

struct tx {
	struct b32 hash; /* first: tables find it by this */
	enum tx_kind kind;
	struct addr from, to;
	uint64_t nonce, gas, max_fee, tip; /* fees beyond 64 bits are the highest number */
	struct u256 value;
	struct bytes data; /* owned, unless it lies in raw */
	struct bytes raw; /* owned */
	struct b32 r, s;
	uint8_t y_parity;
	struct log *log; /* TX_LOG; owned */

	struct block *block; /* where it is now; NULL: nowhere */
	unsigned index, first_log;
	uint64_t gas_used;
	bool status;
	struct logs logs; /* owned; what it has said there */
	struct job *asker; /* waits for its block; or NULL */
};

struct block {
	struct b32 hash; /* first */
	struct b32 parent, txs_root, receipts_root;
	uint64_t number, time_s, base_fee, gas_used, salt;
	uint8_t bloom[256];
	struct tx **tx; /* the list is owned, transactions belong to the chain */
	unsigned txs, logs;
};

struct chain {
	struct block **at; /* owned; the canonical chain by number */
	uint64_t height, cap; /* height: how many */
	struct block *open; /* owned; being filled, or NULL */
	struct table blocks, txs; /* by hash */
	uint64_t salt; /* in headers: a reorganisation changes it */
	uint64_t made; /* transactions of the harness so far */
};

struct log *log_new(const struct addr *address, const struct b32 *topics, unsigned count,
		    struct bytes data);
struct b32 log_topic(const struct log *l, unsigned i);
struct bytes log_data(const struct log *l);
void logs_add(struct logs *l, struct log *log);
void logs_free(struct logs *l);

void chain_start(struct node *n); /* makes block 0 */
uint64_t chain_head(const struct chain *c);
struct block *chain_at(const struct chain *c, uint64_t number); /* NULL: not there */
uint64_t chain_time_s(const struct node *n); /* of a block made now */

/* The block being filled; made when there is none. */
struct block *chain_open(struct node *n);
void chain_add(struct node *n, struct tx *tx); /* tx: executed, to the open block */
struct block *chain_close(struct node *n); /* it is the head now */

/* The head leaves; its transactions are nowhere.  The caller frees it and cuts the state. */
struct block *chain_pop(struct node *n);
void block_free(struct block **b);

/* A transaction of the harness, with a hash of its own. */
struct tx *chain_call(struct node *n, const struct addr *from, const struct addr *to,
		      struct bytes data);
struct tx *chain_log(struct node *n, struct log *log);
void tx_free(struct tx **tx);

/* Address and topics of a log into a bloom. */
void bloom_log(uint8_t bloom[256], const struct log *l);
