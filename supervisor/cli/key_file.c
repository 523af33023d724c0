/* key_file - every copy of the key is on the stack and wiped before its function returns. */

#include "supervisor/cli/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <secp256k1.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/eip712.h"
#include "common/log.h"

static bool address_of(const uint8_t key[KEY_BYTES], struct addr *out)
{
	secp256k1_context *ctx = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
	secp256k1_pubkey public;
	uint8_t seed[32], point[65];
	size_t len = sizeof(point);

	randombytes_buf(seed, sizeof(seed));
	check(ctx && secp256k1_context_randomize(ctx, seed));

	bool ok = secp256k1_ec_pubkey_create(ctx, &public, key);

	if (ok) {
		secp256k1_ec_pubkey_serialize(ctx, point, &len, &public,
					      SECP256K1_EC_UNCOMPRESSED);
		check(eip712_identity(BYTES_OF(point), out) == OK);
	}
	secp256k1_context_destroy(ctx);
	sodium_memzero(seed, sizeof(seed));
	return ok;
}

bool key_file_address(int fd, struct place at, struct troubles *t, struct addr *out)
{
	char text[KEY_TEXT_MAX + 1];
	uint8_t key[KEY_BYTES];
	bool ok = false;
	ssize_t n = pread(fd, text, sizeof(text), 0);
	int error = errno;
	size_t len = n > 0 ? (size_t)n : 0;

	check(sodium_init() >= 0);
	if (len && text[len - 1] == '\n')
		len--;
	if (n < 0)
		trouble_file(t, at, error, "the key file cannot be read: %s; correct it",
			     strerror(error));
	else if (len > KEY_TEXT_MAX - 1 || hex_decode_exact(text, len, key, sizeof(key)))
		trouble_error(t, at, "the key file does not hold a key; it must be 64 hex digits and "
			      "nothing else");
	else if (!address_of(key, out))
		trouble_error(t, at, "the number in the key file is no secp256k1 key: zero or too "
			      "large; use another");
	else
		ok = true;
	sodium_memzero(text, sizeof(text));
	sodium_memzero(key, sizeof(key));
	return ok;
}

static bool write_key(int fd, const uint8_t key[KEY_BYTES])
{
	char text[KEY_BYTES * 2 + 2];

	hex_encode(BYTES(key, KEY_BYTES), text);
	text[KEY_BYTES * 2] = '\n';

	bool ok = write(fd, text, KEY_BYTES * 2 + 1) == KEY_BYTES * 2 + 1 && fsync(fd) == 0;

	sodium_memzero(text, sizeof(text));
	return ok;
}

enum err key_file_create(const char *path, struct addr *out)
{
	uint8_t key[KEY_BYTES];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);

	if (fd < 0)
		return errno == EEXIST ? ERR_CONFLICT : ERR_IO;
	check(sodium_init() >= 0);
	do
		randombytes_buf(key, sizeof(key));
	while (!address_of(key, out));

	bool ok = fchmod(fd, S_IRUSR | S_IWUSR) == 0 && write_key(fd, key);

	sodium_memzero(key, sizeof(key));
	close(fd);
	if (!ok) {
		int saved = errno;

		unlink(path);
		errno = saved;
	}
	return ok ? OK : ERR_IO;
}
