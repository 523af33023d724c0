/*
 * logs - from a node's array to the executor, in the order of the chain, as far as there is
 * credit.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/proc.h"
#include "listener/listener.h"

void logs_clear(struct logs *l)
{
	for (unsigned i = l->sent; i < l->count; i++)
		free(l->at[i].data);
	free(l->at);
	*l = (struct logs){ 0 };
}

static enum err add(struct logs *l, const struct log_entry *e)
{
	if (l->count == l->cap) {
		unsigned cap = l->cap ? l->cap * 2 : 16;
		struct log_entry *at = realloc(l->at, cap * sizeof(*at));

		if (!at)
			return ERR_NOMEM;
		l->at = at;
		l->cap = cap;
	}
	l->at[l->count++] = *e;
	return OK;
}

/* Does it stand where we asked?  In this block, or in the range of the backfill. */
static bool is_in_place(const struct chain *c, const struct log_entry *e, const struct block *block)
{
	if (block)
		return e->block == block->number && b32_eq(&e->block_hash, &block->hash);
	return e->block >= c->next && e->block <= c->range_to;
}

static enum err take_one(struct chain *c, const cJSON *v, const struct block *block)
{
	struct log_entry e;
	enum err err = decode_log(v, &c->filter, &c->owner->profile, &e);

	if (err == ERR_UNKNOWN)
		return OK;	/* one contract's topic at another contract */
	if (err == ERR_MISMATCH) {
		count(CNT_LISTENER_foreign_logs, 1);
		return OK;
	}
	if (err)
		return err;
	if (block)
		e.time = block->time;
	/* One of ours out of its place: to leave it out might be to lose it. */
	err = is_in_place(c, &e, block) ? add(&c->logs, &e) : ERR_MISMATCH;
	if (err)
		free(e.data);
	return err;
}

enum err logs_take(struct chain *c, const cJSON *array, const struct block *block)
{
	if (!cJSON_IsArray(array))
		return ERR_FORMAT;
	for (const cJSON *v = array->child; v; v = v->next) {
		enum err e = take_one(c, v, block);

		if (e)
			return e;
	}
	return OK;
}

static int by_place(const void *a, const void *b)
{
	const struct log_entry *x = a, *y = b;

	if (x->block != y->block)
		return x->block < y->block ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Into the order of the chain, each log once. */
void logs_sort(struct logs *l)
{
	unsigned kept = 0;

	if (l->count > 1)
		qsort(l->at, l->count, sizeof(l->at[0]), by_place);
	for (unsigned i = 0; i < l->count; i++) {
		if (kept && by_place(&l->at[kept - 1], &l->at[i]) == 0)
			free(l->at[i].data);
		else
			l->at[kept++] = l->at[i];
	}
	l->count = kept;
}

static bool is_decryption(const struct chain *c, const struct log_entry *e)
{
	return !e->reason && op_group(c->owner->profile.request[e->request].kind) == OP_DECRYPTION;
}

void logs_keep_decryptions(struct chain *c)
{
	struct logs *l = &c->logs;
	unsigned kept = l->sent;

	for (unsigned i = l->sent; i < l->count; i++) {
		if (is_decryption(c, &l->at[i]))
			l->at[kept++] = l->at[i];
		else
			free(l->at[i].data);
	}
	l->count = kept;
}

static void say_undecodable(const struct chain *c, const struct log_entry *e)
{
	char tx[2 * 32 + 3];

	count(CNT_LISTENER_undecodable, 1);
	log_say(EV_L008_undecodable, "chain=%s block=%" PRIu64 " index=%" PRIu64 " tx=%s reason=\"%s\"",
		c->name, e->block, e->index, hex_encode0x(BYTES_OF(e->tx_hash.b), tx), e->reason);
}

static enum err say_event(struct chain *c, const struct log_entry *e)
{
	uint8_t topics[128];
	struct msg_event m = {
		.chain = c->id,
		.kind = c->owner->profile.request[e->request].kind,
		.request = e->request,
		.contract = e->contract,
		.block = e->block,
		.block_hash = e->block_hash,
		.block_time = e->time,
		.tx_hash = e->tx_hash,
		.log_index = e->index,
		.topics = BYTES(topics, e->topics * 32u),
		.data = BYTES(e->data, e->len),
	};

	for (unsigned i = 0; i < e->topics; i++)
		memcpy(topics + 32 * i, e->topic[i].b, 32);
	if (e->reason)
		m.reason = BYTES(e->reason, strlen(e->reason));
	return send_event(c->owner->link, &m);
}

static bool flush_events(struct chain *c)
{
	struct logs *l = &c->logs;

	while (l->sent < l->count) {
		struct log_entry *e = &l->at[l->sent];

		if (link_credit(c->owner->link, &ipc_event) == 0 || say_event(c, e) != OK)
			return false;
		if (e->reason)
			say_undecodable(c, e);
		count(CNT_LISTENER_events, 1);
		free(e->data);
		e->data = NULL;
		l->sent++;
	}
	logs_clear(l);
	return true;
}

bool logs_flush(struct chain *c)
{
	struct msg_blocks m = {
		.chain = c->id, .filter = c->filter.hash, .to = c->blocks_to, .hash = c->blocks_hash,
	};

	if (!flush_events(c))
		return false;
	if (!c->has_blocks)
		return true;
	if (link_credit(c->owner->link, &ipc_blocks) == 0 || send_blocks(c->owner->link, &m) != OK)
		return false;
	c->has_blocks = false;
	return true;
}
