/* link - the executor: where to go on, credit, single questions. */

#include "common/log.h"
#include "common/proc.h"
#include "listener/listener.h"

static struct chain *find_chain(struct listener *self, uint64_t id)
{
	for (unsigned i = 0; i < self->chains; i++)
		if (self->chain[i].id == id)
			return &self->chain[i];
	return NULL;
}

static enum err on_resume(struct listener *self, struct link *l, const struct msg_resume *m)
{
	struct chain *c = find_chain(self, m->chain);

	(void)l;
	return c ? compare_take(c, m) : ERR_UNKNOWN;
}

static enum err on_granted(struct listener *self, struct link *l, const struct msg_granted *m)
{
	struct chain *c = find_chain(self, m->chain);

	if (!c)
		return ERR_UNKNOWN;
	link_credit_back(l, &ipc_event, m->events < UINT32_MAX ? (uint32_t)m->events : UINT32_MAX);
	link_credit_back(l, &ipc_blocks, m->blocks < UINT32_MAX ? (uint32_t)m->blocks : UINT32_MAX);
	gauge(CNT_LISTENER_cursor, m->block);
	for (unsigned i = 0; i < self->chains; i++)	/* the credit is of all of them */
		chain_step(&self->chain[i]);
	return OK;
}

static enum err on_recheck(struct listener *self, struct link *l, const struct msg_recheck *m)
{
	struct chain *c = find_chain(self, m->chain);
	struct recheck q = {
		.number = m->number, .log_index = m->log_index, .hash = m->hash,
		.tx_hash = m->tx_hash, .content = m->content, .contract = m->contract,
	};

	(void)l;
	if (!c)
		return ERR_UNKNOWN;
	recheck_add(c, &q);
	return OK;
}

/* An operator wants it read again; that also ends a pause after a deep reorganisation. */
static enum err on_rewind(struct listener *self, struct link *l, const struct msg_rewind *m)
{
	struct chain *c = find_chain(self, m->chain);

	(void)l;
	if (!c)
		return ERR_UNKNOWN;
	if (c->phase != PHASE_READ && c->phase != PHASE_SEEK)
		return OK;	/* resume is not done yet, and says where to begin */
	if (c->frozen) {
		ring_clear(&c->ring);
		c->safe = c->finalized = c->confirmed = 0;
		settled_lower(c, 0);
		c->frozen = c->fork = c->walking = c->head_known = false;
	}
	c->phase = PHASE_READ;
	chain_read_from(c, m->block);
	head_poll(c);
	chain_step(c);
	listener_show(self);
	return OK;
}

LINK_SWITCH(on_packet, IPC_EXECUTOR_TO_LISTENER)

static void on_up(void *owner, struct link *l)
{
	struct listener *self = owner;

	(void)l;	/* the executor says resume, for each chain */
	for (unsigned i = 0; i < self->chains; i++)
		self->chain[i].hearing_told = false;
	listener_show(self);
}

static void on_down(void *owner, struct link *l)
{
	struct listener *self = owner;

	(void)l;
	for (unsigned i = 0; i < self->chains; i++)
		chain_reset(&self->chain[i]);
	listener_show(self);
}

void link_open(struct listener *self)
{
	static const struct link_end end = {
		.me = ROLE_LISTENER,
		.peer = ROLE_EXECUTOR,
		.name = "listener",
		.on_packet = on_packet,
		.on_up = on_up,
		.on_down = on_down,
	};
	char path[108];

	proc_path(path, "listener.sock");
	self->link = link_connect(self->loop, path, &end, self);
}
