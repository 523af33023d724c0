/*
 * heights - how far a chain is, level by level, as listener and executor judge it; asked of the
 * nodes, not of the running connector.
 *
 * Settled is the highest block among those that the Outbox has named last, in finalized blocks of
 * the parent chain, if it is finalized here too; without a parent chain, the last block that is 8
 * days older than the finalized one.
 */
#pragma once

#include "supervisor/cli/chain_read.h"

/*
 * Lines of chain I of the listener's settings to standard output.  False when a height cannot be
 * known, which the lines say; a level that no block has reached yet is known.
 */
bool heights_print(const struct chain_reader *r, unsigned i);
