/* gateway_internal - what the contracts' files share. */
#pragma once

#include "common/abi.h"
#include "tests/peers/fakechain/gateway.h"
#include "tests/peers/fakechain/node.h"

/* Tags of keys in the state; those of key operations have one for each kind. */
enum tag {
	TAG_PAUSED = STATE_GATEWAY,
	TAG_ODD,
	TAG_NODES,
	TAG_COPROCESSORS,
	TAG_THRESHOLDS,
	TAG_FHE_PARAMS,
	TAG_CURRENT_KEY,
	TAG_CIPHERTEXT,
	TAG_HOLDERS,
	TAG_CHECK_USER,
	TAG_ALLOWED_ACCOUNT,
	TAG_ALLOWED_PUBLIC,
	TAG_ASKED,
	TAG_FINISHED, /* requests of any kind: counters */
	/* decryptions: public, then user */
	TAG_COUNTER,
	TAG_REQUEST = TAG_COUNTER + 2,
	TAG_DONE = TAG_REQUEST + 2,
	TAG_RESPONDED = TAG_DONE + 2,
	TAG_PARTS = TAG_RESPONDED + 2,
	/* key operations */
	TAG_KEY_COUNTER = TAG_PARTS + 2,
	TAG_KEY_REQUESTED = TAG_KEY_COUNTER + 5,
	TAG_KEY_DONE = TAG_KEY_REQUESTED + 5,
	TAG_KEY_MADE = TAG_KEY_DONE + 5,
	TAG_KEY_VOTES = TAG_KEY_MADE + 5,
	TAG_KEY_RESPONDED = TAG_KEY_VOTES + 5,
	TAG_KEY_PARAMS = TAG_KEY_RESPONDED + 5,
	TAG_KSK_ENDS = TAG_KEY_PARAMS + 5,
	TAG_KSK_MADE,
	TAG_ACTIVATION,
	TAG_ACTIVATION_VOTED,
	TAG_ACTIVATION_VOTES,
};

enum decryption { PUBLIC, USER };
enum key_kind { PRE_KEYGEN, PRE_KSK, KEYGEN, CRSGEN, KSK };

/* State of a call. */
struct bytes call_get(const struct call *c, unsigned tag, const struct b32 *id,
		      const struct addr *who);
uint64_t call_get_u64(const struct call *c, unsigned tag, const struct b32 *id,
		      const struct addr *who);
void call_put(struct call *c, unsigned tag, const struct b32 *id, const struct addr *who,
	      struct bytes v);
void call_put_u64(struct call *c, unsigned tag, const struct b32 *id, const struct addr *who,
		  uint64_t v);
void call_count(struct call *c, unsigned tag); /* one more */

/* Reverts with a custom error: its signature, and its arguments, each of one word. */
void call_revert(struct call *c, const char *error, const struct b32 *words, unsigned count);
void revert_text(struct call *c, const char *why); /* require(.., why) */
void revert_addr(struct call *c, const char *error, const struct addr *a);
void revert_word(struct call *c, const char *error, const struct b32 *w);

/* A log of the called contract; INDEXED may be NULL. */
void call_emit(struct call *c, const char *event, const struct b32 *indexed,
	       const struct text *data);

/* Arguments by their position. */
struct abi_view arg_view(struct abi_view in, unsigned i);
struct b32 arg_word(struct abi_view in, unsigned i);
struct addr arg_addr(struct abi_view in, unsigned i);
struct bytes arg_bytes(struct abi_view in, unsigned i);
bool arg_bool(struct abi_view in, unsigned i);

/* Returns of one word. */
void return_bool(struct call *c, bool v);
void return_u64(struct call *c, uint64_t v);

/* Records of the registry: who answers for a node or a coprocessor. */
struct member {
	struct addr who;
	struct bytes identity, text;
};
bool member_next(struct bytes *list, struct member *out);
bool member_find(const struct call *c, unsigned tag, const struct addr *who, struct member *out);
unsigned member_count(const struct call *c, unsigned tag);

/* Thresholds, in the order of setThresholds. */
uint64_t threshold(const struct call *c, unsigned which);

/* Is the sender a registered KMS node?  Else it reverts. */
bool is_node(struct call *c);
/* Guards responses: false when it reverted. */
bool is_open(struct call *c);

/* Appends: (string) as a tuple in the tail; bytes[] from items. */
void put_fhe_params(struct text *t, struct bytes name);
struct bytes fhe_params(const struct call *c);
void put_list(struct text *t, const struct bytes *items, unsigned count);

/* The events of requests; NAMES of key operations by kind. */
#define EVENT_PUBLIC_REQUEST \
	"PublicDecryptionRequest(uint256,(uint256,uint256,bytes32,address[])[])"
#define EVENT_USER_REQUEST \
	"UserDecryptionRequest(uint256,(uint256,uint256,bytes32,address[])[],address,bytes)"

/* What a log of the harness asks for. */
void decryption_heard(struct call *c, const struct log *log);
void key_heard(struct call *c, const struct log *log);

/* The functions of the contracts: contract, who may call, handler, which, gas, ABI line. */
#define ANY (HTTPZ | MANAGER | ACCESS)
#define GATEWAY_FUNCTIONS(F) \
	F(ANY, anyone, admin_owner, 0, 2500, "function owner() returns (address)") \
	F(ANY, anyone, admin_paused, 0, 2500, "function paused() returns (bool)") \
	F(ANY, anyone, admin_odd, 0, 2500, "function odd() returns (uint256)") \
	F(ANY, owner, admin_pause, 1, 25000, "function pause()") \
	F(ANY, owner, admin_pause, 0, 5000, "function unpause()") \
	F(ANY, owner, admin_set_odd, 0, 25000, "function setOdd(uint256 request)") \
	F(ANY, owner, admin_emit, 0, 20000, "function emitRaw(bytes32[] topics, bytes data)") \
	F(ANY, owner, admin_emit, 1, 20000, \
	  "function emitPadded(bytes32[] topics, bytes data, uint256 size)") \
	F(HTTPZ, owner, registry_add, TAG_NODES, 120000, \
	  "function addKmsNode(address connectorAddress, bytes identity, string ipAddress)") \
	F(HTTPZ, owner, registry_remove, TAG_NODES, 60000, \
	  "function removeKmsNode(address connectorAddress)") \
	F(HTTPZ, owner, registry_add, TAG_COPROCESSORS, 120000, \
	  "function addCoprocessor(address connectorAddress, bytes identity, string s3BucketUrl)") \
	F(HTTPZ, owner, registry_remove, TAG_COPROCESSORS, 60000, \
	  "function removeCoprocessor(address connectorAddress)") \
	F(HTTPZ, owner, registry_thresholds, 0, 30000, \
	  "function setThresholds(uint256 forPublic, uint256 forUser, uint256 forKeys)") \
	F(HTTPZ, owner, registry_fhe_params, 0, 30000, \
	  "function updateFheParams((string name) params)") \
	F(HTTPZ, anyone, registry_list, TAG_NODES, 30000, \
	  "function getKmsNodes() returns (address)") \
	F(HTTPZ, anyone, registry_list, TAG_COPROCESSORS, 30000, \
	  "function getCoprocessors() returns (address)") \
	F(HTTPZ, anyone, registry_identities, TAG_NODES, 30000, \
	  "function getKmsIdentities() returns (bytes)") \
	F(HTTPZ, anyone, registry_identities, TAG_COPROCESSORS, 30000, \
	  "function getCoprocessorIdentities() returns (bytes)") \
	F(HTTPZ, anyone, registry_get_fhe_params, 0, 5000, \
	  "function getFheParams() returns (string)") \
	F(HTTPZ, anyone, registry_is, TAG_NODES, 2500, \
	  "function isKmsNode(address account) returns (bool)") \
	F(HTTPZ, anyone, registry_is, TAG_COPROCESSORS, 2500, \
	  "function isCoprocessor(address account) returns (bool)") \
	F(HTTPZ, anyone, registry_identity_of, 0, 5000, \
	  "function identityOf(address connectorAddress) returns (bytes)") \
	F(HTTPZ, anyone, registry_threshold, 0, 2500, \
	  "function getKmsMajorityThreshold() returns (uint256)") \
	F(HTTPZ, anyone, registry_threshold, 1, 2500, \
	  "function getKmsReconstructionThreshold() returns (uint256)") \
	F(HTTPZ, anyone, registry_threshold, 0, 2500, \
	  "function publicThreshold() returns (uint256)") \
	F(HTTPZ, anyone, registry_threshold, 1, 2500, \
	  "function userThreshold() returns (uint256)") \
	F(HTTPZ, anyone, registry_threshold, 2, 2500, "function keyThreshold() returns (uint256)") \
	F(MANAGER, owner, ciphertexts_add, 0, 80000, \
	  "function addCiphertexts(uint256[] handles, uint256 keyId, bytes32[] digests, " \
	  "address[] holders)") \
	F(MANAGER, owner, user_check_set, 0, 25000, "function setCheckUserSignature(bool on)") \
	F(MANAGER, anyone, user_check, 0, 2500, "function checkUserSignature() returns (bool)") \
	F(MANAGER, anyone, decryption_counter, PUBLIC, 2500, \
	  "function publicCounter() returns (uint256)") \
	F(MANAGER, anyone, decryption_counter, USER, 2500, \
	  "function userCounter() returns (uint256)") \
	F(MANAGER, anyone, decryption_responded, PUBLIC, 2500, \
	  "function publicResponded(uint256 id, address signer) returns (bool)") \
	F(MANAGER, anyone, decryption_responded, USER, 2500, \
	  "function userResponded(uint256 id, address signer) returns (bool)") \
	F(MANAGER, anyone, decryption_done, PUBLIC, 2500, \
	  "function isPublicDecryptionDone(uint256 id) returns (bool)") \
	F(MANAGER, anyone, decryption_done, USER, 2500, \
	  "function isUserDecryptionDone(uint256 id) returns (bool)") \
	F(MANAGER, anyone, public_request, 0, 90000, \
	  "function publicDecryptionRequest(uint256[] ctHandles)") \
	F(MANAGER, anyone, public_requests, 0, 90000, \
	  "function publicDecryptionRequests(uint256[] ctHandles, uint256 size)") \
	F(MANAGER, anyone, user_request, 0, 180000, \
	  "function userDecryptionRequest((uint256 ciphertextHandle, address contractAddress)[] " \
	  "ciphertextContracts, address userAddress, bytes publicKey, uint256 eip712ChainId, " \
	  "address[] eip712Contracts, bytes eip712Signature)") \
	F(MANAGER, anyone, decryption_response, PUBLIC, 190000, \
	  "function publicDecryptionResponse(uint256 publicDecryptionId, bytes decryptedResult, " \
	  "bytes signature)") \
	F(MANAGER, anyone, decryption_response, USER, 400000, \
	  "function userDecryptionResponse(uint256 userDecryptionId, bytes decryptedResult, " \
	  "bytes signature)") \
	F(HTTPZ, owner, key_request, PRE_KEYGEN, 60000, "function preprocessKeygenRequest()") \
	F(HTTPZ, owner, key_request, PRE_KSK, 60000, "function preprocessKskRequest()") \
	F(HTTPZ, owner, key_request, CRSGEN, 60000, "function crsgenRequest()") \
	F(HTTPZ, owner, keygen_request, 0, 60000, "function keygenRequest(uint256 preKeyId)") \
	F(HTTPZ, owner, ksk_request, 0, 90000, \
	  "function kskRequest(uint256 preKskId, uint256 sourceKeyId, uint256 destKeyId)") \
	F(HTTPZ, anyone, key_response, PRE_KEYGEN, 100000, \
	  "function preprocessKeygenResponse(uint256 preKeyRequestId, uint256 preKeyId)") \
	F(HTTPZ, anyone, key_response, PRE_KSK, 100000, \
	  "function preprocessKskResponse(uint256 preKskRequestId, uint256 preKskId)") \
	F(HTTPZ, anyone, key_response, KEYGEN, 100000, \
	  "function keygenResponse(uint256 preKeyId, uint256 keyId)") \
	F(HTTPZ, anyone, key_response, CRSGEN, 100000, \
	  "function crsgenResponse(uint256 crsgenRequestId, uint256 crsId)") \
	F(HTTPZ, anyone, key_response, KSK, 100000, \
	  "function kskResponse(uint256 preKskId, uint256 kskId)") \
	F(HTTPZ, owner, key_set_current, 0, 50000, "function setCurrentKeyId(uint256 keyId)") \
	F(HTTPZ, anyone, key_current, 0, 2500, "function getCurrentKeyId() returns (uint256)") \
	F(HTTPZ, anyone, key_is_current, 0, 2500, \
	  "function isCurrentKeyId(uint256 keyId) returns (bool)") \
	F(HTTPZ, owner, key_activate, 0, 50000, "function activateKeyRequest(uint256 keyId)") \
	F(HTTPZ, anyone, key_activated, 0, 60000, "function activateKeyResponse(uint256 keyId)") \
	F(ACCESS, anyone, access_account, 0, 2500, \
	  "function allowedAccounts(uint256 ctHandle, address account) returns (bool)") \
	F(ACCESS, anyone, access_public, 0, 2500, \
	  "function allowedPublicDecrypts(uint256 ctHandle) returns (bool)") \
	F(ACCESS, owner, access_allow_account, 0, 25000, \
	  "function allowAccount(uint256 ctHandle, address account, bool allowed)") \
	F(ACCESS, owner, access_allow_public, 0, 25000, \
	  "function allowPublicDecrypt(uint256[] ctHandles, bool allowed)")

/* Handlers; WHICH says which of several functions with one handler. */
#define F(contract, who, handler, which, gas, line) \
	void handler(struct call *c, struct abi_view in, unsigned which_);
GATEWAY_FUNCTIONS(F)
#undef F
