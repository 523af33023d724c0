/*
 * profile_yaml - a profile's file to the settings lines that common/profile.c reads.
 *
 * What the lines mean is checked by profile_load() alone; here is only the shape of the file,
 * and where each line came from, so that its troubles have file, line and column.
 */
#pragma once

#include "common/profile.h"
#include "supervisor/cli/trouble.h"

#define PROFILE_FILE_CONTRACTS_MAX PROFILE_CONTRACTS_MAX

struct profile_file {
	char *path;			/* owned */
	char name[32];			/* as it calls itself */
	struct config *tree;		/* owned */
	unsigned contracts;
	struct profile_file_contract {
		const char *name, *chain;	/* borrowed from the tree */
		bool optional;
	} contract[PROFILE_FILE_CONTRACTS_MAX];
	struct origin *origin;		/* owned: lines and the nodes they came from */
	unsigned origins;
	struct troubles *troubles;	/* borrowed */
};

/*
 * Find (as profile_path() says) and read.  AT is the option that names it.  False and trouble
 * when it cannot be used.
 */
bool profile_file_open(struct profile_file *f, const char *config, const char *name,
		       struct place at, struct troubles *t);

/* The second half alone: TEXT for a file that has its path and troubles set. */
bool profile_file_read(struct profile_file *f, struct bytes text);

void profile_file_close(struct profile_file *f);

/* What the configuration has: finality by kind (NULL: the profile's), and contracts. */
struct profile_choice {
	const char *finality[KIND_COUNT];
	bool contract[PROFILE_FILE_CONTRACTS_MAX];	/* is its address known */
};

/* The lines of all sections but contract.*, added to S. */
void profile_file_put(struct profile_file *f, const struct profile_choice *choice,
		      struct settings *s);

/* Where the line of a path stands in the file, once it was put; its first line if nowhere. */
struct place profile_file_place(const struct profile_file *f, const char *path);

/* Parse the lines of S as the children will; false and trouble when they are not sound. */
bool profile_file_check(struct profile_file *f, const struct settings *s, struct profile *out);
