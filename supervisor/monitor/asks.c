/* asks - places for questions; the tag of a message finds its place again. */

#include "supervisor/monitor/asks.h"

#include <stdlib.h>

#include "common/log.h"
#include "common/window.h"

enum ask_step {
	ASK_FREE,
	ASK_WAITING,		/* for credit, for its turn */
	ASK_SENT,
	ASK_ORPHAN,		/* sent; nobody wants the answer any more */
};

struct ask {
	enum ask_step step;
	uint64_t order;		/* first come, first asked */
	struct msg_query query;
	char reason[81];	/* of the query */
	struct text rows, stages, figures;
	bool in_row;		/* its history comes */
	uint64_t count, next;
	unsigned parts;
	void (*on_answer)(void *client, void *owner, const struct answer *answer);
	void *client, *owner;
};

struct asks {
	struct link *link;
	struct timer *pace;
	uint64_t next_order;
	struct ask ask[ASKS_MAX];
};

static void clear(struct ask *k)
{
	text_fini(&k->rows);
	text_fini(&k->stages);
	text_fini(&k->figures);
	k->step = ASK_FREE;
}

static struct bytes bytes_of(const struct text *t)
{
	return BYTES(t->p, t->len);
}

static void answer(struct ask *k, bool answered)
{
	bool whole = !k->rows.cut && !k->stages.cut && !k->figures.cut;
	struct answer a = { .answered = answered && whole, .rows = bytes_of(&k->rows),
			    .stages = bytes_of(&k->stages), .figures = bytes_of(&k->figures),
			    .count = k->count, .next = k->next };

	if (k->step != ASK_ORPHAN)
		k->on_answer(k->client, k->owner, &a);
	clear(k);
}

static struct ask *find_ask(struct asks *a, uint64_t tag)
{
	struct ask *k = &a->ask[tag % ASKS_MAX];

	return k->step >= ASK_SENT && k->query.tag == tag ? k : NULL;
}

static struct ask *find_next(struct asks *a)
{
	struct ask *next = NULL;

	for (unsigned i = 0; i < ASKS_MAX; i++) {
		struct ask *k = &a->ask[i];
		if (k->step == ASK_WAITING && (!next || k->order < next->order))
			next = k;
	}
	return next;
}

static void on_pace(void *owner);

/* The first in the queue leaves, if there is credit; the next after its share of a second. */
static void pump(struct asks *a)
{
	struct ask *k = find_next(a);

	if (!k || timer_is_running(a->pace) || link_credit(a->link, &ipc_query) == 0)
		return;
	if (send_query(a->link, &k->query) == OK) {
		k->step = ASK_SENT;
		timer_start(a->pace, 1.0 / ASKS_PER_S, 0);
	}
}

static void on_pace(void *owner)
{
	pump(owner);
}

/* What the executor says. */

static void comma(struct text *t)
{
	if (t->len)
		text_add(t, ",");
}

/* The row of one request is open for its history until the next, or the end. */
static void end_row(struct ask *k)
{
	if (k->in_row)
		window_row_end(&k->rows);
	k->in_row = false;
}

static enum err on_row(struct asks *a, struct link *l, const struct msg_row *m)
{
	struct ask *k = find_ask(a, m->tag);
	(void)l;

	if (!k)
		return OK;	/* of a question before a lost link */
	end_row(k);
	comma(&k->rows);
	k->in_row = k->query.what == 2;
	if (k->in_row)
		window_row_begin(&k->rows, m);
	else
		window_row(&k->rows, m);
	k->count++;
	return OK;
}

static enum err on_change(struct asks *a, struct link *l, const struct msg_change *m)
{
	struct ask *k = find_ask(a, m->tag);
	(void)l;

	if (k && k->in_row)
		window_row_step(&k->rows, m);
	return OK;
}

static enum err on_stage(struct asks *a, struct link *l, const struct msg_stage *m)
{
	struct ask *k = find_ask(a, m->tag);
	(void)l;

	if (!k)
		return OK;
	comma(&k->stages);
	window_stage(&k->stages, m);
	return OK;
}

static enum err on_figure(struct asks *a, struct link *l, const struct msg_figure *m)
{
	struct ask *k = find_ask(a, m->tag);
	(void)l;

	if (!k)
		return OK;
	comma(&k->figures);
	window_figure(&k->figures, m);
	return OK;
}

/* A filter that little fits looks at a part of the requests at a time. */
static bool goes_on(struct ask *k, const struct msg_done *m)
{
	if (k->step == ASK_ORPHAN || !m->next || m->count >= k->query.limit || ++k->parts == ASK_PARTS)
		return false;
	k->query.before = m->next;
	k->query.limit -= m->count;
	k->step = ASK_WAITING;
	return true;
}

static enum err on_done(struct asks *a, struct link *l, const struct msg_done *m)
{
	struct ask *k = find_ask(a, m->tag);

	link_credit_back(l, &ipc_query, 1);
	if (k && !goes_on(k, m)) {
		end_row(k);
		k->next = m->next;
		answer(k, true);
	}
	pump(a);
	return OK;
}

#define HEARS(MSG) IPC_EXECUTOR_TO_WINDOW(MSG) IPC_CHANGE_TO_WINDOW(MSG)
LINK_SWITCH(on_packet, HEARS)

static void on_up(void *owner, struct link *l)
{
	(void)l;
	pump(owner);
}

static void on_down(void *owner, struct link *l)
{
	struct asks *a = owner;
	(void)l;

	for (unsigned i = 0; i < ASKS_MAX; i++)
		if (a->ask[i].step != ASK_FREE)
			answer(&a->ask[i], false);
}

static const struct link_end end = {
	.me = ROLE_MONITOR, .peer = ROLE_EXECUTOR, .name = "monitor",
	.on_packet = on_packet, .on_up = on_up, .on_down = on_down,
};

struct asks *asks_new(struct loop *loop, const char *path)
{
	struct asks *a = calloc(1, sizeof(*a));

	check(a != NULL);
	a->pace = timer_new(loop, on_pace, a);
	a->link = link_connect(loop, path, &end, a);
	return a;
}

void asks_free(struct asks **ap)
{
	struct asks *a = *ap;

	*ap = NULL;
	if (!a)
		return;
	for (unsigned i = 0; i < ASKS_MAX; i++) {
		if (a->ask[i].step != ASK_FREE)
			a->ask[i].step = ASK_ORPHAN;
		clear(&a->ask[i]);
	}
	link_free(&a->link);
	timer_free(&a->pace);
	free(a);
}

bool asks_put(struct asks *a, const struct msg_query *query,
	      void (*on_answer)(void *client, void *owner, const struct answer *answer),
	      void *client, void *owner)
{
	unsigned i = 0;

	while (i < ASKS_MAX && a->ask[i].step != ASK_FREE)
		i++;
	if (i == ASKS_MAX || !link_is_up(a->link))
		return false;
	struct ask *k = &a->ask[i];

	*k = (struct ask){ .step = ASK_WAITING, .order = ++a->next_order, .query = *query,
			   .on_answer = on_answer, .client = client, .owner = owner };
	k->query.tag = k->order * ASKS_MAX + i;
	wire_text(query->reason, k->reason, sizeof(k->reason));
	k->query.reason = bytes_str(k->reason);
	text_init(&k->rows, ASK_BYTES);
	text_init(&k->stages, ASK_BYTES);
	text_init(&k->figures, ASK_BYTES);
	pump(a);
	return true;
}

void asks_forget(struct asks *a, const void *client)
{
	for (unsigned i = 0; i < ASKS_MAX; i++) {
		struct ask *k = &a->ask[i];
		if (k->client != client)
			continue;
		if (k->step == ASK_WAITING)
			clear(k);
		else if (k->step == ASK_SENT)
			k->step = ASK_ORPHAN;
	}
}
