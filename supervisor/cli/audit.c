/* audit - signatures recovered again, calls encoded again, plaintexts measured. */

#include "supervisor/cli/audit.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/log.h"
#include "proto/ipc.h"

__attribute__((format(printf, 3, 0)))
static void add(struct audit *a, bool wrong, const char *fmt, va_list args)
{
	a->any_wrong |= wrong;
	if (a->count == AUDIT_FINDINGS_MAX) {
		a->dropped++;
		return;
	}
	struct finding *f = &a->finding[a->count++];

	f->wrong = wrong;
	vsnprintf(f->text, sizeof(f->text), fmt, args);
	clean_text(f->text, "");
}

void audit_wrong(struct audit *a, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(a, true, fmt, args);
	va_end(args);
}

void audit_unknown(struct audit *a, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(a, false, fmt, args);
	va_end(args);
}

void audit_join(struct audit *a, const struct audit *more, const char *where)
{
	for (unsigned i = 0; i < more->count; i++) {
		const struct finding *f = &more->finding[i];

		if (f->wrong)
			audit_wrong(a, "%s: %s", where, f->text);
		else
			audit_unknown(a, "%s: %s", where, f->text);
	}
	a->dropped += more->dropped;
	a->any_wrong |= more->any_wrong;
}

/* Nodes. */

void audit_nodes_add(const struct profile_read *r, struct abi_view root, const struct addr *account,
		     struct audit_nodes *out)
{
	if (out->count == AUDIT_NODES_MAX ||
	    profile_identity(r, root, account, &out->node[out->count].identity) != OK)
		return;
	out->node[out->count++].account = *account;
}

enum err audit_nodes_read(const struct profile_read *r, struct abi_view root, struct audit_nodes *out)
{
	struct abi_view list, key;

	*out = (struct audit_nodes){ .count = 0 };
	if (!abi_member_at(root, 0, &list) || abi_type_of(list) != ABI_ARRAY)
		return ERR_FORMAT;
	if (abi_count(list) > AUDIT_NODES_MAX)
		return ERR_TOO_BIG;
	for (uint32_t i = 0; i < abi_count(list); i++) {
		if (!abi_member(abi_item(list, i), r->key, &key) || abi_type_of(key) != ABI_ADDRESS)
			return ERR_FORMAT;
		struct addr account = abi_addr(key);
		audit_nodes_add(r, root, &account, out);
	}
	return OK;
}

static bool is_identity(const struct audit_nodes *n, const struct addr *signer)
{
	for (unsigned i = 0; i < n->count; i++)
		if (addr_eq(&n->node[i].identity, signer))
			return true;
	return false;
}

static const struct addr *find_identity(const struct audit_nodes *n, const struct addr *account)
{
	for (unsigned i = 0; i < n->count; i++)
		if (addr_eq(&n->node[i].account, account))
			return &n->node[i].identity;
	return NULL;
}

/* WHO does WHAT and is not in the list: wrong, unless the list is in doubt. */
static void say_stranger(struct audit_answer *a, struct audit *out, const char *what,
			 const struct addr *who)
{
	char text[ADDR_TEXT];

	a->is_stranger = true;
	addr_text(who, text);
	if (a->nodes->doubt)
		audit_unknown(out, "%s %s, and %s", what, text, a->nodes->doubt);
	else
		audit_wrong(out, "%s %s, which is no registered node's", what, text);
}

/* Plaintexts. */

static bool is_zero(const uint8_t *p, size_t n)
{
	uint8_t any = 0;

	while (n--)
		any |= *p++;
	return any == 0;
}

/* A word: within the bytes of its type, and within the bits where these are fewer. */
static bool fits_word(const uint8_t *word, int type, unsigned width)
{
	uint8_t most = type == 0 ? 1 : type == 1 ? 15 : 255;	/* ebool, euint4 */

	return is_zero(word, 32 - width) && word[32 - width] <= most;
}

/* Dynamic bytes: their offset, their length, and as many. */
static bool fits_bytes(struct bytes v, const uint8_t *word, unsigned width, size_t *tail)
{
	const uint8_t *length = v.p + *tail;

	if (v.len - *tail < 32u + width || !is_zero(word, 24) || be64_get(word + 24) != *tail + 32)
		return false;
	*tail += 32 + width;
	return is_zero(length, 24) && be64_get(length + 24) == width;
}

const char *audit_plaintexts(const struct request *r, struct bytes v)
{
	static const char wrong_size[] = "it has another length than its plaintexts";
	size_t tail = 32 * (size_t)r->materials;

	if (v.len < tail)
		return wrong_size;
	for (unsigned i = 0; i < r->materials; i++) {
		int type = handle_type(&r->material[i].handle);
		unsigned width = fhe_type_bytes(type);
		const uint8_t *word = v.p + 32 * (size_t)i;

		if (!(fhe_type_is_word(type) ? fits_word(word, type, width)
					     : fits_bytes(v, word, width, &tail)))
			return "a plaintext does not fit its FHE type";
	}
	return tail == v.len ? NULL : wrong_size;
}

/* Signatures. */

static struct eip712_values values_of(const struct audit_answer *a, struct bytes result)
{
	return (struct eip712_values){
		.handles_hash = a->request->handles_hash,
		.public_key_hash = a->request->public_key_hash,
		.extra_data = a->request->extra_data,
		.result = result,
	};
}

static enum err recover(const struct audit_answer *a, struct bytes result, struct bytes signature,
			struct addr *out)
{
	const struct profile_response *r = find_response(a->profile, a->row->kind);
	struct eip712_values v = values_of(a, result);
	struct b32 digest = eip712_digest(&r->domain, &r->eip712, &v);

	return eip712_recover(&digest, signature, out);
}

/* The event's two lists; with one result for all, that one. */
struct event_parts {
	struct abi_view results, signatures;
	struct bytes result;
	bool has_results;
};

static bool open_event(const struct audit_answer *a, struct event_parts *out, struct audit *findings)
{
	struct abi_view v;

	out->has_results = *a->row->role[ANSWERED_results] != '\0';
	check(abi_member(a->event, a->row->role[ANSWERED_signatures], &out->signatures));
	if (out->has_results) {
		check(abi_member(a->event, a->row->role[ANSWERED_results], &out->results));
		if (abi_count(out->results) == abi_count(out->signatures))
			return true;
		audit_wrong(findings, "the event has %u results and %u signatures",
			    abi_count(out->results), abi_count(out->signatures));
		return false;
	}
	check(abi_member(a->event, a->row->role[ANSWERED_result], &v));
	out->result = abi_bytes(v);
	return true;
}

static struct bytes result_at(const struct event_parts *p, uint32_t i)
{
	return p->has_results ? abi_bytes(abi_item(p->results, i)) : p->result;
}

static void check_signature(struct audit_answer *a, const struct event_parts *p, uint32_t i,
			    struct addr *signer, struct audit *out)
{
	char what[80];

	if (recover(a, result_at(p, i), abi_bytes(abi_item(p->signatures, i)), &signer[i]) != OK) {
		audit_wrong(out, "the event's signature %u is no signature", i + 1);
		return;
	}
	for (uint32_t j = 0; j < i; j++)
		if (addr_eq(&signer[i], &signer[j])) {
			audit_wrong(out, "the event's signatures %u and %u are of one node", j + 1, i + 1);
			return;
		}
	a->signers++;
	snprintf(what, sizeof(what), "over what the event says, its signature %u is of", i + 1);
	if (!is_identity(a->nodes, &signer[i]))
		say_stranger(a, out, what, &signer[i]);
}

void audit_event(struct audit_answer *a, struct audit *out)
{
	static struct addr signer[AUDIT_NODES_MAX];
	struct event_parts p;
	const char *why;

	a->signers = 0;
	a->is_stranger = false;
	if (!open_event(a, &p, out))
		return;
	uint32_t count = abi_count(p.signatures);
	if (count == 0 || count > AUDIT_NODES_MAX) {
		audit_wrong(out, "the event has %u signatures", count);
		return;
	}
	memset(signer, 0, sizeof(signer));
	for (uint32_t i = 0; i < count; i++)
		check_signature(a, &p, i, signer, out);
	why = a->row->kind == KIND_public_decryption ? audit_plaintexts(a->request, p.result) : NULL;
	if (why)
		audit_wrong(out, "the event's result: %s", why);
}

/* The call. */

static bool find_argument(const struct profile_response *r, struct abi_view call,
			  enum answer_source source, struct abi_view *out)
{
	for (unsigned i = 0; i < r->args; i++)
		if (r->arg[i] == source)
			return abi_member_at(call, i, out);
	return false;
}

static struct bytes bytes_argument(const struct profile_response *r, struct abi_view call,
				   enum answer_source source)
{
	struct abi_view v;

	return find_argument(r, call, source, &v) ? abi_bytes(v) : (struct bytes){ 0 };
}

/* From the request and what the node put in: the whole call again. */
static void check_encoding(const struct audit_answer *a, const struct profile_response *r,
			   struct bytes result, struct bytes signature, struct audit *out)
{
	static uint8_t again[IPC_CALLDATA_MAX];
	struct bytes source[ANSWER_SOURCE_COUNT] = {
		[ANSWER_request_id] = BYTES_OF(a->request->id.b),
		[ANSWER_result_id] = BYTES_OF(a->request->core_id.b),
		[ANSWER_result] = result,
		[ANSWER_signature] = signature,
		[ANSWER_extra_data] = a->request->extra_data,
	};
	struct abi_arg args[PROFILE_ARGS_MAX];
	size_t len, at = 0;

	for (unsigned i = 0; i < r->args; i++)
		args[i].v = source[r->arg[i]];
	if (abi_encode_call(&r->function, args, r->args, again, sizeof(again), &len) != OK) {
		audit_wrong(out, "its parts cannot be encoded again");
		return;
	}
	while (at < len && at < a->input.len && again[at] == a->input.p[at])
		at++;
	if (at < len || at < a->input.len)
		audit_wrong(out, "encoded again from its parts, its call differs from byte %zu on", at);
}

static void check_sender(struct audit_answer *a, struct bytes result, struct bytes signature,
			 struct audit *out)
{
	const struct addr *identity = find_identity(a->nodes, &a->from);
	char is[ADDR_TEXT], of[ADDR_TEXT];
	struct addr signer;

	if (!identity)
		say_stranger(a, out, "it was sent by", &a->from);
	else if (recover(a, result, signature, &signer) != OK)
		audit_wrong(out, "the signature in its call is no signature");
	else if (!addr_eq(&signer, identity))
		audit_wrong(out, "the signature in its call is of %s, its sender is registered with %s",
			    addr_text(&signer, is), addr_text(identity, of));
}

/* The event is the sum of the calls: the last of them stands in it. */
static void check_is_in_event(struct audit_answer *a, struct bytes result, struct bytes signature,
			      struct audit *out)
{
	struct audit said_already = { .count = 0 };
	struct event_parts p;

	if (!open_event(a, &p, &said_already))
		return;
	for (uint32_t i = 0; i < abi_count(p.signatures); i++)
		if (bytes_eq(result, result_at(&p, i)) &&
		    bytes_eq(signature, abi_bytes(abi_item(p.signatures, i))))
			return;
	audit_wrong(out, "the event does not hold the result and signature of its own transaction");
}

void audit_call(struct audit_answer *a, struct audit *out)
{
	const struct profile_response *r = find_response(a->profile, a->row->kind);
	const struct addr *contract = &a->profile->contract[r->contract].address;
	struct abi_view call;
	char text[ADDR_TEXT];

	if (!addr_eq(&a->to, contract)) {
		audit_unknown(out, "its transaction calls %s, not the contract", addr_text(&a->to, text));
		return;
	}
	if (a->input.len < 4 || memcmp(a->input.p, r->function.selector, 4) != 0) {
		audit_wrong(out, "its transaction does not call %s", r->function.name);
		return;
	}
	enum err e = abi_decode(&r->function, r->function.inputs,
				BYTES(a->input.p + 4, a->input.len - 4), &call);
	if (e) {
		audit_wrong(out, "the call of %s: %s", r->function.name, err_text(e));
		return;
	}
	struct bytes result = bytes_argument(r, call, ANSWER_result);
	struct bytes signature = bytes_argument(r, call, ANSWER_signature);

	check_encoding(a, r, result, signature, out);
	check_sender(a, result, signature, out);
	check_is_in_event(a, result, signature, out);
}
