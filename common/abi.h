/*
 * abi - Solidity's contract ABI: lines parsed at start, a strict bounded decoder
 * and an encoder of calls.
 *
 * A line is the human-readable form, for instance
 *
 *	event PublicDecryptionRequest(uint256 indexed id, (uint256 ctHandle, uint256 keyId)[] cts)
 *	function getKmsNodes() view returns ((address connectorAddress, bytes identity)[])
 *	error KmsSignerAlreadyResponded(uint256 id, address signer)
 *
 * Types: uintN, intN, address, bool, bytesN, bytes, string, tuples in brackets
 * (the word "tuple" before them is optional) and dynamic arrays T[] of any of them,
 * fixed arrays T[n] as well.  Names are optional.  "uint" means uint256.
 * Source of the format: the Solidity documentation, "Contract ABI Specification".
 *
 * The decoder accepts canonical encodings only: each offset points to where the
 * previous tail ended, padding is zero, integers are within their type, the input
 * ends where the last tail ends.  It runs in time linear in the input and never
 * allocates.  A view borrows the line and the data.
 */
#pragma once

#include "common/bytes.h"

#define ABI_NODES_MAX   48	/* types in one line, nested ones counted */
#define ABI_DEPTH_MAX   6	/* nesting of tuples and arrays */
#define ABI_NAME_MAX    64	/* with the NUL */
#define ABI_SIG_MAX     512	/* canonical signature with the NUL */
#define ABI_ITEMS_MAX   4096	/* items of one array */
#define ABI_INDEXED_MAX 3

enum abi_what { ABI_EVENT, ABI_FUNCTION, ABI_ERROR };

enum abi_type {
	ABI_UINT, ABI_INT, ABI_ADDRESS, ABI_BOOL, ABI_FIXED_BYTES,	/* one word */
	ABI_BYTES, ABI_STRING,						/* length and bytes */
	ABI_ARRAY,			/* of one child; size 0 means dynamic length */
	ABI_TUPLE,
};

struct abi_node {
	enum abi_type type;
	uint16_t size;			/* bits of (u)int, bytes of bytesN, items of T[n] */
	uint16_t first, next;		/* first child, next sibling; 0 means none */
	uint16_t children;
	uint32_t head_bytes;		/* bytes it takes in its parent's head */
	bool dynamic;			/* its head is an offset */
	bool indexed;			/* of an event: stands in a topic */
	char name[ABI_NAME_MAX];	/* "" if it has none */
};

struct abi_line {
	enum abi_what what;
	char name[ABI_NAME_MAX];
	char signature[ABI_SIG_MAX];	/* "transfer(address,uint256)" */
	struct b32 hash;		/* keccak256 of the signature: topic 0 */
	uint8_t selector[4];		/* its first four bytes: functions and errors */
	uint16_t inputs;		/* node: tuple of the parameters not indexed */
	uint16_t indexed;		/* node: tuple of the indexed parameters of an event */
	uint16_t outputs;		/* node: tuple of what a function returns */
	uint16_t nodes;
	struct abi_node node[ABI_NODES_MAX];	/* node 0 is never used */
};

/*
 * Parse one line.  On failure *column_out is the 1-based column of the trouble and
 * *why_out a constant English phrase; both may be NULL.
 */
enum err abi_parse(const char *text, struct abi_line *out, unsigned *column_out,
		   const char **why_out) MUST_CHECK;

/* A place in encoded data that has been checked. */
struct abi_view {
	const struct abi_line *line;	/* borrowed */
	uint16_t node;
	const uint8_t *at;		/* static: the value; dynamic: the start of its tail */
};

/*
 * Check DATA completely against NODE of LINE (line->inputs, line->outputs, ...) and
 * give the view of that tuple.  Nothing may be read from data that failed.
 */
enum err abi_decode(const struct abi_line *line, uint16_t node, struct bytes data,
		    struct abi_view *out) MUST_CHECK;

/*
 * Check the topics of an event (topic 0 included): count, topic 0, and that the
 * indexed values are within their types.  Dynamic indexed types are hashes.
 */
enum err abi_check_topics(const struct abi_line *line, const struct b32 *topics,
			  size_t count) MUST_CHECK;

/* The indexed parameter NAME; false when the event has none of that name. */
bool abi_topic(const struct abi_line *line, const struct b32 *topics, const char *name,
	       struct b32 *out);

/* Member of a tuple by path ("params.name") or position; false when there is none. */
bool abi_member(struct abi_view v, const char *path, struct abi_view *out);
bool abi_member_at(struct abi_view v, unsigned position, struct abi_view *out);

/* Items of an array view. */
uint32_t abi_count(struct abi_view v);
struct abi_view abi_item(struct abi_view v, uint32_t i);	/* i < abi_count(v) */

/* Values.  The caller knows the type; abi_type_of() tells it. */
enum abi_type abi_type_of(struct abi_view v);
const char *abi_name_of(struct abi_view v);	/* "" if it has none; borrowed from the line */
struct b32 abi_word(struct abi_view v);			/* any one-word type */
struct bytes abi_bytes(struct abi_view v);		/* bytes, string */
struct addr abi_addr(struct abi_view v);

/*
 * Find the node of a parameter of LINE by a path such as "snsCtMaterials[].ctHandle".
 * What has no name is found by its position: "0[].ipAddress".  0 means none.
 */
uint16_t abi_find(const struct abi_line *line, uint16_t tuple, const char *path);

/* Is W the encoding of a value of the one-word type N?  ERR_RANGE, ERR_CANONICAL. */
enum err abi_check_word(const struct abi_node *n, const uint8_t w[32]) MUST_CHECK;

/* One argument of a call, in the order of the line's parameters. */
struct abi_arg {
	struct bytes v;			/* one word: 32 bytes; bytes, string: content; T[] of
					   one-word items: 32 bytes each */
};

/*
 * Selector and arguments to OUT.  Only one-word types, bytes, string and arrays of
 * one-word types can be encoded.  ERR_TOO_BIG when CAP does not suffice, ERR_FORMAT
 * when an argument does not fit its type.
 */
enum err abi_encode_call(const struct abi_line *line, const struct abi_arg *args, size_t count,
			 uint8_t *out, size_t cap, size_t *len_out) MUST_CHECK;
