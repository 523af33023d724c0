/*
 * cmd_online - check --online: what the network says about this configuration.
 *
 * Nothing here is a reason not to start: the connector waits for what is missing.  It is for
 * who has just written the file and wants to know now.
 */

#include <stdarg.h>

#include "common/profile.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/node.h"

#define CHAINS_MAX 16
#define PARAMS_MAX 1024
#define CODE_MAX   (128u * 1024)	/* of one contract: 24 KiB, or 96 KiB on some chains */
#define LIST_MAX   (256u * 1024)	/* what a view of a list returns */

struct online {
	const struct connector_config *config;
	const struct settings *chains;		/* the listener's */
	struct profile profile;			/* the executor's */
	const char *answers[CHAINS_MAX];	/* URL of a node on the right chain; NULL: none */
	unsigned failed;
};

static struct online online;		/* a profile is large */

static void say(struct online *o, bool good, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void say(struct online *o, bool good, const char *fmt, ...)
{
	va_list ap;

	printf(good ? "OK    " : "FAIL  ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	o->failed += !good;
}

/* Nodes. */

static enum err call_u64(const char *url, const char *method, struct node_reply *r, uint64_t *out)
{
	enum err e = node_call(url, method, "[]", r);

	if (!e) {
		e = json_u64(r->result, out);
		if (e)
			snprintf(r->why, sizeof(r->why), "the answer is no number");
	}
	node_reply_free(r);
	return e;
}

/* WANTED 0: any; else what OPTION says. */
static bool check_chain_id(struct online *o, const char *node, const char *url, uint64_t wanted,
			   const char *option)
{
	static struct node_reply r;
	uint64_t id = 0;

	if (call_u64(url, "eth_chainId", &r, &id)) {
		say(o, false, "node %s: %s; check its URL and that it runs", node, r.why);
		return false;
	}
	if (wanted && id != wanted) {
		say(o, false, "node %s is on chain %llu, not %llu: correct its URL or %s", node,
		    (unsigned long long)id, (unsigned long long)wanted, option);
		return false;
	}
	say(o, true, "node %s is on chain %llu", node, (unsigned long long)id);
	return true;
}

/* A call whose answer only has to be there. */
static void check_serves(struct online *o, const char *node, const char *url, const char *what,
			 const char *method, const char *params)
{
	static struct node_reply r;
	enum err e = node_call(url, method, params, &r);

	if (e)
		say(o, false, "node %s does not serve %s: %s; use another node", node, what, r.why);
	else if (cJSON_IsNull(r.result))
		say(o, false, "node %s has no %s: it may be syncing", node, what);
	else
		say(o, true, "node %s serves %s", node, what);
	node_reply_free(&r);
}

static void check_node(struct online *o, unsigned chain, unsigned i)
{
	const char *node = get_setting(o->chains, "chain.%u.http.%u.name", chain, i);
	const char *url = get_setting(o->chains, "chain.%u.http.%u.url", chain, i);
	uint64_t id = get_setting_u64(o->chains, "chain.%u.id", chain);
	char params[PARAMS_MAX], address[ADDR_TEXT] = "";

	if (!check_chain_id(o, node, url, id, "chain_id"))
		return;
	if (chain < CHAINS_MAX && !o->answers[chain])
		o->answers[chain] = url;
	for (unsigned k = 0; k < o->profile.contracts && !*address; k++)
		if (o->profile.contract[k].chain == id)
			addr_text(&o->profile.contract[k].address, address);
	check_serves(o, node, url, "finalized", "eth_getBlockByNumber", "[\"finalized\",false]");
	snprintf(params, sizeof(params), "[{\"fromBlock\":\"latest\",\"toBlock\":\"latest\","
		 "\"address\":\"%s\"}]", address);
	check_serves(o, node, url, "eth_getLogs", "eth_getLogs", params);
}

static void check_ws(struct online *o, unsigned chain, unsigned i)
{
	const char *node = get_setting(o->chains, "chain.%u.ws.%u.name", chain, i);
	const char *url = get_setting(o->chains, "chain.%u.ws.%u.url", chain, i);
	char why[256] = "no memory";

	if (node_connect(url, why, sizeof(why)))
		say(o, false, "WebSocket %s: %s; without it the chain is polled", node, why);
	else
		say(o, true, "WebSocket %s accepts connections", node);
}

/* Contracts and account: at the first node that is on their chain. */

static const char *node_of(struct online *o, uint64_t chain_id)
{
	for (unsigned i = 0; i < get_setting_u64(o->chains, "chain") && i < CHAINS_MAX; i++)
		if (get_setting_u64(o->chains, "chain.%u.id", i) == chain_id)
			return o->answers[i];
	return NULL;
}

static void check_contract(struct online *o, const char *name, const char *address, const char *url)
{
	static uint8_t code[CODE_MAX];
	static struct node_reply r;
	char params[PARAMS_MAX];
	size_t len = 0;

	snprintf(params, sizeof(params), "[\"%s\",\"latest\"]", address);
	enum err e = node_call(url, "eth_getCode", params, &r);
	if (e)
		say(o, false, "%s %s: %s", name, address, r.why);
	else if (json_bytes(r.result, code, sizeof(code), &len) != OK || len == 0)
		say(o, false, "there is no contract at %s (%s): correct the address or the node",
		    address, name);
	else
		say(o, true, "%s is a contract at %s, %zu bytes", name, address, len);
	node_reply_free(&r);
}

static void check_balance(struct online *o, const struct profile_contract *c, const char *url)
{
	static struct node_reply r;
	char params[PARAMS_MAX], address[ADDR_TEXT], eth[U256_ETH_TEXT];
	struct u256 balance;

	addr_text(&o->config->account, address);
	snprintf(params, sizeof(params), "[\"%s\",\"latest\"]", address);
	enum err e = node_call(url, "eth_getBalance", params, &r);
	if (e || json_u256(r.result, &balance) != OK)
		say(o, false, "balance of %s: %s", address, e ? r.why : "the answer is no number");
	else if (u256_is_zero(&balance))
		say(o, false, "account %s has no funds on chain %llu: send it ETH", address,
		    (unsigned long long)c->chain);
	else
		say(o, true, "account %s has %s ETH on chain %llu", address,
		    u256_eth(&balance, eth), (unsigned long long)c->chain);
	node_reply_free(&r);
}

/* How profile_identity() went. */
static void judge_identity(struct online *o, enum err e, const struct addr *identity)
{
	struct addr wanted = get_setting_addr(o->config->child[ROLE_EXECUTOR], "kms_signer_address");
	char account[ADDR_TEXT], is[ADDR_TEXT], should[ADDR_TEXT];

	addr_text(&o->config->account, account);
	addr_text(&wanted, should);
	if (e && e != ERR_MISSING)
		say(o, false, "the list of nodes cannot be read, or the identity of %s is neither "
		    "an address nor a public key: does the profile fit the contracts?", account);
	else if (e)
		say(o, false, "account %s is not registered as a node: register it, or use the "
		    "registered account's key", account);
	else if (!addr_eq(identity, &wanted))
		say(o, false, "account %s is registered with identity %s, but kms_signer_address is "
		    "%s: they must agree", account, addr_text(identity, is), should);
	else
		say(o, true, "account %s is registered with identity %s", account, should);
}

static void check_identity(struct online *o)
{
	const struct profile_read *read = &o->profile.read[READ_kms_identity];
	static struct node_reply r;
	static uint8_t data[LIST_MAX];
	char params[PARAMS_MAX], to[ADDR_TEXT], hex[2 * PROFILE_CALL_MAX + 3];
	uint8_t call[PROFILE_CALL_MAX];
	struct addr identity = { 0 };
	struct abi_view root;
	size_t len;

	if (!read->present)
		return;
	const struct profile_contract *c = &o->profile.contract[read->contract];
	const char *url = node_of(o, c->chain);
	if (!url)
		return;		/* said already: no node of that chain answers */
	snprintf(params, sizeof(params), "[{\"to\":\"%s\",\"data\":\"%s\"},\"latest\"]",
		 addr_text(&c->address, to),
		 hex_encode0x(profile_call(read, &o->config->account, call), hex));
	enum err e = node_call(url, "eth_call", params, &r);
	if (e && read->by_key && r.reverted)
		judge_identity(o, ERR_MISSING, &identity);
	else if (e)
		say(o, false, "the list of nodes at %s: %s", to, r.why);
	else if (json_bytes(r.result, data, sizeof(data), &len) != OK ||
		 abi_decode(&read->function, read->function.outputs, BYTES(data, len), &root) != OK)
		judge_identity(o, ERR_FORMAT, &identity);
	else
		judge_identity(o, profile_identity(read, root, &o->config->account, &identity),
			       &identity);
	node_reply_free(&r);
}

static bool is_first_of_chain(const struct profile *p, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (p->contract[k].chain == p->contract[i].chain)
			return false;
	return true;
}

static void check_contracts(struct online *o)
{
	char address[ADDR_TEXT];

	for (unsigned i = 0; i < o->profile.contracts; i++) {
		const struct profile_contract *c = &o->profile.contract[i];
		const char *url = node_of(o, c->chain);
		if (!url) {
			say(o, false, "%s: no node of chain %llu answers", c->name,
			    (unsigned long long)c->chain);
			continue;
		}
		check_contract(o, c->name, addr_text(&c->address, address), url);
		if (is_first_of_chain(&o->profile, i))
			check_balance(o, c, url);
	}
}

/* A node of the chain that settles CHAIN: what it must serve, and the Outbox there. */
static void check_parent(struct online *o, unsigned chain, unsigned i)
{
	const char *node = get_setting(o->chains, "chain.%u.parent.http.%u.name", chain, i);
	const char *url = get_setting(o->chains, "chain.%u.parent.http.%u.url", chain, i);
	const char *outbox = get_setting(o->chains, "chain.%u.parent.outbox", chain);
	uint64_t id = get_setting_u64(o->chains, "chain.%u.parent.id", chain);
	char name[80], params[PARAMS_MAX];

	snprintf(name, sizeof(name), "%.40s of the parent chain", node);
	if (!check_chain_id(o, name, url, id, "parent_chain.id"))
		return;
	check_serves(o, name, url, "finalized", "eth_getBlockByNumber", "[\"finalized\",false]");
	snprintf(params, sizeof(params), "[{\"fromBlock\":\"latest\",\"toBlock\":\"latest\","
		 "\"address\":\"%s\"}]", outbox);
	check_serves(o, name, url, "eth_getLogs", "eth_getLogs", params);
	check_contract(o, "the Outbox", outbox, url);
}

/* That something listens; whether it is a Core shows with the first request. */
static void check_core(struct online *o, const char *core)
{
	char url[300], why[256] = "no memory";

	snprintf(url, sizeof(url), "http://%s", core);
	if (node_connect(url, why, sizeof(why)))
		say(o, false, "Core %s: %s; check that it runs and kms_core_endpoint", core, why);
	else
		say(o, true, "Core %s accepts connections", core);
}

/* Of the operator's own; those that coprocessors register change with the chain. */
static void check_storage(struct online *o, const char *endpoint)
{
	char why[256] = "no memory";

	if (!*endpoint)
		return;
	if (node_connect(endpoint, why, sizeof(why)))
		say(o, false, "storage %s: %s; check s3_config", endpoint, why);
	else
		say(o, true, "storage %s accepts connections", endpoint);
}

int cmd_online(const struct connector_config *c)
{
	struct online *o = &online;
	const struct settings *executor = c->child[ROLE_EXECUTOR];

	o->config = c;
	o->chains = c->child[ROLE_LISTENER];
	check(profile_load(executor, NULL, &o->profile) == OK);
	printf("\n");
	for (unsigned i = 0; i < get_setting_u64(o->chains, "chain"); i++) {
		for (unsigned k = 0; k < get_setting_u64(o->chains, "chain.%u.http", i); k++)
			check_node(o, i, k);
		for (unsigned k = 0; k < get_setting_u64(o->chains, "chain.%u.ws", i); k++)
			check_ws(o, i, k);
		for (unsigned k = 0; k < get_setting_u64(o->chains, "chain.%u.parent.http", i); k++)
			check_parent(o, i, k);
	}
	check_contracts(o);
	check_identity(o);
	for (unsigned i = 0; i < get_setting_u64(executor, "core"); i++)
		check_core(o, get_setting(executor, "core.%u", i));
	check_storage(o, get_setting(executor, "s3.endpoint"));
	if (o->failed)
		printf("\n%u of these checks failed; the connector starts all the same and waits for "
		       "what is missing\n", o->failed);
	return o->failed ? EXIT_online : EXIT_ok;
}
