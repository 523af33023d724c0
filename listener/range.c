/* range - halved and grown. */

#include "listener/range.h"

#define GOOD_BEFORE_GROWTH 16

void range_begin(struct range *r)
{
	*r = (struct range){ .size = RANGE_FIRST };
}

void range_shrink(struct range *r)
{
	*r = (struct range){ .size = r->size > 1 ? r->size / 2 : 1, .tried = true };
}

static void grow(struct range *r)
{
	if (r->tried && ++r->good < GOOD_BEFORE_GROWTH)
		return;
	r->good = 0;
	r->size += r->tried ? r->size / 2 + 1 : r->size;
	if (r->size > RANGE_MAX)
		r->size = RANGE_MAX;
}

void range_took(struct range *r, unsigned logs)
{
	if (logs > RANGE_LOGS)
		range_shrink(r);
	else
		grow(r);
}
