/*
 * page - the page for people: status, stages and the latest requests, refreshed each second.
 *
 * One document without anything from elsewhere.  It writes what it gets as text, never as
 * HTML, and it can change nothing.
 */
#pragma once

#include "common/text.h"

/* NONCE permits the page's own script and style (Content-Security-Policy). */
void page_print(struct text *t, const char *nonce);
