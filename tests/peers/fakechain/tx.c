/* tx - a raw transaction of type 2, taken apart, and who signed it. */

#include "tests/peers/fakechain/tx.h"

#include <stdlib.h>

#include "common/eip712.h"
#include "common/keccak.h"
#include "common/rlp.h"

#define TYPE_2 0x02

static enum err string(struct bytes *in, size_t max, struct bytes *out)
{
	bool is_list;
	enum err e = rlp_next(in, out, &is_list);

	if (e)
		return e;
	return is_list ? ERR_FORMAT : out->len > max ? ERR_RANGE : OK;
}

/* A number of at most 256 bits; beyond 64 bits *low_out is the highest number. */
static enum err number(struct bytes *in, struct b32 *out, uint64_t *low_out)
{
	struct bytes v;
	enum err e = string(in, 32, &v);

	if (e)
		return e;
	if (v.len && v.p[0] == 0)
		return ERR_CANONICAL;
	*out = (struct b32){ { 0 } };
	if (v.len)
		memcpy(out->b + 32 - v.len, v.p, v.len);
	*low_out = v.len > 8 ? UINT64_MAX : be64_get(out->b + 24);
	return OK;
}

/* What was signed: the list without its last three items. */
static struct b32 signing_hash(struct bytes list, size_t signed_len)
{
	uint8_t *buf = new_zeroed(signed_len + 16);
	struct rlp w;

	rlp_init(&w, buf, signed_len + 16);

	size_t mark = rlp_mark(&w);

	rlp_put_raw(&w, BYTES(list.p, signed_len));
	rlp_put_list(&w, mark);
	rlp_put_raw(&w, BYTES(&(uint8_t){ TYPE_2 }, 1));
	struct b32 h = keccak_bytes(rlp_done(&w));
	free(buf);
	return h;
}

static enum err sender(struct tx *tx, const struct b32 *digest)
{
	uint8_t sig[65];

	memcpy(sig, tx->r.b, 32);
	memcpy(sig + 32, tx->s.b, 32);
	sig[64] = tx->y_parity;
	return eip712_recover(digest, BYTES_OF(sig), &tx->from) ? ERR_MISMATCH : OK;
}

static enum err fields(struct tx *tx, struct bytes list, uint64_t *chain_id_out)
{
	struct b32 w;
	uint64_t *lows[] = { chain_id_out, &tx->nonce, &tx->tip, &tx->max_fee, &tx->gas };
	struct bytes in = list, to, access;
	uint64_t low, parity;
	bool is_list;

	for (unsigned i = 0; i < ARRAY_LEN(lows); i++) {
		enum err e = number(&in, &w, lows[i]);
		if (e)
			return e;
	}
	enum err e = string(&in, 20, &to);
	if (!e)
		e = number(&in, &w, &low);
	if (e)
		return e;
	if (to.len != 20)
		return ERR_FORMAT; /* nobody makes contracts here */
	memcpy(tx->to.b, to.p, 20);
	memcpy(tx->value.b, w.b, 32);
	e = string(&in, SIZE_MAX, &tx->data);
	if (!e)
		e = rlp_next(&in, &access, &is_list);
	if (e)
		return e;

	struct b32 digest = signing_hash(list, list.len - in.len);

	e = number(&in, &w, &parity);
	if (!e)
		e = number(&in, &tx->r, &low);
	if (!e)
		e = number(&in, &tx->s, &low);
	if (e)
		return e;
	if (in.len || parity > 1)
		return ERR_FORMAT;
	tx->y_parity = parity;
	return sender(tx, &digest);
}

enum err tx_parse(struct bytes raw, struct tx **out, uint64_t *chain_id_out)
{
	struct bytes in, list;
	bool is_list;

	if (raw.len < 2 || raw.p[0] != TYPE_2)
		return ERR_UNKNOWN;

	struct tx *tx = new_zeroed(sizeof(*tx));

	tx->raw = bytes_copy(raw);
	in = BYTES(tx->raw.p + 1, tx->raw.len - 1);
	enum err e = rlp_next(&in, &list, &is_list);
	if (!e && (!is_list || in.len))
		e = ERR_FORMAT;
	if (!e)
		e = fields(tx, list, chain_id_out);
	if (e) {
		tx_free(&tx);
		return e;
	}
	tx->hash = keccak_bytes(raw);
	*out = tx;
	return OK;
}

uint64_t tx_intrinsic_gas(struct bytes data)
{
	uint64_t gas = 21000;

	for (size_t i = 0; i < data.len; i++)
		gas += data.p[i] ? 16 : 4;
	return gas;
}
