/*
 * keccak - the permutation Keccak-f[1600] and the sponge around it.
 *
 * Lane (x, y) of the state stands at x + 5 * y.  Rho and pi are one walk along the
 * only cycle that pi has (lane 0 stays).  The loops over five lanes are unrolled by
 * the compiler: it then keeps lanes in registers and the speed doubles.
 */
#include "common/keccak.h"

#include <endian.h>

#define RATE   136
#define ROUNDS 24

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 25")
#endif

static const uint64_t round_constant[ROUNDS] = {
	0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
	0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
	0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
	0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
	0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
	0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

/* Along pi's cycle from lane 1: where the lane goes, and by how much it turns. */
static const struct { uint8_t lane, turn; } walk[24] = {
	{ 10, 1 },  { 7, 3 },   { 11, 6 },  { 17, 10 }, { 18, 15 }, { 3, 21 },
	{ 5, 28 },  { 16, 36 }, { 8, 45 },  { 21, 55 }, { 24, 2 },  { 4, 14 },
	{ 15, 27 }, { 23, 41 }, { 19, 56 }, { 13, 8 },  { 12, 25 }, { 2, 43 },
	{ 20, 62 }, { 14, 18 }, { 22, 39 }, { 9, 61 },  { 6, 20 },  { 1, 44 },
};

static inline uint64_t turn_left(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static inline void theta(uint64_t a[25])
{
	uint64_t column[5];

	UNROLL
	for (unsigned x = 0; x < 5; x++)
		column[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
	UNROLL
	for (unsigned x = 0; x < 5; x++) {
		uint64_t d = column[(x + 4) % 5] ^ turn_left(column[(x + 1) % 5], 1);

		UNROLL
		for (unsigned y = 0; y < 25; y += 5)
			a[x + y] ^= d;
	}
}

static inline void rho_pi(uint64_t a[25])
{
	uint64_t carried = a[1];

	UNROLL
	for (unsigned i = 0; i < 24; i++) {
		uint64_t next = a[walk[i].lane];

		a[walk[i].lane] = turn_left(carried, walk[i].turn);
		carried = next;
	}
}

static inline void chi(uint64_t a[25])
{
	UNROLL
	for (unsigned y = 0; y < 25; y += 5) {
		uint64_t row[5];

		memcpy(row, a + y, sizeof(row));
		UNROLL
		for (unsigned x = 0; x < 5; x++)
			a[y + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
	}
}

static void permute(uint64_t a[25])
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		theta(a);
		rho_pi(a);
		chi(a);
		a[0] ^= round_constant[round];
	}
}

/* One whole block into a state that stands at the start of a block. */
static void absorb_block(struct keccak *k, const uint8_t *p)
{
	for (unsigned i = 0; i < RATE / 8; i++) {
		uint64_t lane;

		memcpy(&lane, p + 8 * i, sizeof(lane));
		k->lane[i] ^= le64toh(lane);
	}
	permute(k->lane);
}

static void absorb_byte(struct keccak *k, uint8_t v)
{
	k->lane[k->at / 8] ^= (uint64_t)v << (8 * (k->at % 8));
	if (++k->at == RATE) {
		permute(k->lane);
		k->at = 0;
	}
}

void keccak_init(struct keccak *k)
{
	memset(k, 0, sizeof(*k));
}

void keccak_update(struct keccak *k, const void *p, size_t len)
{
	const uint8_t *in = p;

	for (; len && k->at; len--)
		absorb_byte(k, *in++);
	for (; len >= RATE; len -= RATE, in += RATE)
		absorb_block(k, in);
	for (; len; len--)
		absorb_byte(k, *in++);
}

void keccak_final(struct keccak *k, uint8_t out[32])
{
	k->lane[k->at / 8] ^= (uint64_t)0x01 << (8 * (k->at % 8));
	k->lane[RATE / 8 - 1] ^= (uint64_t)0x80 << 56;
	permute(k->lane);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t lane = htole64(k->lane[i]);

		memcpy(out + 8 * i, &lane, sizeof(lane));
	}
}

void keccak256(const void *p, size_t len, uint8_t out[32])
{
	struct keccak k;

	keccak_init(&k);
	keccak_update(&k, p, len);
	keccak_final(&k, out);
}

struct b32 keccak_bytes(struct bytes in)
{
	struct b32 hash;

	keccak256(in.p, in.len, hash.b);
	return hash;
}

struct b32 keccak_text(const char *s)
{
	return keccak_bytes(bytes_str(s));
}
