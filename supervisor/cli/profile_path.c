/*
 * profile_path - a program takes the profiles it came with: those of its installation, wherever
 * that was moved to, or of the tree it was built in.
 */
#include "supervisor/cli/profile_path.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

#ifndef PROFILE_DIR
#define PROFILE_DIR "/usr/share/kms-connector/profiles"
#endif

/* In DIR of a folder above this program. */
static char *find_above(const char *dir, const char *name)
{
	char exe[PATH_MAX], path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	for (exe[n > 0 ? n : 0] = '\0'; *exe; *strrchr(exe, '/') = '\0')
		if (snprintf(path, sizeof(path), "%s/%s/%s.yaml", exe, dir, name) <
		    (int)sizeof(path) && access(path, F_OK) == 0)
			return strdup(path);
	return NULL;
}

/* Paths count from the configuration's directory, not from where somebody stands. */
static char *path_beside(const char *config, const char *name)
{
	const char *slash = strrchr(config, '/');
	char *out;

	if (*name == '/' || !slash)
		return strdup(name);
	check(asprintf(&out, "%.*s/%s", (int)(slash - config), config, name) > 0);
	return out;
}

char *profile_path(const char *config, const char *name)
{
	char path[PATH_MAX], *found;

	if (strchr(name, '/'))
		return path_beside(config, name);
	found = find_above("share/kms-connector/profiles", name);
	found = found ? found : find_above("proto/profiles", name);
	if (found)
		return found;
	snprintf(path, sizeof(path), "%s/%s.yaml", PROFILE_DIR, name);
	return access(path, F_OK) == 0 ? strdup(path) : NULL;
}
