/* registry - who answers, thresholds, the switches of every contract, and access control. */

#include "common/log.h"
#include "tests/peers/fakechain/gateway_internal.h"

#define MEMBERS_MAX 64

/* ---- the switches ---- */

bool is_open(struct call *c)
{
	struct bytes odd = call_get(c, TAG_ODD, NULL, &c->to);
	struct b32 request, all;

	if (call_get_u64(c, TAG_PAUSED, NULL, &c->to)) {
		call_revert(c, "EnforcedPause()", NULL, 0);
		return false;
	}
	memset(all.b, 0xff, 32);
	memcpy(request.b, c->data.p + 4, 32);
	if (odd.len != 32 || b32_is_zero((const struct b32 *)odd.p))
		return true;
	if (memcmp(odd.p, request.b, 32) != 0 && memcmp(odd.p, all.b, 32) != 0)
		return true;
	revert_word(c, "OfNoProfile(uint256,address)", &request);
	word_addr(&c->ret, &c->from);
	return false;
}

void admin_owner(struct call *c, struct abi_view in, unsigned which)
{
	(void)in, (void)which;
	word_addr(&c->ret, gateway_owner(c->n->gateway));
}

void admin_paused(struct call *c, struct abi_view in, unsigned which)
{
	(void)in, (void)which;
	return_bool(c, call_get_u64(c, TAG_PAUSED, NULL, &c->to));
}

void admin_odd(struct call *c, struct abi_view in, unsigned which)
{
	struct bytes odd = call_get(c, TAG_ODD, NULL, &c->to);

	(void)in, (void)which;
	if (odd.len)
		text_bytes(&c->ret, odd);
	else
		return_u64(c, 0);
}

void admin_pause(struct call *c, struct abi_view in, unsigned on)
{
	(void)in;
	call_put_u64(c, TAG_PAUSED, NULL, &c->to, on);
}

void admin_set_odd(struct call *c, struct abi_view in, unsigned which)
{
	struct b32 request = arg_word(in, 0);

	(void)which;
	call_put(c, TAG_ODD, NULL, &c->to, BYTES_OF(request.b));
}

void admin_emit(struct call *c, struct abi_view in, unsigned padded)
{
	struct abi_view topics = arg_view(in, 0);
	struct bytes data = arg_bytes(in, 1);
	static const uint8_t zeros[4096];
	struct b32 topic[LOG_TOPICS_MAX];
	struct text all;
	uint64_t size = data.len;

	if (abi_count(topics) > LOG_TOPICS_MAX) {
		revert_text(c, "at most four topics");
		return;
	}
	for (uint32_t i = 0; i < abi_count(topics); i++)
		topic[i] = abi_word(abi_item(topics, i));
	if (padded) {
		struct b32 w = arg_word(in, 2);

		size = be64_get(w.b + 24);
	}
	if (size < data.len || size > (32u << 20)) {
		c->reverted = true;
		return;
	}
	if (c->dry)
		return;
	text_init(&all, SIZE_MAX / 2);
	text_bytes(&all, data);
	while (all.len < size)
		text_bytes(&all, BYTES(zeros, size - all.len < 4096 ? size - all.len : 4096));
	logs_add(&c->logs, log_new(&c->to, topic, abi_count(topics), text_view(&all)));
	text_fini(&all);
}

/* ---- nodes and coprocessors: one value holds the list ---- */

static struct bytes take(struct bytes *in, size_t n)
{
	struct bytes v = BYTES(in->p, n);

	check(n <= in->len);
	*in = BYTES(in->p + n, in->len - n);
	return v;
}

bool member_next(struct bytes *list, struct member *out)
{
	if (!list->len)
		return false;
	memcpy(out->who.b, take(list, 20).p, 20);
	uint64_t n = be64_get(take(list, 8).p);
	out->identity = take(list, n);
	n = be64_get(take(list, 8).p);
	out->text = take(list, n);
	return true;
}

static void member_put(struct text *t, const struct member *m)
{
	uint8_t be[8];

	text_bytes(t, BYTES_OF(m->who.b));
	be64_put(be, m->identity.len);
	text_bytes(t, BYTES_OF(be));
	text_bytes(t, m->identity);
	be64_put(be, m->text.len);
	text_bytes(t, BYTES_OF(be));
	text_bytes(t, m->text);
}

static unsigned members(const struct call *c, unsigned tag, struct member out[MEMBERS_MAX])
{
	struct bytes list = call_get(c, tag, NULL, NULL);
	unsigned n = 0;

	while (n < MEMBERS_MAX && member_next(&list, &out[n]))
		n++;
	return n;
}

bool member_find(const struct call *c, unsigned tag, const struct addr *who, struct member *out)
{
	struct bytes list = call_get(c, tag, NULL, NULL);

	while (member_next(&list, out))
		if (addr_eq(&out->who, who))
			return true;
	return false;
}

unsigned member_count(const struct call *c, unsigned tag)
{
	struct member m[MEMBERS_MAX];

	return members(c, tag, m);
}

static void members_put(struct call *c, unsigned tag, const struct member *m, unsigned n)
{
	struct text list;

	text_init(&list, SIZE_MAX / 2);
	for (unsigned i = 0; i < n; i++)
		member_put(&list, &m[i]);
	call_put(c, tag, NULL, NULL, text_view(&list));
	text_fini(&list);
}

void registry_add(struct call *c, struct abi_view in, unsigned tag)
{
	struct member all[MEMBERS_MAX + 1];
	struct member m = { .who = arg_addr(in, 0),
			    .identity = arg_bytes(in, 1),
			    .text = arg_bytes(in, 2) };
	unsigned n = members(c, tag, all);

	for (unsigned i = 0; i < n; i++) {
		if (addr_eq(&all[i].who, &m.who)) {
			revert_text(c, tag == TAG_NODES ? "known KMS node" : "known coprocessor");
			return;
		}
	}
	check(n < MEMBERS_MAX);
	all[n++] = m;
	members_put(c, tag, all, n);
}

void registry_remove(struct call *c, struct abi_view in, unsigned tag)
{
	struct addr who = arg_addr(in, 0);
	struct member all[MEMBERS_MAX];
	unsigned n = members(c, tag, all), i = 0;

	while (i < n && !addr_eq(&all[i].who, &who))
		i++;
	if (i == n) {
		revert_text(c, tag == TAG_NODES ? "unknown KMS node" : "unknown coprocessor");
		return;
	}
	all[i] = all[n - 1];
	members_put(c, tag, all, n - 1);
}

/* (address, bytes, string)[] */
void registry_list(struct call *c, struct abi_view in, unsigned tag)
{
	struct member all[MEMBERS_MAX];
	unsigned n = members(c, tag, all);
	uint64_t at = 32ull * n;

	(void)in;
	word_u64(&c->ret, 32);
	word_u64(&c->ret, n);
	for (unsigned i = 0; i < n; i++) {
		word_u64(&c->ret, at);
		at += 96 + 64 + (all[i].identity.len + 31) / 32 * 32 +
		      (all[i].text.len + 31) / 32 * 32;
	}
	for (unsigned i = 0; i < n; i++) {
		word_addr(&c->ret, &all[i].who);
		word_u64(&c->ret, 96);
		word_u64(&c->ret, 96 + 32 + (all[i].identity.len + 31) / 32 * 32);
		word_bytes(&c->ret, all[i].identity);
		word_bytes(&c->ret, all[i].text);
	}
}

void registry_identities(struct call *c, struct abi_view in, unsigned tag)
{
	struct member all[MEMBERS_MAX];
	struct bytes identity[MEMBERS_MAX];
	unsigned n = members(c, tag, all);

	(void)in;
	for (unsigned i = 0; i < n; i++)
		identity[i] = all[i].identity;
	word_u64(&c->ret, 32);
	put_list(&c->ret, identity, n);
}

void registry_is(struct call *c, struct abi_view in, unsigned tag)
{
	struct addr who = arg_addr(in, 0);
	struct member m;

	return_bool(c, member_find(c, tag, &who, &m));
}

bool is_node(struct call *c)
{
	struct member m;

	if (member_find(c, TAG_NODES, &c->from, &m))
		return true;
	revert_addr(c, "InvalidKmsNodeSender(address)", &c->from);
	return false;
}

void registry_identity_of(struct call *c, struct abi_view in, unsigned which)
{
	struct addr who = arg_addr(in, 0);
	struct member m;

	(void)which;
	if (!member_find(c, TAG_NODES, &who, &m)) {
		revert_addr(c, "InvalidKmsNodeSender(address)", &who);
		return;
	}
	word_u64(&c->ret, 32);
	word_bytes(&c->ret, m.identity);
}

/* ---- thresholds and parameters ---- */

uint64_t threshold(const struct call *c, unsigned which)
{
	struct bytes v = call_get(c, TAG_THRESHOLDS, NULL, NULL);

	return v.len == 24 ? be64_get(v.p + 8 * which) : 1;
}

void registry_thresholds(struct call *c, struct abi_view in, unsigned which)
{
	uint8_t all[24];

	(void)which;
	for (unsigned i = 0; i < 3; i++) {
		struct b32 w = arg_word(in, i);

		memcpy(all + 8 * i, w.b + 24, 8);
	}
	call_put(c, TAG_THRESHOLDS, NULL, NULL, BYTES_OF(all));
}

void registry_threshold(struct call *c, struct abi_view in, unsigned which)
{
	(void)in;
	return_u64(c, threshold(c, which));
}

struct bytes fhe_params(const struct call *c)
{
	struct bytes name = call_get(c, TAG_FHE_PARAMS, NULL, NULL);

	return name.p ? name : bytes_str("TEST");
}

void put_fhe_params(struct text *t, struct bytes name)
{
	word_u64(t, 32);
	word_bytes(t, name);
}

void registry_fhe_params(struct call *c, struct abi_view in, unsigned which)
{
	struct bytes name = arg_bytes(arg_view(in, 0), 0);
	struct text data;

	(void)which;
	call_put(c, TAG_FHE_PARAMS, NULL, NULL, name);
	text_init(&data, SIZE_MAX / 2);
	word_u64(&data, 32);
	put_fhe_params(&data, name);
	call_emit(c, "UpdateFheParams((string))", NULL, &data);
	text_fini(&data);
}

void registry_get_fhe_params(struct call *c, struct abi_view in, unsigned which)
{
	(void)in, (void)which;
	word_u64(&c->ret, 32);
	put_fhe_params(&c->ret, fhe_params(c));
}

/* ---- access control ---- */

void access_account(struct call *c, struct abi_view in, unsigned which)
{
	struct b32 handle = arg_word(in, 0);
	struct addr who = arg_addr(in, 1);

	(void)which;
	return_bool(c, call_get_u64(c, TAG_ALLOWED_ACCOUNT, &handle, &who));
}

void access_public(struct call *c, struct abi_view in, unsigned which)
{
	struct b32 handle = arg_word(in, 0);

	(void)which;
	return_bool(c, call_get_u64(c, TAG_ALLOWED_PUBLIC, &handle, NULL));
}

void access_allow_account(struct call *c, struct abi_view in, unsigned which)
{
	struct b32 handle = arg_word(in, 0);
	struct addr who = arg_addr(in, 1);

	(void)which;
	call_put_u64(c, TAG_ALLOWED_ACCOUNT, &handle, &who, arg_bool(in, 2));
}

void access_allow_public(struct call *c, struct abi_view in, unsigned which)
{
	struct abi_view handles = arg_view(in, 0);

	(void)which;
	for (uint32_t i = 0; i < abi_count(handles); i++) {
		struct b32 handle = abi_word(abi_item(handles, i));

		call_put_u64(c, TAG_ALLOWED_PUBLIC, &handle, NULL, arg_bool(in, 1));
	}
}
