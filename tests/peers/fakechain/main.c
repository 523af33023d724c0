/*
 * fakechain - an Arbitrum node with the gateway contracts, for tests: fast, untruthful on
 * request, and with a memory of everything it was ever sent.
 *
 * Hears:  JSON-RPC over HTTP and WebSocket on one port of the loopback, the harness's own
 *         methods (control.c) among it.
 * Says:   one line of JSON when it is ready, {"port":..}; then answers.
 * Owns:   the chain, in memory: it ends with the process.
 * Trusts: everybody; it serves tests.
 *
 * usage: fakechain ['{"port":0,"chainId":421614,...}']     names of knobs: node.h
 *
 * Kept by: state (values by block), chain (blocks), gateway, registry, decryptions, keys (the
 * contracts), sequencer (Arbitrum's rules), ledger (the oracle), lies; spoken by: server, ws, job,
 * methods, control.
 */

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/jsonrpc.h"
#include "common/log.h"
#include "tests/peers/fakechain/control.h"
#include "tests/peers/fakechain/gateway.h"
#include "tests/peers/fakechain/server.h"

static void start(struct node *n)
{
	n->loop = loop_new();
	n->state = state_new();
	n->gateway = gateway_new();
	n->ledger = ledger_new();
#define K(field, name, first, text) n->knobs.field = first;
	KNOBS(K)
#undef K
}

static unsigned read_options(struct node *n, const char *text)
{
	struct text unused;
	cJSON *v = cJSON_Parse(text);
	struct rpc r = { .n = n, .out = &unused };
	uint64_t port = 0;

	text_init(&unused, 1024);
	if (!v || !control_set(&r, v) ||
	    (json_get(v, "port") && !read_u64(&r, json_get(v, "port"), &port))) {
		fprintf(stderr, "fakechain: %s\n", v ? r.message : "the options are no JSON");
		_exit(64);
	}
	cJSON_Delete(v);
	return (unsigned)port;
}

int main(int argc, char **argv)
{
	static struct node self;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	log_open("fakechain", "logfmt", LOG_WARN);
	start(&self);

	unsigned port = read_options(&self, argc > 1 ? argv[1] : "{}");

	chain_start(&self);
	sequencer_start(&self);
	port = server_start(&self, port);
	if (!port) {
		perror("fakechain");
		return 74;
	}
	printf("{\"port\":%u}\n", port);
	fflush(stdout);
	loop_run(self.loop);
	return 0;
}
