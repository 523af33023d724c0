/* tx - a raw transaction of type 2, taken apart, and who signed it. */
#pragma once

#include "tests/peers/fakechain/chain.h"

/* ERR_MISMATCH when nobody recovers; else what is wrong with its bytes.  *out: the caller's. */
enum err tx_parse(struct bytes raw, struct tx **out, uint64_t *chain_id_out) MUST_CHECK;

/* 21,000 and what each byte of calldata costs. */
uint64_t tx_intrinsic_gas(struct bytes data);
