/*
 * profile_load - what the files that load a profile share: the place being read, and words,
 * lines and numbers there.  Included by common/profile*.c only.
 */
#pragma once

#include "common/profile.h"

struct load {
	const struct settings *s;
	const struct profile_errors *errors;
	struct profile *out;
	enum err first;			/* OK while there is no trouble */
	char path[SETTINGS_PATH_MAX];	/* the place being read */
};

/* Say what is wrong at l->path; without anyone to say it to, it is a bug of ours. */
void load_trouble(struct load *l, enum err e, unsigned column, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Go to a place and read it; "" where there is nothing. */
const char *load_at(struct load *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

unsigned load_count(struct load *l, const char *list, unsigned max);
void load_text(struct load *l, const char *text, char *out, size_t room);

/* Position of WORD in LIST; -1 and trouble when it is not there. */
int load_word(struct load *l, const char *word, const char *const *list, size_t count,
	      const char *what);
enum op_kind load_kind(struct load *l, const char *name);
unsigned load_contract(struct load *l, const char *name);
bool load_line(struct load *l, const char *text, enum abi_what what, struct abi_line *out);

static inline bool is_word(enum abi_type t)
{
	return t <= ABI_FIXED_BYTES;
}

/*
 * The node of a parameter by names alone: what has none in its line can be given one, since
 * names change neither topic nor selector.  0: there is none.
 */
uint16_t load_find(const struct abi_line *line, uint16_t tuple, const char *path);
/* profile_answered.c: the events of finished decryptions. */
void load_answered(struct load *l);

/* profile_other.c: the events of no interest. */
void load_others(struct load *l);

/* profile_views.c: views, domains and the sections that stand alone. */
void load_views(struct load *l);
void load_domains(struct load *l);
void load_ciphertexts(struct load *l);
void load_fhe_params(struct load *l);
void load_access(struct load *l);
void load_user_signature(struct load *l);
