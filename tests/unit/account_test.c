/* account_test - what a transaction of ours answers, and which of its parts differ. */
#include "executor/account.h"

#include <criterion/criterion.h>

#include "common/opid.h"
#include "executor/op.h"
#include "tests/unit/signer_world.h"

TestSuite(account, .timeout = 20);

static struct profile profile;
static struct settings *lines;
static uint8_t calldata[1024], other[1024];

static void set(const char *path, const char *value)
{
	cr_assert_eq(settings_put(lines, path, value), OK);
}

static void load(void)
{
	cr_assert_eq(profile_load(lines, NULL, &profile), OK);
}

static void open_world(void)
{
	lines = world_settings();
	load();
}

static bool read_call(const char *to, struct bytes call, struct account_tx *out)
{
	struct addr a = world_addr(to);

	*out = (struct account_tx){ .nonce = 5 };
	return account_read_call(&profile, WORLD_CHAIN, &a, call, out);
}

Test(account, a_decryption, .init = open_world)
{
	struct bytes ours = world_public(7, 42, 0x22, calldata, sizeof(calldata));
	struct bytes theirs = world_public(7, 43, 0x22, other, sizeof(other));
	struct account_tx a, b;
	struct b32 id = world_id(7);

	cr_assert(read_call(WORLD_MANAGER, ours, &a));
	cr_assert(read_call(WORLD_MANAGER, theirs, &b));
	cr_expect_eq(a.kind, KIND_public_decryption);
	cr_expect(a.has_id);
	cr_expect(b32_eq(&a.id, &id));
	cr_expect_eq(a.part[0], b.part[0], "the id");
	cr_expect_neq(a.part[1], b.part[1], "the result");
	cr_expect_neq(a.part[2], b.part[2], "and so the signature");
	cr_expect_not(b32_eq(&a.calldata, &b.calldata));

	struct op op = { .kind = KIND_public_decryption, .id = id };

	cr_expect(account_answers(&a, &op));
	op.id = world_id(8);
	cr_expect_not(account_answers(&a, &op));
	op.id = id;
	op.kind = KIND_user_decryption;
	cr_expect_not(account_answers(&a, &op));
}

Test(account, what_is_no_answer, .init = open_world)
{
	struct bytes call = world_public(7, 42, 0x22, calldata, sizeof(calldata));
	struct account_tx tx;
	struct addr manager = world_addr(WORLD_MANAGER);

	cr_expect_not(read_call(WORLD_HTTPZ, call, &tx));
	cr_expect_not(account_read_call(&profile, WORLD_CHAIN + 1, &manager, call, &tx));
	cr_expect_not(read_call(WORLD_MANAGER, BYTES(call.p, 3), &tx));
	cr_expect_not(read_call(WORLD_MANAGER, BYTES(call.p, 0), &tx));
	cr_expect_not(read_call(WORLD_MANAGER, BYTES(call.p, call.len - 1), &tx));
	calldata[0] ^= 1;
	cr_expect_not(read_call(WORLD_MANAGER, call, &tx));
}

/* A contract that is told the result's id alone. */
Test(account, one_argument, .init = open_world)
{
	struct b32 id = world_id(9), result;
	struct addr httpz = world_addr(WORLD_HTTPZ);
	struct account_tx tx;

	set("response.1.function", "function keygenResponse(uint256 keyId)");
	set("response.1.arg", "1");
	set("response.1.arg.0", "result_id");
	load();
	result = op_result_id(KIND_keygen, WORLD_CHAIN, &httpz, &id);

	struct abi_arg arg = { BYTES_OF(result.b) };
	struct bytes call = world_call("function keygenResponse(uint256 keyId)", &arg, 1, calldata,
				       sizeof(calldata));
	struct request request = { .core_id = result };
	struct op op = { .kind = KIND_keygen, .id = id, .request = &request };

	cr_assert(read_call(WORLD_HTTPZ, call, &tx));
	cr_expect_not(tx.has_id);
	cr_expect(account_answers(&tx, &op));
	request.core_id = world_id(1);
	cr_expect_not(account_answers(&tx, &op));
	op.request = NULL;
	cr_expect_not(account_answers(&tx, &op));
}
