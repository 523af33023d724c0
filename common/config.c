/* config - libyaml's events to a tree in one block of memory. */

#include "common/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "common/log.h"

struct config {
	struct config_node *node;	/* owned; CONFIG_NODES_MAX of them */
	unsigned nodes;
	struct config_node *root;	/* NULL: empty */
};

struct reader {
	yaml_parser_t yaml;
	struct bytes text;
	const struct config_errors *errors;
	struct config *tree;
	enum err twice;			/* ERR_CONFLICT when a key stood there twice */
};

static struct config_mark mark_of(yaml_mark_t m)
{
	return (struct config_mark){ .line = (unsigned)m.line + 1,
				     .column = (unsigned)m.column + 1 };
}

static enum err trouble(struct reader *r, struct config_mark mark, const char *why,
			const char *remedy)
{
	r->errors->say(r->errors->owner, mark, why, remedy);
	return ERR_FORMAT;
}

/* The reader of bytes knows an offset only. */
static struct config_mark mark_at(struct bytes text, size_t offset)
{
	struct config_mark m = { .line = 1, .column = 1 };

	for (size_t i = 0; i < offset && i < text.len; i++) {
		m.column++;
		if (text.p[i] == '\n')
			m = (struct config_mark){ .line = m.line + 1, .column = 1 };
	}
	return m;
}

/* The first byte of the character at MARK; 0 beyond the end. */
static uint8_t char_at(struct bytes text, struct config_mark mark)
{
	struct config_mark m = { .line = 1, .column = 0 };

	for (size_t i = 0; i < text.len; i++) {
		if ((text.p[i] & 0xc0) == 0x80)
			continue;		/* inside a character of several bytes */
		m.column++;
		if (m.line == mark.line && m.column == mark.column)
			return text.p[i];
		if (text.p[i] == '\n')
			m = (struct config_mark){ .line = m.line + 1, .column = 0 };
	}
	return 0;
}

static enum err no_yaml(struct reader *r)
{
	const yaml_parser_t *y = &r->yaml;
	const char *problem = y->problem ? y->problem : "it cannot be read";
	char why[200];

	if (y->error == YAML_READER_ERROR)
		return trouble(r, mark_at(r->text, y->problem_offset),
			       "a character that YAML does not permit", "write UTF-8 text");

	if (char_at(r->text, mark_of(y->problem_mark)) == '\t')
		return trouble(r, mark_of(y->problem_mark), "a tab stands where spaces must",
			       "indent with spaces");
	snprintf(why, sizeof(why), "this is no YAML: %s", problem);
	return trouble(r, mark_of(y->problem_mark), why, "check indentation, colons and quotes");
}

static enum err next_event(struct reader *r, yaml_event_t *ev)
{
	if (!yaml_parser_parse(&r->yaml, ev))
		return no_yaml(r);
	return OK;
}

static enum err new_node(struct reader *r, enum config_type type, yaml_mark_t mark,
			 struct config_node **out)
{
	struct config *t = r->tree;

	if (t->nodes == CONFIG_NODES_MAX)
		return trouble(r, mark_of(mark), "too many entries", "shorten the file");
	*out = &t->node[t->nodes++];
	**out = (struct config_node){ .type = type, .mark = mark_of(mark) };
	return OK;
}

/* A copy of a scalar's text, which must be printable. */
static enum err copy_scalar(struct reader *r, const yaml_event_t *ev, const char **out)
{
	const char *text = (const char *)ev->data.scalar.value;
	size_t len = ev->data.scalar.length;

	if (has_control(BYTES(text, len)))
		return trouble(r, mark_of(ev->start_mark), "a control character in a value",
			       "write the value on one line");
	*out = strndup(text, len);
	check(*out);
	return OK;
}

static enum config_style style_of(yaml_scalar_style_t style)
{
	if (style == YAML_PLAIN_SCALAR_STYLE)
		return CONFIG_PLAIN;
	return style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE
		? CONFIG_BLOCK : CONFIG_QUOTED;
}

static enum err read_scalar(struct reader *r, const yaml_event_t *ev, struct config_node **out)
{
	enum err e = new_node(r, CONFIG_SCALAR, ev->start_mark, out);
	if (e)
		return e;
	(*out)->style = style_of(ev->data.scalar.style);
	return copy_scalar(r, ev, &(*out)->text);
}

static enum err read_value(struct reader *r, const yaml_event_t *ev, unsigned depth,
			   struct config_node **out);

static void append(struct config_node *parent, struct config_node **last, struct config_node *n)
{
	if (*last)
		(*last)->next = n;
	else
		parent->first = n;
	*last = n;
	parent->count++;
}

static enum err read_list(struct reader *r, unsigned depth, struct config_node *list)
{
	struct config_node *last = NULL;

	for (;;) {
		struct config_node *item = NULL;
		yaml_event_t ev;

		enum err e = next_event(r, &ev);
		if (e)
			return e;

		bool end = ev.type == YAML_SEQUENCE_END_EVENT;

		if (!end)
			e = read_value(r, &ev, depth, &item);
		yaml_event_delete(&ev);
		if (e || end)
			return e;
		append(list, &last, item);
	}
}

static void check_twice(struct reader *r, const struct config_node *map, const char *key,
			struct config_mark mark)
{
	const struct config_node *other = find_member(map, key);
	char why[160];

	if (!other)
		return;
	snprintf(why, sizeof(why), "\"%.60s\" stands here twice, first in line %u", key,
		 other->key_mark.line);
	r->errors->say(r->errors->owner, mark, why, "keep one of them");
	r->twice = ERR_CONFLICT;
}

/* One key and its value; *out is NULL at the end of the map. */
static enum err read_pair(struct reader *r, unsigned depth, struct config_node *map,
			  struct config_node **out)
{
	yaml_event_t ev;
	const char *key = NULL;

	*out = NULL;

	enum err e = next_event(r, &ev);
	if (e)
		return e;

	struct config_mark mark = mark_of(ev.start_mark);
	bool end = ev.type == YAML_MAPPING_END_EVENT;

	if (!end && ev.type != YAML_SCALAR_EVENT)
		e = trouble(r, mark, "a key must be a plain word", "write key: value");
	else if (!end)
		e = copy_scalar(r, &ev, &key);
	yaml_event_delete(&ev);
	if (e || end)
		return e;
	check_twice(r, map, key, mark);
	e = next_event(r, &ev);
	if (!e) {
		e = read_value(r, &ev, depth, out);
		yaml_event_delete(&ev);
	}
	if (e || !*out) {
		free((char *)key);
		return e;
	}
	(*out)->key = key;
	(*out)->key_mark = mark;
	return OK;
}

static enum err read_map(struct reader *r, unsigned depth, struct config_node *map)
{
	struct config_node *last = NULL;

	for (;;) {
		struct config_node *pair;

		enum err e = read_pair(r, depth, map, &pair);
		if (e || !pair)
			return e;
		append(map, &last, pair);
	}
}

static bool is_decorated(const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		return ev->data.scalar.anchor || ev->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return ev->data.sequence_start.anchor || ev->data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT:
		return ev->data.mapping_start.anchor || ev->data.mapping_start.tag;
	default:
		return ev->type == YAML_ALIAS_EVENT;
	}
}

static enum err read_value(struct reader *r, const yaml_event_t *ev, unsigned depth,
			   struct config_node **out)
{
	if (is_decorated(ev))
		return trouble(r, mark_of(ev->start_mark),
			       "anchors, aliases and tags are not read here",
			       "write the value itself");
	if (ev->type == YAML_SCALAR_EVENT)
		return read_scalar(r, ev, out);
	if (depth == CONFIG_DEPTH_MAX)
		return trouble(r, mark_of(ev->start_mark), "nested too deep", "flatten this part");

	bool is_map = ev->type == YAML_MAPPING_START_EVENT;

	check(is_map || ev->type == YAML_SEQUENCE_START_EVENT);

	enum err e = new_node(r, is_map ? CONFIG_MAP : CONFIG_LIST, ev->start_mark, out);
	if (e)
		return e;
	return is_map ? read_map(r, depth + 1, *out) : read_list(r, depth + 1, *out);
}

/* What comes at the top: stream, document, value, ends. */
static enum err read_stream(struct reader *r)
{
	for (bool end = false; !end;) {
		yaml_event_t ev;

		enum err e = next_event(r, &ev);
		if (e)
			return e;
		if (ev.type == YAML_DOCUMENT_START_EVENT && r->tree->root)
			e = trouble(r, mark_of(ev.start_mark), "a second document begins here",
				    "one file, one document");
		else if (ev.type == YAML_SCALAR_EVENT || ev.type == YAML_ALIAS_EVENT ||
			 ev.type == YAML_SEQUENCE_START_EVENT ||
			 ev.type == YAML_MAPPING_START_EVENT)
			e = read_value(r, &ev, 0, &r->tree->root);
		end = ev.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&ev);
		if (e)
			return e;
	}
	return OK;
}

enum err config_read(struct bytes text, const struct config_errors *errors, struct config **out)
{
	struct reader r = { .text = text, .errors = errors };

	*out = calloc(1, sizeof(**out));
	check(*out);
	(*out)->node = calloc(CONFIG_NODES_MAX, sizeof(*(*out)->node));
	check((*out)->node);
	r.tree = *out;
	check(yaml_parser_initialize(&r.yaml));
	yaml_parser_set_encoding(&r.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.yaml, text.p, text.len);

	enum err e = read_stream(&r);

	yaml_parser_delete(&r.yaml);
	if (e)
		config_close(out);
	return e ? e : r.twice;
}

void config_close(struct config **c)
{
	if (!*c)
		return;
	for (unsigned i = 0; i < (*c)->nodes; i++) {
		struct config_node *n = &(*c)->node[i];

		free((char *)n->key);
		free((char *)n->text);
	}
	free((*c)->node);
	free(*c);
	*c = NULL;
}

const struct config_node *config_root(const struct config *c)
{
	return c->root;
}

const struct config_node *find_member(const struct config_node *node, const char *key)
{
	if (!node || node->type != CONFIG_MAP)
		return NULL;
	for (const struct config_node *m = node->first; m; m = m->next)
		if (strcmp(m->key, key) == 0)
			return m;
	return NULL;
}

struct config_mark config_mark_in(const struct config_node *node, unsigned column)
{
	struct config_mark m = node->mark;

	if (column && node->style != CONFIG_BLOCK)
		m.column += column - 1 + (node->style == CONFIG_QUOTED);
	return m;
}
