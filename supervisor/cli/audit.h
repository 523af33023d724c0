/*
 * audit - is the answer to a decryption right?  Everything that can be computed again from the
 * request, the event of the answer and the transaction behind it, without asking anybody.
 */
#pragma once

#include "common/request.h"

#define AUDIT_NODES_MAX    256
#define AUDIT_FINDINGS_MAX 8
#define AUDIT_TEXT_MAX     240

/* What is wrong, or cannot be checked; in words. */
struct finding {
	bool wrong;
	char text[AUDIT_TEXT_MAX];
};

struct audit {
	unsigned count;			/* kept */
	unsigned dropped;		/* beyond those */
	bool any_wrong;
	struct finding finding[AUDIT_FINDINGS_MAX];
};

void audit_wrong(struct audit *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void audit_unknown(struct audit *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* All findings of MORE too, each behind where it was found. */
void audit_join(struct audit *a, const struct audit *more, const char *where);

/* The nodes that were registered, and who signs for each. */
struct audit_nodes {
	unsigned count;
	struct { struct addr account, identity; } node[AUDIT_NODES_MAX];
	const char *doubt;		/* why who is not here may be one all the same; NULL: is none */
};

/* From what the read kms_identity returned; entries without a usable identity are left out. */
enum err audit_nodes_read(const struct profile_read *r, struct abi_view root,
			  struct audit_nodes *out) MUST_CHECK;

/* The same of one account, where nodes are read one by one. */
void audit_nodes_add(const struct profile_read *r, struct abi_view root, const struct addr *account,
		     struct audit_nodes *out);

/* One answer.  All borrowed. */
struct audit_answer {
	const struct profile *profile;
	const struct profile_answered *row;
	const struct request *request;
	const struct audit_nodes *nodes;
	struct abi_view event;		/* decoded */
	struct addr from, to;		/* of the transaction */
	struct bytes input;
	/* Set by audit_event(). */
	unsigned signers;		/* different nodes whose signatures it holds */
	bool is_stranger;		/* somebody is not in nodes */
};

/* The event: each signature by a node, all different, over the result or its own. */
void audit_event(struct audit_answer *a, struct audit *out);

/*
 * The transaction: a call of the response function, byte for byte what its parts give again, for
 * this request, signed by the identity of who sent it; and the event holds what it brought.
 */
void audit_call(struct audit_answer *a, struct audit *out);

/* Does V hold one plaintext for each ciphertext, each within its FHE type?  NULL, or why not. */
const char *audit_plaintexts(const struct request *r, struct bytes v);
