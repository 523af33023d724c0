/*
 * resolve - chains, endpoints, profile; then each line to the children that need it.
 *
 * All lines are made once.  The table `routes`, and the rows of proto/options.h, say which
 * child gets which; a line that no row knows is a bug.
 */
#include "supervisor/cli/resolve.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/proc.h"
#include "proto/settlement.h"
#include "supervisor/cli/resolver.h"

#define CORES_MAX   32
#define SEND_WINDOW "16"

/* Lines that no option makes alone.  The first pattern that fits counts. */
static const struct { const char *pattern; unsigned children; bool network; } routes[] = {
	{ "build", TO_ALL, false },
	{ "network", TO_ALL, false },
	{ "account", TO_X | TO_T | TO_K, false },
	{ "send_window", TO_T, false },
	{ "profile", TO_L | TO_X | TO_T | TO_K, true },
	{ "chain", TO_L | TO_X | TO_T | TO_K, true },
	{ "chain.*.parent.*", TO_L, false },
	{ "chain.*.id", TO_L | TO_X | TO_T | TO_K, true },
	{ "chain.*.ws*", TO_L, false },
	{ "chain.*.start_*", TO_L, false },
	{ "chain.*.poll_ms", TO_L, false },
	{ "chain.*", TO_L | TO_X | TO_T, false },
	{ "contract*", TO_L | TO_X | TO_T | TO_K, true },
	{ "request", TO_L | TO_X, true },
	{ "request.*", TO_L | TO_X, true },
	{ "response*", TO_X | TO_T | TO_K, true },
	{ "answer", TO_L | TO_X, false },
	{ "answer.*", TO_L | TO_X, false },
	{ "other", TO_L, false },
	{ "other.*", TO_L, false },
	{ "eip712.*", TO_X | TO_T | TO_K, true },
	{ "revert*", TO_X | TO_T, true },
	{ "read.*", TO_X, true },
	{ "done.*", TO_X, true },
	{ "ciphertexts.*", TO_X, true },
	{ "access", TO_X, true },
	{ "user_signature.*", TO_X, true },
	{ "fhe_params*", TO_X, true },
	{ "core", TO_X, false },
	{ "s3.*", TO_X, false },
	{ "core.[0-9]*", TO_X, false },
};

static const struct { enum ipc_role role; unsigned bit; } children[] = {
	{ ROLE_LISTENER, TO_L }, { ROLE_EXECUTOR, TO_X }, { ROLE_SUBMITTER, TO_T },
	{ ROLE_SIGNER, TO_K }, { ROLE_MONITOR, TO_M },
};

const struct option_value *resolver_value(const struct resolver *r, enum option o)
{
	return &r->d->value[o];
}

void resolver_put(struct resolver *r, const char *text, const char *fmt, ...)
{
	char path[SETTINGS_PATH_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	check(settings_put(r->all, path, text) == OK);
}

void resolver_put_number(struct resolver *r, uint64_t n, const char *fmt, ...)
{
	char path[SETTINGS_PATH_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	check(settings_putf(r->all, path, "%llu", (unsigned long long)n) == OK);
}

void resolver_missing(struct resolver *r, struct place at, const struct option_row *row)
{
	trouble_error(r->t, at, "%s is missing; add it (%s)", row->path, row->text);
}

/* From here on: Cores, finality, money. */

static void put_core(struct resolver *r, const char *text, struct place at, unsigned i)
{
	char endpoint[VALUE_LINE_MAX];
	struct parsed p;
	struct why why;

	if (!document_parse(r->t, at, &option_rows[OPT_kms_core_endpoint], text, &p))
		return;
	check(value_endpoint(text, endpoint, &why));
	resolver_put(r, endpoint, "core.%u", i);
}

static void put_cores(struct resolver *r)
{
	const struct option_value *one = resolver_value(r, OPT_kms_core_endpoint);
	const struct option_value *many = resolver_value(r, OPT_kms_core_endpoints);
	const struct option_value *v = one->set ? one : many;
	unsigned n = 0;

	if (one->set && many->set)
		trouble_error(r->t, many->place,
			      "kms_core_endpoint says it already; keep one of them");
	if (!v->set)
		trouble_error(r->t, document_place(r->d, (struct config_mark){ 1, 1 }),
			      "kms_core_endpoint is missing; add it (%s)",
			      option_rows[OPT_kms_core_endpoint].text);
	else if (!v->node || v->node->type == CONFIG_SCALAR)
		put_core(r, v->text, v->place, n++);
	else if (v->node->type == CONFIG_MAP || !v->node->first || v->node->count > CORES_MAX)
		trouble_error(r->t, v->place,
			      "host:port or a list of 1 to %u of them must stand here; "
			      "write it so",
			      CORES_MAX);
	else
		for (const struct config_node *i = v->node->first; i; i = i->next)
			put_core(r, i->text ? i->text : "", document_place(r->d, i->mark), n++);
	resolver_put_number(r, n, "core");
}

static const struct { enum op_kind kind; enum option option; } finalities[] = {
	{ KIND_public_decryption, OPT_finality_public_decryption },
	{ KIND_user_decryption, OPT_finality_user_decryption },
	{ KIND_preprocess_keygen, OPT_finality_preprocess_keygen },
	{ KIND_preprocess_ksk, OPT_finality_preprocess_ksk },
	{ KIND_keygen, OPT_finality_keygen },
	{ KIND_crsgen, OPT_finality_crsgen },
	{ KIND_ksk, OPT_finality_ksk },
};

static void choose_finality(struct resolver *r)
{
	for (size_t i = 0; i < ARRAY_LEN(finalities); i++) {
		const struct option_value *v = resolver_value(r, finalities[i].option);

		if (!v->usable)
			continue;
		r->choice.finality[finalities[i].kind] = v->text;
		trouble_warning(r->t, v->place,
				"finality is no longer the profile's; all nodes of the "
				"network must choose the same, or answers will differ");
	}
}

/* What one answer may cost must fit in the budgets, else nothing is ever signed. */
static void check_money(struct resolver *r)
{
	const struct option_value *fee = resolver_value(r, OPT_sign_max_fee),
				  *gas = resolver_value(r, OPT_sign_max_gas);
	const struct option_value *hour = resolver_value(r, OPT_sign_hour),
				  *day = resolver_value(r, OPT_sign_day);
	struct u256 worst;
	char text[U256_ETH_TEXT];
	uint64_t wei;

	if (!fee->usable || !gas->usable || !hour->usable || !day->usable)
		return;
	if (u256_to_u64(&fee->parsed.wei, &wei) ||
	    !u256_mul_u64(&fee->parsed.wei, gas->parsed.number, &worst)) {
		trouble_error(r->t, fee->place,
			      "sign.max_fee is too large; at most 18446744073gwei");
		return;
	}
	if (u256_cmp(&hour->parsed.wei, &worst) < 0)
		trouble_error(r->t, hour->place,
			      "sign.hour does not suffice for one transaction of "
			      "sign.max_gas at sign.max_fee (%s ETH); raise it or lower these",
			      u256_eth(&worst, text));
	if (u256_cmp(&day->parsed.wei, &hour->parsed.wei) < 0)
		trouble_error(r->t, day->place, "sign.day is less than sign.hour; raise it");
}

/*
 * The operator's storage: an endpoint, or that of AWS in a region; region us-east-1 is what
 * servers other than AWS take when nothing is said.
 */
static void put_storage(struct resolver *r)
{
	static const enum option want_endpoint[] = { OPT_s3_bucket, OPT_s3_credentials_file };
	const struct option_value *endpoint = resolver_value(r, OPT_s3_endpoint);
	const struct option_value *region = resolver_value(r, OPT_s3_region);
	const struct option_value *style = resolver_value(r, OPT_s3_style);
	char url[VALUE_LINE_MAX] = "";

	for (size_t i = 0; i < ARRAY_LEN(want_endpoint); i++) {
		const struct option_value *v = resolver_value(r, want_endpoint[i]);

		if (v->set && !endpoint->set && !region->set)
			trouble_error(r->t, v->place, "%s needs to know where; add "
				      "s3_config.endpoint, or s3_config.region for AWS",
				      option_rows[want_endpoint[i]].path);
	}
	if (endpoint->usable && endpoint->parsed.is_numeric && style->usable &&
	    strcmp(style->text, "virtual") == 0)
		trouble_error(r->t, style->place, "nothing can stand before a numeric address; "
			      "write path, or a name in s3_config.endpoint");
	if (endpoint->usable)
		value_line(&option_rows[OPT_s3_endpoint], endpoint->text, &endpoint->parsed, url);
	else if (region->usable)
		snprintf(url, sizeof(url), "https://s3.%s.amazonaws.com", region->text);
	resolver_put(r, url, "s3.endpoint");
	resolver_put(r, region->usable ? region->text : "us-east-1", "s3.region");
}

static void put_options(struct resolver *r)
{
	char line[VALUE_LINE_MAX];

	for (int i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &option_rows[i];
		const struct option_value *v = &r->d->value[i];

		if (!*row->setting)
			continue;
		if (!row->fallback && !v->set)
			resolver_missing(r, v->place, row);
		if (!v->usable && (!v->text || *v->text))
			continue;
		line[0] = '\0';
		if (v->usable)
			value_line(row, v->text, &v->parsed, line);
		resolver_put(r, line, "%s", row->setting);
	}
}

/* From here on: who gets what. */

static unsigned children_of(const char *path, bool *network_out)
{
	*network_out = false;
	for (int i = 0; i < OPTION_COUNT; i++)
		if (strcmp(option_rows[i].setting, path) == 0)
			return option_rows[i].children;
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if (fnmatch(routes[i].pattern, path, 0) == 0) {
			*network_out = routes[i].network;
			return routes[i].children;
		}
	}
	return 0;
}

static void put_network(struct resolver *r, struct connector_config *c)
{
	struct settings *shared = settings_new();
	char text[2 * sizeof(c->network.b) + 1];

	for (unsigned i = 0; i < settings_count(r->all); i++) {
		const char *path = settings_path_at(r->all, i);
		bool network;

		check(children_of(path, &network));
		if (network)
			check(settings_put(shared, path, settings_value_at(r->all, i)) == OK);
	}
	c->network = settings_hash(shared);
	settings_free(&shared);
	resolver_put(r, hex_encode(BYTES_OF(c->network.b), text), "network");
}

static void deal_out(const struct settings *all, struct connector_config *c)
{
	for (unsigned i = 0; i < settings_count(all); i++) {
		const char *path = settings_path_at(all, i);
		bool network;
		unsigned who = children_of(path, &network);

		for (size_t j = 0; j < ARRAY_LEN(children); j++)
			if (who & children[j].bit)
				check(settings_put(c->child[children[j].role], path,
						   settings_value_at(all, i)) == OK);
	}
}

/* One more line, to whom it belongs. */
static void deal_line(struct connector_config *c, const char *path, const char *text)
{
	struct settings *line = settings_new();

	check(settings_put(line, path, text) == OK);
	deal_out(line, c);
	settings_free(&line);
}

void resolve_account(struct connector_config *c, const struct addr *account)
{
	char text[ADDR_TEXT];

	deal_line(c, "account", addr_text(account, text));
	c->account = *account;
	c->has_key = true;
}

void resolve_credentials(struct connector_config *c, const struct stat *st)
{
	char text[80];

	snprintf(text, sizeof(text), "%llu %llu %lld.%09ld", (unsigned long long)st->st_ino,
		 (unsigned long long)st->st_size, (long long)st->st_mtim.tv_sec,
		 st->st_mtim.tv_nsec);
	deal_line(c, "s3.credentials", text);
}

static char *copy(const char *s)
{
	char *out = strdup(s ? s : "");

	check(out);
	return out;
}

static char *user_of(const struct resolver *r, enum option o)
{
	const struct option_value *v = resolver_value(r, o);

	if (!v->usable)
		v = resolver_value(r, OPT_user);
	return v->usable ? copy(v->text) : NULL;
}

static void fill(struct resolver *r, struct connector_config *c)
{
	static const char *const levels[] = { "debug", "info", "warn", "error" };
	const struct option_value *listen = resolver_value(r, OPT_monitor_listen);
	const struct option_value *key = resolver_value(r, OPT_key_file);

	c->service_name = copy(resolver_value(r, OPT_service_name)->text);
	c->profile = copy(r->profile.name);
	c->profile_path = copy(r->profile.path);
	c->data_dir = copy(resolver_value(r, OPT_data_dir)->text);
	c->runtime_dir = copy(resolver_value(r, OPT_runtime_dir)->text);
	if (key->usable)
		c->key_file = copy(key->text);
	else
		check(asprintf(&c->key_file, "%s/signer/key", c->data_dir) > 0);
	if (resolver_value(r, OPT_s3_credentials_file)->usable)
		c->credentials_file = copy(resolver_value(r, OPT_s3_credentials_file)->text);
	c->monitor_host = copy(listen->parsed.host);
	c->monitor_port = listen->parsed.port;
	c->log_format = copy(resolver_value(r, OPT_log_format)->text);
	for (unsigned i = 0; i < ARRAY_LEN(levels); i++)
		if (resolver_value(r, OPT_log_level)->usable &&
		    strcmp(levels[i], resolver_value(r, OPT_log_level)->text) == 0)
			c->log_level = (enum log_level)i;
	c->user[ROLE_LISTENER] = user_of(r, OPT_users_listener);
	c->user[ROLE_EXECUTOR] = user_of(r, OPT_users_executor);
	c->user[ROLE_SUBMITTER] = user_of(r, OPT_users_submitter);
	c->user[ROLE_SIGNER] = user_of(r, OPT_users_signer);
	c->user[ROLE_MONITOR] = user_of(r, OPT_users_monitor);
	c->body_budget = resolver_value(r, OPT_body_budget)->parsed.number;
}

static void check_listen(struct resolver *r)
{
	const struct option_value *v = resolver_value(r, OPT_monitor_listen);

	if (v->usable && v->parsed.is_public)
		trouble_warning(r->t, v->place, "monitor.listen lets others than this machine see "
				"what the connector does; use 127.0.0.1, or guard the port");
}

static void check_user_signature(struct resolver *r, const struct profile *p)
{
	const struct option_value *v = resolver_value(r, OPT_user_signature);

	if (v->usable && strcmp(v->text, "required") == 0 && !p->user_signature.present)
		trouble_error(r->t, v->place, "the profile does not say where the user's signature "
			      "stands; write off, or use another profile");
}

/* The level is the configuration's or the profile's. */
static struct place place_of_finality(const struct resolver *r, unsigned request, enum op_kind kind)
{
	char path[SETTINGS_PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(finalities); i++)
		if (finalities[i].kind == kind && r->choice.finality[kind])
			return resolver_value(r, finalities[i].option)->place;
	snprintf(path, sizeof(path), "request.%u.finality", request);
	return profile_file_place(&r->profile, path);
}

/* A decryption whose deadline comes before its block can be settled is never answered. */
static void check_deadline(struct resolver *r, const struct profile *p)
{
	const struct option_value *deadline = resolver_value(r, OPT_request_deadline);
	bool said[KIND_COUNT] = { false };

	if (!deadline->usable || deadline->parsed.number > SETTLED_AGE_S)
		return;
	for (unsigned i = 0; i < p->requests; i++) {
		enum op_kind kind = p->request[i].kind;

		if (op_group(kind) != OP_DECRYPTION || said[kind] ||
		    strcmp(p->request[i].finality, "settled") != 0)
			continue;
		said[kind] = true;
		trouble_warning(r->t, place_of_finality(r, i, kind),
				"%s expires after request_deadline (%s), before its block can be "
				"settled (%u days); write request_deadline: %ud, or a level below "
				"settled",
				op_name(kind), deadline->text, SETTLED_AGE_S / 86400,
				SETTLED_AGE_S / 86400 + 1);
	}
}

static void open_profile(struct resolver *r)
{
	const struct option_value *v = resolver_value(r, OPT_profile);

	r->has_profile =
		v->usable && profile_file_open(&r->profile, r->d->path, v->text, v->place, r->t);
}

void resolve_document(struct document *d, struct connector_config *c)
{
	struct resolver r = { .d = d, .t = d->troubles, .all = settings_new() };
	static struct profile profile;		/* large; each call fills it anew */

	for (size_t i = 0; i < ARRAY_LEN(children); i++)
		c->child[children[i].role] = settings_new();
	open_profile(&r);
	put_options(&r);
	resolver_put_chains(&r);
	put_cores(&r);
	put_storage(&r);
	choose_finality(&r);
	check_money(&r);
	check_listen(&r);
	resolver_put(&r, proc_build(), "build");
	resolver_put(&r, SEND_WINDOW, "send_window");
	fill(&r, c);
	if (r.has_profile) {
		profile_file_put(&r.profile, &r.choice, r.all);
		profile_file_check(&r.profile, r.all, &profile);
		check_user_signature(&r, &profile);
		check_deadline(&r, &profile);
	}
	if (!r.t->errors) {
		put_network(&r, c);
		deal_out(r.all, c);
	}
	profile_file_close(&r.profile);
	settings_free(&r.all);
}
