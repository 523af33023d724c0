/* http - requests of clients, whole; answers instead of the peer's. */

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "common/log.h"
#include "tests/peers/faultproxy/proxy.h"

/* The value of a header in a head; length 0: not there. */
static struct bytes find_header(struct bytes head, const char *name)
{
	size_t n = strlen(name);

	for (const uint8_t *p = head.p, *end = head.p + head.len; p < end;) {
		const uint8_t *stop = memchr(p, '\r', (size_t)(end - p));
		size_t len = (size_t)((stop ? stop : end) - p);
		if (len > n && p[n] == ':' && strncasecmp((const char *)p, name, n) == 0) {
			const uint8_t *v = p + n + 1;
			while (v < p + len && *v == ' ')
				v++;
			return BYTES(v, p + len - v);
		}
		p += len + 2;
	}
	return BYTES("", 0);
}

/* Length of the whole request that begins here; 0: not all has come; SIZE_MAX: not to be followed. */
static size_t request_length(struct bytes in, struct bytes *head_out)
{
	const uint8_t *end = memmem(in.p, in.len, "\r\n\r\n", 4);

	if (!end)
		return 0;
	*head_out = BYTES(in.p, end + 2 - in.p);

	struct bytes length = find_header(*head_out, "content-length");
	char digits[24];

	if (find_header(*head_out, "transfer-encoding").len)
		return SIZE_MAX;
	snprintf(digits, sizeof(digits), "%.*s", (int)(length.len < 20 ? length.len : 20),
		 (const char *)length.p);
	unsigned long long body = strtoull(digits, NULL, 10);
	if (body > REQUEST_MAX)
		return SIZE_MAX;
	size_t all = head_out->len + 2 + (size_t)body;
	return in.len < all ? 0 : all;
}

/* Every "method":"name" of a JSON-RPC request or batch. */
static void count_calls(struct proxy *p, struct bytes body)
{
	static const char word[] = "\"method\":\"";

	for (const uint8_t *at = body.p, *end = body.p + body.len;
	     (at = memmem(at, (size_t)(end - at), word, sizeof(word) - 1));) {
		const uint8_t *name = at += sizeof(word) - 1,
			      *stop = memchr(name, '"', (size_t)(end - name));
		char text[64];
		if (!stop)
			return;
		snprintf(text, sizeof(text), "%.*s", (int)(stop - name < 60 ? stop - name : 60),
			 (const char *)name);
		cJSON *n = cJSON_GetObjectItemCaseSensitive(p->calls, text);
		if (n)
			cJSON_SetNumberValue(n, n->valuedouble + 1);
		else if (cJSON_GetArraySize(p->calls) < 200)
			cJSON_AddNumberToObject(p->calls, text, 1);
	}
}

static void add_answer(struct flow *down, const struct rule *rule)
{
	const char *body = rule->body ? rule->body : "",
		   *headers = rule->headers ? rule->headers : "";
	unsigned status = (unsigned)rule->fault.arg[0];
	struct text t;

	text_init(&t, PEER_LINE_MAX);
	if (rule->fault.name == FAULT_answer)
		text_add(&t, "HTTP/1.1 %u %s\r\ncontent-length: %zu\r\n%s\r\n%s", status,
			 status == 200 ? "OK" : "As The Test Wants", strlen(body), headers, body);
	else if (rule->fault.name == FAULT_giant)
		text_add(&t, "HTTP/1.1 200 OK\r\ncontent-length: %.0f\r\n%s\r\n%s",
			 rule->fault.arg[0], headers, body);
	else
		text_add(&t, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n%s\r\n", headers);
	flow_put(down, BYTES(t.p, t.len));
	down->endless = rule->fault.name == FAULT_endless;
	text_fini(&t);
}

/* It is sent on, and cut there; false: it is to be answered here. */
static bool is_cut(struct pair *pair, const struct rule *rule)
{
	enum dir dir = rule->fault.name == FAULT_cut_request ? UP : DOWN;
	struct fault reset = { .name = FAULT_reset, .arg = { rule->fault.arg[0] } };

	if (dir == DOWN && rule->fault.name != FAULT_cut_reply)
		return false;
	flow_attach(&pair->flow[dir], &reset);
	return true;
}

/* One whole request: answered here, or sent on. */
static void request(struct pair *pair, struct bytes all, struct bytes head)
{
	struct flow *down = &pair->flow[DOWN];
	struct rule rule;

	pair->proxy->requests++;
	count_calls(pair->proxy, BYTES(all.p + head.len, all.len - head.len));
	if (rule_meet(pair->proxy, LEVEL_HTTP, all, &rule)) {
		pair->proxy->acted[rule.fault.name]++;
		pair->proxy->met_bytes = all.len;
		if (!is_cut(pair, &rule)) {
			add_answer(down, &rule);
			flow_pump(down);
			return;
		}
	}
	if (find_header(head, "upgrade").len) {
		pair->raw = true;
		down->tracker.framing = FRAMES_HEAD;
	}
	flow_take(&pair->flow[UP], all.p, all.len);
}

void http_take(struct pair *pair, const uint8_t *p, size_t len)
{
	struct text *in = &pair->request;
	struct bytes head;
	size_t at = 0, n;

	text_bytes(in, BYTES(p, len));
	if (in->cut) {
		pair_reset(pair);
		return;
	}
	while (!pair->over && !pair->raw && at < in->len &&
	       (n = request_length(BYTES(in->p + at, in->len - at), &head)) != 0) {
		if (n == SIZE_MAX) {
			pair->raw = true;
			break;
		}
		request(pair, BYTES(in->p + at, n), head);
		at += n;
	}
	if (pair->over)
		return;
	if (pair->raw && at < in->len) {
		flow_take(&pair->flow[UP], (const uint8_t *)in->p + at, in->len - at);
		at = in->len;
	}
	memmove(in->p, in->p + at, in->len - at);
	in->len -= at;
}
