/*
 * ledger - what was spent at most in the last hour and the last day.
 *
 * Pure: time is an argument and never goes back (an older time counts as the newest seen).
 * Kept by minutes; the window is up to one minute longer than its name, never shorter.
 */
#pragma once

#include "common/u256.h"

#define LEDGER_HOUR 61		/* minutes: the present one and the hour before it */
#define LEDGER_DAY  1441

struct ledger {
	uint64_t newest;			/* minute since 1970 */
	struct u256 hour, day;			/* sums, up to newest */
	struct u256 spent[LEDGER_DAY];		/* by minute modulo LEDGER_DAY */
};

/* Move to the present: what is too old leaves the sums. */
void ledger_turn(struct ledger *l, uint64_t now_ms);

/* WEI at AT_MS; what is older than a day is not counted, what is newer than newest moves it. */
void ledger_spend(struct ledger *l, uint64_t at_ms, const struct u256 *wei);

/* Wei that LIMIT leaves; zero when it is used up. */
struct u256 ledger_left(const struct u256 *limit, const struct u256 *spent);

/* What was spent in the minute that was AGE minutes before the newest; AGE < LEDGER_DAY. */
struct u256 ledger_at(const struct ledger *l, unsigned age, uint64_t *unix_ms_out);
