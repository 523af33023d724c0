/* frames - where frames of WebSocket and HTTP/2 end, and frames of our own. */

#include <stdio.h>

#include "common/log.h"
#include "tests/peers/faultproxy/proxy.h"

#define H2_HEAD       9
#define H2_HEADERS    1
#define H2_RST_STREAM 3
#define H2_GOAWAY     7
#define H2_CANCEL     8

/* Bytes of a WebSocket frame's head, as far as it is known by its first HAVE bytes. */
static unsigned ws_head(const uint8_t *h, unsigned have)
{
	unsigned length = have < 2 ? 0 : h[1] & 127, mask = have < 2 || !(h[1] & 128) ? 0 : 4;

	return 2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + mask;
}

static uint64_t ws_body(const uint8_t *h)
{
	unsigned length = h[1] & 127;

	return length == 127   ? be64_get(h + 2)
	       : length == 126 ? (uint64_t)h[2] << 8 | h[3]
			       : length;
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void head_read(struct pair *pair, struct tracker *t)
{
	if (t->framing == FRAMES_WS) {
		t->left = ws_body(t->head);
		return;
	}
	t->left = be32(t->head) >> 8;
	if (t->head[3] == H2_HEADERS && t == &pair->flow[UP].tracker)
		pair->last_stream = be32(t->head + 5) & 0x7fffffff;
}

bool frames_between(const struct tracker *t)
{
	return (t->framing == FRAMES_WS || (t->framing == FRAMES_H2 && t->frames)) && !t->preface &&
	       !t->have && !t->left;
}

/* Up to the empty line behind an answer's head; frames begin there. */
static size_t skip_head(struct tracker *t, const uint8_t *p, size_t len)
{
	static const char end[] = "\r\n\r\n";

	for (size_t i = 0; i < len; i++) {
		t->have = p[i] == (uint8_t)end[t->have] ? t->have + 1 : p[i] == '\r';
		if (t->have == 4) {
			t->have = 0;
			t->framing = FRAMES_WS;
			return i + 1;
		}
	}
	return len;
}

size_t frames_step(struct pair *pair, struct tracker *t, const uint8_t *p, size_t len,
		   bool *end_out)
{
	size_t at = 0;

	*end_out = false;
	if (t->framing == FRAMES_HEAD)
		return skip_head(t, p, len);
	while (t->preface && at < len) {
		t->preface--;
		at++;
	}
	if (!t->left) {
		unsigned wanted;
		while ((wanted = t->framing == FRAMES_H2 ? H2_HEAD : ws_head(t->head, t->have)) >
			       t->have &&
		       at < len)
			t->head[t->have++] = p[at++];
		if (t->have < wanted)
			return at;
		head_read(pair, t);
	}
	size_t n = t->left < len - at ? (size_t)t->left : len - at;
	t->left -= n;
	at += n;
	if (!t->left) {
		t->have = 0;
		t->frames++;
		*end_out = frames_between(t);
	}
	return at;
}

/* ---- frames of our own ---- */

static void add_ws(struct text *t, uint8_t first, uint64_t length)
{
	uint8_t head[10] = { first, 127 };

	if (length < 126) {
		head[1] = (uint8_t)length;
		text_bytes(t, BYTES(head, 2));
		return;
	}
	be64_put(head + 2, length);
	text_bytes(t, BYTES(head, 10));
}

static void add_filler(struct text *t, size_t len)
{
	for (size_t i = 0; i < len; i++)
		text_bytes(t, BYTES("x", 1));
}

static void add_fragments(struct text *t, size_t count, size_t len)
{
	for (size_t i = 0; i < count; i++) {
		add_ws(t, i ? 0x00 : 0x01, len);
		add_filler(t, len);
	}
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void add_h2(struct text *t, uint8_t type, uint32_t stream, const uint8_t *body, size_t len)
{
	uint8_t head[H2_HEAD] = { (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, type };

	put32(head + 5, stream);
	text_bytes(t, BYTES_OF(head));
	text_bytes(t, BYTES(body, len));
}

static void add_goaway(struct text *t, uint32_t last_stream, uint32_t code, const char *words)
{
	uint8_t body[8 + 256];
	size_t len = strlen(words) > 256 ? 256 : strlen(words);

	put32(body, last_stream);
	put32(body + 4, code);
	memcpy(body + 8, words, len);
	add_h2(t, H2_GOAWAY, 0, body, 8 + len);
}

static void add_reset(struct text *t, uint32_t stream, uint32_t code)
{
	uint8_t body[4];

	put32(body, code);
	add_h2(t, H2_RST_STREAM, stream, body, sizeof(body));
}

static void add_frames(struct text *t, const struct pair *pair, const struct rule *rule)
{
	const char *body = rule->body ? rule->body : "";
	const double *arg = rule->fault.arg;

	switch (rule->fault.name) {
	case FAULT_ws_giant:
		add_ws(t, 0x81, (uint64_t)arg[0]);
		break;
	case FAULT_ws_fragments:
		add_fragments(t, (size_t)arg[0], (size_t)arg[1]);
		break;
	case FAULT_ws_pings:
		for (size_t i = 0; i < (size_t)arg[0]; i++)
			add_ws(t, 0x89, 0);
		break;
	case FAULT_ws_frame:
		add_ws(t, (uint8_t)(0x80 | (unsigned)arg[0]), strlen(body));
		text_bytes(t, bytes_str(body));
		break;
	case FAULT_h2_goaway:
		add_goaway(t, pair->last_stream, (uint32_t)arg[0],
			   rule->body ? body : "too_many_pings");
		break;
	default:
		add_reset(t, pair->last_stream, (uint32_t)arg[0]);
	}
}

static void send_injected(struct flow *f)
{
	if (!frames_between(&f->tracker))
		return;		/* flow_take does it at the end of this frame */
	flow_put_injected(f);
	flow_pump(f);
}

bool frames_inject(struct pair *pair, const struct rule *rule)
{
	enum framing wanted = fault_level(rule->fault.name) == LEVEL_WS ? FRAMES_WS : FRAMES_H2;
	struct flow *down = &pair->flow[DOWN], *up = &pair->flow[UP];

	if (pair->over || down->tracker.framing != wanted ||
	    (rule->fault.name == FAULT_h2_reset && !pair->last_stream))
		return false;
	add_frames(&down->inject, pair, rule);
	send_injected(down);
	if (rule->fault.name == FAULT_h2_reset && !pair->over) {	/* its answer is not wanted */
		add_reset(&up->inject, pair->last_stream, H2_CANCEL);
		send_injected(up);
	}
	return true;
}
