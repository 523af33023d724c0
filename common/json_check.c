/* json_check - one pass over the text; what is open is one bit for each level. */

#include "common/json_check.h"

#define NUMBER_MAX 40

struct scan {
	const uint8_t *p, *end;
	uint64_t objects;	/* bit n: level n is an object, else an array */
	unsigned depth, depth_max;
};

enum wanted { VALUE, VALUE_OR_END, KEY, KEY_OR_END, COMMA_OR_END };

static int peek(const struct scan *s)
{
	return s->p < s->end ? *s->p : -1;
}

static void skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(int c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Bytes of the UTF-8 character at P (at most LEFT there); 0 when it is none. */
static unsigned utf8_len(const uint8_t *p, size_t left)
{
	unsigned n = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (n == 0 || left < n)
		return 0;
	for (unsigned i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;	/* too long a form, a surrogate, above U+10FFFF */
	return n;
}

static enum err take_escape(struct scan *s, bool key)
{
	bool zero = true;

	s->p++;
	if (s->p == s->end)
		return ERR_TRUNCATED;
	if (*s->p != 'u') {
		if (!memchr("\"\\/bfnrt", *s->p, 8))
			return ERR_FORMAT;
		s->p++;
		return OK;
	}
	s->p++;
	if (s->end - s->p < 4)
		return ERR_TRUNCATED;
	for (unsigned i = 0; i < 4; i++) {
		if (!is_hex(s->p[i]))
			return ERR_FORMAT;
		zero = zero && s->p[i] == '0';
	}
	s->p += 4;
	return zero && key ? ERR_FORMAT : OK;
}

static enum err take_string(struct scan *s, bool key)
{
	s->p++;
	while (s->p < s->end) {
		uint8_t c = *s->p;

		if (c == '"') {
			s->p++;
			return OK;
		}
		if (c == '\\') {
			enum err e = take_escape(s, key);
			if (e)
				return e;
		} else if (c >= 0x80) {
			unsigned n = utf8_len(s->p, (size_t)(s->end - s->p));

			if (n == 0)
				return ERR_FORMAT;
			s->p += n;
		} else if (c < 0x20) {
			return ERR_FORMAT;
		} else {
			s->p++;
		}
	}
	return ERR_TRUNCATED;
}

static bool take_digits(struct scan *s)
{
	const uint8_t *start = s->p;

	while (is_digit(peek(s)))
		s->p++;
	return s->p > start;
}

static enum err take_number(struct scan *s)
{
	const uint8_t *start = s->p;

	if (peek(s) == '-')
		s->p++;
	if (peek(s) == '0')
		s->p++;
	else if (!take_digits(s))
		return ERR_FORMAT;
	if (peek(s) == '.') {
		s->p++;
		if (!take_digits(s))
			return ERR_FORMAT;
	}
	if (peek(s) == 'e' || peek(s) == 'E') {
		s->p++;
		if (peek(s) == '+' || peek(s) == '-')
			s->p++;
		if (!take_digits(s))
			return ERR_FORMAT;
	}
	return s->p - start > NUMBER_MAX ? ERR_TOO_BIG : OK;
}

static enum err take_literal(struct scan *s)
{
	static const char *const literals[] = { "null", "true", "false" };

	for (size_t i = 0; i < ARRAY_LEN(literals); i++) {
		size_t len = strlen(literals[i]);

		if ((size_t)(s->end - s->p) >= len && memcmp(s->p, literals[i], len) == 0) {
			s->p += len;
			return OK;
		}
	}
	return ERR_FORMAT;
}

static enum err enter(struct scan *s, bool object, enum wanted *wanted)
{
	if (s->depth == s->depth_max)
		return ERR_TOO_BIG;
	s->objects = s->objects << 1 | object;
	s->depth++;
	s->p++;
	*wanted = object ? KEY_OR_END : VALUE_OR_END;
	return OK;
}

static void leave(struct scan *s, enum wanted *wanted)
{
	s->objects >>= 1;
	s->depth--;
	s->p++;
	*wanted = COMMA_OR_END;
}

static enum err take_value(struct scan *s, enum wanted *wanted)
{
	int c = peek(s);

	if (c == '{' || c == '[')
		return enter(s, c == '{', wanted);
	*wanted = COMMA_OR_END;
	return c == '"' ? take_string(s, false) :
	       c == '-' || is_digit(c) ? take_number(s) : take_literal(s);
}

static enum err take_key(struct scan *s)
{
	if (peek(s) != '"')
		return ERR_FORMAT;

	enum err e = take_string(s, true);
	if (e)
		return e;
	skip_space(s);
	if (peek(s) != ':')
		return ERR_FORMAT;
	s->p++;
	return OK;
}

/* After a value: the end of what is open, or a comma and more of it. */
static enum err take_comma_or_end(struct scan *s, enum wanted *wanted)
{
	bool object = s->objects & 1;

	if (peek(s) == (object ? '}' : ']')) {
		leave(s, wanted);
		return OK;
	}
	if (peek(s) != ',')
		return ERR_FORMAT;
	s->p++;
	*wanted = object ? KEY : VALUE;
	return OK;
}

static enum err step(struct scan *s, enum wanted *wanted)
{
	bool may_end = *wanted == KEY_OR_END || *wanted == VALUE_OR_END;

	if (may_end && peek(s) == (*wanted == KEY_OR_END ? '}' : ']')) {
		leave(s, wanted);
		return OK;
	}
	if (*wanted == KEY || *wanted == KEY_OR_END) {
		*wanted = VALUE;
		return take_key(s);
	}
	if (*wanted == COMMA_OR_END)
		return take_comma_or_end(s, wanted);
	return take_value(s, wanted);
}

enum err json_check(struct bytes text, unsigned depth, unsigned values)
{
	struct scan s = { .p = text.p, .end = text.p + text.len };
	enum wanted wanted = VALUE;

	s.depth_max = depth < JSON_CHECK_DEPTH_MAX ? depth : JSON_CHECK_DEPTH_MAX;
	do {
		skip_space(&s);
		if (s.p == s.end)
			return ERR_TRUNCATED;
		if ((wanted == VALUE || wanted == VALUE_OR_END) && values-- == 0)
			return ERR_TOO_BIG;

		enum err e = step(&s, &wanted);
		if (e)
			return e;
	} while (s.depth > 0 || wanted != COMMA_OR_END);
	skip_space(&s);
	return s.p == s.end ? OK : ERR_TRAILING;
}
