/* judging - from the event of an answer to its request, its call, the nodes and the buckets. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "supervisor/cli/registry.h"
#include "supervisor/cli/verify.h"

#define REQUEST_SPAN 4096	/* blocks of the first look */

/* What is asked with. */
static struct {
	struct chain_reader *reader;	/* borrowed */
	const struct profile *profile;	/* the reader's */
	struct bodies *bodies;
	struct audit_nodes now, then;
	struct buckets buckets;
	bool has_nodes;
	char nodes_why[200];
} with;

/* The request. */

struct asked {
	const struct profile_request *row;
	const struct b32 *id;
	struct request *request;	/* owned */
	uint8_t *data;			/* owned: the request borrows from it */
	uint64_t block;
	const char *why;		/* it is there, but cannot be decoded; NULL: it can */
};

static void asked_fini(struct asked *s)
{
	free(s->request);
	free(s->data);
	s->request = NULL;
	s->data = NULL;
}

/* Is it this one?  Keeps its data if so. */
static bool take_request(struct asked *s, const struct past_log *log)
{
	const struct profile_contract *c = &with.profile->contract[s->row->contract];
	struct request_event e = {
		.profile = with.profile, .row = s->row, .chain = c->chain, .contract = c->address,
		.log_index = log->log_index, .block_hash = log->block_hash,
		.topics = BYTES(log->topic, log->topics * sizeof(log->topic[0])), .data = log->data,
	};
	struct b32 id = request_id(&e);

	if (!b32_eq(&id, s->id))
		return false;
	s->block = log->block;
	s->why = "no memory";
	s->data = malloc(log->data.len + 1);
	if (!s->data)
		return true;
	memcpy(s->data, log->data.p, log->data.len);
	e.data.p = s->data;
	if (request_decode(&e, &s->request, &s->why) == OK)
		s->why = NULL;
	return true;
}

static bool on_request(void *owner, const struct past_log *log)
{
	struct asked *s = owner;

	if (!addr_eq(&log->address, &with.profile->contract[s->row->contract].address) ||
	    abi_check_topics(&s->row->event, log->topic, log->topics) != OK)
		return true;
	return !take_request(s, log);
}

/* Among the events of one line; WHY of PAST_WHY_MAX bytes. */
static enum err look_for(struct asked *s, uint64_t block, char *why)
{
	const struct profile_contract *c = &with.profile->contract[s->row->contract];
	char filter[PAST_FILTER_MAX];
	struct past_walk w = {
		.url = chain_reader_url(with.reader, c->chain), .filter = filter, .to = block,
		.span = REQUEST_SPAN, .on_log = on_request, .owner = s,
	};

	past_filter(filter, c, &s->row->event, s->row->role[REQUEST_id], s->id);
	enum err e = w.url ? past_walk(&w) : ERR_CLOSED;
	snprintf(why, PAST_WHY_MAX, "%.100s", e == ERR_FULL ? "too many blocks to look through" : w.why);
	return e;
}

/* The newest event before BLOCK that asks for it; a finding when there is none to be had. */
static bool find_asked(struct verdict *t, uint64_t block, struct asked *s)
{
	const struct profile *p = with.profile;
	char why[PAST_WHY_MAX] = "";
	enum err e = OK;

	*s = (struct asked){ .id = &t->id };
	for (unsigned i = 0; i < p->requests && !s->block && !e; i++) {
		s->row = &p->request[i];
		if (s->row->kind == t->kind)
			e = look_for(s, block, why);
	}
	if (s->request)
		return true;
	if (s->why)
		audit_unknown(&t->audit, "its request: %s", s->why);
	else if (e)
		audit_unknown(&t->audit, "its request: %s", why);
	else
		audit_unknown(&t->audit, "no event asks for it, as far as the node tells");
	asked_fini(s);
	return false;
}

/* The parts of an answer. */

static void judge_call(struct audit_answer *a, const struct past_log *log, const struct past_tx *tx,
		       const char *why, struct audit *out)
{
	if (!tx->found)
		audit_unknown(out, "its transaction: %s", *why ? why : "the node does not have it");
	else if (!b32_eq(&tx->block_hash, &log->block_hash))
		audit_unknown(out, "its transaction is in another block now");
	else if (tx->makes_contract)
		audit_wrong(out, "its transaction calls nothing");
	else
		audit_call(a, out);
}

static void judge_with(struct audit_answer *a, const struct audit_nodes *nodes, const struct past_log *log,
		       const struct past_tx *tx, const char *why, struct audit *out)
{
	*out = (struct audit){ .count = 0 };
	a->nodes = nodes;
	audit_event(a, out);
	judge_call(a, log, tx, why, out);
}

/* Who is not registered now may have been then; nodes that prune do not know. */
static void judge_signatures(struct audit_answer *a, const struct past_log *log, const struct past_tx *tx,
			     const char *why, struct audit *out)
{
	static char doubt[160];
	char number[24];

	judge_with(a, &with.now, log, tx, why, out);
	if (!a->is_stranger)
		return;
	snprintf(number, sizeof(number), "0x%" PRIx64, log->block);
	if (registry_nodes(with.reader, number, &with.then) != OK) {
		with.then = with.now;
		with.then.doubt = doubt;
		snprintf(doubt, sizeof(doubt), "who was registered then is not known: %.100s",
			 with.reader->why);
	}
	judge_with(a, &with.then, log, tx, why, out);
}

static void judge_answer(struct verdict *t, struct audit_answer *a, const struct past_log *log)
{
	uint64_t chain = with.profile->contract[a->row->contract].chain;
	char why[PAST_WHY_MAX] = "", where[32];
	struct past_tx tx;
	struct audit found;

	if (!with.has_nodes) {
		audit_unknown(&t->audit, "its signatures: %s", with.nodes_why);
		return;
	}
	if (past_tx(chain_reader_url(with.reader, chain), &log->tx, &tx, why) != OK)
		tx.found = false;
	a->from = tx.from;
	a->to = tx.to;
	a->input = tx.input;
	judge_signatures(a, log, &tx, why, &found);
	snprintf(where, sizeof(where), "block %" PRIu64, log->block);
	audit_join(&t->audit, &found, where);
	if (a->signers > t->nodes)
		t->nodes = a->signers;
	past_tx_free(&tx);
}

/* Once for each request. */
static void judge_bodies(struct verdict *t, const struct request *r)
{
	if (t->has_bodies)
		return;
	t->has_bodies = true;
	t->ciphertexts = r->materials;
	if (with.profile->ciphertext_inline ||
	    registry_buckets(with.reader, r, &with.buckets) == OK)
		bodies_check(with.bodies, with.profile, r, &with.buckets, &t->audit);
	else
		audit_unknown(&t->audit, "its ciphertexts: %s", with.reader->why);
}

uint64_t judging_judge(struct verdict *t, const struct profile_answered *row, const struct past_log *log,
		       struct abi_view event)
{
	struct audit_answer a = { .profile = with.profile, .row = row, .event = event };
	struct asked asked;

	if (!find_asked(t, log->block, &asked))
		return 0;
	a.request = asked.request;
	judge_answer(t, &a, log);
	judge_bodies(t, asked.request);
	asked_fini(&asked);
	return asked.block;
}

void judging_open(struct chain_reader *r, const struct connector_config *c)
{
	int fd = -1;

	if (c->credentials_file)
		(void)config_open_credentials(c, stderr, &fd);	/* it has said why not */
	with.reader = r;
	with.profile = &r->profile;
	with.bodies = bodies_open(c->child[ROLE_EXECUTOR], fd);
	if (fd >= 0)
		close(fd);
	with.has_nodes = registry_nodes(r, "latest", &with.now) == OK;
	snprintf(with.nodes_why, sizeof(with.nodes_why), "%s", r->why);
}

void judging_close(void)
{
	bodies_close(&with.bodies);
}
