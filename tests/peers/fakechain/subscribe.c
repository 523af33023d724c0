/* subscribe - newHeads and logs over WebSockets. */

#include "tests/peers/fakechain/subscribe.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tests/peers/fakechain/server.h"
#include "tests/peers/fakechain/show.h"

struct news {
	struct node *n;
	const struct block *block;
	bool removed;
};

bool subscribe_add(struct rpc *r, struct subscription **list)
{
	const char *what = cJSON_GetStringValue(param(r, 0));
	struct subscription *s = new_zeroed(sizeof(*s));
	static uint64_t ids = 0x1000;

	s->is_logs = what && strcmp(what, "logs") == 0;
	if ((!s->is_logs && (!what || strcmp(what, "newHeads") != 0)) ||
	    (s->is_logs && filter_read(param(r, 1), &s->filter) != OK)) {
		free(s);
		fail(r, -32602, "no such subscription");
		return false;
	}
	s->id = ++ids;
	s->next = *list;
	*list = s;
	text_quantity(r->out, s->id);
	return true;
}

bool subscribe_drop(struct rpc *r, struct subscription **list)
{
	uint64_t id = 0;

	if (!read_u64(r, param(r, 0), &id))
		return false;
	for (; *list; list = &(*list)->next) {
		struct subscription *s = *list;

		if (s->id != id)
			continue;
		*list = s->next;
		free(s);
		text_str(r->out, "true");
		return true;
	}
	text_str(r->out, "false");
	return true;
}

void subscribe_free(struct subscription **list)
{
	while (*list) {
		struct subscription *s = *list;

		*list = s->next;
		free(s);
	}
}

static void begin(struct text *t, const struct subscription *s)
{
	text_init(t, 64u << 20);
	text_str(t, "{\"jsonrpc\":\"2.0\",\"method\":\"eth_subscription\",\"params\":{"
		    "\"subscription\":");
	text_quantity(t, s->id);
	text_str(t, ",\"result\":");
}

static void end(struct text *t, struct conn *conn)
{
	text_str(t, "}}");
	conn_say(conn, text_view(t));
	text_fini(t);
}

static void say_logs(struct conn *conn, const struct subscription *s, const struct news *news)
{
	const struct block *b = news->block;
	struct text t;

	for (unsigned i = 0; i < b->txs; i++) {
		for (unsigned k = 0; k < b->tx[i]->logs.count; k++) {
			if (!filter_wants(&s->filter, b->tx[i]->logs.at[k]))
				continue;
			begin(&t, s);
			show_log(&t, &news->n->lies, b->tx[i], k, b, news->removed);
			end(&t, conn);
		}
	}
}

static void say(struct conn *conn, struct subscription *list, void *owner)
{
	const struct news *news = owner;
	struct lies *l = &news->n->lies;
	struct text t;

	l->door = conn_door(conn);
	if (l->count && lie_told(l, LIE_mute, "eth_subscribe", NULL))
		return;
	for (const struct subscription *s = list; s; s = s->next) {
		if (s->is_logs) {
			say_logs(conn, s, news);
		} else if (!news->removed) {
			begin(&t, s);
			show_header(&t, news->block);
			end(&t, conn);
		}
	}
}

void subscribe_block(struct node *n, const struct block *b)
{
	struct news news = { .n = n, .block = b };

	server_each(n->server, say, &news);
}

void subscribe_removed(struct node *n, struct block *const *gone, uint64_t count)
{
	struct news news = { .n = n, .removed = true };

	for (uint64_t i = 0; i < count; i++) {
		news.block = gone[i];
		server_each(n->server, say, &news);
	}
}
