/* document - file, environment, and the rows of proto/options.h. */

#include "supervisor/cli/document.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "supervisor/cli/suggest.h"
#include "supervisor/config.h"

#define PREFIX "KMS_CONNECTOR_"

const struct option_row option_rows[OPTION_COUNT] = {
#define O(name, key, kind, limits, without, line, who, what) \
	[OPT_##name] = { .path = key, .type = OPT_TYPE_##kind, .fallback = without, \
			 .setting = line, .children = who, .text = what, limits },
	OPTIONS(O)
#undef O
};

static const struct unsupported { const char *path, *accepted, *text; } unsupported[] = {
#define U(key, value, what) { .path = key, .accepted = value, .text = what },
	UNSUPPORTED(U)
#undef U
};

/* Last words of keys under which people write what must not stand in a configuration. */
static const char *const secret_keys[] = {
	"private_key", "privatekey", "secret_key", "signing_key", "key", "mnemonic", "seed",
	"seed_phrase", "secret", "wallet", "password", "access_key", "access_key_id",
	"secret_access_key", "session_token",
};

static bool is_secret_key(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(secret_keys); i++)
		if (strcasecmp(secret_keys[i], word) == 0)
			return true;
	return false;
}

struct place document_place(const struct document *d, struct config_mark mark)
{
	return (struct place){ .file = d->path, .mark = mark };
}

void document_say(void *owner, struct config_mark mark, const char *why, const char *remedy)
{
	const struct document_errors *e = owner;

	trouble_error(e->troubles, (struct place){ .file = e->file, .mark = mark }, "%s; %s", why,
		      remedy);
}

static bool read_file(int fd, char *text, size_t room, size_t *len_out)
{
	for (size_t len = 0;;) {
		ssize_t n = read(fd, text + len, room - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		len += (size_t)n;
		if (n == 0 || len == room) {
			*len_out = len;
			return true;
		}
	}
}

char *document_text(const char *path, struct place at, struct troubles *t, size_t *len_out)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		int error = errno;
		trouble_file(t, at, error,
			     "%s cannot be opened: %s; name another file or correct "
			     "its rights",
			     path, strerror(error));
		return NULL;
	}

	char *text = malloc(CONFIG_FILE_MAX + 1);

	check(text);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		trouble_error(t, at, "%s is no regular file; name a file", path);
	else if (!read_file(fd, text, CONFIG_FILE_MAX + 1, len_out))
		trouble_file(t, at, errno, "%s cannot be read: %s; correct it", path,
			     strerror(errno));
	else if (*len_out > CONFIG_FILE_MAX)
		trouble_error(t, at, "%s has more than %u bytes; shorten it", path,
			      CONFIG_FILE_MAX);
	else {
		close(fd);
		return text;
	}
	close(fd);
	free(text);
	return NULL;
}

/* From here on: keys. */

static bool is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return strncmp(path, top, len) == 0 && (!path[len] || path[len] == '.');
}

static int find_option(const char *path)
{
	for (int i = 0; i < OPTION_COUNT; i++)
		if (strcmp(option_rows[i].path, path) == 0)
			return i;
	return -1;
}

static bool is_section(const char *path)
{
	for (int i = 0; i < OPTION_COUNT; i++)
		if (is_below(option_rows[i].path, path) && option_rows[i].path[strlen(path)])
			return true;
	return false;
}

static const struct unsupported *find_unsupported(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(unsupported); i++)
		if (is_below(path, unsupported[i].path))
			return &unsupported[i];
	return NULL;
}

/* The option that names a file for the secret that stands at PATH. */
static const char *file_option(const char *path)
{
	bool storage = is_below(path, "s3_config");

	return option_rows[storage ? OPT_s3_credentials_file : OPT_key_file].path;
}

static const char *last_word(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot ? dot + 1 : path;
}

/* Nearest by the whole path, else the option with exactly this last word. */
static const char *suggest_option(const char *path)
{
	const char *list[OPTION_COUNT];

	for (int i = 0; i < OPTION_COUNT; i++)
		list[i] = option_rows[i].path;

	const char *near = suggest(path, list, OPTION_COUNT);

	for (int i = 0; i < OPTION_COUNT && !near; i++)
		if (strcmp(last_word(list[i]), last_word(path)) == 0)
			near = list[i];
	return near;
}

static void unknown_key(struct document *d, const char *path, struct config_mark mark)
{
	struct place at = document_place(d, mark);
	const struct unsupported *u = find_unsupported(path);
	const char *near = suggest_option(path);

	if (u)
		trouble_error(d->troubles, at, "%s is not supported by this version: %s; remove it",
			      path, u->text);
	else if (is_secret_key(last_word(path)))
		trouble_error(d->troubles, at, "a secret does not belong into this file; put the "
			      "key into a file of mode 0600 and name it in %s", file_option(path));
	else if (near)
		trouble_error(d->troubles, at, "unknown option \"%.60s\"; did you mean %s?", path,
			      near);
	else
		trouble_error(d->troubles, at, "unknown option \"%.60s\"; remove it "
			      "(kms-connector help options lists all)", path);
}

static void check_keys(struct document *d, const char *top, const struct config_node *map);

static void check_items(struct document *d, const char *path, const struct config_node *list)
{
	char members[160];

	snprintf(members, sizeof(members), "%s[]", path);
	if (list->type != CONFIG_LIST)
		return;
	for (const struct config_node *item = list->first; item; item = item->next)
		if (item->type == CONFIG_MAP)
			check_keys(d, members, item);
}

static void check_key(struct document *d, const char *top, const struct config_node *m)
{
	char path[128];

	if ((size_t)snprintf(path, sizeof(path), "%s%s%s", top, *top ? "." : "", m->key) >=
	    sizeof(path)) {
		trouble_error(d->troubles, document_place(d, m->key_mark), "this key is too long; "
			      "correct it");
		return;
	}

	int option = find_option(path);

	if (option >= 0 && option_rows[option].type == OPT_TYPE_list)
		check_items(d, path, m);
	else if (option >= 0)
		return;
	else if (!is_section(path))
		unknown_key(d, path, m->key_mark);
	else if (m->type == CONFIG_MAP)
		check_keys(d, path, m);
	else
		trouble_error(d->troubles, document_place(d, m->mark), "%s is a group of options; "
			      "write them indented below it", path);
}

static void check_keys(struct document *d, const char *top, const struct config_node *map)
{
	for (const struct config_node *m = map->first; m; m = m->next)
		check_key(d, top, m);
}

void document_keys(struct troubles *t, const char *file, const struct config_node *map,
		   const char *const *list, size_t count)
{
	for (const struct config_node *m = map->first; m; m = m->next) {
		struct place at = { .file = file, .mark = m->key_mark };
		bool known = false;

		for (size_t i = 0; i < count; i++)
			known |= strcmp(list[i], m->key) == 0;
		if (known)
			continue;

		const char *near = suggest(m->key, list, count);

		if (near)
			trouble_error(t, at, "unknown key \"%.60s\"; did you mean %s?", m->key,
				      near);
		else
			trouble_error(t, at, "unknown key \"%.60s\"; remove it", m->key);
	}
}

/* From here on: values. */

bool document_parse(struct troubles *t, struct place at, const struct option_row *row,
		    const char *text, struct parsed *out)
{
	struct why why;

	if (has_control(bytes_str(text)))
		trouble_error(t, at, "%s holds a control character; remove it", row->path);
	else if (!*text)
		trouble_error(t, at, "%s has no value; give it one or remove the line", row->path);
	else if (value_is_secret(text))
		trouble_error(t, at,
			      "this looks like a key itself; put it into a file of mode 0600 "
			      "and name that file in key_file");
	else if (!value_parse(row, text, out, &why))
		trouble_error(t, at, "%s: %s", row->path, why.text);
	else
		return true;
	return false;
}

bool document_scalar(struct document *d, const struct option_row *row,
		     const struct config_node *node, struct parsed *out)
{
	struct place at = document_place(d, node->mark);

	if (node->type == CONFIG_SCALAR)
		return document_parse(d->troubles, at, row, node->text, out);
	trouble_error(d->troubles, at, "%s takes one value; write %s: value", row->path,
		      last_word(row->path));
	return false;
}

/* Types that may also be lists are parsed by who resolves them. */
static bool may_be_list(enum option_type type)
{
	return type == OPT_TYPE_urls || type == OPT_TYPE_endpoints || type == OPT_TYPE_list ||
	       type == OPT_TYPE_addresses;
}

static const struct config_node *find_node(const struct document *d, const char *path)
{
	const struct config_node *node = config_root(d->tree);
	char word[64];

	while (node && *path) {
		size_t len = strcspn(path, ".");

		check(len < sizeof(word));
		memcpy(word, path, len);
		word[len] = '\0';
		node = find_member(node, word);
		path += len + (path[len] == '.');
	}
	return node;
}

static void check_unsupported(struct document *d, const struct option_row *row,
			      struct option_value *v)
{
	const struct unsupported *u = find_unsupported(row->path);

	if (!u || !v->set || (v->text && *u->accepted && strcmp(v->text, u->accepted) == 0))
		return;
	trouble_error(d->troubles, v->place,
		      "%s%s%s is not supported by this version: %s; remove it", row->path,
		      v->text && *u->accepted ? ": " : "", v->text && *u->accepted ? v->text : "",
		      u->text);
	v->usable = false;
}

static void read_option(struct document *d, int option)
{
	const struct option_row *row = &option_rows[option];
	struct option_value *v = &d->value[option];
	struct config_mark top = { .line = 1, .column = 1 };

	if (strstr(row->path, "[]"))
		return;
	if (!v->set) {
		v->node = find_node(d, row->path);
		v->set = v->node;
		v->text = v->node ? v->node->text : row->fallback;
		v->place = document_place(d, v->node ? v->node->mark : top);
	}
	if (v->set && may_be_list(row->type))
		return;
	if (v->set && v->node)
		v->usable = document_scalar(d, row, v->node, &v->parsed);
	else if (v->text && *v->text)
		v->usable = document_parse(d->troubles, v->place, row, v->text, &v->parsed);
	if (v->usable)
		check_unsupported(d, row, v);
}

/* From here on: the environment. */

static void path_of_variable(const char *name, size_t len, char out[128])
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < 127; i++) {
		bool level = name[i] == '_' && i + 1 < len && name[i + 1] == '_';

		out[n++] = level ? '.' : (char)tolower((unsigned char)name[i]);
		i += level;
	}
	out[n] = '\0';
}

static bool ends_in_secret(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(secret_keys); i++) {
		size_t n = strlen(secret_keys[i]), len = strlen(path);

		if (len >= n && strcmp(path + len - n, secret_keys[i]) == 0)
			return true;
	}
	return false;
}

static void read_variable(struct document *d, const char *name, size_t len, const char *text)
{
	char path[128], where[192];

	snprintf(where, sizeof(where), "environment: %.*s", (int)len, name);
	path_of_variable(name + strlen(PREFIX), len - strlen(PREFIX), path);

	int option = find_option(path);
	struct place at = { .file = "environment" };

	if (option >= 0) {
		struct option_value *v = &d->value[option];

		free(d->variable[option]);
		d->variable[option] = strdup(where);
		check(d->variable[option]);
		*v = (struct option_value){ .text = text, .set = true,
					    .place = { .file = d->variable[option] } };
	} else if (ends_in_secret(path) || value_is_secret(text)) {
		trouble_error(d->troubles, at,
			      "%.*s holds a secret, which other processes can read; "
			      "unset it, put the key into a file of mode 0600 and name that in %s",
			      (int)len, name, file_option(path));
	} else {
		trouble_warning(d->troubles, at, "%.*s is no option; unset it, or correct its name "
				"(members of lists can only be set in the file)", (int)len, name);
	}
}

static void read_environment(struct document *d)
{
	for (char **e = environ; *e; e++) {
		const char *equals = strchr(*e, '=');

		if (equals && strncmp(*e, PREFIX, strlen(PREFIX)) == 0)
			read_variable(d, *e, (size_t)(equals - *e), equals + 1);
	}
}

bool document_open(const char *path, struct troubles *t, struct document *out)
{
	struct document_errors owner = { .troubles = t, .file = path };
	struct config_errors errors = { .say = document_say, .owner = &owner };
	struct place start = { .file = path, .mark = { .line = 1, .column = 1 } };
	size_t len;

	memset(out, 0, sizeof(*out));
	out->path = path;
	out->troubles = t;

	char *text = document_text(path, (struct place){ .file = "kms-connector" }, t, &len);

	if (!text)
		return false;

	enum err e = config_read(BYTES(text, len), &errors, &out->tree);

	free(text);
	if (e && e != ERR_CONFLICT)
		return false;
	if (!config_root(out->tree)) {
		trouble_error(t, start, "the file is empty; begin with a copy of "
			      "kms-connector.yaml.example");
		return false;
	}
	if (config_root(out->tree)->type != CONFIG_MAP) {
		trouble_error(t, start,
			      "this is no list of options; write one option: value per line");
		return false;
	}
	check_keys(out, "", config_root(out->tree));
	read_environment(out);
	for (int i = 0; i < OPTION_COUNT; i++)
		read_option(out, i);
	return true;
}

void document_close(struct document *d)
{
	config_close(&d->tree);
	for (int i = 0; i < OPTION_COUNT; i++)
		free(d->variable[i]);
	memset(d, 0, sizeof(*d));
}
