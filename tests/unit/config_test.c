/*
 * config_test - the configurations of tests/configs, each held against what must be printed.
 *
 * tests/configs/NAME.yaml has beside it NAME.expected: "exit CODE", then the lines of
 * config_load().  In both, @DIR@ stands for the directory where the test puts them, with
 * keys of all sorts.  When KMS_WRITE_EXPECTED is set, the files are written instead.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"
#include "supervisor/config.h"

#define FILES_LEAST 100		/* a floor: none gets lost */
#define TEXT_MAX    32768

static char source[PATH_MAX];	/* tests/configs */
static char dir[] = "/tmp/kms-config-XXXXXX";

static void find_source(void)
{
	char top[PATH_MAX];

	cr_assert(getcwd(top, sizeof(top)));
	for (;;) {
		snprintf(source, sizeof(source), "%.4000s/tests/configs", top);
		if (access(source, F_OK) == 0)
			return;

		char *slash = strrchr(top, '/');

		cr_assert(slash && slash != top, "run it inside the tree");
		*slash = '\0';
	}
}

static char *read_text(const char *path)
{
	char *text = calloc(1, TEXT_MAX);
	FILE *f = fopen(path, "r");

	cr_assert(text);
	if (f) {
		cr_assert(fread(text, 1, TEXT_MAX - 1, f) < TEXT_MAX - 1);
		fclose(f);
	}
	return text;
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	cr_assert(f, "%s", path);
	fputs(text, f);
	fclose(f);
}

/* TEXT with each FROM replaced; the caller frees it. */
static char *replace(const char *text, const char *from, const char *to)
{
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	for (const char *at; (at = strstr(text, from)); text = at + strlen(from))
		fprintf(f, "%.*s%s", (int)(at - text), text, to);
	fputs(text, f);
	fclose(f);
	return out;
}

static void copy_configs(const char *below)
{
	char from[PATH_MAX + 16], path[PATH_MAX + 300];
	struct dirent *e;

	snprintf(from, sizeof(from), "%s%s", source, below);

	DIR *d = opendir(from);

	cr_assert(d);
	while ((e = readdir(d))) {
		if (!strstr(e->d_name, ".yaml"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", from, e->d_name);

		char *text = read_text(path), *there = replace(text, "@DIR@", dir);

		snprintf(path, sizeof(path), "%s%s/%s", dir, below, e->d_name);
		write_text(path, there);
		free(text);
		free(there);
	}
	closedir(d);
}

#define KEY   "1111111111111111111111111111111111111111111111111111111111111111"
#define ZERO  "0000000000000000000000000000000000000000000000000000000000000000"
#define ORDER "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"

static const struct { const char *name, *text; mode_t mode; } keys[] = {
	{ "key", KEY "\n", 0600 },
	{ "key_0x", "0x" KEY, 0400 },
	{ "key_group", KEY "\n", 0640 },
	{ "open_mode", KEY "\n", 0644 },
	{ "not_hex", "this is no key, and it must not be printed\n", 0600 },
	{ "short", "1111\n", 0600 },
	{ "long", KEY KEY "\n", 0600 },
	{ "zero", ZERO "\n", 0600 },
	{ "range", ORDER "\n", 0600 },
	{ "credentials", "access_key=AKIA\nsecret_key=hunter2\n", 0600 },
	{ "credentials_open", "access_key=AKIA\nsecret_key=hunter2\n", 0604 },
	{ "credentials_line", "access_key=AKIA\nsecret=hunter2\n", 0600 },
	{ "credentials_half", "secret_key=hunter2\n", 0600 },
};

static void make_keys(void)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s/%s", dir, keys[i].name);
		write_text(path, keys[i].text);
		cr_assert_eq(chmod(path, keys[i].mode), 0);
		cr_assert_eq(chown(path, (uid_t)-1, getegid()), 0);
	}
	cr_assert_eq(chdir(dir), 0);
	cr_assert_eq(symlink("key", "key_link"), 0);
	cr_assert_eq(symlink("nowhere", "dangling"), 0);
	cr_assert_eq(mkdir("directory", 0700), 0);
}

static void start(void)
{
	char below[64];

	find_source();
	cr_assert(mkdtemp(dir));
	snprintf(below, sizeof(below), "%s/profiles", dir);
	cr_assert_eq(mkdir(below, 0700), 0);
	copy_configs("");
	copy_configs("/profiles");
	make_keys();
}

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *at)
{
	(void)st, (void)what, (void)at;
	return remove(path);
}

static void stop(void)
{
	cr_assert_eq(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

TestSuite(config, .init = start, .fini = stop, .timeout = 30);
TestSuite(yaml, .timeout = 10);

/* What the connector prints for NAME. */
static char *run(const char *name)
{
	struct connector_config *c = NULL;
	char *printed = NULL, *all = NULL;
	size_t len;
	FILE *errors = open_memstream(&printed, &len);
	enum exit_code code = config_load(name, errors, &c);

	fclose(errors);
	cr_assert_eq(code == EXIT_ok, c != NULL, "%s", name);
	config_free(&c);
	cr_assert(asprintf(&all, "exit %d\n%s", (int)code, printed) > 0);
	free(printed);

	char *out = replace(all, dir, "@DIR@");

	free(all);
	return out;
}

Test(config, files)
{
	DIR *d = opendir(source);
	struct dirent *e;
	unsigned count = 0;

	cr_assert(d);
	while ((e = readdir(d))) {
		char path[PATH_MAX + 300];
		size_t len = strlen(e->d_name);

		if (len < 5 || strcmp(e->d_name + len - 5, ".yaml") != 0)
			continue;
		count++;
		snprintf(path, sizeof(path), "%s/%.*s.expected", source, (int)len - 5, e->d_name);

		char *printed = run(e->d_name);
		char *expected = read_text(path);

		if (getenv("KMS_WRITE_EXPECTED"))
			write_text(path, printed);
		else
			cr_expect_str_eq(printed, expected, "%s\nprinted:\n%s\nexpected:\n%s",
					 e->d_name, printed, expected);
		cr_expect(!strstr(printed, "1111111111"), "%s prints a key", e->d_name);
		cr_expect(!strstr(printed, "hunter2"), "%s prints a URL", e->d_name);
		free(printed);
		free(expected);
	}
	closedir(d);
	cr_expect_geq(count, FILES_LEAST);
}

Test(config, environment_over_file)
{
	struct connector_config *c = NULL;
	char *printed = NULL;
	size_t len;
	FILE *errors = open_memstream(&printed, &len);

	setenv("KMS_CONNECTOR_CHAIN_ID", "5", 1);
	setenv("KMS_CONNECTOR_SIGN__MAX_FEE", "0.5gwei", 1);
	setenv("KMS_CONNECTOR_SERVICE_PORT", "80", 1);
	cr_assert_eq(config_load("good.yaml", errors, &c), EXIT_ok);
	fclose(errors);
	cr_expect_str_eq(get_setting(c->child[ROLE_LISTENER], "chain.0.id"), "5");
	cr_expect_str_eq(get_setting(c->child[ROLE_SIGNER], "sign.max_fee"), "500000000");
	cr_expect(strstr(printed, "environment: warning: KMS_CONNECTOR_SERVICE_PORT is no option"));
	config_free(&c);
	free(printed);
}

/* What the parent chain is, only the listener needs to know. */
Test(config, parent_chain)
{
	static const char *const files[] = { "good_parent.yaml", "good_parent_chains.yaml", "good.yaml" };
	static const struct { const char *path, *value[ARRAY_LEN(files)]; } lines[] = {
		{ "chain.0.parent.http", { "2", "1", "0" } },
		{ "chain.0.parent.http.0.name", { "l1", "l1", NULL } },
		{ "chain.0.parent.http.1.url", { "http://127.0.0.1:8545", NULL, NULL } },
		{ "chain.0.parent.outbox", { "0x0B9857ae2D4A3DBe74ffE1d7DF045bb7F96E4840",
					     "0x0B9857ae2D4A3DBe74ffE1d7DF045bb7F96E4840", NULL } },
		{ "chain.0.parent.id", { "1", "0", NULL } },
		{ "chain.0.parent.start_block", { "15411056", NULL, NULL } },
	};

	for (size_t f = 0; f < ARRAY_LEN(files); f++) {
		struct connector_config *c = NULL;

		cr_assert_eq(config_load(files[f], stderr, &c), EXIT_ok);
		for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
			const char *got = find_setting(c->child[ROLE_LISTENER], "%s", lines[i].path);

			cr_expect_str_eq(got ? got : "-", lines[i].value[f] ? lines[i].value[f] : "-",
					 "%s %s", files[f], lines[i].path);
			for (int role = ROLE_EXECUTOR; role < ROLE_OPERATOR; role++)
				cr_expect_null(find_setting(c->child[role], "%s", lines[i].path));
		}
		config_free(&c);
	}
}

Test(config, secrets_in_the_environment)
{
	static const struct { const char *name, *value; } wrong[] = {
		{ "KMS_CONNECTOR_PRIVATE_KEY", "x" },
		{ "KMS_CONNECTOR_SIGNER__MNEMONIC", "x" },
		{ "KMS_CONNECTOR_SOMETHING", "0x" KEY },
		{ "KMS_CONNECTOR_KEY_FILE", KEY },
	};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct connector_config *c = NULL;
		char *printed = NULL;
		size_t len;
		FILE *errors = open_memstream(&printed, &len);

		setenv(wrong[i].name, wrong[i].value, 1);
		cr_expect_eq(config_load("good.yaml", errors, &c), EXIT_config, "%s",
			     wrong[i].name);
		fclose(errors);
		cr_expect(strstr(printed, wrong[i].name));
		cr_expect(!strstr(printed, KEY));
		unsetenv(wrong[i].name);
		free(printed);
	}
}

/* Each child gets its own lines and no other's. */
Test(config, children)
{
	struct connector_config *c = NULL;

	cr_assert_eq(config_load("good_urls.yaml", stderr, &c), EXIT_ok);

	const struct settings *l = c->child[ROLE_LISTENER], *x = c->child[ROLE_EXECUTOR];
	const struct settings *t = c->child[ROLE_SUBMITTER], *k = c->child[ROLE_SIGNER];

	cr_expect_str_eq(get_setting(l, "chain.0.http"), "2");
	cr_expect_str_eq(get_setting(l, "chain.0.http.0.name"), "ours");
	cr_expect_str_eq(get_setting(l, "chain.0.http.1.url"), "http://[::1]:8545");
	cr_expect_str_eq(get_setting(l, "chain.0.ws.0.url"), "wss://node.example.org");
	cr_expect_null(find_setting(x, "chain.0.ws"));
	cr_expect_null(find_setting(k, "chain.0.http"), "the signer knows no network");
	cr_expect_null(find_setting(k, "core.0"));
	cr_expect_null(find_setting(l, "sign.day"));
	cr_expect_null(find_setting(t, "sign.day"));
	cr_expect_null(find_setting(c->child[ROLE_MONITOR], "chain"));
	cr_expect_str_eq(get_setting(k, "account"), "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A");
	cr_expect_str_eq(get_setting(t, "account"), get_setting(k, "account"));
	for (int role = ROLE_LISTENER; role <= ROLE_MONITOR; role++)
		cr_expect_str_eq(get_setting(c->child[role], "network"), get_setting(l, "network"));
	config_free(&c);
}

Test(config, key_is_opened_again)
{
	struct connector_config *c = NULL;
	char digit;

	cr_assert_eq(config_load("good.yaml", stderr, &c), EXIT_ok);

	int fd;

	cr_assert_eq(config_open_key(c, stderr, &fd), EXIT_ok);
	cr_assert_geq(fd, 0);
	cr_expect_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	cr_expect_eq(read(fd, &digit, 1), 1);
	cr_expect_eq(digit, '1');
	close(fd);
	cr_assert_eq(chmod("key", 0604), 0);
	cr_expect_eq(config_open_key(c, stderr, &fd), EXIT_permission);
	cr_expect_eq(fd, -1);
	cr_assert_eq(remove("key"), 0);
	cr_expect_eq(config_open_key(c, stderr, &fd), EXIT_config);
	cr_expect_eq(fd, -1);
	config_free(&c);
	cr_expect_eq(config_load_without_key("good.yaml", stderr, &c), EXIT_ok);
	cr_expect_not(c->has_key);
	cr_expect_null(find_setting(c->child[ROLE_SIGNER], "account"));
	config_free(&c);
}

/* Whether COUNT more descriptors can be made. */
static void permit_descriptors(rlim_t count)
{
	struct rlimit limit;
	int next = dup(STDERR_FILENO);

	close(next);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur =
		count < limit.rlim_max - (rlim_t)next ? (rlim_t)next + count : limit.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Too few descriptors say nothing of a file: who starts us must try again. */
Test(config, machine_has_too_little)
{
	struct connector_config *c = NULL, *none;
	int fd;

	for (rlim_t count = 0; count < 2; count++) {
		permit_descriptors(count);
		enum exit_code code = config_load("good.yaml", stderr, &none);
		permit_descriptors(64);
		/* the first file takes nothing that the next ones need */
		cr_expect_eq(code, count ? EXIT_ok : EXIT_io);
		config_free(&none);
	}
	cr_assert_eq(config_load("good.yaml", stderr, &c), EXIT_ok);
	permit_descriptors(0);
	enum exit_code code = config_open_key(c, stderr, &fd);
	permit_descriptors(64);
	cr_expect_eq(code, EXIT_io);
	cr_expect_eq(fd, -1);
	config_free(&c);
}

/* Where the operator's storage is; a reload must see that the credentials are others. */
Test(config, storage)
{
	struct connector_config *c = NULL, *again = NULL;
	char line[64];

	cr_assert_eq(config_load("good_s3.yaml", stderr, &c), EXIT_ok);
	const struct settings *x = c->child[ROLE_EXECUTOR];
	cr_expect_str_eq(get_setting(x, "s3.endpoint"), "http://minio.example:9000");
	cr_expect_str_eq(get_setting(x, "s3.region"), "eu-west-1");
	cr_expect_str_eq(get_setting(x, "s3.bucket"), "ct128");
	cr_expect_str_eq(get_setting(x, "s3.style"), "virtual");
	cr_expect_null(find_setting(c->child[ROLE_LISTENER], "s3.endpoint"));
	cr_expect_null(find_setting(c->child[ROLE_SUBMITTER], "s3.credentials"));
	for (unsigned i = 0; i < settings_count(x); i++)
		cr_expect(!strstr(settings_value_at(x, i), "hunter2"), "%s", settings_path_at(x, i));

	int fd;
	cr_assert_eq(config_open_credentials(c, stderr, &fd), EXIT_ok);
	cr_assert_geq(fd, 0);
	cr_expect_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	cr_expect_eq(read(fd, line, 15), 15);
	cr_expect(strncmp(line, "access_key=AKIA", 15) == 0);
	close(fd);

	snprintf(line, sizeof(line), "%s", get_setting(x, "s3.credentials"));
	write_text("other", "access_key=AKIA\nsecret_key=hunter3\n");
	cr_assert_eq(chmod("other", 0600) || rename("other", "credentials"), 0);
	cr_assert_eq(config_load("good_s3.yaml", stderr, &again), EXIT_ok);
	cr_expect_str_neq(get_setting(again->child[ROLE_EXECUTOR], "s3.credentials"), line);
	write_text("credentials", "access_key=AKIA\n");
	cr_expect_eq(config_open_credentials(c, stderr, &fd), EXIT_config);
	cr_expect_eq(fd, -1);
	config_free(&c);
	config_free(&again);

	cr_assert_eq(config_load("good.yaml", stderr, &c), EXIT_ok);
	cr_expect_null(c->credentials_file);
	cr_expect_str_empty(get_setting(c->child[ROLE_EXECUTOR], "s3.endpoint"));
	cr_expect_null(find_setting(c->child[ROLE_EXECUTOR], "s3.credentials"));
	config_free(&c);
	cr_assert_eq(config_load("good_s3_aws.yaml", stderr, &c), EXIT_ok);
	cr_expect_str_eq(get_setting(c->child[ROLE_EXECUTOR], "s3.endpoint"),
			 "https://s3.eu-west-1.amazonaws.com");
	config_free(&c);
	cr_assert_eq(config_load_without_key("good_s3.yaml", stderr, &c), EXIT_ok);
	config_free(&c);
}

/* The reader of YAML alone. */

static void count_trouble(void *owner, struct config_mark mark, const char *why, const char *remedy)
{
	unsigned *count = owner;

	cr_expect(mark.line && mark.column && *why && *remedy);
	++*count;
}

Test(yaml, marks)
{
	static const char text[] = "a: 1\nb:\n  - \"x y\"\n  - {c: d}\nü: 2\n";
	unsigned troubles = 0;
	struct config_errors errors = { .say = count_trouble, .owner = &troubles };
	struct config *c;

	cr_assert_eq(config_read(BYTES(text, strlen(text)), &errors, &c), OK);

	const struct config_node *b = find_member(config_root(c), "b");

	cr_assert_eq(b->type, CONFIG_LIST);
	cr_expect_eq(b->count, 2);
	cr_expect_str_eq(b->first->text, "x y");
	cr_expect_eq(b->first->mark.line, 3);
	cr_expect_eq(b->first->mark.column, 5);
	cr_expect_eq(config_mark_in(b->first, 3).column, 8, "behind the quote");
	cr_expect_eq(find_member(b->first->next, "c")->key_mark.column, 6);
	cr_expect_null(find_member(config_root(c), "c"));
	config_close(&c);
	cr_expect_null(c);
}

Test(yaml, refused)
{
	static const char *const wrong[] = {
		"a: [",
		"a: *b",
		"a: !!int 1",
		"? [a]\n: b",
		"a: \"\\0\"",
		"\ta: 1",
		"a: 1\n---\nb: 2",
		"[[[[[[[[[[[[[[]]]]]]]]]]]]]]",
		"a: |\n  two\n  lines\n",
		"\xff\xfe",
		"a: \xc3",
	};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		unsigned troubles = 0;
		struct config_errors errors = { .say = count_trouble, .owner = &troubles };
		struct config *c;

		cr_expect_eq(config_read(BYTES(wrong[i], strlen(wrong[i])), &errors, &c),
			     ERR_FORMAT, "%s", wrong[i]);
		cr_expect_eq(troubles, 1, "%s", wrong[i]);
		cr_expect_null(c);
	}
}
