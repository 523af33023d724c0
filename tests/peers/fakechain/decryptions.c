/* decryptions - public and user decryptions: Decryptions.sol and DecryptionManager.sol. */

#include <stdlib.h>

#include "common/eip712.h"
#include "common/keccak.h"
#include "common/log.h"
#include "tests/peers/fakechain/gateway_internal.h"

#define PARTS_MAX 256

#define PUBLIC_DECRYPT \
	"PublicDecryptVerification(bytes32[] ctHandles,bytes decryptedResult,bytes extraData)"
#define USER_DECRYPT \
	"UserDecryptResponseVerification(bytes publicKey,bytes32[] ctHandles," \
	"bytes userDecryptedShare,bytes extraData)"
#define USER_REQUEST \
	"UserDecryptRequestVerification(bytes publicKey,address[] contractAddresses," \
	"uint256 contractsChainId)"

/* What is kept of a request. */
struct request {
	struct b32 handles; /* keccak256 of them */
	struct b32 public_key; /* the same; zero for public ones */
};

/* ---- ciphertexts ---- */

struct ciphertext {
	struct b32 key_id, digest, holders;
};

void ciphertexts_add(struct call *c, struct abi_view in, unsigned which)
{
	struct abi_view handles = arg_view(in, 0), digests = arg_view(in, 2),
			holders = arg_view(in, 3);
	struct ciphertext one = { .key_id = arg_word(in, 1) };
	struct text set;

	(void)which;
	if (abi_count(digests) < abi_count(handles)) {
		c->reverted = true;
		return;
	}
	text_init(&set, SIZE_MAX / 2);
	for (uint32_t i = 0; i < abi_count(holders); i++) {
		struct addr a = abi_addr(abi_item(holders, i));

		word_addr(&set, &a);
	}
	one.holders = keccak_bytes(text_view(&set));
	call_put(c, TAG_HOLDERS, &one.holders, NULL, text_view(&set));
	text_fini(&set);
	for (uint32_t i = 0; i < abi_count(handles); i++) {
		struct b32 handle = abi_word(abi_item(handles, i));

		one.digest = abi_word(abi_item(digests, i));
		call_put(c, TAG_CIPHERTEXT, &handle, NULL, BYTES(&one, sizeof(one)));
	}
}

static bool find_ciphertext(const struct call *c, const struct b32 *handle, struct ciphertext *out)
{
	struct bytes v = call_get(c, TAG_CIPHERTEXT, handle, NULL);

	if (v.len != sizeof(*out))
		return false;
	memcpy(out, v.p, sizeof(*out));
	return !b32_is_zero(&out->digest);
}

/* The array of materials to OUT; false when it reverted. */
static bool materials(struct call *c, const struct b32 *handles, unsigned count, struct text *out)
{
	struct ciphertext first, one;
	uint64_t at = 32ull * count;

	for (unsigned i = 0; i < count; i++) {
		if (!find_ciphertext(c, &handles[i], &one)) {
			revert_word(c, "CiphertextUnknown(uint256)", &handles[i]);
			return false;
		}
		if (i == 0)
			first = one;
		if (!b32_eq(&one.key_id, &first.key_id)) {
			revert_word(c, "DifferentKeyIdsNotAllowed(uint256)", &one.key_id);
			return false;
		}
	}
	word_u64(out, count);
	for (unsigned i = 0; i < count; i++) {
		word_u64(out, at);
		find_ciphertext(c, &handles[i], &one);
		at += 160 + call_get(c, TAG_HOLDERS, &one.holders, NULL).len;
	}
	for (unsigned i = 0; i < count; i++) {
		find_ciphertext(c, &handles[i], &one);
		struct bytes holders = call_get(c, TAG_HOLDERS, &one.holders, NULL);

		word_b32(out, &handles[i]);
		word_b32(out, &one.key_id);
		word_b32(out, &one.digest);
		word_u64(out, 128);
		word_u64(out, holders.len / 32);
		text_bytes(out, holders);
	}
	return true;
}

/* ---- requests ---- */

static struct b32 open_next(struct call *c, enum decryption kind, const struct request *r)
{
	struct b32 id = b32_of_u64(call_get_u64(c, TAG_COUNTER + kind, NULL, NULL) + 1);

	call_count(c, TAG_COUNTER + kind);
	call_count(c, TAG_ASKED);
	call_put(c, TAG_REQUEST + kind, &id, NULL, BYTES(r, sizeof(*r)));
	return id;
}

static void ask_public(struct call *c, const struct b32 *handles, unsigned count)
{
	struct request r = { .handles = keccak_bytes(BYTES(handles, 32 * count)) };
	struct text data;

	text_init(&data, SIZE_MAX / 2);
	word_u64(&data, 32);
	if (materials(c, handles, count, &data)) {
		struct b32 id = open_next(c, PUBLIC, &r);

		call_emit(c, EVENT_PUBLIC_REQUEST, &id, &data);
	}
	text_fini(&data);
}

static struct b32 *words_of(struct abi_view list)
{
	struct b32 *w = new_zeroed(32 * abi_count(list));

	for (uint32_t i = 0; i < abi_count(list); i++)
		w[i] = abi_word(abi_item(list, i));
	return w;
}

void public_request(struct call *c, struct abi_view in, unsigned which)
{
	struct abi_view list = arg_view(in, 0);
	struct b32 *handles = words_of(list);

	(void)which;
	ask_public(c, handles, abi_count(list));
	free(handles);
}

void public_requests(struct call *c, struct abi_view in, unsigned which)
{
	struct abi_view list = arg_view(in, 0);
	struct b32 size = arg_word(in, 1), *handles = words_of(list);
	uint64_t n = be64_get(size.b + 24), count = abi_count(list);

	(void)which;
	/* Nothing is written until all of them are known to be good. */
	for (uint64_t i = 0; n && i + n <= count && !c->reverted; i += n) {
		struct text unused;

		text_init(&unused, SIZE_MAX / 2);
		(void)materials(c, handles + i, n, &unused);
		text_fini(&unused);
	}
	for (uint64_t i = 0; n && i + n <= count && !c->reverted; i += n)
		ask_public(c, handles + i, n);
	free(handles);
}

static struct b32 typed(const struct call *c, const struct b32 *words, unsigned count)
{
	struct b32 domain = eip712_domain("DecryptionManager", "1", c->n->knobs.chain_id,
					  gateway_address(c->n->gateway, MANAGER));
	uint8_t text[66] = { 0x19, 0x01 };
	struct b32 hash = keccak_bytes(BYTES(words, 32 * count));

	memcpy(text + 2, domain.b, 32);
	memcpy(text + 34, hash.b, 32);
	return keccak_bytes(BYTES_OF(text));
}

/* Who signed; false when it reverted. */
static bool recover(struct call *c, const struct b32 *digest, struct bytes sig, struct addr *out)
{
	static const uint8_t half[32] = {
		0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4,
		0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
	};
	struct b32 w = b32_of_u64(sig.len);

	if (sig.len != 65) {
		revert_word(c, "ECDSAInvalidSignatureLength(uint256)", &w);
		return false;
	}
	memcpy(w.b, sig.p + 32, 32);
	if (memcmp(w.b, half, 32) > 0) {
		revert_word(c, "ECDSAInvalidSignatureS(bytes32)", &w);
		return false;
	}
	if ((sig.p[64] != 27 && sig.p[64] != 28) || eip712_recover(digest, sig, out) != OK) {
		call_revert(c, "ECDSAInvalidSignature()", NULL, 0);
		return false;
	}
	return true;
}

static struct b32 contracts_hash(struct abi_view list)
{
	struct keccak k;
	struct b32 h;

	keccak_init(&k);
	for (uint32_t i = 0; i < abi_count(list); i++) {
		struct b32 w = abi_word(abi_item(list, i));

		keccak_update(&k, w.b, 32);
	}
	keccak_final(&k, h.b);
	return h;
}

void user_check_set(struct call *c, struct abi_view in, unsigned which)
{
	(void)which;
	call_put_u64(c, TAG_CHECK_USER, NULL, NULL, arg_bool(in, 0) ? 1 : 2);
}

static bool checks_user(const struct call *c)
{
	return call_get_u64(c, TAG_CHECK_USER, NULL, NULL) != 2;
}

void user_check(struct call *c, struct abi_view in, unsigned which)
{
	(void)in, (void)which;
	return_bool(c, checks_user(c));
}

static bool user_signed(struct call *c, struct abi_view in)
{
	struct b32 words[] = { keccak_text(USER_REQUEST), keccak_bytes(arg_bytes(in, 2)),
			       contracts_hash(arg_view(in, 4)), arg_word(in, 3) };
	struct b32 digest = typed(c, words, 4);
	struct addr user = arg_addr(in, 1), signer;

	if (!checks_user(c))
		return true;
	if (!recover(c, &digest, arg_bytes(in, 5), &signer))
		return false;
	if (addr_eq(&signer, &user))
		return true;
	revert_addr(c, "InvalidUserSignature(address)", &signer);
	return false;
}

void user_request(struct call *c, struct abi_view in, unsigned which)
{
	struct abi_view pairs = arg_view(in, 0);
	struct addr user = arg_addr(in, 1);
	struct bytes key = arg_bytes(in, 2);
	struct text data, list;

	(void)which;
	if (!user_signed(c, in))
		return;
	unsigned count = abi_count(pairs);
	struct b32 *handles = new_zeroed(32 * count);
	for (unsigned i = 0; i < count; i++)
		handles[i] = arg_word(abi_item(pairs, i), 0);
	text_init(&data, SIZE_MAX / 2);
	text_init(&list, SIZE_MAX / 2);
	if (materials(c, handles, count, &list)) {
		struct request r = { keccak_bytes(BYTES(handles, 32 * count)), keccak_bytes(key) };
		struct b32 id = open_next(c, USER, &r);

		word_u64(&data, 96);
		word_addr(&data, &user);
		word_u64(&data, 96 + list.len);
		text_bytes(&data, text_view(&list));
		word_bytes(&data, key);
		call_emit(c, EVENT_USER_REQUEST, &id, &data);
	}
	text_fini(&list);
	text_fini(&data);
	free(handles);
}

/* A log of the harness: the request it makes, under the id it names. */
void decryption_heard(struct call *c, const struct log *log)
{
	static const char *const lines[] = {
		"event PublicDecryptionRequest(uint256 indexed id, (uint256 ctHandle, uint256 "
		"keyId, "
		"bytes32 digest, address[] holders)[] materials)",
		"event UserDecryptionRequest(uint256 indexed id, (uint256 ctHandle, uint256 keyId, "
		"bytes32 digest, address[] holders)[] materials, address user, bytes publicKey)",
	};
	static struct abi_line parsed[2];
	struct b32 topic = { { 0 } }, id;
	struct abi_view in;

	if (log->topics != 2)
		return;
	topic = log_topic(log, 0);
	id = log_topic(log, 1);
	for (enum decryption kind = PUBLIC; kind <= USER; kind++) {
		struct abi_line *line = &parsed[kind];

		if (!line->nodes)
			check(abi_parse(lines[kind], line, NULL, NULL) == OK);
		if (!b32_eq(&topic, &line->hash) ||
		    abi_decode(line, line->inputs, log_data(log), &in) != OK)
			continue;
		struct abi_view list = arg_view(in, 0);
		struct request r = { { { 0 } }, { { 0 } } };
		struct keccak k;

		keccak_init(&k);
		for (uint32_t i = 0; i < abi_count(list); i++)
			keccak_update(&k, arg_word(abi_item(list, i), 0).b, 32);
		keccak_final(&k, r.handles.b);
		if (kind == USER)
			r.public_key = keccak_bytes(arg_bytes(in, 2));
		if (!call_get(c, TAG_REQUEST + kind, &id, NULL).p)
			call_count(c, TAG_ASKED);
		call_put(c, TAG_REQUEST + kind, &id, NULL, BYTES(&r, sizeof(r)));
	}
}

/* ---- responses ---- */

/* An identity of 20 bytes is an address, of 64 or 65 a public key. */
static struct addr identity_address(struct bytes identity)
{
	struct addr a = { { 0 } };

	if (identity.len == 20)
		memcpy(a.b, identity.p, 20);
	if (identity.len == 64 || identity.len == 65) {
		struct b32 h = keccak_bytes(BYTES(identity.p + identity.len - 64, 64));

		memcpy(a.b, h.b + 12, 20);
	}
	return a;
}

static struct b32 digest_of(const struct call *c, enum decryption kind, const struct request *r,
			    struct bytes result)
{
	struct b32 hash = keccak_bytes(result), none = keccak_bytes(BYTES("", 0));

	if (kind == PUBLIC) {
		struct b32 words[] = { keccak_text(PUBLIC_DECRYPT), r->handles, hash, none };

		return typed(c, words, 4);
	}
	struct b32 words[] = { keccak_text(USER_DECRYPT), r->public_key, r->handles, hash, none };

	return typed(c, words, 5);
}

/* Takes one length-prefixed part off what is kept. */
static struct bytes part(struct bytes *in)
{
	uint64_t n = be64_get(in->p);
	struct bytes v = BYTES(in->p + 8, n);

	*in = BYTES(in->p + 8 + n, in->len - 8 - n);
	return v;
}

static void put_part(struct text *t, struct bytes v)
{
	uint8_t be[8];

	be64_put(be, v.len);
	text_bytes(t, BYTES_OF(be));
	text_bytes(t, v);
}

/* The event, from the parts: result, signature, result, signature, ... */
static void finish(struct call *c, enum decryption kind, const struct b32 *id, struct bytes parts)
{
	struct bytes result[PARTS_MAX], signature[PARTS_MAX];
	struct text data, signatures;
	unsigned n = 0;

	while (parts.len && n < PARTS_MAX) {
		result[n] = part(&parts);
		signature[n++] = part(&parts);
	}
	text_init(&data, SIZE_MAX / 2);
	text_init(&signatures, SIZE_MAX / 2);
	put_list(&signatures, signature, n);
	word_u64(&data, 64);
	if (kind == PUBLIC) {
		word_u64(&data, 64 + 32 + (result[0].len + 31) / 32 * 32);
		word_bytes(&data, result[0]);
	} else {
		struct text shares;

		text_init(&shares, SIZE_MAX / 2);
		put_list(&shares, result, n);
		word_u64(&data, 64 + shares.len);
		text_bytes(&data, text_view(&shares));
		text_fini(&shares);
	}
	text_bytes(&data, text_view(&signatures));
	call_emit(c,
		  kind == PUBLIC ? "PublicDecryptionResponse(uint256,bytes,bytes[])"
				 : "UserDecryptionResponse(uint256,bytes[],bytes[])",
		  id, &data);
	text_fini(&signatures);
	text_fini(&data);
}

/* One more answer that counts; of public ones only those over the same digest count together. */
static void count_answer(struct call *c, enum decryption kind, const struct b32 *id,
			 const struct b32 *digest, struct bytes result, struct bytes signature)
{
	struct addr low;
	struct text parts;
	unsigned n = 0;

	memcpy(low.b, id->b + 12, 20);
	const struct b32 *key = kind == PUBLIC ? digest : id;
	const struct addr *who = kind == PUBLIC ? &low : NULL;
	struct bytes before = call_get(c, TAG_PARTS + kind, key, who);

	text_init(&parts, SIZE_MAX / 2);
	text_bytes(&parts, before);
	put_part(&parts, result);
	put_part(&parts, signature);
	for (struct bytes in = text_view(&parts); in.len; n++) {
		part(&in);
		part(&in);
	}
	if (n < threshold(c, kind)) {
		call_put(c, TAG_PARTS + kind, key, who, text_view(&parts));
	} else {
		call_put_u64(c, TAG_DONE + kind, id, NULL, 1);
		call_count(c, TAG_FINISHED);
		finish(c, kind, id, text_view(&parts));
	}
	text_fini(&parts);
}

void decryption_response(struct call *c, struct abi_view in, unsigned kind)
{
	struct b32 id = arg_word(in, 0);
	struct bytes result = arg_bytes(in, 1), signature = arg_bytes(in, 2), kept;
	struct request r = { { { 0 } }, { { 0 } } };
	struct addr signer, registered;
	struct member node;

	if (!is_open(c) || !is_node(c))
		return;
	kept = call_get(c, TAG_REQUEST + kind, &id, NULL);
	if (kept.len != sizeof(r)) {
		revert_word(c, "DecryptionNotRequested(uint256)", &id);
		return;
	}
	memcpy(&r, kept.p, sizeof(r));
	struct b32 digest = digest_of(c, kind, &r, result);
	if (!recover(c, &digest, signature, &signer))
		return;
	check(member_find(c, TAG_NODES, &c->from, &node));
	registered = identity_address(node.identity);
	if (!addr_eq(&signer, &registered)) {
		revert_addr(c, "InvalidKmsSigner(address)", &signer);
		return;
	}
	if (call_get_u64(c, TAG_RESPONDED + kind, &id, &signer)) {
		revert_word(c, "KmsSignerAlreadyResponded(uint256,address)", &id);
		word_addr(&c->ret, &signer);
		return;
	}
	call_put_u64(c, TAG_RESPONDED + kind, &id, &signer, 1);
	if (!call_get_u64(c, TAG_DONE + kind, &id, NULL))
		count_answer(c, kind, &id, &digest, result, signature);
}

/* ---- reads ---- */

void decryption_counter(struct call *c, struct abi_view in, unsigned kind)
{
	(void)in;
	return_u64(c, call_get_u64(c, TAG_COUNTER + kind, NULL, NULL));
}

void decryption_responded(struct call *c, struct abi_view in, unsigned kind)
{
	struct b32 id = arg_word(in, 0);
	struct addr signer = arg_addr(in, 1);

	return_bool(c, call_get_u64(c, TAG_RESPONDED + kind, &id, &signer));
}

void decryption_done(struct call *c, struct abi_view in, unsigned kind)
{
	struct b32 id = arg_word(in, 0);

	return_bool(c, call_get_u64(c, TAG_DONE + kind, &id, NULL));
}
