/* opid - ids for people, a kind's prefix and a number; ids of results. */

#include "common/opid.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/keccak.h"
#include "common/log.h"
#include "common/u256.h"
#include "proto/operations.h"

char *opid_text(uint64_t kind, const struct b32 *id, char out[OPID_TEXT])
{
	const char *prefix = op_prefix(kind);
	char unknown[12], number[67];
	struct u256 v;
	uint64_t small;

	if (!prefix) {
		snprintf(unknown, sizeof(unknown), "kind%u", (unsigned)(kind & 0xffff));
		prefix = unknown;
	}
	memcpy(v.b, id->b, sizeof(v.b));
	if (u256_to_u64(&v, &small) == OK)
		snprintf(out, OPID_TEXT, "%s-%" PRIu64, prefix, small);
	else
		snprintf(out, OPID_TEXT, "%s-%s", prefix, u256_hex(&v, number));
	return out;
}

enum err opid_parse(const char *s, uint64_t *kind_out, struct b32 *id_out)
{
	const char *dash = strchr(s, '-');
	struct u256 v;

	if (!dash || dash == s || dash - s > 15)
		return ERR_FORMAT;
	enum op_kind kind = op_by_prefix(s, (unsigned)(dash - s));
	if (!kind)
		return ERR_UNKNOWN;

	const char *number = dash + 1;
	size_t len = strlen(number);
	bool is_hex = len > 2 && number[0] == '0' && number[1] == 'x';
	enum err e = len == 0 ? ERR_FORMAT
		   : is_hex ? u256_from_hex(number, len, &v) : u256_from_dec(number, len, &v);
	if (e)
		return e;
	memcpy(id_out->b, v.b, sizeof(id_out->b));
	*kind_out = kind;
	return OK;
}

/* What the tag of a result id is the keccak256 of. */
static const char *const result_tag[KIND_COUNT] = {
	[KIND_preprocess_keygen] = "preprocessKeygen",
	[KIND_preprocess_ksk]    = "preprocessKsk",
	[KIND_keygen]            = "keygen",
	[KIND_crsgen]            = "crsgen",
	[KIND_ksk]               = "ksk",
};

bool op_has_result_id(uint64_t kind)
{
	return kind < KIND_COUNT && result_tag[kind];
}

struct b32 op_result_id(uint64_t kind, uint64_t chain, const struct addr *contract,
			const struct b32 *request_id)
{
	struct b32 word[4] = { { { 0 } } };

	check(op_has_result_id(kind));
	word[0] = keccak_text(result_tag[kind]);
	be64_put(word[1].b + 24, chain);
	memcpy(word[2].b + 12, contract->b, sizeof(contract->b));
	word[3] = *request_id;
	return keccak_bytes(BYTES_OF(word));
}
