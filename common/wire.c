/* wire - encoder by msgpack-c's packer, decoder by the message table. */

#include "common/wire.h"

#include <msgpack/pack.h>
#include <stdio.h>

struct out {
	uint8_t *buf;
	size_t cap, len;
};

static int put(void *data, const char *p, size_t n)
{
	struct out *o = data;

	if (n > o->cap - o->len)
		return -1;
	memcpy(o->buf + o->len, p, n);
	o->len += n;
	return 0;
}

static int pack_bin(msgpack_packer *pk, const void *p, size_t n)
{
	return msgpack_pack_bin(pk, n) || (n && msgpack_pack_bin_body(pk, p, n)) ? -1 : 0;
}

static enum err encode_field(msgpack_packer *pk, const struct ipc_field *f, const void *at,
			     struct bytes *blob)
{
	const struct bytes *v = at;
	int bad = 0;

	switch (f->type) {
	case IPC_u64:
		bad = msgpack_pack_uint64(pk, *(const uint64_t *)at);
		break;
	case IPC_b20:
		bad = pack_bin(pk, at, 20);
		break;
	case IPC_b32:
	case IPC_u256:
		bad = pack_bin(pk, at, 32);
		break;
	case IPC_bytes:
	case IPC_blob:
		if (v->len > f->limit)
			return ERR_TOO_BIG;
		if (f->type == IPC_blob && v->len > IPC_INLINE_MAX) {
			*blob = *v;
			bad = msgpack_pack_uint64(pk, v->len);
		} else {
			bad = pack_bin(pk, v->p, v->len);
		}
		break;
	case IPC_str:
		if (v->len > f->limit)
			return ERR_TOO_BIG;
		if (has_control(*v))
			return ERR_FORMAT;
		bad = msgpack_pack_str(pk, v->len) ||
		      (v->len && msgpack_pack_str_body(pk, v->p, v->len));
		break;
	}
	return bad ? ERR_TOO_BIG : OK;
}

enum err wire_encode(const struct ipc_msg *msg, const void *m, uint8_t *buf, size_t cap,
		     size_t *len_out, struct bytes *blob_out)
{
	struct out o = { .buf = buf, .cap = cap };
	msgpack_packer pk;

	*blob_out = (struct bytes){ 0 };
	msgpack_packer_init(&pk, &o, put);
	if (msgpack_pack_array(&pk, msg->fields + 1u) || msgpack_pack_uint8(&pk, msg->number))
		return ERR_TOO_BIG;
	for (unsigned i = 0; i < msg->fields; i++) {
		const struct ipc_field *f = &msg->field[i];
		enum err e = encode_field(&pk, f, (const uint8_t *)m + f->offset, blob_out);
		if (e)
			return e;
	}
	*len_out = o.len;
	return OK;
}

/* Big-endian value of the next N bytes. */
static enum err take_be(struct bytes *in, unsigned n, uint64_t *out)
{
	if (in->len < n)
		return ERR_TRUNCATED;
	*out = 0;
	for (unsigned i = 0; i < n; i++)
		*out = *out << 8 | in->p[i];
	in->p += n;
	in->len -= n;
	return OK;
}

/*
 * A head of one tag byte and perhaps 1 to 8 bytes of value, in its shortest form.
 * Families: fix (values in the tag byte itself) below FIX_COUNT from FIX_TAG, then TAG
 * with 1, TAG + 1 with 2, ... bytes.
 */
struct family {
	uint8_t fix_tag, fix_count, tag, sizes;
	uint8_t first_size;		/* bytes of value after TAG */
};

static const struct family uint_family  = { 0x00, 128, 0xcc, 4, 1 };
static const struct family bin_family   = { 0x00, 0,   0xc4, 3, 1 };
static const struct family str_family   = { 0xa0, 32,  0xd9, 3, 1 };
static const struct family array_family = { 0x90, 16,  0xdc, 2, 2 };

static enum err take_head(struct bytes *in, const struct family *fam, uint64_t *out)
{
	uint64_t tag;
	enum err e = take_be(in, 1, &tag);
	if (e)
		return e;
	if (tag >= fam->fix_tag && tag < (uint64_t)fam->fix_tag + fam->fix_count) {
		*out = tag - fam->fix_tag;
		return OK;
	}
	if (tag < fam->tag || tag >= (uint64_t)fam->tag + fam->sizes)
		return ERR_FORMAT;
	unsigned size = (unsigned)fam->first_size << (tag - fam->tag);
	e = take_be(in, size, out);
	if (e)
		return e;
	/* Shortest form: the value must not fit the next smaller head. */
	if (*out < fam->fix_count)
		return ERR_CANONICAL;
	if (size > fam->first_size && *out < 1ull << (4 * size))
		return ERR_CANONICAL;
	return OK;
}

static enum err take_run(struct bytes *in, const struct family *fam, uint64_t limit,
			 struct bytes *out)
{
	uint64_t len;
	enum err e = take_head(in, fam, &len);
	if (e)
		return e;
	if (len > limit)
		return ERR_TOO_BIG;
	if (len > in->len)
		return ERR_TRUNCATED;
	*out = BYTES(in->p, len);
	in->p += len;
	in->len -= len;
	return OK;
}

enum err wire_open(struct bytes packet, struct bytes blob, struct ipc_frame *out)
{
	uint64_t items, number;
	struct bytes in = packet;

	enum err e = take_head(&in, &array_family, &items);
	if (e)
		return e;
	if (items < 1 || items > IPC_FIELDS_MAX + 1)
		return ERR_RANGE;
	e = take_head(&in, &uint_family, &number);
	if (e)
		return e;
	const struct ipc_msg *msg = number <= 0xff ? find_ipc_msg((uint8_t)number) : NULL;
	if (!msg)
		return ERR_UNKNOWN;
	if (items != msg->fields + 1u)
		return ERR_FORMAT;
	*out = (struct ipc_frame){ .msg = msg, .body = in, .fields = msg->fields, .blob = blob };
	return OK;
}

static enum err take_exact(struct bytes *in, void *at, size_t n)
{
	struct bytes v;
	enum err e = take_run(in, &bin_family, n, &v);
	if (e)
		return e;
	if (v.len != n)
		return ERR_RANGE;
	memcpy(at, v.p, n);
	return OK;
}

static bool is_bin(const struct bytes *in)
{
	return in->len > 0 && in->p[0] >= 0xc4 && in->p[0] <= 0xc6;
}

/* A blob in the packet, or its length and the memfd that came along. */
static enum err take_blob(struct bytes *in, const struct ipc_field *f, struct bytes *blob,
			  struct bytes *out)
{
	if (is_bin(in))
		return take_run(in, &bin_family, IPC_INLINE_MAX, out);
	uint64_t len;
	enum err e = take_head(in, &uint_family, &len);
	if (e)
		return e;
	if (len <= IPC_INLINE_MAX)
		return ERR_CANONICAL;
	if (len > f->limit)
		return ERR_TOO_BIG;
	if (!blob->p || blob->len != len)
		return ERR_MISMATCH;
	*out = *blob;
	*blob = (struct bytes){ 0 };
	return OK;
}

static enum err decode_field(struct bytes *in, const struct ipc_field *f, struct bytes *blob,
			     void *at)
{
	enum err e;

	switch (f->type) {
	case IPC_u64:
		return take_head(in, &uint_family, at);
	case IPC_b20:
		return take_exact(in, at, 20);
	case IPC_b32:
	case IPC_u256:
		return take_exact(in, at, 32);
	case IPC_bytes:
		return take_run(in, &bin_family, f->limit, at);
	case IPC_blob:
		return take_blob(in, f, blob, at);
	case IPC_str:
		e = take_run(in, &str_family, f->limit, at);
		return e ? e : has_control(*(struct bytes *)at) ? ERR_FORMAT : OK;
	}
	return ERR_FORMAT;
}

enum err wire_decode(const struct ipc_frame *frame, void *m)
{
	struct bytes in = frame->body, blob = frame->blob;

	for (unsigned i = 0; i < frame->msg->fields; i++) {
		const struct ipc_field *f = &frame->msg->field[i];
		enum err e = decode_field(&in, f, &blob, (uint8_t *)m + f->offset);
		if (e)
			return e;
	}
	if (in.len || blob.p)
		return ERR_TRAILING;
	return OK;
}

char *wire_text(struct bytes str, char *out, size_t cap)
{
	size_t n = str.len < cap - 1 ? str.len : cap - 1;

	if (n)
		memcpy(out, str.p, n);
	out[n] = 0;
	return out;
}
