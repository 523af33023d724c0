/* serve - HTTP/1.1 with connections that stay: GET and HEAD /BUCKET/DIGEST, PUT /BUCKET/any. */
#pragma once

#include "tests/peers/fakebucket/store.h"

#define HEAD_MAX 16384		/* bytes of a request's head */

/* Dies when the port cannot be had.  Returns it. */
uint16_t serve_open(struct loop *loop, uint16_t port, struct store *store);
