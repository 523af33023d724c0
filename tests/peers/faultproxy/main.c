/*
 * faultproxy - stands before any TCP peer of 127.0.0.1 and spoils connections on request.
 *
 *	faultproxy --target PORT [--mode tcp|http|h2] [--port 0] [--control-port 0]
 *
 * Mode http follows the clients' requests and WebSocket frames, h2 the frames of HTTP/2.
 * Prints {"port":..,"controlPort":..} when ready.  What the control port takes:
 *
 *	{"op":"fault", name, dir: "up"|"down"|"both", open, skip, count, match, headers, body, ..}
 *			names and their numbers: FAULTS in proxy.h.  `count` ends it after so many,
 *			`match` is a text in the request.  Answers {"met": open connections that
 *			have it now}
 *	{"op":"clear"}		no faults; what was held goes on
 *	{"op":"drop"}		resets all connections
 *	{"op":"refuse"}		resets all and listens no more
 *	{"op":"forward"}	listens again, without faults
 *	{"op":"stats"}	{"op":"resetStats"}	{"op":"faults"}
 */
#include <stdio.h>

#include "common/log.h"
#include "tests/peers/faultproxy/proxy.h"

static enum mode read_mode(const char *word)
{
	if (!word || strcmp(word, "tcp") == 0)
		return MODE_TCP;
	if (strcmp(word, "http") == 0)
		return MODE_HTTP;
	if (strcmp(word, "h2") == 0)
		return MODE_H2;
	peer_die("--mode: tcp, http or h2");
}

int main(int argc, char **argv)
{
	static struct proxy p = { .fd = -1 };

	peer_begin();
	p.mode = read_mode(peer_option(argc, argv, "mode"));
	p.target = peer_port(argc, argv, "target");
	p.port = peer_port(argc, argv, "port");
	p.calls = cJSON_CreateObject();
	check(p.calls != NULL);
	p.loop = loop_new();
	proxy_listen(&p);
	uint16_t control =
		control_open(p.loop, peer_port(argc, argv, "control-port"), proxy_control, &p);
	printf("{\"port\":%u,\"controlPort\":%u}\n", p.port, control);
	fflush(stdout);
	loop_run(p.loop);
	return 0;
}
