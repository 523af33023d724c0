/* s3_test - where buckets are, and who gets a signature of ours. */

#include "common/s3.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static struct settings *lines;
static struct s3 s3;

static void end(void)
{
	settings_free(&lines);
}

TestSuite(s3, .timeout = 10, .fini = end);

static void begin(const char *endpoint, const char *style, const char *bucket, bool credentials)
{
	static const char text[] = "access_key=AKIA\nsecret_key=shh\n";
	int fd = credentials ? memfd_create("credentials", MFD_CLOEXEC) : -1;
	const char *why;

	settings_free(&lines);
	lines = settings_new();
	cr_assert_eq(settings_put(lines, "s3.endpoint", endpoint), OK);
	cr_assert_eq(settings_put(lines, "s3.region", "eu-west-1"), OK);
	cr_assert_eq(settings_put(lines, "s3.style", style), OK);
	cr_assert_eq(settings_put(lines, "s3.bucket", bucket), OK);
	if (credentials)
		cr_assert_eq(write(fd, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
	cr_assert_eq(s3_open(&s3, lines, fd, &why), OK);
	if (credentials)
		close(fd);
}

/* BUCKET leads to URL; ours: it may be signed. */
static void leads(const char *bucket, const char *url, bool ours)
{
	struct s3_place place;
	const char *why = "";

	cr_assert(s3_find(&s3, bucket, &place, &why), "%s: %s", bucket, why);
	cr_expect_str_eq(place.url, url);
	cr_expect_eq(place.is_ours, ours, "%s", bucket);
	cr_expect_eq(s3_signer(&s3, &place) != NULL, ours && s3.has_credentials, "%s", bucket);
}

static void leads_nowhere(const char *bucket, const char *why, const char *printed)
{
	struct s3_place place;
	const char *said = "";

	cr_assert_not(s3_find(&s3, bucket, &place, &said), "%s", bucket);
	cr_expect_not_null(strstr(said, why), "%s: %s", bucket, said);
	cr_expect_str_eq(place.url, printed);
	cr_expect_null(s3_signer(&s3, &place));
}

Test(s3, without_an_endpoint)
{
	begin("", "path", "", false);
	cr_expect_str_empty(s3.own);
	leads("http://minio:9000/ct128", "http://minio:9000/ct128", false);
	leads("https://ct128.s3.eu-west-1.amazonaws.com", "https://ct128.s3.eu-west-1.amazonaws.com", false);
	leads("https://s3.eu-west-1.amazonaws.com/ct128//", "https://s3.eu-west-1.amazonaws.com/ct128", false);
	leads("HTTPS://Host/%61?x#y", "HTTPS://Host/%61?x#y", false);
	leads_nowhere("s3://ct128", "s3_config.endpoint", "s3://ct128");
	leads_nowhere("ftp://host/ct128", "not a usable", "ftp://host/ct128");
	leads_nowhere("ct128", "not a usable", "ct128");
	leads_nowhere("http://", "not a usable", "http:");
	leads_nowhere("", "not a usable", "");
	leads_nowhere("https://user:hunter2@host/ct128", "user name", "https://...");
}

Test(s3, names_in_path_style)
{
	begin("http://minio:9000", "path", "own.bucket", true);
	cr_expect_str_eq(s3.own, "s3://own.bucket");
	leads(s3.own, "http://minio:9000/own.bucket", true);
	leads("s3://ct128", "http://minio:9000/ct128", true);
	leads("S3://ct128/a/B-c_d~1.x/", "http://minio:9000/ct128/a/B-c_d~1.x", true);
	static const char *const wrong[] = {
		"s3://ab", "s3://CT128", "s3://.ct128", "s3://ct_128", "s3:///ct128", "s3://a@b.c",
		"s3://ct128/a//b", "s3://ct128/../admin", "s3://ct128/a%2fb", "s3://ct128?x", "s3://ct128/a b",
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		leads_nowhere(wrong[i], "no s3://bucket", wrong[i]);
}

Test(s3, names_as_virtual_hosts)
{
	begin("https://s3.eu-west-1.amazonaws.com", "virtual", "", true);
	leads("s3://ct128", "https://ct128.s3.eu-west-1.amazonaws.com", true);
	leads("s3://ct128/a/b", "https://ct128.s3.eu-west-1.amazonaws.com/a/b", true);
	leads("s3://ct.128/a", "https://s3.eu-west-1.amazonaws.com/ct.128/a", true);
	begin("http://s3.localhost:80", "virtual", "", false);
	leads("s3://ct.128/a", "http://ct.128.s3.localhost:80/a", true);
}

/* Registered URLs that a stranger chose: only those of our own server are signed. */
Test(s3, who_gets_a_signature)
{
	static const char *const ours[] = {
		"https://s3.corp.example:9000", "https://s3.corp.example:9000/ct128",
		"https://S3.Corp.Example:9000/ct128", "https://ct128.s3.corp.example:9000",
		"https://a.b-c.s3.corp.example:9000/d",
	};
	static const char *const strange[] = {
		"http://s3.corp.example:9000/ct128", "https://s3.corp.example/ct128",
		"https://s3.corp.example:90001/ct128", "https://s3.corp.example:9000.evil.example/ct128",
		"https://evils3.corp.example:9000/ct128", "https://evil.example/s3.corp.example:9000",
		"https://corp.example:9000/ct128", "https://evil.example#.s3.corp.example:9000",
		"https://evil.example?.s3.corp.example:9000", "https://evil.example\\.s3.corp.example:9000",
		"https://evil.example:1.s3.corp.example:9000", "https://EVIL.s3.corp.example:9000",
		"https://s3.corp.example:9000/ct128?acl", "https://s3.corp.example:9000/a/../b",
		"https://s3.corp.example:9000/./b", "https://s3.corp.example:9000/a%2e", "https://s3.corp.example:9000/a+b",
		"https://s3.corp.example:9000//evil.example/x", "https://[::1].s3.corp.example:9000",
	};

	begin("https://s3.corp.example:9000", "path", "", true);
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		leads(ours[i], ours[i], true);
	for (size_t i = 0; i < ARRAY_LEN(strange); i++)
		leads(strange[i], strange[i], false);
	leads_nowhere("https://evil.example@s3.corp.example:9000", "user name", "https://...");
	cr_expect_str_eq(s3.sign.scope, "aws:amz:eu-west-1:s3");
	cr_expect_str_eq(s3.sign.access_key, "AKIA");
	cr_expect_str_eq(s3.sign.secret_key, "shh");
	cr_expect_str_empty(s3.sign.session_token);
	begin("https://s3.corp.example:9000", "path", "", false);
	leads(ours[0], ours[0], true);
}

Test(s3, credentials_that_changed_meanwhile)
{
	const char *why = NULL;
	int fd = memfd_create("credentials", MFD_CLOEXEC);

	begin("http://minio", "path", "", true);
	cr_assert_eq(s3_open(&s3, lines, fd, &why), ERR_FORMAT);
	cr_expect_not_null(strstr(why, "missing"));
	cr_expect_not(s3.has_credentials);
	close(fd);
}

Test(s3, what_an_error_says)
{
	static const struct { const char *body, *code; } row[] = {
		{ "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code></Error>", "SignatureDoesNotMatch" },
		{ "<Code>AccessDenied", "AccessDenied" },
		{ "<Code>a\n\"b</Code>", "a" },
		{ "<Code></Code>", "" },
		{ "<Code>", "" },
		{ "<Cod", "" },
		{ "", "" },
		{ "<Code>abcdefghijabcdefghijabcdefghijabcdefghijabcdefghij", "abcdefghijabcdefghijabcdefghijabcdefghi" },
	};
	char code[S3_ERROR_MAX];

	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		cr_expect_str_eq(s3_error(bytes_str(row[i].body), code), row[i].code);
	cr_expect_str_empty(s3_error((struct bytes){ 0 }, code));
}
