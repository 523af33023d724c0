/* credentials_test - files of credentials that are right, and all that can be wrong with one. */

#include "common/credentials.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

TestSuite(credentials, .timeout = 10);

static struct credentials read_as;
static unsigned line;
static const char *why;

static enum err read_text(const char *text, size_t len)
{
	int fd = memfd_create("credentials", MFD_CLOEXEC);

	cr_assert_eq(write(fd, text, len), (ssize_t)len);	/* its position is the end now */
	memset(&read_as, 0x5a, sizeof(read_as));
	line = 99;
	why = NULL;
	enum err e = credentials_read(fd, &read_as, &line, &why);
	close(fd);
	return e;
}

Test(credentials, that_are_right)
{
	static const char *const text[] = {
		"access_key=AKIA\nsecret_key=a/b+c=\n",
		"access_key=AKIA\nsecret_key=a/b+c=",
		"secret_key = a/b+c=\r\n\r\n# for the second server\n\taccess_key\t=  AKIA  ",
		"access_key=AKIA\nsecret_key=a/b+c=\nsession_token=t+t/t==\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(text); i++) {
		cr_assert_eq(read_text(text[i], strlen(text[i])), OK, "%zu: %s", i, why);
		cr_assert_str_eq(read_as.access_key, "AKIA");
		cr_assert_str_eq(read_as.secret_key, "a/b+c=");
		cr_assert_str_eq(read_as.session_token, i == 3 ? "t+t/t==" : "");
	}
}

Test(credentials, that_are_wrong)
{
	static const struct { const char *text; unsigned line; const char *why; } row[] = {
		{ "", 0, "missing" },
		{ "\n\n", 0, "missing" },
		{ "access_key=a\n", 0, "missing" },
		{ "secret_key=a\nsession_token=t\n", 0, "missing" },
		{ "access_key=a\nsecret_key\n", 2, "no NAME=VALUE" },
		{ "[default]\naccess_key=a\nsecret_key=b\n", 1, "no NAME=VALUE" },
		{ "aws_access_key_id=a\n", 1, "nobody knows" },
		{ "access_key=a\n\nsecret_keys=b\n", 3, "nobody knows" },
		{ "=a\n", 1, "nobody knows" },
		{ "access_key=a\naccess_key=a\nsecret_key=b\n", 2, "twice" },
		{ "access_key=\nsecret_key=b\n", 1, "empty" },
		{ "access_key=a\nsecret_key=b c\n", 2, "blank" },
		{ "access_key=a\nsecret_key=b\x01" "c\n", 2, "blank" },
		{ "access_key=a\nsecret_key=\xc3\xbc\n", 2, "blank" },
	};
	static const struct credentials nothing;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		cr_assert_eq(read_text(row[i].text, strlen(row[i].text)), ERR_FORMAT, "%zu", i);
		cr_assert_eq(line, row[i].line, "%zu: line %u", i, line);
		cr_assert_not_null(strstr(why, row[i].why), "%zu: %s", i, why);
		cr_assert_not_null(strstr(why, "; "), "a remedy: %s", why);
		cr_assert_eq(memcmp(&read_as, &nothing, sizeof(nothing)), 0, "%zu", i);
	}
	cr_assert_eq(read_text("access_key=\0b\nsecret_key=b\n", 27), ERR_FORMAT);
	cr_assert_eq(line, 1);
}

Test(credentials, as_long_as_they_may_be)
{
	static char text[CREDENTIALS_BYTES + 2];
	int n = snprintf(text, sizeof(text), "access_key=%0128d\nsecret_key=%0256d\nsession_token=%04096d\n",
			 1, 2, 3);

	cr_assert_eq(read_text(text, (size_t)n), OK);
	cr_assert_eq(strlen(read_as.session_token), 4096);
	for (unsigned over = 0; over < 3; over++) {
		n = snprintf(text, sizeof(text), "access_key=%0*d\nsecret_key=%0*d\nsession_token=%0*d\n",
			     128 + (over == 0), 1, 256 + (over == 1), 2, 4096 + (over == 2), 3);
		cr_assert_eq(read_text(text, (size_t)n), ERR_FORMAT);
		cr_assert_eq(line, over + 1);
	}
	memset(text, '#', sizeof(text));
	cr_assert_eq(read_text(text, CREDENTIALS_BYTES + 1), ERR_FORMAT);
	cr_assert_not_null(strstr(why, "too long"));
	int pipe[2];

	cr_assert_eq(pipe2(pipe, O_CLOEXEC), 0);
	cr_assert_eq(credentials_read(pipe[0], &read_as, &line, &why), ERR_IO);
}
