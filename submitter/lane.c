/* lane - our account on one chain: what the node says of it, what the journal says, pauses. */

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/proc.h"
#include "submitter/submitter.h"

#define ACCOUNT_BUSY_MS   1000	/* how old the account may be while there is work */
#define ACCOUNT_IDLE_MS   10000
#define CALL_TIMEOUT_S    5.0
#define LOOK_MIN_MS       10	/* from the node's word to the nonce, and twice that each time */
#define STILL_MS          5000	/* transactions in flight, and their nonce does not move */
#define QUIET_MS          10000	/* a foreign user of the account must have been silent so long */
#define CANARY_MIN_MS     1000
#define CANARY_PART       4
#define GAS_TYPICAL       300000
#define GWEI              1000000000

static const struct {
	unsigned canary_max_ms;
	const char *clears;
} pauses[PAUSE_COUNT] = {
	[PAUSE_none] = { 0, "" },
#define P(name, canary_max_ms, clears) [PAUSE_##name] = { canary_max_ms, clears },
	PAUSES(P)
#undef P
};

static void on_rpc_call(void *owner, unsigned calls, bool failed)
{
	(void)owner;
	count(CNT_SUBMITTER_rpc_calls, calls);
	if (failed)
		count(CNT_SUBMITTER_rpc_errors, calls);
}

static void on_rpc_down(void *owner, const char *why)
{
	struct lane *l = owner;

	log_say(EV_T005_node_down, "chain=%s why=\"%s\"", l->name, why);
	lane_pause(l, PAUSE_no_node, "no chain node answers");
}

static void on_rpc_up(void *owner, const char *endpoint)
{
	struct lane *l = owner;

	log_say(EV_T006_node_up, "chain=%s rpc=%s", l->name, endpoint);
	if (l->pause == PAUSE_no_node)
		lane_resume(l);
	txs_hurry(l);
	lane_work(l);
}

static void on_wrong_chain(void *owner, const char *endpoint, uint64_t chain_id)
{
	struct lane *l = owner;

	log_say(EV_L005_wrong_chain, "chain=%s rpc=%s want=%llu has=%llu", l->name, endpoint,
		(unsigned long long)l->chain, (unsigned long long)chain_id);
}

static void on_rpc_throttled(void *owner, const char *endpoint)
{
	(void)owner, (void)endpoint;
	count(CNT_SUBMITTER_rpc_throttled, 1);
}

static const struct jsonrpc_events rpc_events = {
	.on_call = on_rpc_call,
	.on_down = on_rpc_down,
	.on_up = on_rpc_up,
	.on_wrong_chain = on_wrong_chain,
	.on_throttled = on_rpc_throttled,
};

/* Pauses. */

static void say_pause(struct lane *l)
{
	struct msg_paused m = { .chain = l->chain, .why = bytes_str(l->paused_why),
				.clears = bytes_str(pauses[l->pause].clears) };

	if (send_paused(l->s->executor, &m) != OK)
		return;		/* a new executor is told when it comes */
}

static void say_funds(struct lane *l)
{
	struct msg_funds m = {
		.chain = l->chain, .account = l->s->account, .balance = l->balance,
		.chain_nonce = l->chain_nonce, .next_nonce = l->next_nonce,
		.hour_left = l->hour_left, .day_left = l->day_left,
	};
	uint64_t wei_high;
	struct u256 gwei;

	u256_divmod_u64(&l->balance, GWEI, &gwei);
	if (u256_to_u64(&gwei, &wei_high))
		wei_high = UINT64_MAX;
	gauge(CNT_SUBMITTER_balance_gwei, wei_high);
	if (send_funds(l->s->executor, &m) != OK)
		return;
}

void lane_say_state(struct lane *l)
{
	if (l->pause)
		say_pause(l);
	if (l->has_account)
		say_funds(l);
}

/* A quarter of the time that the pause has lasted. */
unsigned lane_canary_ms(const struct lane *l)
{
	unsigned most = pauses[l->pause].canary_max_ms;
	uint64_t wait = (clock_mono_ms() - l->paused_ms) / CANARY_PART;

	if (most == 0)
		return 0;
	return wait < CANARY_MIN_MS ? CANARY_MIN_MS : wait < most ? (unsigned)wait : most;
}

void lane_pause(struct lane *l, enum pause pause, const char *why)
{
	if (!l->pause) {
		l->pause = pause;
		l->paused_ms = clock_mono_ms();
		snprintf(l->paused_why, sizeof(l->paused_why), "%s", why);
		if (pause != PAUSE_no_node)	/* said by T005 */
			log_say(EV_T001_paused, "chain=%s why=\"%s\" clears=\"%s\"", l->name, why,
				pauses[pause].clears);
		say_pause(l);
	}
	l->canary_ms = clock_mono_ms() + lane_canary_ms(l);
}

void lane_resume(struct lane *l)
{
	if (!l->pause)
		return;
	if (l->pause != PAUSE_no_node)	/* said by T006 */
		log_say(EV_T002_resumed, "chain=%s was=\"%s\"", l->name, l->paused_why);
	l->pause = PAUSE_none;
	l->paused_why[0] = 0;
	memset(l->reverted, 0, sizeof(l->reverted));
	say_pause(l);
	txs_hurry(l);
	lane_work(l);
}

bool lane_over_budget(struct lane *l, const struct msg_sign_refused *m, char why[200])
{
	char rule[36], detail[204];

	snprintf(why, 200, "the signer refuses (%s): %.140s",
		 wire_text(m->rule, rule, sizeof(rule)),
		 wire_text(m->detail, detail, sizeof(detail)));
	if (strncmp(rule, "budget", 6) != 0)
		return false;
	lane_pause(l, PAUSE_budget, why);
	return true;
}

/* Fees. */

uint64_t lane_fee(const struct lane *l)
{
	uint64_t want = l->base_fee > UINT64_MAX / 2 ? UINT64_MAX : l->base_fee * 2;

	if (want == 0)
		want = 1;
	return want < l->s->max_fee ? want : l->s->max_fee;
}

/* Enough for everything in flight and one more, and more than a node has found too little. */
static bool has_funds(const struct lane *l)
{
	struct u256 fee = u256_from_u64(lane_fee(l)), need;

	if (l->is_poor && u256_cmp(&l->balance, &l->poor_balance) <= 0)
		return false;
	if (!u256_mul_u64(&fee, (uint64_t)GAS_TYPICAL * (l->in_flight + 1u), &need))
		return false;
	return u256_cmp(&l->balance, &need) >= 0;
}

static void judge_funds(struct lane *l)
{
	if (l->s->observes)
		return;
	if (!has_funds(l))
		lane_pause(l, PAUSE_funds, "our account cannot pay for a transaction");
	else if (l->pause == PAUSE_funds)
		lane_resume(l);
}

/* Above the cap nothing of ours can be included, whatever is signed. */
static void judge_base_fee(struct lane *l)
{
	uint64_t fee = l->base_fee, cap = l->s->max_fee;
	char why[200];

	if (fee > cap) {
		snprintf(why, sizeof(why), "the base fee is %.3f gwei, sign.max_fee %.3f gwei",
			 (double)fee / GWEI, (double)cap / GWEI);
		lane_pause(l, PAUSE_base_fee, why);
	} else if (l->pause == PAUSE_base_fee) {
		lane_resume(l);
	}
}

bool lane_may_sign(const struct lane *l)
{
	return l->has_account && l->has_info && l->adopted && !l->replacing &&
	       link_is_up(l->s->signer) && !l->paused_by_operator && !l->s->observes;
}

/* Whose nonce counts: the journal's; a chain that is ahead of it was used by somebody else. */

static void adopt(struct lane *l)
{
	if (!l->adopting && ask_adopt(l, l->chain_nonce) == OK)
		l->adopting = true;
}

static void judge_nonces(struct lane *l, uint64_t was)
{
	uint64_t now = clock_mono_ms();

	if (!l->has_info || !link_is_up(l->s->signer) || l->s->observes)
		return;		/* another connector's nonces are not to be adopted */
	if (l->chain_nonce <= l->next_nonce)
		l->quiet_since_ms = 0;
	/* The signer hears what the chain says and nothing else: it permits another answer for a
	   request only when it knows that the first nonce is gone. */
	if (l->chain_nonce < l->next_nonce) {
		l->adopted = true;	/* it has signed beyond, so it knows where it is */
		return;
	}
	if (l->chain_nonce == l->next_nonce) {
		if (!l->adopted || l->replacing)
			adopt(l);
		return;
	}
	/* A new journal on a new account has nothing to wait for. */
	if (l->quiet_since_ms == 0 || l->chain_nonce != was) {
		l->quiet_since_ms = now;
		l->adopted = false;
		count(CNT_SUBMITTER_foreign_nonces, 1);
		log_say(EV_T003_foreign_nonce, "chain=%s chain_nonce=%llu journal_nonce=%llu", l->name,
			(unsigned long long)l->chain_nonce, (unsigned long long)l->next_nonce);
		return;
	}
	if (now - l->quiet_since_ms < QUIET_MS)
		return;
	log_say(EV_T008_adopted, "chain=%s nonce=%llu", l->name, (unsigned long long)l->chain_nonce);
	adopt(l);
	l->quiet_since_ms = 0;
}

/* Twice as late each time the nonce stands still; from the poll's period on that does it. */
void lane_look(struct lane *l)
{
	if (l->asking || timer_is_running(l->look) || l->look_ms >= l->poll_s * 1000)
		return;
	timer_start(l->look, (double)l->look_ms / 1000, 0);
	l->look_ms = l->look_ms ? 2 * l->look_ms : LOOK_MIN_MS;
}

/*
 * A sequencer answers when the transaction is in its block, so its nonce is asked for at once; a
 * node that is behind is asked less and less often.
 */
static void look_again(struct lane *l, uint64_t was)
{
	if (l->chain_nonce > was)
		l->look_ms = 0;
	if (txs_sent(l))
		lane_look(l);
}

/* The account, in one batch: nonce, balance, base fee; while something is in flight, the nonce. */

static void on_nonce(void *owner, const struct jsonrpc_reply *r)
{
	struct lane *l = owner;
	uint64_t was = l->chain_nonce, quiet_since_ms = l->quiet_since_ms, nonce;

	if (r->outcome != RPC_OK || json_u64(r->result, &nonce) != OK)
		return;
	if (nonce < was && l->has_account && nonce < l->next_nonce)
		l->fetching_nonce = nonce;	/* a node behind, or a reorg: bytes may be needed again */
	l->chain_nonce = nonce;
	if (nonce < was)
		txs_rewind(l);
	l->has_nonce = true;
	snprintf(l->account_node, sizeof(l->account_node), "%s", r->endpoint);
	judge_nonces(l, l->has_account ? was : nonce + 1);
	if (l->quiet_since_ms && !quiet_since_ms)
		jsonrpc_doubt(l->rpc, r->endpoint);	/* or is it an account of another chain? */
	if (nonce > was)
		txs_look(l);
	look_again(l, was);
}

static void on_balance(void *owner, const struct jsonrpc_reply *r)
{
	struct lane *l = owner;
	struct u256 v;

	if (r->outcome == RPC_OK && json_u256(r->result, &v) == OK)
		l->balance = v;
}

static void on_block(void *owner, const struct jsonrpc_reply *r)
{
	struct lane *l = owner;
	uint64_t fee;

	l->asking = false;
	if (r->outcome != RPC_OK)
		return;
	if (json_u64(json_get(r->result, "baseFeePerGas"), &fee) == OK)
		l->base_fee = fee;
	l->answered_ms = l->account_ms = clock_mono_ms();
	l->has_account = l->has_nonce;
	if (!l->s->observes) {
		judge_funds(l);
		judge_base_fee(l);
	}
	look_again(l, l->chain_nonce);
	say_funds(l);
	lane_work(l);
}

static void on_nonce_alone(void *owner, const struct jsonrpc_reply *r)
{
	struct lane *l = owner;

	l->asking = false;
	if (r->outcome != RPC_OK)
		return;
	on_nonce(l, r);
	l->answered_ms = clock_mono_ms();
	say_funds(l);
	lane_work(l);
}

/* The budgets, as often as the account is looked at while there is nothing in flight. */
static void ask_budgets(struct lane *l)
{
	if (!l->adopted || l->adopting || clock_mono_ms() - l->info_ms < ACCOUNT_BUSY_MS)
		return;
	l->info_ms = clock_mono_ms();
	if (ask_info(l) != OK)
		l->info_ms = 0;
}

static void ask_account(struct lane *l)
{
	char params[80], account[ADDR_TEXT];
	bool alone = l->has_account && l->in_flight && l->pause != PAUSE_base_fee &&
		     clock_mono_ms() - l->account_ms < ACCOUNT_IDLE_MS;
	struct jsonrpc_call call[3] = {
		{ .method = "eth_getTransactionCount", .params = params, .on_reply = on_nonce, .owner = l },
		{ .method = "eth_getBalance", .params = params, .on_reply = on_balance, .owner = l },
		{ .method = "eth_getBlockByNumber", .params = "[\"latest\",false]", .on_reply = on_block,
		  .owner = l },
	};

	if (l->asking)
		return;
	if (alone)
		call[0].on_reply = on_nonce_alone;
	snprintf(params, sizeof(params), "[\"%s\",\"latest\"]", addr_text(&l->s->account, account));
	l->asked_ms = clock_mono_ms();
	l->asking = jsonrpc_send(l->rpc, -1, call, alone ? 1 : ARRAY_LEN(call), CALL_TIMEOUT_S, NULL) == OK;
}

static void on_look(void *owner)
{
	ask_account(owner);
}

static bool has_work(const struct lane *l)
{
	return l->answers || l->txs || l->pause || !l->has_account ||
	       (!l->adopted && !l->s->observes) || l->quiet_since_ms;
}

static void say_ready(const struct lane *l)
{
	proc_ready(l->has_account && (l->adopted || l->s->observes) && l->s->executor != NULL);
	proc_note("%s", !link_is_up(l->s->signer) ? "waits for the signer"
			: !l->has_account	  ? "waits for the chain node"
			: !l->adopted && !l->s->observes ? "waits until the account is quiet"
			: !l->s->executor	  ? "waits for the executor" : "");
}

static void on_work(void *owner)
{
	struct lane *l = owner;

	say_ready(l);
	if (l->s->observes)
		return;
	answers_work(l);
	txs_work(l);
}

void lane_work(struct lane *l)
{
	loop_defer(l->s->loop, on_work, l);
}

/* What was sent is not used: the node asked may stand still, so another one is asked. */
static void look_elsewhere(struct lane *l)
{
	uint64_t now = clock_mono_ms();

	if (l->in_flight == 0 || l->still_nonce != l->chain_nonce) {
		l->still_nonce = l->chain_nonce;
		l->still_since_ms = now;
	} else if (now - l->still_since_ms > STILL_MS) {
		l->still_since_ms = now;
		jsonrpc_move_on(l->rpc, l->account_node);
	}
}

static void on_tick(void *owner)
{
	struct lane *l = owner;
	uint64_t age = clock_mono_ms() - l->asked_ms;
	/* In flight: the nonce tells in one call what was included. */
	uint64_t limit = l->in_flight ? (uint64_t)(l->poll_s * 1000)
			 : has_work(l) ? ACCOUNT_BUSY_MS : ACCOUNT_IDLE_MS;

	look_elsewhere(l);
	if (age + 20 >= limit) {
		ask_account(l);
		ask_budgets(l);
	}
	if (l->answers || l->txs)
		lane_work(l);
	say_ready(l);
}

struct lane *find_lane(struct submitter *s, uint64_t chain)
{
	for (unsigned i = 0; i < s->lanes; i++)
		if (s->lane[i].chain == chain)
			return &s->lane[i];
	return NULL;
}

void lane_open(struct lane *l, unsigned index)
{
	const struct settings *s = l->s->settings;
	struct jsonrpc_endpoint ep[JSONRPC_ENDPOINTS_MAX];
	unsigned n = (unsigned)get_setting_u64(s, "chain.%u.http", index);

	check(n > 0 && n <= JSONRPC_ENDPOINTS_MAX);
	for (unsigned i = 0; i < n; i++) {
		ep[i].name = get_setting(s, "chain.%u.http.%u.name", index, i);
		ep[i].url = get_setting(s, "chain.%u.http.%u.url", index, i);
	}
	l->index = index;
	l->chain = get_setting_u64(s, "chain.%u.id", index);
	l->name = get_setting(s, "chain.%u.name", index);
	l->answers_last = &l->answers;
	l->paused_by_operator = true;	/* until the executor says that it is not so */
	l->poll_s = (double)get_setting_u64(s, "poll_ms") / 1000;
	l->rpc = jsonrpc_new(l->s->loop, l->s->http, l->chain, ep, n, &rpc_events, l);
	l->tick = timer_new(l->s->loop, on_tick, l);
	l->look = timer_new(l->s->loop, on_look, l);
	timer_start(l->tick, 0, l->poll_s);
}
