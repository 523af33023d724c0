/* pair - connections: made, watched, ended. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/peers/faultproxy/proxy.h"

#define READ_BYTES 65536

static void reap(void *owner)
{
	struct proxy *p = owner;

	for (struct pair *pair; (pair = p->gone);) {
		p->gone = pair->next;
		watch_free(&pair->client.watch);
		watch_free(&pair->peer.watch);
		close(pair->client.fd);
		if (pair->peer.fd >= 0)
			close(pair->peer.fd);
		for (int d = 0; d < DIRS; d++)
			flow_fini(&pair->flow[d]);
		text_fini(&pair->request);
		free(pair);
	}
}

void pair_close(struct pair *pair)
{
	struct proxy *p = pair->proxy;

	if (pair->over)
		return;
	pair->over = true;
	watch_set(pair->client.watch, 0);
	if (pair->peer.watch)
		watch_set(pair->peer.watch, 0);
	for (int d = 0; d < DIRS; d++)
		if (pair->flow[d].timer)
			timer_stop(pair->flow[d].timer);
	*pair->link = pair->next;
	if (pair->next)
		pair->next->link = pair->link;
	p->open--;
	pair->next = p->gone;
	p->gone = pair;
	loop_defer(p->loop, reap, p);
}

void pair_reset(struct pair *pair)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(pair->client.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	if (pair->peer.fd >= 0)
		setsockopt(pair->peer.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	pair_close(pair);
}

/* A flow that stands does not read, so that its sender notices as on a real line. */
static bool wants_read(const struct pair *pair, const struct side *side, const struct flow *from)
{
	return side->connected && !side->read_over && !pair->blackhole && from->queued < QUEUE_MAX;
}

static bool wants_write(const struct side *side, const struct flow *to)
{
	return !side->connected ||
	       (to->first && !to->stalled && !(to->timer && timer_is_running(to->timer)));
}

void pair_update(struct pair *pair)
{
	struct flow *up = &pair->flow[UP], *down = &pair->flow[DOWN];

	watch_set(pair->client.watch,
		  (wants_read(pair, &pair->client, up) ? WATCH_READ : 0u) |
			  (wants_write(&pair->client, down) ? WATCH_WRITE : 0u));
	if (pair->peer.watch)
		watch_set(pair->peer.watch,
			  (wants_read(pair, &pair->peer, down) ? WATCH_READ : 0u) |
				  (wants_write(&pair->peer, up) ? WATCH_WRITE : 0u));
}

/* Bytes that came at one side go into the flow away from it. */
static void read_side(struct pair *pair, struct side *side, struct flow *f)
{
	static uint8_t room[READ_BYTES];
	ssize_t n = recv(side->fd, room, sizeof(room), 0);

	if (n < 0) {
		if (errno != EAGAIN)
			pair_reset(pair);	/* as it was done to us */
		return;
	}
	if (n == 0) {
		side->read_over = true;
		if (pair->cut == side)
			pair_close(pair);
		else
			flow_end(f);
	} else if (f->dir == UP && pair->proxy->mode == MODE_HTTP && !pair->raw) {
		http_take(pair, room, (size_t)n);
	} else {
		flow_take(f, room, (size_t)n);
	}
	if (!pair->over)
		flow_pump(f);
}

static void on_client(void *owner, unsigned events)
{
	struct pair *pair = owner;

	if ((events & WATCH_WRITE) && !pair->over)
		flow_pump(&pair->flow[DOWN]);
	if ((events & WATCH_READ) && !pair->over)
		read_side(pair, &pair->client, &pair->flow[UP]);
}

static void on_peer(void *owner, unsigned events)
{
	struct pair *pair = owner;
	int error = 0;
	socklen_t len = sizeof(error);

	if (!pair->peer.connected) {
		getsockopt(pair->peer.fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error) {
			pair_reset(pair);
			return;
		}
		pair->peer.connected = true;
	}
	if (!pair->over)
		flow_pump(&pair->flow[UP]);
	if ((events & WATCH_READ) && !pair->over)
		read_side(pair, &pair->peer, &pair->flow[DOWN]);
}

void pair_connect(struct pair *pair)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(pair->proxy->target),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	pair->blackhole = false;
	pair->peer.fd = fd;
	if (fd < 0 || (connect(fd, (struct sockaddr *)&at, sizeof(at)) && errno != EINPROGRESS)) {
		pair_reset(pair);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	pair->peer.watch = watch_new(pair->proxy->loop, fd, WATCH_WRITE, on_peer, pair);
	pair_update(pair);
}

static void init_flow(struct pair *pair, enum dir dir)
{
	struct flow *f = &pair->flow[dir];

	f->pair = pair;
	f->dir = dir;
	f->last = &f->first;
	text_init(&f->inject, PEER_LINE_MAX);
	if (pair->proxy->mode == MODE_H2) {
		f->tracker.framing = FRAMES_H2;
		f->tracker.preface = dir == UP ? 24 : 0;
	}
}

void pair_new(struct proxy *p, int fd, bool blackhole)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	check(pair != NULL);
	pair->proxy = p;
	pair->client = (struct side){ .fd = fd, .connected = true };
	pair->peer.fd = -1;
	pair->blackhole = blackhole;
	text_init(&pair->request, REQUEST_MAX);
	init_flow(pair, UP);
	init_flow(pair, DOWN);
	pair->client.watch = watch_new(p->loop, fd, 0, on_client, pair);
	pair->next = p->pairs;
	pair->link = &p->pairs;
	if (pair->next)
		pair->next->link = &pair->next;
	p->pairs = pair;
	p->open++;

	struct rule rule;
	if (rule_meet(p, LEVEL_STREAM, BYTES("", 0), &rule))
		for (int d = 0; d < DIRS; d++)
			if (rule.dir[d])
				flow_attach(&pair->flow[d], &rule.fault);
	if (!blackhole)
		pair_connect(pair);
}

static void accepted(struct proxy *p, int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	struct rule rule;

	p->connections++;
	if (!rule_meet(p, LEVEL_ACCEPT, BYTES("", 0), &rule)) {
		pair_new(p, fd, false);
		return;
	}
	p->acted[rule.fault.name]++;
	if (rule.fault.name == FAULT_blackhole) {
		pair_new(p, fd, true);
		return;
	}
	if (rule.fault.name == FAULT_refuse)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void on_listener(void *owner, unsigned events)
{
	struct proxy *p = owner;

	(void)events;
	for (int fd; p->fd >= 0 && (fd = peer_accept(p->fd)) >= 0;)
		accepted(p, fd);
}

void proxy_listen(struct proxy *p)
{
	uint16_t got;

	if (p->fd >= 0)
		return;
	p->fd = peer_listen(p->port, &got);
	p->port = got;
	p->watch = watch_new(p->loop, p->fd, WATCH_READ, on_listener, p);
}

void proxy_refuse(struct proxy *p)
{
	watch_free(&p->watch);
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	while (p->pairs)
		pair_reset(p->pairs);
}
