/* requests - what a Core takes and what it refuses. */

#include "tests/peers/fakecore/answers.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <nettle/sha2.h>

#include "common/eip712.h"
#include "common/log.h"
#include "proto/fhe_types.h"
#include "proto/kms.pb-c.h"

#define INVALID_ARGUMENT 3
#define NOT_FOUND 5

const struct kind_row kind_rows[KINDS_COUNT] = {
#define K(kind, text, start_call, message, result_call, ms) \
	{ .name = text, .start = start_call, .result = result_call, \
	  .request = &message##__descriptor, .wait_ms = ms },
	KINDS(K)
#undef K
};

static const char *const statuses[] = {
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
	"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
	"ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
	"UNAUTHENTICATED",
};

int status_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (strcmp(statuses[i], name) == 0)
			return (int)i;
	return -1;
}

const char *status_name(int status)
{
	return status >= 0 && (size_t)status < ARRAY_LEN(statuses) ? statuses[status] : NULL;
}

void refuse(struct refusal *r, int status, const char *fmt, ...)
{
	va_list ap;

	if (r->status)
		return;		/* the first reason counts */
	r->status = status;
	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
}

static const uint16_t widths[FHE_TYPE_COUNT] = {
#define T(number, name, width, form) [number] = width,
	FHE_TYPES(T)
#undef T
};

static uint8_t lowest_mask(int32_t type)
{
	return type == 0 ? 1 : type == 1 ? 15 : 255;
}

bool id_parse(const char *hex, struct b32 *out)
{
	return strlen(hex) == 64 && strspn(hex, "0123456789abcdef") == 64 &&
	       hex_decode_exact(hex, 64, out->b, 32) == OK;
}

static struct b32 read_id(const Kms__V1__RequestId *m, const char *what, struct refusal *r)
{
	struct b32 id = { { 0 } };

	if (!id_parse(m ? m->request_id : "", &id))
		refuse(r, INVALID_ARGUMENT, "%s is not 64 lower-case hex digits", what);
	return id;
}

static struct addr read_address(const char *text, const char *what, struct refusal *r)
{
	struct addr a = { { 0 } };
	char right[ADDR_TEXT];

	if (addr_parse(text, &a) != OK)
		refuse(r, INVALID_ARGUMENT, "%s is not an address with its checksum: %.50s", what, text);
	else if (strcmp(addr_text(&a, right), text) != 0)
		refuse(r, INVALID_ARGUMENT, "%s has a wrong checksum: %.50s", what, text);
	return a;
}

/* *contract_out is the verifying contract. */
static struct b32 read_domain(const Kms__V1__Eip712DomainMsg *d, struct addr *contract_out,
			      struct refusal *r)
{
	static const uint8_t zero[24];
	struct b32 none = { { 0 } };

	memset(contract_out, 0, sizeof(*contract_out));
	if (!d)
		refuse(r, INVALID_ARGUMENT, "no domain");
	else if (!*d->name || !*d->version)
		refuse(r, INVALID_ARGUMENT, "domain without name or version");
	else if (d->chain_id.len != 32)
		refuse(r, INVALID_ARGUMENT, "domain chain_id has %zu bytes, not 32", d->chain_id.len);
	else if (memcmp(d->chain_id.data, zero, sizeof(zero)) != 0)
		refuse(r, INVALID_ARGUMENT, "domain chain_id is over 64 bits");
	else if (d->base.n_unknown_fields)
		refuse(r, INVALID_ARGUMENT, "a salt is not expected in this domain");
	else
		*contract_out = read_address(d->verifying_contract, "verifying_contract", r);
	return r->status ? none : eip712_domain(d->name, d->version, be64_get(d->chain_id.data + 24),
						contract_out);
}

static void check_key(const Kms__V1__RequestId *m, const struct key_ids *known, struct refusal *r)
{
	struct b32 id = read_id(m, "key_id", r);

	for (unsigned i = 0; i < known->count; i++)
		if (b32_eq(&known->id[i], &id))
			return;
	if (!known->any)
		refuse(r, NOT_FOUND, "no key with this id");
}

/* The stream of plaintext.mjs: block 0 has no number behind the body. */
static void derive_plaintext(struct part *p, const ProtobufCBinaryData *body)
{
	struct sha256_ctx all, one;
	uint8_t block[32];

	sha256_init(&all);
	sha256_update(&all, 9, (const uint8_t *)"plaintext");
	sha256_update(&all, body->len, body->data);
	p->len = widths[p->type];
	for (uint8_t i = 0; i * 32 < p->len; i++) {
		one = all;
		if (i)
			sha256_update(&one, 1, &i);
		sha256_digest(&one, 32, block);
		memcpy(p->bytes + i * 32, block, p->len - i * 32 < 32 ? p->len - i * 32 : 32);
	}
	p->bytes[0] &= lowest_mask(p->type);
}

static void derive_share(struct part *p, struct bytes enc_key, const ProtobufCBinaryData *body)
{
	struct sha256_ctx all;

	sha256_init(&all);
	sha256_update(&all, 5, (const uint8_t *)"share");
	sha256_update(&all, enc_key.len, enc_key.p);
	sha256_update(&all, body->len, body->data);
	sha256_digest(&all, 32, p->bytes);
	sha256_update(&all, 5, (const uint8_t *)"share");
	sha256_update(&all, 32, p->bytes);
	sha256_digest(&all, 32, p->bytes + 32);
	p->len = 64;
}

static void read_part(struct work *w, unsigned i, const Kms__V1__TypedCiphertext *c, struct refusal *r)
{
	struct part *p = &w->part[i];

	if (c->external_handle.len != 32) {
		refuse(r, INVALID_ARGUMENT, "handle %u has %zu bytes", i, c->external_handle.len);
		return;
	}
	if (c->fhe_type < 0 || c->fhe_type >= FHE_TYPE_COUNT) {
		refuse(r, INVALID_ARGUMENT, "ciphertext %u: unknown fhe_type %d", i, c->fhe_type);
		return;
	}
	if (c->external_handle.data[FHE_HANDLE_TYPE] != c->fhe_type) {
		refuse(r, INVALID_ARGUMENT, "ciphertext %u: fhe_type %d, but its handle says %u", i,
			      c->fhe_type, c->external_handle.data[FHE_HANDLE_TYPE]);
		return;
	}
	if (!c->ciphertext.len) {
		refuse(r, INVALID_ARGUMENT, "ciphertext %u is empty", i);
		return;
	}
	p->type = c->fhe_type;
	memcpy(p->handle.b, c->external_handle.data, 32);
	if (w->kind == KIND_PUBLIC)
		derive_plaintext(p, &c->ciphertext);
	else
		derive_share(p, BYTES(w->enc_key.p, w->enc_key.len), &c->ciphertext);
}

static void read_parts(struct work *w, Kms__V1__TypedCiphertext **list, struct refusal *r)
{
	if (!w->parts)
		refuse(r, INVALID_ARGUMENT, "no ciphertexts");
	for (unsigned i = 0; i < w->parts && !r->status; i++)
		read_part(w, i, list[i], r);
}

static void keep_bytes(struct text *out, const ProtobufCBinaryData *in)
{
	if (in->len)
		text_bytes(out, BYTES(in->data, in->len));
}

/* Returns the verifying contract. */
static struct addr read_common(struct work *w, const Kms__V1__Eip712DomainMsg *domain,
			       const int32_t *schemes, size_t count, struct refusal *r)
{
	struct addr contract;

	w->domain = read_domain(domain, &contract, r);
	for (size_t i = 0; i < count; i++)
		w->ecdsa |= schemes[i] == 0;
	return contract;
}

static void read_public(struct work *w, const Kms__V1__PublicDecryptionRequest *m,
			const struct key_ids *known, struct refusal *r)
{
	w->id = read_id(m->request_id, "request_id", r);
	read_common(w, m->domain, m->signing_schemes, m->n_signing_schemes, r);
	check_key(m->key_id, known, r);
	keep_bytes(&w->extra, &m->extra_data);
	read_parts(w, m->ciphertexts, r);
}

static void read_user(struct work *w, const Kms__V1__UserDecryptionRequest *m,
		      const struct key_ids *known, struct refusal *r)
{
	w->id = read_id(m->request_id, "request_id", r);

	struct addr contract = read_common(w, m->domain, m->signing_schemes, m->n_signing_schemes, r);

	check_key(m->key_id, known, r);
	w->client = read_address(m->client_address, "client_address", r);
	if (addr_eq(&w->client, &contract))
		refuse(r, INVALID_ARGUMENT, "client_address is the verifying contract");
	if (!m->enc_key.len)
		refuse(r, INVALID_ARGUMENT, "no enc_key");
	keep_bytes(&w->enc_key, &m->enc_key);
	keep_bytes(&w->extra, &m->extra_data);
	read_parts(w, m->typed_ciphertexts, r);
}

static void read_preproc(struct work *w, const Kms__V1__KeyGenPreprocRequest *m, struct refusal *r)
{
	w->id = read_id(m->request_id, "request_id", r);
	read_common(w, m->domain, m->signing_schemes, m->n_signing_schemes, r);
}

static void read_keygen(struct work *w, const Kms__V1__KeyGenRequest *m, struct refusal *r)
{
	const Kms__V1__KeySetAddedInfo *added = m->keyset_added_info;

	w->id = read_id(m->request_id, "request_id", r);
	w->preproc = read_id(m->preproc_id, "preproc_id", r);
	w->decompression = m->keyset_config && m->keyset_config->keyset_type == 1;
	if (w->decompression) {
		read_id(added ? added->from_keyset_id_decompression_only : NULL, "from_keyset_id", r);
		read_id(added ? added->to_keyset_id_decompression_only : NULL, "to_keyset_id", r);
	}
	read_common(w, m->domain, m->signing_schemes, m->n_signing_schemes, r);
}

static void read_crsgen(struct work *w, const Kms__V1__CrsGenRequest *m, struct refusal *r)
{
	w->id = read_id(m->request_id, "request_id", r);
	w->bits = m->max_num_bits ? m->max_num_bits : 2048;
	read_common(w, m->domain, m->signing_schemes, m->n_signing_schemes, r);
}

static size_t count_parts(enum kind kind, const ProtobufCMessage *m)
{
	if (kind == KIND_PUBLIC)
		return ((const Kms__V1__PublicDecryptionRequest *)m)->n_ciphertexts;
	if (kind == KIND_USER)
		return ((const Kms__V1__UserDecryptionRequest *)m)->n_typed_ciphertexts;
	return 0;
}

struct work *work_new(enum kind kind, const ProtobufCMessage *m, const struct key_ids *known,
		      struct refusal *r)
{
	size_t parts = count_parts(kind, m);

	if (parts > CIPHERTEXTS_MAX) {
		refuse(r, INVALID_ARGUMENT, "too many ciphertexts: %zu", parts);
		return NULL;
	}
	struct work *w = calloc(1, sizeof(*w) + parts * sizeof(w->part[0]));
	check(w != NULL);
	w->kind = kind;
	w->parts = (unsigned)parts;
	text_init(&w->extra, SIZE_MAX / 2);
	text_init(&w->enc_key, SIZE_MAX / 2);
	switch (kind) {
	case KIND_PUBLIC:
		read_public(w, (const void *)m, known, r);
		break;
	case KIND_USER:
		read_user(w, (const void *)m, known, r);
		break;
	case KIND_PREPROC:
		read_preproc(w, (const void *)m, r);
		break;
	case KIND_KEYGEN:
		read_keygen(w, (const void *)m, r);
		break;
	case KIND_CRSGEN:
		read_crsgen(w, (const void *)m, r);
		break;
	case KINDS_COUNT:
		check(false);
	}
	if (r->status)
		work_free(&w);
	return w;
}

void work_free(struct work **w)
{
	if (!*w)
		return;
	text_fini(&(*w)->extra);
	text_fini(&(*w)->enc_key);
	free(*w);
	*w = NULL;
}
