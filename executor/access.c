/*
 * access - may this be decrypted?  Where the configuration or the profile says so, what the
 * contracts have checked before they emitted the request is checked again: the user's own
 * signature, and what the access control says of each handle.
 *
 * A "no" of the access control can be a node that is behind: it is believed only when it has
 * been said several times.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/opid.h"
#include "executor/chainview.h"
#include "executor/op.h"
#include "executor/user_signature.h"

#define DENIALS_MAX 6		/* with the back-off, about a minute */

struct access {
	uint64_t ticket;
	unsigned waiting;		/* answers that have not come */
	unsigned unknown, denied;
	bool asking;			/* questions are still being put */
	bool signed_by_user;		/* that is known, or not wanted */
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

static bool has_access_control(const struct op *op)
{
	const struct profile *p = &op->x->profile;

	return p->checks_access &&
	       p->read[op->kind == KIND_user_decryption ? READ_user_access : READ_public_access].present;
}

static void ask_control(struct op *op)
{
	const struct request *r = op->request;
	struct access *a = op->access;

	a->asking = true;
	for (unsigned i = 0; has_access_control(op) && i < r->materials; i++) {
		if (was_asked(r, i))
			continue;
		a->waiting++;
		chainview_ask_access(op->x->view, &r->material[i].handle,
				     op->kind == KIND_user_decryption ? &r->user : NULL,
				     (struct chain_asker){ .cb = on_says, .op = op->number,
							   .ticket = a->ticket });
	}
	a->asking = false;
	if (a->waiting == 0)
		finish(op);
}

static void on_call(struct executor *x, uint64_t number, const struct chain_call *call)
{
	struct op *op = find_op(x, number);
	const char *why;

	if (!op || !op->access || op->access->signed_by_user)
		return;
	if (!call->found) {
		access_free(&op->access);
		op_again(op, "no chain node shows the transaction of its request");
	} else if (user_signature_check(&x->profile, op->request, &call->to, call->data, &why)) {
		access_free(&op->access);
		op_fire(op, OP_EVENT_refuse, why);
	} else {
		op->access->signed_by_user = true;
		ask_control(op);
	}
}

void access_ask(struct op *op)
{
	bool wants_signature = op->kind == KIND_user_decryption && op->x->opt.wants_signature;

	if (op->access)
		return;
	if (op_group(op->kind) != OP_DECRYPTION || (!wants_signature && !has_access_control(op))) {
		op_fire(op, OP_EVENT_allowed, NULL);
		return;
	}
	op->access = calloc(1, sizeof(*op->access));
	check(op->access != NULL);
	*op->access = (struct access){ .ticket = ++op->x->tickets, .signed_by_user = !wants_signature };
	if (wants_signature)
		chainview_ask_call(op->x->view, op, on_call);
	else
		ask_control(op);
}
