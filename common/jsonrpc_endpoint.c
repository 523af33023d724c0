/*
 * jsonrpc_endpoint - which endpoint is asked.
 *
 * An endpoint is used after it has said the right chain id, until a failure makes the next one
 * be used.  After three failures in a row it has to say its chain id again.  So the check of the
 * chain id is at once the first step, the regular check and the half-open probe of the breaker.
 */
#include "common/jsonrpc_pool.h"

#define FAILURES_MAX      3
#define CHECK_EVERY_MS    60000
#define CHECK_TIMEOUT_S   5.0
#define SMALL_S           10.0		/* who waits longer expects a large answer */
#define PATIENCE_S        2.0		/* for a small one, at first */
#define PATIENT_MS        60000		/* after an answer that was slow or did not come in time */
#define WRONG_FIRST_MS    1000	/* an endpoint on another chain is asked again, twice as */
#define WRONG_LAST_MS     30000	/* late each time */
#define ALONE_AGAIN_MS    1000		/* no endpoint answers: as soon as one is back, go on */
#define PROBE_FIRST_MS    5000
#define PROBE_MAX_MS      60000
#define THROTTLE_FIRST_MS 100
#define THROTTLE_LAST_MS  30000		/* of our own pauses */
#define THROTTLE_MAX_MS   60000		/* of those that the node asks for */

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool is_ready(const struct endpoint *e, uint64_t now)
{
	return e->up && now >= e->throttled_until_ms;
}

bool endpoint_any_up(const struct jsonrpc *j)
{
	for (unsigned i = 0; i < j->count; i++)
		if (j->endpoint[i].up)
			return true;
	return false;
}

bool endpoint_all_tried(const struct jsonrpc *j)
{
	for (unsigned i = 0; i < j->count; i++)
		if (!j->endpoint[i].tried)
			return false;
	return true;
}

static void use(struct jsonrpc *j, unsigned i)
{
	if (j->in_use == i)
		return;
	j->in_use = i;
	if (j->reach == UP && j->events.on_failover)
		j->events.on_failover(j->owner, j->endpoint[i].name);
}

/* The first that is ready, SKIP places after the one in use. */
static struct endpoint *find_ready(struct jsonrpc *j, unsigned skip)
{
	uint64_t now = loop_now_ms(j->loop);

	for (unsigned n = skip; n < j->count; n++) {
		unsigned i = (j->in_use + n) % j->count;

		if (!is_ready(&j->endpoint[i], now))
			continue;
		use(j, i);
		return &j->endpoint[i];
	}
	return NULL;
}

struct endpoint *endpoint_choose(struct jsonrpc *j)
{
	return find_ready(j, 0);
}

bool jsonrpc_move_on(struct jsonrpc *j, const char *endpoint)
{
	if (strcmp(j->endpoint[j->in_use].name, endpoint) != 0)
		return true;
	return find_ready(j, 1);
}

bool jsonrpc_is_up(const struct jsonrpc *j)
{
	return endpoint_any_up(j);
}

uint64_t jsonrpc_chain_id(const struct jsonrpc *j)
{
	return j->chain_id;
}

unsigned jsonrpc_endpoints(const struct jsonrpc *j)
{
	return j->count;
}

bool jsonrpc_endpoint_is_up(const struct jsonrpc *j, unsigned endpoint)
{
	return endpoint < j->count && j->endpoint[endpoint].up;
}

static void arm_check(struct jsonrpc *j)
{
	uint64_t now = loop_now_ms(j->loop), at = UINT64_MAX;

	for (unsigned i = 0; i < j->count; i++)
		if (!j->endpoint[i].checking)
			at = min(at, j->endpoint[i].check_at_ms);
	if (at == UINT64_MAX)
		timer_stop(j->check_timer);
	else
		timer_start(j->check_timer, at > now ? (double)(at - now) / 1000 : 0, 0);
}

void jsonrpc_seek(struct jsonrpc *j)
{
	for (unsigned i = 0; i < j->count; i++)
		if (!j->endpoint[i].up)
			j->endpoint[i].check_at_ms = 0;
	arm_check(j);
}

void jsonrpc_doubt(struct jsonrpc *j, const char *endpoint)
{
	for (unsigned i = 0; i < j->count; i++)
		if (strcmp(j->endpoint[i].name, endpoint) == 0 && j->endpoint[i].up)
			j->endpoint[i].check_at_ms = 0;
	arm_check(j);
}

/* Nobody to lean on: ask each often. */
static void hurry_checks(struct jsonrpc *j)
{
	uint64_t at = loop_now_ms(j->loop) + ALONE_AGAIN_MS;

	for (unsigned i = 0; i < j->count; i++)
		if (!j->endpoint[i].wrong)
			j->endpoint[i].check_at_ms = min(j->endpoint[i].check_at_ms, at);
}

/* Tells the owner when the first endpoint is up or the last one down; moves what waited. */
static void reach_update(struct jsonrpc *j, const char *why)
{
	enum reach was = j->reach;
	enum reach now = endpoint_any_up(j) ? UP : endpoint_all_tried(j) ? DOWN : BEGINNING;

	if (now == DOWN)
		hurry_checks(j);
	arm_check(j);
	if (now == BEGINNING)
		return;
	if (now != was && now == UP)
		endpoint_choose(j);	/* not a fail-over yet */
	j->reach = now;
	if (now != was && now == UP && j->events.on_up)
		j->events.on_up(j->owner, j->endpoint[j->in_use].name);
	if (now != was && now == DOWN && j->events.on_down)
		j->events.on_down(j->owner, why);
	batch_launch_waiting(j);
}

static void down(struct endpoint *e, uint64_t again_ms, const char *why)
{
	e->up = false;
	e->tried = true;
	e->check_at_ms = loop_now_ms(e->j->loop) + again_ms;
	reach_update(e->j, why);
}

void endpoint_failed(struct endpoint *e, const char *why)
{
	if (!e->up)
		return;
	if (++e->failures < FAILURES_MAX) {
		jsonrpc_move_on(e->j, e->name);
		return;
	}
	e->probe_ms = PROBE_FIRST_MS;
	down(e, e->probe_ms, why);
}

void endpoint_answered(struct endpoint *e, uint64_t took_ms)
{
	e->failures = 0;
	e->throttle_ms = 0;
	if (took_ms > (uint64_t)(PATIENCE_S * 1000))
		e->patient_until_ms = loop_now_ms(e->j->loop) + PATIENT_MS;
}

void endpoint_throttled(struct endpoint *e, uint64_t retry_after_s)
{
	uint64_t ms;

	e->throttle_ms = e->throttle_ms ? min(e->throttle_ms * 2, THROTTLE_LAST_MS) :
			 THROTTLE_FIRST_MS;
	ms = retry_after_s ? min(retry_after_s, THROTTLE_MAX_MS / 1000) * 1000 : e->throttle_ms;
	e->throttled_until_ms = loop_now_ms(e->j->loop) + ms;
	if (e->j->events.on_throttled)
		e->j->events.on_throttled(e->j->owner, e->name);
}

/*
 * A connection may fall silent for good, and small answers come at once: so they are not waited
 * for as long as the caller would.  A node that is slow, not silent, is given twice the time after
 * each answer that was late.
 */
double endpoint_patience(struct endpoint *e, double timeout_s)
{
	if (!e->patience_s || loop_now_ms(e->j->loop) >= e->patient_until_ms)
		e->patience_s = PATIENCE_S;
	return timeout_s > SMALL_S || timeout_s < e->patience_s ? timeout_s : e->patience_s;
}

void endpoint_late(struct endpoint *e)
{
	if (e->patience_s < SMALL_S)
		e->patience_s *= 2;
	e->patient_until_ms = loop_now_ms(e->j->loop) + PATIENT_MS;
}

static void check_failed(struct endpoint *e, const char *why)
{
	if (e->up) {
		endpoint_failed(e, why);
		arm_check(e->j);
		return;
	}
	e->probe_ms = e->probe_ms ? min(e->probe_ms * 2, PROBE_MAX_MS) : PROBE_FIRST_MS;
	down(e, e->probe_ms, why);
}

static void wrong_chain(struct endpoint *e, uint64_t id)
{
	if (!e->wrong && e->j->events.on_wrong_chain)
		e->j->events.on_wrong_chain(e->j->owner, e->name, id);
	e->wrong = true;
	e->probe_ms = e->probe_ms ? min(e->probe_ms * 2, WRONG_LAST_MS) : WRONG_FIRST_MS;
	down(e, e->probe_ms, "a node is on another chain");
}

static void on_chain_id(void *owner, const struct jsonrpc_reply *r)
{
	struct endpoint *e = owner;
	uint64_t id;

	e->checking = false;
	e->check_at_ms = loop_now_ms(e->j->loop) + CHECK_EVERY_MS;
	if (r->outcome == RPC_THROTTLED && e->up) {
		arm_check(e->j);	/* it has said its id before, and will again */
	} else if (r->outcome != RPC_OK || json_u64(r->result, &id) != OK) {
		check_failed(e, r->outcome == RPC_OK ? "no chain id" : r->message);
	} else if (e->j->chain_id && id != e->j->chain_id) {
		wrong_chain(e, id);
	} else {
		e->j->chain_id = id;
		e->up = e->tried = true;
		e->wrong = false;
		e->probe_ms = 0;
		reach_update(e->j, "");
	}
}

void endpoint_on_timer(void *owner)
{
	struct jsonrpc *j = owner;
	uint64_t now = loop_now_ms(j->loop);

	for (unsigned i = 0; i < j->count; i++) {
		struct endpoint *e = &j->endpoint[i];
		struct jsonrpc_call call = {
			.method = "eth_chainId", .params = "[]", .on_reply = on_chain_id, .owner = e,
		};

		if (e->checking || e->check_at_ms > now)
			continue;
		e->checking = true;
		batch_send_check(e, &call, CHECK_TIMEOUT_S);
	}
	arm_check(j);
}
