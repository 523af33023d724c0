/*
 * keccak - the permutation Keccak-f[1600] and the sponge around it.
 *
 * Lane (x, y) of the state stands at x + 5 * y.  A round reads one state and writes the other,
 * each lane once: with lanes that walk through one state it takes twice as long.
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

static inline uint64_t turn_left(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

/* Chi of five lanes that rho and pi have brought into one row. */
static inline void chi(uint64_t out[5], uint64_t v, uint64_t w, uint64_t x, uint64_t y, uint64_t z)
{
	out[0] = v ^ (~w & x);
	out[1] = w ^ (~x & y);
	out[2] = x ^ (~y & z);
	out[3] = y ^ (~z & v);
	out[4] = z ^ (~v & w);
}

/* From one state to another: nothing is moved, and what is read is not written. */
static inline void take_round(const uint64_t a[25], uint64_t out[25], uint64_t constant)
{
	uint64_t column[5], d[5];

	UNROLL
	for (unsigned x = 0; x < 5; x++)
		column[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
	UNROLL
	for (unsigned x = 0; x < 5; x++)
		d[x] = column[(x + 4) % 5] ^ turn_left(column[(x + 1) % 5], 1);

/* theta and rho: the lane that pi brings here, and by how much it turns */
#define LANE(from, turn) turn_left(a[from] ^ d[from % 5], turn)
	chi(out, a[0] ^ d[0], LANE(6, 44), LANE(12, 43), LANE(18, 21), LANE(24, 14));
	chi(out + 5, LANE(3, 28), LANE(9, 20), LANE(10, 3), LANE(16, 45), LANE(22, 61));
	chi(out + 10, LANE(1, 1), LANE(7, 6), LANE(13, 25), LANE(19, 8), LANE(20, 18));
	chi(out + 15, LANE(4, 27), LANE(5, 36), LANE(11, 10), LANE(17, 15), LANE(23, 56));
	chi(out + 20, LANE(2, 62), LANE(8, 55), LANE(14, 39), LANE(15, 41), LANE(21, 2));
#undef LANE
	out[0] ^= constant;
}

static void permute(uint64_t a[25])
{
	uint64_t b[25];

	for (unsigned round = 0; round < ROUNDS; round += 2) {
		take_round(a, b, round_constant[round]);
		take_round(b, a, round_constant[round + 1]);
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
