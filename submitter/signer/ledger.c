/* ledger - a ring of minutes and two sums. */

#include "submitter/signer/ledger.h"

#define MINUTE_MS 60000u

static struct u256 *slot(struct ledger *l, uint64_t minute)
{
	return &l->spent[minute % LEDGER_DAY];
}

/* An overflow saturates: nothing more may be spent. */
static void add(struct u256 *sum, const struct u256 *wei)
{
	(void)u256_add(sum, wei, sum);
}

static void sum_up(struct ledger *l)
{
	l->hour = l->day = u256_from_u64(0);
	for (unsigned age = 0; age < LEDGER_DAY && age <= l->newest; age++) {
		add(&l->day, slot(l, l->newest - age));
		if (age < LEDGER_HOUR)
			add(&l->hour, slot(l, l->newest - age));
	}
}

void ledger_turn(struct ledger *l, uint64_t now_ms)
{
	uint64_t now = now_ms / MINUTE_MS;

	if (now <= l->newest)
		return;

	uint64_t steps = now - l->newest < LEDGER_DAY ? now - l->newest : LEDGER_DAY;

	for (uint64_t i = 0; i < steps; i++)
		*slot(l, now - i) = u256_from_u64(0);
	l->newest = now;
	sum_up(l);
}

void ledger_spend(struct ledger *l, uint64_t at_ms, const struct u256 *wei)
{
	uint64_t minute = at_ms / MINUTE_MS;

	ledger_turn(l, at_ms);

	uint64_t age = l->newest - minute;

	if (age >= LEDGER_DAY)
		return;
	add(slot(l, minute), wei);
	add(&l->day, wei);
	if (age < LEDGER_HOUR)
		add(&l->hour, wei);
}

struct u256 ledger_left(const struct u256 *limit, const struct u256 *spent)
{
	struct u256 left;

	(void)u256_sub(limit, spent, &left);	/* zero when more was spent */
	return left;
}

struct u256 ledger_at(const struct ledger *l, unsigned age, uint64_t *unix_ms_out)
{
	uint64_t minute = l->newest >= age ? l->newest - age : 0;

	*unix_ms_out = minute * MINUTE_MS;
	return l->spent[minute % LEDGER_DAY];
}
