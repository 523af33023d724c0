/* sightings - a ring of the newest. */

#include "executor/sightings.h"

void sightings_add(struct sightings *s, uint64_t number, const struct b32 *hash)
{
	s->at[s->next++ % SIGHTINGS_MAX] = (struct sighting){ .number = number, .hash = *hash };
}

const struct sighting *sightings_find(const struct sightings *s, uint64_t number)
{
	for (unsigned i = 1; i <= SIGHTINGS_MAX; i++) {
		const struct sighting *one = &s->at[(s->next - i) % SIGHTINGS_MAX];

		if (one->number == number && number > 0)
			return one;
	}
	return NULL;
}

bool sightings_take_other(struct sightings *s, uint64_t number, const struct b32 *hash,
			  struct sighting *out)
{
	for (unsigned i = 0; i < SIGHTINGS_MAX; i++) {
		struct sighting *one = &s->at[i];

		if (one->number != number || number == 0 || b32_eq(&one->hash, hash))
			continue;
		*out = *one;
		one->number = 0;
		return true;
	}
	return false;
}
