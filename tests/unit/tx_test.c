/* tx_test - transactions against vectors made by another implementation; keys that are none. */
#include "submitter/signer/tx.h"

#include <criterion/criterion.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/rlp.h"
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

/* With the largest of each number, into CAP bytes. */
static enum err sign_largest(size_t calldata, size_t cap, size_t *len_out)
{
	static uint8_t data[IPC_CALLDATA_MAX], buf[IPC_RAW_TX_MAX];
	struct secret *key = open_key();
	struct tx_call t = {
		.chain = UINT64_MAX, .nonce = UINT64_MAX, .tip = UINT64_MAX,
		.max_fee = UINT64_MAX, .gas = UINT64_MAX, .calldata = BYTES(data, calldata),
	};
	struct bytes raw = { .len = 0 };
	struct b32 hash;
	enum err e = tx_sign(&t, key, buf, cap, &raw, &hash);

	key_close(&key);
	*len_out = raw.len;
	return e;
}

Test(tx, largest_calldata)
{
	size_t len;

	cr_assert_eq(sign_largest(IPC_CALLDATA_MAX, IPC_RAW_TX_MAX, &len), OK);
	cr_assert_leq(len, IPC_CALLDATA_MAX + TX_RAW_EXTRA);
	cr_assert_eq(sign_largest(IPC_CALLDATA_MAX, IPC_CALLDATA_MAX, &len), ERR_TOO_BIG);
}

/* With all around it, the largest answer is what the L2 takes as a transaction. */
Test(tx, largest_answer)
{
	size_t len;

	cr_assert_eq(sign_largest(TX_CALLDATA_MAX, IPC_RAW_TX_MAX, &len), OK);
	cr_assert_leq(len, IPC_CALLDATA_MAX);
}

/* From here on: read back. */

static bool is_call(const struct tx_call *x, const struct tx_call *y)
{
	return x->chain == y->chain && x->nonce == y->nonce && x->tip == y->tip &&
	       x->max_fee == y->max_fee && x->gas == y->gas && addr_eq(&x->to, &y->to) &&
	       bytes_eq(x->calldata, y->calldata);
}

Test(tx, reads_what_it_wrote)
{
	static const uint64_t numbers[] = {
		0, 1, 127, 128, 255, 256, 65535, 1ull << 24, 1ull << 56, UINT64_MAX,
	};
	static const size_t lengths[] = { 0, 1, 55, 56, 255, 256, 65536, IPC_CALLDATA_MAX };
	static uint8_t data[IPC_CALLDATA_MAX], buf[IPC_RAW_TX_MAX];
	struct secret *key = open_key();

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		for (size_t k = 0; k < ARRAY_LEN(lengths); k++) {
			struct tx_call read, t = {
				.chain = numbers[i], .nonce = numbers[(i + 1) % ARRAY_LEN(numbers)],
				.tip = numbers[(i + 2) % ARRAY_LEN(numbers)],
				.max_fee = numbers[(i + 3) % ARRAY_LEN(numbers)],
				.gas = numbers[(i + 4) % ARRAY_LEN(numbers)],
				.to = world_addr(WORLD_MANAGER), .calldata = BYTES(data, lengths[k]),
			};
			struct bytes raw;
			struct b32 hash;

			data[0] = (uint8_t)(i * 37);
			cr_assert_eq(tx_sign(&t, key, buf, sizeof(buf), &raw, &hash), OK);
			cr_assert_eq(tx_read(raw, &read), OK, "%zu %zu", i, k);
			cr_assert(is_call(&t, &read), "%zu %zu", i, k);
		}
	key_close(&key);
}

static struct bytes sign_one(struct tx_call *t, uint8_t *buf, size_t cap)
{
	static uint8_t data[100];
	struct secret *key = open_key();
	struct bytes raw;
	struct b32 hash;

	memset(data, 0x11, sizeof(data));
	*t = (struct tx_call){
		.chain = WORLD_CHAIN, .nonce = 7, .max_fee = WORLD_FEE, .gas = WORLD_GAS,
		.to = world_addr(WORLD_MANAGER), .calldata = BYTES_OF(data),
	};
	cr_assert_eq(tx_sign(t, key, buf, cap, &raw, &hash), OK);
	key_close(&key);
	return raw;
}

/* Every flipped bit is refused, or says another call, or stands in the signature. */
Test(tx, no_two_texts_of_one_call)
{
	uint8_t buf[512], copy[512];
	struct tx_call t, read;
	struct bytes raw = sign_one(&t, buf, sizeof(buf));
	unsigned refused = 0;

	memcpy(copy, raw.p, raw.len);
	for (size_t bit = 0; bit < raw.len * 8; bit++) {
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (tx_read(BYTES(copy, raw.len), &read) != OK)
			refused++;
		else
			cr_assert(!is_call(&t, &read) || bit / 8 >= raw.len - 67, "bit %zu", bit);
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	cr_assert_gt(refused, 100u);
	for (size_t len = 0; len < raw.len; len++)
		cr_assert_neq(tx_read(BYTES(raw.p, len), &read), OK, "%zu bytes", len);
	copy[raw.len] = 0x80;
	cr_assert_eq(tx_read(BYTES(copy, raw.len + 1), &read), ERR_TRAILING);
}

/* A transaction of other fields than ours; each row changes one. */
enum {
	TX_TYPE, TX_CHAIN, TX_NONCE, TX_TIP, TX_FEE, TX_GAS, TX_TO, TX_VALUE, TX_DATA, TX_ACCESS,
	TX_PARITY, TX_R, TX_S, TX_MORE, TX_FIELDS
};

static const struct { unsigned field; const char *hex; enum err e; } odd[] = {
	{ TX_TYPE, "02", OK }, { TX_TYPE, "", ERR_FORMAT }, { TX_TYPE, "01", ERR_FORMAT },
	{ TX_TYPE, "03", ERR_FORMAT }, { TX_TYPE, "0202", ERR_FORMAT },
	{ TX_CHAIN, "80", OK }, { TX_CHAIN, "00", ERR_CANONICAL }, { TX_CHAIN, "c0", ERR_FORMAT },
	{ TX_CHAIN, "820001", ERR_CANONICAL }, { TX_CHAIN, "8101", ERR_CANONICAL },
	{ TX_CHAIN, "", ERR_RANGE }, { TX_NONCE, "89010000000000000000", ERR_RANGE },
	{ TX_NONCE, "88ffffffffffffffff", OK }, { TX_TIP, "00", ERR_CANONICAL },
	{ TX_FEE, "c101", ERR_FORMAT }, { TX_GAS, "830000ff", ERR_CANONICAL },
	{ TX_TO, "80", ERR_FORMAT },
	{ TX_TO, "9300000000000000000000000000000000000000", ERR_FORMAT },
	{ TX_TO, "95000000000000000000000000000000000000000000", ERR_RANGE },
	{ TX_VALUE, "01", ERR_RANGE }, { TX_VALUE, "00", ERR_RANGE }, { TX_VALUE, "c0", ERR_FORMAT },
	{ TX_DATA, "c0", ERR_FORMAT }, { TX_DATA, "01", OK }, { TX_DATA, "b801aa", ERR_CANONICAL },
	{ TX_ACCESS, "80", ERR_FORMAT }, { TX_ACCESS, "c101", ERR_FORMAT },
	{ TX_ACCESS, "c1c0", ERR_FORMAT }, { TX_PARITY, "01", OK }, { TX_PARITY, "02", ERR_RANGE },
	{ TX_PARITY, "1b", ERR_RANGE }, { TX_PARITY, "00", ERR_CANONICAL },
	{ TX_R, "80", ERR_RANGE }, { TX_R, "8200ff", ERR_CANONICAL }, { TX_S, "80", ERR_RANGE },
	{ TX_S, "a1ff0000000000000000000000000000000000000000000000000000000000000000", ERR_RANGE },
	{ TX_S, "c0", ERR_FORMAT }, { TX_S, "", ERR_TRUNCATED }, { TX_MORE, "80", ERR_TRAILING },
};

Test(tx, fields_that_it_does_not_write)
{
	static const char *const fields[TX_FIELDS] = {
		"02", "01", "07", "80", "05", "83055730", "9400000000000000000000000000000000000000aa",
		"80", "8402fd1a64", "c0", "80", "01", "01", "",
	};

	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		uint8_t buf[256];
		struct tx_call t;
		struct rlp w;

		rlp_init(&w, buf, sizeof(buf));
		size_t mark = rlp_mark(&w);
		for (unsigned f = TX_FIELDS; f-- > 0;) {
			const char *hex = f == odd[i].field ? odd[i].hex : fields[f];
			uint8_t item[64];
			size_t len;

			if (f == TX_TYPE)
				rlp_put_list(&w, mark);
			cr_assert_eq(hex_decode(hex, strlen(hex), item, sizeof(item), &len), OK);
			rlp_put_raw(&w, BYTES(item, len));
		}
		enum err e = tx_read(rlp_done(&w), &t);
		cr_expect_eq(e, odd[i].e, "row %zu: %s", i, err_text(e));
	}
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
