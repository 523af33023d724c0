/* rpc_error - the first row whose words occur. */

#include "submitter/rpc_error.h"

#include <stddef.h>
#include <string.h>

struct row {
	const char *words;
	enum send_class cls;
};

static const struct row rows[] = {
#define E(text, class_name) { text, SEND_##class_name },
	SEND_ERRORS(E)
#undef E
};

enum send_class send_class_of(const char *message)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcasestr(message, rows[i].words))
			return rows[i].cls;
	return SEND_ambiguous;
}
