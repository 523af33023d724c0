/*
 * text - a text that grows up to a limit: answers in JSON and in plain lines.
 *
 * After the limit (or without memory) nothing more is added and `cut` stays true: who sends
 * the text looks at it once, at the end.
 */
#pragma once

#include "common/bytes.h"

struct text {
	char *p;		/* owned; NUL-terminated once something was added */
	size_t len, cap, max;
	bool cut;
};

void text_init(struct text *t, size_t max);
void text_fini(struct text *t);
void text_add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_bytes(struct text *t, struct bytes s);

/* A JSON string with its quotes; what is not UTF-8 becomes U+FFFD. */
void text_json(struct text *t, struct bytes s);
