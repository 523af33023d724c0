/* user_signature - from the request's own call to who signed it. */

#include "executor/user_signature.h"

#include "common/keccak.h"

/* keccak256 of an array's items, one word each. */
static struct b32 hash_words(struct abi_view list)
{
	struct keccak k;
	struct b32 hash;

	keccak_init(&k);
	for (uint32_t i = 0; i < abi_count(list); i++) {
		struct b32 word = abi_word(abi_item(list, i));
		keccak_update(&k, word.b, sizeof(word.b));
	}
	keccak_final(&k, hash.b);
	return hash;
}

/* A member of the struct that the user signed (EIP-712: encodeData). */
static struct b32 value_of(struct abi_view v)
{
	switch (abi_type_of(v)) {
	case ABI_ARRAY:
		return hash_words(v);
	case ABI_BYTES:
	case ABI_STRING:
		return keccak_bytes(abi_bytes(v));
	default:
		return abi_word(v);
	}
}

static struct b32 digest_of(const struct profile *p, struct abi_view args)
{
	const struct profile_user_signature *u = &p->user_signature;
	const struct profile_domain *d = &p->domain[OP_DECRYPTION];
	const struct profile_contract *c = &p->contract[d->contract];
	struct b32 word[1 + PROFILE_SIGNED_MAX] = { u->type_hash };
	uint8_t text[2 + 32 + 32] = { 0x19, 0x01 };
	struct abi_view v;

	for (unsigned i = 0; i < u->members; i++)
		if (abi_member(args, u->member[i], &v))
			word[1 + i] = value_of(v);

	struct b32 domain = eip712_domain(d->name, d->version, c->chain, &c->address);
	struct b32 hash = keccak_bytes(BYTES(word, (1u + u->members) * sizeof(word[0])));

	memcpy(text + 2, domain.b, 32);
	memcpy(text + 34, hash.b, 32);
	return keccak_bytes(BYTES_OF(text));
}

static bool asks_for_handles(const struct profile_user_signature *u, const struct request *r,
			     struct abi_view args)
{
	struct abi_view list, v;

	if (!abi_member(args, u->materials, &list) || abi_count(list) != r->materials)
		return false;
	for (unsigned i = 0; i < r->materials; i++) {
		struct abi_view item = abi_item(list, i);
		struct b32 handle;

		if (*u->handle && !abi_member(item, u->handle, &v))
			return false;
		handle = abi_word(*u->handle ? v : item);
		if (!b32_eq(&handle, &r->material[i].handle))
			return false;
	}
	return true;
}

static bool asks_for(const struct profile_user_signature *u, const struct request *r,
		     struct abi_view args)
{
	struct abi_view user, key;

	if (!abi_member(args, u->user, &user) || !abi_member(args, u->public_key, &key))
		return false;

	struct addr who = abi_addr(user);

	return addr_eq(&who, &r->user) && bytes_eq(abi_bytes(key), r->public_key) &&
	       asks_for_handles(u, r, args);
}

enum err user_signature_check(const struct profile *p, const struct request *r,
			      const struct addr *to, struct bytes data, const char **why_out)
{
	const struct profile_user_signature *u = &p->user_signature;
	struct abi_view args, sig;
	struct addr who;

	*why_out = "its transaction is no direct call, so that the user's signature is not to be seen";
	if (!addr_eq(to, &p->contract[u->contract].address) || data.len < 4 ||
	    memcmp(data.p, u->function.selector, 4) != 0)
		return ERR_MISSING;
	*why_out = "the data of its transaction cannot be decoded";
	if (abi_decode(&u->function, u->function.inputs, BYTES(data.p + 4, data.len - 4), &args))
		return ERR_FORMAT;
	*why_out = "its transaction asks for something else";
	if (!asks_for(u, r, args) || !abi_member(args, u->signature, &sig))
		return ERR_MISMATCH;
	*why_out = "it is not signed by its user";

	struct b32 digest = digest_of(p, args);

	if (eip712_recover(&digest, abi_bytes(sig), &who) || !addr_eq(&who, &r->user))
		return ERR_DENIED;
	return OK;
}
