/* keys - the key operations: KeyOperations.sol and HTTPZ.sol. */

#include "common/keccak.h"
#include "common/log.h"
#include "tests/peers/fakechain/gateway_internal.h"

/* kind, its request's event, its response's event, the error of a second response */
static const struct kind {
	const char *request, *response, *already;
	bool keeps_params; /* and names them in the response's event */
} kinds[] = {
	[PRE_KEYGEN] = { "PreprocessKeygenRequest(uint256,(string))",
			 "PreprocessKeygenResponse(uint256,uint256)",
			 "PreprocessKeygenKmsNodeAlreadyResponded(uint256)", false },
	[PRE_KSK] = { "PreprocessKskRequest(uint256,(string))",
		      "PreprocessKskResponse(uint256,uint256)",
		      "PreprocessKskKmsNodeAlreadyResponded(uint256)", false },
	[KEYGEN] = { "KeygenRequest(uint256,(string))", "KeygenResponse(uint256,uint256,(string))",
		     "KeygenKmsNodeAlreadyResponded(uint256)", true },
	[CRSGEN] = { "CrsgenRequest(uint256,(string))", "CrsgenResponse(uint256,uint256,(string))",
		     "CrsgenKmsNodeAlreadyResponded(uint256)", true },
	[KSK] = { "KskRequest(uint256,uint256,uint256,(string))",
		  "KskResponse(uint256,uint256,(string))", "KskKmsNodeAlreadyResponded(uint256)",
		  true },
};

static struct b32 pair(const struct b32 *a, const struct b32 *b)
{
	struct b32 both[2] = { *a, *b };

	return keccak_bytes(BYTES(both, sizeof(both)));
}

/* ---- requests ---- */

static bool open_request(struct call *c, unsigned kind, const struct b32 *id)
{
	if (call_get_u64(c, TAG_KEY_REQUESTED + kind, id, NULL)) {
		revert_word(c, "OperationAlreadyRequested(uint256)", id);
		return false;
	}
	call_put_u64(c, TAG_KEY_REQUESTED + kind, id, NULL, 1);
	call_count(c, TAG_ASKED);
	if (kinds[kind].keeps_params)
		call_put(c, TAG_KEY_PARAMS + kind, id, NULL, fhe_params(c));
	return true;
}

/* The words before it, then where the parameters are, then they. */
static void emit_with_params(struct call *c, const char *event, const struct b32 *words,
			     unsigned count, struct bytes params)
{
	struct text data;

	text_init(&data, SIZE_MAX / 2);
	for (unsigned i = 0; i < count; i++)
		word_b32(&data, &words[i]);
	word_u64(&data, 32 * (count + 1));
	put_fhe_params(&data, params);
	call_emit(c, event, NULL, &data);
	text_fini(&data);
}

void key_request(struct call *c, struct abi_view in, unsigned kind)
{
	struct b32 id = b32_of_u64(call_get_u64(c, TAG_KEY_COUNTER + kind, NULL, NULL) + 1);

	(void)in;
	call_count(c, TAG_KEY_COUNTER + kind);
	if (open_request(c, kind, &id))
		emit_with_params(c, kinds[kind].request, &id, 1, fhe_params(c));
}

static bool is_made(struct call *c, unsigned kind, const struct b32 *id, const char *error)
{
	if (call_get_u64(c, TAG_KEY_MADE + kind, id, NULL))
		return true;
	revert_word(c, error, id);
	return false;
}

void keygen_request(struct call *c, struct abi_view in, unsigned which)
{
	struct b32 id = arg_word(in, 0);

	(void)which;
	if (is_made(c, PRE_KEYGEN, &id, "PreprocessingRequired(uint256)") &&
	    open_request(c, KEYGEN, &id))
		emit_with_params(c, kinds[KEYGEN].request, &id, 1, fhe_params(c));
}

void ksk_request(struct call *c, struct abi_view in, unsigned which)
{
	struct b32 word[3] = { arg_word(in, 0), arg_word(in, 1), arg_word(in, 2) };

	(void)which;
	if (!is_made(c, PRE_KSK, &word[0], "PreprocessingRequired(uint256)"))
		return;
	if (b32_eq(&word[1], &word[2])) {
		call_revert(c, "SourceAndDestKeysAreEqual()", NULL, 0);
		return;
	}
	if (!is_made(c, KEYGEN, &word[1], "KeyNotGenerated(uint256)") ||
	    !is_made(c, KEYGEN, &word[2], "KeyNotGenerated(uint256)") ||
	    !open_request(c, KSK, &word[0]))
		return;
	struct b32 ends = pair(&word[1], &word[2]);
	call_put(c, TAG_KSK_ENDS, &word[0], NULL, BYTES_OF(ends.b));
	emit_with_params(c, kinds[KSK].request, word, 3, fhe_params(c));
}

/* A log of the harness: what it asks for may be answered under the id in its first word. */
void key_heard(struct call *c, const struct log *log)
{
	struct b32 topic, id;

	if (log->topics != 1 || log->len < 32)
		return;
	topic = log_topic(log, 0);
	memcpy(id.b, log_data(log).p, 32);
	for (unsigned kind = PRE_KEYGEN; kind <= KSK; kind++) {
		struct b32 wanted = keccak_text(kinds[kind].request);

		if (!b32_eq(&topic, &wanted) ||
		    call_get_u64(c, TAG_KEY_REQUESTED + kind, &id, NULL))
			continue;
		call_put_u64(c, TAG_KEY_REQUESTED + kind, &id, NULL, 1);
		call_put(c, TAG_KEY_PARAMS + kind, &id, NULL, fhe_params(c));
		call_count(c, TAG_ASKED);
	}
}

/* ---- responses ---- */

static void finish(struct call *c, unsigned kind, const struct b32 word[2])
{
	struct text data;

	call_put_u64(c, TAG_KEY_DONE + kind, &word[0], NULL, 1);
	call_put_u64(c, TAG_KEY_MADE + kind, &word[1], NULL, 1);
	call_count(c, TAG_FINISHED);
	if (kind == KSK) {
		struct bytes ends = call_get(c, TAG_KSK_ENDS, &word[0], NULL);

		if (ends.len == 32)
			call_put_u64(c, TAG_KSK_MADE, (const struct b32 *)ends.p, NULL, 1);
	}
	if (kinds[kind].keeps_params) {
		emit_with_params(c, kinds[kind].response, word, 2,
				 call_get(c, TAG_KEY_PARAMS + kind, &word[0], NULL));
		return;
	}
	text_init(&data, SIZE_MAX / 2);
	word_b32(&data, &word[0]);
	word_b32(&data, &word[1]);
	call_emit(c, kinds[kind].response, NULL, &data);
	text_fini(&data);
}

void key_response(struct call *c, struct abi_view in, unsigned kind)
{
	struct b32 word[2] = { arg_word(in, 0), arg_word(in, 1) };
	struct b32 ballot = pair(&word[0], &word[1]);

	if (!is_node(c) || !is_open(c))
		return;
	if (!call_get_u64(c, TAG_KEY_REQUESTED + kind, &word[0], NULL)) {
		revert_word(c, "OperationNotRequested(uint256)", &word[0]);
		return;
	}
	if (call_get_u64(c, TAG_KEY_RESPONDED + kind, &word[0], &c->from)) {
		revert_word(c, kinds[kind].already, &word[0]);
		return;
	}
	call_put_u64(c, TAG_KEY_RESPONDED + kind, &word[0], &c->from, 1);
	if (call_get_u64(c, TAG_KEY_DONE + kind, &word[0], NULL))
		return;
	uint64_t votes = call_get_u64(c, TAG_KEY_VOTES + kind, &ballot, NULL) + 1;
	call_put_u64(c, TAG_KEY_VOTES + kind, &ballot, NULL, votes);
	if (votes >= threshold(c, 2))
		finish(c, kind, word);
}

/* ---- the current key ---- */

static struct b32 current(const struct call *c)
{
	struct bytes v = call_get(c, TAG_CURRENT_KEY, NULL, NULL);
	struct b32 id = { { 0 } };

	if (v.len == 32)
		memcpy(id.b, v.p, 32);
	return id;
}

void key_set_current(struct call *c, struct abi_view in, unsigned which)
{
	struct b32 id = arg_word(in, 0);

	(void)which;
	call_put(c, TAG_CURRENT_KEY, NULL, NULL, BYTES_OF(id.b));
	call_put_u64(c, TAG_KEY_MADE + KEYGEN, &id, NULL, 1);
}

void key_current(struct call *c, struct abi_view in, unsigned which)
{
	struct b32 id = current(c);

	(void)in, (void)which;
	word_b32(&c->ret, &id);
}

void key_is_current(struct call *c, struct abi_view in, unsigned which)
{
	struct b32 id = arg_word(in, 0), now = current(c);

	(void)which;
	return_bool(c, b32_eq(&id, &now));
}

static void emit_key(struct call *c, const char *event, const struct b32 *id)
{
	struct text data;

	text_init(&data, SIZE_MAX / 2);
	word_b32(&data, id);
	call_emit(c, event, NULL, &data);
	text_fini(&data);
}

void key_activate(struct call *c, struct abi_view in, unsigned which)
{
	struct b32 id = arg_word(in, 0), now = current(c), ends = pair(&now, &id);

	(void)which;
	if (!is_made(c, KEYGEN, &id, "KeyNotGenerated(uint256)"))
		return;
	if (!b32_is_zero(&now) && !call_get_u64(c, TAG_KSK_MADE, &ends, NULL)) {
		revert_word(c, "KskMissing(uint256,uint256)", &now);
		word_b32(&c->ret, &id);
		return;
	}
	call_put_u64(c, TAG_ACTIVATION, &id, NULL, 1);
	emit_key(c, "ActivateKeyRequest(uint256)", &id);
}

void key_activated(struct call *c, struct abi_view in, unsigned which)
{
	struct b32 id = arg_word(in, 0);
	struct member m;

	(void)which;
	if (!is_open(c))
		return;
	if (!member_find(c, TAG_COPROCESSORS, &c->from, &m)) {
		revert_addr(c, "InvalidCoprocessorSender(address)", &c->from);
		return;
	}
	if (call_get_u64(c, TAG_ACTIVATION_VOTED, &id, &c->from)) {
		revert_word(c, "ActivateKeyCoprocessorAlreadyResponded(uint256)", &id);
		return;
	}
	call_put_u64(c, TAG_ACTIVATION_VOTED, &id, &c->from, 1);
	uint64_t votes = call_get_u64(c, TAG_ACTIVATION_VOTES, &id, NULL) + 1;
	call_put_u64(c, TAG_ACTIVATION_VOTES, &id, NULL, votes);
	if (!call_get_u64(c, TAG_ACTIVATION, &id, NULL) ||
	    2 * votes <= member_count(c, TAG_COPROCESSORS))
		return;
	call_put_u64(c, TAG_ACTIVATION, &id, NULL, 0);
	call_put(c, TAG_CURRENT_KEY, NULL, NULL, BYTES_OF(id.b));
	emit_key(c, "ActivateKeyResponse(uint256)", &id);
}
