/* link - packets over SOCK_SEQPACKET: hello first, then what the row permits. */

#include "common/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "common/proc.h"

#define PACKETS_PER_TURN 64	/* then the other watchers have their turn */
#define RETRY_FIRST_S    0.05
#define RETRY_MAX_S      1.0
#define DOOR_REST_S      0.2	/* when nobody can be accepted: files are used up */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct packet {
	struct packet *next;
	size_t len;
	int fd;				/* memfd that goes along; -1 */
	uint8_t data[];
};

struct link {
	struct loop *loop;
	const struct link_end *end;
	void *owner, *data;
	struct link_door *door;		/* NULL for a link that connects */
	struct link *next;		/* in the door's list */
	char path[108];			/* of a link that connects */
	int fd;
	struct watch *watch;
	struct timer *retry;
	double retry_s;
	bool up, busy, doomed;
	bool told;	/* that the peer is another: once, until a hello fits */
	struct packet *first, **last;	/* waiting for a peer that does not read */
	size_t queued;
	uint32_t used[256];		/* credit taken, by message number */
};

struct link_door {
	struct loop *loop;
	const struct link_end *end;
	void *owner;
	int fd;
	struct watch *watch;
	struct timer *rest;
	bool told;	/* as of a link */
	struct link *links;
	unsigned count, max;
};

static void on_io(void *owner, unsigned events);
static void try_connect(void *owner);

static void drop_queue(struct link *l)
{
	while (l->first) {
		struct packet *p = l->first;
		l->first = p->next;
		if (p->fd >= 0)
			close(p->fd);
		free(p);
	}
	l->last = &l->first;
	l->queued = 0;
}

/* Commands of operators come and go; they are no change of state. */
static void say_state(const struct link *l, enum log_event ev)
{
	if (l->end->peer != ROLE_OPERATOR)
		log_say(ev, "link=%s", l->end->name);
}

/* The connection ends; a link that connects lives on and tries again. */
static void disconnect(struct link *l)
{
	bool was_up = l->up;

	l->up = false;
	watch_free(&l->watch);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	drop_queue(l);
	memset(l->used, 0, sizeof(l->used));
	if (was_up) {
		say_state(l, EV_G004_link_down);
		if (l->end->on_down)
			l->end->on_down(l->owner, l);
	}
	if (!l->door) {
		timer_start(l->retry, l->retry_s, 0);
		l->retry_s = l->retry_s * 2 < RETRY_MAX_S ? l->retry_s * 2 : RETRY_MAX_S;
	}
}

static void destroy(struct link *l)
{
	if (l->door) {
		for (struct link **p = &l->door->links; *p; p = &(*p)->next)
			if (*p == l) {
				*p = l->next;
				break;
			}
		l->door->count--;
	}
	timer_free(&l->retry);
	free(l);
}

void link_close(struct link *l)
{
	if (l->busy) {
		l->doomed = true;
		return;
	}
	disconnect(l);
	if (l->door)
		destroy(l);
}

/* A peer of another build or network comes again and again. */
static bool is_told(struct link *l, enum err e)
{
	bool *told = l->door ? &l->door->told : &l->told, was = *told;

	if (l->up || e != ERR_MISMATCH)
		return false;
	*told = true;
	return was;
}

static void refuse(struct link *l, const char *what, enum err e)
{
	l->doomed = true;
	if (is_told(l, e))
		return;
	log_say(EV_G005_link_refused, "link=%s packet=%s reason=\"%s\"", l->end->name, what,
		err_text(e));
}

/* Sending. */

static enum err transmit(struct link *l, const void *data, size_t len, int fd)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } ctl = { 0 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		mh.msg_control = &ctl;
		mh.msg_controllen = sizeof(ctl.room);
		struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	if (sendmsg(l->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return OK;
	return errno == EAGAIN || errno == ENOBUFS ? ERR_AGAIN : ERR_CLOSED;
}

static enum err enqueue(struct link *l, const void *data, size_t len, int fd)
{
	if (l->queued + len > LINK_QUEUE_MAX)
		return ERR_FULL;
	struct packet *p = malloc(sizeof(*p) + len);
	if (!p)
		return ERR_NOMEM;
	p->next = NULL;
	p->len = len;
	p->fd = fd;
	memcpy(p->data, data, len);
	*l->last = p;
	l->last = &p->next;
	l->queued += len;
	watch_set(l->watch, WATCH_READ | WATCH_WRITE);
	return OK;
}

static void flush(struct link *l)
{
	while (l->first) {
		struct packet *p = l->first;
		enum err e = transmit(l, p->data, p->len, p->fd);
		if (e == ERR_AGAIN)
			return;
		if (e) {
			l->doomed = true;
			return;
		}
		l->first = p->next;
		if (!l->first)
			l->last = &l->first;
		l->queued -= p->len;
		if (p->fd >= 0)
			close(p->fd);
		free(p);
	}
	watch_set(l->watch, WATCH_READ);
}

static int blob_to_fd(struct bytes blob)
{
	int fd = memfd_create("blob", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	for (size_t at = 0; at < blob.len;) {
		ssize_t n = write(fd, blob.p + at, blob.len - at);
		if (n <= 0) {
			close(fd);
			return -1;
		}
		at += (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static enum err send_packet(struct link *l, const struct ipc_msg *msg, const void *m)
{
	static uint8_t buf[IPC_PACKET_MAX];
	struct bytes blob;
	size_t len;
	int fd = -1;

	enum err e = wire_encode(msg, m, buf, sizeof(buf), &len, &blob);
	if (e)
		return e;
	if (blob.p && (fd = blob_to_fd(blob)) < 0)
		return ERR_NOMEM;
	e = l->first ? ERR_AGAIN : transmit(l, buf, len, fd);
	if (e == ERR_AGAIN) {
		e = enqueue(l, buf, len, fd);
		if (!e)
			return OK;	/* the queue owns the descriptor now */
	}
	if (fd >= 0)
		close(fd);
	return e;
}

enum err link_send(struct link *l, const struct ipc_msg *msg, const void *m)
{
	if (!l || !l->up || l->doomed)
		return ERR_CLOSED;
	if (msg->window && l->used[msg->number] >= msg->window)
		return ERR_FULL;
	enum err e = send_packet(l, msg, m);
	if (e == ERR_CLOSED || e == ERR_FULL) {
		l->doomed = true;	/* noticed at the next turn of its watch */
		shutdown(l->fd, SHUT_RDWR);
		return ERR_CLOSED;
	}
	if (!e && msg->window)
		l->used[msg->number]++;
	return e;
}

uint32_t link_credit(const struct link *l, const struct ipc_msg *msg)
{
	if (!l || !l->up)
		return 0;
	return msg->window ? msg->window - l->used[msg->number] : UINT32_MAX;
}

void link_credit_back(struct link *l, const struct ipc_msg *msg, uint32_t count)
{
	uint32_t used = l->used[msg->number];
	l->used[msg->number] = count < used ? used - count : 0;
}

/* Receiving. */

static enum err say_hello(struct link *l)
{
	struct msg_hello m = { .network = get_setting_b32(proc_settings(), "network") };

	m.build = bytes_str(proc_build());
	m.role = bytes_str(ipc_role_name(l->end->me));
	return send_packet(l, &ipc_hello, &m);
}

static enum err on_hello(struct link *l, const struct ipc_frame *f)
{
	struct msg_hello m;
	struct b32 network = get_setting_b32(proc_settings(), "network");

	enum err e = wire_decode(f, &m);
	if (e)
		return e;
	if (!bytes_is(m.build, proc_build()) || !bytes_is(m.role, ipc_role_name(l->end->peer)) ||
	    !b32_eq(&m.network, &network))
		return ERR_MISMATCH;
	l->up = true;
	*(l->door ? &l->door->told : &l->told) = false;
	l->retry_s = RETRY_FIRST_S;
	say_state(l, EV_G003_link_up);
	if (l->end->on_up)
		l->end->on_up(l->owner, l);
	return OK;
}

static enum err deliver(struct link *l, struct bytes packet, struct bytes blob)
{
	struct ipc_frame f;
	enum err e = wire_open(packet, blob, &f);

	if (e) {
		refuse(l, "unknown", e);
		return e;
	}
	if (!l->up)
		e = f.msg == &ipc_hello ? on_hello(l, &f) : ERR_DENIED;
	else
		e = f.msg == &ipc_hello ? ERR_DENIED : l->end->on_packet(l->owner, l, &f);
	if (e && err_class(e) != ERR_CLASS_again)
		refuse(l, f.msg->name, e);
	return e;
}

/* The descriptors of a packet: at most one, a sealed memfd of bounded size, mapped. */
static enum err take_blob(struct msghdr *mh, struct bytes *out)
{
	int fd = -1, extra = 0;

	*out = (struct bytes){ 0 };
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int got;
			memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (fd < 0) {
				fd = got;
			} else {
				close(got);
				extra++;
			}
		}
	}
	if (fd < 0)
		return OK;
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);
	enum err e = OK;
	if (extra || seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0)
		e = ERR_FORMAT;
	else if (st.st_size <= IPC_INLINE_MAX || st.st_size > IPC_LOG_MAX)
		e = ERR_TOO_BIG;
	if (!e) {
		void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED)
			e = ERR_NOMEM;
		else
			*out = BYTES(p, (size_t)st.st_size);
	}
	close(fd);
	return e;
}

/* One packet; false when there is none now or the link is over. */
static bool receive(struct link *l)
{
	static uint8_t buf[IPC_PACKET_MAX];
	union { struct cmsghdr h; char room[CMSG_SPACE(2 * sizeof(int))]; } ctl;
	bool blobs = l->end->me == ROLE_EXECUTOR && l->end->peer == ROLE_LISTENER;
	struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (blobs) {	/* elsewhere the kernel drops descriptors that nobody asked for */
		mh.msg_control = &ctl;
		mh.msg_controllen = sizeof(ctl.room);
	}
	ssize_t n = recvmsg(l->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		l->doomed = true;
		return false;
	}
	struct bytes blob = { 0 };
	enum err e = blobs ? take_blob(&mh, &blob) : OK;
	if (!e && (mh.msg_flags & (MSG_TRUNC | (blobs ? MSG_CTRUNC : 0))))
		e = ERR_TOO_BIG;
	if (e)
		refuse(l, "unreadable", e);
	else
		e = deliver(l, BYTES(buf, (size_t)n), blob);
	if (blob.p)
		munmap((void *)(uintptr_t)blob.p, blob.len);
	return !l->doomed;
}

static void on_io(void *owner, unsigned events)
{
	struct link *l = owner;

	l->busy = true;
	if (events & WATCH_WRITE)
		flush(l);
	if (events & WATCH_READ)
		for (unsigned i = 0; i < PACKETS_PER_TURN && receive(l); i++)
			;
	l->busy = false;
	if (l->doomed) {
		l->doomed = false;
		link_close(l);
	}
}

/* Who may be at the other end: our own user, root, or the user of the peer's role. */
static bool is_welcome(const struct link_end *end, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	if (cred.uid == getuid() || cred.uid == 0)
		return true;
	const char *uid = find_setting(proc_settings(), "uid.%s", ipc_role_name(end->peer));
	return uid && strtoul(uid, NULL, 10) == cred.uid;
}

static void begin(struct link *l, int fd)
{
	l->fd = fd;
	l->doomed = false;
	l->watch = watch_new(l->loop, fd, WATCH_READ, on_io, l);
	if (say_hello(l) != OK) {
		l->doomed = true;
		shutdown(fd, SHUT_RDWR);
	}
}

static struct link *new_link(struct loop *loop, const struct link_end *end, void *owner)
{
	struct link *l = calloc(1, sizeof(*l));

	check(l != NULL);
	l->loop = loop;
	l->end = end;
	l->owner = owner;
	l->fd = -1;
	l->last = &l->first;
	l->retry_s = RETRY_FIRST_S;
	return l;
}

static void try_connect(void *owner)
{
	struct link *l = owner;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(sa.sun_path, l->path, sizeof(l->path));
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0) {
		begin(l, fd);
		return;
	}
	if (fd >= 0)
		close(fd);
	timer_start(l->retry, l->retry_s, 0);
	l->retry_s = l->retry_s * 2 < RETRY_MAX_S ? l->retry_s * 2 : RETRY_MAX_S;
}

struct link *link_connect(struct loop *loop, const char *path, const struct link_end *end,
			  void *owner)
{
	struct link *l = new_link(loop, end, owner);

	snprintf(l->path, sizeof(l->path), "%s", path);
	l->retry = timer_new(loop, try_connect, l);
	timer_start(l->retry, 0, 0);
	return l;
}

static void on_door(void *owner, unsigned events)
{
	struct link_door *d = owner;
	(void)events;

	int fd = accept4(d->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
			watch_set(d->watch, 0);
			timer_start(d->rest, DOOR_REST_S, 0);
		}
		return;
	}
	if (d->count >= d->max || !is_welcome(d->end, fd)) {
		log_say(EV_G006_link_stranger, "link=%s connected=%u", d->end->name, d->count);
		close(fd);
		return;
	}
	struct link *l = new_link(d->loop, d->end, d->owner);
	l->door = d;
	l->next = d->links;
	d->links = l;
	d->count++;
	begin(l, fd);
}

static void on_rested(void *owner)
{
	struct link_door *d = owner;

	watch_set(d->watch, WATCH_READ);
}

struct link_door *link_listen(struct loop *loop, int fd, const struct link_end *end, void *owner,
			      unsigned max)
{
	struct link_door *d = calloc(1, sizeof(*d));

	check(d != NULL && fd >= 0);
	*d = (struct link_door){ .loop = loop, .end = end, .owner = owner, .fd = fd, .max = max };
	fcntl(fd, F_SETFL, O_NONBLOCK);
	d->watch = watch_new(loop, fd, WATCH_READ, on_door, d);
	d->rest = timer_new(loop, on_rested, d);
	return d;
}

void link_free(struct link **lp)
{
	struct link *l = *lp;

	*lp = NULL;
	if (!l)
		return;
	if (l->door || l->busy) {
		link_close(l);
		return;
	}
	disconnect(l);
	destroy(l);
}

bool link_is_up(const struct link *l)
{
	return l && l->up && !l->doomed;
}

void link_set_data(struct link *l, void *data)
{
	l->data = data;
}

void *link_data(const struct link *l)
{
	return l->data;
}
