/*
 * user_signature - did the user ask for this?  The signature stands in no event, only in the data
 * of a direct call of the request function; what another contract called on a user's behalf
 * cannot be told from what nobody asked for.  No network, no clock.
 */
#pragma once

#include "common/request.h"

/*
 * OK when DATA, sent to TO, is the profile's request call, asks for R (the same handles, user and
 * key) and carries the user's signature.  *why_out is a constant.
 */
enum err user_signature_check(const struct profile *p, const struct request *r,
			      const struct addr *to, struct bytes data,
			      const char **why_out) MUST_CHECK;
