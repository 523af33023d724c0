/*
 * ws - libwebsockets on our loop, for wake-ups only.
 *
 * Its own timers are late on a foreign libev loop, so reconnection, ping and staleness have
 * timers of ours.  Its name resolution would block the loop, so a thread resolves the name and
 * the connection is made to the address.
 */
#include "listener/ws.h"

#include <ctype.h>
#include <libwebsockets.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/log.h"
#include "common/proc.h"

#define RETRY_FIRST_S 0.05
#define RETRY_MAX_S   5.0
#define CONNECT_S     10.0	/* name, connection, handshake and subscription */
#define PING_S        3.0
#define STALE_MS      12000	/* looked at every PING_S */
#define FLAPPING_MS   30000	/* connections that last no longer are not news */
#define HOST_MAX      256
#define SUBSCRIBE "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_subscribe\"," \
		  "\"params\":[\"newHeads\"]}"

enum state { IDLE, RESOLVING, CONNECTING, UP };

/* A name being resolved: the thread's own, so that nobody need wait for it. */
struct resolve {
	pthread_mutex_t lock;
	struct waker *waker;		/* NULL: nobody waits any more */
	char host[HOST_MAX], ip[64];
	bool done, found;
};

struct ws {
	struct loop *loop;
	struct lws_context *context;	/* borrowed */
	const char *chain;
	const struct ws_url *urls;
	unsigned count, at;		/* which URL */
	void (*on_wake)(void *owner);
	void *owner;
	enum state state;
	struct lws *wsi;
	struct resolve *resolve;
	struct waker *waker;
	struct timer *retry, *pulse;	/* connect again; time limits and pings */
	double retry_s;
	uint64_t heard_ms, began_ms, up_ms;
	size_t message_len;
	bool want_subscribe, want_ping, said_lost, flapping;
	char host[HOST_MAX], path[512];
	int port;
	bool tls;
};

static void lost(struct ws *w, const char *why);

/* The URL: scheme, host, port, path. */
static bool parse_url(struct ws *w, const char *url)
{
	const char *p = strstr(url, "://"), *end;
	size_t len;

	if (!p || (strncmp(url, "ws://", 5) && strncmp(url, "wss://", 6)))
		return false;
	w->tls = url[2] == 's';
	w->port = w->tls ? 443 : 80;
	p += 3;
	if (*p == '[') {
		end = strchr(++p, ']');
		len = end ? (size_t)(end - p) : 0;
	} else {
		len = strcspn(p, ":/?");
		end = p + len;
	}
	if (len == 0 || len >= sizeof(w->host))
		return false;
	memcpy(w->host, p, len);
	w->host[len] = '\0';
	p = *end == ']' ? end + 1 : end;
	if (*p == ':') {
		w->port = atoi(++p);
		p += strspn(p, "0123456789");
	}
	if (w->port <= 0 || w->port > 65535)
		return false;
	snprintf(w->path, sizeof(w->path), "%s%s", *p == '/' ? "" : "/", p);
	return strlen(w->path) + 1 < sizeof(w->path);
}

/* Resolving. */

static void *resolve_main(void *arg)
{
	struct resolve *r = arg;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *ai = NULL;
	bool found = getaddrinfo(r->host, NULL, &hints, &ai) == 0 &&
		     getnameinfo(ai->ai_addr, ai->ai_addrlen, r->ip, sizeof(r->ip), NULL, 0,
				 NI_NUMERICHOST) == 0;

	if (ai)
		freeaddrinfo(ai);
	pthread_mutex_lock(&r->lock);
	r->found = found;
	r->done = true;
	bool waited = r->waker;
	if (waited)
		waker_wake(r->waker);
	pthread_mutex_unlock(&r->lock);
	if (!waited)
		free(r);
	return NULL;
}

/* Nobody waits any more; who comes last frees. */
static void resolve_leave(struct ws *w)
{
	struct resolve *r = w->resolve;
	bool done;

	w->resolve = NULL;
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->waker = NULL;
	done = r->done;
	pthread_mutex_unlock(&r->lock);
	if (done)
		free(r);
}

static bool resolve_start(struct ws *w)
{
	struct resolve *r = calloc(1, sizeof(*r));
	pthread_t thread;

	check(r);
	pthread_mutex_init(&r->lock, NULL);
	r->waker = w->waker;
	memcpy(r->host, w->host, sizeof(r->host));
	if (pthread_create(&thread, NULL, resolve_main, r)) {
		free(r);
		return false;
	}
	pthread_detach(thread);
	w->resolve = r;
	return true;
}

static void on_resolved(void *owner)
{
	struct ws *w = owner;
	struct resolve *r = w->resolve;
	char ip[64] = "";
	bool done;

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	done = r->done;
	if (done && r->found)
		memcpy(ip, r->ip, sizeof(ip));
	pthread_mutex_unlock(&r->lock);
	if (!done)
		return;
	resolve_leave(w);
	if (!ip[0]) {
		lost(w, "the name cannot be resolved");
		return;
	}

	struct lws_client_connect_info i = {
		.context = w->context,
		.address = ip,
		.host = w->host,
		.origin = w->host,
		.port = w->port,
		.path = w->path,
		.ssl_connection = w->tls ? LCCSCF_USE_SSL : 0,
		.local_protocol_name = "eth",
		.ietf_version_or_minus_one = -1,
		.pwsi = &w->wsi,
		.opaque_user_data = w,
	};
	w->state = CONNECTING;
	if (!lws_client_connect_via_info(&i) && w->state == CONNECTING)
		lost(w, "cannot connect");
}

static void on_retry(void *owner)
{
	struct ws *w = owner;

	w->began_ms = loop_now_ms(w->loop);
	w->message_len = 0;
	w->want_ping = false;
	w->state = RESOLVING;
	timer_start(w->pulse, PING_S, PING_S);
	if (!parse_url(w, w->urls[w->at].url) || !resolve_start(w))
		lost(w, "not a WebSocket URL");
}

/* The connection is over: again after a while, full jitter, the next URL. */
static void lost(struct ws *w, const char *why)
{
	bool was_up = w->state == UP;

	if (w->state == IDLE)
		return;
	w->state = IDLE;
	w->wsi = NULL;
	resolve_leave(w);
	timer_stop(w->pulse);
	if (was_up ? !w->flapping : !w->said_lost)
		log_say(EV_L001_ws_lost, "chain=%s rpc=%s reason=\"%s\"", w->chain, w->urls[w->at].name,
			why);
	w->said_lost = true;
	if (was_up) {
		count(CNT_LISTENER_ws_reconnects, 1);
		w->flapping = loop_now_ms(w->loop) - w->up_ms < FLAPPING_MS;
		w->retry_s = w->flapping ? w->retry_s : RETRY_FIRST_S;
	}
	w->at = (w->at + 1) % w->count;
	timer_start(w->retry, w->retry_s * (0.5 + drand48() / 2), 0);
	w->retry_s = w->retry_s * 2 < RETRY_MAX_S ? w->retry_s * 2 : RETRY_MAX_S;
}

void ws_drop(struct ws *w, const char *why)
{
	struct lws *wsi = w->wsi;

	lost(w, why);
	if (wsi) {
		lws_set_opaque_user_data(wsi, NULL);
		lws_set_timeout(wsi, 1, LWS_TO_KILL_SYNC);
	}
}

static void say_up(const struct ws *w)
{
	log_say(EV_L002_ws_up, "chain=%s rpc=%s", w->chain, w->urls[w->at].name);
}

static void on_pulse(void *owner)
{
	struct ws *w = owner;
	uint64_t now = loop_now_ms(w->loop);

	if (w->state != UP) {
		if (now - w->began_ms > CONNECT_S * 1000)
			ws_drop(w, "no connection in time");
		return;
	}
	if (now - w->heard_ms > STALE_MS) {
		ws_drop(w, "silent");
		return;
	}
	if (w->flapping && now - w->up_ms > FLAPPING_MS) {
		w->flapping = false;	/* it lasts: that is news again */
		say_up(w);
	}
	w->want_ping = true;
	lws_callback_on_writable(w->wsi);
}

/* Messages. */

static void on_message(struct ws *w)
{
	if (w->state == CONNECTING) {	/* the answer to eth_subscribe */
		w->state = UP;
		w->up_ms = w->heard_ms;
		if (!w->flapping)
			say_up(w);
		w->said_lost = false;
	}
	w->on_wake(w->owner);
}

static int on_receive(struct ws *w, struct lws *wsi, const void *in, size_t len)
{
	w->heard_ms = loop_now_ms(w->loop);
	w->message_len += len;
	/* What the frame's head announces counts at once. */
	if (w->message_len > WS_MESSAGE_MAX ||
	    lws_remaining_packet_payload(wsi) > WS_MESSAGE_MAX - w->message_len)
		return -1;
	if (w->state == CONNECTING && memmem(in, len, "\"error\"", 7))
		return -1;	/* no subscriptions here */
	if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi))
		return 0;
	w->message_len = 0;
	on_message(w);
	return 0;
}

static int on_writable(struct ws *w, struct lws *wsi)
{
	uint8_t buf[LWS_PRE + sizeof(SUBSCRIBE)];
	size_t len = sizeof(SUBSCRIBE) - 1;

	if (w->want_subscribe) {
		w->want_subscribe = false;
		memcpy(buf + LWS_PRE, SUBSCRIBE, len);
		return lws_write(wsi, buf + LWS_PRE, len, LWS_WRITE_TEXT) < (int)len ? -1 : 0;
	}
	if (w->want_ping) {
		w->want_ping = false;
		return lws_write(wsi, buf + LWS_PRE, 0, LWS_WRITE_PING) < 0 ? -1 : 0;
	}
	return 0;
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		  size_t len)
{
	struct ws *w = wsi ? lws_get_opaque_user_data(wsi) : NULL;

	(void)user;
	if (!w)
		return 0;
	switch (reason) {
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		w->heard_ms = loop_now_ms(w->loop);
		w->want_subscribe = true;
		lws_callback_on_writable(wsi);
		return 0;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		return on_receive(w, wsi, in, len);
	case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
		w->heard_ms = loop_now_ms(w->loop);
		return 0;
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return on_writable(w, wsi);
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		lws_set_opaque_user_data(wsi, NULL);
		lost(w, in ? "cannot connect" : "no connection");
		return 0;
	case LWS_CALLBACK_CLIENT_CLOSED:
		lws_set_opaque_user_data(wsi, NULL);
		lost(w, "closed by the node");
		return 0;
	default:
		return 0;
	}
}

static const struct lws_protocols protocols[] = {
	{ .name = "eth", .callback = on_lws, .rx_buffer_size = 4096 },
	{ 0 },
};

void *ws_context_new(struct loop *loop)
{
	static const char ca[] = "/etc/ssl/certs/ca-certificates.crt";
	void *native = loop_native(loop);
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = protocols,
		.options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
		.foreign_loops = &native,
		.fd_limit_per_thread = 32,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.client_ssl_ca_filepath = access(ca, R_OK) == 0 ? ca : NULL,
	};

	lws_set_log_level(0, NULL);
	return lws_create_context(&info);
}

void ws_context_free(void **context)
{
	if (*context)
		lws_context_destroy(*context);
	*context = NULL;
}

struct ws *ws_new(void *context, struct loop *loop, const char *chain, const struct ws_url *urls,
		  unsigned count, void (*on_wake)(void *owner), void *owner)
{
	struct ws *w = calloc(1, sizeof(*w));

	check(w && count > 0);
	*w = (struct ws){
		.loop = loop, .context = context, .chain = chain, .urls = urls, .count = count,
		.on_wake = on_wake, .owner = owner, .retry_s = RETRY_FIRST_S,
	};
	w->waker = waker_new(loop, on_resolved, w);
	w->retry = timer_new(loop, on_retry, w);
	w->pulse = timer_new(loop, on_pulse, w);
	timer_start(w->retry, 0, 0);
	return w;
}

void ws_free(struct ws **wp)
{
	struct ws *w = *wp;

	if (!w)
		return;
	*wp = NULL;
	w->said_lost = true;
	if (w->wsi) {
		lws_set_opaque_user_data(w->wsi, NULL);
		lws_set_timeout(w->wsi, 1, LWS_TO_KILL_SYNC);
	}
	resolve_leave(w);
	timer_free(&w->retry);
	timer_free(&w->pulse);
	waker_free(&w->waker);
	free(w);
}

bool ws_is_up(const struct ws *w)
{
	return w->state == UP;
}
