/*
 * signer_world - what the tests of the signer share: settings, a Core with a key of its own,
 * and calldata as an executor makes it.
 */
#pragma once

#include <secp256k1_recovery.h>
#include <stdlib.h>

#include "common/abi.h"
#include "common/eip712.h"
#include "common/keccak.h"
#include "common/log.h"
#include "common/settings.h"
#include "proto/operations.h"

#define WORLD_CHAIN   421614u
#define WORLD_KEY     "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
#define WORLD_ACCOUNT "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
#define WORLD_CORE    "0x1563915e194D8CfBA1943570603F7606A3115508"	/* of 32 bytes 0x22 */
#define WORLD_MANAGER "0x00000000000000000000000000000000000000aa"
#define WORLD_HTTPZ   "0x00000000000000000000000000000000000000bb"
#define WORLD_MAX_FEE 1000000000ull
#define WORLD_MAX_GAS 5000000ull
#define WORLD_GAS     350000ull
#define WORLD_FEE     200000000ull

#define PUBLIC_LINE "function publicDecryptionResponse(uint256 publicDecryptionId, " \
	"bytes decryptedResult, bytes signature)"
#define PUBLIC_TYPE "PublicDecryptVerification(bytes32[] ctHandles,bytes decryptedResult," \
	"bytes extraData)"
#define KEYGEN_LINE "function keygenResponse(uint256 preKeyId, uint256 keyId)"

/* path, value */
static const char *const world_lines[][2] = {
	{ "service_name", "test" }, { "log.format", "logfmt" }, { "log.level", "info" },
	{ "network", "1111111111111111111111111111111111111111111111111111111111111111" },
	{ "chain", "1" }, { "chain.0.id", "421614" },
	{ "profile", "httpz" },
	{ "contract", "2" },
	{ "contract.0.name", "decryption_manager" }, { "contract.0.chain", "421614" },
	{ "contract.0.address", WORLD_MANAGER },
	{ "contract.1.name", "httpz" }, { "contract.1.chain", "421614" },
	{ "contract.1.address", WORLD_HTTPZ },
	{ "response", "2" },
	{ "response.0.kind", "public_decryption" },
	{ "response.0.contract", "decryption_manager" },
	{ "response.0.function", PUBLIC_LINE },
	{ "response.0.arg", "3" }, { "response.0.arg.0", "request_id" },
	{ "response.0.arg.1", "result" }, { "response.0.arg.2", "signature" },
	{ "response.0.eip712", PUBLIC_TYPE },
	{ "response.1.kind", "keygen" }, { "response.1.contract", "httpz" },
	{ "response.1.function", KEYGEN_LINE },
	{ "response.1.arg", "2" }, { "response.1.arg.0", "request_id" },
	{ "response.1.arg.1", "result_id" },
	{ "eip712.name", "DecryptionManager" }, { "eip712.version", "1" },
	{ "eip712.contract", "decryption_manager" },
	{ "kms_signer_address", WORLD_CORE },
	{ "account", WORLD_ACCOUNT },
	{ "sign.max_fee", "1000000000" }, { "sign.max_gas", "5000000" },
	{ "sign.hour", "1000000000000000000" }, { "sign.day", "5000000000000000000" },
};

__attribute__((unused)) static struct settings *world_settings(void)
{
	struct settings *s = settings_new();

	for (size_t i = 0; i < ARRAY_LEN(world_lines); i++)
		check(settings_put(s, world_lines[i][0], world_lines[i][1]) == OK);
	return s;
}

static struct addr world_addr(const char *text)
{
	struct addr a;

	check(addr_parse(text, &a) == OK);
	return a;
}

static struct b32 world_id(uint64_t n)
{
	struct b32 id = { { 0 } };

	be64_put(id.b + 24, n);
	return id;
}

/* The Core's signature over DIGEST; the key is 32 bytes of KEY. */
static void world_core_sign(uint8_t key, const struct b32 *digest, uint8_t out[65])
{
	secp256k1_context *ctx = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
	secp256k1_ecdsa_recoverable_signature sig;
	uint8_t seckey[32];
	int v;

	memset(seckey, key, sizeof(seckey));
	check(secp256k1_ecdsa_sign_recoverable(ctx, &sig, digest->b, seckey, NULL, NULL));
	secp256k1_ecdsa_recoverable_signature_serialize_compact(ctx, out, &v, &sig);
	out[64] = (uint8_t)(27 + v);
	secp256k1_context_destroy(ctx);
}

static struct b32 world_handles_hash(void)
{
	uint8_t handles[64];

	memset(handles, 0x33, 32);
	memset(handles + 32, 0x44, 32);
	return keccak_bytes(BYTES_OF(handles));
}

static struct bytes world_call(const char *text, const struct abi_arg *args, size_t count,
			       uint8_t *buf, size_t cap)
{
	struct abi_line line;
	size_t len;

	check(abi_parse(text, &line, NULL, NULL) == OK);
	check(abi_encode_call(&line, args, count, buf, cap, &len) == OK);
	return BYTES(buf, len);
}

/* The answer RESULT (one word) to public decryption ID, signed by the key of 32 bytes KEY;
   KEY 0: an empty signature. */
__attribute__((unused))
static struct bytes world_public(uint64_t id, uint64_t result, uint8_t key, uint8_t *buf,
				 size_t cap)
{
	struct addr manager = world_addr(WORLD_MANAGER);
	struct b32 domain = eip712_domain("DecryptionManager", "1", WORLD_CHAIN, &manager);
	struct b32 request = world_id(id), word = world_id(result);
	struct eip712_values v = { .handles_hash = world_handles_hash(), .result = BYTES_OF(word.b),
				   .extra_data = BYTES("", 0) };
	struct eip712_type type;
	uint8_t sig[65];

	check(eip712_parse(PUBLIC_TYPE, &type, NULL) == OK);

	struct b32 digest = eip712_digest(&domain, &type, &v);

	if (key)
		world_core_sign(key, &digest, sig);

	struct abi_arg args[] = { { BYTES_OF(request.b) }, { BYTES_OF(word.b) },
				  { BYTES(sig, key ? sizeof(sig) : 0) } };

	return world_call(PUBLIC_LINE, args, ARRAY_LEN(args), buf, cap);
}
