/*
 * profile - a generation of contracts as data: parsed once at start from the settings.
 *
 * The settings carry the profile resolved to lines (see common/profile.c for the paths);
 * each process gets the sections it needs and leaves the others empty.  An ABI line that
 * does not parse here is a bug: kms-connector has parsed all of them before.
 */
#pragma once

#include "common/abi.h"
#include "common/eip712.h"
#include "common/settings.h"
#include "proto/operations.h"

#define PROFILE_REQUESTS_MAX  24
#define PROFILE_RESPONSES_MAX 12
#define PROFILE_ANSWERED_MAX  4
#define PROFILE_REVERTS_MAX   40
#define PROFILE_OTHERS_MAX    64
#define PROFILE_ARGS_MAX      8
#define PROFILE_CONTRACTS_MAX 8
#define PROFILE_PATH_MAX      96

struct profile_contract {
	char name[32];			/* "decryption_manager" */
	uint64_t chain;			/* chain id */
	struct addr address;
};

/* EIP-712 domain: of the decryptions, and of the key operations. */
struct profile_domain {
	char name[64], version[16];	/* "": the profile gives none */
	unsigned contract;		/* its chain and address are the domain's */
};

/* One request event. */
struct profile_request {
	enum op_kind kind;
	unsigned contract;		/* index of contracts */
	char finality[12];		/* "latest" */
	struct abi_line event;
	/* Where each role stands: "" when the event has none.  Of materials: the path of the
	   array; of its members: the member's name. */
	char role[REQUEST_ROLE_COUNT][PROFILE_PATH_MAX];
};

struct profile_response {
	enum op_kind kind;
	unsigned contract;
	struct abi_line function;
	unsigned args;
	enum answer_source arg[PROFILE_ARGS_MAX];
	bool has_eip712;		/* decryptions always, key operations where the profile says so */
	struct eip712_type eip712;	/* what the Core signs */
	struct b32 domain;		/* EIP-712 domain separator */
};

/* The event by which a contract says that a decryption is answered. */
struct profile_answered {
	enum op_kind kind;
	unsigned contract;
	struct abi_line event;
	char role[ANSWERED_ROLE_COUNT][PROFILE_PATH_MAX];	/* as of a request */
};

/* What a revert of a response means.  word in profiles, text */
#define REVERT_MEANINGS(R) \
	R(already_answered, "the contract has our answer") \
	R(not_ours,         "this node may not answer: sending pauses") \
	R(paused,           "the contract is paused: sending pauses") \
	R(not_requested,    "the node does not know the request (yet)") \
	R(final,            "this answer will never be taken")

enum revert_meaning {
	REVERT_unknown,
#define R(name, text) REVERT_##name,
	REVERT_MEANINGS(R)
#undef R
	REVERT_COUNT
};

struct profile_revert {
	enum revert_meaning meaning;
	struct abi_line error;
};

/*
 * A view of a contract, and where the wanted value stands in what it returns.  What is kept by
 * account is had in one of two ways: as a list whose items have the account as KEY, or from a
 * function of one address, which is asked for each account.
 */
struct profile_read {
	bool present;
	bool by_key;			/* the function takes the account */
	unsigned contract;
	struct abi_line function;
	char key[PROFILE_PATH_MAX];	/* of lists: the member that is looked up */
	char value[PROFILE_PATH_MAX];	/* the member that is wanted */
};

#define PROFILE_READS(R) \
	R(coprocessor_bucket, "coprocessors, with their buckets") \
	R(kms_identity,       "KMS nodes, with their identities") \
	R(current_key,        "id of the current key") \
	R(fhe_params,         "FHE parameters in force") \
	R(kms_identities,     "identities of the KMS nodes") \
	R(coprocessor_identities, "identities of the coprocessors") \
	R(kms_accounts,       "accounts of the KMS nodes") \
	R(coprocessor_accounts, "accounts of the coprocessors") \
	R(majority,           "nodes that must agree on a public decryption") \
	R(reconstruction,     "nodes that must answer a user decryption") \
	R(public_access,      "is this handle publicly decryptable") \
	R(user_access,        "may this account see this handle")

enum profile_read_name {
#define R(name, text) READ_##name,
	PROFILE_READS(R)
#undef R
	READ_COUNT
};

/* The request's own call, in whose data the user's signature over the request stands. */
#define PROFILE_SIGNED_MAX 8
struct profile_user_signature {
	bool present;
	unsigned contract;
	struct abi_line function;
	/* Parameters by what they say; handle is a member of the items of materials. */
	char materials[PROFILE_PATH_MAX], handle[PROFILE_PATH_MAX], user[PROFILE_PATH_MAX];
	char public_key[PROFILE_PATH_MAX], signature[PROFILE_PATH_MAX];
	struct b32 type_hash;		/* of the EIP-712 type that the user signs */
	unsigned members;
	char member[PROFILE_SIGNED_MAX][PROFILE_PATH_MAX];	/* parameters, in the type's order */
};

struct profile_fhe_params { char name[72]; uint64_t value; };	/* name or 0x digest -> 0, 1 */

struct profile {
	char name[32];
	unsigned contracts, requests, responses, answered, reverts, fhe_params;
	struct profile_contract contract[PROFILE_CONTRACTS_MAX];
	struct profile_request request[PROFILE_REQUESTS_MAX];
	struct profile_response response[PROFILE_RESPONSES_MAX];
	struct profile_answered answer[PROFILE_ANSWERED_MAX];
	struct profile_revert revert[PROFILE_REVERTS_MAX];
	struct profile_read read[READ_COUNT];
	struct profile_read done[KIND_COUNT];	/* "is this id done?" by kind */
	struct profile_fhe_params fhe_param[16];
	struct profile_domain domain[2];	/* by op_group: OP_DECRYPTION, OP_KEY */
	bool checks_access;		/* access: access_control */
	struct profile_user_signature user_signature;
	char ciphertext_url[128];	/* "{bucket}/{digest}"; "" when inline */
	bool ciphertext_inline;
	/*
	 * Topic 0 of events that are known and of no interest, of whichever of the contracts;
	 * has_others: the profile says so of some, and all that it does not name is news.
	 */
	bool has_others;
	unsigned others;
	struct b32 other[PROFILE_OTHERS_MAX];
};

/*
 * Parse.  ERRORS is called for each trouble with the settings path it belongs to (so that
 * kms-connector can print file:line:column) and gives the whole list at once; NULL means that
 * a trouble is a bug.  Returns OK or the first error.
 */
struct profile_errors {
	void (*say)(void *owner, const char *path, unsigned column, const char *why);
	void *owner;
};
enum err profile_load(const struct settings *s, const struct profile_errors *errors,
		      struct profile *out) MUST_CHECK;

const struct profile_response *find_response(const struct profile *p, enum op_kind kind);
const struct profile_answered *find_answered(const struct profile *p, enum op_kind kind);

/* By topic 0 and contract address; NULL when it is none of ours. */
const struct profile_request *find_request(const struct profile *p, const struct addr *contract,
					   const struct b32 *topic0);

/* Meaning of revert data; REVERT_unknown when no line matches.  *name_out: the error's name
   (borrowed from the profile), or NULL. */
enum revert_meaning profile_revert(const struct profile *p, struct bytes data,
				   const char **name_out);

/* Calldata of a view that takes nothing, or (by_key) ACCOUNT; returns OUT. */
#define PROFILE_CALL_MAX (4 + 32)
struct bytes profile_call(const struct profile_read *r, const struct addr *account,
			  uint8_t out[PROFILE_CALL_MAX]);

/*
 * The value wanted of what a view returned; of a list, that of ACCOUNT's item.  ERR_MISSING: the
 * list has no such item; ERR_FORMAT: what was returned has another form.
 */
enum err profile_value(const struct profile_read *r, struct abi_view root,
		       const struct addr *account, struct abi_view *out) MUST_CHECK;

/*
 * Who signs for ACCOUNT's node, by what the read kms_identity returned.  ERR_MISSING: it is not
 * in the list, or nothing is registered for it; ERR_FORMAT: there is no such list, or its
 * identity is no address and no key.
 */
enum err profile_identity(const struct profile_read *r, struct abi_view root,
			  const struct addr *account, struct addr *out) MUST_CHECK;
