/* profile_answered - the events by which contracts say that a decryption is answered. */

#include "common/profile_load.h"

static const struct { const char *name; enum { SHAPE_WORD, SHAPE_BYTES, SHAPE_LIST } shape; } roles[] = {
#define R(name, how, text) { #name, SHAPE_##how },
	ANSWERED_ROLES(R)
#undef R
};

static bool fits_role(const struct abi_line *line, uint16_t node, unsigned role)
{
	const struct abi_node *n = &line->node[node];

	if (roles[role].shape == SHAPE_WORD)
		return is_word(n->type);
	if (n->indexed)
		return false;		/* only its hash stands in the log */
	if (roles[role].shape == SHAPE_BYTES)
		return n->type == ABI_BYTES;
	return n->type == ABI_ARRAY && line->node[n->first].type == ABI_BYTES;
}

static void load_role(struct load *l, unsigned i, unsigned role)
{
	struct profile_answered *a = &l->out->answer[i];
	const char *path = load_at(l, "answer.%u.role.%s", i, roles[role].name);

	if (!*path)
		return;
	load_text(l, path, a->role[role], sizeof(a->role[role]));

	uint16_t node = abi_find(&a->event, a->event.inputs, path);

	node = node ? node : abi_find(&a->event, a->event.indexed, path);
	if (!node)
		load_trouble(l, ERR_MISSING, 0, "the event %s has no parameter \"%.60s\" for the role "
			     "%s", a->event.name, path, roles[role].name);
	else if (!fits_role(&a->event, node, role))
		load_trouble(l, ERR_FORMAT, 0, "the parameter \"%.60s\" has not the type of the role "
			     "%s", path, roles[role].name);
}

static void check_roles(struct load *l, unsigned i)
{
	const struct profile_answered *a = &l->out->answer[i];

	load_at(l, "answer.%u.event", i);
	if (!*a->role[ANSWERED_id] || !*a->role[ANSWERED_signatures])
		load_trouble(l, ERR_MISSING, 0, "parameters of %s must play the roles id and signatures",
			     a->event.name);
	if (!*a->role[ANSWERED_result] == !*a->role[ANSWERED_results])
		load_trouble(l, ERR_MISSING, 0, "a parameter of %s must play the role result (one for "
			     "all) or results (one of each node), not both", a->event.name);
}

static void check_kind(struct load *l, unsigned i)
{
	enum op_kind kind = l->out->answer[i].kind;

	if (kind && op_group(kind) != OP_DECRYPTION)
		load_trouble(l, ERR_UNKNOWN, 0, "only answers to decryptions can be verified");
	for (unsigned j = 0; j < i; j++)
		if (l->out->answer[j].kind == kind)
			load_trouble(l, ERR_CONFLICT, 0, "there is another answer of this operation");
}

void load_answered(struct load *l)
{
	unsigned count = load_count(l, "answer", PROFILE_ANSWERED_MAX);

	for (unsigned i = 0; i < count; i++) {
		struct profile_answered *a = &l->out->answer[i];

		a->kind = load_kind(l, load_at(l, "answer.%u.kind", i));
		check_kind(l, i);
		a->contract = load_contract(l, load_at(l, "answer.%u.contract", i));
		if (!load_line(l, load_at(l, "answer.%u.event", i), ABI_EVENT, &a->event))
			continue;
		for (unsigned role = 0; role < ANSWERED_ROLE_COUNT; role++)
			load_role(l, i, role);
		check_roles(l, i);
	}
	l->out->answered = count;
}
