/*
 * key - the key in memory that the kernel shows to nobody.
 *
 * memfd_secret pages are not mapped in the kernel and not even root reads them through
 * /proc; where the kernel has none, libsodium's guarded and locked memory takes their place.
 * The file's text is read into the same page, so that no other buffer ever holds it.
 */

#include "submitter/signer/key.h"

#include <errno.h>
#include <fcntl.h>
#include <secp256k1_preallocated.h>
#include <secp256k1_recovery.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/keccak.h"
#include "common/log.h"

#define TEXT_MAX 80		/* "0x", 64 digits, line ends; longer is no key file */

#define CTX_MAX  1024		/* a context of the library; it says how much it needs */

struct secret {
	uint8_t key[32];
	uint8_t seed[32];		/* of the blinding */
	uint8_t text[TEXT_MAX];		/* wiped once it is decoded */
	secp256k1_context *ctx;		/* in room: its blinding is as secret as the key */
	_Alignas(16) uint8_t room[CTX_MAX];
	struct addr account;
	unsigned signatures;
	size_t mapped;			/* bytes of memfd_secret; 0: sodium's */
};

static struct secret *new_secret(void)
{
	size_t size = (sizeof(struct secret) + 4095) & ~(size_t)4095;
	struct secret *s = MAP_FAILED;
	int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);

	if (fd >= 0) {
		if (ftruncate(fd, (off_t)size) == 0)
			s = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (s != MAP_FAILED) {
		memset(s, 0, sizeof(*s));
		s->mapped = size;
		return s;
	}
	s = sodium_malloc(sizeof(*s));
	if (s)
		memset(s, 0, sizeof(*s));
	return s;
}

void key_close(struct secret **key)
{
	struct secret *s = *key;

	*key = NULL;
	if (!s)
		return;
	if (s->ctx)
		secp256k1_context_preallocated_destroy(s->ctx);
	size_t mapped = s->mapped;
	sodium_memzero(s, sizeof(*s));
	if (mapped)
		munmap(s, mapped);
	else
		sodium_free(s);
}

static enum err read_text(int fd, struct secret *s, size_t *len_out)
{
	size_t len = 0;

	while (len < TEXT_MAX) {
		ssize_t n = read(fd, s->text + len, TEXT_MAX - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_IO;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len == TEXT_MAX)
		return ERR_FORMAT;
	*len_out = len;
	return OK;
}

static enum err read_key(int fd, struct secret *s)
{
	size_t len = 0;
	enum err e = read_text(fd, s, &len);

	while (!e && len && (s->text[len - 1] == '\n' || s->text[len - 1] == '\r'))
		len--;
	e = e ? e : hex_decode_exact((const char *)s->text, len, s->key, sizeof(s->key));
	sodium_memzero(s->text, sizeof(s->text));
	return e;
}

static enum err find_account(struct secret *s)
{
	secp256k1_pubkey key;
	uint8_t point[65], hash[32];
	size_t len = sizeof(point);

	if (!secp256k1_ec_seckey_verify(s->ctx, s->key) ||
	    !secp256k1_ec_pubkey_create(s->ctx, &key, s->key))
		return ERR_RANGE;
	secp256k1_ec_pubkey_serialize(s->ctx, point, &len, &key, SECP256K1_EC_UNCOMPRESSED);
	keccak256(point + 1, len - 1, hash);	/* without the 0x04 */
	memcpy(s->account.b, hash + 12, sizeof(s->account.b));
	return OK;
}

/* Each seed is made from the last: no random bytes can be had after confinement. */
static void blind(struct secret *s)
{
	keccak256(s->seed, sizeof(s->seed), s->seed);
	check(secp256k1_context_randomize(s->ctx, s->seed));
}

static void open_context(struct secret *s)
{
	check(secp256k1_context_preallocated_size(SECP256K1_CONTEXT_NONE) <= sizeof(s->room));
	s->ctx = secp256k1_context_preallocated_create(s->room, SECP256K1_CONTEXT_NONE);
	check(s->ctx != NULL);
}

enum err key_open(int fd, struct secret **out)
{
	struct secret *s = NULL;
	enum err e = sodium_init() < 0 ? ERR_IO : OK;

	*out = NULL;
	if (!e && !(s = new_secret()))
		e = ERR_NOMEM;
	if (!e)
		open_context(s);
	e = e ? e : read_key(fd, s);
	close(fd);
	if (!e) {
		randombytes_buf(s->seed, sizeof(s->seed));
		blind(s);
		e = find_account(s);
	}
	if (e)
		key_close(&s);
	*out = s;
	return e;
}

struct addr key_account(const struct secret *key)
{
	return key->account;
}

void key_sign(struct secret *key, const struct b32 *hash, struct key_signature *out)
{
	secp256k1_ecdsa_recoverable_signature sig;
	uint8_t rs[64];
	int parity;

	if (++key->signatures % KEY_BLIND_EVERY == 0)
		blind(key);
	check(secp256k1_ecdsa_sign_recoverable(key->ctx, &sig, hash->b, key->key, NULL, NULL));
	secp256k1_ecdsa_recoverable_signature_serialize_compact(key->ctx, rs, &parity, &sig);
	check(parity == 0 || parity == 1);
	memcpy(out->r.b, rs, 32);
	memcpy(out->s.b, rs + 32, 32);
	out->y_parity = (uint8_t)parity;
}
