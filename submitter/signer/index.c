/* index - open addressing over entry numbers; a table that is three quarters full is made anew,
   twice as large, at the same place: the entries have all hashes. */

#include "submitter/signer/index.h"

#include <sodium.h>
#include <sys/mman.h>

#include "common/log.h"

#define SLOTS_FIRST 1024u
#define SLOTS_MAX   (2u * INDEX_MAX)
#define KEY_MAX     48

_Static_assert(sizeof(((struct index *)0)->hash_key) == crypto_shorthash_KEYBYTES, "hash key");
_Static_assert(sizeof(struct place) == 16, "as the header says");

static void *reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

#define PLACES_SIZE (INDEX_MAX * sizeof(struct place))
#define SLOTS_SIZE  (1ull * SLOTS_MAX * sizeof(uint32_t))

enum err index_open(struct index *x, const struct index_reader *reader)
{
	*x = (struct index){ .reader = *reader, .place = reserve(PLACES_SIZE) };
	for (unsigned i = 0; i < INDEX_KEYS; i++)
		x->table[i] = (struct table){ .slot = reserve(SLOTS_SIZE), .slots = SLOTS_FIRST };
	if (!x->place || !x->table[BY_REQUEST].slot || !x->table[BY_NONCE].slot) {
		index_close(x);
		return ERR_NOMEM;
	}
	randombytes_buf(x->hash_key, sizeof(x->hash_key));
	return OK;
}

void index_close(struct index *x)
{
	if (x->place)
		munmap(x->place, PLACES_SIZE);
	for (unsigned i = 0; i < INDEX_KEYS; i++)
		if (x->table[i].slot)
			munmap(x->table[i].slot, SLOTS_SIZE);
	*x = (struct index){ .count = 0 };
}

static uint32_t hash(const struct index *x, const uint8_t *key, size_t len)
{
	uint8_t h[crypto_shorthash_BYTES];

	crypto_shorthash(h, key, len, x->hash_key);
	return (uint32_t)be64_get(h);
}

static uint32_t hash_request(const struct index *x, const struct entry *e)
{
	uint8_t key[KEY_MAX];

	be64_put(key, e->chain);
	be64_put(key + 8, e->kind);
	memcpy(key + 16, e->id.b, sizeof(e->id.b));
	return hash(x, key, sizeof(key));
}

static uint32_t hash_nonce(const struct index *x, const struct entry *e)
{
	uint8_t key[16];

	be64_put(key, e->chain);
	be64_put(key + 8, e->nonce);
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

static const struct {
	uint32_t (*hash)(const struct index *x, const struct entry *e);
	bool (*is)(const struct entry *e, const struct entry *of);
} keys[INDEX_KEYS] = {
	[BY_REQUEST] = { hash_request, is_request },
	[BY_NONCE] = { hash_nonce, is_nonce },
};

/* Read what has the hash of OF until it is the one; then *SLOT_OUT is its slot. */
static enum err find(const struct index *x, enum index_key key, const struct entry *of,
		     struct entry *out, uint32_t *slot_out)
{
	const struct table *t = &x->table[key];
	uint32_t h = keys[key].hash(x, of);

	for (uint32_t i = h & (t->slots - 1); t->slot[i]; i = (i + 1) & (t->slots - 1)) {
		const struct place *p = &x->place[t->slot[i] - 1];

		if (p->hash[key] != h)
			continue;
		enum err e = x->reader.read(x->reader.owner, p->at, (uint32_t)p->length, out);
		if (e)
			return e;
		out->number = t->slot[i] - 1;
		*slot_out = i;
		if (keys[key].is(out, of))
			return OK;
	}
	return ERR_MISSING;
}

enum err index_find_request(const struct index *x, uint64_t chain, uint64_t kind,
			    const struct b32 *id, struct entry *out)
{
	struct entry of = { .chain = chain, .kind = kind, .id = *id };
	uint32_t slot;

	return find(x, BY_REQUEST, &of, out, &slot);
}

enum err index_find_nonce(const struct index *x, uint64_t chain, uint64_t nonce,
			  struct entry *out)
{
	struct entry of = { .chain = chain, .nonce = nonce };
	uint32_t slot;

	return find(x, BY_NONCE, &of, out, &slot);
}

static void put(struct index *x, enum index_key key, uint32_t number)
{
	struct table *t = &x->table[key];
	uint32_t i = x->place[number].hash[key] & (t->slots - 1);

	while (t->slot[i])
		i = (i + 1) & (t->slots - 1);
	t->slot[i] = number + 1;
	t->used++;
}

static void grow(struct index *x, enum index_key key)
{
	struct table *t = &x->table[key];

	if (t->used < t->slots / 4 * 3 || t->slots == SLOTS_MAX)
		return;
	t->slots *= 2;
	t->used = 0;
	memset(t->slot, 0, t->slots * sizeof(t->slot[0]));
	for (uint32_t i = 0; i < x->count; i++)
		if (key == BY_NONCE || !x->place[i].is_old)
			put(x, key, i);
}

bool index_has_room(const struct index *x)
{
	return x->count < INDEX_MAX;
}

enum err index_add(struct index *x, const struct entry *e)
{
	struct entry older;
	uint32_t slot, number = x->count;

	check(index_has_room(x));
	enum err found = find(x, BY_REQUEST, e, &older, &slot);
	if (found && found != ERR_MISSING)
		return found;
	x->place[number] = (struct place){ .hash = { hash_request(x, e), hash_nonce(x, e) } };
	index_move(x, number, e->at, e->length);
	if (found == OK) {
		x->place[older.number].is_old = 1;
		x->table[BY_REQUEST].slot[slot] = number + 1;
	} else {
		put(x, BY_REQUEST, number);
	}
	put(x, BY_NONCE, number);
	x->count++;
	grow(x, BY_REQUEST);
	grow(x, BY_NONCE);
	return OK;
}

void index_move(struct index *x, uint32_t number, uint64_t at, uint32_t length)
{
	struct place *p = &x->place[number];

	check(at < 1ull << PLACE_AT_BITS && length < 1u << PLACE_LENGTH_BITS);
	p->at = at;
	p->length = length;
}
