/*
 * resolve - values that belong together, to the lines that each child gets.
 *
 * Equal documents give equal lines, so that a reload restarts
 * only the children whose lines changed.
 */
#pragma once

#include "supervisor/cli/document.h"
#include "supervisor/cli/profile_yaml.h"
#include "supervisor/config.h"

/* Fill everything of *C but the key; trouble goes to the document's list. */
void resolve_document(struct document *d, struct connector_config *c);

/* The line `account`, once the key is known. */
void resolve_account(struct connector_config *c, const struct addr *account);

/*
 * The line s3.credentials, by which a reload sees that the file is another: of what the system
 * says of it, nothing of what is in it.
 */
struct stat;
void resolve_credentials(struct connector_config *c, const struct stat *st);
