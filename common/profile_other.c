/* profile_other - events of the contracts that are known and of no interest, by their topics. */

#include "common/profile_load.h"

/* What is asked for cannot be of no interest. */
static void check_topic(struct load *l, const struct abi_line *event)
{
	const struct profile *p = l->out;

	for (unsigned i = 0; i < p->requests; i++)
		if (b32_eq(&p->request[i].event.hash, &event->hash))
			load_trouble(l, ERR_CONFLICT, 0, "this is the event of a request: %s",
				     event->signature);
	for (unsigned i = 0; i < p->others; i++)
		if (b32_eq(&p->other[i], &event->hash))
			load_trouble(l, ERR_CONFLICT, 0, "another line has the same topic: %s",
				     event->signature);
}

void load_others(struct load *l)
{
	static struct abi_line event;	/* large; only its topic is kept */
	unsigned count = load_count(l, "other", PROFILE_OTHERS_MAX);

	l->out->has_others = find_setting(l->s, "other");
	for (unsigned i = 0; i < count; i++) {
		if (!load_line(l, load_at(l, "other.%u", i), ABI_EVENT, &event))
			continue;
		check_topic(l, &event);
		l->out->other[l->out->others++] = event.hash;
	}
}
