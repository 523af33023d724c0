/* holder - a short list of those that are silent. */

#include "executor/holder.h"

static int place_of(const struct holders *h, const struct addr *who)
{
	for (unsigned i = 0; i < h->count; i++)
		if (addr_eq(&h->silent[i].who, who))
			return (int)i;
	return -1;
}

void holder_answered(struct holders *h, const struct addr *who)
{
	int at = place_of(h, who);

	if (at >= 0)
		h->silent[at] = h->silent[--h->count];
}

void holder_was_silent(struct holders *h, const struct addr *who, uint64_t now_ms)
{
	int at = place_of(h, who);

	if (at < 0 && h->count == BUCKETS_MAX)
		return;		/* nobody is left to prefer */
	if (at < 0)
		at = (int)h->count++;
	h->silent[at].who = *who;
	h->silent[at].until_ms = now_ms + HOLDER_SILENT_MS;
}

/* Is it to be asked last?  When its time is over, whoever asks first finds out for all. */
static bool is_silent(struct holders *h, const struct addr *who, uint64_t now_ms)
{
	int at = place_of(h, who);

	if (at < 0)
		return false;
	if (now_ms < h->silent[at].until_ms)
		return true;
	h->silent[at].until_ms = now_ms + HOLDER_SILENT_MS;
	return false;
}

int holder_next(struct holders *h, const struct addr *list, unsigned count, unsigned first,
		uint64_t *asked, uint64_t now_ms)
{
	int last = -1;

	for (unsigned i = 0; i < count; i++) {
		unsigned at = (first + i) % count;
		if (*asked & (1ull << at))
			continue;
		if (is_silent(h, &list[at], now_ms)) {
			last = last < 0 ? (int)at : last;
			continue;
		}
		*asked |= 1ull << at;
		return (int)at;
	}
	if (last >= 0)
		*asked |= 1ull << last;
	return last;
}
