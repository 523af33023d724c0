/* gateway - the table of functions, and what all contracts share. */

#include "tests/peers/fakechain/gateway.h"

#include <stdlib.h>

#include "common/keccak.h"
#include "common/log.h"
#include "tests/peers/fakechain/gateway_internal.h"

#define RETURN_MAX (64u << 20)

enum permitted { anyone, owner };

struct function {
	unsigned contracts;
	enum permitted who;
	void (*handler)(struct call *c, struct abi_view in, unsigned which);
	unsigned which;
	uint64_t gas;
	const char *text;
	struct abi_line line;
};

static struct function functions[] = {
#define F(contract, who, handler, which, gas, line) \
	{ contract, who, handler, which, gas, line, { 0 } },
	GATEWAY_FUNCTIONS(F)
#undef F
};

struct gateway {
	struct addr owner, address[3]; /* by bit of enum contract */
};

static unsigned bit_of(enum contract which)
{
	return which == HTTPZ ? 0 : which == MANAGER ? 1 : 2;
}

struct gateway *gateway_new(void)
{
	struct gateway *g = new_zeroed(sizeof(*g));

	for (size_t i = 0; i < ARRAY_LEN(functions); i++)
		check(abi_parse(functions[i].text, &functions[i].line, NULL, NULL) == OK);
	for (unsigned i = 0; i < 3; i++)
		memset(g->address[i].b, 0xc0 + i, 20);
	memset(g->owner.b, 0x0e, 20);
	return g;
}

void gateway_set(struct gateway *g, enum contract which, const struct addr *address)
{
	g->address[bit_of(which)] = *address;
}

void gateway_own(struct gateway *g, const struct addr *address)
{
	g->owner = *address;
}

const struct addr *gateway_owner(const struct gateway *g)
{
	return &g->owner;
}

const struct addr *gateway_address(const struct gateway *g, enum contract which)
{
	return &g->address[bit_of(which)];
}

enum contract gateway_which(const struct gateway *g, const struct addr *address)
{
	for (unsigned i = 0; i < 3; i++)
		if (addr_eq(&g->address[i], address))
			return 1u << i;
	return 0;
}

static const struct function *find_function(struct bytes data, enum contract contract)
{
	for (size_t i = 0; data.len >= 4 && i < ARRAY_LEN(functions); i++)
		if (functions[i].contracts & contract &&
		    memcmp(functions[i].line.selector, data.p, 4) == 0)
			return &functions[i];
	return NULL;
}

bool gateway_is_response(struct bytes data)
{
	const struct function *f = find_function(data, MANAGER | HTTPZ);

	return f && (f->handler == decryption_response || f->handler == key_response);
}

uint64_t gateway_gas(const struct node *n, const struct addr *to, struct bytes data)
{
	enum contract contract = gateway_which(n->gateway, to);
	const struct function *f = contract ? find_function(data, contract) : NULL;

	return contract ? (f ? f->gas : 500) : 0;
}

void gateway_call(struct call *c)
{
	struct abi_view in;

	text_init(&c->ret, RETURN_MAX);
	c->contract = gateway_which(c->n->gateway, &c->to);
	if (!c->contract)
		return;
	const struct function *f = find_function(c->data, c->contract);
	if (!f ||
	    abi_decode(&f->line, f->line.inputs, BYTES(c->data.p + 4, c->data.len - 4), &in) != OK)
		c->reverted = true;
	else if (f->who == owner && !addr_eq(&c->from, &c->n->gateway->owner))
		revert_addr(c, "NotOwner(address)", &c->from);
	else
		f->handler(c, in, f->which);
	if (c->reverted)
		logs_free(&c->logs);
}

void call_fini(struct call *c)
{
	text_fini(&c->ret);
	logs_free(&c->logs);
}

void gateway_heard(struct node *n, const struct log *log, uint64_t at)
{
	struct call c = { .n = n, .to = log->address, .at = at };

	c.contract = gateway_which(n->gateway, &log->address);
	if (c.contract == MANAGER)
		decryption_heard(&c, log);
	else if (c.contract == HTTPZ)
		key_heard(&c, log);
}

static uint64_t counter(const struct node *n, unsigned tag, uint64_t at)
{
	struct key k = key_of(tag, NULL, NULL);

	return state_get_u64(n->state, &k, at);
}

uint64_t gateway_asked(const struct node *n, uint64_t at)
{
	return counter(n, TAG_ASKED, at);
}

uint64_t gateway_done(const struct node *n, uint64_t at)
{
	return counter(n, TAG_FINISHED, at);
}

struct bytes call_get(const struct call *c, unsigned tag, const struct b32 *id,
		      const struct addr *who)
{
	struct key k = key_of(tag, id, who);

	return state_get(c->n->state, &k, c->at);
}

uint64_t call_get_u64(const struct call *c, unsigned tag, const struct b32 *id,
		      const struct addr *who)
{
	struct bytes v = call_get(c, tag, id, who);

	return v.len == 8 ? be64_get(v.p) : 0;
}

void call_put(struct call *c, unsigned tag, const struct b32 *id, const struct addr *who,
	      struct bytes v)
{
	struct key k = key_of(tag, id, who);

	if (!c->dry)
		state_put(c->n->state, &k, c->at, v);
}

void call_put_u64(struct call *c, unsigned tag, const struct b32 *id, const struct addr *who,
		  uint64_t v)
{
	uint8_t be[8];

	be64_put(be, v);
	call_put(c, tag, id, who, BYTES_OF(be));
}

void call_count(struct call *c, unsigned tag)
{
	call_put_u64(c, tag, NULL, NULL, call_get_u64(c, tag, NULL, NULL) + 1);
}

void call_revert(struct call *c, const char *error, const struct b32 *words, unsigned count)
{
	struct b32 selector = keccak_text(error);

	c->reverted = true;
	c->ret.len = 0;
	text_bytes(&c->ret, BYTES(selector.b, 4));
	for (unsigned i = 0; i < count; i++)
		word_b32(&c->ret, &words[i]);
}

void revert_text(struct call *c, const char *why)
{
	call_revert(c, "Error(string)", NULL, 0);
	word_u64(&c->ret, 32);
	word_bytes(&c->ret, bytes_str(why));
}

void revert_word(struct call *c, const char *error, const struct b32 *w)
{
	call_revert(c, error, w, 1);
}

void revert_addr(struct call *c, const char *error, const struct addr *a)
{
	call_revert(c, error, NULL, 0);
	word_addr(&c->ret, a);
}

void call_emit(struct call *c, const char *event, const struct b32 *indexed,
	       const struct text *data)
{
	struct b32 topics[2] = { keccak_text(event) };

	if (c->dry)
		return;
	if (indexed)
		topics[1] = *indexed;
	logs_add(&c->logs, log_new(&c->to, topics, indexed ? 2 : 1, text_view(data)));
}

struct abi_view arg_view(struct abi_view in, unsigned i)
{
	struct abi_view v;

	check(abi_member_at(in, i, &v));
	return v;
}

struct b32 arg_word(struct abi_view in, unsigned i)
{
	return abi_word(arg_view(in, i));
}

struct addr arg_addr(struct abi_view in, unsigned i)
{
	return abi_addr(arg_view(in, i));
}

struct bytes arg_bytes(struct abi_view in, unsigned i)
{
	return abi_bytes(arg_view(in, i));
}

bool arg_bool(struct abi_view in, unsigned i)
{
	return arg_word(in, i).b[31];
}

void return_u64(struct call *c, uint64_t v)
{
	word_u64(&c->ret, v);
}

void return_bool(struct call *c, bool v)
{
	return_u64(c, v);
}

void put_list(struct text *t, const struct bytes *items, unsigned count)
{
	uint64_t at = 32ull * count;

	word_u64(t, count);
	for (unsigned i = 0; i < count; i++) {
		word_u64(t, at);
		at += 32 + (items[i].len + 31) / 32 * 32;
	}
	for (unsigned i = 0; i < count; i++)
		word_bytes(t, items[i]);
}
