/*
 * codec - our decoder of events and encoder of answers as a filter, for tests that hold them
 * against another implementation.
 *
 *	codec PROFILE CHAIN NAME=ADDRESS...	lines on standard input, one answer line each:
 *	event ADDRESS TOPICS DATA		hex; topics one after another
 *	answer KIND ID RESULT_ID RESULT SIGNATURE
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/request.h"
#include "supervisor/cli/profile_yaml.h"

#define LINE_BYTES (4u << 20)

static struct profile profile;

static void put_contracts(struct settings *s, const char *chain, int count, char **pairs)
{
	for (int i = 0; i < count; i++) {
		char path[64], *address = strchr(pairs[i], '=');

		check(address != NULL);
		*address++ = '\0';
		snprintf(path, sizeof(path), "contract.%d.name", i);
		check(settings_put(s, path, pairs[i]) == OK);
		snprintf(path, sizeof(path), "contract.%d.chain", i);
		check(settings_put(s, path, chain) == OK);
		snprintf(path, sizeof(path), "contract.%d.address", i);
		check(settings_put(s, path, address) == OK);
	}
	check(settings_putf(s, "contract", "%d", count) == OK);
}

static void load(const char *name, const char *chain, int count, char **pairs)
{
	static struct profile_file file;
	struct troubles t = { .count = 0 };
	struct profile_choice choice = { .contract = { true, true, true, true, true, true } };
	struct settings *s = settings_new();

	check(profile_file_open(&file, "", name, (struct place){ .file = "codec" }, &t));
	put_contracts(s, chain, count, pairs);
	profile_file_put(&file, &choice, s);
	bool good = profile_file_check(&file, s, &profile);
	settings_free(&s);
	profile_file_close(&file);
	if (trouble_print(&t, stderr) || !good)
		exit(1);
}

/* One hex word of the line, decoded into a buffer of its own. */
static struct bytes take(char **at)
{
	static uint8_t room[6][LINE_BYTES / 2];
	static unsigned turn;
	uint8_t *out = room[turn++ % ARRAY_LEN(room)];
	char *word = strsep(at, " \n");
	size_t len = 0;

	check(word != NULL && hex_decode(word, strlen(word), out, sizeof(room[0]), &len) == OK);
	return BYTES(out, len);
}

static void say(const char *name, struct bytes v)
{
	static char hex[LINE_BYTES];

	printf("%s=%s ", name, hex_encode(v, hex));
}

static void say_decryption(const struct request *r)
{
	say("key_id", BYTES_OF(r->key_id.b));
	say("handles_hash", BYTES_OF(r->handles_hash.b));
	for (unsigned i = 0; i < r->materials; i++) {
		const struct material *m = &r->material[i];

		say("handle", BYTES_OF(m->handle.b));
		say("digest", BYTES_OF(m->digest.b));
		for (unsigned k = 0; k < m->count; k++)
			say("by", BYTES_OF(r->coprocessor[m->first + k].b));
	}
	say("user", BYTES_OF(r->user.b));
	say("public_key", r->public_key);
}

static void say_key(const struct request *r)
{
	say("preprocessing_id", BYTES_OF(r->preprocessing_id.b));
	say("source_key_id", BYTES_OF(r->source_key_id.b));
	say("destination_key_id", BYTES_OF(r->destination_key_id.b));
	printf("fhe_params=%u ", (unsigned)r->fhe_params);
}

static void on_event(char *at)
{
	struct request_event e = { .profile = &profile, .chain = profile.contract[0].chain };
	struct bytes address = take(&at);
	struct b32 topic0 = { { 0 } };
	struct request *r = NULL;
	const char *why;

	check(address.len == sizeof(e.contract.b));
	memcpy(e.contract.b, address.p, address.len);
	e.topics = take(&at);
	e.data = take(&at);
	memcpy(topic0.b, e.topics.p, e.topics.len < 32 ? e.topics.len : 32);
	e.row = find_request(&profile, &e.contract, &topic0);
	if (!e.row || request_decode(&e, &r, &why) != OK) {
		printf("refused %s\n", e.row ? why : "no such event");
		return;
	}
	printf("%s ", op_name(e.row->kind));
	say("id", BYTES_OF(r->id.b));
	say("core_id", BYTES_OF(r->core_id.b));
	if (op_group(e.row->kind) == OP_KEY)
		say_key(r);
	else
		say_decryption(r);
	printf("\n");
	free(r);
}

static void on_answer(char *at)
{
	static uint8_t out[LINE_BYTES / 2];
	const struct profile_response *r =
		find_response(&profile, op_by_name(strsep(&at, " ")));
	struct bytes source[ANSWER_SOURCE_COUNT] = { { 0 } };
	struct abi_arg args[PROFILE_ARGS_MAX];
	size_t len;

	check(r != NULL);
	source[ANSWER_request_id] = take(&at);
	source[ANSWER_result_id] = take(&at);
	source[ANSWER_result] = take(&at);
	source[ANSWER_signature] = take(&at);
	for (unsigned i = 0; i < r->args; i++)
		args[i].v = source[r->arg[i]];
	check(abi_encode_call(&r->function, args, r->args, out, sizeof(out), &len) == OK);
	say("call", BYTES(out, len));
	printf("\n");
}

int main(int argc, char **argv)
{
	static char line[LINE_BYTES];

	if (argc < 4) {
		fprintf(stderr, "usage: codec PROFILE CHAIN NAME=ADDRESS...\n");
		return 64;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	load(argv[1], argv[2], argc - 3, argv + 3);
	while (fgets(line, sizeof(line), stdin)) {
		char *at = line, *what = strsep(&at, " ");

		if (strcmp(what, "event") == 0)
			on_event(at);
		else
			on_answer(at);
	}
	return 0;
}
