/* answers - what the Core makes of a request, and its signature. */

#include "tests/peers/fakecore/answers.h"

#include <stdlib.h>

#include <nettle/sha2.h>
#include <secp256k1_recovery.h>

#include "common/eip712.h"
#include "common/keccak.h"
#include "common/log.h"
#include "proto/fhe_types.h"
#include "proto/kms.pb-c.h"

/* what is signed: today; in April 2025 ("": nobody signed it then) */
#define SIGNED_TYPES(T) \
	T(PUBLIC, "PublicDecryptVerification(bytes32[] ctHandles,bytes decryptedResult,bytes extraData)", \
	  "PublicDecryptVerification(bytes32[] ctHandles,bytes decryptedResult)") \
	T(USER, "UserDecryptResponseVerification(bytes publicKey,bytes32[] ctHandles," \
	  "bytes userDecryptedShare,bytes extraData)", \
	  "UserDecryptResponseVerification(bytes publicKey,bytes32[] ctHandles,bytes reencryptedShare)") \
	T(PREPROC, "PrepKeygenVerification(uint256 prepKeygenId,bytes extraData)", "") \
	T(KEYGEN, "KeygenVerification(uint256 prepKeygenId,uint256 keyId,KeyDigest[] keyDigests," \
	  "bytes extraData)" EIP712_KEY_DIGEST, "") \
	T(KSK, "FheDecompressionUpgradeKey(bytes decompression_upgrade_key)", "") \
	T(CRSGEN, "CrsgenVerification(uint256 crsId,uint256 maxBitLength,bytes crsDigest,bytes extraData)", \
	  "CRS(bytes crs)")

enum signed_type {
#define T(name, today, april) SIGNED_##name,
	SIGNED_TYPES(T)
#undef T
	SIGNED_COUNT,
};

static const char *const type_strings[SIGNED_COUNT][2] = {
#define T(name, today, april) { today, april },
	SIGNED_TYPES(T)
#undef T
};

#define SHARE_MAX (256u << 10) /* bytes of one that is padded */
#define LINKER "UserDecryptionLinker(bytes publicKey,bytes32[] handles,address userAddress)"

struct signer {
	secp256k1_context *context;		/* owned */
	uint8_t key[32];
	uint8_t verification_key[33];
	struct addr address;
	bool signs[SIGNED_COUNT];		/* at its date */
	struct eip712_type type[SIGNED_COUNT];
};

struct signer *signer_new(const uint8_t key[32], const char *date)
{
	static struct signer s;			/* one in a program */
	bool april = date && strcmp(date, "2025-04") == 0;
	secp256k1_pubkey point;
	size_t len = sizeof(s.verification_key);

	if (date && !april && strcmp(date, "today") != 0)
		return NULL;
	s.context = secp256k1_context_create(SECP256K1_CONTEXT_SIGN);
	memcpy(s.key, key, sizeof(s.key));
	if (!secp256k1_ec_pubkey_create(s.context, &point, key))
		return NULL;
	secp256k1_ec_pubkey_serialize(s.context, s.verification_key, &len, &point,
				      SECP256K1_EC_COMPRESSED);
	check(eip712_identity(BYTES_OF(s.verification_key), &s.address) == OK);
	for (int i = 0; i < SIGNED_COUNT; i++) {
		s.signs[i] = *type_strings[i][april];
		if (s.signs[i])
			check(eip712_parse(type_strings[i][april], &s.type[i], NULL) == OK);
	}
	return &s;
}

struct addr signer_address(const struct signer *s)
{
	return s->address;
}

/* An external signature; LEN is 0 where nobody signed. */
struct signature {
	uint8_t b[65];
	size_t len;
};

static struct signature sign(const struct signer *s, enum signed_type type,
			     const struct b32 *domain, const struct eip712_values *v,
			     const struct twist *t)
{
	struct signature out = { .len = s->signs[type] ? 65 : 0 };
	secp256k1_ecdsa_recoverable_signature sig;
	int recid;

	if (!out.len)
		return out;
	struct b32 digest = eip712_digest(domain, &s->type[type], v);
	check(secp256k1_ecdsa_sign_recoverable(s->context, &sig, digest.b,
					       t->has_key ? t->key : s->key, NULL, NULL));
	secp256k1_ecdsa_recoverable_signature_serialize_compact(s->context, out.b, &recid, &sig);
	out.b[64] = (uint8_t)(27 + recid);
	if (t->bad_signature)
		memset(out.b, 0xff, 32);
	if (t->short_signature)
		out.len = 64;
	return out;
}

/* ---- parts of messages; protobuf-c wants all that it packs to be writable ---- */

#define BIN(ptr, n) ((ProtobufCBinaryData){ .data = (uint8_t *)(uintptr_t)(ptr), .len = (n) })

struct signed_fields {
	Kms__V1__TypedSignature typed, *list[1];
	uint8_t own[64];		/* the Core's own signature: anything */
};

/* The typed signature of an answer; returns how many there are. */
static size_t set_signatures(struct signed_fields *f, const struct work *w,
			     const struct signature *sig)
{
	f->typed = (Kms__V1__TypedSignature)KMS__V1__TYPED_SIGNATURE__INIT;
	f->typed.signature = BIN(sig->b, sig->len);
	f->list[0] = &f->typed;
	return w->ecdsa && sig->len;
}

static void set_own(struct signed_fields *f, const struct signature *sig)
{
	struct sha512_ctx hash;

	sha512_init(&hash);
	sha512_update(&hash, sig->len, sig->b);
	sha512_digest(&hash, sizeof(f->own), f->own);
}

struct id_field {
	Kms__V1__RequestId m;
	char hex[65];
};

static Kms__V1__RequestId *set_id(struct id_field *f, const struct b32 *id, bool other)
{
	struct b32 next = *id;

	for (int i = 31; other && i >= 0 && ++next.b[i] == 0; i--)
		;
	f->m = (Kms__V1__RequestId)KMS__V1__REQUEST_ID__INIT;
	f->m.request_id = hex_encode(BYTES_OF(next.b), f->hex);
	return &f->m;
}

static void pack(struct text *out, const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *p = malloc(len + 1);

	check(p != NULL);
	text_bytes(out, BYTES(p, protobuf_c_message_pack(m, p)));
	free(p);
}

static struct b32 hash_handles(const struct work *w)
{
	struct keccak k;
	struct b32 out;

	keccak_init(&k);
	for (unsigned i = 0; i < w->parts; i++)
		keccak_update(&k, w->part[i].handle.b, 32);
	keccak_final(&k, out.b);
	return out;
}

/* ---- public decryption ---- */

/* A plaintext as the answer has it; may be longer than a part's. */
struct plain {
	int32_t type;
	size_t len;
	uint8_t *bytes;			/* owned, little-endian */
};

static struct plain plain_of(const struct part *p, size_t pad_to)
{
	struct plain out = { .type = p->type, .len = p->len > pad_to ? p->len : pad_to };

	out.bytes = calloc(1, out.len);
	check(out.bytes != NULL);
	memcpy(out.bytes, p->bytes, p->len);
	return out;
}

static unsigned twist_parts(const struct work *w, const struct twist *t)
{
	return w->parts - (t->plaintexts == PLAINTEXTS_missing) +
	       (t->plaintexts == PLAINTEXTS_extra);
}

/* The caller frees the list and the bytes of each. */
static struct plain *make_plains(const struct work *w, const struct twist *t, unsigned count)
{
	struct plain *list = calloc(count + 1, sizeof(*list));

	check(list != NULL);
	for (unsigned i = 0; i < count; i++)
		list[i] = plain_of(&w->part[i < w->parts ? i : 0], t->pad_to);
	if (t->plaintexts == PLAINTEXTS_wrong)
		list[0].bytes[0] ^= 1;
	if (t->plaintexts == PLAINTEXTS_type)
		list[0].type = list[0].type == 4 ? 5 : 4;
	return list;
}

static bool is_wide(int32_t type)
{
	return type >= 9;		/* BYTES in proto/fhe_types.h */
}

static void add_number(struct text *out, const uint8_t *le, size_t len)
{
	uint8_t word[32] = { 0 };

	for (size_t i = 0; i < 32 && i < len; i++)
		word[31 - i] = le[i];
	text_bytes(out, BYTES_OF(word));
}

static void add_length(struct text *out, uint64_t v)
{
	uint8_t word[32] = { 0 };

	be64_put(word + 24, v);
	text_bytes(out, BYTES_OF(word));
}

static void add_reversed(struct text *out, const struct plain *p)
{
	static const uint8_t zero[32];

	for (size_t i = p->len; i > 0; i--)
		text_bytes(out, BYTES(p->bytes + i - 1, 1));
	text_bytes(out, BYTES(zero, (32 - p->len % 32) % 32));
}

/* abi.encode(uint256 0, v1, .., vn) without its first word. */
static void encode_result(struct text *out, const struct plain *list, unsigned count)
{
	uint64_t tail = 32 * (1 + (uint64_t)count);

	for (unsigned i = 0; i < count; i++) {
		if (!is_wide(list[i].type)) {
			add_number(out, list[i].bytes, list[i].len);
			continue;
		}
		add_length(out, tail);
		tail += 32 + (list[i].len + 31) / 32 * 32;
	}
	for (unsigned i = 0; i < count; i++) {
		if (!is_wide(list[i].type))
			continue;
		add_length(out, list[i].len);
		add_reversed(out, &list[i]);
	}
}

static void pack_public(const struct work *w, const struct signer *s, const struct twist *t,
			const struct signature *sig, const struct plain *list, unsigned count,
			struct text *out)
{
	Kms__V1__PublicDecryptionResponse m = KMS__V1__PUBLIC_DECRYPTION_RESPONSE__INIT;
	Kms__V1__PublicDecryptionResponsePayload p =
		KMS__V1__PUBLIC_DECRYPTION_RESPONSE_PAYLOAD__INIT;
	Kms__V1__TypedPlaintext *typed = calloc(count + 1, sizeof(*typed)), **list_of = NULL;
	struct signed_fields f;
	struct id_field id;

	list_of = calloc(count + 1, sizeof(*list_of));
	check(typed && list_of);
	for (unsigned i = 0; i < count; i++) {
		typed[i] = (Kms__V1__TypedPlaintext)KMS__V1__TYPED_PLAINTEXT__INIT;
		typed[i].bytes = BIN(list[i].bytes, list[i].len);
		typed[i].fhe_type = list[i].type;
		list_of[i] = &typed[i];
	}
	p.verification_key = BIN(s->verification_key, sizeof(s->verification_key));
	p.n_plaintexts = count;
	p.plaintexts = list_of;
	p.request_id = set_id(&id, &w->id, t->other_id);
	set_own(&f, sig);
	m.signature = BIN(f.own, sizeof(f.own));
	m.external_signature = BIN(sig->b, t->no_external ? 0 : sig->len);
	m.payload = &p;
	m.extra_data = BIN(w->extra.p, w->extra.len);
	m.n_signatures = set_signatures(&f, w, sig);
	m.signatures = f.list;
	pack(out, &m.base);
	free(typed);
	free(list_of);
}

static void make_public(const struct work *w, const struct signer *s, const struct twist *t,
			struct text *out)
{
	unsigned count = twist_parts(w, t);
	struct plain *list = make_plains(w, t, count);
	struct text result;

	text_init(&result, SIZE_MAX / 2);
	encode_result(&result, list, count);
	struct eip712_values v = { .handles_hash = hash_handles(w),
				   .result = BYTES(result.p, result.len),
				   .extra_data = BYTES(w->extra.p, w->extra.len) };
	struct signature sig = sign(s, SIGNED_PUBLIC, &w->domain, &v, t);
	pack_public(w, s, t, &sig, list, count, out);
	text_fini(&result);
	for (unsigned i = 0; i < count; i++)
		free(list[i].bytes);
	free(list);
}

/* ---- user decryption ---- */

static void add_le(struct text *out, uint64_t v, unsigned width)
{
	uint8_t b[8];

	for (unsigned i = 0; i < width; i++)
		b[i] = (uint8_t)(v >> 8 * i);
	text_bytes(out, BYTES(b, width));
}

static void add_counted(struct text *out, const void *p, size_t len)
{
	add_le(out, len, 8);
	text_bytes(out, BYTES(p, len));
}

static struct b32 linker_digest(const struct work *w)
{
	struct b32 word[4] = { keccak_text(LINKER),
			       keccak_bytes(BYTES(w->enc_key.p, w->enc_key.len)), hash_handles(w) };
	uint8_t all[66] = { 0x19, 0x01 };

	memcpy(word[3].b + 12, w->client.b, 20);
	struct b32 hash = keccak_bytes(BYTES_OF(word));
	memcpy(all + 2, w->domain.b, 32);
	memcpy(all + 34, hash.b, 32);
	return keccak_bytes(BYTES_OF(all));
}

/* The first share may be longer than it is. */
static struct bytes share_of(const struct work *w, unsigned i, const struct twist *t)
{
	static uint8_t padded[SHARE_MAX];
	const struct part *p = &w->part[i < w->parts ? i : 0];
	size_t len = t->pad_to < SHARE_MAX ? t->pad_to : SHARE_MAX;

	if (i > 0 || len <= p->len)
		return BYTES(p->bytes, p->len);
	memcpy(padded, p->bytes, p->len);
	return BYTES(padded, len);
}

/* The payload as it is signed and goes to the chain: numbers little-endian, lists counted. */
static void encode_payload(struct text *out, const struct work *w, const struct signer *s,
			   const struct twist *t, const struct b32 *digest, unsigned count)
{
	add_counted(out, s->verification_key, sizeof(s->verification_key));
	add_counted(out, digest->b, 32);
	add_le(out, count, 8);
	for (unsigned i = 0; i < count; i++) {
		const struct part *p = &w->part[i < w->parts ? i : 0];
		add_le(out, (uint32_t)p->type, 4);
		struct bytes share = share_of(w, i, t);
		add_counted(out, share.p, share.len);
		add_counted(out, p->handle.b, 32);
		add_le(out, 1, 4);
	}
	add_le(out, 1, 4);
	add_le(out, 1, 4);
}

static void pack_user(const struct work *w, const struct signer *s, const struct twist *t,
		      const struct signature *sig, const struct b32 *digest, unsigned count,
		      struct text *out)
{
	Kms__V1__UserDecryptionResponse m = KMS__V1__USER_DECRYPTION_RESPONSE__INIT;
	Kms__V1__UserDecryptionResponsePayload p = KMS__V1__USER_DECRYPTION_RESPONSE_PAYLOAD__INIT;
	Kms__V1__TypedSigncryptedCiphertext *typed = calloc(count + 1, sizeof(*typed)),
					    **list = NULL;
	struct signed_fields f;

	list = calloc(count + 1, sizeof(*list));
	check(typed && list);
	for (unsigned i = 0; i < count; i++) {
		const struct part *part = &w->part[i < w->parts ? i : 0];
		typed[i] = (Kms__V1__TypedSigncryptedCiphertext)
			KMS__V1__TYPED_SIGNCRYPTED_CIPHERTEXT__INIT;
		typed[i].fhe_type = part->type;
		struct bytes share = share_of(w, i, t);
		typed[i].signcrypted_ciphertext = BIN(share.p, share.len);
		typed[i].external_handle = BIN(part->handle.b, 32);
		typed[i].packing_factor = 1;
		list[i] = &typed[i];
	}
	p.verification_key = BIN(s->verification_key, sizeof(s->verification_key));
	p.digest = BIN(digest->b, 32);
	p.n_signcrypted_ciphertexts = count;
	p.signcrypted_ciphertexts = list;
	p.party_id = p.degree = 1;
	set_own(&f, sig);
	m.signature = BIN(f.own, sizeof(f.own));
	m.external_signature = BIN(sig->b, t->no_external ? 0 : sig->len);
	m.payload = &p;
	m.extra_data = BIN(w->extra.p, w->extra.len);
	m.n_signatures = set_signatures(&f, w, sig);
	m.signatures = f.list;
	pack(out, &m.base);
	free(typed);
	free(list);
}

static void make_user(const struct work *w, const struct signer *s, const struct twist *t,
		      struct text *out)
{
	unsigned count = twist_parts(w, t);
	struct b32 digest = linker_digest(w);
	struct text payload;

	text_init(&payload, SIZE_MAX / 2);
	encode_payload(&payload, w, s, t, &digest, count);
	struct eip712_values v = { .handles_hash = hash_handles(w),
				   .public_key_hash =
					   keccak_bytes(BYTES(w->enc_key.p, w->enc_key.len)),
				   .result = BYTES(payload.p, payload.len),
				   .extra_data = BYTES(w->extra.p, w->extra.len) };
	struct signature sig = sign(s, SIGNED_USER, &w->domain, &v, t);
	pack_user(w, s, t, &sig, &digest, count, out);
	text_fini(&payload);
}

/* ---- key operations ---- */

/* sha256 of the words and the id in hex: what stands for a key or a reference string. */
static struct b32 digest_of(const char *what, const char *more, const struct b32 *id)
{
	struct sha256_ctx hash;
	struct b32 out;
	char hex[65];

	sha256_init(&hash);
	sha256_update(&hash, strlen(what), (const uint8_t *)what);
	sha256_update(&hash, strlen(more), (const uint8_t *)more);
	sha256_update(&hash, 64, (const uint8_t *)hex_encode(BYTES_OF(id->b), hex));
	sha256_digest(&hash, 32, out.b);
	return out;
}

static void make_preproc(const struct work *w, const struct signer *s, const struct twist *t,
			 struct text *out)
{
	Kms__V1__KeyGenPreprocResult m = KMS__V1__KEY_GEN_PREPROC_RESULT__INIT;
	struct eip712_values v = { .preprocessing_id = w->id };
	struct signature sig = sign(s, SIGNED_PREPROC, &w->domain, &v, t);
	struct signed_fields f;
	struct id_field id;

	m.preprocessing_id = set_id(&id, &w->id, t->other_id);
	m.external_signature = BIN(sig.b, t->no_external ? 0 : sig.len);
	m.n_signatures = set_signatures(&f, w, &sig);
	m.signatures = f.list;
	pack(out, &m.base);
}

/* A standard key set has two digests; a decompression key has one, signed under its own type. */
static void make_keygen(const struct work *w, const struct signer *s, const struct twist *t,
			struct text *out)
{
	const char *names[] = { w->decompression ? "DecompressionKey" : "ServerKey", "PublicKey" };
	Kms__V1__KeyGenResult m = KMS__V1__KEY_GEN_RESULT__INIT;
	Kms__V1__KeyDigest digest[2], *list[2] = { &digest[0], &digest[1] };
	struct b32 hash[2], hashes[2];
	struct signed_fields f;
	struct id_field id, preproc;

	for (uint8_t i = 0; i < 2; i++) {
		hash[i] = digest_of("key", names[i], &w->id);
		hashes[i] = eip712_key_digest(i, BYTES_OF(hash[i].b));
		digest[i] = (Kms__V1__KeyDigest)KMS__V1__KEY_DIGEST__INIT;
		digest[i].key_type = (char *)(uintptr_t)names[i];
		digest[i].digest = BIN(hash[i].b, 32);
	}
	struct eip712_values v = { .preprocessing_id = w->preproc,
				   .result_id = w->id,
				   .key_digests = keccak_bytes(BYTES_OF(hashes)),
				   .result = BYTES_OF(hash[0].b) };
	struct signature sig =
		sign(s, w->decompression ? SIGNED_KSK : SIGNED_KEYGEN, &w->domain, &v, t);
	m.request_id = set_id(&id, &w->id, t->other_id);
	m.preprocessing_id = set_id(&preproc, &w->preproc, false);
	m.n_key_digests = w->decompression ? 1 : 2;
	m.key_digests = list;
	m.external_signature = BIN(sig.b, t->no_external ? 0 : sig.len);
	m.n_signatures = set_signatures(&f, w, &sig);
	m.signatures = f.list;
	pack(out, &m.base);
}

static void make_crsgen(const struct work *w, const struct signer *s, const struct twist *t,
			struct text *out)
{
	Kms__V1__CrsGenResult m = KMS__V1__CRS_GEN_RESULT__INIT;
	struct b32 digest = digest_of("crs", "", &w->id);
	struct eip712_values v = { .result_id = w->id,
				   .max_bits = w->bits,
				   .result = BYTES_OF(digest.b) };
	struct signature sig = sign(s, SIGNED_CRSGEN, &w->domain, &v, t);
	struct signed_fields f;
	struct id_field id;

	m.request_id = set_id(&id, &w->id, t->other_id);
	m.crs_digest = BIN(digest.b, 32);
	m.max_num_bits = w->bits;
	m.external_signature = BIN(sig.b, t->no_external ? 0 : sig.len);
	m.n_signatures = set_signatures(&f, w, &sig);
	m.signatures = f.list;
	pack(out, &m.base);
}

void answer_make(const struct work *w, const struct signer *s, const struct twist *t,
		 struct text *out)
{
	static void (*const make[KINDS_COUNT])(const struct work *, const struct signer *,
					       const struct twist *, struct text *) = {
		[KIND_PUBLIC] = make_public,   [KIND_USER] = make_user,
		[KIND_PREPROC] = make_preproc, [KIND_KEYGEN] = make_keygen,
		[KIND_CRSGEN] = make_crsgen,
	};

	make[w->kind](w, s, t, out);
	check(!out->cut);
}
