/*
 * peer - what the fast peers share: their arguments, loopback sockets, the control port.
 *
 * A peer prints one JSON line when it is ready, {"port":..,"controlPort":..}, and ends when its
 * parent does.  The control port takes lines, each a JSON object with a member "op", and gives
 * a line for each: what was asked for, or {"error":".."}.
 */
#pragma once

#include <cjson/cJSON.h>

#include "common/loop.h"
#include "common/text.h"

#define PEER_LINE_MAX (16u << 20)	/* bytes of a line to the control port */
#define PEER_TEXT_MAX (256u << 20)	/* bytes of its answer */

/* First in main: ends with the parent, no SIGPIPE, as many descriptors as there may be. */
void peer_begin(void);

/* "--name value"; NULL when it is not there.  Borrowed from argv. */
const char *peer_option(int argc, char **argv, const char *name);
bool peer_flag(int argc, char **argv, const char *name);
uint16_t peer_port(int argc, char **argv, const char *name);	/* 0 when it is not there */

/* Says why on standard error and ends the program. */
_Noreturn void peer_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A listening socket of 127.0.0.1, not blocking; port 0 takes a free one.  Dies if it cannot. */
int peer_listen(uint16_t port, uint16_t *port_out);
/* The next one who connected, not blocking and without delay; -1 when there is none. */
int peer_accept(int listener);

/*
 * A handler reads MESSAGE and adds its answer, a JSON value, to ANSWER.  It returns NULL, or why
 * not: constant, and nothing of ANSWER is sent then.
 */
struct control_op {
	const char *name;
	const char *(*run)(void *owner, const cJSON *message, struct text *answer);
};

/* OPS end with a row without a name; they and OWNER outlive the loop.  Returns the port. */
uint16_t control_open(struct loop *loop, uint16_t port, const struct control_op *ops, void *owner);

/* Members of a message. */
double json_number(const cJSON *o, const char *name, double otherwise);
const char *json_text(const cJSON *o, const char *name);	/* NULL when it is no string */
bool json_flag(const cJSON *o, const char *name);
