/* op - the table of states: every state is reached, every open one survives a restart. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "executor/op.h"
#include "executor/verdict.h"

TestSuite(op, .timeout = 20);

struct row {
	enum op_state in, then;
	enum op_event on;
};

static const struct row rows[] = {
#define EDGE(in, on, act, then) { STATE_##in, STATE_##then, OP_EVENT_##on },
	OP_EDGES(EDGE)
#undef EDGE
};

Test(op, every_state_is_reached)
{
	bool reached[STATE_COUNT] = { [STATE_seen] = true, [STATE_retracted] = true };

	for (unsigned round = 0; round < STATE_COUNT; round++)
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			if (reached[rows[i].in])
				reached[rows[i].then] = true;
	for (unsigned s = 1; s < STATE_COUNT; s++)
		cr_assert(reached[s], "%s", state_name(s));
}

Test(op, every_open_state_goes_on_after_a_restart)
{
	for (unsigned s = 1; s < STATE_COUNT; s++) {
		bool goes = false;
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			goes = goes || (rows[i].in == s && rows[i].on == OP_EVENT_go);
		cr_assert_eq(goes, state_is_open(s), "%s", state_name(s));
	}
}

Test(op, nothing_leaves_an_ended_state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert(state_is_open(rows[i].in), "%s", state_name(rows[i].in));
}

Test(op, an_edge_stands_once)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t k = i + 1; k < ARRAY_LEN(rows); k++)
			cr_assert_not(rows[i].in == rows[k].in && rows[i].on == rows[k].on, "%s",
				      state_name(rows[i].in));
}

Test(op, an_answer_is_on_disk_before_it_is_brought)
{
	/* submitting is entered from answered only, and answered only by an answer */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].then == STATE_submitting && rows[i].in != STATE_submitting)
			cr_assert_eq(rows[i].in, STATE_answered);
		if (rows[i].then == STATE_answered)
			cr_assert_eq(rows[i].on, OP_EVENT_answer);
	}
}

Test(op, every_status_of_the_core_has_a_verdict)
{
	unsigned n = 0;

#define V(status, start, result) \
	cr_assert_eq((unsigned)CORE_##status, n, #status); \
	n++;
	CORE_VERDICTS(V)
#undef V
	cr_assert_eq(n, 17);
}
