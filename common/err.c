/* err - texts and classes, printed from the table in err.h. */
#include "common/err.h"

#include <stddef.h>

static const struct {
	const char *text;
	enum err_class class;
} rows[] = {
#define E(name, cls, words) [name] = { .text = words, .class = ERR_CLASS_##cls },
	ERRS(E)
#undef E
};

static const size_t count = sizeof(rows) / sizeof(rows[0]);

const char *err_text(enum err e)
{
	return (size_t)e < count ? rows[e].text : "an error that is not in the list";
}

enum err_class err_class(enum err e)
{
	return (size_t)e < count ? rows[e].class : ERR_CLASS_fatal;
}
