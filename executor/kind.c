/* kind - the table of kinds that are executed. */

#include "executor/kind.h"

static const struct kind *const kinds[KIND_COUNT] = {
	[KIND_public_decryption] = &kind_public_decryption,
	[KIND_user_decryption]   = &kind_user_decryption,
	[KIND_preprocess_keygen] = &kind_preprocess_keygen,
	[KIND_preprocess_ksk]    = &kind_preprocess_ksk,
	[KIND_keygen]            = &kind_keygen,
	[KIND_crsgen]            = &kind_crsgen,
	[KIND_ksk]               = &kind_ksk,
};

const struct kind *find_kind(enum op_kind kind)
{
	return kind < KIND_COUNT ? kinds[kind] : NULL;
}
