/* filter - which logs are wanted: addresses, and alternatives for each topic. */
#pragma once

#include <cjson/cJSON.h>

#include "tests/peers/fakechain/chain.h"

#define FILTER_MAX 32 /* addresses; alternatives of a topic */

struct filter {
	struct addr address[FILTER_MAX];
	struct b32 topic[LOG_TOPICS_MAX][FILTER_MAX];
	unsigned addresses, topics[LOG_TOPICS_MAX]; /* 0: any */
	unsigned least; /* topics that a log must have */
};

enum err filter_read(const cJSON *v, struct filter *out) MUST_CHECK;
bool filter_wants(const struct filter *f, const struct log *l);
