/* tables - what the rows of proto/ become: one descriptor for each message, names by number. */

#include <string.h>

#include "proto/ipc.h"
#include "proto/operations.h"
#include "proto/states.h"

#define MEMBER(m, ftype, fname, flimit, ftext) \
	{ .type = IPC_##ftype, .offset = offsetof(struct msg_##m, fname), .limit = flimit, \
	  .name = #fname, .text = ftext },
#define MESSAGE(num, mname, mfrom, mto, mwindow, mtext) \
	static const struct ipc_field fields_##mname[] = { IPC_##mname(MEMBER, mname) }; \
	_Static_assert(ARRAY_LEN(fields_##mname) <= IPC_FIELDS_MAX, #mname); \
	const struct ipc_msg ipc_##mname = { \
		.number = num, .fields = ARRAY_LEN(fields_##mname), .window = mwindow, \
		.size = sizeof(struct msg_##mname), .name = #mname, .from = #mfrom, .to = #mto, \
		.text = mtext, .field = fields_##mname, \
	};
IPC_ALL(MESSAGE)
#undef MESSAGE
#undef MEMBER

const struct ipc_msg *const ipc_messages[] = {
#define MESSAGE(number, name, from, to, window, text) &ipc_##name,
	IPC_ALL(MESSAGE)
#undef MESSAGE
	NULL,
};

const struct ipc_msg *find_ipc_msg(uint8_t number)
{
	switch (number) {
#define MESSAGE(num, name, from, to, window, text) case num: return &ipc_##name;
	IPC_ALL(MESSAGE)
#undef MESSAGE
	}
	return NULL;
}

const char *ipc_role_name(enum ipc_role role)
{
	static const char *const names[ROLE_COUNT] = {
		[ROLE_SUPERVISOR] = "supervisor", [ROLE_LISTENER] = "listener",
		[ROLE_EXECUTOR] = "executor", [ROLE_SUBMITTER] = "submitter",
		[ROLE_SIGNER] = "signer", [ROLE_MONITOR] = "monitor",
		[ROLE_OPERATOR] = "operator",
	};
	return names[role];
}

struct op_row {
	const char *name, *prefix;
	enum op_group group;
};

static const struct op_row ops[KIND_COUNT] = {
#define OP(number, oname, oprefix, ogroup, finality, text) \
	[number] = { .name = #oname, .prefix = oprefix, .group = OP_##ogroup },
	OPERATIONS(OP)
#undef OP
};

const char *op_name(uint64_t kind)
{
	return kind < KIND_COUNT ? ops[kind].name : NULL;
}

const char *op_prefix(uint64_t kind)
{
	return kind < KIND_COUNT ? ops[kind].prefix : NULL;
}

enum op_group op_group(uint64_t kind)
{
	return kind < KIND_COUNT ? ops[kind].group : OP_OBSERVED;
}

enum op_kind op_by_name(const char *name)
{
	for (unsigned i = 1; i < KIND_COUNT; i++)
		if (ops[i].name && strcmp(ops[i].name, name) == 0)
			return (enum op_kind)i;
	return (enum op_kind)0;
}

enum op_kind op_by_prefix(const char *prefix, unsigned len)
{
	for (unsigned i = 1; i < KIND_COUNT; i++)
		if (ops[i].prefix && strlen(ops[i].prefix) == len && memcmp(ops[i].prefix, prefix, len) == 0)
			return (enum op_kind)i;
	return (enum op_kind)0;
}

struct state_row {
	const char *name, *text;
	bool open;
};

#define LIFE_OPEN  true
#define LIFE_ENDED false
static const struct state_row states[STATE_COUNT] = {
#define S(number, sname, life, stext) [number] = { .name = #sname, .text = stext, .open = LIFE_##life },
	STATES(S)
#undef S
};

const char *state_name(uint64_t state)
{
	return state < STATE_COUNT ? states[state].name : NULL;
}

const char *state_text(uint64_t state)
{
	return state < STATE_COUNT ? states[state].text : NULL;
}

bool state_is_open(uint64_t state)
{
	return state < STATE_COUNT && states[state].open;
}

enum op_state state_by_name(const char *name)
{
	for (unsigned i = 1; i < STATE_COUNT; i++)
		if (states[i].name && strcmp(states[i].name, name) == 0)
			return (enum op_state)i;
	return (enum op_state)0;
}
