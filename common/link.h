/*
 * link - one Unix socket to one sibling: hello, packets, credit.
 *
 * A link is always read.  What is limited is new work: a message whose row has a window
 * takes credit when it is sent; link_credit_back gives it back when its answer came.  Who
 * has no credit stops its own source.  A peer that does not read is cut off when
 * LINK_QUEUE_MAX bytes wait for it.
 *
 * No state lives in a link: after on_up both sides say what they know.
 */
#pragma once

#include "common/loop.h"
#include "common/wire.h"

#define LINK_QUEUE_MAX (8u << 20)	/* bytes waiting for a peer that does not read */

struct link;
struct link_door;

/* What an end of a link is and does; constant, one for each end. */
struct link_end {
	enum ipc_role me, peer;
	const char *name;		/* "listener": name of the socket, for the log */
	/* One packet.  Anything but OK (and class again) closes the link. */
	enum err (*on_packet)(void *owner, struct link *l, const struct ipc_frame *f);
	void (*on_up)(void *owner, struct link *l);	/* both hellos are exchanged */
	void (*on_down)(void *owner, struct link *l);	/* *l is gone when it returns */
};

/* Connects to PATH and again whenever it is lost (0.05 s to 1 s).  Owned by the caller. */
struct link *link_connect(struct loop *loop, const char *path, const struct link_end *end,
			  void *owner);

/* Accepts at the listening socket FD; at most MAX links at once.  Owned by the caller. */
struct link_door *link_listen(struct loop *loop, int fd, const struct link_end *end, void *owner,
			      unsigned max);

/* Ends and frees.  For an accepted link: closes it, on_down is called. */
void link_free(struct link **l);
void link_close(struct link *l);

bool link_is_up(const struct link *l);

/* For the owner of an accepted link: a pointer of its own for each client. */
void link_set_data(struct link *l, void *data);
void *link_data(const struct link *l);

/* ERR_CLOSED when the link is down: nothing is kept, the peer asks again after hello. */
enum err link_send(struct link *l, const struct ipc_msg *msg, const void *m);

/* How many of MSG may still be sent; unlimited rows give UINT32_MAX. */
uint32_t link_credit(const struct link *l, const struct ipc_msg *msg);
void link_credit_back(struct link *l, const struct ipc_msg *msg, uint32_t count);

/* send_<message>(link, &m): one for each row, so that the struct cannot be the wrong one. */
#define LINK_SENDER(number, name, from, to, window, text) \
	static inline enum err send_##name(struct link *l, const struct msg_##name *m) \
	{ return link_send(l, &ipc_##name, m); }
IPC_ALL(LINK_SENDER)
#undef LINK_SENDER

/*
 * A receiver's switch.  In the process:
 *
 *	LINK_SWITCH(switch_listener, IPC_LISTENER_TO_EXECUTOR)
 *
 * A row without a function on_<message>(struct executor *, struct link *,
 * const struct msg_<message> *) does not compile.
 */
#define LINK_CASE(number, name, from, to, window, text) \
	case number: { \
		struct msg_##name m; \
		enum err e = wire_decode(f, &m); \
		return e ? e : on_##name(owner, l, &m); \
	}
#define LINK_SWITCH(function, list) \
	static enum err function(void *owner, struct link *l, const struct ipc_frame *f) \
	{ \
		switch (f->msg->number) { \
		list(LINK_CASE) \
		} \
		return ERR_DENIED; \
	}
