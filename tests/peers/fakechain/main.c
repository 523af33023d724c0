/*
 * fakechain - an Arbitrum node with the gateway contracts, for tests: fast, untruthful on
 * request, and with a memory of everything it was ever sent.
 *
 * Hears:  JSON-RPC over HTTP and WebSocket on one port of the loopback, the harness's own
 *         methods (control.c) among it.
 * Says:   one line of JSON when it is ready, {"port":..,"ports":[..]}; then answers.
 * Owns:   the chain, in memory: it ends with the process.
 * Trusts: everybody; it serves tests.
 *
 * usage: fakechain ['{"port":0,"doors":1,"chainId":421614,...}']     names of knobs: node.h
 *
 * Doors are ports, each of which is a node of the same chain: a lie may be told at one alone.  Of
 * several the first is the harness's: it tells no lie that does not name it.  The
 * first has the port that is asked for, the others what is free, unless "ports" says which.
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

struct ports {
	uint64_t count, at[DOORS_MAX];
}; /* 0: any */

static void read_ports(struct rpc *r, const cJSON *v, struct ports *out)
{
	const cJSON *list = json_get(v, "ports"), *one = list ? list->child : NULL;
	bool good = true;

	out->count = 1;
	if (json_get(v, "doors"))
		good = read_u64(r, json_get(v, "doors"), &out->count);
	if (json_get(v, "port"))
		good = good && read_u64(r, json_get(v, "port"), &out->at[0]);
	for (unsigned i = 0; good && one && i < DOORS_MAX; one = one->next)
		good = read_u64(r, one, &out->at[i++]);
	if (good && out->count && out->count <= DOORS_MAX)
		return;
	fprintf(stderr, "fakechain: %s\n", good ? "too many doors, or none" : r->message);
	_exit(64);
}

static void read_options(struct node *n, const char *text, struct ports *ports_out)
{
	struct text unused;
	cJSON *v = cJSON_Parse(text);
	struct rpc r = { .n = n, .out = &unused };

	text_init(&unused, 1024);
	if (!v || !control_set(&r, v)) {
		fprintf(stderr, "fakechain: %s\n", v ? r.message : "the options are no JSON");
		_exit(64);
	}
	read_ports(&r, v, ports_out);
	cJSON_Delete(v);
}

static void open_doors(struct node *n, const struct ports *ports)
{
	unsigned port[DOORS_MAX];

	n->server = server_new(n);
	for (unsigned i = 0; i < ports->count; i++) {
		port[i] = server_open(n->server, (unsigned)ports->at[i]);
		if (!port[i]) {
			perror("fakechain");
			_exit(74);
		}
	}
	printf("{\"port\":%u,\"ports\":[", port[0]);
	for (unsigned i = 0; i < ports->count; i++)
		printf("%s%u", i ? "," : "", port[i]);
	printf("]}\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static struct node self;
	struct ports ports = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	log_open("fakechain", "logfmt", LOG_WARN);
	start(&self);
	read_options(&self, argc > 1 ? argv[1] : "{}", &ports);
	chain_start(&self);
	sequencer_start(&self);
	open_doors(&self, &ports);
	loop_run(self.loop);
	return 0;
}
