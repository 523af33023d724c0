/* chain_read - which node is asked, and one eth_call. */

#include "supervisor/cli/chain_read.h"

#include <stdio.h>

#define CALL_MAX (4 + 8 * 32)

static bool is_on(const char *url, uint64_t chain)
{
	static struct node_reply r;
	uint64_t id = 0;
	bool right = node_call(url, "eth_chainId", "[]", &r) == OK && json_u64(r.result, &id) == OK &&
		     id == chain;

	node_reply_free(&r);
	return right;
}

void chain_reader_open(struct chain_reader *r, const struct connector_config *c)
{
	const struct settings *s = c->child[ROLE_LISTENER];
	uint64_t chains = get_setting_u64(s, "chain");

	memset(r, 0, sizeof(*r));
	r->config = c;
	check(profile_load(c->child[ROLE_EXECUTOR], NULL, &r->profile) == OK);
	for (unsigned i = 0; i < chains && i < ARRAY_LEN(r->url); i++) {
		unsigned urls = (unsigned)get_setting_u64(s, "chain.%u.http", i);

		r->chain[r->chains] = get_setting_u64(s, "chain.%u.id", i);
		for (unsigned k = 0; k < urls && !r->url[r->chains]; k++) {
			const char *url = get_setting(s, "chain.%u.http.%u.url", i, k);
			if (is_on(url, r->chain[r->chains]))
				r->url[r->chains] = url;
		}
		r->chains++;
	}
}

const char *chain_reader_url(const struct chain_reader *r, uint64_t chain)
{
	for (unsigned i = 0; i < r->chains; i++)
		if (r->chain[i] == chain)
			return r->url[i];
	return NULL;
}

enum err chain_read_at(struct chain_reader *r, unsigned contract, const struct abi_line *function,
		       const struct abi_arg *args, unsigned count, const char *number,
		       struct abi_view *out)
{
	static uint8_t data[CHAIN_READ_MAX];
	static struct node_reply reply;
	const struct profile_contract *c = &r->profile.contract[contract];
	const char *url = chain_reader_url(r, c->chain);
	uint8_t call[CALL_MAX];
	char params[2 * CALL_MAX + 200], to[ADDR_TEXT], hex[2 * CALL_MAX + 3];
	size_t len;

	r->reverted = false;
	snprintf(r->why, sizeof(r->why), "no node of chain %llu answers", (unsigned long long)c->chain);
	if (!url)
		return ERR_CLOSED;
	enum err e = abi_encode_call(function, args, count, call, sizeof(call), &len);
	if (e)
		return e;
	snprintf(params, sizeof(params), "[{\"to\":\"%s\",\"data\":\"%s\"},\"%s\"]",
		 addr_text(&c->address, to), hex_encode0x(BYTES(call, len), hex), number);
	e = node_call(url, "eth_call", params, &reply);
	if (e) {
		snprintf(r->why, sizeof(r->why), "%.190s", reply.why);
		r->reverted = reply.reverted;
	} else {
		snprintf(r->why, sizeof(r->why), "the contract returns something else: does the profile "
			 "fit it?");
		e = json_bytes(reply.result, data, sizeof(data), &len);
		e = e ? e : abi_decode(function, function->outputs, BYTES(data, len), out);
	}
	node_reply_free(&reply);
	return e;
}

enum err chain_read(struct chain_reader *r, unsigned contract, const struct abi_line *function,
		    const struct abi_arg *args, unsigned count, struct abi_view *out)
{
	return chain_read_at(r, contract, function, args, count, "latest", out);
}
