/*
 * range - how many blocks are asked for in one eth_getLogs.
 *
 * Doubled until the first trouble; then halved when the node does not permit as many or they
 * hold more than RANGE_LOGS, and grown again after some that went well.  So a reply is neither
 * more than is read in one go, nor is an empty chain read in small steps.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RANGE_FIRST 16
#define RANGE_MAX   10000
#define RANGE_LOGS  500

struct range {
	uint64_t size;	/* blocks; at least 1 */
	unsigned good;	/* in a row */
	bool tried;	/* there was a trouble */
};

void range_begin(struct range *r);
void range_shrink(struct range *r);	/* it was too large */
void range_took(struct range *r, unsigned logs);	/* it was read, and held so many */
