/* executor_link - what the executor says. */

#include <stdlib.h>

#include "common/log.h"
#include "common/proc.h"
#include "submitter/submitter.h"

static enum err on_submit(struct submitter *s, struct link *link, const struct msg_submit *m)
{
	struct lane *l = find_lane(s, m->chain);
	uint8_t *calldata;

	(void)link;
	if (!l || m->calldata.len < 4)
		return ERR_UNKNOWN;
	if (find_answer(l, m->op))
		return OK;	/* given twice: the first goes on */
	struct answer *a = calloc(1, sizeof(*a));
	check(a != NULL && (calldata = malloc(m->calldata.len)) != NULL);
	memcpy(calldata, m->calldata.p, m->calldata.len);
	*a = (struct answer){
		.lane = l, .step = ANSWER_TRY, .op = m->op, .kind = m->kind, .id = m->id,
		.contract = m->contract, .calldata = BYTES(calldata, m->calldata.len),
		.handles_hash = m->handles_hash, .public_key_hash = m->public_key_hash,
	};
	*l->answers_last = a;
	l->answers_last = &a->next;
	lane_work(l);
	return OK;
}

static enum err on_withdraw(struct submitter *s, struct link *link, const struct msg_withdraw *m)
{
	(void)link;
	for (unsigned i = 0; i < s->lanes; i++) {
		struct answer *a = find_answer(&s->lane[i], m->op);
		if (a)
			answer_drop(a);	/* what is signed is sent all the same */
	}
	return OK;
}

static enum err on_pause(struct submitter *s, struct link *link, const struct msg_pause *m)
{
	struct lane *l = find_lane(s, m->chain);

	(void)link;
	if (!l)
		return ERR_UNKNOWN;
	l->paused_by_operator = true;
	return OK;
}

static enum err on_go_on(struct submitter *s, struct link *link, const struct msg_go_on *m)
{
	struct lane *l = find_lane(s, m->chain);

	(void)link;
	if (!l)
		return ERR_UNKNOWN;
	l->paused_by_operator = false;
	lane_work(l);
	return OK;
}

LINK_SWITCH(switch_executor, IPC_EXECUTOR_TO_SUBMITTER)

static void on_up(void *owner, struct link *link)
{
	struct submitter *s = owner;
	struct link *before = s->executor;

	/* There is one: whoever came before is its past. */
	s->executor = link;
	if (before)
		link_close(before);
	for (unsigned i = 0; i < s->lanes; i++) {
		answers_clear(&s->lane[i]);
		lane_say_state(&s->lane[i]);
	}
}

static void on_down(void *owner, struct link *link)
{
	struct submitter *s = owner;

	if (s->executor == link)
		s->executor = NULL;
}

static const struct link_end executor_end = {
	.me = ROLE_SUBMITTER, .peer = ROLE_EXECUTOR, .name = "submitter",
	.on_packet = switch_executor, .on_up = on_up, .on_down = on_down,
};

void executor_open(struct submitter *s)
{
	s->door = link_listen(s->loop, proc_fd("submitter.sock"), &executor_end, s, 2);
}
