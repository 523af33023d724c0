/* trouble - gathered, sorted, printed once. */

#include "supervisor/cli/trouble.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "common/log.h"

static void add(struct troubles *t, struct place at, bool warning, const char *fmt, va_list args)
{
	if (t->count == TROUBLES_MAX) {
		t->dropped++;
		return;
	}

	struct trouble_line *new = &t->list[t->count++];

	*new = (struct trouble_line){ .place = at, .warning = warning };
	new->place.file = strdup(at.file);
	check(new->place.file);
	check(vasprintf(&new->text, fmt, args) >= 0);
}

void trouble_error(struct troubles *t, struct place at, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(t, at, false, fmt, args);
	va_end(args);
	t->errors++;
	if (t->exit != EXIT_io)
		t->exit = EXIT_config;
}

void trouble_permission(struct troubles *t, struct place at, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(t, at, false, fmt, args);
	va_end(args);
	t->errors++;
	if (!t->exit)
		t->exit = EXIT_permission;
}

/* It passes, and says nothing of the file. */
static bool is_of_machine(int error)
{
	static const int list[] = { EMFILE, ENFILE, ENOMEM, ENOBUFS,  EIO,
				    EAGAIN, EINTR,  ESTALE, ETIMEDOUT };

	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		if (list[i] == error)
			return true;
	return false;
}

void trouble_file(struct troubles *t, struct place at, int error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(t, at, false, fmt, args);
	va_end(args);
	t->errors++;
	if (is_of_machine(error))
		t->exit = EXIT_io;
	else if (error != EACCES && t->exit != EXIT_io)
		t->exit = EXIT_config;
	else if (!t->exit)
		t->exit = EXIT_permission;
}

void trouble_warning(struct troubles *t, struct place at, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(t, at, true, fmt, args);
	va_end(args);
	t->warnings++;
}

/* By place; what was found first comes first where the place is the same. */
static bool is_before(const struct trouble_line *a, const struct trouble_line *b)
{
	int files = strcmp(a->place.file, b->place.file);

	if (files)
		return files < 0;
	if (a->place.mark.line != b->place.mark.line)
		return a->place.mark.line < b->place.mark.line;
	return a->place.mark.column < b->place.mark.column;
}

static void sort(struct troubles *t)
{
	for (unsigned i = 1; i < t->count; i++) {
		struct trouble_line moved = t->list[i];
		unsigned j = i;

		for (; j > 0 && is_before(&moved, &t->list[j - 1]); j--)
			t->list[j] = t->list[j - 1];
		t->list[j] = moved;
	}
}

static void print(const struct trouble_line *t, FILE *out)
{
	fputs(t->place.file, out);
	if (t->place.mark.line)
		fprintf(out, ":%u:%u", t->place.mark.line, t->place.mark.column);
	fprintf(out, ": %s%s\n", t->warning ? "warning: " : "", t->text);
}

enum exit_code trouble_print(struct troubles *t, FILE *out)
{
	enum exit_code code = t->exit;

	sort(t);
	for (unsigned i = 0; i < t->count; i++) {
		if (out)
			print(&t->list[i], out);
		free((char *)t->list[i].place.file);
		free(t->list[i].text);
	}
	if (t->dropped && out)
		fprintf(out, "%u more were found; correct these first\n", t->dropped);
	memset(t, 0, sizeof(*t));
	return code;
}
