/*
 * settlement - when a block of ours is settled, for all who need to know.
 *
 * With a parent chain: SETTLED_EVENT of the Outbox there, in a block that the parent chain calls
 * finalized, names our block or a later one.  Emitted as (root, block) by every release of the
 * contract, though the first ones declared the names the other way round: the third topic is it.
 * Without: the time of our finalized block is SETTLED_AGE_S after the block's own.
 */
#pragma once

#define SETTLED_EVENT "SendRootUpdated(bytes32,bytes32)"
#define SETTLED_AGE_S 691200u		/* 8 days: the end of the challenge period, and a day */
#define SETTLED_LOOK_BACK 50400u	/* blocks of the parent chain: a week of 12 s */
