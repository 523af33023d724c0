/* peer - what the fast peers share. */

#include "tests/peers/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"

#define FIRST_LINE 4096

void peer_begin(void)
{
	struct rlimit files;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

void peer_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

const char *peer_option(int argc, char **argv, const char *name)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, name) == 0)
			return argv[i + 1];
	return NULL;
}

bool peer_flag(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, name) == 0)
			return true;
	return false;
}

uint16_t peer_port(int argc, char **argv, const char *name)
{
	const char *text = peer_option(argc, argv, name);
	long port = text ? strtol(text, NULL, 10) : 0;

	if (port < 0 || port > UINT16_MAX)
		peer_die("--%s: not a port: %s", name, text);
	return (uint16_t)port;
}

int peer_listen(uint16_t port, uint16_t *port_out)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, SOMAXCONN) ||
	    getsockname(fd, (struct sockaddr *)&at, &len))
		peer_die("port %u: %s", port, strerror(errno));
	*port_out = ntohs(at.sin_port);
	return fd;
}

int peer_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;

	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

double json_number(const cJSON *o, const char *name, double otherwise)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);

	return cJSON_IsNumber(v) ? v->valuedouble : otherwise;
}

const char *json_text(const cJSON *o, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));
}

bool json_flag(const cJSON *o, const char *name)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, name));
}

/* ---- the control port ---- */

struct control {
	struct loop *loop;		/* borrowed */
	const struct control_op *ops;	/* borrowed */
	void *owner;			/* borrowed */
	int fd;
	struct watch *watch;		/* owned */
	struct client *over;		/* clients to be freed in the next turn */
};

struct client {
	struct control *control;	/* borrowed */
	struct client *next;		/* among those that are over */
	int fd;
	struct watch *watch;		/* owned */
	uint8_t *in;			/* owned */
	size_t len, cap;
	struct text out;		/* owned */
	size_t sent;
};

static void reap(void *owner)
{
	struct control *c = owner;

	for (struct client *k; (k = c->over);) {
		c->over = k->next;
		watch_free(&k->watch);
		close(k->fd);
		text_fini(&k->out);
		free(k->in);
		free(k);
	}
}

static void leave(struct client *k)
{
	watch_set(k->watch, 0);
	k->next = k->control->over;
	k->control->over = k;
	loop_defer(k->control->loop, reap, k->control);
}

static const char *run_op(const struct control *c, const cJSON *message, struct text *answer)
{
	const char *op = json_text(message, "op");

	if (!op)
		return "not a JSON object with an op";
	for (const struct control_op *row = c->ops; row->name; row++)
		if (strcmp(row->name, op) == 0)
			return row->run(c->owner, message, answer);
	return "unknown op";
}

static void answer_line(struct client *k, const uint8_t *line, size_t len)
{
	cJSON *message = cJSON_ParseWithLength((const char *)line, len);
	struct text answer;

	text_init(&answer, PEER_TEXT_MAX);
	const char *why = run_op(k->control, message, &answer);
	if (!why && answer.cut)
		why = "the answer is too long";
	if (why)
		text_add(&k->out, "{\"error\":\"%s\"}", why);
	else
		text_bytes(&k->out, BYTES(answer.len ? answer.p : "{}", answer.len ? answer.len : 2));
	text_add(&k->out, "\n");
	text_fini(&answer);
	cJSON_Delete(message);
}

static void answer_lines(struct client *k)
{
	size_t at = 0;

	for (uint8_t *end; (end = memchr(k->in + at, '\n', k->len - at));) {
		answer_line(k, k->in + at, (size_t)(end - (k->in + at)));
		at = (size_t)(end - k->in) + 1;
	}
	memmove(k->in, k->in + at, k->len - at);
	k->len -= at;
}

static bool read_some(struct client *k)
{
	if (k->len == k->cap) {
		if (k->cap >= PEER_LINE_MAX)
			return false;
		k->cap = k->cap ? 2 * k->cap : FIRST_LINE;
		k->in = realloc(k->in, k->cap);
		check(k->in != NULL);
	}
	ssize_t n = read(k->fd, k->in + k->len, k->cap - k->len);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	k->len += (size_t)n;
	answer_lines(k);
	return true;
}

static bool write_some(struct client *k)
{
	while (k->sent < k->out.len) {
		ssize_t n = write(k->fd, k->out.p + k->sent, k->out.len - k->sent);
		if (n < 0)
			return errno == EAGAIN;
		k->sent += (size_t)n;
	}
	k->out.len = k->sent = 0;
	return true;
}

static void on_client(void *owner, unsigned events)
{
	struct client *k = owner;

	if (((events & WATCH_READ) && !read_some(k)) || !write_some(k))
		leave(k);
	else
		watch_set(k->watch, k->out.len ? WATCH_WRITE : WATCH_READ);
}

static void on_control(void *owner, unsigned events)
{
	struct control *c = owner;

	(void)events;
	for (int fd; (fd = peer_accept(c->fd)) >= 0;) {
		struct client *k = calloc(1, sizeof(*k));
		check(k != NULL);
		k->control = c;
		k->fd = fd;
		text_init(&k->out, PEER_TEXT_MAX);
		k->watch = watch_new(c->loop, fd, WATCH_READ, on_client, k);
	}
}

uint16_t control_open(struct loop *loop, uint16_t port, const struct control_op *ops, void *owner)
{
	static struct control c;	/* one in a program */
	uint16_t got;

	check(!c.watch);
	c = (struct control){ .loop = loop, .ops = ops, .owner = owner };
	c.fd = peer_listen(port, &got);
	c.watch = watch_new(loop, c.fd, WATCH_READ, on_control, &c);
	return got;
}
