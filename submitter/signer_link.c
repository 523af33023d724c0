/* signer_link - what the signer is asked, and what it says. */

#include "common/log.h"
#include "common/proc.h"
#include "submitter/submitter.h"

static enum err asked(struct lane *l, enum question what, uint64_t nonce, enum err sent)
{
	struct submitter *s = l->s;

	if (sent)
		return sent;
	s->asked[(s->asked_first + s->asked_count++) % ASKED_MAX] =
		(struct asked){ .what = what, .lane = l, .nonce = nonce };
	return OK;
}

static bool has_room(const struct lane *l)
{
	return l->s->asked_count < ASKED_MAX;
}

enum err ask_sign(struct lane *l, const struct msg_sign_tx *m)
{
	return has_room(l) ? asked(l, ASKED_sign, 0, send_sign_tx(l->s->signer, m)) : ERR_FULL;
}

enum err ask_raise(struct tx *t, uint64_t gas, uint64_t max_fee)
{
	struct lane *l = t->lane;
	struct msg_raise m = {
		.chain = l->chain, .nonce = t->nonce, .gas = gas, .max_fee = max_fee,
	};

	if (!has_room(l))
		return ERR_FULL;
	return asked(l, ASKED_raise, t->nonce, send_raise(l->s->signer, &m));
}

enum err ask_tx(struct lane *l, uint64_t nonce)
{
	struct msg_get_tx m = { .chain = l->chain, .nonce = nonce };

	return has_room(l) ? asked(l, ASKED_tx, 0, send_get_tx(l->s->signer, &m)) : ERR_FULL;
}

enum err ask_adopt(struct lane *l, uint64_t nonce)
{
	struct msg_adopt m = { .chain = l->chain, .nonce = nonce };

	return has_room(l) ? asked(l, ASKED_adopt, 0, send_adopt(l->s->signer, &m)) : ERR_FULL;
}

enum err ask_info(struct lane *l)
{
	struct msg_ask_info m = { .chain = l->chain };

	return has_room(l) ? asked(l, ASKED_info, 0, send_ask_info(l->s->signer, &m)) : ERR_FULL;
}

/* The oldest question, which the packet at hand answers; NULL when nothing was asked. */
static const struct asked *first_asked(const struct submitter *s)
{
	return s->asked_count ? &s->asked[s->asked_first] : NULL;
}

static void forget_first(struct submitter *s)
{
	s->asked_first = (s->asked_first + 1) % ASKED_MAX;
	s->asked_count--;
}

/* After hello it comes unasked, before anything is asked for that chain. */
static void note_info(struct lane *l)
{
	const struct asked *q = first_asked(l->s);

	if (!q || q->lane != l || (q->what != ASKED_adopt && q->what != ASKED_info))
		return;
	if (q->what == ASKED_adopt) {
		l->adopted = true;
		l->adopting = l->replacing = false;
	}
	forget_first(l->s);
}

static enum err on_signer_info(struct submitter *s, struct link *link, const struct msg_signer_info *m)
{
	struct lane *l = find_lane(s, m->chain);

	(void)link;
	if (!l)
		return OK;	/* a chain that only the signer knows */
	if (!addr_eq(&m->account, &s->account))
		return ERR_MISMATCH;
	l->has_info = true;
	l->next_nonce = m->next_nonce;
	l->hour_left = m->hour_left;
	l->day_left = m->day_left;
	note_info(l);
	if (!l->adopted)
		l->asked_ms = 0;	/* the account is asked at the next tick: both nonces must agree */
	lane_work(l);
	return OK;
}

static void give_credit(struct submitter *s, const struct asked *q)
{
	const struct ipc_msg *m = q->what == ASKED_tx	     ? &ipc_get_tx
				  : q->what == ASKED_raise ? &ipc_raise : &ipc_sign_tx;

	link_credit_back(s->signer, m, 1);
}

/* The answer that wanted it, if it still does, learns its nonce. */
static void tell_executor(struct lane *l, const struct msg_tx_signed *m)
{
	struct answer *a = find_wanted(l, m->kind, &m->id);
	struct msg_signed said = { .op = a ? a->op : 0, .nonce = m->nonce, .hash = m->hash };

	if (!a)
		return;
	a->step = ANSWER_SIGNED;
	if (a->canary)
		lane_resume(l);
	a->canary = false;
	if (send_signed(l->s->executor, &said) != OK)
		return;
}

static enum err on_tx_signed(struct submitter *s, struct link *link, const struct msg_tx_signed *m)
{
	struct lane *l = find_lane(s, m->chain);
	const struct asked *q = first_asked(s);
	bool raised = q && q->what == ASKED_raise;

	(void)link;
	if (!l || !q || q->lane != l || q->what == ASKED_adopt || q->what == ASKED_info)
		return ERR_UNKNOWN;
	give_credit(s, q);
	forget_first(s);
	if (m->first)
		count(CNT_SUBMITTER_signed, 1);
	if (raised && !find_tx(l, m->nonce))
		return OK;	/* used meanwhile, as it was */
	if (m->nonce >= l->next_nonce)
		l->next_nonce = m->nonce + 1;
	if (m->first && l->fetching_nonce == m->nonce)
		l->fetching_nonce++;	/* older ones may still have to be asked for */
	tell_executor(l, m);
	tx_put(l, m);
	lane_work(l);
	return OK;
}

static enum err on_sign_refused(struct submitter *s, struct link *link, const struct msg_sign_refused *m)
{
	const struct asked *q = first_asked(s);
	struct tx *t;

	(void)link;
	if (!q || q->what == ASKED_info)
		return ERR_UNKNOWN;
	if (q->what == ASKED_adopt)
		q->lane->adopting = false;
	else
		give_credit(s, q);
	if (q->what == ASKED_sign)
		answer_refused(q->lane, m);
	else if (q->what == ASKED_raise && (t = find_tx(q->lane, q->nonce)))
		tx_not_raised(t, m);
	lane_work(q->lane);
	forget_first(s);
	return OK;
}

LINK_SWITCH(switch_signer, IPC_SIGNER_TO_SUBMITTER)

static void on_down(void *owner, struct link *link)
{
	struct submitter *s = owner;

	(void)link;
	s->asked_count = 0;
	for (unsigned i = 0; i < s->lanes; i++) {
		struct lane *l = &s->lane[i];
		l->has_info = l->adopting = l->adopted = false;
		l->fetching_nonce = 0;
		answers_unsign(l);
		for (struct tx *t = l->txs; t; t = t->next)
			t->raising = false;
	}
}

static const struct link_end signer_end = {
	.me = ROLE_SUBMITTER, .peer = ROLE_SIGNER, .name = "signer", .on_packet = switch_signer,
	.on_down = on_down,
};

void signer_open(struct submitter *s)
{
	char path[108];

	proc_path(path, "signer.sock");
	s->signer = link_connect(s->loop, path, &signer_end, s);
}
