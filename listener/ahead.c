/* ahead - whose turn it is. */

#include "listener/ahead.h"

bool ahead_begin(struct ahead *a, uint64_t *next, uint64_t head)
{
	if (head < AHEAD_BLOCKS || *next > head - AHEAD_BLOCKS || *next == a->behind)
		return false;

	uint64_t from = head - AHEAD_BLOCKS + 1;

	if (a->next > from)
		from = a->next;
	if (from > head)
		return false;
	a->on = true;
	a->behind = *next;
	*next = from;
	return true;
}

void ahead_tried(struct ahead *a)
{
	if (!a->on)
		a->behind = UINT64_MAX;
}

void ahead_end(struct ahead *a, uint64_t *next)
{
	if (!a->on)
		return;
	a->on = false;
	a->next = *next;
	*next = a->behind;
}

void ahead_cut(struct ahead *a, uint64_t lowest)
{
	if (a->next > lowest)
		a->next = lowest;
}
