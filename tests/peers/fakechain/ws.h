/* ws - RFC 6455, as far as a server needs it: no extensions. */
#pragma once

#include "tests/peers/fakechain/util.h"

/* The answer to a handshake's key (Sec-WebSocket-Key) to OUT. */
void ws_accept(struct bytes key, struct text *out);

enum ws_op { WS_CONT = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

struct ws_frame {
	enum ws_op op;
	bool fin;
	struct bytes payload; /* unmasked in place */
	size_t size; /* of the whole frame */
};

/* One frame from the start of IN; ERR_TRUNCATED: more is wanted. */
enum err ws_read(uint8_t *in, size_t len, size_t max, struct ws_frame *out) MUST_CHECK;
void ws_write(struct text *out, enum ws_op op, struct bytes payload);
