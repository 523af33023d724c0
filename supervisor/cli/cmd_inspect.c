/*
 * cmd_inspect - what the contracts say: current key, nodes, coprocessors, parameters, thresholds,
 * our own registration, and how far each chain is.  Asks the chain, not the running connector.
 */
#include "supervisor/cli/chain_read.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/heights.h"
#include "supervisor/cli/registry.h"

#define DEPTH_MAX 6
#define ACCOUNTS_MAX 256	/* nodes, or coprocessors, that are read one by one */
#define TEXT_MAX  300		/* characters of one string or byte string */

static struct chain_reader reader;

static void print_value(struct abi_view v, unsigned depth);

static void print_word(struct abi_view v, enum abi_type type)
{
	struct b32 word = abi_word(v);
	char text[67], dec[U256_DEC_TEXT];
	struct u256 n;
	uint64_t small;

	memcpy(n.b, word.b, sizeof(n.b));
	if (type == ABI_ADDRESS) {
		struct addr a = abi_addr(v);
		printf("%s%s", addr_text(&a, text),
		       addr_eq(&a, &reader.config->account) ? " (our account)" : "");
	} else if (type == ABI_BOOL) {
		printf("%s", b32_is_zero(&word) ? "no" : "yes");
	} else if (type == ABI_UINT && u256_to_u64(&n, &small) == OK) {
		printf("%s", u256_dec(&n, dec));
	} else {
		printf("%s", hex_encode0x(BYTES_OF(word.b), text));
	}
}

static void print_bytes(struct bytes v, bool is_text)
{
	char text[2 * TEXT_MAX + 3];
	size_t len = v.len < TEXT_MAX ? v.len : TEXT_MAX;

	if (is_text) {
		memcpy(text, v.p, len);
		text[len] = '\0';
		clean_text(text, "\"");
		printf("\"%s\"", text);
	} else {
		printf("%s", hex_encode0x(BYTES(v.p, len), text));
	}
	if (len < v.len)
		printf("... (%zu bytes)", v.len);
}

static void print_members(struct abi_view v, unsigned depth)
{
	struct abi_view member;

	for (unsigned i = 0; abi_member_at(v, i, &member); i++) {
		const char *name = abi_name_of(member);

		printf("%s%s%s", i ? "  " : "", name, *name ? " " : "");
		print_value(member, depth);
	}
}

static void print_value(struct abi_view v, unsigned depth)
{
	enum abi_type type = abi_type_of(v);

	if (depth == DEPTH_MAX) {
		printf("...");
	} else if (type == ABI_ARRAY) {
		if (abi_count(v) == 0)
			printf("none");
		for (uint32_t i = 0; i < abi_count(v); i++) {
			printf("\n    ");
			print_value(abi_item(v, i), depth + 1);
		}
	} else if (type == ABI_TUPLE) {
		print_members(v, depth + 1);
	} else if (type == ABI_BYTES || type == ABI_STRING) {
		print_bytes(abi_bytes(v), type == ABI_STRING);
	} else {
		print_word(v, type);
	}
}

/* Views. */

static enum err read_view(const struct profile_read *read, const struct addr *account,
			  struct abi_view *out)
{
	struct b32 word = { { 0 } };
	struct abi_arg arg = { .v = BYTES_OF(word.b) };

	memcpy(word.b + 12, account->b, sizeof(account->b));
	return chain_read(&reader, read->contract, &read->function, &arg, read->by_key, out);
}

static void print_view(const struct profile_read *read, const struct addr *account)
{
	struct abi_view root, value;

	if (read_view(read, account, &root))
		printf("not known: %s", reader.why);
	else
		for (unsigned i = 0; abi_member_at(root, i, &value); i++)
			print_value(value, 0);
}

/* Whose views are read by account, as the contracts list them; without a list our own. */
static unsigned find_accounts(enum profile_read_name name, struct addr out[ACCOUNTS_MAX])
{
	enum profile_read_name list =
		name == READ_coprocessor_bucket ? READ_coprocessor_accounts : READ_kms_accounts;
	unsigned count;

	if (registry_accounts(&reader, list, "latest", out, ACCOUNTS_MAX, &count) != ERR_MISSING)
		return count;
	out[0] = reader.config->account;
	return 1;
}

static void print_read(enum profile_read_name name, const char *text)
{
	static struct addr account[ACCOUNTS_MAX];
	const struct profile_read *read = &reader.profile.read[name];
	unsigned count = read->by_key ? find_accounts(name, account) : 0;

	printf("  %s: ", text);
	if (!read->by_key)
		print_view(read, &reader.config->account);
	else if (count == 0)
		printf("none");
	for (unsigned i = 0; i < count; i++) {
		printf("\n    ");
		print_view(read, &account[i]);
	}
	printf("\n");
}

int cmd_inspect(int argc, char **argv, const struct connector_config *c)
{
	static const char *const texts[] = {
#define R(name, text) text,
		PROFILE_READS(R)
#undef R
	};
	bool good = true;

	(void)argv;
	if (argc > 1) {
		fprintf(stderr, "usage: kms-connector inspect\n");
		return EXIT_usage;
	}
	chain_reader_open(&reader, c);
	for (unsigned i = 0; i < reader.chains; i++)
		good &= heights_print(&reader, i);
	printf("contracts of profile %s\n", c->profile);
	for (unsigned i = 0; i < READ_COUNT; i++) {
		const struct abi_line *f = &reader.profile.read[i].function;

		if (reader.profile.read[i].present &&
		    (reader.profile.read[i].by_key || f->node[f->inputs].children == 0))
			print_read((enum profile_read_name)i, texts[i]);
	}
	return good ? EXIT_ok : EXIT_online;
}
