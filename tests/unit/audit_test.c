/* audit_test - right answers, and each way in which one can be wrong or not be checked. */
#include "supervisor/cli/audit.h"

#include <criterion/criterion.h>

#include "tests/unit/signer_world.h"

TestSuite(audit, .timeout = 20);

#define RESULT 42
#define SIG    65

static struct {
	struct profile profile;
	struct request request;
	struct material material[3];
	struct audit_nodes nodes;
	struct audit_answer answer;
	struct audit found;
	uint8_t calldata[1024], event[1024];
	struct abi_view root;
} self;

static struct addr signer_of(uint8_t key)
{
	static const uint8_t text[] = "who is it";
	struct b32 digest = keccak_bytes(BYTES_OF(text));
	uint8_t sig[SIG];
	struct addr a;

	world_core_sign(key, &digest, sig);
	cr_assert_eq(eip712_recover(&digest, BYTES_OF(sig), &a), OK);
	return a;
}

static struct addr account_of(uint8_t key)
{
	return (struct addr){ { [19] = key } };
}

static uint8_t *put_word(uint8_t *at, uint64_t v)
{
	memset(at, 0, 32);
	be64_put(at + 24, v);
	return at + 32;
}

static uint8_t *put_bytes(uint8_t *at, const void *p, size_t len)
{
	at = put_word(at, len);
	memset(at, 0, (len + 31) / 32 * 32);
	memcpy(at, p, len);
	return at + (len + 31) / 32 * 32;
}

static void sign_with(uint8_t key, uint8_t out[SIG])
{
	uint8_t call[1024];

	world_public(7, RESULT, key, call, sizeof(call));
	memcpy(out, call + 4 + 6 * 32, SIG);
}

/* Event data: the result, and a signature by each key of KEYS. */
static void make_event(uint64_t result, const char *keys)
{
	size_t n = strlen(keys);
	struct b32 word = world_id(result);
	uint8_t *at = self.event, sig[SIG];

	at = put_word(at, 64);
	at = put_word(at, 128);
	at = put_bytes(at, word.b, 32);
	at = put_word(at, n);
	for (size_t i = 0; i < n; i++)
		at = put_word(at, 32 * n + i * 128);
	for (size_t i = 0; i < n; i++) {
		sign_with((uint8_t)keys[i], sig);
		at = put_bytes(at, sig, SIG);
	}
	cr_assert_eq(abi_decode(&self.profile.answer[0].event, self.profile.answer[0].event.inputs,
				BYTES(self.event, (size_t)(at - self.event)), &self.root), OK);
	self.answer.event = self.root;
}

static void make_call(uint64_t id, uint64_t result, uint8_t key)
{
	self.answer.input = world_public(id, result, key, self.calldata, sizeof(self.calldata));
}

/* Nodes 1, 2, 3 sign with keys 1, 2, 3; node 2 has sent what made the event. */
static void open_world(void)
{
	struct settings *s = world_settings();

	cr_assert_eq(settings_put(s, "answer", "1"), OK);
	cr_assert_eq(settings_put(s, "answer.0.kind", "public_decryption"), OK);
	cr_assert_eq(settings_put(s, "answer.0.contract", "decryption_manager"), OK);
	cr_assert_eq(settings_put(s, "answer.0.event", "event Done(uint256 indexed id, bytes result, bytes[] signatures)"), OK);
	cr_assert_eq(settings_put(s, "answer.0.role.id", "id"), OK);
	cr_assert_eq(settings_put(s, "answer.0.role.result", "result"), OK);
	cr_assert_eq(settings_put(s, "answer.0.role.signatures", "signatures"), OK);
	cr_assert_eq(profile_load(s, NULL, &self.profile), OK);
	settings_free(&s);
	self.material[0].handle.b[30] = 5;
	self.request = (struct request){ .id = world_id(7), .materials = 1, .material = self.material,
					 .handles_hash = world_handles_hash() };
	for (uint8_t k = 1; k <= 3; k++) {
		self.nodes.node[self.nodes.count].account = account_of(k);
		self.nodes.node[self.nodes.count++].identity = signer_of(k);
	}
	self.answer = (struct audit_answer){
		.profile = &self.profile, .row = &self.profile.answer[0], .request = &self.request,
		.nodes = &self.nodes, .from = account_of(2), .to = world_addr(WORLD_MANAGER),
	};
	make_event(RESULT, "\1\2");
	make_call(7, RESULT, 2);
}

static void judge(void)
{
	self.found = (struct audit){ .count = 0 };
	audit_event(&self.answer, &self.found);
	audit_call(&self.answer, &self.found);
}

static void expect(bool wrong, const char *part)
{
	judge();
	for (unsigned i = 0; i < self.found.count; i++)
		if (strstr(self.found.finding[i].text, part)) {
			cr_expect_eq(self.found.finding[i].wrong, wrong, "%s", part);
			cr_expect(!wrong || self.found.any_wrong);
			return;
		}
	cr_expect(false, "\"%s\" is not found; first of %u: %s", part, self.found.count,
		  self.found.finding[0].text);
}

Test(audit, right, .init = open_world)
{
	judge();
	cr_expect_eq(self.found.count, 0, "%s", self.found.finding[0].text);
	cr_expect_eq(self.answer.signers, 2);
	cr_expect_not(self.answer.is_stranger);
}

/* One change to a right answer, and what is said of it. */

static void event_result(void) { make_event(RESULT + 1, "\1\2"); }
static void event_none(void) { make_event(RESULT, ""); }
static void event_twice(void) { make_event(RESULT, "\2\1\2"); }
static void event_stranger(void) { make_event(RESULT, "\2\4"); }
static void event_without_call(void) { make_event(RESULT, "\1\3"); }
static void event_noise(void) { memset((uint8_t *)(uintptr_t)self.root.at + 32 * 7, 0xff, 64); }
static void call_result(void) { make_call(7, RESULT + 1, 2); }
static void call_id(void) { make_call(8, RESULT, 2); }
static void call_of_other(void) { make_call(7, RESULT, 3); }
static void call_unsigned(void) { make_call(7, RESULT, 0); }
static void call_broken(void) { self.calldata[4 + 6 * 32] ^= 1; }
static void call_selector(void) { self.calldata[1] ^= 1; }
static void call_short(void) { self.answer.input.len = 3; }
static void call_longer(void) { self.answer.input.len += 32; }
static void call_padding(void) { self.calldata[self.answer.input.len - 1] = 1; }
static void sender_other(void) { self.answer.from = account_of(3); }
static void sender_stranger(void) { self.answer.from = account_of(9); }
static void other_contract(void) { self.answer.to = world_addr(WORLD_HTTPZ); }
static void other_handles(void) { self.request.handles_hash.b[0] ^= 1; }
static void other_type(void) { self.material[0].handle.b[30] = 0; }
static void more_handles(void) { self.request.materials = 2; }

static const struct {
	void (*change)(void);
	bool wrong;
	const char *says;
} changes[] = {
	{ event_result, true, "signature 1 is of 0x" },
	{ event_result, true, "the event does not hold the result and signature" },
	{ event_none, true, "has 0 signatures" },
	{ event_twice, true, "signatures 1 and 3 are of one node" },
	{ event_stranger, true, "signature 2 is of 0x" },
	{ event_without_call, true, "the event does not hold the result and signature" },
	{ event_noise, true, "" },
	{ call_result, true, "the event does not hold" },
	{ call_id, true, "its call differs from byte 35 on" },
	{ call_of_other, true, "its sender is registered with 0x" },
	{ call_unsigned, true, "the signature in its call is no signature" },
	{ call_broken, true, "" },
	{ call_selector, true, "does not call publicDecryptionResponse" },
	{ call_short, true, "does not call publicDecryptionResponse" },
	{ call_longer, true, "the call of publicDecryptionResponse: the input goes on too long" },
	{ call_padding, true, "not in its canonical form" },
	{ sender_other, true, "its sender is registered with 0x" },
	{ sender_stranger, true, "it was sent by 0x0000000000000000000000000000000000000009" },
	{ other_contract, false, "not the contract" },
	{ other_handles, true, "which is no registered node's" },
	{ other_type, true, "does not fit its FHE type" },
	{ more_handles, true, "another length than its plaintexts" },
};

Test(audit, what_is_wrong)
{
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		memset(&self, 0, sizeof(self));
		open_world();
		changes[i].change();
		expect(changes[i].wrong, changes[i].says);
	}
}

/* When the list of nodes may be another than it was, nobody is called a stranger. */
Test(audit, in_doubt, .init = open_world)
{
	event_stranger();
	self.nodes.doubt = "nobody knows";
	expect(false, "nobody knows");
	cr_expect_not(self.found.any_wrong);
	cr_expect(self.answer.is_stranger);
}

Test(audit, many_findings_are_counted, .init = open_world)
{
	for (int i = 0; i < 20; i++)
		audit_unknown(&self.found, "number %d", i);
	audit_wrong(&self.found, "wrong\n");
	cr_expect_eq(self.found.count, AUDIT_FINDINGS_MAX);
	cr_expect_eq(self.found.dropped, 21 - AUDIT_FINDINGS_MAX);
	cr_expect(self.found.any_wrong);
}

/* Plaintexts of 1 to 256 bytes. */
Test(audit, plaintexts, .init = open_world)
{
	uint8_t v[32 * 3 + 32 + 64 + 32] = { 0 };
	const size_t len = 32 * 3 + 32 + 64;

	self.request.materials = 3;
	self.material[0].handle.b[30] = 1;	/* euint4 */
	self.material[1].handle.b[30] = 9;	/* euint512: dynamic */
	self.material[2].handle.b[30] = 3;	/* euint16 */
	v[31] = 15;
	put_word(v + 32, 128);
	v[94] = 0xff;
	put_word(v + 96, 64);
	memset(v + 128, 0xab, 64);
	cr_expect_null(audit_plaintexts(&self.request, BYTES(v, len)));
	cr_expect_not_null(audit_plaintexts(&self.request, BYTES(v, len + 32)));
	cr_expect_not_null(audit_plaintexts(&self.request, BYTES(v, len - 32)));
	cr_expect_not_null(audit_plaintexts(&self.request, BYTES(v, 64)));
	for (size_t at = 0; at < 128; at++) {	/* every byte that has only one right value */
		bool free_byte = at == 31 || at == 94 || at == 95;

		v[at] ^= 0x10;
		cr_expect_eq(audit_plaintexts(&self.request, BYTES(v, len)) == NULL,
			     free_byte && at != 31, "byte %zu", at);
		v[at] ^= 0x10;
	}
	cr_expect_null(audit_plaintexts(&self.request, BYTES(v, len)));
}
