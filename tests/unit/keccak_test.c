/* keccak_test - vectors, streaming, and a second sponge around nettle's permutation. */
#include "common/keccak.h"

#include <criterion/criterion.h>
#include <nettle/sha3.h>
#include <stdlib.h>

#define RATE 136

TestSuite(keccak, .timeout = 10);

static void is_hash(const uint8_t hash[32], const char *expected)
{
	char text[65];

	cr_assert_str_eq(hex_encode(BYTES(hash, 32), text), expected);
}

/* The same function, written byte by byte around a permutation that is not ours. */
static void keccak_by_nettle(const uint8_t *p, size_t len, uint8_t out[32])
{
	struct sha3_state s = { { 0 } };
	size_t at = 0;

	for (; len; len--, p++) {
		s.a[at / 8] ^= (uint64_t)*p << (8 * (at % 8));
		if (++at == RATE) {
			sha3_permute(&s);
			at = 0;
		}
	}
	s.a[at / 8] ^= (uint64_t)1 << (8 * (at % 8));
	s.a[(RATE - 1) / 8] ^= (uint64_t)0x80 << 56;
	sha3_permute(&s);
	for (unsigned i = 0; i < 32; i++)
		out[i] = (uint8_t)(s.a[i / 8] >> (8 * (i % 8)));
}

Test(keccak, texts_that_everybody_knows)
{
	static const struct { const char *text, *hash; } row[] = {
		{ "", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470" },
		{ "abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45" },
		{ "Transfer(address,address,uint256)",
		  "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef" },
		{ "The quick brown fox jumps over the lazy dog",
		  "4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15" },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		is_hash(keccak_text(row[i].text).b, row[i].hash);
}

/* Bytes 0, 1, ... 250, 0, ...: lengths around the ends of blocks. */
Test(keccak, lengths_around_a_block)
{
	static const struct { size_t len; const char *hash; } row[] = {
		{ 135, "cbdfd9dee5faad3818d6b06f95a219fd290b0e1706f6a82e5a595b9ce9faca62" },
		{ 136, "7ce759f1ab7f9ce437719970c26b0a66ff11fe3e38e17df89cf5d29c7d7f807e" },
		{ 137, "ac73d4fae68b8453f764007c1a20ce95994187861f0c3227a3a8e99a73a3b1db" },
		{ 271, "27eceb59ebc3dc8a04a5b135be641591a7278540e4556a2ba9f408194e666ec3" },
		{ 272, "8e2476e65823b24d96ebe239f2c1534cdf763e689e2410c3b1cb0c74e6177bfc" },
		{ 300, "4699841dafd5e26cca72b05a41d38c96b4b468e5a6cbf694cbebe77dacdf6528" },
	};
	uint8_t in[300], hash[32];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i % 251);
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		keccak256(in, row[i].len, hash);
		is_hash(hash, row[i].hash);
	}
}

Test(keccak, every_length_agrees_with_nettle)
{
	uint8_t in[700], ours[32], theirs[32];

	srandom(3);
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)random();
	for (size_t len = 0; len <= sizeof(in); len++) {
		keccak256(in, len, ours);
		keccak_by_nettle(in, len, theirs);
		cr_assert_eq(memcmp(ours, theirs, 32), 0, "length %zu", len);
	}
}

Test(keccak, pieces_make_the_same_whole)
{
	uint8_t in[1500], whole[32], pieces[32];

	srandom(4);
	for (unsigned round = 0; round < 500; round++) {
		size_t len = (size_t)random() % sizeof(in), at = 0;
		struct keccak k;

		in[(size_t)random() % sizeof(in)] ^= (uint8_t)random();
		keccak_init(&k);
		while (at < len) {
			size_t n = (size_t)random() % (len - at) + 1;

			keccak_update(&k, in + at, n);
			at += n;
			keccak_update(&k, in, 0);
		}
		keccak_final(&k, pieces);
		keccak_by_nettle(in, len, whole);
		cr_assert_eq(memcmp(whole, pieces, 32), 0, "length %zu", len);
	}
}

Test(keccak, a_chain_of_hashes_agrees_with_nettle)
{
	uint8_t ours[32] = { 0 }, theirs[32] = { 0 };

	for (unsigned i = 0; i < 5000; i++) {
		keccak256(ours, 32, ours);
		keccak_by_nettle(theirs, 32, theirs);
	}
	cr_assert_eq(memcmp(ours, theirs, 32), 0);
}

Test(keccak, its_forms_agree)
{
	struct b32 a = keccak_text("kms"), b = keccak_bytes(BYTES("kms", 3));
	uint8_t c[32];

	keccak256("kms", 3, c);
	cr_assert(b32_eq(&a, &b));
	cr_assert_eq(memcmp(a.b, c, 32), 0);
}
