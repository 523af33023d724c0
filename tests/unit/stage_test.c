/* stage - paused once for many troubles; a canary finds out whether it is over. */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "executor/op.h"
#include "executor/stage.h"
#include "proto/counters.h"

TestSuite(stage, .timeout = 20);

static const struct stage_row row = {
	.name = "core", .down = EV_X001_core_down, .up = EV_X002_core_up,
	.gauge = CNT_EXECUTOR_paused_core, .clears = "by itself",
};

static struct {
	struct loop *loop;
	struct stage stage;
	unsigned released;
	struct op *last;
} t;

static void on_release(void *owner, struct op *op)
{
	(void)owner;
	t.released++;
	t.last = op;
}

static void begin(void)
{
	t.loop = loop_new();
	log_open("test", "logfmt", LOG_ERROR);
	stage_init(&t.stage, &row, t.loop, on_release, NULL);
}

static void on_time(void *owner)
{
	loop_stop(owner);
}

static void run_for(double seconds)
{
	struct timer *timer = timer_new(t.loop, on_time, t.loop);

	timer_start(timer, seconds, 0);
	loop_run(t.loop);
	timer_free(&timer);
}

Test(stage, five_odd_ones_pause_it, .init = begin)
{
	for (unsigned i = 0; i < 4; i++)
		stage_trouble(&t.stage, TROUBLE_ODD, "odd");
	cr_assert_eq(t.stage.state, STAGE_RUNS);
	stage_trouble(&t.stage, TROUBLE_ODD, "odd");
	cr_assert_eq(t.stage.state, STAGE_PAUSED);
	stage_reached(&t.stage);
	cr_assert_eq(t.stage.state, STAGE_PAUSED, "that it answers was never the trouble");
	stage_fine(&t.stage);
	cr_assert_eq(t.stage.state, STAGE_RUNS);
	/* counted anew */
	stage_trouble(&t.stage, TROUBLE_ODD, "odd");
	cr_assert_eq(t.stage.state, STAGE_RUNS);
}

Test(stage, an_outage_pauses_at_once_and_a_canary_clears_it, .init = begin)
{
	struct op ops[3] = { { .number = 1 }, { .number = 2 }, { .number = 3 } };

	stage_trouble(&t.stage, TROUBLE_OUTAGE, "gone");
	for (unsigned i = 0; i < 3; i++)
		cr_assert_not(stage_admit(&t.stage, &ops[i]));
	cr_assert_eq(t.stage.parked, 3);
	run_for(1.2);
	cr_assert_eq(t.released, 1, "one canary");
	cr_assert_eq(t.last, &ops[0]);
	cr_assert(stage_admit(&t.stage, &ops[0]), "it may go on");
	cr_assert(stage_admit(&t.stage, &ops[0]), "and on, if it has to come back for its bodies");
	cr_assert_not(stage_admit(&t.stage, &ops[1]));
	stage_trouble(&t.stage, TROUBLE_OUTAGE, "still gone");	/* what it found */
	cr_assert_not(stage_admit(&t.stage, &ops[0]));
	run_for(1.2);
	cr_assert_eq(t.released, 2);
	stage_fine(&t.stage);
	cr_assert_eq(t.released, 4, "all go on");
	cr_assert_eq(t.stage.parked, 0);
	cr_assert_eq(t.stage.state, STAGE_RUNS);
}

Test(stage, one_that_is_over_does_not_wait, .init = begin)
{
	struct op ops[2] = { { .number = 1 }, { .number = 2 } };

	stage_trouble(&t.stage, TROUBLE_REFUSAL, "no");
	for (unsigned i = 0; i < 2; i++)
		cr_assert_not(stage_admit(&t.stage, &ops[i]));
	stage_forget(&t.stage, &ops[1]);
	stage_forget(&t.stage, &ops[1]);
	cr_assert_eq(t.stage.parked, 1);
	stage_fine(&t.stage);
	cr_assert_eq(t.released, 1);
	cr_assert_eq(t.last, &ops[0]);
}

Test(stage, a_canary_that_is_over_is_none, .init = begin)
{
	struct op ops[2] = { { .number = 1 }, { .number = 2 } };

	stage_trouble(&t.stage, TROUBLE_OUTAGE, "gone");
	cr_assert_not(stage_admit(&t.stage, &ops[0]));
	run_for(1.2);
	cr_assert_eq(t.released, 1);
	stage_forget(&t.stage, &ops[0]);
	cr_assert_not(stage_admit(&t.stage, &ops[0]), "another request at the same place");
	cr_assert_not(stage_admit(&t.stage, &ops[1]));
}

Test(stage, status_tells_the_latest_cause, .init = begin)
{
	stage_trouble(&t.stage, TROUBLE_OUTAGE, "gone");
	stage_trouble(&t.stage, TROUBLE_REFUSAL, "no");
	cr_assert_str_eq(t.stage.why, "no");
}

Test(stage, canaries_come_less_and_less_often, .init = begin)
{
	struct op op = { .number = 1 };

	stage_trouble(&t.stage, TROUBLE_REFUSAL, "no");
	cr_assert_not(stage_admit(&t.stage, &op));
	run_for(1.2);
	cr_assert_eq(t.released, 1, "the first after a second");
	t.stage.paused_ms -= 20000;
	stage_trouble(&t.stage, TROUBLE_REFUSAL, "no");
	cr_assert(t.stage.canary_s > 5 && t.stage.canary_s < 6, "a quarter of the time so far");
	t.stage.paused_ms -= 3600000;
	stage_trouble(&t.stage, TROUBLE_ODD, "odd");
	cr_assert_eq(t.stage.canary_s, 30);
	stage_trouble(&t.stage, TROUBLE_OUTAGE, "gone");
	cr_assert_eq(t.stage.canary_s, 1, "what cannot be reached costs nothing to ask");
	stage_fine(&t.stage);
	stage_trouble(&t.stage, TROUBLE_REFUSAL, "no");
	cr_assert_eq(t.stage.canary_s, 1, "a new pause begins anew");
}

Test(stage, who_takes_no_more_is_asked_each_second, .init = begin)
{
	struct op op = { .number = 1 };

	stage_trouble(&t.stage, TROUBLE_BUSY, "busy");
	cr_assert_eq(t.stage.state, STAGE_PAUSED, "at once");
	cr_assert_not(stage_admit(&t.stage, &op));
	t.stage.paused_ms -= 3600000;
	stage_trouble(&t.stage, TROUBLE_BUSY, "busy");
	cr_assert_eq(t.stage.canary_s, 1);
}

Test(stage, an_operators_word_counts_more, .init = begin)
{
	struct op op = { .number = 1 };

	stage_halt(&t.stage);
	stage_trouble(&t.stage, TROUBLE_OUTAGE, "gone");
	cr_assert_not(stage_admit(&t.stage, &op));
	stage_fine(&t.stage);
	run_for(1.3);
	cr_assert_eq(t.released, 0);
	cr_assert_eq(t.stage.state, STAGE_HALTED);
	stage_proceed(&t.stage);
	cr_assert_eq(t.released, 1);
}
