/*
 * listener - hears the chain: every log of a watched contract, once it stands in a block that
 * links to the blocks before it; and says which blocks left.
 *
 * Hears:  chain nodes, those of the parent chain too; resume, granted, recheck, rewind from the
 *         executor.
 * Says:   event, blocks, head, retracted, rechecked to the executor.
 * Owns:   nothing that lasts.  Where to go on is the executor's to know.
 * Trusts: no single answer of a node.  null, an empty list or a lower head prove nothing; what
 *         counts is hashes that link, and two looks that agree.
 */
#include "common/log.h"
#include "common/proc.h"
#include "listener/listener.h"
#include "listener/ws.h"

static void listener_open(struct listener *self)
{
	static const struct http_limits limits = { .connections_per_host = 8, .connections = 32 };
	const struct settings *s = proc_settings();
	uint64_t chains = get_setting_u64(s, "chain");

	check(chains > 0 && chains <= CHAINS_MAX);
	check(profile_load(s, NULL, &self->profile) == OK);
	self->loop = loop_new();
	self->http = http_new(self->loop, &limits);
	self->lws = ws_context_new(self->loop);
	for (; self->chains < chains; self->chains++)
		chain_open(self, self->chains);
	link_open(self);
	listener_show(self);
}

int main(int argc, char **argv)
{
	static struct listener self;

	proc_start(ROLE_LISTENER, argc, argv);
	listener_open(&self);
	proc_confine(RIGHTS_NETWORK);	/* from here all input is hostile */
	return proc_serve(self.loop);
}
