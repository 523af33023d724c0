/*
 * credentials - of S3 storage, from a file of lines NAME=VALUE:
 *
 *	access_key=AKIAIOSFODNN7EXAMPLE
 *	secret_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
 *	session_token=...		only with temporary ones
 *
 * Empty lines and those that begin with # say nothing.  No value is ever repeated.
 */
#pragma once

#include "common/bytes.h"

#define CREDENTIALS_BYTES 8192		/* of the file */

struct credentials {
	char access_key[129], secret_key[257];
	char session_token[4097];	/* "" if there is none */
};

/*
 * From the start of FD, whose position stays.  On failure *line_out is the 1-based line (0: the
 * file as a whole) and *why_out says what is wrong and what to do; nothing is left in *out.
 */
enum err credentials_read(int fd, struct credentials *out, unsigned *line_out,
			  const char **why_out) MUST_CHECK;
