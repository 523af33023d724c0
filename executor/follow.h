/*
 * follow - monitor and operators hear each change of state, in order, from the record on disk.
 */
#pragma once

#include "common/link.h"

#define FOLLOWERS_MAX 112	/* waiting at once: the window of each link that may ask */

struct executor;

struct follower {
	struct link *link;		/* borrowed until follow_leave */
	struct msg_follow ask;
};

struct followers {
	struct follower waiting[FOLLOWERS_MAX];
	unsigned count;
};

void follow_open(struct executor *x);

/* Handler of follow; refuses more at once than its window on one link. */
enum err follow_ask(struct executor *x, struct link *l, const struct msg_follow *m) MUST_CHECK;

/* This link is gone. */
void follow_leave(struct executor *x, const struct link *l);

/* The recorded changes of one request, as changes with the query's TAG. */
void follow_say_history(struct executor *x, struct link *l, uint64_t tag, uint64_t op);
