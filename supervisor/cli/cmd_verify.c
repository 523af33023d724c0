/*
 * cmd_verify - were past decryptions answered rightly?  Asks the chain and the buckets; needs no
 * key, no Core and no running connector.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/opid.h"
#include "common/text.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/verify.h"

#define LAST_DEFAULT 20
#define IDS_MAX      100
#define JSON_MAX     (8u << 20)

#define USAGE "usage: kms-connector verify [--last 1..1000] [ID...] [--json]\n"

enum says { SAYS_right, SAYS_wrong, SAYS_unknown };

static const char *const words[] = {
	[SAYS_right] = "right", [SAYS_wrong] = "WRONG", [SAYS_unknown] = "cannot be checked",
};
static const char *const json_words[] = {
	[SAYS_right] = "right", [SAYS_wrong] = "wrong", [SAYS_unknown] = "unknown",
};

struct call {
	bool json, has_last;
	unsigned last, ids;
	struct { uint64_t kind; struct b32 id; } id[IDS_MAX];
};

static struct verify verify;	/* too large for a frame */

static enum says verdict_says(const struct verdict *t)
{
	if (t->audit.any_wrong)
		return SAYS_wrong;
	return t->audit.count ? SAYS_unknown : SAYS_right;
}

/* Lines. */

static void print_finding(const struct verdict *t, unsigned i, bool with_others)
{
	const struct finding *f = &t->audit.finding[i];

	printf("%s%s\n", with_others && !f->wrong ? "cannot be checked: " : "", f->text);
}

static void print_verdict(const struct verdict *t)
{
	enum says says = verdict_says(t);
	char id[OPID_TEXT], tx[67];
	int width = printf("%-12s %s  ", opid_text(t->kind, &t->id, id), words[says]);

	if (says == SAYS_right) {
		hex_encode0x(BYTES_OF(t->tx.b), tx);
		printf("%u node%s, %u ciphertext%s, %.6s..%s\n", t->nodes, t->nodes == 1 ? "" : "s",
		       t->ciphertexts, t->ciphertexts == 1 ? "" : "s", tx, tx + 62);
		return;
	}
	for (unsigned i = 0; i < t->audit.count; i++) {
		printf("%*s", i ? width : 0, "");
		print_finding(t, i, says == SAYS_wrong);
	}
	if (t->audit.dropped)
		printf("%*sand %u more\n", width, "", t->audit.dropped);
}

static void print_sum(const unsigned sum[3])
{
	printf("%u request%s: %u right, %u wrong, %u cannot be checked\n", verify.count,
	       verify.count == 1 ? "" : "s", sum[SAYS_right], sum[SAYS_wrong], sum[SAYS_unknown]);
}

/* JSON. */

static void add_json(struct text *t, const struct verdict *v)
{
	char id[OPID_TEXT], tx[67];

	text_add(t, "{\"id\":\"%s\",\"chain\":%" PRIu64 ",\"verdict\":\"%s\",\"nodes\":%u,"
		 "\"ciphertexts\":%u", opid_text(v->kind, &v->id, id), v->chain,
		 json_words[verdict_says(v)], v->nodes, v->ciphertexts);
	if (v->is_answered)
		text_add(t, ",\"block\":%" PRIu64 ",\"tx\":\"%s\"", v->block,
			 hex_encode0x(BYTES_OF(v->tx.b), tx));
	else
		text_add(t, ",\"block\":null,\"tx\":null");
	text_add(t, ",\"findings\":[");
	for (unsigned i = 0; i < v->audit.count; i++) {
		text_add(t, "%s{\"wrong\":%s,\"text\":", i ? "," : "",
			 v->audit.finding[i].wrong ? "true" : "false");
		text_json(t, bytes_str(v->audit.finding[i].text));
		text_add(t, "}");
	}
	text_add(t, "],\"more\":%u}", v->audit.dropped);
}

static void print_json(const unsigned sum[3])
{
	struct text t;

	text_init(&t, JSON_MAX);
	text_add(&t, "{\"requests\":[");
	for (unsigned i = 0; i < verify.count; i++) {
		text_add(&t, "%s", i ? ",\n" : "");
		add_json(&t, &verify.verdict[i]);
	}
	text_add(&t, "],\"right\":%u,\"wrong\":%u,\"unknown\":%u,\"trouble\":", sum[SAYS_right],
		 sum[SAYS_wrong], sum[SAYS_unknown]);
	text_json(&t, bytes_str(verify.trouble));
	text_add(&t, ",\"note\":");
	text_json(&t, bytes_str(verify.note));
	text_add(&t, "}\n");
	fputs(t.cut || !t.len ? "{}\n" : t.p, stdout);
	text_fini(&t);
}

/* Arguments. */

static bool parse_last(const char *word, struct call *call)
{
	char *rest;

	errno = 0;
	unsigned long n = strtoul(word, &rest, 10);
	call->last = (unsigned)n;
	call->has_last = true;
	return *word >= '0' && *word <= '9' && !*rest && !errno && n >= 1 && n <= VERIFY_MAX;
}

static bool parse(int argc, char **argv, struct call *call)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			call->json = true;
		} else if (strcmp(argv[i], "--last") == 0) {
			if (++i == argc || !parse_last(argv[i], call))
				return false;
		} else if (strncmp(argv[i], "--last=", 7) == 0) {
			if (!parse_last(argv[i] + 7, call))
				return false;
		} else if (call->ids == IDS_MAX ||
			   opid_parse(argv[i], &call->id[call->ids].kind, &call->id[call->ids].id)) {
			return false;
		} else {
			call->ids++;
		}
	}
	if (!call->ids && !call->has_last)
		call->last = LAST_DEFAULT;
	return true;
}

static bool is_verifiable(const struct call *call)
{
	if (!verify_can(KIND_public_decryption) && !verify_can(KIND_user_decryption)) {
		fprintf(stderr, "kms-connector: the profile has no section answers: it does not say "
			"what answers look like on the chain\n");
		return false;
	}
	for (unsigned i = 0; i < call->ids; i++)
		if (!verify_can((enum op_kind)call->id[i].kind)) {
			fprintf(stderr, "kms-connector: answers to %s cannot be verified\n",
				op_name(call->id[i].kind));
			return false;
		}
	return true;
}

static int finish(bool json)
{
	unsigned sum[3] = { 0 };

	for (unsigned i = 0; i < verify.count; i++)
		sum[verdict_says(&verify.verdict[i])]++;
	if (json) {
		print_json(sum);
	} else {
		for (unsigned i = 0; i < verify.count; i++)
			print_verdict(&verify.verdict[i]);
		if (*verify.note)
			printf("%s\n", verify.note);
		if (*verify.trouble)
			printf("%s\n", verify.trouble);
		print_sum(sum);
	}
	if (sum[SAYS_wrong])
		return EXIT_degraded;
	return sum[SAYS_unknown] || *verify.trouble ? EXIT_online : EXIT_ok;
}

int cmd_verify(int argc, char **argv, const struct connector_config *c)
{
	struct call call = { .json = false };

	if (!parse(argc, argv, &call)) {
		fputs(USAGE, stderr);
		return EXIT_usage;
	}
	verify_open(&verify, c);
	int code = EXIT_config;
	if (is_verifiable(&call)) {
		for (unsigned i = 0; i < call.ids; i++)
			verify_one(&verify, (enum op_kind)call.id[i].kind, &call.id[i].id);
		if (call.last)
			verify_last(&verify, call.last);
		code = finish(call.json);
	}
	verify_close();
	return code;
}
