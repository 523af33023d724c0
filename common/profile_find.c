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

struct bytes profile_call(const struct profile_read *r, const struct addr *account,
			  uint8_t out[PROFILE_CALL_MAX])
{
	memset(out, 0, PROFILE_CALL_MAX);
	memcpy(out, r->function.selector, 4);
	memcpy(out + PROFILE_CALL_MAX - sizeof(account->b), account->b, sizeof(account->b));
	return BYTES(out, r->by_key ? PROFILE_CALL_MAX : 4);
}

static enum err find_item(const struct profile_read *r, struct abi_view list,
			  const struct addr *account, struct abi_view *out)
{
	struct abi_view key;

	for (uint32_t i = 0; i < abi_count(list); i++) {
		*out = abi_item(list, i);
		if (!abi_member(*out, r->key, &key) || abi_type_of(key) != ABI_ADDRESS)
			return ERR_FORMAT;

		struct addr a = abi_addr(key);

		if (addr_eq(&a, account))
			return OK;
	}
	return ERR_MISSING;
}

enum err profile_value(const struct profile_read *r, struct abi_view root,
		       const struct addr *account, struct abi_view *out)
{
	struct abi_view first;

	if (!abi_member_at(root, 0, &first))
		return ERR_FORMAT;
	if (abi_type_of(first) == ABI_ARRAY) {
		enum err e = find_item(r, first, account, &root);
		if (e)
			return e;
	}
	if (*r->value || abi_type_of(first) == ABI_ARRAY)
		return abi_member(root, r->value, out) ? OK : ERR_FORMAT;
	*out = first;
	return OK;
}

enum err profile_identity(const struct profile_read *r, struct abi_view root,
			  const struct addr *account, struct addr *out)
{
	struct abi_view value;

	enum err e = profile_value(r, root, account, &value);
	if (e)
		return e;
	/* Asked for an account that it does not know, a contract returns zeros. */
	switch (abi_type_of(value)) {
	case ABI_ADDRESS:
		*out = abi_addr(value);
		return r->by_key && addr_is_zero(out) ? ERR_MISSING : OK;
	case ABI_BYTES:
		if (r->by_key && abi_bytes(value).len == 0)
			return ERR_MISSING;
		return eip712_identity(abi_bytes(value), out);
	default:
		return ERR_FORMAT;
	}
}
