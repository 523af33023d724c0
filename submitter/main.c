/*
 * submitter - brings answers to the chain.
 *
 * Hears:  answers to submit from the executor; signatures and refusals from the signer; what
 *         chain nodes say of our account and our transactions.
 * Says:   signatures wanted to the signer; what became of each answer to the executor.
 * Owns:   nothing that lasts: the executor gives answers again, the journal gives bytes again.
 * Trusts: nobody.  A node's word about a transaction is only that: until the nonce is used,
 *         the same bytes are sent again.
 */

#include "common/log.h"
#include "common/proc.h"
#include "submitter/submitter.h"

static void submitter_open(struct submitter *s)
{
	static const struct http_limits limits = { .connections_per_host = 8, .connections = 32 };

	s->loop = loop_new();
	s->settings = proc_settings();
	check(profile_load(s->settings, NULL, &s->profile) == OK);
	s->account = get_setting_addr(s->settings, "account");
	s->core_signer = get_setting_addr(s->settings, "kms_signer_address");
	struct u256 fee = get_setting_wei(s->settings, "sign.max_fee");
	check(u256_to_u64(&fee, &s->max_fee) == OK);
	s->max_gas = get_setting_u64(s->settings, "sign.max_gas");
	s->window = (unsigned)get_setting_u64(s->settings, "send_window");
	s->observes = strcmp(get_setting(s->settings, "sending"), "observe") == 0;
	s->http = http_new(s->loop, &limits);
}

static void submitter_start(struct submitter *s)
{
	s->lanes = (unsigned)get_setting_u64(s->settings, "chain");
	check(s->lanes > 0 && s->lanes <= LANES_MAX);
	for (unsigned i = 0; i < s->lanes; i++) {
		s->lane[i].s = s;
		lane_open(&s->lane[i], i);
	}
	signer_open(s);
	executor_open(s);
}

int main(int argc, char **argv)
{
	static struct submitter self;

	proc_start(ROLE_SUBMITTER, argc, argv);
	gauge(CNT_SUBMITTER_in_flight, 0);	/* a submitter before this one may have had some */
	gauge(CNT_SUBMITTER_waiting, 0);
	submitter_open(&self);		/* the last thing that needs a right */
	proc_confine(RIGHTS_NETWORK);
	submitter_start(&self);
	return proc_serve(self.loop);
}
