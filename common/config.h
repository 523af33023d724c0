/*
 * config - a YAML file as a tree that knows where each thing stands.
 *
 * A subset on purpose: one document of maps, lists and scalars.  Anchors, aliases, tags and
 * control characters are refused.  Scalars stay text; what they mean is the reader's matter.
 * Limits: bytes by the caller, CONFIG_NODES_MAX things, CONFIG_DEPTH_MAX levels.
 * Only kms-connector reads YAML, and only from files that an operator wrote.
 */
#pragma once

#include "common/bytes.h"

#define CONFIG_NODES_MAX 8192
#define CONFIG_DEPTH_MAX 12

struct config_mark { unsigned line, column; };		/* from 1; characters, not bytes */

enum config_type { CONFIG_SCALAR, CONFIG_LIST, CONFIG_MAP };
enum config_style { CONFIG_PLAIN, CONFIG_QUOTED, CONFIG_BLOCK };

/* Owned by the tree. */
struct config_node {
	enum config_type type;
	enum config_style style;		/* of a scalar */
	struct config_mark mark;		/* of the value */
	const char *key;			/* in a map; else NULL */
	struct config_mark key_mark;
	const char *text;			/* of a scalar; NULL of others */
	unsigned count;				/* of members */
	struct config_node *first, *next;	/* member; sibling */
};

struct config;

/* Called for each trouble: what is wrong, what to do. */
struct config_errors {
	void (*say)(void *owner, struct config_mark mark, const char *why, const char *remedy);
	void *owner;
};

/*
 * Read TEXT.  OK with *out (root NULL for an empty file); ERR_CONFLICT, also with *out, when
 * keys stood there twice (all are reported); ERR_FORMAT and NULL at the first trouble of the
 * YAML itself.
 */
enum err config_read(struct bytes text, const struct config_errors *errors,
		     struct config **out) MUST_CHECK;
void config_close(struct config **c);

const struct config_node *config_root(const struct config *c);		/* NULL: empty */

/* Member of a map; NULL when it has none, or NODE is NULL or no map. */
const struct config_node *find_member(const struct config_node *node, const char *key);

/* Where the character at COLUMN (from 1) of a scalar's text stands; 0 means the scalar. */
struct config_mark config_mark_in(const struct config_node *node, unsigned column);
