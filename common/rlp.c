/* rlp - the writer that runs backwards, and the strict reader. */
#include "common/rlp.h"

#define STRING   0x80	/* first byte of a string of 0 to 55 bytes: plus its length */
#define LIST     0xc0	/* the same for a list */
#define SHORT    55	/* the longest length that stands in the first byte */

void rlp_init(struct rlp *w, uint8_t *buf, size_t cap)
{
	*w = (struct rlp){ .buf = buf, .cap = cap, .at = cap };
}

size_t rlp_mark(const struct rlp *w)
{
	return w->at;
}

void rlp_put_raw(struct rlp *w, struct bytes v)
{
	if (w->overflow || v.len > w->at) {
		w->overflow = true;
		return;
	}
	if (v.len == 0)
		return;
	w->at -= v.len;
	memcpy(w->buf + w->at, v.p, v.len);
}

static struct bytes without_leading_zeros(const uint8_t *p, size_t len)
{
	for (; len && *p == 0; p++)
		len--;
	return BYTES(p, len);
}

static void put_header(struct rlp *w, uint8_t kind, size_t len)
{
	uint8_t be[8];

	if (len <= SHORT) {
		rlp_put_raw(w, BYTES(&(uint8_t){ (uint8_t)(kind + len) }, 1));
		return;
	}
	be64_put(be, len);

	struct bytes count = without_leading_zeros(be, sizeof(be));

	rlp_put_raw(w, count);
	rlp_put_raw(w, BYTES(&(uint8_t){ (uint8_t)(kind + SHORT + count.len) }, 1));
}

void rlp_put_bytes(struct rlp *w, struct bytes v)
{
	rlp_put_raw(w, v);
	if (v.len != 1 || v.p[0] >= STRING)
		put_header(w, STRING, v.len);
}

void rlp_put_u64(struct rlp *w, uint64_t v)
{
	uint8_t be[8];

	be64_put(be, v);
	rlp_put_bytes(w, without_leading_zeros(be, sizeof(be)));
}

void rlp_put_u256(struct rlp *w, const struct u256 *v)
{
	rlp_put_bytes(w, without_leading_zeros(v->b, sizeof(v->b)));
}

void rlp_put_list(struct rlp *w, size_t mark)
{
	put_header(w, LIST, mark - w->at);
}

struct bytes rlp_done(const struct rlp *w)
{
	if (w->overflow)
		return BYTES(NULL, 0);
	return BYTES(w->buf + w->at, w->cap - w->at);
}

/* The length behind a long header: SIZE big-endian bytes, the shortest that do. */
static enum err long_length(struct bytes in, size_t size, size_t *len_out)
{
	uint8_t be[8] = { 0 };

	if (in.len < 1 + size)
		return ERR_TRUNCATED;
	if (in.p[1] == 0)
		return ERR_CANONICAL;
	memcpy(be + sizeof(be) - size, in.p + 1, size);

	uint64_t len = be64_get(be);

	if (len <= SHORT)
		return ERR_CANONICAL;
	if (len > in.len - 1 - size)
		return ERR_TRUNCATED;
	*len_out = (size_t)len;
	return OK;
}

/* Header and content sizes of the item that starts IN; at least its first byte is there. */
static enum err measure(struct bytes in, uint8_t kind, size_t *header_out, size_t *len_out)
{
	size_t n = in.p[0] - kind;

	if (n > SHORT) {
		*header_out = 1 + n - SHORT;
		return long_length(in, n - SHORT, len_out);
	}
	if (n > in.len - 1)
		return ERR_TRUNCATED;
	if (kind == STRING && n == 1 && in.p[1] < STRING)
		return ERR_CANONICAL;
	*header_out = 1;
	*len_out = n;
	return OK;
}

enum err rlp_next(struct bytes *in, struct bytes *item_out, bool *is_list_out)
{
	size_t header = 0, len = 1;	/* a byte below 0x80 is its own encoding */

	if (in->len == 0)
		return ERR_TRUNCATED;

	bool is_list = in->p[0] >= LIST;

	if (in->p[0] >= STRING) {
		enum err e = measure(*in, is_list ? LIST : STRING, &header, &len);
		if (e)
			return e;
	}
	*item_out = BYTES(in->p + header, len);
	*is_list_out = is_list;
	*in = BYTES(in->p + header + len, in->len - header - len);
	return OK;
}
