/* tx_test - transactions against vectors made by another implementation; keys that are none. */
#include "submitter/signer/tx.h"

#include <criterion/criterion.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/ipc.h"
#include "tests/unit/signer_world.h"

TestSuite(tx, .timeout = 20);

static int key_fd(const char *text)
{
	int fd = memfd_create("key", 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static struct secret *open_key(void)
{
	struct secret *key;

	cr_assert_eq(key_open(key_fd(WORLD_KEY "\n"), &key), OK);
	return key;
}

static void is_signed(const struct tx_call *t, const char *expected)
{
	static uint8_t buf[4096];
	struct secret *key = open_key();
	struct bytes raw;
	struct b32 hash;
	char text[2048];

	cr_assert_eq(tx_sign(t, key, buf, sizeof(buf), &raw, &hash), OK);
	cr_assert_str_eq(hex_encode(raw, text), expected);

	struct b32 again = keccak_bytes(raw);

	cr_assert(b32_eq(&hash, &again));
	key_close(&key);
	cr_assert_null(key);
}

Test(tx, with_calldata)
{
	uint8_t data[4 + 64] = { 0x02, 0xfd, 0x1a, 0x64 };
	struct tx_call t = {
		.chain = WORLD_CHAIN, .nonce = 7, .max_fee = WORLD_FEE, .gas = WORLD_GAS,
		.to = world_addr(WORLD_MANAGER), .calldata = BYTES_OF(data),
	};

	memset(data + 4, 0x11, 64);
	is_signed(&t, "02f8af83066eee0780840bebc200830557309400000000000000000000000000000000000000"
		"aa80b84402fd1a64111111111111111111111111111111111111111111111111111111111111111111"
		"11111111111111111111111111111111111111111111111111111111111111c001a04ef058479f7ec7"
		"15f448b93412b43acd9325d4b74d712dcff16d897cf3aeaf8ba05702e4855c3732f88f868462881995"
		"8b63312a674888197bcd0b9bbd7003b4f9");
}

Test(tx, small_numbers)
{
	struct tx_call t = { .chain = 1, .tip = 1, .max_fee = 128, .gas = 21001,
			     .to = world_addr("0x1234567890123456789012345678901234567890") };

	is_signed(&t, "02f86301800181808252099412345678901234567890123456789012345678908080c080a048"
		"984012f223b17f64317bf769d2bc116f7c66db0198b18d7b9da7669776be16a042a8e080edd390ef15"
		"0592642e376e6e4858815c467db018a6bfd4eabdbb9f09");
}

/* A signature whose s has a leading zero byte, which must not be written. */
Test(tx, short_s)
{
	struct tx_call t = { .chain = 1, .nonce = 24, .tip = 1, .max_fee = 128, .gas = 21001,
			     .to = world_addr("0x1234567890123456789012345678901234567890") };

	is_signed(&t, "02f86201180181808252099412345678901234567890123456789012345678908080c001a0a2"
		"160d9802a6c1bd4a38663fe9e8159e28b96437d9394e4b31623733ad82066d9fa1043286121dfb455e"
		"676ce0e78c5583385b31fed5b1612da6a561f31dd89f");
}

/* Many of them: the blinding changes on the way, the signer must not. */
Test(tx, recovers)
{
	struct secret *key = open_key();
	struct addr account = key_account(key), want = world_addr(WORLD_ACCOUNT);

	cr_assert(addr_eq(&account, &want));
	for (unsigned i = 0; i < 3 * KEY_BLIND_EVERY; i++) {
		struct b32 hash = world_id(i);
		struct key_signature sig;
		uint8_t rsv[65];
		struct addr by;

		key_sign(key, &hash, &sig);
		memcpy(rsv, sig.r.b, 32);
		memcpy(rsv + 32, sig.s.b, 32);
		rsv[64] = sig.y_parity;
		cr_assert_eq(eip712_recover(&hash, BYTES_OF(rsv), &by), OK, "%u", i);
		cr_assert(addr_eq(&by, &want));
	}
	key_close(&key);
}

Test(tx, largest_calldata)
{
	static uint8_t data[IPC_CALLDATA_MAX], buf[IPC_RAW_TX_MAX];
	struct secret *key = open_key();
	struct tx_call t = {
		.chain = UINT64_MAX, .nonce = UINT64_MAX, .tip = UINT64_MAX,
		.max_fee = UINT64_MAX, .gas = UINT64_MAX, .calldata = BYTES_OF(data),
	};
	struct bytes raw;
	struct b32 hash;

	cr_assert_eq(tx_sign(&t, key, buf, sizeof(buf), &raw, &hash), OK);
	cr_assert_leq(raw.len, sizeof(data) + TX_RAW_EXTRA);
	cr_assert_eq(tx_sign(&t, key, buf, sizeof(data), &raw, &hash), ERR_TOO_BIG);
	key_close(&key);
}

Test(tx, keys_that_are_none)
{
	static const char zero[] =
		"0000000000000000000000000000000000000000000000000000000000000000";
	static const char order[] =
		"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
	static const struct { const char *text; enum err e; } row[] = {
		{ "", ERR_FORMAT }, { "\n", ERR_FORMAT }, { "abcd", ERR_FORMAT },
		{ "0x" WORLD_KEY, OK }, { WORLD_KEY, OK }, { "0x" WORLD_KEY "\r\n", OK },
		{ WORLD_KEY "00", ERR_FORMAT }, { " " WORLD_KEY, ERR_FORMAT },
		{ WORLD_KEY WORLD_KEY, ERR_FORMAT }, { zero, ERR_RANGE }, { order, ERR_RANGE },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct secret *key;
		int fd = key_fd(row[i].text);

		cr_assert_eq(key_open(fd, &key), row[i].e, "row %zu", i);
		cr_assert_eq(key == NULL, row[i].e != OK);
		cr_assert_eq(lseek(fd, 0, SEEK_SET), -1, "the descriptor is closed");
		key_close(&key);
	}
}
