/* request - from a raw log to what is asked for, by the roles that the profile gives. */

#include "common/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "common/keccak.h"
#include "common/opid.h"
#include "proto/fhe_types.h"

struct fhe_row {
	uint16_t bytes;
	bool word;
};

#define FHE_WORD  true
#define FHE_BYTES false
static const struct fhe_row fhe_rows[FHE_TYPE_COUNT] = {
#define T(number, name, size, form) [number] = { .bytes = size, .word = FHE_##form },
	FHE_TYPES(T)
#undef T
};

int handle_type(const struct b32 *handle)
{
	uint8_t type = handle->b[FHE_HANDLE_TYPE];

	if (type >= FHE_TYPE_COUNT || handle->b[FHE_HANDLE_VERSION] != 0)
		return -1;
	return type;
}

unsigned fhe_type_bytes(int type)
{
	return fhe_rows[type].bytes;
}

bool fhe_type_is_word(int type)
{
	return fhe_rows[type].word;
}

/* Where the roles' values stand. */
struct roles {
	const struct request_event *e;
	struct b32 topic[4];
	struct abi_view root;
};

static enum err open_roles(const struct request_event *e, struct roles *r)
{
	size_t len = e->topics.len < sizeof(r->topic) ? e->topics.len : sizeof(r->topic);

	memset(r, 0, sizeof(*r));
	r->e = e;
	memcpy(r->topic, e->topics.p, len);
	return abi_decode(&e->row->event, e->row->event.inputs, e->data, &r->root);
}

static bool word_at(const struct roles *r, enum request_role role, struct b32 *out)
{
	const char *path = r->e->row->role[role];
	struct abi_view v;

	if (!*path)
		return false;
	if (abi_topic(&r->e->row->event, r->topic, path, out))
		return true;
	if (!abi_member(r->root, path, &v))
		return false;
	*out = abi_word(v);
	return true;
}

static struct bytes bytes_at(const struct roles *r, enum request_role role)
{
	const char *path = r->e->row->role[role];
	struct abi_view v;

	return *path && abi_member(r->root, path, &v) ? abi_bytes(v) : (struct bytes){ 0 };
}

static struct b32 place_id(const struct request_event *e)
{
	struct b32 word[4] = { { { 0 } } };

	be64_put(word[0].b + 24, e->chain);
	memcpy(word[1].b + 12, e->contract.b, sizeof(e->contract.b));
	word[2] = e->block_hash;
	be64_put(word[3].b + 24, e->log_index);
	return keccak_bytes(BYTES_OF(word));
}

struct b32 request_id(const struct request_event *e)
{
	struct b32 id = { { 0 } };
	struct roles r;

	if (!*e->row->role[REQUEST_id])
		return place_id(e);
	if (open_roles(e, &r) == OK)
		(void)word_at(&r, REQUEST_id, &id);
	return id;
}

/* From here on: decryptions. */

static unsigned count_holders(const struct profile_request *p, struct abi_view list)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < abi_count(list); i++) {
		struct abi_view v;
		if (abi_member(abi_item(list, i), p->role[REQUEST_coprocessors], &v))
			n += abi_count(v);
	}
	return n;
}

static bool word_of(struct abi_view tuple, const char *name, struct b32 *out)
{
	struct abi_view v;

	if (!*name || !abi_member(tuple, name, &v))
		return false;
	*out = abi_word(v);
	return true;
}

static const char *read_inline(const struct profile_request *p, struct abi_view item,
			       struct material *m)
{
	struct abi_view v;

	if (!abi_member(item, p->role[REQUEST_ciphertext], &v))
		return "a material has no ciphertext";
	m->ciphertext = abi_bytes(v);
	if (m->ciphertext.len == 0)
		return "a ciphertext is empty";
	if (!*p->role[REQUEST_digest])
		return NULL;

	struct b32 digest = keccak_bytes(m->ciphertext);

	return b32_eq(&digest, &m->digest) ? NULL : "a ciphertext does not have its digest";
}

static const char *read_material(const struct request_event *e, struct abi_view item,
				 struct request *r, struct material *m, unsigned *holders)
{
	const struct profile_request *p = e->row;
	struct abi_view v;

	if (!word_of(item, p->role[REQUEST_handle], &m->handle))
		return "a material has no handle";
	if (handle_type(&m->handle) < 0)
		return "a handle has an unknown FHE type or version";
	word_of(item, p->role[REQUEST_key_id], &m->key_id);
	word_of(item, p->role[REQUEST_digest], &m->digest);
	if (e->profile->ciphertext_inline)
		return read_inline(p, item, m);
	m->first = *holders;
	if (!abi_member(item, p->role[REQUEST_coprocessors], &v))
		return NULL;
	m->count = abi_count(v);
	if (m->count == 0 || m->count > COPROCESSORS_MAX)
		return "a material names no coprocessor, or too many";
	for (unsigned i = 0; i < m->count; i++)
		r->coprocessor[(*holders)++] = abi_addr(abi_item(v, i));
	return NULL;
}

static const char *read_materials(const struct request_event *e, struct abi_view list,
				  struct request *r)
{
	struct keccak k;
	unsigned holders = 0;

	keccak_init(&k);
	for (unsigned i = 0; i < r->materials; i++) {
		struct material *m = &r->material[i];
		const char *why = read_material(e, abi_item(list, i), r, m, &holders);
		if (why)
			return why;
		if (!b32_eq(&m->key_id, &r->material[0].key_id))
			return "its ciphertexts are under different keys";
		keccak_update(&k, m->handle.b, 32);
	}
	r->key_id = r->material[0].key_id;
	keccak_final(&k, r->handles_hash.b);
	return NULL;
}

/* To whom the result goes. */
static const char *read_user(const struct roles *roles, struct request *r)
{
	const struct profile *p = roles->e->profile;
	const struct profile_contract *c = &p->contract[p->domain[OP_DECRYPTION].contract];
	struct b32 user = { { 0 } };

	if (!word_at(roles, REQUEST_user, &user))
		return "it names no user";
	memcpy(r->user.b, user.b + 12, sizeof(r->user.b));
	if (addr_eq(&r->user, &c->address))
		return "the user is the contract itself";
	r->public_key = bytes_at(roles, REQUEST_public_key);
	if (r->public_key.len == 0 || r->public_key.len > PUBLIC_KEY_MAX)
		return "the user's public key is empty, or over 64 KiB";
	r->public_key_hash = keccak_bytes(r->public_key);
	return NULL;
}

static struct request *new_request(unsigned materials, unsigned holders)
{
	size_t m = materials * sizeof(struct material), h = holders * sizeof(struct addr);
	struct request *r = calloc(1, sizeof(*r) + m + h);

	if (!r)
		return NULL;
	r->materials = materials;
	r->material = (struct material *)(r + 1);
	r->coprocessor = (struct addr *)(void *)((uint8_t *)(r + 1) + m);
	return r;
}

static enum err decode_decryption(const struct roles *roles, struct request **out,
				  const char **why_out)
{
	const struct request_event *e = roles->e;
	struct abi_view list;

	*why_out = "it has no list of ciphertexts";
	if (!abi_member(roles->root, e->row->role[REQUEST_materials], &list))
		return ERR_FORMAT;
	*why_out = "it has no ciphertexts, or too many";
	if (abi_count(list) == 0 || abi_count(list) > MATERIALS_MAX)
		return ERR_RANGE;
	struct request *r = new_request(abi_count(list), count_holders(e->row, list));
	if (!r)
		return ERR_NOMEM;
	*out = r;
	r->extra_data = bytes_at(roles, REQUEST_extra_data);
	*why_out = read_materials(e, list, r);
	if (!*why_out && e->row->kind == KIND_user_decryption)
		*why_out = read_user(roles, r);
	return *why_out ? ERR_RANGE : OK;
}

/* From here on: key operations. */

/* By name in any case, or by digest. */
static bool find_params(const struct profile *p, const char *name, size_t len, uint64_t *out)
{
	for (unsigned i = 0; i < p->fhe_params; i++) {
		const char *known = p->fhe_param[i].name;

		if (strlen(known) == len && strncasecmp(known, name, len) == 0) {
			*out = p->fhe_param[i].value;
			return true;
		}
	}
	return false;
}

static const char *read_params(const struct roles *roles, struct request *r)
{
	static const char unknown[] = "no such FHE parameters";
	const struct request_event *e = roles->e;
	const char *path = e->row->role[REQUEST_fhe_params];
	struct abi_view v;
	struct b32 word;
	char digest[67];

	if (abi_member(roles->root, path, &v) && abi_type_of(v) == ABI_STRING) {
		struct bytes name = abi_bytes(v);
		return find_params(e->profile, (const char *)name.p, name.len, &r->fhe_params)
		       ? NULL : unknown;
	}
	if (!word_at(roles, REQUEST_fhe_params, &word))
		return unknown;
	hex_encode0x(BYTES_OF(word.b), digest);
	return find_params(e->profile, digest, strlen(digest), &r->fhe_params) ? NULL : unknown;
}

static const char *read_key_ids(const struct roles *roles, struct request *r)
{
	struct b32 bits;
	struct u256 n;

	word_at(roles, REQUEST_preprocessing_id, &r->preprocessing_id);
	word_at(roles, REQUEST_source_key_id, &r->source_key_id);
	word_at(roles, REQUEST_destination_key_id, &r->destination_key_id);
	if (roles->e->row->kind == KIND_ksk && b32_eq(&r->source_key_id, &r->destination_key_id))
		return "a key cannot be switched to itself";
	if (!word_at(roles, REQUEST_max_bits, &bits))
		return NULL;
	memcpy(n.b, bits.b, sizeof(n.b));
	if (u256_to_u64(&n, &r->max_bits) != OK || r->max_bits > UINT32_MAX)
		return "the size of the CRS is beyond 32 bits";
	return NULL;
}

static enum err decode_key(const struct roles *roles, struct request **out, const char **why_out)
{
	*why_out = "no memory";
	if (!(*out = new_request(0, 0)))
		return ERR_NOMEM;
	*why_out = read_params(roles, *out);
	if (!*why_out)
		*why_out = read_key_ids(roles, *out);
	return *why_out ? ERR_RANGE : OK;
}

enum err request_decode(const struct request_event *e, struct request **out, const char **why_out)
{
	struct request *r = NULL;
	struct roles roles;

	*why_out = "its data cannot be decoded";
	enum err err = open_roles(e, &roles);
	if (err)
		return err;
	err = op_group(e->row->kind) == OP_KEY ? decode_key(&roles, &r, why_out)
					       : decode_decryption(&roles, &r, why_out);
	if (err) {
		free(r);
		return err;
	}
	r->id = request_id(e);
	if (op_has_result_id(e->row->kind))
		r->core_id = op_result_id(e->row->kind, e->chain, &e->contract, &r->id);
	else
		r->core_id = r->id;
	/* A preprocessing and the key made of it must meet at one Core. */
	r->route = b32_is_zero(&r->preprocessing_id) ? r->core_id : r->preprocessing_id;
	*out = r;
	return OK;
}

enum err request_url(const struct profile *p, const char *bucket, const struct material *m,
		     char *out, size_t cap)
{
	const char *s = p->ciphertext_url;
	char hex[65];
	size_t len = 0;

	while (*s && len + 1 < cap) {
		const char *put = NULL;
		if (strncmp(s, "{bucket}", 8) == 0)
			put = bucket;
		else if (strncmp(s, "{digest}", 8) == 0)
			put = hex_encode(BYTES_OF(m->digest.b), hex);
		else if (strncmp(s, "{handle}", 8) == 0)
			put = hex_encode(BYTES_OF(m->handle.b), hex);
		else if (strncmp(s, "{key_id}", 8) == 0)
			put = hex_encode(BYTES_OF(m->key_id.b), hex);
		if (!put) {
			out[len++] = *s++;
			continue;
		}
		int n = snprintf(out + len, cap - len, "%s", put);
		if (n < 0 || (size_t)n >= cap - len)
			return ERR_TOO_BIG;
		len += (size_t)n;
		s = strchr(s, '}') + 1;
	}
	out[len] = 0;
	return OK;
}
