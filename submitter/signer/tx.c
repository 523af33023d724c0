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
