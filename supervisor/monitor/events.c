/* events - two follows at the most: one at the tip of the record, one in its past. */

#include "supervisor/monitor/events.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/link.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/window.h"

#define CHANGE_BYTES 4096	/* of one change with its frame */

struct stream {
	struct client *client;		/* NULL: free */
	struct events_ask ask;
	uint64_t position;		/* everything up to here has been told, or does not concern it */
	bool live;			/* told with the others at the tip; else it is behind */
};

struct events {
	struct link *link;
	struct timer *pace, *alive;
	struct stream stream[LIMIT_EVENTS_CLIENTS];
	uint64_t tags;
	uint64_t tip_tag, tip;		/* 0: no follow is out; how far all live streams have heard */
	bool tip_known;
	uint64_t past_tag;
	struct stream *past;		/* for whom; NULL when it has left */
	bool past_cut;			/* no room for the rest of this part */
	unsigned turn;			/* whose turn it was */
};

/* What is said. */

static struct bytes bytes_of(const struct text *t)
{
	return BYTES(t->p, t->len);
}

static bool concerns(const struct events_ask *ask, const struct msg_change *m)
{
	return (!ask->kind || ask->kind == m->kind) && (!ask->has_id || b32_eq(&ask->id, &m->id)) &&
	       (!ask->states || (m->state < 64 && ask->states >> m->state & 1));
}

static void frame_change(struct text *t, const struct msg_change *m)
{
	text_add(t, "id: %" PRIu64 "\nevent: state\ndata: ", m->seq);
	window_change(t, m);
	text_add(t, "\n\n");
}

/* False when there was no room. */
static bool tell(struct stream *s, const struct msg_change *m, struct bytes frame)
{
	if (m->seq <= s->position)
		return true;
	if (concerns(&s->ask, m)) {
		if (!client_say(s->client, frame))
			return false;
		count(CNT_MONITOR_changes, 1);
	}
	s->position = m->seq;
	return true;
}

/* What it knew is of another store, or has a gap: it goes on behind NEXT. */
static void tell_reset(struct stream *s, uint64_t next, struct bytes why)
{
	struct text t;

	text_init(&t, CHANGE_BYTES);
	text_add(&t, "id: %" PRIu64 "\nevent: reset\ndata: {\"after\":%" PRIu64 ",\"why\":", next, next);
	text_json(&t, why);
	text_add(&t, "}\n\n");
	if (client_say(s->client, bytes_of(&t)))
		s->position = next;
	text_fini(&t);
}

/* From now on: a client that is cut off before the first change still knows where it was. */
static void tell_start(struct stream *s, uint64_t next)
{
	struct text t;

	text_init(&t, CHANGE_BYTES);
	text_add(&t, ": from here\nid: %" PRIu64 "\n\n", next);
	if (client_say(s->client, bytes_of(&t)))
		s->position = next;
	text_fini(&t);
}

/* Asking. */

static bool follow(struct events *e, uint64_t from, bool wait, uint64_t *tag_out)
{
	struct msg_follow m = { .tag = ++e->tags, .from = from, .limit = LIMIT_CHANGES_PART,
				.wait = wait };

	if (!link_is_up(e->link) || send_follow(e->link, &m) != OK)
		return false;
	*tag_out = m.tag;
	return true;
}

static void ask_tip(struct events *e)
{
	bool live = false;

	for (unsigned i = 0; i < LIMIT_EVENTS_CLIENTS; i++)
		live = live || (e->stream[i].client && e->stream[i].live);
	if (e->tip_tag)
		return;
	e->tip_known = live;
	if (live)
		follow(e, e->tip, true, &e->tip_tag);
}

static struct stream *find_behind(struct events *e)
{
	for (unsigned i = 1; i <= LIMIT_EVENTS_CLIENTS; i++) {
		unsigned at = (e->turn + i) % LIMIT_EVENTS_CLIENTS;
		struct stream *s = &e->stream[at];
		if (s->client && !s->live && client_waiting(s->client) == 0) {
			e->turn = at;
			return s;
		}
	}
	return NULL;
}

static void ask_past(struct events *e)
{
	if (e->past_tag || timer_is_running(e->pace))
		return;
	struct stream *s = find_behind(e);

	if (!s || !follow(e, s->position, false, &e->past_tag))
		return;
	e->past = s;
	e->past_cut = false;
	timer_start(e->pace, 1.0 / LIMIT_PARTS_PER_S, 0);
}

static void on_pace(void *owner)
{
	ask_past(owner);
}

static void on_alive(void *owner)
{
	static const char comment[] = ": alive\n\n";
	struct events *e = owner;

	for (unsigned i = 0; i < LIMIT_EVENTS_CLIENTS; i++)
		if (e->stream[i].client && client_waiting(e->stream[i].client) == 0)
			client_say(e->stream[i].client, BYTES(comment, sizeof(comment) - 1));
}

/* Hearing. */

static enum err on_change(struct events *e, struct link *l, const struct msg_change *m)
{
	struct text t;
	(void)l;

	text_init(&t, CHANGE_BYTES);
	frame_change(&t, m);
	if (m->tag == e->tip_tag) {
		e->tip = m->seq;
		for (unsigned i = 0; i < LIMIT_EVENTS_CLIENTS; i++) {
			struct stream *s = &e->stream[i];
			if (s->client && s->live)
				s->live = tell(s, m, bytes_of(&t));
		}
	} else if (m->tag == e->past_tag && e->past && !e->past_cut) {
		e->past_cut = !tell(e->past, m, bytes_of(&t));
	}
	text_fini(&t);
	return OK;
}

static void on_tip_followed(struct events *e, const struct msg_followed *m)
{
	e->tip_tag = 0;
	e->tip = m->next;
	for (unsigned i = 0; i < LIMIT_EVENTS_CLIENTS && m->reset.len; i++) {
		struct stream *s = &e->stream[i];
		if (s->client && s->live)
			tell_reset(s, m->next, m->reset);
		s->live = false;
	}
	ask_tip(e);
}

static void on_past_followed(struct events *e, const struct msg_followed *m)
{
	struct stream *s = e->past;

	e->past_tag = 0;
	e->past = NULL;
	if (!s || e->past_cut)
		return;
	if (m->reset.len) {
		tell_reset(s, m->next, m->reset);
		return;
	}
	if (s->position == IPC_FOLLOW_NOW)
		tell_start(s, m->next);
	else
		s->position = m->next;
	if (!e->tip_known && !e->tip_tag)
		e->tip = s->position;
	s->live = s->position >= e->tip && s->position != IPC_FOLLOW_NOW;
	ask_tip(e);
}

static enum err on_followed(struct events *e, struct link *l, const struct msg_followed *m)
{
	link_credit_back(l, &ipc_follow, 1);
	if (m->tag == e->tip_tag)
		on_tip_followed(e, m);
	else if (m->tag == e->past_tag)
		on_past_followed(e, m);
	ask_past(e);
	return OK;
}

#define HEARS(MSG) IPC_CHANGE_TO_WINDOW(MSG) IPC_FOLLOWED_TO_WINDOW(MSG)
LINK_SWITCH(on_packet, HEARS)

/* The executor is back, with the same record: everyone goes on where he is. */
static void on_up(void *owner, struct link *l)
{
	(void)l;
	ask_tip(owner);
	ask_past(owner);
}

static void on_down(void *owner, struct link *l)
{
	struct events *e = owner;
	(void)l;

	e->tip_tag = e->past_tag = 0;
	e->past = NULL;
}

static const struct link_end end = {
	.me = ROLE_MONITOR, .peer = ROLE_EXECUTOR, .name = "monitor",
	.on_packet = on_packet, .on_up = on_up, .on_down = on_down,
};

struct events *events_new(struct loop *loop, const char *path)
{
	struct events *e = calloc(1, sizeof(*e));

	check(e != NULL);
	e->pace = timer_new(loop, on_pace, e);
	e->alive = timer_new(loop, on_alive, e);
	timer_start(e->alive, LIMIT_EVENTS_ALIVE_S, LIMIT_EVENTS_ALIVE_S);
	e->link = link_connect(loop, path, &end, e);
	return e;
}

void events_free(struct events **ep)
{
	struct events *e = *ep;

	*ep = NULL;
	if (!e)
		return;
	link_free(&e->link);
	timer_free(&e->pace);
	timer_free(&e->alive);
	free(e);
}

bool events_open(struct events *e, struct client *c, const struct events_ask *ask)
{
	static const char first[] = ": kms-connector\nretry: 1000\n\n";
	unsigned i = 0;

	while (i < LIMIT_EVENTS_CLIENTS && e->stream[i].client)
		i++;
	if (i == LIMIT_EVENTS_CLIENTS || !client_stream(c, "text/event-stream"))
		return false;
	e->stream[i] = (struct stream){ .client = c, .ask = *ask,
					.position = ask->has_from ? ask->from : IPC_FOLLOW_NOW };
	client_say(c, BYTES(first, sizeof(first) - 1));
	ask_past(e);
	return true;
}

void events_room(struct events *e)
{
	ask_past(e);
}

void events_gone(struct events *e, const struct client *c)
{
	for (unsigned i = 0; i < LIMIT_EVENTS_CLIENTS; i++) {
		struct stream *s = &e->stream[i];
		if (s->client != c)
			continue;
		if (e->past == s)
			e->past = NULL;
		s->client = NULL;
	}
}
