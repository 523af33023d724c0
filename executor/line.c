/* line - two lists for each line, joined at their ends. */

#include "executor/line.h"

#include "executor/op.h"

void line_init(struct line *l, enum line_name name)
{
	*l = (struct line){ .name = name };
	for (unsigned i = 0; i < LANES; i++)
		l->last[i] = &l->first[i];
}

void line_join(struct line *l, struct op *op)
{
	struct line_place *p = &op->place[l->name];

	*p = (struct line_place){ .waits = true };
	*l->last[op->lane] = op;
	l->last[op->lane] = &p->next;
}

void line_leave(struct line *l, struct op *op)
{
	struct line_place *place = &op->place[l->name];

	if (!place->waits)
		return;
	for (struct op **p = &l->first[op->lane]; *p; p = &(*p)->place[l->name].next) {
		if (*p != op)
			continue;
		*p = place->next;
		if (!*p)
			l->last[op->lane] = p;
		break;
	}
	place->waits = false;
}

bool line_is_empty(const struct line *l)
{
	return !l->first[LANE_LIVE] && !l->first[LANE_BACKLOG];
}

struct op *line_take(struct line *l)
{
	enum lane turn = ++l->turns % BACKLOG_TURN ? LANE_LIVE : LANE_BACKLOG;
	struct op *op = l->first[turn] ? l->first[turn] : l->first[LANES - 1 - turn];

	if (op)
		line_leave(l, op);
	return op;
}
