/* index - open addressing over entry numbers; a table that is half full is copied to one of
   twice its size, which lies right behind it. */

#include "submitter/signer/index.h"

#include <sodium.h>
#include <sys/mman.h>

#include "common/log.h"

#define SLOTS_FIRST 1024u
#define SLOTS_MAX   (2u * INDEX_MAX)
#define KEY_MAX     48

_Static_assert(sizeof(((struct index *)0)->hash_key) == crypto_shorthash_KEYBYTES, "hash key");

static void *reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

#define ENTRIES_SIZE (INDEX_MAX * sizeof(struct entry))
#define SLOTS_SIZE   (2ull * SLOTS_MAX * sizeof(uint32_t))

enum err index_open(struct index *x)
{
	*x = (struct index){ .entry = reserve(ENTRIES_SIZE) };
	x->by_request = (struct table){ .slot = reserve(SLOTS_SIZE), .slots = SLOTS_FIRST };
	x->by_nonce = (struct table){ .slot = reserve(SLOTS_SIZE), .slots = SLOTS_FIRST };
	if (!x->entry || !x->by_request.slot || !x->by_nonce.slot) {
		index_close(x);
		return ERR_NOMEM;
	}
	randombytes_buf(x->hash_key, sizeof(x->hash_key));
	return OK;
}

void index_close(struct index *x)
{
	if (x->entry)
		munmap(x->entry, ENTRIES_SIZE);
	if (x->by_request.slot)
		munmap(x->by_request.slot, SLOTS_SIZE);
	if (x->by_nonce.slot)
		munmap(x->by_nonce.slot, SLOTS_SIZE);
	*x = (struct index){ .count = 0 };
}

static uint64_t hash(const struct index *x, const uint8_t *key, size_t len)
{
	uint8_t h[crypto_shorthash_BYTES];

	crypto_shorthash(h, key, len, x->hash_key);
	return be64_get(h);
}

static uint64_t hash_request(const struct index *x, uint64_t chain, uint64_t kind,
			     const struct b32 *id)
{
	uint8_t key[KEY_MAX];

	be64_put(key, chain);
	be64_put(key + 8, kind);
	memcpy(key + 16, id->b, sizeof(id->b));
	return hash(x, key, sizeof(key));
}

static uint64_t hash_nonce(const struct index *x, uint64_t chain, uint64_t nonce)
{
	uint8_t key[16];

	be64_put(key, chain);
	be64_put(key + 8, nonce);
	return hash(x, key, sizeof(key));
}

static bool is_request(const struct entry *e, const struct entry *of)
{
	return e->chain == of->chain && e->kind == of->kind && b32_eq(&e->id, &of->id);
}

static bool is_nonce(const struct entry *e, const struct entry *of)
{
	return e->chain == of->chain && e->nonce == of->nonce;
}

/* The slot of OF, or the free one where it would stand.  Slots hold entry number plus one. */
static uint32_t *seek(const struct index *x, const struct table *t, uint64_t h,
		      const struct entry *of,
		      bool (*is)(const struct entry *, const struct entry *))
{
	uint32_t *slot = t->slot + t->slots;

	for (uint32_t i = (uint32_t)h & (t->slots - 1);; i = (i + 1) & (t->slots - 1))
		if (!slot[i] || is(&x->entry[slot[i] - 1], of))
			return &slot[i];
}

static uint32_t *seek_request(const struct index *x, const struct entry *of)
{
	return seek(x, &x->by_request, hash_request(x, of->chain, of->kind, &of->id), of,
		    is_request);
}

static uint32_t *seek_nonce(const struct index *x, const struct entry *of)
{
	return seek(x, &x->by_nonce, hash_nonce(x, of->chain, of->nonce), of, is_nonce);
}

struct entry *find_by_request(const struct index *x, uint64_t chain, uint64_t kind,
			      const struct b32 *id)
{
	struct entry of = { .chain = chain, .kind = kind, .id = *id };
	uint32_t at = *seek_request(x, &of);

	return at ? &x->entry[at - 1] : NULL;
}

struct entry *find_by_nonce(const struct index *x, uint64_t chain, uint64_t nonce)
{
	struct entry of = { .chain = chain, .nonce = nonce };
	uint32_t at = *seek_nonce(x, &of);

	return at ? &x->entry[at - 1] : NULL;
}

static void put(const struct index *x, struct table *t, uint32_t number,
		uint32_t *(*seek_in)(const struct index *, const struct entry *))
{
	uint32_t *slot = seek_in(x, &x->entry[number]);

	if (!*slot)
		t->used++;
	*slot = number + 1;
}

static void grow(const struct index *x, struct table *t,
		 uint32_t *(*seek_in)(const struct index *, const struct entry *))
{
	const uint32_t *old = t->slot + t->slots;
	uint32_t slots = t->slots;

	check(slots < SLOTS_MAX);
	t->slots *= 2;
	t->used = 0;
	for (uint32_t i = 0; i < slots; i++)
		if (old[i])
			put(x, t, old[i] - 1, seek_in);
}

bool index_has_room(const struct index *x)
{
	return x->count < INDEX_MAX;
}

struct entry *index_add(struct index *x, const struct entry *e)
{
	uint32_t number = x->count;

	check(index_has_room(x));
	x->entry[number] = *e;
	x->count++;
	if (x->by_request.used * 2 >= x->by_request.slots && x->by_request.slots < SLOTS_MAX)
		grow(x, &x->by_request, seek_request);
	if (x->by_nonce.used * 2 >= x->by_nonce.slots && x->by_nonce.slots < SLOTS_MAX)
		grow(x, &x->by_nonce, seek_nonce);
	put(x, &x->by_request, number, seek_request);
	put(x, &x->by_nonce, number, seek_nonce);
	return &x->entry[number];
}
