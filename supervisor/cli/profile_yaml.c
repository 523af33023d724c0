/* profile_yaml - sections to lines. */

#include "supervisor/cli/profile_yaml.h"

#include <stdarg.h>
#include <stdlib.h>

#include "common/log.h"
#include "supervisor/cli/document.h"
#include "supervisor/cli/profile_path.h"
#include "supervisor/cli/suggest.h"

/* Where the line of PATH came from; with KEY it is the name of the node, not its value. */
struct origin {
	char path[SETTINGS_PATH_MAX];
	const struct config_node *node;
	bool key;
};

struct writer {
	struct profile_file *f;
	const struct profile_choice *choice;
	struct settings *s;
	unsigned requests, responses, answers, reverts;
};

static struct place place_of(const struct profile_file *f, struct config_mark mark)
{
	return (struct place){ .file = f->path, .mark = mark };
}

static const char *const sections[] = {
	"profile", "contracts", "requests", "responses", "answers", "other_events", "reverts", "reads",
	"done", "eip712", "ciphertexts", "access", "fhe_params", "user_signature",
};

/* All others are maps. */
static const char *const no_maps[] = { "profile", "other_events", "access" };

static const char *const required[] = {
	"profile", "contracts", "requests", "responses", "reverts", "eip712", "ciphertexts",
	"fhe_params",
};

/* From here on: opening. */

static const struct config_node *section(const struct profile_file *f, const char *name)
{
	return find_member(config_root(f->tree), name);
}

/* A member that must be one value; "" and trouble when it is another thing. */
static const char *text_of(struct profile_file *f, const struct config_node *node)
{
	if (node->type == CONFIG_SCALAR)
		return node->text;
	trouble_error(f->troubles, place_of(f, node->mark), "one value must stand here; write it "
		      "behind the colon");
	return "";
}

static bool is_map(struct profile_file *f, const struct config_node *node)
{
	if (node->type == CONFIG_MAP)
		return true;
	trouble_error(f->troubles, place_of(f, node->mark), "keys and values must stand here; "
		      "indent them below the name");
	return false;
}

static void read_contract(struct profile_file *f, const struct config_node *m)
{
	static const char *const keys[] = { "chain", "optional" };

	if (!is_map(f, m))
		return;
	document_keys(f->troubles, f->path, m, keys, ARRAY_LEN(keys));
	if (f->contracts == PROFILE_FILE_CONTRACTS_MAX) {
		trouble_error(f->troubles, place_of(f, m->key_mark),
			      "too many contracts; at most %u", PROFILE_FILE_CONTRACTS_MAX);
		return;
	}

	const struct config_node *chain = find_member(m, "chain"),
				 *may = find_member(m, "optional");

	if (!chain)
		trouble_error(f->troubles, place_of(f, m->mark), "%.31s has no chain; add chain: "
			      "gateway", m->key);
	f->contract[f->contracts++] = (struct profile_file_contract){
		.name = m->key,
		.chain = chain ? text_of(f, chain) : "",
		.optional = may && strcmp(text_of(f, may), "true") == 0,
	};
}

static void check_map(struct profile_file *f, const struct config_node *m)
{
	for (size_t i = 0; i < ARRAY_LEN(no_maps); i++)
		if (strcmp(m->key, no_maps[i]) == 0)
			return;
	is_map(f, m);
}

static bool check_sections(struct profile_file *f)
{
	struct troubles *t = f->troubles;
	const struct config_node *root = config_root(f->tree);
	struct place top = place_of(f, (struct config_mark){ .line = 1, .column = 1 });
	unsigned before = t->errors;

	if (!root || root->type != CONFIG_MAP) {
		trouble_error(t, top, "this is no profile; see README.md beside httpz.yaml");
		return false;
	}
	document_keys(t, f->path, root, sections, ARRAY_LEN(sections));
	for (size_t i = 0; i < ARRAY_LEN(required); i++)
		if (!find_member(root, required[i]))
			trouble_error(t, top, "the section %s is missing; add it", required[i]);
	for (const struct config_node *m = root->first; m; m = m->next)
		check_map(f, m);
	return t->errors == before;
}

bool profile_file_read(struct profile_file *f, struct bytes text)
{
	struct document_errors owner = { .troubles = f->troubles, .file = f->path };
	struct config_errors errors = { .say = document_say, .owner = &owner };
	unsigned before = f->troubles->errors;
	enum err e = config_read(text, &errors, &f->tree);

	if ((e && e != ERR_CONFLICT) || !check_sections(f))
		return false;
	snprintf(f->name, sizeof(f->name), "%s", text_of(f, section(f, "profile")));
	for (const struct config_node *m = section(f, "contracts")->first; m; m = m->next)
		read_contract(f, m);
	return f->troubles->errors == before;
}

bool profile_file_open(struct profile_file *f, const char *config, const char *name,
		       struct place at, struct troubles *t)
{
	size_t len;

	*f = (struct profile_file){ .troubles = t, .path = profile_path(config, name) };
	if (!f->path) {
		trouble_error(t, at, "there is no profile \"%.60s\"; write httpz, or the path of a "
			      "profile with a slash", name);
		return false;
	}

	char *text = document_text(f->path, at, t, &len);

	if (!text)
		return false;

	bool ok = profile_file_read(f, BYTES(text, len));

	free(text);
	return ok;
}

void profile_file_close(struct profile_file *f)
{
	config_close(&f->tree);
	free(f->path);
	free(f->origin);
	memset(f, 0, sizeof(*f));
}

/* From here on: writing lines. */

static void remember(struct profile_file *f, const char *path, const struct config_node *node,
		     bool key)
{
	if (f->origins % 64 == 0) {
		f->origin = reallocarray(f->origin, f->origins + 64, sizeof(*f->origin));
		check(f->origin);
	}

	struct origin *o = &f->origin[f->origins++];

	snprintf(o->path, sizeof(o->path), "%s", path);
	o->node = node;
	o->key = key;
}

static void put_text(struct writer *w, const struct config_node *node, bool key, const char *path,
		     const char *text)
{
	if (settings_put(w->s, path, text))
		trouble_error(w->f->troubles, place_of(w->f, node->mark), "this is too long or "
			      "nested too deep; shorten it");
	remember(w->f, path, node, key);
}

/* The value of NODE, or its key, as the line of a path. */
__attribute__((format(printf, 4, 5)))
static void put(struct writer *w, const struct config_node *node, bool key, const char *fmt, ...)
{
	char path[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	put_text(w, node, key, path, key ? node->key : text_of(w->f, node));
}

static void put_count(struct writer *w, const struct config_node *node, const char *path,
		      unsigned n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	put_text(w, node, false, path, text);
}

static const struct config_node *must_have(struct writer *w, const struct config_node *map,
					   const char *key)
{
	const struct config_node *m = find_member(map, key);

	if (!m)
		trouble_error(w->f->troubles, place_of(w->f, map->mark),
			      "%s is missing here; add it", key);
	return m;
}

static void put_member(struct writer *w, const struct config_node *map, const char *key,
		       const char *path)
{
	const struct config_node *m = must_have(w, map, key);

	if (m)
		put(w, m, false, "%s.%s", path, key);
}

#define R(name, how, text) #name,
static const char *const request_roles[] = { REQUEST_ROLES(R) };
static const char *const answered_roles[] = { ANSWERED_ROLES(R) };
#undef R

static void put_roles(struct writer *w, const struct config_node *roles, const char *path,
		      const char *const *known, size_t count)
{
	if (!roles || !is_map(w->f, roles))
		return;
	document_keys(w->f->troubles, w->f->path, roles, known, count);
	for (const struct config_node *m = roles->first; m; m = m->next)
		put(w, m, false, "%s.role.%s", path, m->key);
}

/* One event of a request; what it shares with its siblings is in REQUEST. */
static void put_event(struct writer *w, const struct config_node *request,
		      const struct config_node *event)
{
	static const char *const keys[] = { "line", "roles" };
	char path[32], wanted[48];
	enum op_kind kind = op_by_name(request->key);
	const char *finality = kind ? w->choice->finality[kind] : NULL;

	if (!is_map(w->f, event))
		return;
	document_keys(w->f->troubles, w->f->path, event, keys, ARRAY_LEN(keys));
	snprintf(path, sizeof(path), "request.%u", w->requests++);
	put(w, request, true, "%s.kind", path);
	put_member(w, request, "contract", path);
	put_member(w, request, "finality", path);
	snprintf(wanted, sizeof(wanted), "%s.finality", path);
	if (finality)
		check(settings_put(w->s, wanted, finality) == OK);

	const struct config_node *line = must_have(w, event, "line");

	if (line)
		put(w, line, false, "%s.event", path);
	put_roles(w, must_have(w, event, "roles"), path, request_roles, ARRAY_LEN(request_roles));
}

static void put_request(struct writer *w, const struct config_node *request)
{
	static const char *const keys[] = { "contract", "finality", "events" };

	if (!is_map(w->f, request))
		return;
	document_keys(w->f->troubles, w->f->path, request, keys, ARRAY_LEN(keys));

	const struct config_node *events = must_have(w, request, "events");

	if (events && (events->type != CONFIG_LIST || !events->first))
		trouble_error(w->f->troubles, place_of(w->f, events->mark), "a list of events must "
			      "stand here; begin each with \"- line:\"");
	else if (events)
		for (const struct config_node *e = events->first; e; e = e->next)
			put_event(w, request, e);

	enum op_kind kind = op_by_name(request->key);

	if (kind && op_group(kind) != OP_OBSERVED &&
	    !find_member(section(w->f, "responses"), request->key))
		trouble_error(w->f->troubles, place_of(w->f, request->key_mark), "there is no "
			      "response for %s; add it to the section responses", request->key);
}

static void put_response(struct writer *w, const struct config_node *response)
{
	static const char *const keys[] = { "contract", "function", "arguments" };
	char path[32], list[48];

	if (!is_map(w->f, response))
		return;
	document_keys(w->f->troubles, w->f->path, response, keys, ARRAY_LEN(keys));
	snprintf(path, sizeof(path), "response.%u", w->responses++);
	put(w, response, true, "%s.kind", path);
	put_member(w, response, "contract", path);
	put_member(w, response, "function", path);

	const struct config_node *args = must_have(w, response, "arguments");
	const struct config_node *type =
		find_member(find_member(section(w->f, "eip712"), "types"), response->key);

	snprintf(list, sizeof(list), "%s.arg", path);
	if (args && args->type != CONFIG_LIST) {
		trouble_error(w->f->troubles, place_of(w->f, args->mark), "a list of sources must "
			      "stand here; for example [request_id, result, signature]");
	} else if (args) {
		unsigned i = 0;

		put_count(w, args, list, args->count);
		for (const struct config_node *a = args->first; a; a = a->next)
			put(w, a, false, "%s.%u", list, i++);
	}
	if (type)
		put(w, type, false, "%s.eip712", path);
}

static void put_answer(struct writer *w, const struct config_node *answer)
{
	static const char *const keys[] = { "contract", "event", "roles" };
	char path[32];

	if (!is_map(w->f, answer))
		return;
	document_keys(w->f->troubles, w->f->path, answer, keys, ARRAY_LEN(keys));
	snprintf(path, sizeof(path), "answer.%u", w->answers++);
	put(w, answer, true, "%s.kind", path);
	put_member(w, answer, "contract", path);
	put_member(w, answer, "event", path);
	put_roles(w, must_have(w, answer, "roles"), path, answered_roles, ARRAY_LEN(answered_roles));
	if (!find_member(section(w->f, "responses"), answer->key))
		trouble_error(w->f->troubles, place_of(w->f, answer->key_mark), "there is no "
			      "response for %s; add it to the section responses", answer->key);
}

static void put_others(struct writer *w)
{
	const struct config_node *list = section(w->f, "other_events");
	unsigned i = 0;

	if (!list)
		return;
	if (list->type != CONFIG_LIST) {
		trouble_error(w->f->troubles, place_of(w->f, list->mark), "a list of event lines "
			      "must stand here; begin each with \"-\"");
		return;
	}
	put_count(w, list, "other", list->count);
	for (const struct config_node *line = list->first; line; line = line->next)
		put(w, line, false, "other.%u", i++);
}

static void put_reverts(struct writer *w, const struct config_node *meaning)
{
	if (meaning->type != CONFIG_LIST) {
		trouble_error(w->f->troubles, place_of(w->f, meaning->mark),
			      "a list of error lines "
			      "must stand here; begin each with \"-\"");
		return;
	}
	for (const struct config_node *line = meaning->first; line; line = line->next) {
		put(w, meaning, true, "revert.%u.means", w->reverts);
		put(w, line, false, "revert.%u.error", w->reverts++);
	}
}

/* A view on a contract that is not configured is left out, if the profile permits that. */
static bool is_left_out(const struct writer *w, const struct config_node *read)
{
	const struct config_node *contract = find_member(read, "contract");

	if (!contract || contract->type != CONFIG_SCALAR)
		return false;
	for (unsigned i = 0; i < w->f->contracts; i++)
		if (strcmp(w->f->contract[i].name, contract->text) == 0)
			return w->f->contract[i].optional && !w->choice->contract[i];
	return false;
}

static void put_views(struct writer *w, const char *name, const char *top,
		      const char *const *known, size_t count, unsigned members)
{
	static const char *const keys[] = { "contract", "function", "key", "value" };
	const struct config_node *views = section(w->f, name);

	if (!views)
		return;
	document_keys(w->f->troubles, w->f->path, views, known, count);
	for (const struct config_node *m = views->first; m; m = m->next) {
		if (!is_map(w->f, m) || is_left_out(w, m))
			continue;
		document_keys(w->f->troubles, w->f->path, m, keys, members);
		must_have(w, m, "contract");
		must_have(w, m, "function");
		for (const struct config_node *v = m->first; v; v = v->next)
			put(w, v, false, "%s.%s.%s", top, m->key, v->key);
	}
}

static void put_domain(struct writer *w, const struct config_node *node, const char *path)
{
	put_member(w, node, "name", path);
	put_member(w, node, "version", path);
	put_member(w, node, "contract", path);
}

static void put_eip712(struct writer *w)
{
	static const char *const keys[] = { "name", "version", "contract", "types", "keys" };
	const struct config_node *node = section(w->f, "eip712");
	const struct config_node *other = find_member(node, "keys");

	document_keys(w->f->troubles, w->f->path, node, keys, ARRAY_LEN(keys));
	put_domain(w, node, "eip712");
	if (other && is_map(w->f, other)) {
		document_keys(w->f->troubles, w->f->path, other, keys, 3);
		put_domain(w, other, "eip712.keys");
	}

	const struct config_node *types = must_have(w, node, "types");

	if (!types || !is_map(w->f, types))
		return;
	for (const struct config_node *m = types->first; m; m = m->next)
		if (!find_member(section(w->f, "responses"), m->key))
			trouble_error(w->f->troubles, place_of(w->f, m->key_mark),
				      "\"%.40s\" is no "
				      "operation of the section responses; correct it",
				      m->key);
}

static void put_ciphertexts(struct writer *w)
{
	static const char *const keys[] = { "source", "url" };
	const struct config_node *node = section(w->f, "ciphertexts");
	const struct config_node *url = find_member(node, "url");

	document_keys(w->f->troubles, w->f->path, node, keys, ARRAY_LEN(keys));
	put_member(w, node, "source", "ciphertexts");
	if (url)
		put(w, url, false, "ciphertexts.url");
}

static void put_fhe_params(struct writer *w)
{
	const struct config_node *node = section(w->f, "fhe_params");
	unsigned i = 0;

	put_count(w, node, "fhe_params", node->count);
	for (const struct config_node *m = node->first; m; m = m->next, i++) {
		put(w, m, true, "fhe_params.%u.name", i);
		put(w, m, false, "fhe_params.%u.value", i);
	}
}

static void put_user_signature(struct writer *w)
{
	static const char *const keys[] = { "contract", "function", "type", "roles", "values" };
	static const char *const roles[] = { "materials", "handle", "user", "public_key", "signature" };
	const struct config_node *node = section(w->f, "user_signature");
	const struct config_node *part;

	if (!node)
		return;
	document_keys(w->f->troubles, w->f->path, node, keys, ARRAY_LEN(keys));
	for (size_t i = 0; i < 3; i++)
		put_member(w, node, keys[i], "user_signature");
	part = must_have(w, node, "roles");
	if (part && is_map(w->f, part)) {
		document_keys(w->f->troubles, w->f->path, part, roles, ARRAY_LEN(roles));
		for (const struct config_node *m = part->first; m; m = m->next)
			put(w, m, false, "user_signature.role.%s", m->key);
	}
	part = must_have(w, node, "values");
	if (part && is_map(w->f, part))
		for (const struct config_node *m = part->first; m; m = m->next)
			put(w, m, false, "user_signature.value.%s", m->key);
}

void profile_file_put(struct profile_file *f, const struct profile_choice *choice,
		      struct settings *s)
{
	static const char *const reads[] = {
#define R(name, text) #name,
		PROFILE_READS(R)
#undef R
	};
	static const char *const kinds[] = {
#define OP(number, name, prefix, group, finality, text) #name,
		OPERATIONS(OP)
#undef OP
	};
	struct writer w = { .f = f, .choice = choice, .s = s };

	put(&w, section(f, "profile"), false, "profile");
	for (const struct config_node *m = section(f, "requests")->first; m; m = m->next)
		put_request(&w, m);
	put_count(&w, section(f, "requests"), "request", w.requests);
	for (const struct config_node *m = section(f, "responses")->first; m; m = m->next)
		put_response(&w, m);
	put_count(&w, section(f, "responses"), "response", w.responses);
	if (section(f, "answers")) {
		for (const struct config_node *m = section(f, "answers")->first; m; m = m->next)
			put_answer(&w, m);
		put_count(&w, section(f, "answers"), "answer", w.answers);
	}
	put_others(&w);
	for (const struct config_node *m = section(f, "reverts")->first; m; m = m->next)
		put_reverts(&w, m);
	put_count(&w, section(f, "reverts"), "revert", w.reverts);
	put_views(&w, "reads", "read", reads, ARRAY_LEN(reads), 4);
	put_views(&w, "done", "done", kinds, ARRAY_LEN(kinds), 2);
	put_eip712(&w);
	put_ciphertexts(&w);
	put_fhe_params(&w);
	put_user_signature(&w);
	if (section(f, "access"))
		put(&w, section(f, "access"), false, "access");
}

/* From here on: checking. */

static struct place place_of_line(const struct profile_file *f, const char *path, unsigned column)
{
	for (unsigned i = 0; i < f->origins; i++) {
		const struct origin *o = &f->origin[i];

		if (strcmp(o->path, path) == 0)
			return place_of(f, o->key ? o->node->key_mark
						  : config_mark_in(o->node, column));
	}
	return place_of(f, (struct config_mark){ .line = 1, .column = 1 });
}

struct place profile_file_place(const struct profile_file *f, const char *path)
{
	return place_of_line(f, path, 0);
}

static void say(void *owner, const char *path, unsigned column, const char *why)
{
	struct profile_file *f = owner;

	trouble_error(f->troubles, place_of_line(f, path, column), "%s; correct the profile", why);
}

bool profile_file_check(struct profile_file *f, const struct settings *s, struct profile *out)
{
	struct profile_errors errors = { .say = say, .owner = f };

	return profile_load(s, &errors, out) == OK;
}
