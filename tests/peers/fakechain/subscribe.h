/* subscribe - newHeads and logs over WebSockets. */
#pragma once

#include "tests/peers/fakechain/filter.h"
#include "tests/peers/fakechain/node.h"

struct rpc;

struct subscription {
	struct subscription *next;
	uint64_t id;
	bool is_logs;
	struct filter filter;
};

/* eth_subscribe and eth_unsubscribe; the list belongs to the connection. */
bool subscribe_add(struct rpc *r, struct subscription **list);
bool subscribe_drop(struct rpc *r, struct subscription **list);
void subscribe_free(struct subscription **list);

void subscribe_block(struct node *n, const struct block *b);
void subscribe_removed(struct node *n, struct block *const *gone, uint64_t count);
