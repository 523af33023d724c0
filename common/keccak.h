/*
 * keccak - Keccak-256 with the original padding (0x01), as Ethereum uses it.
 *
 * Source of the format: the Keccak submission of 2011, rate 1088, capacity 512.
 * This is not SHA3-256, which pads with 0x06.
 */
#pragma once

#include "common/bytes.h"

struct keccak {
	uint64_t lane[25];
	uint32_t at;			/* bytes absorbed into the present block, < 136 */
};

void keccak_init(struct keccak *k);
void keccak_update(struct keccak *k, const void *p, size_t len);
void keccak_final(struct keccak *k, uint8_t out[32]);

void keccak256(const void *p, size_t len, uint8_t out[32]);
struct b32 keccak_bytes(struct bytes in);
struct b32 keccak_text(const char *s);		/* of a C string, without its NUL */
