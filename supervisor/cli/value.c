/* value - texts with their units. */

#include "supervisor/cli/value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"

struct unit { const char *name; uint64_t scale; };

static const struct unit durations_ms[] = {
	{ "ms", 1 },      { "s", 1000 },     { "m", 60000 },
	{ "h", 3600000 }, { "d", 86400000 }, { NULL, 0 },
};
static const struct unit sizes[] = {
	{ "B", 1 }, { "KiB", 1u << 10 }, { "MiB", 1u << 20 }, { "GiB", 1u << 30 }, { NULL, 0 },
};

__attribute__((format(printf, 2, 3)))
static bool fail(struct why *why, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, args);
	va_end(args);
	return false;
}

bool value_is_secret(const char *text)
{
	size_t len = strlen(text), words = 1;

	if (strncmp(text, "0x", 2) == 0)
		text += 2, len -= 2;
	if (len >= 44 && strspn(text, "0123456789abcdefABCDEF") == len)
		return true;
	for (const char *p = text; *p; p++) {
		if (*p == ' ' && p[1] != ' ' && p[1])
			words++;
		else if (!islower((unsigned char)*p) && *p != ' ')
			return false;
	}
	return words >= 12;
}

/* The digits at the start; false when there are none or they do not fit. */
static bool take_number(const char **text, uint64_t *out, struct why *why)
{
	size_t len = strspn(*text, "0123456789");
	struct u256 wide;

	if (**text == '-')
		return fail(why, "\"%.40s\" is negative; write a number from 0", *text);
	if (len == 0)
		return fail(why, "\"%.40s\" is no number; write decimal digits", *text);
	if (len > 77 || u256_from_dec(*text, len, &wide) || u256_to_u64(&wide, out))
		return fail(why, "\"%.40s\" is too large; at most 64 bits are possible", *text);
	*text += len;
	return true;
}

static bool parse_number(const struct option_row *row, const char *text, uint64_t *out,
			 struct why *why)
{
	const char *p = text;

	if (!take_number(&p, out, why))
		return false;
	if (*p)
		return fail(why, "\"%.40s\" is no number; write decimal digits only", text);
	if (*out < row->min)
		return fail(why, "%.40s is too small; the least is %llu", text,
			    (unsigned long long)row->min);
	if (*out > row->max)
		return fail(why, "%.40s is too large; the most is %llu", text,
			    (unsigned long long)row->max);
	return true;
}

/* A number and a unit of the list, as multiples of the unit 1. */
static bool parse_units(const struct unit *units, const char *example, const char *text,
			uint64_t *out, struct why *why)
{
	const char *p = text;

	if (!take_number(&p, out, why))
		return false;
	if (!*p)
		return fail(why, "%.40s has no unit; write it with one: %s", text, example);
	for (; units->name; units++) {
		if (strcmp(units->name, p) == 0) {
			if (__builtin_mul_overflow(*out, units->scale, out))
				return fail(why, "\"%.40s\" is too large; at most 64 bits are "
					    "possible", text);
			return true;
		}
	}
	return fail(why, "\"%.20s\" is no unit that fits here; for example %s", p, example);
}

#define DURATION_EXAMPLE "250ms, 60s, 5m, 24h or 7d"
#define SIZE_EXAMPLE     "4096B, 64KiB, 128MiB or 1GiB"

static bool in_limits(const struct option_row *row, const char *text, uint64_t value,
		      uint64_t unit, const char *name, struct why *why)
{
	if (value < row->min * unit)
		return fail(why, "%.40s is too short or small; the least is %llu%s", text,
			    (unsigned long long)row->min, name);
	if (value / unit > row->max)
		return fail(why, "%.40s is too long or large; the most is %llu%s", text,
			    (unsigned long long)row->max, name);
	return true;
}

static bool parse_duration(const struct option_row *row, const char *text, uint64_t *out,
			   struct why *why)
{
	bool seconds = row->type == OPT_TYPE_duration_s;
	uint64_t unit = seconds ? 1000 : 1;

	if (!parse_units(durations_ms, DURATION_EXAMPLE, text, out, why) ||
	    !in_limits(row, text, *out, unit, seconds ? "s" : "ms", why))
		return false;
	if (*out % unit)
		return fail(why, "%.40s is no whole number of seconds; round it", text);
	*out /= unit;
	return true;
}

static bool parse_start(const char *text, struct parsed *out, struct why *why)
{
	const char *p = text;

	if (!take_number(&p, &out->number, why))
		return false;
	out->is_age = *p;
	if (!*p)
		return true;
	if (!parse_units(durations_ms, "24h, or a block number", text, &out->age_s, why))
		return false;
	out->age_s /= 1000;
	return true;
}

/* Decimal with a point, times 10^DECIMALS, exactly. */
static bool parse_amount(const char *text, const char *unit, unsigned decimals, const char *example,
			 struct u256 *out, struct why *why)
{
	size_t whole = strspn(text, "0123456789");
	const char *fraction = text + whole + (text[whole] == '.');
	size_t digits = text[whole] == '.' ? strspn(fraction, "0123456789") : 0;
	const char *end = fraction + digits;
	char all[64];

	if (*text == '-')
		return fail(why, "\"%.40s\" is negative; for example %s", text, example);
	if (whole == 0 || (text[whole] == '.' && digits == 0))
		return fail(why, "\"%.40s\" is no amount; for example %s", text, example);
	if (!*end)
		return fail(why, "%.40s has no unit; write it with one: %s", text, example);
	if (strcmp(end, unit) != 0)
		return fail(why, "\"%.20s\" is no unit that fits here; for example %s", end,
			    example);
	if (digits > decimals || whole > 20)
		return fail(why, "\"%.40s\" has too many digits; for example %s", text, example);
	memset(all, '0', sizeof(all));
	memcpy(all, text, whole);
	memcpy(all + whole, fraction, digits);
	check(u256_from_dec(all, whole + decimals, out) == OK);
	if (u256_is_zero(out))
		return fail(why, "%.40s permits nothing at all; for example %s", text, example);
	return true;
}

static bool parse_address(const char *text, struct addr *out, struct why *why)
{
	char right[ADDR_TEXT];

	switch (addr_parse(text, out)) {
	case OK:
		break;
	case ERR_MISMATCH:
		return fail(why, "the checksum of this address is wrong; if no digit is, write %s",
			    addr_text(out, right));
	default:
		return fail(why, "this is no address; write 0x and 40 hex digits");
	}
	if (addr_is_zero(out))
		return fail(why, "this address is zero; write the real one");
	return true;
}

static bool parse_word(const struct option_row *row, const char *text, struct why *why)
{
	size_t len = strlen(text);

	for (const char *p = row->words; *p; p += *p == '|') {
		size_t n = strcspn(p, "|");

		if (n == len && memcmp(p, text, len) == 0)
			return true;
		p += n;
	}
	return fail(why, "\"%.40s\" is none of the words for this; one of %s", text, row->words);
}

static bool parse_flag(const char *text, uint64_t *out, struct why *why)
{
	*out = strcmp(text, "true") == 0;
	if (*out || strcmp(text, "false") == 0)
		return true;
	return fail(why, "\"%.40s\" is neither true nor false; write one of them", text);
}

static bool is_public(int family, const void *in)
{
	if (family == AF_INET)
		return *(const uint8_t *)in != 127;
	return memcmp(in, &in6addr_loopback, sizeof(in6addr_loopback)) != 0;
}

static bool parse_listen(const char *text, struct parsed *out, struct why *why)
{
	static const struct option_row port = { .min = 1, .max = 65535 };
	const char *colon = strrchr(text, ':');
	bool six = *text == '[';
	uint8_t in[16];
	uint64_t number;

	if (!colon || (six && colon[-1] != ']'))
		return fail(why, "this is no address:port; for example 127.0.0.1:9464");

	size_t len = (size_t)(colon - text) - (six ? 2 : 0);

	if (len == 0 || len >= sizeof(out->host))
		return fail(why, "the address is missing or too long; for example 127.0.0.1:9464");
	memcpy(out->host, text + six, len);
	out->host[len] = '\0';
	if (inet_pton(six ? AF_INET6 : AF_INET, out->host, in) != 1)
		return fail(why, "\"%.40s\" is no numeric address; for example 127.0.0.1:9464 or "
			    "[::1]:9464", out->host);
	if (!parse_number(&port, colon + 1, &number, why))
		return false;
	out->port = (uint16_t)number;
	out->is_public = is_public(six ? AF_INET6 : AF_INET, in);
	return true;
}

static bool parse_text(const struct option_row *row, const char *text, struct why *why)
{
	size_t len = strlen(text);

	if (len < row->min)
		return fail(why, "it is empty; give it a value or leave the line out");
	if (len > row->max)
		return fail(why, "it is too long; at most %llu characters",
			    (unsigned long long)row->max);
	return true;
}

static bool parse_label(const struct option_row *row, const char *text, struct why *why)
{
	size_t len = strlen(text);

	if (len < row->min || len > row->max ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.") != len ||
	    !isalnum((unsigned char)*text) || !isalnum((unsigned char)text[len - 1]))
		return fail(why, "this is no such name; write %llu to %llu lower-case letters, "
			    "digits, hyphens and dots", (unsigned long long)row->min,
			    (unsigned long long)row->max);
	return true;
}

/* Where requests are signed for: nothing but the server.  It may hold a password: not repeated. */
static bool parse_origin(const struct option_row *row, const char *text, struct parsed *out,
			 struct why *why)
{
	if (!value_is_http(text))
		return fail(why, "it must begin with http:// or https://; correct it");
	if (!parse_text(row, text, why) || !value_check_url(text, why))
		return false;

	const char *host = strstr(text, "://") + 3;
	size_t len = strcspn(host, "/?#");

	if (memchr(host, '@', len))
		return fail(why, "a user name or password does not belong into a URL; put them "
			    "into a file of mode 0600 and name it in s3_config.credentials_file");
	if (host[len] && strcmp(host + len, "/") != 0)
		return fail(why, "behind the host stands something else; write http(s)://host or "
			    "http(s)://host:port, and the bucket in s3_config.bucket");
	out->is_numeric = *host == '[' || strspn(host, "0123456789.:") >= len;
	return true;
}

static bool parse_file(const char *text, struct why *why)
{
	if (value_is_secret(text))
		return fail(why, "a key itself stands here; put it into a file of mode 0600 and "
			    "write that file's path");
	if (*text != '/')
		return fail(why, "\"%.80s\" is not absolute; write the whole path from /", text);
	if (strlen(text) > 90)
		return fail(why, "this path is too long; at most 90 characters");
	return true;
}

bool value_parse(const struct option_row *row, const char *text, struct parsed *out,
		 struct why *why)
{
	memset(out, 0, sizeof(*out));
	switch (row->type) {
	case OPT_TYPE_text:
		return parse_text(row, text, why);
	case OPT_TYPE_words:
		return parse_word(row, text, why);
	case OPT_TYPE_flag:
		return parse_flag(text, &out->number, why);
	case OPT_TYPE_number:
		return parse_number(row, text, &out->number, why);
	case OPT_TYPE_duration_s:
	case OPT_TYPE_duration_ms:
		return parse_duration(row, text, &out->number, why);
	case OPT_TYPE_size:
		return parse_units(sizes, SIZE_EXAMPLE, text, &out->number, why) &&
		       in_limits(row, text, out->number, 1, "B", why);
	case OPT_TYPE_gwei:
		return parse_amount(text, "gwei", 9, "10gwei or 0.1gwei", &out->wei, why);
	case OPT_TYPE_eth:
		return parse_amount(text, "eth", 18, "1eth or 0.05eth", &out->wei, why);
	case OPT_TYPE_address:
	case OPT_TYPE_addresses:
		return parse_address(text, &out->address, why);
	case OPT_TYPE_file:
		return parse_file(text, why);
	case OPT_TYPE_listen:
		return parse_listen(text, out, why);
	case OPT_TYPE_start:
		return parse_start(text, out, why);
	case OPT_TYPE_urls:
		return value_check_url(text, why);
	case OPT_TYPE_origin:
		return parse_origin(row, text, out, why);
	case OPT_TYPE_label:
		return parse_label(row, text, why);
	case OPT_TYPE_endpoints: {
		char endpoint[VALUE_LINE_MAX];

		return value_endpoint(text, endpoint, why);
	}
	case OPT_TYPE_list:
		return fail(why,
			    "a list must stand here; write one item per line, each after \"-\"");
	}
	return false;
}

void value_line(const struct option_row *row, const char *text, const struct parsed *p,
		char out[VALUE_LINE_MAX])
{
	switch (row->type) {
	case OPT_TYPE_flag:
	case OPT_TYPE_number:
	case OPT_TYPE_duration_s:
	case OPT_TYPE_duration_ms:
	case OPT_TYPE_size:
		snprintf(out, VALUE_LINE_MAX, "%llu", (unsigned long long)p->number);
		break;
	case OPT_TYPE_gwei:
	case OPT_TYPE_eth:
		u256_dec(&p->wei, out);
		break;
	case OPT_TYPE_address:
		addr_text(&p->address, out);
		break;
	default:
		snprintf(out, VALUE_LINE_MAX, "%s", text);
		if (row->type == OPT_TYPE_origin && out[strlen(out) - 1] == '/')
			out[strlen(out) - 1] = '\0';
		break;
	}
}

bool value_is_http(const char *url)
{
	return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

bool value_is_websocket(const char *url)
{
	return strncmp(url, "ws://", 5) == 0 || strncmp(url, "wss://", 6) == 0;
}

/* Host and optional port up to END; IPv6 in brackets. */
static bool check_host(const char *host, size_t len, bool want_port, struct why *why)
{
	static const struct option_row ports = { .min = 1, .max = 65535 };
	size_t name = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
	char port[8] = "";
	uint64_t number;

	if (name == 0 || name > len)
		return fail(why, "the host is missing; write host:port");
	if (name < len && host[name] != ':')
		return fail(why, "behind the host stands something else than a port; write "
			    "host:port");
	if (name == len)
		return !want_port || fail(why, "the port is missing; write host:port");
	if (len - name - 1 >= sizeof(port))
		return fail(why, "the port is no number from 1 to 65535; correct it");
	memcpy(port, host + name + 1, len - name - 1);
	if (!parse_number(&ports, port, &number, why))
		return fail(why, "the port is no number from 1 to 65535; correct it");
	return true;
}

bool value_check_url(const char *url, struct why *why)
{
	if (!value_is_http(url) && !value_is_websocket(url))
		return fail(why, "a URL must begin with http://, https://, ws:// or wss://; "
			    "correct it");
	if (strlen(url) >= VALUE_LINE_MAX)
		return fail(why, "the URL is too long; at most %d characters", VALUE_LINE_MAX - 1);
	for (const char *p = url; *p; p++)
		if (*p <= ' ' || *p > '~' || strchr("\"<>\\^`{|}", *p))
			return fail(why, "a character that a URL cannot hold; percent-encode it");

	const char *host = strstr(url, "://") + 3;
	size_t len = strcspn(host, "/?#");
	const char *user = memchr(host, '@', len);

	if (user) {
		len -= (size_t)(user + 1 - host);
		host = user + 1;
	}
	return check_host(host, len, false, why);
}

bool value_endpoint(const char *text, char out[VALUE_LINE_MAX], struct why *why)
{
	if (strncmp(text, "https://", 8) == 0)
		return fail(why, "TLS to the Core is not supported by this version; let the Core "
			    "listen on a private network and write host:port");
	if (strncmp(text, "http://", 7) == 0)
		text += 7;

	size_t len = strcspn(text, "/");

	if (text[len] && text[len + 1])
		return fail(why, "behind the port stands something else; write host:port");
	if (len >= VALUE_LINE_MAX || strpbrk(text, " \t@?#"))
		return fail(why, "this is no host:port; for example core:50051");
	if (!check_host(text, len, true, why))
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}
