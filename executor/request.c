/* request - from a raw log to materials, by the roles that the profile gives. */

#include "executor/request.h"

#include <stdlib.h>

#include "common/keccak.h"
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

static size_t topics_of(struct bytes topics, struct b32 out[4])
{
	size_t n = topics.len / 32;

	if (n > 4)
		n = 4;
	if (n)
		memcpy(out, topics.p, n * 32);
	return n;
}

struct b32 request_id(const struct profile_request *p, struct bytes topics, struct bytes data)
{
	struct b32 t[4] = { { { 0 } } }, id = { { 0 } };
	struct abi_view root, v;
	const char *name = p->role[REQUEST_id];

	topics_of(topics, t);
	if (!*name || abi_topic(&p->event, t, name, &id))
		return id;
	if (abi_decode(&p->event, p->event.inputs, data, &root) == OK && abi_member(root, name, &v))
		id = abi_word(v);
	return id;
}

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

static const char *read_material(const struct profile_request *p, struct abi_view item,
				 struct request *r, struct material *m, unsigned *holders)
{
	struct abi_view v;

	if (!word_of(item, p->role[REQUEST_handle], &m->handle))
		return "a material has no handle";
	if (handle_type(&m->handle) < 0)
		return "a handle has an unknown FHE type or version";
	word_of(item, p->role[REQUEST_key_id], &m->key_id);
	word_of(item, p->role[REQUEST_digest], &m->digest);
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

static const char *read_materials(const struct profile_request *p, struct abi_view list,
				  struct request *r)
{
	struct keccak k;
	unsigned holders = 0;

	keccak_init(&k);
	for (unsigned i = 0; i < r->materials; i++) {
		struct material *m = &r->material[i];
		const char *why = read_material(p, abi_item(list, i), r, m, &holders);
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

static struct request *new_request(unsigned materials, unsigned holders, struct bytes extra)
{
	size_t m = materials * sizeof(struct material), h = holders * sizeof(struct addr);
	struct request *r = calloc(1, sizeof(*r) + m + h + extra.len);

	if (!r)
		return NULL;
	r->materials = materials;
	r->material = (struct material *)(r + 1);
	r->coprocessor = (struct addr *)(void *)((uint8_t *)(r + 1) + m);
	uint8_t *e = (uint8_t *)(r + 1) + m + h;
	if (extra.len)
		memcpy(e, extra.p, extra.len);
	r->extra_data = BYTES(e, extra.len);
	return r;
}

enum err request_decode(const struct profile_request *p, struct bytes topics, struct bytes data,
			struct request **out, const char **why_out)
{
	struct abi_view root, list, v;
	struct bytes extra = { 0 };

	*why_out = "its data cannot be decoded";
	enum err e = abi_decode(&p->event, p->event.inputs, data, &root);
	if (e)
		return e;
	*why_out = "it has no list of ciphertexts";
	if (!abi_member(root, p->role[REQUEST_materials], &list))
		return ERR_FORMAT;
	*why_out = "it has no ciphertexts, or too many";
	if (abi_count(list) == 0 || abi_count(list) > MATERIALS_MAX)
		return ERR_RANGE;
	if (*p->role[REQUEST_extra_data] && abi_member(root, p->role[REQUEST_extra_data], &v))
		extra = abi_bytes(v);
	struct request *r = new_request(abi_count(list), count_holders(p, list), extra);
	if (!r)
		return ERR_NOMEM;
	r->id = request_id(p, topics, data);
	*why_out = read_materials(p, list, r);
	if (*why_out) {
		free(r);
		return ERR_RANGE;
	}
	*out = r;
	return OK;
}
