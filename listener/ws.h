/*
 * ws - a WebSocket to a chain node that does one thing: it wakes us when there is a new block.
 *
 * Whatever it says is not believed, not even parsed; each message means "look now".  Lost, it is
 * made again after 50 ms to 5 s; a node that answers no ping within 15 s is given up.
 */
#pragma once

#include "common/loop.h"

#define WS_URLS_MAX 4
#define WS_MESSAGE_MAX (1u << 20)	/* bytes; a larger message ends the connection */

struct ws;	/* owned by its chain */

/* One context for all of a process: made before confinement, since it loads a plug-in. */
void *ws_context_new(struct loop *loop);
void ws_context_free(void **context);

struct ws_url { const char *name, *url; };	/* borrowed from settings */

struct ws *ws_new(void *context, struct loop *loop, const char *chain, const struct ws_url *urls,
		  unsigned count, void (*on_wake)(void *owner), void *owner);
void ws_free(struct ws **w);

bool ws_is_up(const struct ws *w);		/* connected and subscribed */
void ws_drop(struct ws *w, const char *why);	/* give it up, make it again */
