/*
 * rlp_fuzz - hostile bytes against the RLP reader.
 *
 * What the reader takes is written again by the writer: the bytes must be the same,
 * since only canonical items may pass.  Lists are taken apart to a depth of 8; deeper
 * ones, and payloads that are no items, are copied as they are.
 *
 * With PLANTED_BUG a copy of one check of the reader takes a single small byte with a
 * header for canonical; a fuzzer that does not find that within a minute does not look.
 */
#include "common/rlp.h"

#include <stdlib.h>

#define DEPTH 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err next(struct bytes *in, struct bytes *item_out, bool *is_list_out)
{
#ifdef PLANTED_BUG
	if (in->len >= 2 && in->p[0] == 0x81) {
		*item_out = BYTES(in->p + 1, 1);
		*is_list_out = false;
		*in = BYTES(in->p + 2, in->len - 2);
		return OK;
	}
#endif
	return rlp_next(in, item_out, is_list_out);
}

static bool is_sequence(struct bytes in)
{
	struct bytes item;
	bool is_list;

	while (in.len)
		if (next(&in, &item, &is_list))
			return false;
	return true;
}

/* The items of IN, which are known to be items: the last is written first. */
static void write_items(struct rlp *w, struct bytes in, unsigned depth)
{
	struct bytes item;
	bool is_list;

	if (in.len == 0)
		return;
	if (next(&in, &item, &is_list))
		abort();
	write_items(w, in, depth);
	if (!is_list) {
		rlp_put_bytes(w, item);
		return;
	}

	size_t mark = rlp_mark(w);

	if (depth < DEPTH && is_sequence(item))
		write_items(w, item, depth + 1);
	else
		rlp_put_raw(w, item);
	rlp_put_list(w, mark);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[1 << 13];
	struct bytes in = BYTES(data, size);
	struct rlp w;

	if (size > sizeof(buf) || !is_sequence(in))
		return 0;
	rlp_init(&w, buf, sizeof(buf));
	write_items(&w, in, 0);
	if (!bytes_eq(in, rlp_done(&w)))
		abort();
	return 0;
}
