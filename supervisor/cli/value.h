/*
 * value - one option's text to what it means, by the type in its row.
 *
 * Nothing here knows files: a function says what is wrong and what to do, in words, and the
 * caller knows the place.  The text itself is repeated only where it cannot be a secret.
 */
#pragma once

#include "common/bytes.h"
#include "common/u256.h"
#include "proto/options.h"

#define VALUE_WHY_MAX 240

/* "what is wrong; what to do" */
struct why { char text[VALUE_WHY_MAX]; };

struct parsed {
	uint64_t number;		/* number, flag, durations in their unit, size, start block */
	uint64_t age_s;			/* start: 0 when it is a block */
	bool is_age;
	struct u256 wei;		/* gwei, eth */
	struct addr address;
	char host[64];			/* listen: numeric, without brackets */
	uint16_t port;
	bool is_public;			/* listen: others than this machine can connect */
	bool is_numeric;		/* origin: its host is an address, not a name */
};

/* False and *why when TEXT is not of ROW's type. */
bool value_parse(const struct option_row *row, const char *text, struct parsed *out,
		 struct why *why);

/* TEXT as children get it ("86400", wei, "1"); OUT is of VALUE_LINE_MAX bytes. */
#define VALUE_LINE_MAX 512
void value_line(const struct option_row *row, const char *text, const struct parsed *p,
		char out[VALUE_LINE_MAX]);

/* For urls and endpoints: one of them.  URLs may hold credentials and are never repeated. */
bool value_is_http(const char *url);
bool value_is_websocket(const char *url);
bool value_check_url(const char *url, struct why *why);
/* host:port without a scheme, which may stand before it. */
bool value_endpoint(const char *text, char out[VALUE_LINE_MAX], struct why *why);

/* Does it look like a private key or a mnemonic?  Such text is never repeated. */
bool value_is_secret(const char *text);
