/* monitor - who is told what by whom. */

#include "supervisor/monitor/monitor.h"

#include <stdio.h>
#include <sys/mman.h>

#include "common/log.h"
#include "common/proc.h"

#define STALLED_SAID_MS 60000

static void on_request(void *owner, struct client *c, const char *path, const char *query)
{
	struct monitor *self = owner;

	count(CNT_MONITOR_requests, 1);
	routes_request(&self->routes, c, path, query);
}

static void on_gone(void *owner, struct client *c)
{
	struct monitor *self = owner;

	asks_forget(self->routes.asks, c);
	events_gone(self->routes.events, c);
}

static void on_room(void *owner, struct client *c)
{
	struct monitor *self = owner;
	(void)c;

	events_room(self->routes.events);
}

/* One line a minute; the counter has them all. */
static void on_stalled(void *owner, struct client *c)
{
	struct monitor *self = owner;
	uint64_t now_ms = clock_mono_ms();
	(void)c;

	count(CNT_MONITOR_streams_dropped, 1);
	if (self->stalled_said_ms && now_ms < self->stalled_said_ms + STALLED_SAID_MS)
		return;
	self->stalled_said_ms = now_ms;
	log_say(EV_M002_stream_dropped, "after_s=%d", LIMIT_EVENTS_STALL_S);
}

static void on_clients(void *owner, unsigned clients, unsigned streams)
{
	(void)owner;
	gauge(CNT_MONITOR_clients, clients);
	gauge(CNT_MONITOR_streams, streams);
}

static void on_refused(void *owner)
{
	(void)owner;
	count(CNT_MONITOR_bad_requests, 1);
}

static const struct server_ops ops = {
	.on_request = on_request, .on_gone = on_gone, .on_clients = on_clients,
	.on_refused = on_refused, .on_room = on_room, .on_stalled = on_stalled,
};

/* Pages of all processes, as they were handed on; a page that is missing is not shown. */
static void figures_open(struct figures *f)
{
	char name[32];

	for (int role = 0; role < ROLE_COUNT; role++) {
		snprintf(name, sizeof(name), "counters.%s", ipc_role_name((enum ipc_role)role));
		int fd = proc_fd(name);
		void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(struct counter_page), PROT_READ,
						     MAP_SHARED, fd, 0);
		f->page[role] = p == MAP_FAILED ? NULL : p;
	}
}

void monitor_open(struct monitor *self)
{
	char path[108];

	figures_open(&self->routes.figures);
	self->loop = loop_new();
	proc_path(path, "monitor.sock");
	self->routes.asks = asks_new(self->loop, path);
	self->routes.events = events_new(self->loop, path);
	self->server = server_new(self->loop, proc_fd("http"), &ops, self);
	log_say(EV_M001_listening, "http=%s", get_setting(proc_settings(), "http.listen"));
	proc_ready(true);
}

int monitor_close(struct monitor *self, int code)
{
	server_free(&self->server);
	asks_free(&self->routes.asks);
	events_free(&self->routes.events);
	loop_free(&self->loop);
	return code;
}
