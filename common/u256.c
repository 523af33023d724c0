/*
 * u256 - arithmetic on four limbs of 64 bits, the lowest first; values are taken
 * apart and put together at the edges, since money is added up a few times for
 * each transaction and compared and printed far more often.
 */
#include "common/u256.h"

#define DEC_CHUNK 10000000000000000000u	/* 10^19: the largest power of ten in 64 bits */
#define DEC_DIGITS 19

struct limbs { uint64_t v[4]; };

static struct limbs limbs_of(const struct u256 *a)
{
	struct limbs l;

	for (unsigned i = 0; i < 4; i++)
		l.v[i] = be64_get(a->b + 24 - 8 * i);
	return l;
}

static struct u256 u256_of(const struct limbs *l)
{
	struct u256 a;

	for (unsigned i = 0; i < 4; i++)
		be64_put(a.b + 24 - 8 * i, l->v[i]);
	return a;
}

/* The answer when a result does not fit: as much as there is. */
static bool saturate(struct u256 *out)
{
	memset(out->b, 0xff, sizeof(out->b));
	return false;
}

struct u256 u256_from_u64(uint64_t v)
{
	return u256_of(&(struct limbs){ .v = { v } });
}

enum err u256_to_u64(const struct u256 *a, uint64_t *out)
{
	struct limbs l = limbs_of(a);

	if (l.v[1] | l.v[2] | l.v[3]) {
		*out = UINT64_MAX;
		return ERR_RANGE;
	}
	*out = l.v[0];
	return OK;
}

bool u256_is_zero(const struct u256 *a)
{
	struct limbs l = limbs_of(a);

	return (l.v[0] | l.v[1] | l.v[2] | l.v[3]) == 0;
}

int u256_cmp(const struct u256 *a, const struct u256 *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

bool u256_add(const struct u256 *a, const struct u256 *b, struct u256 *out)
{
	struct limbs x = limbs_of(a), y = limbs_of(b);
	bool carry = false;

	for (unsigned i = 0; i < 4; i++) {
		bool first = __builtin_add_overflow(x.v[i], y.v[i], &x.v[i]);
		bool second = __builtin_add_overflow(x.v[i], (uint64_t)carry, &x.v[i]);

		carry = first || second;
	}
	if (carry)
		return saturate(out);
	*out = u256_of(&x);
	return true;
}

bool u256_sub(const struct u256 *a, const struct u256 *b, struct u256 *out)
{
	struct limbs x = limbs_of(a), y = limbs_of(b);
	bool borrow = false;

	for (unsigned i = 0; i < 4; i++) {
		bool first = __builtin_sub_overflow(x.v[i], y.v[i], &x.v[i]);
		bool second = __builtin_sub_overflow(x.v[i], (uint64_t)borrow, &x.v[i]);

		borrow = first || second;
	}
	if (borrow) {
		memset(out->b, 0, sizeof(out->b));
		return false;
	}
	*out = u256_of(&x);
	return true;
}

bool u256_mul_u64(const struct u256 *a, uint64_t m, struct u256 *out)
{
	struct limbs x = limbs_of(a);
	uint64_t carry = 0;

	for (unsigned i = 0; i < 4; i++) {
		__extension__ unsigned __int128 t = x.v[i];

		t = t * m + carry;
		x.v[i] = (uint64_t)t;
		carry = (uint64_t)(t >> 64);
	}
	if (carry)
		return saturate(out);
	*out = u256_of(&x);
	return true;
}

uint64_t u256_divmod_u64(const struct u256 *a, uint64_t divisor, struct u256 *quotient_out)
{
	struct limbs x = limbs_of(a);
	uint64_t rest = 0;

	for (unsigned i = 4; i-- > 0;) {
		__extension__ unsigned __int128 t = rest;

		t = t << 64 | x.v[i];
		x.v[i] = (uint64_t)(t / divisor);
		rest = (uint64_t)(t % divisor);
	}
	*quotient_out = u256_of(&x);
	return rest;
}

enum err u256_from_dec(const char *s, size_t len, struct u256 *out)
{
	struct u256 v = u256_from_u64(0);
	bool fits = true;

	if (len == 0)
		return ERR_FORMAT;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return ERR_FORMAT;

		struct u256 digit = u256_from_u64((uint64_t)(s[i] - '0'));

		fits = fits && u256_mul_u64(&v, 10, &v) && u256_add(&v, &digit, &v);
	}
	if (!fits)
		return ERR_RANGE;
	*out = v;
	return OK;
}

char *u256_dec(const struct u256 *a, char out[U256_DEC_TEXT])
{
	char text[5 * DEC_DIGITS];	/* 95 digits hold the 78 there can be */
	size_t at = sizeof(text);
	struct u256 rest = *a;

	for (unsigned chunk = 0; chunk < 5; chunk++) {
		uint64_t v = u256_divmod_u64(&rest, DEC_CHUNK, &rest);

		for (unsigned i = 0; i < DEC_DIGITS; i++, v /= 10)
			text[--at] = (char)('0' + v % 10);
	}
	while (at < sizeof(text) - 1 && text[at] == '0')
		at++;
	memcpy(out, text + at, sizeof(text) - at);
	out[sizeof(text) - at] = '\0';
	return out;
}

enum err u256_from_hex(const char *s, size_t len, struct u256 *out)
{
	char padded[64];

	if (len < 3 || s[0] != '0' || s[1] != 'x')
		return ERR_FORMAT;
	s += 2;
	len -= 2;
	if (len > sizeof(padded))
		return ERR_RANGE;
	memset(padded, '0', sizeof(padded) - len);
	memcpy(padded + sizeof(padded) - len, s, len);
	if (padded[1] == 'x')		/* a second "0x" is no digits */
		return ERR_FORMAT;
	return hex_decode_exact(padded, sizeof(padded), out->b, sizeof(out->b));
}

char *u256_hex(const struct u256 *a, char out[67])
{
	char *digit;

	hex_encode0x(BYTES_OF(a->b), out);
	for (digit = out + 2; digit[0] == '0' && digit[1]; digit++)
		;
	memmove(out + 2, digit, strlen(digit) + 1);
	return out;
}

/* Cut off, not rounded: nobody is told that he has more than he has. */
char *u256_eth(const struct u256 *wei, char out[U256_ETH_TEXT])
{
	struct u256 micro, whole;

	u256_divmod_u64(wei, 1000000000000u, &micro);

	uint64_t part = u256_divmod_u64(&micro, 1000000u, &whole);
	size_t len = strlen(u256_dec(&whole, out));

	if (part == 0)
		return out;
	out[len++] = '.';
	for (uint64_t unit = 100000; part; part %= unit, unit /= 10)
		out[len++] = (char)('0' + part / unit);
	out[len] = '\0';
	return out;
}
