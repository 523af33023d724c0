/*
 * access - may this be decrypted?  Where the profile says so, the access control is asked again
 * for each handle, though the contracts have asked before they emitted the request.
 *
 * A "no" can be a node that is behind: it is believed only when it has been said several times.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/opid.h"
#include "executor/chainview.h"
#include "executor/op.h"

#define DENIALS_MAX 6		/* with the back-off, about a minute */

struct access {
	uint64_t ticket;
	unsigned waiting;		/* answers that have not come */
	unsigned unknown, denied;
	bool asking;			/* questions are still being put */
};

void access_free(struct access **a)
{
	free(*a);
	*a = NULL;
}

static void deny(struct op *op)
{
	static const char why[] = "the access control does not permit it";
	char id[OPID_TEXT];

	if (op->denied == 0)
		log_say(EV_X025_access_denied, "id=%s", opid_text(op->kind, &op->id, id));
	if (++op->denied >= DENIALS_MAX)
		op_fire(op, OP_EVENT_refuse, why);
	else
		op_again(op, why);
}

static void finish(struct op *op)
{
	const struct access *a = op->access;
	bool denied = a->denied > 0, unknown = a->unknown > 0;

	access_free(&op->access);
	if (denied)
		deny(op);
	else if (unknown)
		op_again(op, "no chain node says who has access");
	else
		op_fire(op, OP_EVENT_allowed, NULL);
}

static void on_says(struct executor *x, uint64_t number, uint64_t ticket, enum chain_says what)
{
	struct op *op = find_op(x, number);
	struct access *a = op ? op->access : NULL;

	if (!a || a->ticket != ticket)
		return;
	a->waiting--;
	a->denied += what == CHAIN_NO;
	a->unknown += what == CHAIN_UNKNOWN;
	if (a->waiting == 0 && !a->asking)
		finish(op);
}

/* The same handle may stand in a request twice. */
static bool was_asked(const struct request *r, unsigned i)
{
	for (unsigned j = 0; j < i; j++)
		if (b32_eq(&r->material[j].handle, &r->material[i].handle))
			return true;
	return false;
}

void access_ask(struct op *op)
{
	const struct request *r = op->request;
	const struct addr *user = op->kind == KIND_user_decryption ? &r->user : NULL;
	const struct profile *p = &op->x->profile;

	if (op->access)
		return;
	if (op_group(op->kind) != OP_DECRYPTION || !p->checks_access ||
	    !p->read[user ? READ_user_access : READ_public_access].present) {
		op_fire(op, OP_EVENT_allowed, NULL);
		return;
	}

	struct access *a = calloc(1, sizeof(*a));

	check(a != NULL);
	*a = (struct access){ .ticket = ++op->x->tickets, .asking = true };
	op->access = a;
	for (unsigned i = 0; i < r->materials; i++) {
		if (was_asked(r, i))
			continue;
		a->waiting++;
		chainview_ask_access(op->x->view, &r->material[i].handle, user,
				     (struct chain_asker){ .cb = on_says, .op = op->number,
							   .ticket = a->ticket });
	}
	a->asking = false;
	if (a->waiting == 0)
		finish(op);
}
