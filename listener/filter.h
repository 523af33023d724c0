/*
 * filter - which logs of a chain are ours: addresses and topics, from the profile's requests.
 *
 * Pure.  A bloom has no false negatives: what it excludes need not be asked for.
 */
#pragma once

#include "common/profile.h"

#define FILTER_TEXT_MAX 4096
#define BLOOM_BYTES     256

struct filter_row {			/* one request event */
	struct addr contract;
	struct b32 topic;
	unsigned request;		/* row of the profile */
};

struct bloom_bits { uint16_t bit[3]; };

struct filter {
	unsigned rows, addresses, topics;
	struct filter_row row[PROFILE_REQUESTS_MAX];
	struct addr address[PROFILE_CONTRACTS_MAX];	/* each once */
	struct b32 topic[PROFILE_REQUESTS_MAX];		/* each once */
	struct bloom_bits address_bits[PROFILE_CONTRACTS_MAX], topic_bits[PROFILE_REQUESTS_MAX];
	struct b32 hash;		/* of chain, addresses and topics: equal filters, equal hash */
	char text[FILTER_TEXT_MAX];	/* "address":[...],"topics":[[...]] for eth_getLogs */
};

void filter_init(struct filter *f, const struct profile *p, uint64_t chain_id);

/* NULL when the pair is none of ours. */
const struct filter_row *filter_find(const struct filter *f, const struct addr *contract,
				     const struct b32 *topic);

/* Was it asked for?  A node may answer with any of the addresses and any of the topics. */
bool filter_asked(const struct filter *f, const struct addr *contract, const struct b32 *topic);

/* May a block with this bloom hold logs of ours? */
bool filter_admits(const struct filter *f, const uint8_t bloom[BLOOM_BYTES]);
