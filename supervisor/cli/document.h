/*
 * document - the configuration file under the environment: one value for each option.
 *
 * Opening it checks keys and single values.  What belongs together (chains, URLs, profile)
 * is supervisor/cli/resolve.c.
 */
#pragma once

#include "supervisor/cli/trouble.h"
#include "supervisor/cli/value.h"

struct option_value {
	const char *text;		/* of a scalar, also of the fallback; NULL: none */
	const struct config_node *node;	/* in the file; NULL: environment or fallback */
	struct place place;
	bool set;			/* said by file or environment */
	bool usable;			/* a scalar that was parsed */
	struct parsed parsed;
};

struct document {
	const char *path;		/* borrowed */
	struct config *tree;		/* owned; NULL when it could not be read */
	struct troubles *troubles;	/* borrowed */
	struct option_value value[OPTION_COUNT];
	char *variable[OPTION_COUNT];	/* owned: places in the environment */
};

extern const struct option_row option_rows[OPTION_COUNT];

/* The whole of a file of at most CONFIG_FILE_MAX bytes; the caller frees it.  NULL and trouble. */
char *document_text(const char *path, struct place at, struct troubles *t, size_t *len_out);

/* Callback and owner for config_read(): its troubles go to T as those of FILE. */
struct document_errors { struct troubles *troubles; const char *file; };
void document_say(void *owner, struct config_mark mark, const char *why, const char *remedy);

/* Read; false when there is nothing to go on with.  Trouble is in *t either way. */
bool document_open(const char *path, struct troubles *t, struct document *out);
void document_close(struct document *d);

struct place document_place(const struct document *d, struct config_mark mark);

/*
 * Parse a scalar of ROW that stands at NODE: its shape, that it is not empty, no secret, and
 * of its type.  False and trouble when it is not.
 */
bool document_scalar(struct document *d, const struct option_row *row,
		     const struct config_node *node, struct parsed *out);

/* The same for text from elsewhere. */
bool document_parse(struct troubles *t, struct place at, const struct option_row *row,
		    const char *text, struct parsed *out);

/* Trouble for each key of MAP that is not in LIST. */
void document_keys(struct troubles *t, const char *file, const struct config_node *map,
		   const char *const *list, size_t count);
