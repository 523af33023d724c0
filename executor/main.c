/*
 * executor - the only memory of requests; asks the Core and hands answers on.
 *
 * Hears:  events, heads and retractions from the listener; what became of answers from the
 *         submitter; questions from monitor and operators.
 * Says:   grants and questions to the listener, answers to the submitter.
 * Owns:   the store, from store_open() until the process ends; the credentials of the storage,
 *         which sign requests to the operator's own server and to no other.
 * Trusts: nobody.  An event's data is decoded again here, a ciphertext must have its digest,
 *         the Core's answer must carry the registered signature before it is one.
 */

#include <unistd.h>

#include "common/log.h"
#include "common/proc.h"
#include "executor/chainview.h"
#include "executor/executor.h"
#include "executor/op.h"

#define TICK_S        0.5	/* changes that nobody waits for reach the store */
#define PRUNE_AFTER_MS (30ull * 24 * 3600 * 1000)
#define SLOW_TICKS    20
#define CLOCK_JUMP_MS 60000	/* more between two ticks: we did not run */

static const struct stage_row core_row = {
	.name = "core",
	.down = EV_X001_core_down,
	.up = EV_X002_core_up,
	.busy = EV_X029_core_full,
	.refusal = EV_X016_core_paused,
	.odd = EV_X023_core_odd,
	.gauge = CNT_EXECUTOR_paused_core,
	.halted = "halted_core",
	.clears = "by itself: the Core is asked again and again",
};
static const struct stage_row storage_row = {
	.name = "storage",
	.down = EV_X007_storage_paused,
	.up = EV_X008_storage_up,
	.gauge = CNT_EXECUTOR_paused_storage,
	.halted = "halted_storage",
	.clears = "by itself: the buckets are asked again and again",
};
static const struct stage_row sending_row = {
	.name = "sending",
	.down = EV_X021_sending_paused,
	.up = EV_X022_sending_on,
	.gauge = CNT_EXECUTOR_paused_sending,
	.halted = "halted_sending",
	.clears = "by itself",
};

struct executor_chain *find_chain(struct executor *x, uint64_t id)
{
	for (unsigned i = 0; i < x->chains; i++)
		if (x->chain[i].id == id)
			return &x->chain[i];
	return NULL;
}

static void on_release(void *owner, struct op *op)
{
	(void)owner;
	op_fire(op, OP_EVENT_go, NULL);
}

static void read_options(struct executor *x)
{
	const struct settings *s = x->settings;

	x->opt = (struct executor_options){
		.deadline_ms = get_setting_u64(s, "request_deadline_s") * 1000,
		.attempt_s = (double)get_setting_u64(s, "decryption_timeout_s"),
		.retry_s = (double)get_setting_u64(s, "retry_interval_s"),
		.window = (unsigned)get_setting_u64(s, "window"),
		.body_budget = get_setting_u64(s, "body_budget"),
		.message_max = get_setting_u64(s, "core.max_message"),
		.keepalive_s = (unsigned)get_setting_u64(s, "core.keepalive_s"),
		.send_late = strcmp(get_setting(s, "late_answers"), "send") == 0,
		.observes = strcmp(get_setting(s, "sending"), "observe") == 0,
		.centralized = strcmp(get_setting(s, "core.mode"), "centralized") == 0,
		.wants_signature = strcmp(get_setting(s, "user_signature"), "required") == 0,
		.allow_private = get_setting_u64(s, "s3.private_ok") != 0,
		.account = get_setting_addr(s, "account"),
		.core_signer = get_setting_addr(s, "kms_signer_address"),
	};
}

static void open_chains(struct executor *x)
{
	x->chains = (unsigned)get_setting_u64(x->settings, "chain");
	check(x->chains > 0 && x->chains <= CHAINS_MAX);
	for (unsigned i = 0; i < x->chains; i++) {
		x->chain[i].x = x;
		x->chain[i].id = get_setting_u64(x->settings, "chain.%u.id", i);
		x->chain[i].name = get_setting(x->settings, "chain.%u.name", i);
	}
}

/* What an executor before this one said last is not so any more. */
static void begin_gauges(void)
{
	gauge(CNT_EXECUTOR_active, 0);
	gauge(CNT_EXECUTOR_body_bytes, 0);
}

static void open_stages(struct executor *x)
{
	stage_init(&x->core_stage, &core_row, x->loop, on_release, x);
	stage_init(&x->storage_stage, &storage_row, x->loop, on_release, x);
	stage_init(&x->sending_stage, &sending_row, x->loop, on_release, x);
	line_init(&x->core_line, LINE_CORE);
	line_init(&x->submit_line, LINE_SUBMIT);
}

static bool is_anything_paused(const struct executor *x)
{
	return x->core_stage.state != STAGE_RUNS || x->storage_stage.state != STAGE_RUNS ||
	       x->sending_stage.state != STAGE_RUNS;
}

static void turn_clock(struct executor *x)
{
	uint64_t now = clock_mono_ms(), past = now - x->ticked_ms;

	x->ticked_ms = now;
	if (!is_anything_paused(x) && past < CLOCK_JUMP_MS)
		x->run_ms += past;
}

/* Each ten seconds: what need not be exact. */
static void on_slow_tick(struct executor *x)
{
	gauge(CNT_EXECUTOR_open, store_count_open(x->store));
	if (!store_is_full(x->store))
		store_put_figure(x->store, "run_ms", x->run_ms);
	if (clock_unix_ms() > PRUNE_AFTER_MS)	/* a clock that begins in 1970 ends nothing */
		store_put_prune(x->store, clock_unix_ms() - PRUNE_AFTER_MS);
	op_load_aside(x);
	for (unsigned i = 0; i < x->chains; i++)	/* also while no block comes */
		op_recheck_waiting(x, x->chain[i].id);
}

static void on_tick(void *owner)
{
	struct executor *x = owner;

	turn_clock(x);
	op_flush(x);
	op_load_more(x);
	if (x->ticks++ % SLOW_TICKS == 0)
		on_slow_tick(x);
	executor_show(x);
}

static void on_flush(void *owner)
{
	op_flush(owner);
}

static void open_storage(struct executor *x)
{
	int fd = proc_fd("credentials");
	const char *why;

	if (s3_open(&x->s3, x->settings, fd, &why) != OK) {
		log_say(EV_X024_credentials_bad, "why=\"%s\"", why);
		_exit(EXIT_config);
	}
	if (fd >= 0)
		close(fd);
}

static void executor_open(struct executor *x)
{
	static const struct http_limits limits = { .connections_per_host = 32, .connections = 128 };

	x->loop = loop_new();
	x->settings = proc_settings();
	check(profile_load(x->settings, NULL, &x->profile) == OK);
	read_options(x);
	open_chains(x);
	open_stages(x);
	open_storage(x);
	x->http = http_new(x->loop, &limits);
	x->tick = timer_new(x->loop, on_tick, x);
	x->flush = timer_new(x->loop, on_flush, x);
	x->core_limit = x->opt.window < 256 ? x->opt.window : 256;
}

/* An operator's pause outlives us. */
static void keep_halted(struct executor *x, struct stage *s)
{
	if (store_figure(x->store, s->row->halted))
		stage_halt(s);
}

static void on_full(void *owner, bool full)
{
	struct executor *x = owner;
	uint64_t now = loop_now_ms(x->loop);

	if (full)
		log_say(EV_X030_disk_full, "open=%llu",
			(unsigned long long)store_count_open(x->store));
	else
		log_say(EV_X031_disk_room, "after_ms=%llu", (unsigned long long)(now - x->full_ms));
	x->full_ms = now;
	executor_show(x);
}

/* What starts threads or speaks to others starts after the rights are gone. */
static void executor_start(struct executor *x)
{
	const char *core[CORES_MAX];
	unsigned n = (unsigned)get_setting_u64(x->settings, "core");

	check(n > 0 && n <= CORES_MAX);
	for (unsigned i = 0; i < n; i++)
		core[i] = get_setting(x->settings, "core.%u", i);
	x->store = store_open(x->loop, ".");
	store_on_full(x->store, on_full, x);
	x->run_ms = store_figure(x->store, "run_ms");
	x->ticked_ms = clock_mono_ms();
	keep_halted(x, &x->core_stage);
	keep_halted(x, &x->storage_stage);
	keep_halted(x, &x->sending_stage);
	x->core = core_new(x->loop, core, n, x->opt.message_max, x->opt.keepalive_s);
	x->view = chainview_new(x);
	x->fetcher = fetcher_new(x);
	observe_open(x);
	/* Everything open comes to memory, as far as the window permits. */
	store_list(x->store, 0, 0, 0, 1, (struct store_visitor){ .row = op_note_newest, .owner = x });
	op_load_more(x);
	intake_open(x);
	outlet_open(x);
	follow_open(x);
	window_open(x);
	timer_start(x->tick, 0.05, TICK_S);
}

static void executor_close(struct executor *x)
{
	op_flush(x);
	op_drop_all(x);
	core_free(&x->core);
	store_close(&x->store);
}

int main(int argc, char **argv)
{
	static struct executor self;

	proc_start(ROLE_EXECUTOR, argc, argv);
	begin_gauges();
	executor_open(&self);		/* the last thing that needs a right */
	proc_confine(RIGHTS_STORE);
	executor_start(&self);
	int code = proc_serve(self.loop);
	executor_close(&self);
	return code;
}
