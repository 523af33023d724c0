/* signer_test - whoever owns the signer's socket gets what the policy permits and no more. */
#include "tests/system/signer_rig.h"

TestSuite(signer, .init = rig_open, .fini = rig_close, .timeout = 60);

static struct signed_tx a, b;

Test(signer, signs_once_for_ever)
{
	struct msg_signer_info info = rig_up();
	struct addr account = world_addr(WORLD_ACCOUNT);

	cr_assert(addr_eq(&info.account, &account));
	cr_assert_eq(rig_adopt(3).next_nonce, 3u);

	struct msg_sign_tx m = public_answer(7, 42);

	rig_sign(&m, &a);
	cr_assert_eq(a.m.first, 1u);
	is_transaction(&a, &m, 3);
	m.gas++;			/* nothing but the call counts */
	m.op = 99;
	rig_sign(&m, &b);
	cr_assert_eq(b.m.first, 0u);
	is_same(&a, &b);

	for (unsigned i = 0; i < 3; i++) {
		rig_kill();
		info = rig_up();
		cr_assert_eq(info.next_nonce, 4u + i, "start %u", i);
		m = public_answer(7, 42);
		rig_sign(&m, &b);
		cr_assert_eq(b.m.first, 0u);
		is_same(&a, &b);
		m = public_answer(8 + i, 1);
		rig_sign(&m, &b);
		is_transaction(&b, &m, 4 + i);
	}
	cr_assert_eq(rig.page->value[CNT_SIGNER_signed], 4u);
	cr_assert_eq(rig.page->value[CNT_SIGNER_repeated], 4u);
	cr_assert_eq(rig.page->value[CNT_SIGNER_bad_packets], 0u);
}

/* One change to a good request each. */
static void other_contract(struct msg_sign_tx *m) { m->to.b[0] ^= 1; }
static void other_selector(struct msg_sign_tx *m) { (void)m; calldata[3] ^= 1; }
static void other_chain(struct msg_sign_tx *m) { m->chain = 1; }
static void other_kind(struct msg_sign_tx *m) { m->kind = KIND_crsgen; }
static void longer(struct msg_sign_tx *m) { m->calldata.len += 32; }
static void other_id(struct msg_sign_tx *m) { m->id = world_id(1234); }
static void other_handles(struct msg_sign_tx *m) { m->handles_hash.b[31] ^= 1; }
static void high_fee(struct msg_sign_tx *m) { m->max_fee = WORLD_MAX_FEE + 1; }
static void high_gas(struct msg_sign_tx *m) { m->gas = WORLD_MAX_GAS + 1; }

static void wrong_signature(struct msg_sign_tx *m)
{
	m->calldata = world_public(7, 42, 0x23, calldata, sizeof(calldata));
}

static void no_signature(struct msg_sign_tx *m)
{
	m->calldata = world_public(7, 42, 0, calldata, sizeof(calldata));
}

static const struct { void (*change)(struct msg_sign_tx *m); const char *rule; } changes[] = {
	{ other_contract, "contract" }, { other_selector, "selector" }, { other_chain, "chain" },
	{ other_kind, "kind" }, { longer, "calldata" }, { other_id, "request_id" },
	{ other_handles, "signature" }, { wrong_signature, "signature" },
	{ no_signature, "signature" }, { high_fee, "fee" }, { high_gas, "gas" },
};

Test(signer, refuses_and_lives)
{
	rig_up();
	rig_adopt(0);
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct msg_sign_tx m = public_answer(7, 42);

		changes[i].change(&m);
		rig_refused(&m, changes[i].rule);
	}
	cr_assert_eq(rig.page->value[CNT_SIGNER_refused], ARRAY_LEN(changes));
	cr_assert(rig_has_logged("KC-K002") && rig_has_logged("rule=contract"));

	struct msg_sign_tx m = public_answer(7, 42);

	rig_sign(&m, &a);
	is_transaction(&a, &m, 0);
}

/* Refusals stand in the journal as well, and a flood of them does not fill it. */
Test(signer, journals_refusals)
{
	rig_up();
	rig_adopt(0);
	off_t before = lseek(rig.journal, 0, SEEK_END);
	for (unsigned i = 0; i < 200; i++) {
		struct msg_sign_tx m = public_answer(7, 42);

		high_fee(&m);
		rig_refused(&m, "fee");
	}
	off_t size = lseek(rig.journal, 0, SEEK_END);
	cr_assert_gt(size, before);
	cr_assert_lt(size, before + 3000);
	cr_assert_eq(rig.page->value[CNT_SIGNER_refused], 200u);
	rig_kill();
	cr_assert_eq(rig_up().next_nonce, 0u);
}

Test(signer, another_answer)
{
	rig_up();
	rig_adopt(5);

	struct msg_sign_tx m = public_answer(7, 42);

	rig_sign(&m, &a);
	m = public_answer(7, 43);
	rig_refused(&m, "equivocation");
	m.replace = 1;
	rig_refused(&m, "replace");
	rig_kill();
	rig_up();
	m = public_answer(7, 43);
	rig_refused(&m, "equivocation");
	cr_assert(rig_has_logged("rule=equivocation"));

	/* The chain went past nonce 5 without it: three more, each said aloud, then no more. */
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(rig_adopt(6 + i).next_nonce, 6u + i);
		m = public_answer(7, 43 + i);
		m.replace = 1;
		rig_sign(&m, &b);
		is_transaction(&b, &m, 6 + i);
		cr_assert_eq(b.m.first, 1u);
	}
	cr_assert(rig_has_logged("KC-K008"));
	rig_adopt(9);
	m = public_answer(7, 50);
	m.replace = 1;
	rig_refused(&m, "replace");
	rig_kill();
	cr_assert_eq(rig_up().next_nonce, 9u);
	m = public_answer(7, 50);
	m.replace = 1;
	rig_refused(&m, "replace");

	/* Every one of them can still be had. */
	for (uint64_t n = 5; n < 9; n++) {
		struct msg_get_tx g = { .chain = WORLD_CHAIN, .nonce = n };

		rig_send(rig.fd, &ipc_get_tx, &g);
		rig_take_tx(rig.fd, &b);
		cr_assert_eq(b.m.nonce, n);
		cr_assert_eq(b.m.op, 7u);
		cr_assert_eq(b.m.first, 0u);
		if (n == 5)
			is_same(&a, &b);
	}
}

Test(signer, budgets)
{
	/* Three transactions of 350,000 gas at 0.2 gwei, and a little. */
	cr_assert_eq(settings_put(rig.settings, "sign.hour", "220000000000000"), OK);

	struct msg_signer_info info = rig_up();

	rig_adopt(0);
	for (unsigned i = 0; i < 3; i++) {
		struct msg_sign_tx m = public_answer(i, 42);

		rig_sign(&m, &a);
	}
	struct msg_sign_tx m = public_answer(3, 42);
	rig_refused(&m, "budget_hour");
	rig_kill();
	info = rig_up();
	cr_assert_eq(be64_get(info.hour_left.b + 24), 10000000000000u, "it remembers");
	rig_refused(&m, "budget_hour");
	cr_assert(rig_has_logged("KC-K006"));
	m.gas = 50000;
	rig_sign(&m, &a);
}

Test(signer, nonces)
{
	struct msg_get_tx g = { .chain = WORLD_CHAIN, .nonce = 4 };
	struct msg_adopt low = { .chain = WORLD_CHAIN, .nonce = 3 };
	struct msg_sign_refused r;
	struct msg_sign_tx m = public_answer(7, 42);

	rig_up();
	rig_refused(&m, "no_nonce");
	rig_adopt(4);
	rig_sign(&m, &a);
	cr_assert_eq(a.m.nonce, 4u);
	rig_send(rig.fd, &ipc_get_tx, &g);
	rig_take_tx(rig.fd, &b);
	is_same(&a, &b);
	g.nonce = 5;
	rig_send(rig.fd, &ipc_get_tx, &g);
	rig_take(rig.fd, &ipc_sign_refused, &r);
	cr_assert_eq(r.nonce, 5u);
	cr_assert_eq(r.op, 0u);
	cr_assert(bytes_eq(r.rule, BYTES("unknown_nonce", 13)));
	rig_send(rig.fd, &ipc_adopt, &low);
	rig_refused_here(0, "adopt");
	low.chain = 1;
	rig_send(rig.fd, &ipc_adopt, &low);
	rig_refused_here(0, "chain");
	cr_assert_eq(rig_adopt(100).next_nonce, 100u);
	m = public_answer(8, 42);
	rig_sign(&m, &a);
	cr_assert_eq(a.m.nonce, 100u);
}

/* Packets that are not allowed close their link, are counted, and harm nobody else. */

static size_t with_value(uint8_t *buf)
{
	struct msg_sign_tx m = public_answer(7, 42);
	size_t len = rig_encode(&ipc_sign_tx, &m, buf, IPC_PACKET_MAX);

	buf[0]++;			/* one more field: a value */
	buf[len] = 1;
	return len + 1;
}

static size_t second_hello(uint8_t *buf)
{
	struct msg_hello m = { .build = BYTES("x", 1), .role = BYTES("submitter", 9) };

	return rig_encode(&ipc_hello, &m, buf, IPC_PACKET_MAX);
}

static size_t of_another_link(uint8_t *buf)
{
	struct msg_withdraw m = { .op = 1 };

	return rig_encode(&ipc_withdraw, &m, buf, IPC_PACKET_MAX);
}

static size_t too_long(uint8_t *buf)
{
	memset(buf, 0x90, IPC_PACKET_MAX + 1);
	return IPC_PACKET_MAX + 1;
}

static size_t cut_short(uint8_t *buf)
{
	return with_value(buf) / 2;
}

static size_t noise(uint8_t *buf)
{
	memset(buf, 0xdd, 64);
	return 64;
}

static size_t (*const bad[])(uint8_t *buf) = {
	with_value, second_hello, of_another_link, too_long, cut_short, noise,
};

Test(signer, bad_packets)
{
	static uint8_t buf[IPC_PACKET_MAX + 1];

	rig_up();
	rig_adopt(0);
	for (unsigned up = 0; up < 2; up++)
		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			struct msg_hello m;
			int fd = rig_connect();

			if (up)
				rig_greet(fd);
			else
				rig_take(fd, &ipc_hello, &m);
			size_t len = bad[i](buf);
			cr_assert_eq(send(fd, buf, len, MSG_NOSIGNAL), (ssize_t)len);
			cr_assert_eq(rig_receive(fd), 0, "bad packet %zu closes the link", i);
			close(fd);
		}
	cr_assert_eq(rig.page->value[CNT_SIGNER_bad_packets], 2 * ARRAY_LEN(bad));
	cr_assert(rig_has_logged("KC-G005"));

	struct msg_sign_tx m = public_answer(7, 42);

	rig_sign(&m, &a);
}

/* A descriptor that comes along is dropped by the kernel: the packet is as any other. */
Test(signer, descriptors_are_dropped)
{
	static uint8_t buf[IPC_PACKET_MAX];
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } ctl = { 0 };
	struct iovec iov = { .iov_base = buf };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl,
			     .msg_controllen = sizeof(ctl.room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
	int ends[2];

	rig_up();
	rig_adopt(0);
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &ends[1], sizeof(int));

	struct msg_sign_tx m = public_answer(7, 42);

	iov.iov_len = rig_encode(&ipc_sign_tx, &m, buf, sizeof(buf));
	cr_assert_gt(sendmsg(rig.fd, &mh, 0), 0);
	close(ends[1]);
	rig_take_tx(rig.fd, &a);

	struct pollfd p = { .fd = ends[0], .events = POLLIN };

	cr_assert_eq(poll(&p, 1, WAIT_MS), 1);
	cr_assert(p.revents & POLLHUP, "nobody else holds the pipe");
}

/* A client that asks for much and does not read holds up nobody, and loses nothing. */
Test(signer, who_does_not_read)
{
	static uint8_t result[90016], large[IPC_CALLDATA_MAX];
	struct b32 domain, digest, id;
	struct eip712_type type;
	struct addr manager = world_addr(WORLD_MANAGER);
	uint8_t sig[65];

	rig_up();
	rig_adopt(0);
	domain = eip712_domain("DecryptionManager", "1", WORLD_CHAIN, &manager);
	cr_assert_eq(eip712_parse(PUBLIC_TYPE, &type, NULL), OK);
	for (unsigned i = 0; i < 16; i++) {
		struct eip712_values v = { .handles_hash = world_handles_hash(),
					   .result = BYTES_OF(result), .extra_data = BYTES("", 0) };
		struct msg_sign_tx m = public_answer(100 + i, 0);

		result[0] = (uint8_t)i;
		digest = eip712_digest(&domain, &type, &v);
		world_core_sign(0x22, &digest, sig);
		id = world_id(100 + i);

		struct abi_arg args[] = { { BYTES_OF(id.b) }, { BYTES_OF(result) },
					  { BYTES_OF(sig) } };

		m.calldata = world_call(PUBLIC_LINE, args, 3, large, sizeof(large));
		rig_send(rig.fd, &ipc_sign_tx, &m);
	}
	int fd = rig_connect();
	rig_greet(fd);
	struct msg_sign_tx m = public_answer(7, 42);
	rig_send(fd, &ipc_sign_tx, &m);
	rig_take_tx(fd, &a);
	for (unsigned i = 0; i < 16; i++) {
		rig_take_tx(rig.fd, &b);
		cr_assert_eq(b.m.op, 100u + i);
		cr_assert_gt(b.m.raw.len, 90000u);
	}
	close(fd);
}

/* How many of 20 answers are refusals. */
static unsigned take_refusals(void)
{
	unsigned refused = 0;

	for (unsigned i = 0; i < 20; i++) {
		struct ipc_frame f;
		ssize_t n = rig_receive(rig.fd);

		cr_assert_gt(n, 0);
		cr_assert_eq(wire_open(BYTES(rig.packet, (size_t)n), (struct bytes){ 0 }, &f), OK);
		refused += f.msg == &ipc_sign_refused;
	}
	return refused;
}

Test(signer, the_window)
{
	rig_up();
	rig_adopt(0);
	for (unsigned raise = 0; raise < 2; raise++) {
		kill(rig.pid, SIGSTOP);	/* so that all of them are there in one turn */
		for (unsigned i = 0; i < 20; i++) {
			struct msg_sign_tx m = public_answer(i, 42);

			if (raise)
				rig_raise(3, WORLD_GAS + i + 1, WORLD_FEE);
			else
				rig_send(rig.fd, &ipc_sign_tx, &m);
		}
		uint64_t syncs = rig.page->value[CNT_SIGNER_syncs];
		kill(rig.pid, SIGCONT);
		cr_assert_eq(take_refusals(), 4u);
		cr_assert_eq(rig.page->value[CNT_SIGNER_syncs], syncs + 1, "one sync for all of them");
	}
}

/* A disk that is full: nothing is told, the process ends, and what was told before stands. */
Test(signer, full_disk)
{
	struct msg_sign_tx m = public_answer(7, 42);

	rig.file_limit = 8192 + 1500;
	rig_up();
	rig_adopt(0);
	rig_sign(&m, &a);
	m = public_answer(8, 42);
	rig_send(rig.fd, &ipc_sign_tx, &m);
	cr_assert_eq(rig_receive(rig.fd), 0, "no answer");
	cr_assert_eq(rig_wait(), EXIT_io);
	cr_assert(rig_has_logged("KC-K007"));
	close(rig.fd);
	rig.file_limit = 0;
	cr_assert_eq(rig_up().next_nonce, 1u);
	cr_assert(rig_has_logged("KC-K003"), "half a record was cut");
	m = public_answer(7, 42);
	rig_sign(&m, &b);
	is_same(&a, &b);
}

Test(signer, ends)
{
	rig_up();
	kill(rig.pid, SIGTERM);
	cr_assert_eq(rig_wait(), EXIT_ok);
	close(rig.fd);
	rig_up();
	close(rig.alive_write);
	cr_assert_eq(rig_wait(), EXIT_ok, "the supervisor is gone");
}

Test(signer, keys)
{
	static const char *const keys[] = {
		"", "abc\n", "0000000000000000000000000000000000000000000000000000000000000000",
		"2222222222222222222222222222222222222222222222222222222222222222",
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		rig.key = keys[i];
		rig_start();
		cr_assert_eq(rig_wait(), EXIT_config, "%zu", i);
	}
	cr_assert(rig_has_logged("KC-K009"));
	cr_assert(!rig_has_logged("22222222"), "no key is ever printed");
	cr_assert(!rig_has_logged("abc\n"));
}

Test(signer, damaged_journal)
{
	uint8_t byte;

	rig_up();
	rig_adopt(0);
	for (unsigned i = 0; i < 3; i++) {
		struct msg_sign_tx m = public_answer(i, 42);

		rig_sign(&m, &a);
	}
	rig_kill();
	cr_assert_eq(pread(rig.journal, &byte, 1, 8192 + 600), 1);
	byte ^= 1;
	cr_assert_eq(pwrite(rig.journal, &byte, 1, 8192 + 600), 1);
	rig_start();
	cr_assert_eq(rig_wait(), EXIT_data);
	cr_assert(rig_has_logged("KC-K004"));
}
