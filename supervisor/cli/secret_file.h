/*
 * secret_file - files that nobody else may read: the account's key, credentials of S3.
 */
#pragma once

#include "supervisor/cli/trouble.h"

/* what, name in sentences, how to get one, what to do when others could read it */
#define SECRET_FILES(F) \
	F(key, "key", "kms-connector key init makes one", "take a new key") \
	F(credentials, "credentials", "write it, a line access_key= and a line secret_key=", \
	  "take new ones")

enum secret_file {
#define F(name, noun, remedy, renew) SECRET_FILE_##name,
	SECRET_FILES(F)
#undef F
};

/*
 * Open with the checks of the configuration: a regular file after links, no bits for others,
 * none for the group unless it is one of our own.  The descriptor stands at the start;
 * -1 and trouble at AT.
 */
int secret_file_open(enum secret_file what, const char *path, struct place at,
		     struct troubles *t);
