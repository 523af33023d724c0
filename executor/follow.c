/*
 * follow - who is told each change of state, and the record of one request.
 *
 * A follower asks for what came after a number and is answered from the record on disk, at once
 * or when there is something: so it hears nothing that is not on disk and misses nothing that is,
 * whoever was restarted meanwhile.  It asks again for the next part; who asks for none costs
 * nothing.
 */
#include "executor/executor.h"
#include "executor/follow.h"
#include "proto/limits.h"

#define PART_MAX 1000

struct teller {
	struct link *link;
	uint64_t tag, count, last;
};

static void say_step(void *owner, const struct store_step *p)
{
	struct teller *t = owner;
	struct msg_change m = {
		.tag = t->tag, .seq = p->seq, .op = p->op, .chain = p->chain, .kind = p->kind,
		.id = p->id, .state = p->state, .at_ms = p->at_ms, .block = p->block, .tx = p->tx,
		.reason = bytes_str(p->reason),
	};

	if (send_change(t->link, &m) != OK)
		return;
	t->count++;
	t->last = p->seq;
}

void follow_say_history(struct executor *x, struct link *l, uint64_t tag, uint64_t op)
{
	struct teller t = { .link = l, .tag = tag };

	store_history(x->store, op, LIMIT_CHANGES_SHOWN,
		      (struct store_step_visitor){ .step = say_step, .owner = &t });
}

static enum err say_followed(struct link *l, uint64_t tag, uint64_t count, uint64_t next,
			     const char *reset)
{
	struct msg_followed m = { .tag = tag, .count = count, .next = next, .reset = bytes_str(reset) };

	return send_followed(l, &m);
}

/* Why what came after FROM is not all here; "" when it is. */
static const char *missing(const struct store_record *r, uint64_t from)
{
	if (from > r->newest)
		return "the store was replaced by an older one";
	if (from < r->first)
		return "the store was begun anew";
	if (from < r->gone)
		return "older changes are not kept any more";
	return "";
}

/* Answers with the next part; false when there is nothing and it waits. */
static bool answer(struct executor *x, struct link *l, const struct msg_follow *m)
{
	struct teller t = { .link = l, .tag = m->tag, .last = m->from };

	store_steps(x->store, m->from, (unsigned)m->limit,
		    (struct store_step_visitor){ .step = say_step, .owner = &t });
	if (!t.count && m->wait)
		return false;
	say_followed(l, m->tag, t.count, t.last, "");
	return true;
}

static enum err wait_for_news(struct executor *x, struct link *l, const struct msg_follow *m)
{
	struct followers *f = &x->followers;
	unsigned own = 0;

	for (unsigned i = 0; i < f->count; i++)
		own += f->waiting[i].link == l;
	if (own >= ipc_follow.window || f->count == FOLLOWERS_MAX)
		return ERR_RANGE;
	f->waiting[f->count++] = (struct follower){ .link = l, .ask = *m };
	return OK;
}

enum err follow_ask(struct executor *x, struct link *l, const struct msg_follow *m)
{
	struct store_record r = store_record(x->store);
	struct msg_follow ask = *m;

	if (m->limit == 0 || m->limit > PART_MAX || m->wait > 1)
		return ERR_RANGE;
	if (m->from == IPC_FOLLOW_NOW)
		return say_followed(l, m->tag, 0, r.newest, "");
	if (m->from == 0)
		ask.from = r.gone;
	const char *why = missing(&r, ask.from);
	if (*why)
		return say_followed(l, m->tag, 0, r.gone, why);
	return answer(x, l, &ask) ? OK : wait_for_news(x, l, &ask);
}

void follow_leave(struct executor *x, const struct link *l)
{
	struct followers *f = &x->followers;
	unsigned kept = 0;

	for (unsigned i = 0; i < f->count; i++)
		if (f->waiting[i].link != l)
			f->waiting[kept++] = f->waiting[i];
	f->count = kept;
}

/* A commit has recorded something: those who wait have what they waited for. */
static void on_steps(void *owner)
{
	struct executor *x = owner;
	struct followers f = x->followers;

	x->followers.count = 0;
	for (unsigned i = 0; i < f.count; i++)
		if (!answer(x, f.waiting[i].link, &f.waiting[i].ask))
			x->followers.waiting[x->followers.count++] = f.waiting[i];
}

void follow_open(struct executor *x)
{
	store_on_steps(x->store, on_steps, x);
}
