/* lies - which are told now. */

#include "tests/peers/fakechain/lies.h"

#include <stdio.h>

static const char *const names[] = {
#define L(name, text) [LIE_##name] = #name,
	LIES(L)
#undef L
};

const char *lie_name(enum lie_kind kind)
{
	return names[kind];
}

enum err lies_add(struct lies *l, const char *name, const struct lie *how)
{
	enum lie_kind kind = 0;

	while (kind < LIE_COUNT && strcmp(names[kind], name) != 0)
		kind++;
	if (kind == LIE_COUNT)
		return ERR_UNKNOWN;
	if (l->count == LIES_MAX)
		return ERR_FULL;
	l->at[l->count] = *how;
	l->at[l->count++].kind = kind;
	return OK;
}

static bool is_here(const struct lies *l, const struct lie *lie)
{
	return lie->door < 0 ? l->doors < 2 || l->door > 0 : lie->door == l->door;
}

static bool is_about(const struct lie *lie, const char *method)
{
	char word[80];

	if (!lie->methods[0])
		return true;
	snprintf(word, sizeof(word), " %s ", method);
	return strstr(lie->methods, word) != NULL;
}

bool lie_told(struct lies *l, enum lie_kind kind, const char *method, uint64_t *by_out)
{
	for (unsigned i = 0; i < l->count; i++) {
		struct lie *lie = &l->at[i];

		if (lie->kind != kind || !lie->left || !is_here(l, lie) || !is_about(lie, method))
			continue;
		if (lie->share < 1 && share_next(&lie->seed) >= lie->share)
			continue;
		lie->left--;
		lie->told++;
		l->last = lie;
		if (by_out)
			*by_out = lie->by;
		return true;
	}
	return false;
}
