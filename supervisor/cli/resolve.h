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
