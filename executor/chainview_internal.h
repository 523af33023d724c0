/* chainview_internal - what chainview.c (calls) and buckets.c (coprocessors) share. */
#pragma once

#include "executor/chainview.h"
#include "common/s3.h"

#define REFRESH_S     60.0
#define REFRESH_MIN_S 2.0	/* after a miss, or while something is not known */

struct bucket {			/* what the chain says of one coprocessor */
	struct addr coprocessor;	/* zero: this place is free */
	char url[S3_BUCKET_MAX];	/* "": it has none */
	bool known, asked;		/* there was an answer; one is on its way */
};

struct chainview {
	struct executor *x;
	struct jsonrpc *rpc[CHAINS_MAX];
	struct question *first, **last;
	unsigned queued;
	struct timer *refresh;
	uint64_t refreshed_ms;
	struct bucket bucket[BUCKETS_MAX];
	bool has_buckets, has_current_key;
	int registered;
	struct b32 current_key;
	char from[ADDR_TEXT];		/* our account */
};

/*
 * Ask a read of the profile, where it has one; ACCOUNT is for reads by key.  CB comes once, with
 * OK and what was returned (borrowed until CB returns), ERR_DENIED when the contract refuses, or
 * ERR_AGAIN when there is no answer that can be read.
 */
void chainview_read(struct chainview *v, enum profile_read_name name, const struct addr *account,
		    void (*cb)(struct executor *x, const struct addr *account, enum err e,
			       struct abi_view root));

/* buckets.c */
void buckets_refresh(struct chainview *v);
bool buckets_settled(const struct chainview *v);	/* nothing waits for its first answer */
