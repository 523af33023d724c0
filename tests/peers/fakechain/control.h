/* control - what the harness alone may ask for. */
#pragma once

#include "tests/peers/fakechain/job.h"

/* Knobs, addresses and the owner from an object; false after fail(). */
bool control_set(struct rpc *r, const cJSON *v);
