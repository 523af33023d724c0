/* trace - an array that is emptied when it is asked for. */

#include "tests/peers/trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "common/log.h"

static struct {
	struct row {
		uint64_t at_us;
		const char *what;
		struct b32 key;
	} * row; /* owned; NULL: nothing is kept */
	size_t count;
} self;

void trace_note(const char *what, const struct b32 *key)
{
	struct timespec t;

	if (!self.row || self.count == TRACE_MAX)
		return;
	clock_gettime(CLOCK_MONOTONIC, &t);
	self.row[self.count++] = (struct row){
		.at_us = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000,
		.what = what,
		.key = *key,
	};
}

void trace_bytes(const char *what, struct bytes b, size_t at)
{
	struct b32 key;

	if (b.len < at + sizeof(key.b))
		return;
	memcpy(key.b, b.p + at, sizeof(key.b));
	trace_note(what, &key);
}

void trace_give(struct text *out)
{
	char key[67];

	text_add(out, "[");
	for (size_t i = 0; i < self.count; i++)
		text_add(out, "%s[%" PRIu64 ",\"%s\",\"%s\"]", i ? "," : "", self.row[i].at_us,
			 self.row[i].what, hex_encode0x(BYTES_OF(self.row[i].key.b), key));
	text_add(out, "]");
	self.count = 0;
	if (!self.row)
		self.row = malloc(TRACE_MAX * sizeof(*self.row));
	check(self.row != NULL);
}
