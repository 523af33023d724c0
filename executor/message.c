/* message - parts of requests to the Core, and from its answers to calldata. */

#include "executor/message.h"

#include <stdlib.h>

#include "executor/kind.h"

#define CIPHERTEXT_FORMAT_BIG_EXPANDED 3
#define WIRE_BYTES 2			/* protobuf: length-delimited */
#define FIELD_CIPHERTEXT 1		/* of TypedCiphertext */
#define SCHEME_ECDSA 0

int32_t core_schemes[1] = { SCHEME_ECDSA };

void core_id_set(struct core_id *out, const struct b32 *id)
{
	out->m = (Kms__V1__RequestId)KMS__V1__REQUEST_ID__INIT;
	out->m.request_id = hex_encode(BYTES_OF(id->b), out->hex);
}

bool core_id_is(const Kms__V1__RequestId *m, const struct b32 *id)
{
	char hex[65];

	return !m || !*m->request_id ||
	       strcmp(m->request_id, hex_encode(BYTES_OF(id->b), hex)) == 0;
}

void core_domain_set(struct core_domain *out, const struct op *op)
{
	const struct profile *p = &op->x->profile;
	const struct profile_domain *d = &p->domain[op_group(op->kind)];

	memset(out, 0, sizeof(*out));
	out->m = (Kms__V1__Eip712DomainMsg)KMS__V1__EIP712_DOMAIN_MSG__INIT;
	be64_put(out->chain_id + 24, p->contract[d->contract].chain);
	out->m.name = (char *)(uintptr_t)d->name;
	out->m.version = (char *)(uintptr_t)d->version;
	out->m.chain_id.data = out->chain_id;
	out->m.chain_id.len = sizeof(out->chain_id);
	out->m.verifying_contract = addr_text(&p->contract[d->contract].address, out->contract);
}

grpc_slice core_pack(const ProtobufCMessage *m)
{
	grpc_slice s = grpc_slice_malloc(protobuf_c_message_get_packed_size(m));

	protobuf_c_message_pack(m, GRPC_SLICE_START_PTR(s));
	return s;
}

static size_t put_varint(uint8_t *out, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		out[n++] = (uint8_t)(v | 0x80);
	out[n++] = (uint8_t)v;
	return n;
}

/* A fetched body is moved into its slice, one of the event is copied. */
static grpc_slice take_body(struct op *op, unsigned i)
{
	struct bytes here = op->request->material[i].ciphertext;

	if (!op->fetch)
		return grpc_slice_from_copied_buffer((const char *)here.p, here.len);

	struct body *body = fetch_body(op->fetch, i);
	uint8_t *p = body->p;

	body->p = NULL;
	if (body->len)
		return grpc_slice_new(p, body->len, free);
	free(p);
	return grpc_empty_slice();
}

/* Three slices: the headers of field and body, the body, the other members. */
static void write_ciphertext(struct op *op, uint8_t field, unsigned i, grpc_slice out[3])
{
	struct material *m = &op->request->material[i];
	Kms__V1__TypedCiphertext rest = KMS__V1__TYPED_CIPHERTEXT__INIT;
	uint8_t head[24], inner[12];

	rest.fhe_type = handle_type(&m->handle);
	rest.external_handle.data = m->handle.b;
	rest.external_handle.len = 32;
	rest.ciphertext_format = CIPHERTEXT_FORMAT_BIG_EXPANDED;
	out[2] = core_pack(&rest.base);
	out[1] = take_body(op, i);

	size_t body_len = GRPC_SLICE_LENGTH(out[1]);

	inner[0] = FIELD_CIPHERTEXT << 3 | WIRE_BYTES;
	size_t inner_len = 1 + put_varint(inner + 1, body_len);
	head[0] = (uint8_t)(field << 3 | WIRE_BYTES);
	size_t head_len =
		1 + put_varint(head + 1, inner_len + body_len + GRPC_SLICE_LENGTH(out[2]));
	memcpy(head + head_len, inner, inner_len);
	out[0] = grpc_slice_from_copied_buffer((const char *)head, head_len + inner_len);
}

size_t core_write_ciphertexts(struct op *op, uint8_t field, grpc_slice *slices)
{
	for (unsigned i = 0; i < op->request->materials; i++)
		write_ciphertext(op, field, i, slices + 3 * i);
	return 3 * op->request->materials;
}

struct bytes core_signature(Kms__V1__TypedSignature *const *list, size_t count,
			    const ProtobufCBinaryData *older)
{
	for (size_t i = 0; i < count; i++)
		if (list[i]->scheme == SCHEME_ECDSA)
			return BYTES(list[i]->signature.data, list[i]->signature.len);
	return BYTES(older->data, older->len);
}

enum err core_check_signature(const struct op *op, const struct eip712_values *v, struct bytes sig,
			      const char **why_out)
{
	const struct profile_response *answer = find_response(&op->x->profile, op->kind);
	struct addr signer;

	if (!answer->has_eip712)
		return OK;

	struct b32 digest = eip712_digest(&answer->domain, &answer->eip712, v);

	*why_out = "the answer is not signed, or by another key";
	if (eip712_recover(&digest, sig, &signer) != OK)
		return ERR_DENIED;
	return addr_eq(&signer, &op->x->opt.core_signer) ? OK : ERR_DENIED;
}

enum err core_write_call(const struct op *op, const struct core_parts *parts, uint8_t *out,
			 size_t *len_out, const char **why_out)
{
	const struct profile_response *answer = find_response(&op->x->profile, op->kind);
	struct bytes source[ANSWER_SOURCE_COUNT] = {
		[ANSWER_request_id] = BYTES_OF(op->id.b),
		[ANSWER_result_id] = BYTES_OF(op->request->core_id.b),
		[ANSWER_result] = parts->result,
		[ANSWER_signature] = parts->signature,
		[ANSWER_key_digests] = parts->key_digests,
		[ANSWER_extra_data] = op->request->extra_data,
	};
	struct abi_arg args[PROFILE_ARGS_MAX];

	for (unsigned i = 0; i < answer->args; i++)
		args[i].v = source[answer->arg[i]];
	*why_out = "the answer is larger than a transaction's data may be";
	return abi_encode_call(&answer->function, args, answer->args, out, TX_CALLDATA_MAX,
			       len_out);
}
