/* suggest - edit distance, where two letters exchanged are one mistake. */

#include "supervisor/cli/suggest.h"

#include <string.h>

#define LONGEST 48

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned distance(const char *a, const char *b)
{
	unsigned row[3][LONGEST + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > LONGEST || m > LONGEST)
		return LONGEST;
	for (unsigned j = 0; j <= m; j++)
		row[0][j] = j;
	for (unsigned i = 1; i <= n; i++) {
		unsigned *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

		now[0] = i;
		for (unsigned j = 1; j <= m; j++) {
			now[j] = least(least(last[j], now[j - 1]) + 1,
				       last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
	}
	return row[n % 3][m];
}

const char *suggest(const char *word, const char *const *list, size_t count)
{
	const char *nearest = NULL;
	unsigned best = least(2, (unsigned)strlen(word) / 3) + 1;

	for (size_t i = 0; i < count; i++) {
		unsigned d = distance(word, list[i]);

		if (d < best) {
			best = d;
			nearest = list[i];
		}
	}
	return nearest;
}
