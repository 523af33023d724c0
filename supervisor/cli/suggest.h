/* suggest - "did you mean": the word of a list that a mistyped one is nearest to. */
#pragma once

#include <stddef.h>

/* NULL when nothing is near: at most two letters wrong, and at most a third of them. */
const char *suggest(const char *word, const char *const *list, size_t count);
