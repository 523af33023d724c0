/*
 * eip712 - type strings, digests, and the recovery of signers.
 *
 * Members are hashed in the order of the type string.  Each has one source, which
 * says of what type it must be: a member of another type would be encoded in another
 * way, and that is better found at start than in a signature that nobody accepts.
 */
#include "common/eip712.h"

#include <secp256k1_recovery.h>

#include "common/keccak.h"

static const struct { const char *member, *types; } sources[] = {
#define S(name, word, list, text) [EIP712_##name] = { .member = word, .types = list },
	EIP712_SOURCES(S)
#undef S
};

static enum err fail(const char **why_out, enum err e, const char *why)
{
	if (why_out)
		*why_out = why;
	return e;
}

/* Is TYPE one of "a|b"? */
static bool fits_source(struct bytes type, enum eip712_source source)
{
	const char *at = sources[source].types;

	for (size_t len; *at; at += len + (at[len] == '|')) {
		len = strcspn(at, "|");
		if (bytes_eq(type, BYTES(at, len)))
			return true;
	}
	return false;
}

static bool find_source(struct bytes member, enum eip712_source *out)
{
	for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
		if (bytes_is(member, sources[i].member)) {
			*out = (enum eip712_source)i;
			return true;
		}
	}
	return false;
}

static bool has_source(const struct eip712_type *t, enum eip712_source source)
{
	for (unsigned i = 0; i < t->count; i++)
		if (t->member[i] == source)
			return true;
	return false;
}

/* The characters of *s before any of ENDS, which goes to *end_out ('\0': none came). */
static struct bytes take_until(const char **s, const char *ends, char *end_out)
{
	size_t len = strcspn(*s, ends);
	struct bytes word = BYTES(*s, len);

	*s += len;
	*end_out = **s;
	if (**s)
		(*s)++;
	return word;
}

static enum err parse_member(const char **s, struct eip712_type *out, char *end_out,
			     const char **why_out)
{
	enum eip712_source source;

	struct bytes type = take_until(s, " ,)", end_out);
	if (*end_out != ' ')
		return fail(why_out, ERR_FORMAT, "a member is a type, one space and a name");

	struct bytes member = take_until(s, " ,)", end_out);
	if (*end_out != ',' && *end_out != ')')
		return fail(why_out, ERR_FORMAT, "a member ends with a comma or a )");
	if (!find_source(member, &source))
		return fail(why_out, ERR_UNKNOWN, "nothing is known to fill a member of this name");
	if (!fits_source(type, source))
		return fail(why_out, ERR_FORMAT, "a member has not the type of its source");
	if (has_source(out, source))
		return fail(why_out, ERR_FORMAT, "a member stands there twice");
	if (out->count == EIP712_MEMBERS_MAX)
		return fail(why_out, ERR_FORMAT, "too many members");
	out->member[out->count++] = source;
	return OK;
}

enum err eip712_parse(const char *type_string, struct eip712_type *out, const char **why_out)
{
	const char *s = type_string;
	char end;

	memset(out, 0, sizeof(*out));

	struct bytes name = take_until(&s, "( ,)", &end);
	if (name.len == 0 || end != '(')
		return fail(why_out, ERR_FORMAT, "a type is a name and members in brackets");
	do {
		enum err e = parse_member(&s, out, &end, why_out);
		if (e)
			return e;
	} while (end == ',');
	if (strcmp(s, has_source(out, EIP712_KEY_DIGESTS) ? EIP712_KEY_DIGEST : "") != 0)
		return fail(why_out, ERR_FORMAT, "behind its ) the type should end, or name what it uses");
	out->hash = keccak_text(type_string);
	return OK;
}

struct b32 eip712_domain(const char *name, const char *version, uint64_t chain_id,
			 const struct addr *contract)
{
	struct b32 word[5] = {
		keccak_text("EIP712Domain(string name,string version,uint256 chainId,"
			    "address verifyingContract)"),
		keccak_text(name),
		keccak_text(version),
	};

	be64_put(word[3].b + 24, chain_id);
	memcpy(word[4].b + 12, contract->b, sizeof(contract->b));
	return keccak_bytes(BYTES_OF(word));
}

static struct b32 value_of(enum eip712_source source, const struct eip712_values *v)
{
	struct b32 number = { { 0 } };

	switch (source) {
	case EIP712_HANDLES:
		return v->handles_hash;
	case EIP712_PUBLIC_KEY:
		return v->public_key_hash;
	case EIP712_EXTRA_DATA:
		return keccak_bytes(v->extra_data);
	case EIP712_PREPROCESSING:
		return v->preprocessing_id;
	case EIP712_KEY:
	case EIP712_CRS:
		return v->result_id;
	case EIP712_KEY_DIGESTS:
		return v->key_digests;
	case EIP712_MAX_BITS:
		be64_put(number.b + 24, v->max_bits);
		return number;
	case EIP712_RESULT:
	case EIP712_SHARE:
	case EIP712_SHARE_2025:
	case EIP712_CRS_DIGEST:
	case EIP712_CRS_2025:
	case EIP712_UPGRADE_KEY:
		break;
	}
	return keccak_bytes(v->result);
}

struct b32 eip712_key_digest(uint8_t key_type, struct bytes digest)
{
	struct b32 word[3] = { keccak_text(EIP712_KEY_DIGEST), { { 0 } }, keccak_bytes(digest) };

	word[1].b[31] = key_type;
	return keccak_bytes(BYTES_OF(word));
}

static struct b32 struct_hash(const struct eip712_type *type, const struct eip712_values *v)
{
	struct b32 word[1 + EIP712_MEMBERS_MAX];

	word[0] = type->hash;
	for (unsigned i = 0; i < type->count; i++)
		word[1 + i] = value_of(type->member[i], v);
	return keccak_bytes(BYTES(word, (1u + type->count) * sizeof(word[0])));
}

struct b32 eip712_digest(const struct b32 *domain, const struct eip712_type *type,
			 const struct eip712_values *v)
{
	struct b32 hash = struct_hash(type, v);
	uint8_t text[2 + 32 + 32] = { 0x19, 0x01 };

	memcpy(text + 2, domain->b, 32);
	memcpy(text + 34, hash.b, 32);
	return keccak_bytes(BYTES_OF(text));
}

static bool is_low(const secp256k1_ecdsa_recoverable_signature *sig)
{
	const secp256k1_context *ctx = secp256k1_context_static;
	secp256k1_ecdsa_signature plain;

	secp256k1_ecdsa_recoverable_signature_convert(ctx, &plain, sig);
	return !secp256k1_ecdsa_signature_normalize(ctx, NULL, &plain);
}

static struct addr addr_of_key(const secp256k1_pubkey *key)
{
	uint8_t point[65];
	size_t len = sizeof(point);
	struct addr a;

	secp256k1_ec_pubkey_serialize(secp256k1_context_static, point, &len, key,
				      SECP256K1_EC_UNCOMPRESSED);

	struct b32 hash = keccak_bytes(BYTES(point + 1, len - 1));	/* without the 0x04 */

	memcpy(a.b, hash.b + 12, sizeof(a.b));
	return a;
}

/* The context is the library's constant one: recovery needs no secret and no table. */
enum err eip712_recover(const struct b32 *digest, struct bytes sig, struct addr *out)
{
	const secp256k1_context *ctx = secp256k1_context_static;
	secp256k1_ecdsa_recoverable_signature parsed;
	secp256k1_pubkey key;

	if (sig.len != 65)
		return ERR_FORMAT;

	int v = sig.p[64] >= 27 ? sig.p[64] - 27 : sig.p[64];

	if (v > 1)
		return ERR_FORMAT;
	if (!secp256k1_ecdsa_recoverable_signature_parse_compact(ctx, &parsed, sig.p, v))
		return ERR_FORMAT;	/* r or s not below the order of the group */
	if (!is_low(&parsed))
		return ERR_FORMAT;
	if (!secp256k1_ecdsa_recover(ctx, &key, &parsed, digest->b))
		return ERR_MISMATCH;
	*out = addr_of_key(&key);
	return OK;
}

enum err eip712_identity(struct bytes identity, struct addr *out)
{
	uint8_t point[65] = { SECP256K1_TAG_PUBKEY_UNCOMPRESSED };
	secp256k1_pubkey key;

	if (identity.len == sizeof(out->b)) {
		memcpy(out->b, identity.p, sizeof(out->b));
		return OK;
	}
	if (identity.len == sizeof(point) - 1) {
		memcpy(point + 1, identity.p, identity.len);
		identity = BYTES_OF(point);
	}
	/* The library takes a third form of 65 bytes, with another head, that nobody registers. */
	if (identity.len != 33 && (identity.len != sizeof(point) || identity.p[0] != point[0]))
		return ERR_FORMAT;
	if (!secp256k1_ec_pubkey_parse(secp256k1_context_static, &key, identity.p, identity.len))
		return ERR_FORMAT;
	*out = addr_of_key(&key);
	return OK;
}
