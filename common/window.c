/* window - rows, stages and figures as JSON. */

#include "common/window.h"

#include <inttypes.h>

#include "common/opid.h"
#include "proto/operations.h"
#include "proto/states.h"

static struct bytes text_of(const char *s)
{
	return bytes_str(s ? s : "unknown");
}

static void member_text(struct text *t, const char *name, struct bytes v)
{
	text_add(t, ",\"%s\":", name);
	text_json(t, v);
}

static void member_u64(struct text *t, const char *name, uint64_t v)
{
	text_add(t, ",\"%s\":%" PRIu64, name, v);
}

/* null while there is none. */
static void member_opt(struct text *t, const char *name, bool has, uint64_t v)
{
	if (has)
		member_u64(t, name, v);
	else
		text_add(t, ",\"%s\":null", name);
}

/* null while there is none. */
static void member_tx(struct text *t, const struct b32 *tx)
{
	char hex[67];

	if (b32_is_zero(tx))
		text_add(t, ",\"tx\":null");
	else
		text_add(t, ",\"tx\":\"%s\"", hex_encode0x(BYTES_OF(tx->b), hex));
}

/* Without the closing brace. */
static void open_row(struct text *t, const struct msg_row *m)
{
	char id[OPID_TEXT], hex[67];
	bool has_tx = !b32_is_zero(&m->tx);

	text_add(t, "{\"id\":\"%s\"", opid_text(m->kind, &m->id, id));
	member_text(t, "kind", text_of(op_name(m->kind)));
	member_text(t, "state", text_of(state_name(m->state)));
	member_text(t, "reason", m->reason);
	member_u64(t, "op", m->op);
	member_u64(t, "chain", m->chain);
	member_u64(t, "block", m->block);
	member_u64(t, "seen_ms", m->seen_ms);
	member_u64(t, "at_ms", m->at_ms);
	member_u64(t, "fetch_ms", m->fetch_ms);
	member_u64(t, "core_ms", m->core_ms);
	member_u64(t, "send_ms", m->send_ms);
	member_tx(t, &m->tx);
	member_opt(t, "nonce", has_tx, m->nonce);
	member_opt(t, "tx_block", m->tx_block != 0, m->tx_block);
	member_u64(t, "attempts", m->attempts);
	member_opt(t, "next_ms", m->next_ms != 0, m->next_ms);
	if (!b32_is_zero(&m->result_id))
		text_add(t, ",\"result_id\":\"%s\"", hex_encode0x(BYTES_OF(m->result_id.b), hex));
	if (m->result.len)
		member_text(t, "result", m->result);
}

void window_row(struct text *t, const struct msg_row *m)
{
	open_row(t, m);
	text_add(t, "}");
}

void window_row_begin(struct text *t, const struct msg_row *m)
{
	open_row(t, m);
	text_add(t, ",\"history\":[");
}

void window_row_step(struct text *t, const struct msg_change *m)
{
	if (t->len && t->p[t->len - 1] == '}')
		text_add(t, ",");
	window_change(t, m);
}

void window_row_end(struct text *t)
{
	text_add(t, "]}");
}

void window_change(struct text *t, const struct msg_change *m)
{
	char id[OPID_TEXT];

	text_add(t, "{\"seq\":%" PRIu64 ",\"id\":\"%s\"", m->seq, opid_text(m->kind, &m->id, id));
	member_text(t, "kind", text_of(op_name(m->kind)));
	member_text(t, "state", text_of(state_name(m->state)));
	member_text(t, "reason", m->reason);
	member_u64(t, "op", m->op);
	member_u64(t, "chain", m->chain);
	member_u64(t, "at_ms", m->at_ms);
	member_u64(t, "block", m->block);
	member_tx(t, &m->tx);
	text_add(t, "}");
}

const char *window_stage_state(uint64_t state)
{
	return state == 1 ? "runs" : state == 2 ? "paused" :
	       state == 3 ? "paused by an operator" : "unknown";
}

void window_stage(struct text *t, const struct msg_stage *m)
{
	text_add(t, "{\"name\":");
	text_json(t, m->name);
	member_text(t, "state", text_of(window_stage_state(m->state)));
	member_u64(t, "since_ms", m->since_ms);
	member_text(t, "why", m->why);
	member_text(t, "clears", m->clears);
	text_add(t, "}");
}

/* A decimal number as JSON has it, of at most 15 digits: every reader takes it exactly. */
static bool is_number(struct bytes v)
{
	if (v.len == 0 || v.len > 15 || (v.len > 1 && v.p[0] == '0'))
		return false;
	for (size_t i = 0; i < v.len; i++)
		if (v.p[i] < '0' || v.p[i] > '9')
			return false;
	return true;
}

void window_figure(struct text *t, const struct msg_figure *m)
{
	text_json(t, m->name);
	text_bytes(t, BYTES(":", 1));
	if (is_number(m->value))
		text_bytes(t, m->value);
	else
		text_json(t, m->value);
}
