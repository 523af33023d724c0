/*
 * fakecore - a KMS Core as a fast test peer: real gRPC, real signatures, no cryptography of its
 * own (answers.h).
 *
 *	fakecore --key HEX [--port 0] [--control-port 0] [--delay-ms N] [--long-poll-ms N]
 *		[--mode centralized] [--types today|2025-04]
 *
 * Prints {"port":..,"controlPort":..,"address":".."} when ready.  What the control port takes:
 *
 *	{"op":"set", delayMs, longPollMs, mode, keys}		any of them; delayMs a number or by kind
 *	{"op":"fail", call: "start"|"result"|"any", method, ids, match, count, share, seed, after,
 *	 message, and one of ACTS in core.h}			adds a rule
 *	{"op":"twist", ids, key, otherId, plaintexts: "missing"|"extra"|"wrong"|"type", padTo,
 *	 badSignature, shortSignature, noExternalSignature}	spoils answers that are made from now on
 *	{"op":"clear"}		no rules, no twists, no delay
 *	{"op":"finish"}		what is computed now is ready; how many that are
 *	{"op":"forget"}		as if restarted
 *	{"op":"stats"}		{"op":"resetStats"}
 *	{"op":"ids", kind}	how often each was started
 *	{"op":"ledger", kind}	for each [starts, result calls, answers given]
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/peers/fakecore/core.h"
#include "tests/peers/peer.h"

static double number_option(int argc, char **argv, const char *name, double otherwise)
{
	const char *text = peer_option(argc, argv, name);

	return text ? strtod(text, NULL) : otherwise;
}

static void read_options(struct core *c, int argc, char **argv)
{
	const char *key = peer_option(argc, argv, "key"), *mode = peer_option(argc, argv, "mode");
	uint8_t secret[32];

	if (!key || hex_decode_exact(key + (strncmp(key, "0x", 2) ? 0 : 2), 64, secret, 32) != OK)
		peer_die("--key: 32 bytes in hex");
	c->signer = signer_new(secret, peer_option(argc, argv, "types"));
	if (!c->signer)
		peer_die("--key is no key, or --types is neither today nor 2025-04");
	for (int kind = 0; kind < KINDS_COUNT; kind++)
		c->delay_ms[kind] = number_option(argc, argv, "delay-ms", 0);
	c->long_poll_ms = c->first_long_poll_ms = number_option(argc, argv, "long-poll-ms", -1);
	c->centralized = mode && strcmp(mode, "centralized") == 0;
}

int main(int argc, char **argv)
{
	static struct core c = { .keys.any = true, .random = 1 };
	char address[ADDR_TEXT];
	uint16_t port;

	peer_begin();
	read_options(&c, argc, argv);
	c.loop = loop_new();
	c.server = server_open(c.loop, peer_port(argc, argv, "port"), &core_events, &c, &port);
	uint16_t control =
		control_open(c.loop, peer_port(argc, argv, "control-port"), core_control, &c);
	struct addr a = signer_address(c.signer);
	printf("{\"port\":%u,\"controlPort\":%u,\"address\":\"%s\"}\n", port, control,
	       addr_text(&a, address));
	fflush(stdout);
	loop_run(c.loop);
	return 0;
}
