/* settings_test - lines to a sealed memfd and back, and what is refused on the way. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/settings.h"
#include "proto/exits.h"

TestSuite(settings, .timeout = 10);

static struct settings *sample(void)
{
	struct settings *s = settings_new();

	cr_assert_eq(settings_put(s, "chain", "2"), OK);
	cr_assert_eq(settings_putf(s, "chain.0.id", "%d", 421614), OK);
	cr_assert_eq(settings_put(s, "chain.1.id", "18446744073709551615"), OK);
	cr_assert_eq(settings_put(s, "empty", ""), OK);
	cr_assert_eq(settings_put(s, "account", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"), OK);
	cr_assert_eq(settings_put(s, "wei", "1000000000000000000000000"), OK);
	return s;
}

Test(settings, there_and_back)
{
	struct settings *s = sample(), *copy;
	int fd = settings_to_fd(s, "test");

	cr_assert_geq(fd, 0);
	cr_assert_eq(settings_from_fd(fd, &copy), OK);
	cr_expect_eq(settings_count(copy), 6);
	for (unsigned i = 0; i < settings_count(s); i++) {
		cr_expect_str_eq(settings_path_at(copy, i), settings_path_at(s, i));
		cr_expect_str_eq(settings_value_at(copy, i), settings_value_at(s, i));
	}

	struct b32 a = settings_hash(s), b = settings_hash(copy);

	cr_expect(b32_eq(&a, &b));
	settings_free(&s);
	settings_free(&copy);
	cr_expect_null(copy);
	settings_free(&copy);
	close(fd);
}

Test(settings, is_sealed)
{
	struct settings *s = sample();
	int fd = settings_to_fd(s, "test");

	cr_expect_eq(pwrite(fd, "x", 1, 0), -1);
	cr_expect_eq(errno, EPERM);
	cr_expect_eq(ftruncate(fd, 0), -1);
	cr_expect_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	settings_free(&s);
}

Test(settings, values)
{
	struct settings *s = sample();
	char text[ADDR_TEXT], dec[U256_DEC_TEXT];
	struct addr account = get_setting_addr(s, "account");
	struct u256 wei = get_setting_wei(s, "wei");

	cr_expect_eq(get_setting_u64(s, "chain.%u.id", 0), 421614);
	cr_expect_eq(get_setting_u64(s, "chain.%d.id", 1), UINT64_MAX);
	cr_expect_str_eq(get_setting(s, "empty"), "");
	cr_expect_str_eq(addr_text(&account, text), get_setting(s, "account"));
	cr_expect_str_eq(u256_dec(&wei, dec), "1000000000000000000000000");
	cr_expect_null(find_setting(s, "chain.%u.id", 2));
	settings_free(&s);
}

Test(settings, replaced_in_place)
{
	struct settings *s = sample();
	struct b32 before = settings_hash(s);

	cr_assert_eq(settings_put(s, "chain", "3"), OK);
	cr_expect_eq(settings_count(s), 6);
	cr_expect_str_eq(settings_path_at(s, 0), "chain");
	cr_expect_str_eq(settings_value_at(s, 0), "3");

	struct b32 after = settings_hash(s);

	cr_expect_not(b32_eq(&before, &after));
	cr_assert_eq(settings_put(s, "chain", "2"), OK);
	after = settings_hash(s);
	cr_expect(b32_eq(&before, &after));
	settings_free(&s);
}

Test(settings, refused)
{
	struct settings *s = settings_new();
	char path[SETTINGS_PATH_MAX + 1];

	memset(path, 'a', sizeof(path));
	path[SETTINGS_PATH_MAX] = '\0';
	cr_expect_eq(settings_put(s, path, "1"), ERR_FORMAT);
	path[SETTINGS_PATH_MAX - 1] = '\0';
	cr_expect_eq(settings_put(s, path, "1"), OK);
	cr_expect_eq(settings_put(s, "", "1"), ERR_FORMAT);
	cr_expect_eq(settings_put(s, "a\tb", "1"), ERR_FORMAT);
	cr_expect_eq(settings_put(s, "a", "1\n2"), ERR_FORMAT);
	cr_expect_eq(settings_count(s), 1);
	for (unsigned i = 1; i < SETTINGS_MAX; i++) {
		snprintf(path, sizeof(path), "line.%u", i);
		cr_assert_eq(settings_put(s, path, ""), OK);
	}
	cr_expect_eq(settings_put(s, "one.more", ""), ERR_TOO_BIG);
	settings_free(&s);
}

static int memfd_of(const char *text, size_t len, bool seal)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert_eq(write(fd, text, len), (ssize_t)len);
	if (seal)
		cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW |
				   F_SEAL_WRITE), 0);
	return fd;
}

Test(settings, hostile_descriptors)
{
	static const struct { const char *text; size_t len; bool seal; enum err e; } rows[] = {
		{ "a\t1\n", 4, false, ERR_DENIED },
		{ "a\t1", 3, true, ERR_FORMAT },
		{ "a 1\n", 4, true, ERR_FORMAT },
		{ "a\t1\t2\n", 6, true, ERR_FORMAT },
		{ "a\t\0\n", 4, true, ERR_FORMAT },
		{ "\t1\n", 3, true, ERR_FORMAT },
		{ "a\t1\na\t2\n", 8, true, ERR_CONFLICT },
		{ "", 0, true, OK },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct settings *s;
		int fd = memfd_of(rows[i].text, rows[i].len, rows[i].seal);

		cr_expect_eq(settings_from_fd(fd, &s), rows[i].e, "row %zu", i);
		cr_expect_eq(s == NULL, rows[i].e != OK);
		settings_free(&s);
		close(fd);
	}
}

Test(settings, missing_line_is_a_bug, .exit_code = EXIT_bug)
{
	struct settings *s = sample();

	get_setting(s, "nowhere");
}

Test(settings, malformed_line_is_a_bug, .exit_code = EXIT_bug)
{
	struct settings *s = sample();

	get_setting_u64(s, "wei");
}
