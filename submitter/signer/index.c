/* index - open addressing over short hashes; what they lead to is read. */

#include "submitter/signer/index.h"

#include <sodium.h>
#include <sys/mman.h>

#include "common/log.h"

#define HARD_FULL (INDEX_SLOTS / 8 * 7)
#define KEY_MAX   48
#define TAG_SHIFT 16 /* of a slot: below it the number of the block plus one */

#define SLOTS_SIZE  (INDEX_SLOTS * sizeof(uint32_t))
#define BLOCKS_SIZE (INDEX_BLOCKS_MAX * sizeof(uint64_t))

_Static_assert(sizeof(((struct index *)0)->hash_key) == crypto_shorthash_KEYBYTES, "hash key");
_Static_assert(SLOTS_SIZE == 4u << 20, "as the header says");
_Static_assert(INDEX_BLOCKS_MAX < 1u << TAG_SHIFT, "a block fits a slot");

static void *reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

enum err index_open(struct index *x, const struct index_reader *reader)
{
	*x = (struct index){ .reader = *reader,
			     .slot = reserve(SLOTS_SIZE),
			     .block = reserve(BLOCKS_SIZE) };
	if (!x->slot || !x->block) {
		index_close(x);
		return ERR_NOMEM;
	}
	randombytes_buf(x->hash_key, sizeof(x->hash_key));
	return OK;
}

void index_close(struct index *x)
{
	if (x->slot)
		munmap(x->slot, SLOTS_SIZE);
	if (x->block)
		munmap(x->block, BLOCKS_SIZE);
	*x = (struct index){ .used = 0 };
}

static uint64_t hash(const struct index *x, const uint8_t *key, size_t len)
{
	uint8_t h[crypto_shorthash_BYTES];

	crypto_shorthash(h, key, len, x->hash_key);
	return be64_get(h);
}

static uint64_t hash_request(const struct index *x, const struct entry *e)
{
	uint8_t key[KEY_MAX];

	be64_put(key, e->chain);
	be64_put(key + 8, e->kind);
	memcpy(key + 16, e->id.b, sizeof(e->id.b));
	return hash(x, key, sizeof(key));
}

static uint64_t hash_nonce(const struct index *x, const struct entry *e)
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

/* Slots of one hash: its low bits say where they begin, its high bits are in each. */
struct probe {
	uint32_t tag, at;
};

static struct probe probe_of(uint64_t h)
{
	return (struct probe){ .tag = (uint32_t)(h >> 48), .at = (uint32_t)h % INDEX_SLOTS };
}

static void step(struct probe *p)
{
	p->at = (p->at + 1) % INDEX_SLOTS;
}

/* A replacement has a higher nonce; of one nonce the record that was written last counts. */
static bool is_newer(const struct entry *e, const struct entry *than)
{
	return !than->length || e->nonce > than->nonce ||
	       (e->nonce == than->nonce && e->at > than->at);
}

/* The newest of block B that is like OF, unless BEST is newer. */
static enum err look_through(const struct index *x, uint32_t b, const struct entry *of,
			     bool (*is)(const struct entry *, const struct entry *),
			     struct entry *best)
{
	uint64_t end = b + 1 < x->blocks ? x->block[b + 1] : x->end, next;

	for (uint64_t at = x->block[b]; at < end; at = next) {
		struct entry e;
		bool is_tx;

		enum err bad = x->reader.read(x->reader.owner, at, &e, &is_tx, &next);
		if (bad)
			return bad;
		if (is_tx && is(&e, of) && is_newer(&e, best))
			*best = e;
	}
	return OK;
}

static enum err find(const struct index *x, uint64_t h, const struct entry *of,
		     bool (*is)(const struct entry *, const struct entry *), struct entry *out)
{
	*out = (struct entry){ .length = 0 };
	for (struct probe p = probe_of(h); x->slot[p.at]; step(&p)) {
		uint32_t slot = x->slot[p.at];

		if (slot >> TAG_SHIFT != p.tag)
			continue;
		enum err e = look_through(x, (slot & 0xffff) - 1, of, is, out);
		if (e)
			return e;
	}
	return out->length ? OK : ERR_MISSING;
}

enum err index_find_request(const struct index *x, uint64_t chain, uint64_t kind,
			    const struct b32 *id, struct entry *out)
{
	struct entry of = { .chain = chain, .kind = kind, .id = *id };

	return find(x, hash_request(x, &of), &of, is_request, out);
}

enum err index_find_nonce(const struct index *x, uint64_t chain, uint64_t nonce,
			  struct entry *out)
{
	struct entry of = { .chain = chain, .nonce = nonce };

	return find(x, hash_nonce(x, &of), &of, is_nonce, out);
}

static uint32_t slot_of(const struct probe *p, uint32_t block)
{
	return p->tag << TAG_SHIFT | (block + 1);
}

static void put(struct index *x, uint64_t h, uint32_t block)
{
	struct probe p = probe_of(h);

	while (x->slot[p.at])
		step(&p);
	x->slot[p.at] = slot_of(&p, block);
	x->used++;
}

/*
 * What was in block FROM is in TO now.  Of two with the same slot value, whichever is met first
 * is as good as the other: the one that stays stands behind it, so both ways lead there.
 */
static void move(struct index *x, uint64_t h, uint32_t from, uint32_t to)
{
	struct probe p = probe_of(h);

	while (x->slot[p.at] != slot_of(&p, from)) {
		check(x->slot[p.at] != 0);
		step(&p);
	}
	x->slot[p.at] = slot_of(&p, to);
}

/* The block in which the record at AT stands. */
static uint32_t block_at(const struct index *x, uint64_t at)
{
	uint32_t low = 0, high = x->blocks;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (x->block[mid] <= at)
			low = mid;
		else
			high = mid;
	}
	return low;
}

bool index_has_room(const struct index *x)
{
	return x->used < INDEX_FULL && x->blocks < INDEX_BLOCKS_MAX / 4 * 3;
}

static bool begins_block(const struct index *x, const struct entry *e)
{
	return x->blocks == 0 || x->in_last == INDEX_BLOCK ||
	       e->at - x->block[x->blocks - 1] >= INDEX_BLOCK_BYTES;
}

/* The block in which E stands, which is the last one. */
static uint32_t begin_record(struct index *x, const struct entry *e)
{
	check(e->at >= x->end && e->length > 0);
	if (begins_block(x, e)) {
		x->block[x->blocks++] = e->at;
		x->in_last = 0;
	}
	x->in_last++;
	x->end = e->at + e->length;
	return x->blocks - 1;
}

enum err index_add(struct index *x, const struct entry *e)
{
	if (x->used + 2 > HARD_FULL || x->blocks == INDEX_BLOCKS_MAX)
		return ERR_FULL;

	uint32_t block = begin_record(x, e);

	put(x, hash_request(x, e), block);
	put(x, hash_nonce(x, e), block);
	return OK;
}

enum err index_raise(struct index *x, const struct entry *e, const struct entry *before)
{
	uint32_t from = block_at(x, before->at);

	if (x->blocks == INDEX_BLOCKS_MAX)
		return ERR_FULL;

	uint32_t to = begin_record(x, e);

	move(x, hash_request(x, e), from, to);
	move(x, hash_nonce(x, e), from, to);
	return OK;
}

uint64_t index_newest(const struct index *x, uint32_t count, uint64_t bytes)
{
	uint32_t b = x->blocks;

	while (b > 0 && (x->blocks - b) * INDEX_BLOCK + x->in_last <= count &&
	       x->end - x->block[b - 1] <= bytes)
		b--;
	return b < x->blocks ? x->block[b] : x->end;
}
