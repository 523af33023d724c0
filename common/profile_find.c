/* profile_find - looking things up in a parsed profile. */

#include "common/profile.h"

#include "common/eip712.h"

const struct profile_response *find_response(const struct profile *p, enum op_kind kind)
{
	for (unsigned i = 0; i < p->responses; i++)
		if (p->response[i].kind == kind)
			return &p->response[i];
	return NULL;
}

const struct profile_answered *find_answered(const struct profile *p, enum op_kind kind)
{
	for (unsigned i = 0; i < p->answered; i++)
		if (p->answer[i].kind == kind)
			return &p->answer[i];
	return NULL;
}

const struct profile_request *find_request(const struct profile *p, const struct addr *contract,
					   const struct b32 *topic0)
{
	for (unsigned i = 0; i < p->requests; i++) {
		const struct profile_request *r = &p->request[i];

		if (b32_eq(&r->event.hash, topic0) &&
		    addr_eq(&p->contract[r->contract].address, contract))
			return r;
	}
	return NULL;
}

/* Some nodes cut the data of a revert, so the selector alone decides. */
enum revert_meaning profile_revert(const struct profile *p, struct bytes data,
				   const char **name_out)
{
	*name_out = NULL;
	if (data.len < 4)
		return REVERT_unknown;
	for (unsigned i = 0; i < p->reverts; i++) {
		if (memcmp(p->revert[i].error.selector, data.p, 4) == 0) {
			*name_out = p->revert[i].error.name;
			return p->revert[i].meaning;
		}
	}
	return REVERT_unknown;
}

enum err profile_identity(const struct profile_read *r, struct abi_view root,
			  const struct addr *account, struct addr *out)
{
	struct abi_view list, key, value;

	if (!abi_member_at(root, 0, &list) || abi_type_of(list) != ABI_ARRAY)
		return ERR_FORMAT;
	for (uint32_t i = 0; i < abi_count(list); i++) {
		struct abi_view item = abi_item(list, i);

		if (!abi_member(item, r->key, &key) || abi_type_of(key) != ABI_ADDRESS ||
		    !abi_member(item, r->value, &value))
			return ERR_FORMAT;

		struct addr a = abi_addr(key);

		if (!addr_eq(&a, account))
			continue;
		if (abi_type_of(value) == ABI_BYTES)
			return eip712_identity(abi_bytes(value), out);
		*out = abi_addr(value);
		return abi_type_of(value) == ABI_ADDRESS ? OK : ERR_FORMAT;
	}
	return ERR_MISSING;
}
