/* kind - the table of kinds that this version executes. */

#include "executor/kind.h"

static const struct kind *const kinds[KIND_COUNT] = {
	[KIND_public_decryption] = &kind_public_decryption,
};

const struct kind *find_kind(enum op_kind kind)
{
	return kind < KIND_COUNT ? kinds[kind] : NULL;
}
