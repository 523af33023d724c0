/*
 * settings - what a child is told: lines of "path<TAB>value", in a sealed memfd.
 *
 * Made by the supervisor from the configuration file and the profile, with exactly the
 * options of that child.  Lists are written as a count under their path and members under
 * "path.0", "path.1": chain = 1, chain.0.id = 421614.  Everything is checked already; a
 * missing or malformed line is a bug of ours, so the get_ functions stop the program.
 */
#pragma once

#include <stdint.h>

#include "common/bytes.h"
#include "common/u256.h"

#define SETTINGS_MAX      4096			/* lines */
#define SETTINGS_BYTES    (1u << 20)
#define SETTINGS_PATH_MAX 96

struct settings;	/* owned; lives as long as the process */

struct settings *settings_new(void);
void settings_free(struct settings **s);

/* Add or replace.  Path and value are copied; the value must not hold TAB or newline. */
enum err settings_put(struct settings *s, const char *path, const char *value) MUST_CHECK;
enum err settings_putf(struct settings *s, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4))) MUST_CHECK;

/* To a sealed memfd (caller closes), and from a descriptor. */
int settings_to_fd(const struct settings *s, const char *name);		/* -1 and errno */
enum err settings_from_fd(int fd, struct settings **out) MUST_CHECK;

/* Hash of all lines in order: equal settings, equal hash. */
struct b32 settings_hash(const struct settings *s);

/* Walk in order, for printing and comparing. */
unsigned settings_count(const struct settings *s);
const char *settings_path_at(const struct settings *s, unsigned i);
const char *settings_value_at(const struct settings *s, unsigned i);

/* Paths are printf formats, so that lists read well: get_setting(s, "chain.%u.name", i). */
const char *find_setting(const struct settings *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));		/* NULL when absent */
const char *get_setting(const struct settings *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
uint64_t get_setting_u64(const struct settings *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
struct addr get_setting_addr(const struct settings *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
struct b32 get_setting_b32(const struct settings *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
struct u256 get_setting_wei(const struct settings *s, const char *fmt, ...)	/* decimal wei */
	__attribute__((format(printf, 2, 3)));
