/*
 * profile - settings lines to parsed tables, and every check that a profile must pass.
 *
 * Paths (a list's count stands under the list's own path):
 *
 *	profile			contract.K.name .chain .address
 *	request.R.kind .contract .event .finality .role.<role>
 *	response.R.kind .contract .function .arg .arg.J .eip712
 *	answer.A.kind .contract .event .role.<role>	other.O
 *	revert.R.error .means	read.<name>.contract .function .key .value
 *	done.<kind>.contract .function
 *	eip712.name .version .contract	eip712.keys.name .version .contract
 *	ciphertexts.source .url	fhe_params.I.name .value	access
 *	user_signature.contract .function .type .role.<role> .value.<member of the type>
 *
 * A section that is not there is empty: a process is given what it needs.  Checks go on
 * after a trouble, so that an operator sees all of them at once.
 */
#include "common/profile.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/profile_load.h"
#include "proto/exits.h"

#define BIT(role) (1u << REQUEST_##role)

enum shape { SHAPE_WORD, SHAPE_ARRAY, SHAPE_BYTES, SHAPE_ANY };

static const struct { const char *name; enum shape shape; } roles[] = {
#define R(name, how, text) { #name, SHAPE_##how },
	REQUEST_ROLES(R)
#undef R
};

static const char *const sources[] = {
#define S(name, text) #name,
	ANSWER_SOURCES(S)
#undef S
};

static const char *const meanings[] = {
#define R(name, text) #name,
	REVERT_MEANINGS(R)
#undef R
};

static const char *const finalities[] = { "latest", "confirmed", "safe", "finalized", "settled" };

/* What no event of a kind can do without. */
static const uint32_t needs[KIND_COUNT] = {
	[KIND_public_decryption] = BIT(id) | BIT(materials) | BIT(handle) | BIT(key_id),
	[KIND_user_decryption]   = BIT(id) | BIT(materials) | BIT(handle) | BIT(key_id) |
				   BIT(user) | BIT(public_key),
	[KIND_preprocess_keygen] = BIT(fhe_params),
	[KIND_preprocess_ksk]    = BIT(fhe_params),
	[KIND_keygen]            = BIT(id) | BIT(preprocessing_id) | BIT(fhe_params),
	[KIND_crsgen]            = BIT(fhe_params),
	[KIND_ksk]               = BIT(fhe_params) | BIT(id) | BIT(preprocessing_id) | BIT(source_key_id) |
				   BIT(destination_key_id),
	[KIND_activate_key]      = BIT(id),
};

void load_trouble(struct load *l, enum err e, unsigned column, const char *fmt, ...)
{
	char why[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	if (!l->errors) {
		log_say(EV_G009_settings, "path=%s column=%u why=\"%s\"", l->path, column, why);
		exit(EXIT_bug);
	}
	l->errors->say(l->errors->owner, l->path, column, why);
	if (!l->first)
		l->first = e;
}

const char *load_at(struct load *l, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(l->path, sizeof(l->path), fmt, args);
	va_end(args);
	check(len >= 0 && len < (int)sizeof(l->path));

	const char *value = find_setting(l->s, "%s", l->path);

	return value ? value : "";
}

unsigned load_count(struct load *l, const char *list, unsigned max)
{
	if (!find_setting(l->s, "%s", list))
		return 0;

	uint64_t n = get_setting_u64(l->s, "%s", list);

	if (n > max) {
		load_at(l, "%s", list);
		load_trouble(l, ERR_TOO_BIG, 0, "at most %u are possible here", max);
		return max;
	}
	return (unsigned)n;
}

void load_text(struct load *l, const char *text, char *out, size_t room)
{
	size_t len = strlen(text);

	if (len >= room) {
		load_trouble(l, ERR_TOO_BIG, 0, "this is too long: at most %zu characters", room - 1);
		len = room - 1;
	}
	memcpy(out, text, len);
	out[len] = '\0';
}

int load_word(struct load *l, const char *word, const char *const *list, size_t count,
		    const char *what)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], word) == 0)
			return (int)i;
	load_trouble(l, ERR_UNKNOWN, 0, "\"%.40s\" is no %s we know", word, what);
	return -1;
}

enum op_kind load_kind(struct load *l, const char *name)
{
	enum op_kind kind = op_by_name(name);

	if (!kind)
		load_trouble(l, ERR_UNKNOWN, 0, "\"%.40s\" is no operation we know", name);
	return kind;
}

unsigned load_contract(struct load *l, const char *name)
{
	for (unsigned i = 0; i < l->out->contracts; i++)
		if (strcmp(l->out->contract[i].name, name) == 0)
			return i;
	load_trouble(l, ERR_UNKNOWN, 0, "there is no contract \"%.31s\" in this configuration", name);
	return 0;
}

bool load_line(struct load *l, const char *text, enum abi_what what, struct abi_line *out)
{
	static const char *const words[] = {
		[ABI_EVENT] = "an event", [ABI_FUNCTION] = "a function", [ABI_ERROR] = "an error",
	};
	unsigned column = 0;
	const char *why = "";
	enum err e = abi_parse(text, out, &column, &why);

	if (e) {
		load_trouble(l, e, column, "%s", why);
		return false;
	}
	if (out->what != what) {
		load_trouble(l, ERR_FORMAT, 1, "%s must stand here, this is %s", words[what],
			words[out->what]);
		return false;
	}
	return true;
}

uint16_t load_find(const struct abi_line *line, uint16_t tuple, const char *path)
{
	for (const char *name = path; name; name = strchr(name, '.') ? strchr(name, '.') + 1 : NULL)
		if ((*name >= '0' && *name <= '9') || strchr(name, '['))
			return 0;
	return abi_find(line, tuple, path);
}

static bool has_shape(const struct abi_line *line, uint16_t node, enum shape shape)
{
	enum abi_type type = line->node[node].type;

	switch (shape) {
	case SHAPE_WORD:
		return is_word(type);
	case SHAPE_ARRAY:
		return type == ABI_ARRAY;
	case SHAPE_BYTES:
		return type == ABI_BYTES;
	case SHAPE_ANY:
		return is_word(type) || type == ABI_BYTES || type == ABI_STRING;
	}
	return false;
}

static void load_contracts(struct load *l)
{
	unsigned count = load_count(l, "contract", PROFILE_CONTRACTS_MAX);

	for (unsigned i = 0; i < count; i++) {
		struct profile_contract *c = &l->out->contract[i];

		load_text(l, load_at(l, "contract.%u.name", i), c->name, sizeof(c->name));
		c->chain = get_setting_u64(l->s, "contract.%u.chain", i);
		c->address = get_setting_addr(l->s, "contract.%u.address", i);
	}
	l->out->contracts = count;
}

/* From here on: requests. */

static bool is_member(unsigned role)
{
	return role >= REQUEST_handle && role <= REQUEST_coprocessors;
}

static uint16_t find_parameter(const struct profile_request *r, unsigned role, const char *path)
{
	const struct abi_line *line = &r->event;

	if (!is_member(role)) {
		uint16_t node = load_find(line, line->inputs, path);

		return node ? node : load_find(line, line->indexed, path);
	}

	uint16_t list = load_find(line, line->inputs, r->role[REQUEST_materials]);

	if (!list || line->node[list].type != ABI_ARRAY)
		return 0;
	return load_find(line, line->node[list].first, path);
}

static bool fits_role(const struct abi_line *line, uint16_t node, unsigned role)
{
	const struct abi_node *n = &line->node[node];

	if (n->indexed && !is_word(n->type))
		return false;		/* only its hash stands in the log */
	if (!has_shape(line, node, roles[role].shape))
		return false;
	if (role == REQUEST_user)
		return n->type == ABI_ADDRESS;
	if (role == REQUEST_digest)
		return n->size == 32 && n->type == ABI_FIXED_BYTES;
	if (role == REQUEST_materials)
		return line->node[n->first].type == ABI_TUPLE;
	if (role == REQUEST_coprocessors)
		return line->node[n->first].type == ABI_ADDRESS;
	return true;
}

static void load_role(struct load *l, unsigned i, unsigned role)
{
	struct profile_request *r = &l->out->request[i];
	const char *path = load_at(l, "request.%u.role.%s", i, roles[role].name);

	if (!*path)
		return;
	load_text(l, path, r->role[role], sizeof(r->role[role]));

	uint16_t node = find_parameter(r, role, r->role[role]);

	if (!node)
		load_trouble(l, ERR_MISSING, 0,
			"the event %s has no parameter \"%.60s\" for the role %s", r->event.name,
			path, roles[role].name);
	else if (!fits_role(&r->event, node, role))
		load_trouble(l, ERR_FORMAT, 0, "the parameter \"%.60s\" has not the type of the role %s",
			path, roles[role].name);
}

/* How the ciphertext is had decides what a material must say. */
static uint32_t needs_of(const struct load *l, enum op_kind kind)
{
	uint32_t roles_needed = needs[kind];

	if (op_group(kind) != OP_DECRYPTION || !find_setting(l->s, "ciphertexts.source"))
		return roles_needed;
	if (l->out->ciphertext_inline)
		return roles_needed | BIT(ciphertext);
	roles_needed |= BIT(digest);
	if (strstr(l->out->ciphertext_url, "{bucket}"))
		roles_needed |= BIT(coprocessors);
	return roles_needed;
}

static void check_topic(struct load *l, unsigned i)
{
	const struct profile_request *r = &l->out->request[i];

	for (unsigned j = 0; j < i; j++) {
		const struct profile_request *o = &l->out->request[j];

		if (o->contract == r->contract && b32_eq(&o->event.hash, &r->event.hash))
			load_trouble(l, ERR_CONFLICT, 0, "another line has the same topic: %s",
				r->event.signature);
	}
}

/* An id made of the log's place must not change with a reorg. */
static void check_place(struct load *l, unsigned i)
{
	const struct profile_request *r = &l->out->request[i];

	if (r->role[REQUEST_id][0] || op_group(r->kind) != OP_KEY ||
	    strcmp(r->finality, "finalized") == 0 || strcmp(r->finality, "settled") == 0)
		return;
	load_at(l, "request.%u.finality", i);
	load_trouble(l, ERR_RANGE, 0, "%s has no id, so that its place in the chain is its id: it needs "
		"the finality finalized or settled", r->event.name);
}

static void load_request(struct load *l, unsigned i)
{
	struct profile_request *r = &l->out->request[i];

	r->kind = load_kind(l, load_at(l, "request.%u.kind", i));
	r->contract = load_contract(l, load_at(l, "request.%u.contract", i));
	load_text(l, load_at(l, "request.%u.finality", i), r->finality, sizeof(r->finality));
	load_word(l, r->finality, finalities, ARRAY_LEN(finalities), "finality level");
	if (!load_line(l, load_at(l, "request.%u.event", i), ABI_EVENT, &r->event))
		return;
	check_topic(l, i);
	for (unsigned role = 0; role < REQUEST_ROLE_COUNT; role++)
		load_role(l, i, role);

	uint32_t missing = needs_of(l, r->kind);

	load_at(l, "request.%u.event", i);
	for (unsigned role = 0; role < REQUEST_ROLE_COUNT; role++)
		if ((missing >> role & 1) && !r->role[role][0])
			load_trouble(l, ERR_MISSING, 0, "no parameter of %s plays the role %s",
				r->event.name, roles[role].name);
	check_place(l, i);
}

/* From here on: responses. */

static bool fits_source(const struct abi_line *line, uint16_t node, enum answer_source source)
{
	if (source == ANSWER_request_id || source == ANSWER_result_id)
		return line->node[node].type == ABI_UINT ||
		       line->node[node].type == ABI_FIXED_BYTES;
	if (source == ANSWER_key_digests)
		return line->node[node].type == ABI_ARRAY &&
		       line->node[line->node[node].first].type == ABI_FIXED_BYTES &&
		       line->node[line->node[node].first].size == 32;
	return line->node[node].type == ABI_BYTES;
}

static void load_arguments(struct load *l, unsigned i)
{
	struct profile_response *r = &l->out->response[i];
	const struct abi_line *line = &r->function;
	unsigned wanted = line->node[line->inputs].children;
	char list[SETTINGS_PATH_MAX];

	snprintf(list, sizeof(list), "response.%u.arg", i);
	r->args = load_count(l, list, PROFILE_ARGS_MAX);
	load_at(l, "%s", list);
	if (r->args != wanted) {
		load_trouble(l, ERR_MISMATCH, 0, "%s takes %u arguments, here are %u", line->name,
			wanted, r->args);
		return;
	}

	uint16_t node = line->node[line->inputs].first;

	for (unsigned j = 0; j < r->args; j++, node = line->node[node].next) {
		const char *word = load_at(l, "response.%u.arg.%u", i, j);
		int source =
			load_word(l, word, sources, ARRAY_LEN(sources), "source of an argument");

		r->arg[j] = source < 0 ? ANSWER_request_id : (enum answer_source)source;
		if (source >= 0 && !fits_source(line, node, r->arg[j]))
			load_trouble(l, ERR_FORMAT, 0, "argument %u of %s has not the type of %s", j + 1,
				line->name, word);
	}
}

static const struct profile_request *find_kind(const struct load *l, enum op_kind kind)
{
	for (unsigned i = 0; i < l->out->requests; i++)
		if (l->out->request[i].kind == kind)
			return &l->out->request[i];
	return NULL;
}

/* The Core is told the domain with every request, also where its type is not given. */
static void load_eip712_type(struct load *l, unsigned i)
{
	struct profile_response *r = &l->out->response[i];
	const char *type = load_at(l, "response.%u.eip712", i);
	const char *why = "";
	enum err e = *type ? eip712_parse(type, &r->eip712, &why) : OK;

	r->has_eip712 = *type;
	if (e)
		load_trouble(l, e, 0, "%s", why);
	if (!*type)
		load_at(l, "response.%u.function", i);
	if (!*type && op_group(r->kind) == OP_DECRYPTION)
		load_trouble(l, ERR_MISSING, 0, "a decryption needs the EIP-712 type that the Core "
			     "signs");
	if (op_group(r->kind) == OP_OBSERVED)
		return;

	const struct profile_domain *d = &l->out->domain[op_group(r->kind)];

	if (!d->name[0] && (*type || find_kind(l, r->kind)))
		load_trouble(l, ERR_MISSING, 0, "its domain is missing: name, version, contract in the "
			"section eip712%s", op_group(r->kind) == OP_KEY ? ", under keys" : "");
	if (!d->name[0])
		return;

	const struct profile_contract *c = &l->out->contract[d->contract];

	r->domain = eip712_domain(d->name, d->version, c->chain, &c->address);
}

/* A result id is made with the contract of the request, and checked with that of the response. */
static void check_contract(struct load *l, unsigned i)
{
	const struct profile_response *r = &l->out->response[i];
	const struct profile_request *asked = find_kind(l, r->kind);

	if (op_group(r->kind) == OP_KEY && asked && asked->contract != r->contract)
		load_trouble(l, ERR_CONFLICT, 0, "a key operation is answered where it was asked "
			     "for, at %s", l->out->contract[asked->contract].name);
}

static void load_response(struct load *l, unsigned i)
{
	struct profile_response *r = &l->out->response[i];

	r->kind = load_kind(l, load_at(l, "response.%u.kind", i));
	for (unsigned j = 0; j < i; j++)
		if (l->out->response[j].kind == r->kind)
			load_trouble(l, ERR_CONFLICT, 0, "there is another response for this operation");
	r->contract = load_contract(l, load_at(l, "response.%u.contract", i));
	check_contract(l, i);
	if (!load_line(l, load_at(l, "response.%u.function", i), ABI_FUNCTION, &r->function))
		return;
	load_arguments(l, i);
	load_eip712_type(l, i);
}

static void load_revert(struct load *l, unsigned i)
{
	struct profile_revert *r = &l->out->revert[i];
	const char *word = load_at(l, "revert.%u.means", i);
	int meaning = load_word(l, word, meanings, ARRAY_LEN(meanings), "meaning of a revert");

	r->meaning = meaning < 0 ? REVERT_unknown : (enum revert_meaning)(meaning + 1);
	if (!load_line(l, load_at(l, "revert.%u.error", i), ABI_ERROR, &r->error))
		return;
	for (unsigned j = 0; j < i; j++)
		if (memcmp(l->out->revert[j].error.selector, r->error.selector, 4) == 0)
			load_trouble(l, ERR_CONFLICT, 0, "another line has the same selector: %s",
				r->error.signature);
}

enum err profile_load(const struct settings *s, const struct profile_errors *errors,
		      struct profile *out)
{
	struct load l = { .s = s, .errors = errors, .out = out };

	memset(out, 0, sizeof(*out));
	load_text(&l, load_at(&l, "profile"), out->name, sizeof(out->name));
	load_contracts(&l);
	load_domains(&l);
	load_ciphertexts(&l);
	out->requests = load_count(&l, "request", PROFILE_REQUESTS_MAX);
	for (unsigned i = 0; i < out->requests; i++)
		load_request(&l, i);
	out->responses = load_count(&l, "response", PROFILE_RESPONSES_MAX);
	for (unsigned i = 0; i < out->responses; i++)
		load_response(&l, i);
	load_answered(&l);
	load_others(&l);
	out->reverts = load_count(&l, "revert", PROFILE_REVERTS_MAX);
	for (unsigned i = 0; i < out->reverts; i++)
		load_revert(&l, i);
	load_views(&l);
	load_fhe_params(&l);
	load_access(&l);
	load_user_signature(&l);
	return l.first;
}
