/* text - a text that grows up to a limit. */

#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_CAP 1024

void text_init(struct text *t, size_t max)
{
	*t = (struct text){ .max = max };
}

void text_fini(struct text *t)
{
	free(t->p);
	*t = (struct text){ .max = t->max };
}

/* Room for N more bytes and a NUL. */
static bool reserve(struct text *t, size_t n)
{
	if (t->cut || n > t->max - t->len) {
		t->cut = true;
		return false;
	}
	if (t->len + n + 1 <= t->cap)
		return true;
	size_t cap = t->cap ? t->cap : FIRST_CAP;
	while (cap < t->len + n + 1)
		cap *= 2;
	char *p = realloc(t->p, cap);
	if (!p) {
		t->cut = true;
		return false;
	}
	t->p = p;
	t->cap = cap;
	return true;
}

void text_bytes(struct text *t, struct bytes s)
{
	if (!reserve(t, s.len))
		return;
	if (s.len)
		memcpy(t->p + t->len, s.p, s.len);
	t->len += s.len;
	t->p[t->len] = 0;
}

void text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !reserve(t, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(t->p + t->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	t->len += (size_t)n;
}

/* Bytes of one well-formed UTF-8 character at the start of S; 0 when it is none. */
static size_t utf8_len(struct bytes s)
{
	uint8_t c = s.p[0];
	size_t n = c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;

	if (n == 0 || n > s.len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && s.p[1] < 0xa0) || (c == 0xed && s.p[1] > 0x9f) ||
	    (c == 0xf0 && s.p[1] < 0x90) || (c == 0xf4 && s.p[1] > 0x8f))
		return 0;
	return n;
}

void text_json(struct text *t, struct bytes s)
{
	text_bytes(t, BYTES("\"", 1));
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i];
		size_t n = c < 0x80 ? 1 : utf8_len(BYTES(s.p + i, s.len - i));

		if (c == '"' || c == '\\')
			text_add(t, "\\%c", c);
		else if (c < 0x20 || c == 0x7f || c == '<' || n == 0)
			text_add(t, "\\u%04x", n == 0 ? 0xfffd : c);
		else
			text_bytes(t, BYTES(s.p + i, n));
		i += n > 1 ? n - 1 : 0;
	}
	text_bytes(t, BYTES("\"", 1));
}
