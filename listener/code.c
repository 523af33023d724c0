/* code - is there a contract at every address?  Asked at first, and each minute. */

#include <stdio.h>

#include "common/log.h"
#include "listener/listener.h"

#define CODE_EVERY_MS 60000
#define CODE_S        10.0

static enum err take(struct chain *c, unsigned i, const struct jsonrpc_reply *r)
{
	char text[ADDR_TEXT];
	bool none;

	if (r->outcome != RPC_OK || !cJSON_IsString(r->result))
		return OK;	/* says nothing */
	none = strcmp(r->result->valuestring, "0x") == 0;
	if (none && !c->no_code[i])
		log_say(EV_L011_no_contract, "chain=%s rpc=%s address=%s", c->name, r->endpoint,
			addr_text(&c->filter.address[i], text));
	c->no_code[i] = none;
	return OK;
}

static void on_code(struct chain *c, struct ask *a)
{
	(void)a;
	listener_show(c->owner);
}

void code_check(struct chain *c)
{
	static char param[PROFILE_CONTRACTS_MAX][PARAM_MAX];
	struct jsonrpc_call calls[PROFILE_CONTRACTS_MAX];
	uint64_t now = loop_now_ms(c->owner->loop);
	char hex[2 * 20 + 3];

	if (now < c->code_at_ms || c->code.batch || c->filter.addresses == 0)
		return;
	c->code_at_ms = now + CODE_EVERY_MS;
	for (unsigned i = 0; i < c->filter.addresses; i++) {
		snprintf(param[i], sizeof(param[i]), "[\"%s\",\"latest\"]",
			 hex_encode0x(BYTES_OF(c->filter.address[i].b), hex));
		calls[i] = (struct jsonrpc_call){ .method = "eth_getCode", .params = param[i] };
	}
	c->code.take = take;
	c->code.finish = on_code;
	ask_send(&c->code, c, -1, calls, c->filter.addresses, CODE_S);
}
