/* profile_world - profiles for tests, read from their files as kms-connector reads them. */
#pragma once

#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "common/profile.h"
#include "supervisor/cli/profile_yaml.h"

struct test_contract { const char *name, *address; };

#define MANAGER      "0x5FbDB2315678afecb367f032d93F642f64180aa3"
#define HTTPZ        "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
#define KEY_MANAGER  "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"
#define ACL_MANAGER  "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9"
#define TEST_CHAIN   421614

static const struct test_contract contracts_of_httpz[] = {
	{ "decryption_manager", MANAGER }, { "httpz", HTTPZ },
};

static const struct test_contract contracts_of_april[] = {
	{ "decryption_manager", MANAGER }, { "httpz", HTTPZ }, { "key_manager", KEY_MANAGER },
	{ "acl_manager", ACL_MANAGER },
};

/* FOLDER of the tree that this test was built in. */
static inline void find_folder(const char *folder, char out[PATH_MAX])
{
	char top[PATH_MAX - 256];

	cr_assert(getcwd(top, sizeof(top)));
	for (;;) {
		snprintf(out, PATH_MAX, "%s/%s", top, folder);
		if (access(out, F_OK) == 0)
			return;

		char *slash = strrchr(top, '/');

		cr_assert(slash && slash != top, "run it inside the tree");
		*slash = '\0';
	}
}

static inline void put_contracts(struct settings *lines, uint64_t chain,
				 const struct test_contract *c, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char path[64];

		snprintf(path, sizeof(path), "contract.%u.name", i);
		cr_assert_eq(settings_put(lines, path, c[i].name), OK);
		snprintf(path, sizeof(path), "contract.%u.chain", i);
		cr_assert_eq(settings_putf(lines, path, "%llu", (unsigned long long)chain), OK);
		snprintf(path, sizeof(path), "contract.%u.address", i);
		cr_assert_eq(settings_put(lines, path, c[i].address), OK);
	}
	cr_assert_eq(settings_putf(lines, "contract", "%u", n), OK);
}

/* The profile FILE ("proto/profiles/httpz") with N contracts that have an address. */
static inline void load_profile(const char *file, uint64_t chain, const struct test_contract *c,
				unsigned n, struct profile *out)
{
	static struct troubles troubles;
	struct profile_choice choice = { .contract = { false } };
	struct profile_file f;
	struct settings *lines = settings_new();
	char path[PATH_MAX], yaml[128];

	snprintf(yaml, sizeof(yaml), "%s.yaml", file);
	find_folder(yaml, path);
	cr_assert(profile_file_open(&f, "", path, (struct place){ .file = "test" }, &troubles));
	put_contracts(lines, chain, c, n);
	for (unsigned k = 0; k < f.contracts; k++)
		for (unsigned i = 0; i < n; i++)
			choice.contract[k] |= strcmp(f.contract[k].name, c[i].name) == 0;
	profile_file_put(&f, &choice, lines);
	cr_assert(profile_file_check(&f, lines, out));
	cr_assert_eq(troubles.errors, 0);
	profile_file_close(&f);
	settings_free(&lines);
}
