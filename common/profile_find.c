/* profile_find - looking things up in a parsed profile. */

#include "common/profile.h"

const struct profile_response *find_response(const struct profile *p, enum op_kind kind)
{
	for (unsigned i = 0; i < p->responses; i++)
		if (p->response[i].kind == kind)
			return &p->response[i];
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
