/*
 * resolver - what resolve.c and chains.c share while one configuration is resolved.
 * Included by these two and by nobody else.
 */
#pragma once

#include "supervisor/cli/document.h"
#include "supervisor/cli/profile_yaml.h"

#define CHAINS_MAX 8

/* The chain that settles one, from either form. */
struct parent {
	bool present;				/* any of it was said */
	struct place place;
	struct option_value urls;		/* set, or missing */
	bool has_outbox, has_start;
	struct addr outbox;
	uint64_t id, start;			/* id 0: not said */
};

/* One chain, from either form. */
struct chain {
	const char *name;
	uint64_t id;
	struct place place;
	struct option_value urls;		/* node, or text */
	struct parsed start;
	struct parent parent;
	bool has[PROFILE_FILE_CONTRACTS_MAX];
	struct addr contract[PROFILE_FILE_CONTRACTS_MAX];
};

struct resolver {
	struct document *d;
	struct troubles *t;
	struct profile_file profile;
	bool has_profile;			/* it was read; else no word about its contracts */
	struct settings *all;			/* every line; owned */
	struct chain chain[CHAINS_MAX];
	unsigned chains;
	unsigned contracts;			/* written so far */
	struct profile_choice choice;
};

const struct option_value *resolver_value(const struct resolver *r, enum option o);

/* One line; the path is a format. */
void resolver_put(struct resolver *r, const char *text, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void resolver_put_number(struct resolver *r, uint64_t n, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Trouble: an option that must be said is not. */
void resolver_missing(struct resolver *r, struct place at, const struct option_row *row);

/* chains.c: the lines chain.* and contract.* */
void resolver_put_chains(struct resolver *r);
