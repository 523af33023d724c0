/* profile_views - views, EIP-712 domains, ciphertexts, FHE parameters, access. */

#include <string.h>

#include "common/keccak.h"
#include "common/profile_load.h"

static const char *const reads[] = {
#define R(name, text) #name,
	PROFILE_READS(R)
#undef R
};

#define GIVES(type) (1u << ABI_##type)

/*
 * What the function of each read takes: by account nothing (it returns the list) or the account,
 * else a handle and perhaps an account; and the types that the wanted value may have.
 */
static const struct { bool by_account; unsigned takes, gives; } rules[READ_COUNT] = {
	[READ_coprocessor_bucket] = { true, 0, GIVES(STRING) },
	[READ_kms_identity]       = { true, 0, GIVES(ADDRESS) | GIVES(BYTES) },
	[READ_current_key]        = { false, 0, GIVES(UINT) | GIVES(FIXED_BYTES) },
	[READ_fhe_params]         = { false, 0, GIVES(STRING) | GIVES(UINT) | GIVES(FIXED_BYTES) },
	[READ_kms_identities]     = { false, 0, GIVES(ARRAY) },
	[READ_coprocessor_identities] = { false, 0, GIVES(ARRAY) },
	[READ_kms_accounts]       = { false, 0, GIVES(ARRAY) },
	[READ_coprocessor_accounts] = { false, 0, GIVES(ARRAY) },
	[READ_majority]           = { false, 0, GIVES(UINT) },
	[READ_reconstruction]     = { false, 0, GIVES(UINT) },
	[READ_public_access]      = { false, 1, GIVES(BOOL) },
	[READ_user_access]        = { false, 2, GIVES(BOOL) },
};

static bool takes(const struct abi_line *line, unsigned count, bool account)
{
	const struct abi_node *in = &line->node[line->inputs];
	uint16_t last = in->first;

	if (in->children != count)
		return false;
	for (uint16_t i = in->first; i; last = i, i = line->node[i].next)
		if (!is_word(line->node[i].type))
			return false;
	return !account || line->node[last].type == ABI_ADDRESS;
}

/* The tuple of a list's items; 0 when the function returns no list of tuples. */
static uint16_t item_of(const struct abi_line *line)
{
	const struct abi_node *first = &line->node[line->node[line->outputs].first];
	bool is_list = first->type == ABI_ARRAY && line->node[first->first].type == ABI_TUPLE;

	return is_list ? first->first : 0;
}

/* Of lists a member of their items; else a path, or "" where one value is returned. */
static uint16_t find_output(const struct abi_line *line, const char *path)
{
	const struct abi_node *outputs = &line->node[line->outputs];

	if (item_of(line))
		return *path ? load_find(line, item_of(line), path) : 0;
	if (!*path)
		return outputs->children == 1 ? outputs->first : 0;
	return load_find(line, line->outputs, path);
}

/* An account is found as the key of a list's items, or by asking for it. */
static void load_key(struct load *l, const char *name, struct profile_read *r)
{
	const struct abi_line *line = &r->function;

	load_text(l, load_at(l, "read.%s.key", name), r->key, sizeof(r->key));

	uint16_t key = *r->key ? find_output(line, r->key) : 0;

	r->by_key = takes(line, 1, true) && !item_of(line);
	if (r->by_key && *r->key)
		load_trouble(l, ERR_CONFLICT, 0, "%s is asked for each account; key is for lists",
			     line->name);
	else if (*r->key && (!item_of(line) || !key || line->node[key].type != ABI_ADDRESS))
		load_trouble(l, ERR_MISSING, 0, "%s returns no list with an address \"%.60s\"",
			     line->name, r->key);
	load_at(l, "read.%s.function", name);
	if (!r->by_key && !(takes(line, 0, false) && item_of(line)))
		load_trouble(l, ERR_FORMAT, 0, "this must take nothing and return a list, or take "
			     "one address");
	else if (!r->by_key && !*r->key)
		load_trouble(l, ERR_MISSING, 0, "say by which member (key) an item of %s is found",
			     line->name);
}

static void load_value(struct load *l, const char *name, struct profile_read *r, unsigned gives)
{
	const struct abi_line *line = &r->function;

	load_text(l, load_at(l, "read.%s.value", name), r->value, sizeof(r->value));

	uint16_t value = find_output(line, r->value);

	if (!*r->value)
		load_at(l, "read.%s.function", name);
	if (!value && *r->value)
		load_trouble(l, ERR_MISSING, 0, "%s does not return \"%.60s\"", line->name,
			     r->value);
	else if (!value)
		load_trouble(l, ERR_MISSING, 0, "say which value of %s is wanted", line->name);
	else if (!(gives >> line->node[value].type & 1))
		load_trouble(l, ERR_FORMAT, 0, "the value of %s has not the type that %s needs",
			     line->name, name);
}

static bool load_view(struct load *l, const char *section, const char *name,
		      struct profile_read *r)
{
	if (!find_setting(l->s, "%s.%s.function", section, name))
		return false;
	r->present = true;
	r->contract = load_contract(l, load_at(l, "%s.%s.contract", section, name));

	const char *line = load_at(l, "%s.%s.function", section, name);

	return load_line(l, line, ABI_FUNCTION, &r->function);
}

static void load_read(struct load *l, enum profile_read_name name)
{
	struct profile_read *r = &l->out->read[name];

	if (!load_view(l, "read", reads[name], r))
		return;
	if (rules[name].by_account)
		load_key(l, reads[name], r);
	else if (!takes(&r->function, rules[name].takes, rules[name].takes == 2) ||
		 item_of(&r->function))
		load_trouble(l, ERR_FORMAT, 0, "this takes other parameters than %s needs, or "
			     "returns a list", reads[name]);
	load_value(l, reads[name], r, rules[name].gives);
}

static void load_done(struct load *l, enum op_kind kind)
{
	struct profile_read *r = &l->out->done[kind];

	if (!load_view(l, "done", op_name(kind), r))
		return;

	const struct abi_line *line = &r->function;
	const struct abi_node *out = &line->node[line->outputs];

	if (!takes(line, 1, false) || out->children != 1 || line->node[out->first].type != ABI_BOOL)
		load_trouble(l, ERR_FORMAT, 0, "this must take one id and return one bool");
}

static void load_domain(struct load *l, const char *section, struct profile_domain *d)
{
	const char *name = load_at(l, "%s.name", section);

	if (!*name)
		return;
	load_text(l, name, d->name, sizeof(d->name));
	load_text(l, load_at(l, "%s.version", section), d->version, sizeof(d->version));
	d->contract = load_contract(l, load_at(l, "%s.contract", section));
}

/* Views of a contract without an address are left out, and then nothing is checked. */
void load_access(struct load *l)
{
	static const char *const words[] = { "none", "access_control" };

	if (find_setting(l->s, "access"))
		l->out->checks_access =
			load_word(l, load_at(l, "access"), words, ARRAY_LEN(words), "access check") == 1;
}

/* Only these may stand in braces. */
static void check_url(struct load *l, const char *url)
{
	static const char *const known[] = { "{bucket}", "{digest}", "{handle}", "{key_id}" };

	for (const char *p = url + strcspn(url, "{}"); *p; p += strcspn(p, "{}")) {
		size_t len = 0;

		for (size_t i = 0; i < ARRAY_LEN(known) && !len; i++)
			if (strncmp(p, known[i], strlen(known[i])) == 0)
				len = strlen(known[i]);
		if (!len) {
			load_trouble(l, ERR_UNKNOWN, (unsigned)(p - url) + 1,
				"in braces may stand bucket, digest, handle, key_id");
			return;
		}
		p += len;
	}
}

void load_ciphertexts(struct load *l)
{
	static const char *const words[] = { "http", "inline" };

	if (!find_setting(l->s, "ciphertexts.source"))
		return;

	const char *source = load_at(l, "ciphertexts.source");

	l->out->ciphertext_inline =
		load_word(l, source, words, ARRAY_LEN(words), "source of ciphertexts") == 1;

	const char *url = load_at(l, "ciphertexts.url");

	load_text(l, url, l->out->ciphertext_url, sizeof(l->out->ciphertext_url));
	if (l->out->ciphertext_inline) {
		if (*url)
			load_trouble(l, ERR_CONFLICT, 0, "inline ciphertexts have no URL");
		return;
	}
	if (!*url)
		load_trouble(l, ERR_MISSING, 0, "the pattern of the URL is missing");
	else
		check_url(l, url);
}

void load_fhe_params(struct load *l)
{
	unsigned count = load_count(l, "fhe_params", ARRAY_LEN(l->out->fhe_param));

	for (unsigned i = 0; i < count; i++) {
		struct profile_fhe_params *f = &l->out->fhe_param[i];

		load_text(l, load_at(l, "fhe_params.%u.name", i), f->name, sizeof(f->name));

		const char *value = load_at(l, "fhe_params.%u.value", i);

		if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
			load_trouble(l, ERR_RANGE, 0, "FHE parameters are 0 (default) or 1 (test)");
		f->value = *value == '1';
	}
	l->out->fhe_params = count;
}

/* The user's signature.  Each member of the type stands for a parameter of the function. */

static void load_parameter(struct load *l, const char *role, enum abi_type type,
			   char out[PROFILE_PATH_MAX])
{
	const struct abi_line *f = &l->out->user_signature.function;

	load_text(l, load_at(l, "user_signature.role.%s", role), out, PROFILE_PATH_MAX);

	uint16_t node = load_find(f, f->inputs, out);

	if (!*out || !node || f->node[node].type != type)
		load_trouble(l, ERR_MISSING, 0, "%s has no parameter of the right type for the role "
			     "%s", f->name, role);
}

/* What a struct hash can hold of it: one word, or the keccak256 of bytes or of words. */
static bool is_signable(const struct abi_line *f, uint16_t node)
{
	enum abi_type type = f->node[node].type;

	return is_word(type) || type == ABI_BYTES || type == ABI_STRING ||
	       (type == ABI_ARRAY && is_word(f->node[f->node[node].first].type));
}

static void load_signed_member(struct load *l, const char *name, size_t len)
{
	struct profile_user_signature *u = &l->out->user_signature;
	const char *path = load_at(l, "user_signature.value.%.*s", (int)len, name);
	uint16_t node = load_find(&u->function, u->function.inputs, path);

	if (u->members == PROFILE_SIGNED_MAX) {
		load_trouble(l, ERR_TOO_BIG, 0, "at most %u members", PROFILE_SIGNED_MAX);
		return;
	}
	load_text(l, path, u->member[u->members++], PROFILE_PATH_MAX);
	if (!*path || !node || !is_signable(&u->function, node))
		load_trouble(l, ERR_MISSING, 0, "no parameter of %s stands for the member %.*s",
			     u->function.name, (int)len, name);
}

/* "Name(type member,type member)" */
static void load_signed_type(struct load *l)
{
	struct profile_user_signature *u = &l->out->user_signature;
	const char *type = load_at(l, "user_signature.type"), *at = strchr(type, '(');

	u->type_hash = keccak_text(type);
	if (!at || type[strlen(type) - 1] != ')' || strchr(at + 1, '(')) {
		load_trouble(l, ERR_FORMAT, 0, "a type is a name and members in brackets");
		return;
	}
	while (*++at && *at != ')') {
		size_t word = strcspn(at, " ,)"), len = at[word] == ' ' ? strcspn(at + word + 1, ",)") : 0;

		if (!len) {
			load_at(l, "user_signature.type");
			load_trouble(l, ERR_FORMAT, 0, "a member is a type, one space and a name");
			return;
		}
		load_signed_member(l, at + word + 1, len);
		at += word + len + 1;
		if (*at == ')')
			return;
	}
}

void load_user_signature(struct load *l)
{
	struct profile_user_signature *u = &l->out->user_signature;

	if (!find_setting(l->s, "user_signature.function"))
		return;
	u->present = true;
	u->contract = load_contract(l, load_at(l, "user_signature.contract"));
	if (!load_line(l, load_at(l, "user_signature.function"), ABI_FUNCTION, &u->function))
		return;
	load_parameter(l, "materials", ABI_ARRAY, u->materials);
	load_parameter(l, "user", ABI_ADDRESS, u->user);
	load_parameter(l, "public_key", ABI_BYTES, u->public_key);
	load_parameter(l, "signature", ABI_BYTES, u->signature);
	load_text(l, load_at(l, "user_signature.role.handle"), u->handle, PROFILE_PATH_MAX);

	uint16_t list = load_find(&u->function, u->function.inputs, u->materials);

	if (list && *u->handle && !load_find(&u->function, u->function.node[list].first, u->handle))
		load_trouble(l, ERR_MISSING, 0, "the items of %s have no \"%.60s\"", u->materials,
			     u->handle);
	load_signed_type(l);
}

void load_views(struct load *l)
{
	for (unsigned i = 0; i < READ_COUNT; i++)
		load_read(l, (enum profile_read_name)i);
	for (unsigned kind = 1; kind < KIND_COUNT; kind++)
		load_done(l, (enum op_kind)kind);
}

void load_domains(struct load *l)
{
	load_domain(l, "eip712", &l->out->domain[OP_DECRYPTION]);
	load_domain(l, "eip712.keys", &l->out->domain[OP_KEY]);
}
