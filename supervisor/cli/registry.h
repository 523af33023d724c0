/*
 * registry - who is registered on the chain: nodes with their identities, coprocessors with their
 * buckets.  Some contracts return lists of them; others tell of one by its account.
 */
#pragma once

#include "supervisor/cli/bodies.h"
#include "supervisor/cli/chain_read.h"

/*
 * Accounts, from the read kms_accounts or coprocessor_accounts as it was at block NUMBER; at most
 * MAX, the rest is left out.  ERR_MISSING: the profile has no such read; ERR_FORMAT: it returns
 * something else.  After a failure the reader's why says what it was.
 */
enum err registry_accounts(struct chain_reader *r, enum profile_read_name name, const char *number,
			   struct addr *out, unsigned max, unsigned *count_out) MUST_CHECK;

/* The nodes that were registered at block NUMBER ("latest" or "0x1f4"). */
enum err registry_nodes(struct chain_reader *r, const char *number,
			struct audit_nodes *out) MUST_CHECK;

/*
 * Where the holders of a request's ciphertexts keep them now.  OUT is kept from one request to the
 * next, and begins with zeros.
 */
enum err registry_buckets(struct chain_reader *r, const struct request *request,
			  struct buckets *out) MUST_CHECK;
