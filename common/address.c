/*
 * address - the special-purpose ranges of IANA's registries, as tables.
 *
 * IPv4 is permitted unless it is in a row.  IPv6 is permitted only inside 2000::/3, and there
 * unless it is in a row: what IANA has not given out yet leads nowhere we want to go.
 */
#include "common/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "common/bytes.h"

static const struct { uint32_t net; unsigned bits; } not_public4[] = {
	{ 0x00000000,  8 },	/* this network */
	{ 0x0a000000,  8 },	/* private */
	{ 0x64400000, 10 },	/* shared by carriers */
	{ 0x7f000000,  8 },	/* loopback */
	{ 0xa9fe0000, 16 },	/* link-local; metadata of clouds */
	{ 0xac100000, 12 },	/* private */
	{ 0xc0000000, 24 },	/* protocol assignments */
	{ 0xc0000200, 24 },	/* documentation */
	{ 0xc0586300, 24 },	/* relays to 6to4 */
	{ 0xc0a80000, 16 },	/* private */
	{ 0xc6120000, 15 },	/* benchmarks */
	{ 0xc6336400, 24 },	/* documentation */
	{ 0xcb007100, 24 },	/* documentation */
	{ 0xe0000000,  4 },	/* multicast */
	{ 0xf0000000,  4 },	/* reserved, broadcast */
};

static const struct { uint8_t net[4]; unsigned bits; } not_public6[] = {
	{ { 0x20, 0x01, 0x00, 0x00 }, 23 },	/* protocol assignments, Teredo */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 },	/* documentation */
	{ { 0x20, 0x02, 0x00, 0x00 }, 16 },	/* 6to4 holds an IPv4 address */
	{ { 0x3f, 0xff, 0x00, 0x00 }, 20 },	/* documentation */
};

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool is_within(uint32_t a, uint32_t net, unsigned bits)
{
	return ((a ^ net) >> (32 - bits)) == 0;
}

static bool is_public4(const uint8_t *b)
{
	for (size_t i = 0; i < ARRAY_LEN(not_public4); i++)
		if (is_within(be32(b), not_public4[i].net, not_public4[i].bits))
			return false;
	return true;
}

static bool is_public6(const uint8_t *b)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (memcmp(b, mapped, sizeof(mapped)) == 0)
		return is_public4(b + sizeof(mapped));
	if (b[0] >> 5 != 1)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(not_public6); i++)
		if (is_within(be32(b), be32(not_public6[i].net), not_public6[i].bits))
			return false;
	return true;
}

bool address_is_public(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		return is_public4((const uint8_t *)&in.sin_addr);
	}
	if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		return is_public6(in6.sin6_addr.s6_addr);
	}
	return false;
}

bool address_text_is_public(const char *text)
{
	uint8_t b[16];

	if (inet_pton(AF_INET, text, b) == 1)
		return is_public4(b);
	if (inet_pton(AF_INET6, text, b) == 1)
		return is_public6(b);
	return false;
}
