/*
 * cmd_check - what this configuration will do, before it does it.
 *
 * main.c has loaded the configuration and printed its troubles; who comes here has none.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/profile.h"
#include "proto/settlement.h"
#include "supervisor/cli/commands.h"

#define TYPICAL_GAS 300000u		/* of one answer on an Arbitrum chain */
#define USUAL_FEE   100000000u		/* 0.1 gwei */

static bool observes(const struct connector_config *c)
{
	return strcmp(get_setting(c->child[ROLE_EXECUTOR], "sending"), "observe") == 0;
}

static const char *what_becomes(const struct connector_config *c, enum op_kind kind)
{
	return op_group(kind) == OP_OBSERVED ? "observed" : observes(c) ? "compared" : "answered";
}

static void print_urls(const struct settings *s, unsigned chain, const char *kind, const char *what)
{
	unsigned n = (unsigned)get_setting_u64(s, "chain.%u.%s", chain, kind);

	printf("  %-22s", what);
	for (unsigned i = 0; i < n; i++)
		printf("%s%s", i ? ", " : "",
		       get_setting(s, "chain.%u.%s.%u.name", chain, kind, i));
	printf("%s\n", n ? "" : "none: the chain is polled");
}

static void print_settled(const struct settings *s, unsigned i)
{
	const char *start = find_setting(s, "chain.%u.parent.start_block", i);

	if (get_setting_u64(s, "chain.%u.parent.http", i) == 0) {
		printf("  %-22swhat is %u days older than the finalized block, by chain time\n",
		       "settled is", SETTLED_AGE_S / 86400);
		return;
	}
	printf("  %-22swhat the parent chain's Outbox %s has named\n", "settled is",
	       get_setting(s, "chain.%u.parent.outbox", i));
	print_urls(s, i, "parent.http", "the parent chain at");
	if (start)
		printf("  %-22sblock %s\n", "the Outbox, read from", start);
	else
		printf("  %-22s%u blocks before the finalized one there\n",
		       "the Outbox, read from", SETTLED_LOOK_BACK);
}

static void print_chain(const struct settings *s, unsigned i)
{
	const char *block = find_setting(s, "chain.%u.start_block", i);

	printf("chain %s, id %s\n", get_setting(s, "chain.%u.name", i),
	       get_setting(s, "chain.%u.id", i));
	print_urls(s, i, "http", "calls go to");
	print_urls(s, i, "ws", "is woken up by");
	if (block)
		printf("  %-22sblock %s\n", "an empty store reads", block);
	else
		printf("  %-22sblocks younger than %s s\n", "an empty store reads",
		       get_setting(s, "chain.%u.start_age_s", i));
	for (unsigned k = 0; k < get_setting_u64(s, "contract"); k++)
		if (get_setting_u64(s, "contract.%u.chain", k) ==
		    get_setting_u64(s, "chain.%u.id", i))
			printf("  %-22s%s\n", get_setting(s, "contract.%u.name", k),
			       get_setting(s, "contract.%u.address", k));
	print_settled(s, i);
}

/* NULL when the profile has no such operation. */
static const char *finality_of(const struct settings *s, unsigned kind)
{
	for (unsigned r = 0; r < get_setting_u64(s, "request"); r++)
		if (op_by_name(get_setting(s, "request.%u.kind", r)) == kind)
			return get_setting(s, "request.%u.finality", r);
	return NULL;
}

static void print_operations(const struct connector_config *c)
{
	const struct settings *s = c->child[ROLE_LISTENER];

	printf("operations\n");
	for (unsigned kind = 1; kind < KIND_COUNT; kind++) {
		const char *finality = finality_of(s, kind);

		if (finality)
			printf("  %-22sfrom %-10s %s\n", op_name(kind), finality,
			       what_becomes(c, (enum op_kind)kind));
	}
	if (find_setting(s, "other"))
		printf("  %-22stold, but for %s that the profile names\n", "any other event",
		       get_setting(s, "other"));
	else
		printf("  %-22snot looked for: the profile has no other_events\n",
		       "any other event");
}

static void print_core(const struct settings *s)
{
	unsigned n = (unsigned)get_setting_u64(s, "core");

	printf("KMS Core (%s)\n", get_setting(s, "core.mode"));
	for (unsigned i = 0; i < n; i++)
		printf("  %-22s%s\n", i ? "" : "at", get_setting(s, "core.%u", i));
	printf("  %-22s%s\n", "signs results as", get_setting(s, "kms_signer_address"));
}

static void print_storage(const struct connector_config *c)
{
	const struct settings *s = c->child[ROLE_EXECUTOR];
	const char *endpoint = get_setting(s, "s3.endpoint"), *bucket = get_setting(s, "s3.bucket");

	printf("storage\n");
	if (strcmp(get_setting(s, "ciphertexts.source"), "inline") == 0) {
		printf("  %-22sthe requests themselves\n", "ciphertexts from");
		return;
	}
	printf("  %-22sbuckets that coprocessors register%s%s\n", "ciphertexts from",
	       *bucket ? ", then our own: " : "", bucket);
	if (!*endpoint)
		return;
	printf("  %-22s%s, %s style\n", "s3:// names are at", endpoint, get_setting(s, "s3.style"));
	if (c->credentials_file)
		printf("  %-22sregion %s, credentials in %s\n", "signed requests to it",
		       get_setting(s, "s3.region"), c->credentials_file);
}

static void print_places(const struct connector_config *c)
{
	char journal[4200];

	snprintf(journal, sizeof(journal), "%s/signer/journal", c->data_dir);
	printf("files\n");
	printf("  %-22s%s/store\n", "requests", c->data_dir);
	printf("  %-22s%s%s\n", "signed transactions", journal,
	       access(journal, F_OK) ? " (not there yet: kms-connector key init makes it)" : "");
	printf("  %-22s%s\n", "key", c->key_file);
	printf("  %-22s%s\n", "sockets", c->runtime_dir);
	printf("  %-22shttp://%s%s%s:%u\n", "window for operators",
	       strchr(c->monitor_host, ':') ? "[" : "", c->monitor_host,
	       strchr(c->monitor_host, ':') ? "]" : "", c->monitor_port);
}

/* How many answers of TYPICAL_GAS a budget permits at a fee of so much wei per gas. */
static uint64_t answers(const struct u256 *budget, uint64_t fee)
{
	struct u256 by_gas, count;
	uint64_t n;

	u256_divmod_u64(budget, TYPICAL_GAS, &by_gas);
	u256_divmod_u64(&by_gas, fee, &count);
	return u256_to_u64(&count, &n) ? UINT64_MAX : n;
}

struct money {
	struct u256 hour, day, worst;		/* wei; worst: of one transaction */
	uint64_t at_cap, usual;			/* typical answers per hour */
};

static struct money count_money(const struct settings *s)
{
	struct u256 fee = get_setting_wei(s, "sign.max_fee");
	struct money m = {
		.hour = get_setting_wei(s, "sign.hour"),
		.day = get_setting_wei(s, "sign.day"),
	};
	uint64_t cap;

	check(u256_to_u64(&fee, &cap) == OK);
	check(u256_mul_u64(&fee, get_setting_u64(s, "sign.max_gas"), &m.worst));
	m.at_cap = answers(&m.hour, cap);
	m.usual = answers(&m.hour, cap < USUAL_FEE ? cap : USUAL_FEE);
	return m;
}

static void print_money(const struct connector_config *c)
{
	const struct money m = count_money(c->child[ROLE_SIGNER]);
	char account[ADDR_TEXT], hour[U256_ETH_TEXT], day[U256_ETH_TEXT], worst[U256_ETH_TEXT];

	printf("money\n");
	printf("  %-22s%s\n", "account", addr_text(&c->account, account));
	printf("  %-22s%s ETH per hour, %s ETH per day (gas limit x fee limit of what is signed)\n",
	       "budgets", u256_eth(&m.hour, hour), u256_eth(&m.day, day));
	printf("  %-22s%llu answers of %u gas per hour at fee limits up to 0.1 gwei, %llu at the "
	       "cap\n", "permit", (unsigned long long)m.usual, TYPICAL_GAS,
	       (unsigned long long)m.at_cap);
	printf("  %-22s%s ETH for one transaction, %s ETH per day\n", "worst loss",
	       u256_eth(&m.worst, worst), day);
}

static void print_all(const struct connector_config *c)
{
	const struct settings *s = c->child[ROLE_LISTENER];

	printf("%s is sound; profile %s from %s\n\n", c->path, c->profile, c->profile_path);
	for (unsigned i = 0; i < get_setting_u64(s, "chain"); i++)
		print_chain(s, i);
	print_operations(c);
	if (observes(c))
		printf("sending\n  observes only: never sends; compares with what this node's other connector "
		       "sends\n");
	print_core(c->child[ROLE_EXECUTOR]);
	print_storage(c);
	print_places(c);
	print_money(c);
}

static void print_json(const struct connector_config *c)
{
	const struct money m = count_money(c->child[ROLE_SIGNER]);
	const struct settings *s = c->child[ROLE_LISTENER];
	const char *finality;
	char text[U256_ETH_TEXT];
	cJSON *root = cJSON_CreateObject();
	cJSON *list = cJSON_AddArrayToObject(root, "answered");
	cJSON *levels = cJSON_AddObjectToObject(root, "finality");

	cJSON_AddStringToObject(root, "file", c->path);
	cJSON_AddStringToObject(root, "profile", c->profile);
	cJSON_AddNumberToObject(root, "warnings", c->warnings);
	cJSON_AddStringToObject(root, "account", addr_text(&c->account, text));
	cJSON_AddStringToObject(root, "network", get_setting(s, "network"));
	cJSON_AddStringToObject(root, "data_dir", c->data_dir);
	cJSON_AddStringToObject(root, "sending", observes(c) ? "observe" : "on");
	for (unsigned kind = 1; kind < KIND_COUNT; kind++) {
		if (!(finality = finality_of(s, kind)))
			continue;
		cJSON_AddStringToObject(levels, op_name(kind), finality);
		if (op_group((enum op_kind)kind) != OP_OBSERVED)
			cJSON_AddItemToArray(list, cJSON_CreateString(op_name(kind)));
	}
	cJSON_AddStringToObject(root, "budget_hour_eth", u256_eth(&m.hour, text));
	cJSON_AddStringToObject(root, "budget_day_eth", u256_eth(&m.day, text));
	cJSON_AddStringToObject(root, "worst_transaction_eth", u256_eth(&m.worst, text));

	char *out = cJSON_Print(root);

	check(out);
	puts(out);
	cJSON_free(out);
	cJSON_Delete(root);
}

int cmd_check(int argc, char **argv, const struct connector_config *c)
{
	bool online = false, json = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--online") == 0) {
			online = true;
		} else if (strcmp(argv[i], "--json") == 0) {
			json = true;
		} else {
			fprintf(stderr, "usage: kms-connector check [--online] [--json]\n");
			return EXIT_usage;
		}
	}
	if (json)
		print_json(c);
	else
		print_all(c);
	return online ? cmd_online(c) : EXIT_ok;
}
