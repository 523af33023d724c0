/* profile_path - where the file of a profile lies. */
#pragma once

/*
 * A name: in share/kms-connector/profiles or proto/profiles above this program, then in
 * PROFILE_DIR; with a slash: a path from the directory of the file CONFIG.  NULL when no folder
 * has that name; the caller frees it.
 */
char *profile_path(const char *config, const char *name);
