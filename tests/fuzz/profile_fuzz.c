/*
 * profile_fuzz - any text as a profile: YAML, sections, ABI lines, everything that is checked.
 *
 * It may be refused with as many troubles as it likes; it may not crash, leak, or be taken
 * for sound when a table would then be outside its limits.  Seeds: tests/configs/profiles and
 * proto/profiles.  With -DPLANTED_BUG a profile with more than six troubles, which no seed
 * has, ends the program: so a run can be shown to find something.
 *
 * Seed files in: tests/configs/profiles proto/profiles
 * Links: supervisor/cli/profile_yaml.c supervisor/cli/profile_path.c supervisor/cli/trouble.c supervisor/cli/document.c supervisor/cli/suggest.c supervisor/cli/value.c
 */
#include <stdlib.h>

#include "common/log.h"
#include "supervisor/cli/profile_yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct { const char *path, *value; } contracts[] = {
	{ "contract", "4" },
	{ "contract.0.name", "decryption_manager" },
	{ "contract.0.chain", "1" },
	{ "contract.0.address", "0x0000000000000000000000000000000000000001" },
	{ "contract.1.name", "httpz" },
	{ "contract.1.chain", "1" },
	{ "contract.1.address", "0x0000000000000000000000000000000000000002" },
	{ "contract.2.name", "access_control" },
	{ "contract.2.chain", "2" },
	{ "contract.2.address", "0x0000000000000000000000000000000000000003" },
	{ "contract.3.name", "key_manager" },
	{ "contract.3.chain", "1" },
	{ "contract.3.address", "0x0000000000000000000000000000000000000004" },
};

static void check_sound(const struct profile *p)
{
	check(p->requests <= PROFILE_REQUESTS_MAX && p->responses <= PROFILE_RESPONSES_MAX);
	check(p->reverts <= PROFILE_REVERTS_MAX && p->fhe_params <= ARRAY_LEN(p->fhe_param));
	check(p->others <= PROFILE_OTHERS_MAX && (p->has_others || p->others == 0));
	for (unsigned i = 0; i < p->requests; i++) {
		const struct profile_request *r = &p->request[i];

		check(r->contract < p->contracts);
		check(r->role[REQUEST_id][0] || op_group(r->kind) == OP_KEY);
		check(find_request(p, &p->contract[r->contract].address, &r->event.hash) == r);
	}
	for (unsigned i = 0; i < p->responses; i++)
		check(find_response(p, p->response[i].kind) == &p->response[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct profile profile;
	static struct troubles troubles;
	struct profile_choice choice = { .contract = { true, true, true, true } };
	struct profile_file file = { .troubles = &troubles, .path = strdup("fuzz") };
	struct settings *lines = settings_new();

	for (size_t i = 0; i < ARRAY_LEN(contracts); i++)
		check(settings_put(lines, contracts[i].path, contracts[i].value) == OK);
	if (size <= 65536 && profile_file_read(&file, BYTES(data, size))) {
		profile_file_put(&file, &choice, lines);

		bool sound = profile_file_check(&file, lines, &profile);

		if (sound && !troubles.errors)
			check_sound(&profile);
	}

#ifdef PLANTED_BUG
	if (troubles.errors > 6)
		abort();
#endif

	FILE *nowhere = fopen("/dev/null", "w");

	check(nowhere);
	trouble_print(&troubles, nowhere);
	fclose(nowhere);
	profile_file_close(&file);
	settings_free(&lines);
	return 0;
}
