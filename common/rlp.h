/*
 * rlp - Recursive Length Prefix: what transactions are written in.
 *
 * The writer fills a buffer from its end to its start, so that a list's length is
 * known when its header is written: one pass, no allocation.  Put the last item
 * first.  Source of the format: Ethereum yellow paper, appendix B.
 *
 *	struct rlp w;
 *	rlp_init(&w, buf, sizeof(buf));
 *	size_t mark = rlp_mark(&w);
 *	rlp_put_u64(&w, second);
 *	rlp_put_bytes(&w, first);
 *	rlp_put_list(&w, mark);
 *	struct bytes out = rlp_done(&w);
 */
#pragma once

#include "common/bytes.h"
#include "common/u256.h"

struct rlp {
	uint8_t *buf;			/* borrowed from the caller */
	size_t cap;
	size_t at;			/* first byte written; items grow downwards */
	bool overflow;			/* sticky: the buffer was too small */
};

void rlp_init(struct rlp *w, uint8_t *buf, size_t cap);
size_t rlp_mark(const struct rlp *w);
void rlp_put_bytes(struct rlp *w, struct bytes v);
void rlp_put_u64(struct rlp *w, uint64_t v);		/* 0 is the empty string */
void rlp_put_u256(struct rlp *w, const struct u256 *v);	/* leading zeros are dropped */
void rlp_put_raw(struct rlp *w, struct bytes v);	/* bytes as they are: a type byte */
void rlp_put_list(struct rlp *w, size_t mark);		/* all since MARK becomes a list */

/* The bytes written, borrowed from the buffer; .p is NULL after an overflow. */
struct bytes rlp_done(const struct rlp *w);

/*
 * Strict reader, for transactions that come back from the journal and for tests.
 * rlp_next takes one item off *in: a string's content or a list's payload.
 * Non-canonical lengths and single bytes are ERR_CANONICAL.
 */
enum err rlp_next(struct bytes *in, struct bytes *item_out, bool *is_list_out) MUST_CHECK;
