/* scan - a stack of blocks whose counts are known. */

#include "executor/scan.h"

#include "common/log.h"

void scan_begin(struct scan *s, uint64_t block)
{
	*s = (struct scan){ .has_from = true, .from = block, .at = block };
}

enum scan_wants scan_next(struct scan *s, uint64_t head, uint64_t *block_out)
{
	if (!s->has_from)
		return SCAN_NOTHING;
	*block_out = s->at;
	if (!s->has_nonce)
		return SCAN_COUNT;
	/* What lies up to the nearest bound is known when nothing was sent there. */
	while (s->depth && s->bound[s->depth - 1].nonce == s->nonce)
		s->at = s->bound[--s->depth].block;
	if (!s->depth) {
		*block_out = head;
		return head > s->at ? SCAN_COUNT : SCAN_NOTHING;
	}
	uint64_t far = s->bound[s->depth - 1].block;
	*block_out = far == s->at + 1 ? far : s->at + (far - s->at) / 2;
	return far == s->at + 1 ? SCAN_BLOCK : SCAN_COUNT;
}

/* A count below one of an older block: nodes differ, or the chain has moved. */
static void doubt(struct scan *s)
{
	s->has_nonce = false;
	s->depth = 0;
}

void scan_counted(struct scan *s, uint64_t block, uint64_t nonce)
{
	if (block == s->at && !s->has_nonce) {
		s->nonce = nonce;
		s->has_nonce = true;
		return;
	}
	if (block <= s->at || nonce < s->nonce ||
	    (s->depth && (block >= s->bound[s->depth - 1].block || nonce > s->bound[s->depth - 1].nonce))) {
		doubt(s);
		return;
	}
	check(s->depth < SCAN_DEPTH);
	s->bound[s->depth].block = block;
	s->bound[s->depth++].nonce = nonce;
}

void scan_read(struct scan *s, uint64_t block, uint64_t sent)
{
	if (!s->depth || block != s->at + 1 || block != s->bound[s->depth - 1].block ||
	    s->nonce + sent != s->bound[s->depth - 1].nonce) {
		doubt(s);
		return;
	}
	s->nonce += sent;
	s->at = block;
	s->depth--;
}

void scan_retract(struct scan *s, uint64_t number)
{
	if (!s->has_from || number == 0)
		return;
	doubt(s);
	if (s->at >= number)
		s->at = number - 1;
	if (s->from > s->at)
		s->from = s->at;
}

bool scan_covers(const struct scan *s, uint64_t block)
{
	return s->has_from && block > s->from;
}
