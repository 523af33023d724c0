/*
 * bytes - hexadecimal by table, EIP-55, big-endian integers.
 *
 * The decoding table answers for all 256 characters, so the inner loop has one
 * branch for each byte made and no comparison of ranges.
 */
#include "common/bytes.h"

#include "common/keccak.h"

#define KNOWN 0x40	/* in the table: this character is a digit */

#define DIGIT(c, first, value) [c] = KNOWN | ((c) - (first) + (value))
static const uint8_t digit_of[256] = {
	DIGIT('0', '0', 0), DIGIT('1', '0', 0), DIGIT('2', '0', 0), DIGIT('3', '0', 0),
	DIGIT('4', '0', 0), DIGIT('5', '0', 0), DIGIT('6', '0', 0), DIGIT('7', '0', 0),
	DIGIT('8', '0', 0), DIGIT('9', '0', 0), DIGIT('a', 'a', 10), DIGIT('b', 'a', 10),
	DIGIT('c', 'a', 10), DIGIT('d', 'a', 10), DIGIT('e', 'a', 10), DIGIT('f', 'a', 10),
	DIGIT('A', 'A', 10), DIGIT('B', 'A', 10), DIGIT('C', 'A', 10), DIGIT('D', 'A', 10),
	DIGIT('E', 'A', 10), DIGIT('F', 'A', 10),
};
#undef DIGIT

static const char digits[] = "0123456789abcdef";

static bool all_zero(const uint8_t *p, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= p[i];
	return any == 0;
}

bool b32_is_zero(const struct b32 *a)
{
	return all_zero(a->b, sizeof(a->b));
}

bool addr_is_zero(const struct addr *a)
{
	return all_zero(a->b, sizeof(a->b));
}

static bool is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

bool has_control(struct bytes v)
{
	for (size_t i = 0; i < v.len; i++)
		if (is_control(v.p[i]))
			return true;
	return false;
}

char *clean_text(char *s, const char *also)
{
	for (char *c = s; *c; c++)
		if (is_control((unsigned char)*c) || strchr(also, *c))
			*c = '?';
	return s;
}

char *hex_encode(struct bytes in, char *out)
{
	char *o = out;

	for (size_t i = 0; i < in.len; i++) {
		*o++ = digits[in.p[i] >> 4];
		*o++ = digits[in.p[i] & 15];
	}
	*o = '\0';
	return out;
}

char *hex_encode0x(struct bytes in, char *out)
{
	out[0] = '0';
	out[1] = 'x';
	hex_encode(in, out + 2);
	return out;
}

/* Steps over "0x"; false when it is not there. */
static bool skip_0x(const char **s, size_t *len)
{
	if (*len < 2 || (*s)[0] != '0' || (*s)[1] != 'x')
		return false;
	*s += 2;
	*len -= 2;
	return true;
}

static enum err decode_pairs(const char *s, size_t n, uint8_t *out)
{
	const unsigned char *u = (const unsigned char *)s;

	for (size_t i = 0; i < n; i++) {
		uint8_t high = digit_of[u[2 * i]], low = digit_of[u[2 * i + 1]];

		if (!(high & low & KNOWN))
			return ERR_FORMAT;
		out[i] = (uint8_t)(high << 4 | (low & 15));
	}
	return OK;
}

enum err hex_decode(const char *s, size_t len, uint8_t *out, size_t cap, size_t *len_out)
{
	skip_0x(&s, &len);
	if (len % 2)
		return ERR_FORMAT;
	if (len / 2 > cap)
		return ERR_TOO_BIG;

	enum err e = decode_pairs(s, len / 2, out);
	if (e)
		return e;
	*len_out = len / 2;
	return OK;
}

enum err hex_decode_exact(const char *s, size_t len, uint8_t *out, size_t n)
{
	skip_0x(&s, &len);
	if (len % 2 || len / 2 != n)
		return ERR_FORMAT;
	return decode_pairs(s, n, out);
}

enum err hex_quantity(const char *s, size_t len, uint64_t *out)
{
	uint64_t v = 0;
	bool fits = true;

	if (!skip_0x(&s, &len) || len == 0)
		return ERR_FORMAT;
	for (size_t i = 0; i < len; i++) {
		uint8_t d = digit_of[(unsigned char)s[i]];

		if (!(d & KNOWN))
			return ERR_FORMAT;
		fits = fits && v >> 60 == 0;
		v = v << 4 | (d & 15);
	}
	if (!fits)
		return ERR_RANGE;
	*out = v;
	return OK;
}

char *addr_text(const struct addr *a, char out[ADDR_TEXT])
{
	uint8_t hash[32];

	hex_encode0x(BYTES_OF(a->b), out);
	keccak256(out + 2, 40, hash);
	for (unsigned i = 0; i < 40; i++) {
		unsigned nibble = i % 2 ? hash[i / 2] & 15 : hash[i / 2] >> 4;

		if (nibble >= 8 && out[2 + i] >= 'a')
			out[2 + i] = (char)(out[2 + i] - 'a' + 'A');
	}
	return out;
}

/* Letters of both cases: whoever wrote it meant a checksum. */
static bool is_mixed(const char *s)
{
	bool lower = false, upper = false;

	for (; *s; s++) {
		lower |= *s >= 'a' && *s <= 'f';
		upper |= *s >= 'A' && *s <= 'F';
	}
	return lower && upper;
}

enum err addr_parse(const char *s, struct addr *out)
{
	size_t len = strlen(s);
	const char *hex = s;
	char right[ADDR_TEXT];

	if (!skip_0x(&hex, &len) || len != 40)
		return ERR_FORMAT;

	enum err e = decode_pairs(hex, 20, out->b);
	if (e)
		return e;
	if (is_mixed(hex) && strcmp(addr_text(out, right), s) != 0)
		return ERR_MISMATCH;
	return OK;
}

void be64_put(uint8_t out[8], uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(v >> (56 - 8 * i));
}

uint64_t be64_get(const uint8_t in[8])
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++)
		v = v << 8 | in[i];
	return v;
}
