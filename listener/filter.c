/*
 * filter - the rows of one chain, and the bits that each leaves in a block's bloom.
 *
 * Bloom: yellow paper, section 4.3.1: three 11-bit numbers from the first six bytes of
 * keccak256 of the address or topic; bit 0 is the lowest bit of the last byte.
 */
#include "listener/filter.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/keccak.h"
#include "common/log.h"

static struct bloom_bits bits_of(struct bytes v)
{
	struct b32 h = keccak_bytes(v);
	struct bloom_bits bits;

	for (unsigned i = 0; i < 3; i++)
		bits.bit[i] = (uint16_t)((h.b[2 * i] << 8 | h.b[2 * i + 1]) & 2047);
	return bits;
}

static bool is_set(const uint8_t *bloom, struct bloom_bits bits)
{
	for (unsigned i = 0; i < 3; i++)
		if (!(bloom[BLOOM_BYTES - 1 - bits.bit[i] / 8] >> (bits.bit[i] % 8) & 1))
			return false;
	return true;
}

static bool has_address(const struct filter *f, const struct addr *a)
{
	for (unsigned i = 0; i < f->addresses; i++)
		if (addr_eq(&f->address[i], a))
			return true;
	return false;
}

static bool has_topic(const struct filter *f, const struct b32 *t)
{
	for (unsigned i = 0; i < f->topics; i++)
		if (b32_eq(&f->topic[i], t))
			return true;
	return false;
}

static void add_row(struct filter *f, const struct addr *contract, const struct b32 *topic,
		    unsigned request)
{
	f->row[f->rows++] = (struct filter_row){ *contract, *topic, request };
	if (!has_address(f, contract)) {
		f->address_bits[f->addresses] = bits_of(BYTES_OF(contract->b));
		f->address[f->addresses++] = *contract;
	}
	if (!has_topic(f, topic)) {
		f->topic_bits[f->topics] = bits_of(BYTES_OF(topic->b));
		f->topic[f->topics++] = *topic;
	}
}

static int by_content(const void *a, const void *b)
{
	const struct filter_row *x = a, *y = b;
	int d = memcmp(x->contract.b, y->contract.b, sizeof(x->contract.b));

	return d ? d : memcmp(x->topic.b, y->topic.b, sizeof(x->topic.b));
}

/* Of the rows in an order of their own: the order of a profile's lines does not matter. */
static struct b32 hash_of(const struct filter *f, uint64_t chain_id)
{
	struct filter_row row[PROFILE_REQUESTS_MAX];
	struct keccak k;
	struct b32 out;
	uint8_t id[8];

	memcpy(row, f->row, sizeof(row));
	qsort(row, f->rows, sizeof(row[0]), by_content);
	keccak_init(&k);
	be64_put(id, chain_id);
	keccak_update(&k, id, sizeof(id));
	for (unsigned i = 0; i < f->rows; i++) {
		keccak_update(&k, row[i].contract.b, sizeof(row[i].contract.b));
		keccak_update(&k, row[i].topic.b, sizeof(row[i].topic.b));
	}
	keccak_final(&k, out.b);
	return out;
}

static void add_text(struct filter *f, size_t *at, const char *before, struct bytes v)
{
	char hex[2 * 32 + 3];
	int n = snprintf(f->text + *at, sizeof(f->text) - *at, "%s\"%s\"", before,
			 hex_encode0x(v, hex));

	check(n > 0 && (size_t)n < sizeof(f->text) - *at);
	*at += (size_t)n;
}

static void write_text(struct filter *f)
{
	size_t at = 0;

	for (unsigned i = 0; i < f->addresses; i++)
		add_text(f, &at, i ? "," : "\"address\":[", BYTES_OF(f->address[i].b));
	for (unsigned i = 0; i < f->topics; i++)
		add_text(f, &at, i ? "," : "],\"topics\":[[", BYTES_OF(f->topic[i].b));
	check(at + 3 <= sizeof(f->text));
	if (f->rows)
		memcpy(f->text + at, "]]", 3);
}

void filter_init(struct filter *f, const struct profile *p, uint64_t chain_id)
{
	*f = (struct filter){ 0 };
	for (unsigned i = 0; i < p->requests; i++) {
		const struct profile_contract *c = &p->contract[p->request[i].contract];

		if (c->chain == chain_id)
			add_row(f, &c->address, &p->request[i].event.hash, i);
	}
	f->hash = hash_of(f, chain_id);
	write_text(f);
}

const struct filter_row *filter_find(const struct filter *f, const struct addr *contract,
				     const struct b32 *topic)
{
	for (unsigned i = 0; i < f->rows; i++)
		if (addr_eq(&f->row[i].contract, contract) && b32_eq(&f->row[i].topic, topic))
			return &f->row[i];
	return NULL;
}

bool filter_asked(const struct filter *f, const struct addr *contract, const struct b32 *topic)
{
	return has_address(f, contract) && has_topic(f, topic);
}

bool filter_admits(const struct filter *f, const uint8_t bloom[BLOOM_BYTES])
{
	bool address = false, topic = false;

	for (unsigned i = 0; i < f->addresses && !address; i++)
		address = is_set(bloom, f->address_bits[i]);
	for (unsigned i = 0; i < f->topics && address && !topic; i++)
		topic = is_set(bloom, f->topic_bits[i]);
	return address && topic;
}
