/* tx - written from its last field to its first, as common/rlp.h does. */

#include "submitter/signer/tx.h"

#include "common/keccak.h"
#include "common/rlp.h"

#define TYPE_2 0x02

static void put_call(struct rlp *w, const struct tx_call *t)
{
	rlp_put_list(w, rlp_mark(w));		/* access list: empty */
	rlp_put_bytes(w, t->calldata);
	rlp_put_u64(w, 0);			/* value */
	rlp_put_bytes(w, BYTES_OF(t->to.b));
	rlp_put_u64(w, t->gas);
	rlp_put_u64(w, t->max_fee);
	rlp_put_u64(w, t->tip);
	rlp_put_u64(w, t->nonce);
	rlp_put_u64(w, t->chain);
}

static struct bytes finish(struct rlp *w, size_t mark)
{
	rlp_put_list(w, mark);
	rlp_put_raw(w, BYTES(&(uint8_t){ TYPE_2 }, 1));
	return rlp_done(w);
}

static void put_integer(struct rlp *w, const struct b32 *v)
{
	struct u256 n;

	memcpy(n.b, v->b, sizeof(n.b));
	rlp_put_u256(w, &n);
}

enum err tx_hash_to_sign(const struct tx_call *t, uint8_t *buf, size_t cap, struct b32 *hash_out)
{
	struct rlp w;

	rlp_init(&w, buf, cap);

	size_t mark = rlp_mark(&w);

	put_call(&w, t);

	struct bytes text = finish(&w, mark);

	if (!text.p)
		return ERR_TOO_BIG;
	*hash_out = keccak_bytes(text);
	return OK;
}

enum err tx_sign(const struct tx_call *t, struct secret *key, uint8_t *buf, size_t cap,
		 struct bytes *raw_out, struct b32 *hash_out)
{
	struct key_signature sig;
	struct b32 hash;
	struct rlp w;

	enum err e = tx_hash_to_sign(t, buf, cap, &hash);
	if (e)
		return e;
	key_sign(key, &hash, &sig);

	rlp_init(&w, buf, cap);

	size_t mark = rlp_mark(&w);

	put_integer(&w, &sig.s);
	put_integer(&w, &sig.r);
	rlp_put_u64(&w, sig.y_parity);
	put_call(&w, t);
	*raw_out = finish(&w, mark);
	if (!raw_out->p)
		return ERR_TOO_BIG;
	*hash_out = keccak_bytes(*raw_out);
	return OK;
}

/* From here on: the inverse. */

/* One string of at most MAX bytes. */
static enum err take(struct bytes *in, size_t max, struct bytes *out)
{
	bool is_list;
	enum err e = rlp_next(in, out, &is_list);

	if (e)
		return e;
	if (is_list)
		return ERR_FORMAT;
	return out->len <= max ? OK : ERR_RANGE;
}

static enum err take_number(struct bytes *in, size_t max, struct bytes *out)
{
	enum err e = take(in, max, out);

	if (e)
		return e;
	return out->len && out->p[0] == 0 ? ERR_CANONICAL : OK;
}

static enum err take_u64(struct bytes *in, uint64_t *out)
{
	uint8_t be[8] = { 0 };
	struct bytes v;
	enum err e = take_number(in, sizeof(be), &v);

	if (e)
		return e;
	memcpy(be + sizeof(be) - v.len, v.p, v.len);
	*out = be64_get(be);
	return OK;
}

/* The fields of put_call, from the first to the last. */
static enum err take_call(struct bytes *in, struct tx_call *t)
{
	uint64_t *const number[] = { &t->chain, &t->nonce, &t->tip, &t->max_fee, &t->gas };
	struct bytes to, value, access;
	bool is_list = false;
	enum err e = OK;

	for (size_t i = 0; !e && i < ARRAY_LEN(number); i++)
		e = take_u64(in, number[i]);
	e = e ? e : take(in, sizeof(t->to.b), &to);
	e = e ? e : take(in, 0, &value);
	e = e ? e : take(in, in->len, &t->calldata);
	e = e ? e : rlp_next(in, &access, &is_list);
	if (e)
		return e;
	if (to.len != sizeof(t->to.b) || !is_list || access.len)
		return ERR_FORMAT;
	memcpy(t->to.b, to.p, sizeof(t->to.b));
	return OK;
}

static enum err take_signature(struct bytes *in)
{
	struct bytes r, s;
	uint64_t y_parity;
	enum err e = take_u64(in, &y_parity);

	e = e ? e : take_number(in, sizeof(struct b32), &r);
	e = e ? e : take_number(in, sizeof(struct b32), &s);
	if (e)
		return e;
	return y_parity <= 1 && r.len && s.len ? OK : ERR_RANGE;
}

enum err tx_read(struct bytes raw, struct tx_call *out)
{
	struct bytes list;
	bool is_list;

	if (!raw.len)
		return ERR_TRUNCATED;
	if (raw.p[0] != TYPE_2)
		return ERR_FORMAT;
	raw = BYTES(raw.p + 1, raw.len - 1);

	enum err e = rlp_next(&raw, &list, &is_list);
	if (e)
		return e;
	if (!is_list)
		return ERR_FORMAT;
	e = take_call(&list, out);
	e = e ? e : take_signature(&list);
	if (e)
		return e;
	return list.len || raw.len ? ERR_TRAILING : OK;
}
