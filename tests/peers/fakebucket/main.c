/*
 * fakebucket - the storage of the coprocessors as a fast test peer: S3 in path style over plain
 * HTTP, bodies from memory or made from a seed, with faults on request.
 *
 *	fakebucket [--port 0] [--control-port 0] [--buckets ct128,..] [--hide-missing]
 *
 * Prints {"port":..,"controlPort":..} when ready.  What the control port takes:
 *
 *	{"op":"seed", seed, count, first, size, buckets}	bodies from a seed: {"digests":[..]}
 *	{"op":"remove", digest, bucket}
 *	{"op":"fault", where, kind, count, ..}			kinds and numbers: FAULTS in store.h
 *	{"op":"clear"}		no faults
 *	{"op":"stats", keys}	{"op":"resetStats"}
 */
#include <stdio.h>

#include "tests/peers/fakebucket/serve.h"

static void read_buckets(struct store *s, const char *names)
{
	for (const char *at = names; *at;) {
		size_t len = strcspn(at, ",");
		if (s->buckets == BUCKETS_MAX || len == 0 || len >= sizeof(s->name[0]))
			peer_die("--buckets: at most %u names of less than 64 characters", BUCKETS_MAX);
		memcpy(s->name[s->buckets++], at, len);
		at += len + (at[len] == ',');
	}
}

int main(int argc, char **argv)
{
	static struct store store;
	const char *names = peer_option(argc, argv, "buckets");

	peer_begin();
	read_buckets(&store, names ? names : "ct128");
	store.hide_missing = peer_flag(argc, argv, "hide-missing");
	struct loop *loop = loop_new();
	uint16_t port = serve_open(loop, peer_port(argc, argv, "port"), &store);
	uint16_t control = control_open(loop, peer_port(argc, argv, "control-port"), store_control, &store);
	printf("{\"port\":%u,\"controlPort\":%u}\n", port, control);
	fflush(stdout);
	loop_run(loop);
	return 0;
}
