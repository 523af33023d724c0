/* signer_link - what the signer says. */

#include "common/log.h"
#include "common/proc.h"
#include "submitter/submitter.h"

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
	if (l->adopting)
		l->adopted = true;
	l->adopting = false;
	if (!l->adopted)
		l->asked_ms = 0;	/* the account is asked at the next tick: both nonces must agree */
	lane_work(l);
	return OK;
}

/* An answer that waits for its signature, or a transaction that waits for more: a sign_tx. */
static void give_credit(struct lane *l, uint64_t op, uint64_t nonce)
{
	const struct answer *a = find_answer(l, op);
	const struct tx *t = find_tx(l, nonce);
	bool signing = (a && a->step == ANSWER_SIGNING) || (t && t->bumping);

	link_credit_back(l->s->signer, signing ? &ipc_sign_tx : &ipc_get_tx, 1);
}

/* The answer that wanted it, if it still does, learns its nonce. */
static void tell_executor(struct lane *l, const struct msg_tx_signed *m)
{
	struct answer *a = find_answer(l, m->op);
	struct msg_signed said = { .op = m->op, .nonce = m->nonce, .hash = m->hash };

	if (!a || a->kind != m->kind || !b32_eq(&a->id, &m->id))
		return;
	a->step = ANSWER_SIGNED;
	if (send_signed(l->s->executor, &said) != OK)
		return;
}

static enum err on_tx_signed(struct submitter *s, struct link *link, const struct msg_tx_signed *m)
{
	struct lane *l = find_lane(s, m->chain);

	(void)link;
	if (!l)
		return ERR_UNKNOWN;
	give_credit(l, m->op, m->nonce);
	if (m->first)
		count(CNT_SUBMITTER_signed, 1);
	if (m->nonce >= l->next_nonce)
		l->next_nonce = m->nonce + 1;
	if (l->fetching_nonce < l->next_nonce && m->first)
		l->fetching_nonce = l->next_nonce;
	tell_executor(l, m);
	tx_put(l, m);
	lane_work(l);
	return OK;
}

static enum err on_sign_refused(struct submitter *s, struct link *link, const struct msg_sign_refused *m)
{
	(void)link;
	link_credit_back(s->signer, m->op ? &ipc_sign_tx : &ipc_get_tx, 1);
	for (unsigned i = 0; i < s->lanes; i++) {
		if (m->op)
			answer_refused(&s->lane[i], m);
		s->lane[i].adopting = false;
		lane_work(&s->lane[i]);
	}
	return OK;
}

LINK_SWITCH(switch_signer, IPC_SIGNER_TO_SUBMITTER)

static void on_down(void *owner, struct link *link)
{
	struct submitter *s = owner;

	(void)link;
	for (unsigned i = 0; i < s->lanes; i++) {
		struct lane *l = &s->lane[i];
		l->has_info = l->adopting = l->adopted = false;
		l->fetching_nonce = 0;
		answers_unsign(l);
		for (struct tx *t = l->txs; t; t = t->next)
			t->bumping = false;
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
