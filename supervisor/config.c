/* config - one run over file, environment, profile and key; the parts are in supervisor/cli. */

#include "supervisor/config.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/credentials.h"
#include "supervisor/cli/key_file.h"
#include "supervisor/cli/resolve.h"
#include "supervisor/cli/secret_file.h"

static struct place place_of_key(const struct document *d)
{
	const struct option_value *v = &d->value[OPT_key_file];

	return v->set ? v->place : (struct place){ .file = "key_file" };
}

static void load_key(const struct document *d, struct connector_config *c)
{
	struct place at = place_of_key(d);
	struct addr account;
	int fd = secret_file_open(SECRET_FILE_key, c->key_file, at, d->troubles);

	if (fd < 0)
		return;
	if (key_file_address(fd, at, d->troubles, &account))
		resolve_account(c, &account);
	close(fd);
}

/* Opened, and sound. */
static int open_credentials(const char *path, struct place at, struct troubles *t)
{
	int fd = secret_file_open(SECRET_FILE_credentials, path, at, t);
	struct credentials c;
	const char *why;
	unsigned line;

	if (fd < 0)
		return -1;
	enum err e = credentials_read(fd, &c, &line, &why);
	explicit_bzero(&c, sizeof(c));
	if (!e)
		return fd;
	if (line)
		trouble_error(t, at, "%s, line %u: %s", path, line, why);
	else
		trouble_error(t, at, "%s: %s", path, why);
	close(fd);
	return -1;
}

static void load_credentials(const struct document *d, struct connector_config *c)
{
	int fd = open_credentials(c->credentials_file, d->value[OPT_s3_credentials_file].place,
				  d->troubles);
	struct stat st;

	if (fd < 0)
		return;
	check(fstat(fd, &st) == 0);
	resolve_credentials(c, &st);
	close(fd);
}

static enum exit_code load(const char *path, FILE *errors, bool with_key,
			   struct connector_config **out)
{
	struct troubles t = { .count = 0 };
	struct connector_config *c = calloc(1, sizeof(*c));
	struct document d;

	check(c);
	c->path = strdup(path);
	check(c->path);
	if (document_open(c->path, &t, &d)) {
		resolve_document(&d, c);
		if (with_key && (!d.value[OPT_key_file].set || d.value[OPT_key_file].usable))
			load_key(&d, c);
		if (with_key && c->credentials_file)
			load_credentials(&d, c);
	}
	c->warnings = t.warnings;

	/* Only who runs it needs the warnings; a command's output is for other programs too. */
	enum exit_code code = trouble_print(&t, with_key || t.errors ? errors : NULL);

	document_close(&d);
	if (code)
		config_free(&c);
	*out = c;
	return code;
}

enum exit_code config_load(const char *path, FILE *errors, struct connector_config **out)
{
	return load(path, errors, true, out);
}

enum exit_code config_load_without_key(const char *path, FILE *errors,
				       struct connector_config **out)
{
	return load(path, errors, false, out);
}

void config_free(struct connector_config **c)
{
	if (!*c)
		return;
	free((*c)->path);
	free((*c)->service_name);
	free((*c)->profile);
	free((*c)->profile_path);
	free((*c)->data_dir);
	free((*c)->runtime_dir);
	free((*c)->key_file);
	free((*c)->credentials_file);
	free((*c)->monitor_host);
	free((*c)->log_format);
	for (unsigned i = 0; i < ROLE_COUNT; i++) {
		free((*c)->user[i]);
		settings_free(&(*c)->child[i]);
	}
	free(*c);
	*c = NULL;
}

enum exit_code config_open_key(const struct connector_config *c, FILE *errors, int *fd_out)
{
	struct troubles t = { .count = 0 };
	struct place at = { .file = "key_file" };

	*fd_out = secret_file_open(SECRET_FILE_key, c->key_file, at, &t);
	return trouble_print(&t, errors);
}

enum exit_code config_open_credentials(const struct connector_config *c, FILE *errors, int *fd_out)
{
	struct troubles t = { .count = 0 };
	struct place at = { .file = option_rows[OPT_s3_credentials_file].path };

	*fd_out = open_credentials(c->credentials_file, at, &t);
	return trouble_print(&t, errors);
}
