/* unknown - what the profile knows, what was told, and which blocks are looked at next. */

#include "listener/unknown.h"

#include <stdio.h>

#include "common/log.h"

bool unknown_contract(const struct unknown *u, const struct addr *address, unsigned *out)
{
	const struct profile *p = u->profile;

	for (unsigned i = 0; i < p->contracts; i++)
		if (p->contract[i].chain == u->chain && addr_eq(&p->contract[i].address, address)) {
			*out = i;
			return true;
		}
	return false;
}

bool unknown_is_known(const struct unknown *u, unsigned contract, const struct b32 *topic)
{
	const struct profile *p = u->profile;

	for (unsigned i = 0; i < p->requests; i++)
		if (p->request[i].contract == contract && b32_eq(&p->request[i].event.hash, topic))
			return true;
	for (unsigned i = 0; i < p->answered; i++)
		if (p->answer[i].contract == contract && b32_eq(&p->answer[i].event.hash, topic))
			return true;
	for (unsigned i = 0; i < p->others; i++)
		if (b32_eq(&p->other[i], topic))
			return true;
	return false;
}

bool unknown_add(struct unknown_kinds *k, const struct unknown_kind *new)
{
	for (unsigned i = 0; i < k->count; i++)
		if (k->kind[i].contract == new->contract && b32_eq(&k->kind[i].topic, &new->topic))
			return false;
	if (k->count == LIMIT_UNKNOWN_KINDS)
		return false;
	k->kind[k->count++] = *new;
	return true;
}

/* When the clock goes back, one of the two times was a lie: nobody waits for it to come true. */
static bool is_time(const struct unknown *u, uint64_t time)
{
	return !u->begun || time < u->time || time - u->time >= LIMIT_UNKNOWN_EVERY_S;
}

bool unknown_is_due(struct unknown *u, uint64_t finalized, uint64_t time)
{
	if (!u->on)
		return false;
	if (!u->looking) {
		if (!is_time(u, time) || finalized < u->next)
			return false;
		u->looking = u->begun = true;
		u->to = finalized;
		u->time = time;
	}
	if (u->to - u->next >= LIMIT_UNKNOWN_BACK)
		u->next = u->to - LIMIT_UNKNOWN_BACK + 1;
	return true;
}

void unknown_looked(struct unknown *u, uint64_t last)
{
	u->next = last + 1;
	u->looking = u->next <= u->to;
}

static void write_text(struct unknown *u)
{
	const struct profile *p = u->profile;
	char hex[2 * 20 + 3], before[] = "\"address\":[";
	size_t at = 0;

	for (unsigned i = 0; i < p->contracts; i++) {
		if (p->contract[i].chain != u->chain)
			continue;

		int n = snprintf(u->text + at, sizeof(u->text) - at, "%s\"%s\"", at ? "," : before,
				 hex_encode0x(BYTES_OF(p->contract[i].address.b), hex));

		check(n > 0 && (size_t)n + 2 < sizeof(u->text) - at);
		at += (size_t)n;
	}
	if (at)
		memcpy(u->text + at, "]", 2);
}

void unknown_init(struct unknown *u, const struct profile *p, uint64_t chain)
{
	*u = (struct unknown){ .profile = p, .chain = chain };
	write_text(u);
	u->on = p->has_others && *u->text;
}
