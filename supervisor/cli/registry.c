/* registry - lists, or one call for each account. */

#include "supervisor/cli/registry.h"

#include <stdio.h>

static enum err missing(struct chain_reader *r, const char *what)
{
	snprintf(r->why, sizeof(r->why), "the profile does not say %s", what);
	return ERR_MISSING;
}

/* NULL for a view that takes nothing. */
static enum err read_at(struct chain_reader *r, const struct profile_read *read,
			const struct addr *account, const char *number, struct abi_view *out)
{
	struct b32 word = { { 0 } };
	struct abi_arg arg = { .v = BYTES_OF(word.b) };

	if (account)
		memcpy(word.b + 12, account->b, sizeof(account->b));
	return chain_read_at(r, read->contract, &read->function, &arg, account ? 1 : 0, number,
			     out);
}

enum err registry_accounts(struct chain_reader *r, enum profile_read_name name, const char *number,
			   struct addr *out, unsigned max, unsigned *count_out)
{
	const struct profile_read *read = &r->profile.read[name];
	struct abi_view root, list;

	*count_out = 0;
	if (!read->present)
		return missing(r, "which accounts are registered");
	enum err e = read_at(r, read, NULL, number, &root);
	if (e)
		return e;
	snprintf(r->why, sizeof(r->why), "the contract returns no list of accounts");
	if (!(*read->value ? abi_member(root, read->value, &list)
			   : abi_member_at(root, 0, &list)) ||
	    abi_type_of(list) != ABI_ARRAY)
		return ERR_FORMAT;
	for (uint32_t i = 0; i < abi_count(list) && *count_out < max; i++) {
		if (abi_type_of(abi_item(list, i)) != ABI_ADDRESS)
			return ERR_FORMAT;
		out[(*count_out)++] = abi_addr(abi_item(list, i));
	}
	return OK;
}

/* Nodes. */

static enum err nodes_one_by_one(struct chain_reader *r, const char *number,
				 struct audit_nodes *out)
{
	static struct addr account[AUDIT_NODES_MAX];
	const struct profile_read *read = &r->profile.read[READ_kms_identity];
	struct abi_view root;
	unsigned count;

	enum err e =
		registry_accounts(r, READ_kms_accounts, number, account, AUDIT_NODES_MAX, &count);
	*out = (struct audit_nodes){ .count = 0 };
	for (unsigned i = 0; i < count && !e; i++) {
		e = read_at(r, read, &account[i], number, &root);
		if (!e)
			audit_nodes_add(read, root, &account[i], out);
		else if (r->reverted)
			e = OK; /* the contract does not know it any more */
	}
	return e;
}

enum err registry_nodes(struct chain_reader *r, const char *number, struct audit_nodes *out)
{
	const struct profile_read *read = &r->profile.read[READ_kms_identity];
	struct abi_view root;

	if (!read->present)
		return missing(r, "who the nodes are");
	if (read->by_key)
		return nodes_one_by_one(r, number, out);
	enum err e = read_at(r, read, NULL, number, &root);
	return e ? e : audit_nodes_read(read, root, out);
}

/* Buckets. */

static enum err ask_one(struct chain_reader *r, const struct addr *holder, struct buckets *out)
{
	const struct profile_read *read = &r->profile.read[READ_coprocessor_bucket];
	struct abi_view root, url;

	if (buckets_know(out, holder))
		return OK;
	enum err e = read_at(r, read, holder, "latest", &root);
	if (e && !r->reverted)
		return e;
	if (e || profile_value(read, root, holder, &url) != OK)
		buckets_add(out, holder, (struct bytes){ 0 });
	else
		buckets_add(out, holder, abi_bytes(url));
	return OK;
}

static enum err ask_all(struct chain_reader *r, const struct request *request, struct buckets *out)
{
	for (unsigned i = 0; i < request->materials; i++)
		for (unsigned k = 0; k < request->material[i].count; k++) {
			const struct addr *holder =
				&request->coprocessor[request->material[i].first + k];
			enum err e = ask_one(r, holder, out);

			if (e)
				return e;
		}
	return OK;
}

enum err registry_buckets(struct chain_reader *r, const struct request *request,
			  struct buckets *out)
{
	const struct profile_read *read = &r->profile.read[READ_coprocessor_bucket];
	struct abi_view root;

	if (!read->present)
		return missing(r, "where they are");
	if (read->by_key)
		return ask_all(r, request, out);
	if (out->is_list)
		return OK;
	enum err e = read_at(r, read, NULL, "latest", &root);
	e = e ? e : buckets_read(read, root, out);
	out->is_list = !e;
	return e;
}
