/* request - from a raw log to materials, by the profile's roles. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/keccak.h"
#include "common/request.h"

TestSuite(request, .timeout = 20);

static struct profile_request row;
static struct profile profile;
static uint8_t data[400 * 1024];
static struct b32 topics[2];

static void begin(void)
{
	cr_assert_eq(abi_parse("event PublicDecryptionRequest(uint256 indexed publicDecryptionId, "
			       "(uint256 ctHandle, uint256 keyId, bytes32 digest, address[] senders)[] materials)",
			       &row.event, NULL, NULL), OK);
	strcpy(row.role[REQUEST_id], "publicDecryptionId");
	strcpy(row.role[REQUEST_materials], "materials");
	strcpy(row.role[REQUEST_handle], "ctHandle");
	strcpy(row.role[REQUEST_key_id], "keyId");
	strcpy(row.role[REQUEST_digest], "digest");
	strcpy(row.role[REQUEST_coprocessors], "senders");
	row.kind = KIND_public_decryption;
	topics[0] = row.event.hash;
	topics[1] = (struct b32){ { [31] = 7 } };
}

static uint8_t *word(size_t at, uint64_t v)
{
	memset(data + at, 0, 32);
	be64_put(data + at + 24, v);
	return data + at;
}

/* N materials with one holder each; the type in each handle's byte 30. */
static struct bytes encode(unsigned n, uint8_t type, uint8_t version)
{
	const size_t each = 6 * 32;
	size_t tuples = 64 + 32 * (size_t)n;

	word(0, 32);
	word(32, n);
	for (size_t i = 0; i < n; i++) {
		size_t at = tuples + i * each;
		word(64 + 32 * i, at - 64);
		uint8_t *handle = word(at, 0);
		handle[0] = (uint8_t)(i + 1);
		handle[1] = (uint8_t)(i >> 8);
		handle[30] = type;
		handle[31] = version;
		word(at + 32, 5);
		word(at + 64, 1000 + i);
		word(at + 96, 128);
		word(at + 128, 1);
		word(at + 160, 0xc0 + i % 16);
	}
	return BYTES(data, tuples + n * each);
}

static const char *why;

static enum err decode(struct bytes d, struct request **out)
{
	struct request_event e = { .profile = &profile, .row = &row,
				   .topics = BYTES(topics, sizeof(topics)), .data = d };

	return request_decode(&e, out, &why);
}

Test(request, materials_in_order, .init = begin)
{
	struct request *r;
	uint8_t handles[2 * 32] = { 0 };
	struct b32 want;

	cr_assert_eq(decode(encode(2, 5, 0), &r), OK, "%s", why);
	cr_assert_eq(r->materials, 2);
	cr_assert_eq(r->id.b[31], 7);
	cr_assert_eq(r->key_id.b[31], 5);
	cr_assert_eq(r->material[1].handle.b[0], 2);
	cr_assert_eq(r->material[1].first, 1);
	cr_assert_eq(r->coprocessor[1].b[19], 0xc1);
	memcpy(handles, r->material[0].handle.b, 32);
	memcpy(handles + 32, r->material[1].handle.b, 32);
	keccak256(handles, sizeof(handles), want.b);
	cr_assert(b32_eq(&want, &r->handles_hash));
	free(r);
}

Test(request, a_thousand_and_more_handles, .init = begin)
{
	struct request *r;

	cr_assert_eq(decode(encode(MATERIALS_MAX, 8, 0), &r), OK, "%s", why);
	cr_assert_eq(r->materials, MATERIALS_MAX);
	free(r);
	cr_assert_eq(decode(encode(MATERIALS_MAX + 1, 8, 0), &r), ERR_RANGE);
}

Test(request, what_can_never_succeed, .init = begin)
{
	struct request *r;

	cr_assert_eq(decode(encode(0, 0, 0), &r), ERR_RANGE);
	cr_assert_eq(decode(encode(1, 12, 0), &r), ERR_RANGE);		/* unknown type */
	cr_assert_str_eq(why, "a handle has an unknown FHE type or version");
	cr_assert_eq(decode(encode(1, 5, 1), &r), ERR_RANGE);		/* unknown version */
	struct bytes d = encode(2, 5, 0);
	data[64 + 64 + 6 * 32 + 32 + 31] = 6;				/* another key */
	cr_assert_eq(decode(d, &r), ERR_RANGE);
	cr_assert_str_eq(why, "its ciphertexts are under different keys");
	d = encode(1, 5, 0);
	d.len -= 32;
	cr_assert_neq(decode(d, &r), OK);
}

Test(request, types_and_their_sizes)
{
	struct b32 h = { { 0 } };
	static const unsigned bytes[] = { 1, 1, 1, 2, 4, 8, 16, 20, 32, 64, 128, 256 };

	for (int type = 0; type < 12; type++) {
		h.b[30] = (uint8_t)type;
		cr_assert_eq(handle_type(&h), type);
		cr_assert_eq(fhe_type_bytes(type), bytes[type]);
		cr_assert_eq(fhe_type_is_word(type), type <= 8);
	}
	h.b[30] = 255;
	cr_assert_eq(handle_type(&h), -1);
}
