/* raise_test - more gas or fee for what is signed, by its nonce: the signer has the call. */
#include "tests/system/signer_rig.h"

TestSuite(raise, .init = rig_open, .fini = rig_close, .timeout = 60);

static struct signed_tx a, b;

static void is_not_raised(uint64_t nonce, uint64_t gas, uint64_t max_fee, const char *rule)
{
	struct msg_sign_refused r;
	char text[33];

	rig_raise(nonce, gas, max_fee);
	rig_take(rig.fd, &ipc_sign_refused, &r);
	cr_assert_str_eq(wire_text(r.rule, text, sizeof(text)), rule);
	cr_assert_eq(r.nonce, nonce);
}

/* By nonce alone: the call is in the journal, whether anybody still has it or not. */
Test(raise, by_nonce)
{
	static struct signed_tx first[3];
	struct msg_sign_tx m;

	rig_up();
	rig_adopt(5);
	for (unsigned i = 0; i < 3; i++) {
		m = public_answer(7 + i, 42);
		rig_sign(&m, &first[i]);
	}
	for (unsigned start = 0; start < 2; start++) {	/* the record: in a group, then in the file */
		uint64_t gas = WORLD_GAS + 1000 + start, fee = WORLD_FEE + start;

		rig_raise(6, gas, fee);
		rig_take_tx(rig.fd, &a);
		cr_assert_eq(a.m.first, 1u);
		cr_assert_eq(a.m.op, 8u);
		cr_assert_eq(a.m.kind, (uint64_t)KIND_public_decryption);
		cr_assert(b32_eq(&a.m.id, &first[1].m.id));
		cr_assert_eq(a.m.gas, gas);
		cr_assert_eq(a.m.max_fee, fee);
		m = public_answer(8, 42);
		is_transaction(&a, &m, 6);
		cr_assert(!bytes_eq(a.m.raw, first[1].m.raw));

		/* Asked again, because the answer was lost; and less than what is signed. */
		rig_kill();
		cr_assert_eq(rig_up().next_nonce, 8u);
		rig_raise(6, gas, fee);
		rig_take_tx(rig.fd, &b);
		cr_assert_eq(b.m.first, 0u);
		is_same(&a, &b);
		is_not_raised(6, gas - 1, fee + 1, "raise");
		is_not_raised(6, gas + 1, fee - 1, "raise");
	}

	/* The request's transaction is the raised one from here on; its neighbours are as they were. */
	m = public_answer(8, 42);
	rig_sign(&m, &b);
	is_same(&a, &b);
	m = public_answer(7, 42);
	rig_sign(&m, &b);
	is_same(&first[0], &b);
	m = public_answer(9, 42);
	rig_sign(&m, &b);
	is_same(&first[2], &b);
	cr_assert_eq(rig.page->value[CNT_SIGNER_signed], 5u);
}

Test(raise, is_refused)
{
	struct msg_raise other = { .chain = 1, .nonce = 5, .gas = WORLD_GAS + 1, .max_fee = WORLD_FEE };
	struct msg_sign_tx m = public_answer(7, 42);

	rig_up();
	is_not_raised(5, WORLD_GAS + 1, WORLD_FEE, "unknown_nonce");
	rig_adopt(5);
	rig_sign(&m, &a);
	is_not_raised(6, WORLD_GAS + 1, WORLD_FEE, "unknown_nonce");
	rig_send(rig.fd, &ipc_raise, &other);
	rig_refused_here(0, "unknown_nonce");
	is_not_raised(5, WORLD_MAX_GAS + 1, WORLD_FEE, "gas");
	is_not_raised(5, WORLD_GAS, WORLD_MAX_FEE + 1, "fee");
	is_not_raised(5, UINT64_MAX, UINT64_MAX, "gas");
	is_not_raised(5, WORLD_GAS - 1, WORLD_FEE, "raise");
	is_not_raised(5, 0, 0, "raise");

	/* Another configuration: its caps hold for what an earlier one permitted. */
	rig_kill();
	cr_assert_eq(settings_put(rig.settings, "sign.max_gas", "340000"), OK);
	rig_up();
	is_not_raised(5, WORLD_GAS, WORLD_FEE + 1, "gas");
	rig_raise(5, WORLD_GAS, WORLD_FEE);
	rig_take_tx(rig.fd, &b);
	is_same(&a, &b);

	/* The chain went past it. */
	rig_adopt(6);
	is_not_raised(5, WORLD_GAS, WORLD_FEE + 1, "raise");
	cr_assert(rig_has_logged("rule=unknown_nonce") && rig_has_logged("rule=raise"));
}

/* Only what it may cost more is new money; and the whole of it is counted after a restart. */
Test(raise, within_budgets)
{
	/* One transaction of 350,000 gas at 0.2 gwei, and 100 gas more. */
	cr_assert_eq(settings_put(rig.settings, "sign.hour", "70020000000000"), OK);
	rig_up();
	rig_adopt(0);

	struct msg_sign_tx m = public_answer(7, 42);

	rig_sign(&m, &a);
	is_not_raised(0, WORLD_GAS + 101, WORLD_FEE, "budget_hour");
	rig_raise(0, WORLD_GAS + 60, WORLD_FEE);
	rig_take_tx(rig.fd, &a);
	rig_kill();
	struct msg_signer_info info = rig_up();
	cr_assert_eq(be64_get(info.hour_left.b + 24), 40 * WORLD_FEE);
	is_not_raised(0, WORLD_GAS + 101, WORLD_FEE, "budget_hour");
	rig_raise(0, WORLD_GAS + 100, WORLD_FEE);
	rig_take_tx(rig.fd, &a);
	cr_assert_eq(a.m.first, 1u);
}
