/* heights - tags of the node; a search by time, or the parent chain's Outbox, for settled. */

#include "supervisor/cli/heights.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/keccak.h"
#include "common/loop.h"
#include "proto/settlement.h"
#include "supervisor/cli/past.h"

#define PARENT_SPAN 4096	/* blocks of the first look */
#define TRIES       16		/* named blocks that are looked up, the newest first: as claims.h */

struct height {
	uint64_t number, time;
	struct b32 hash;
};

static char why[200];		/* after a failure */

/* ERR_MISSING: the node knows no such block. */
static enum err read_block(const char *url, const char *method, const char *params,
			   struct height *out)
{
	static struct node_reply r;
	enum err e = node_call(url, method, params, &r);

	snprintf(why, sizeof(why), "%.190s", e ? r.why : "the node has no such block");
	if (!e && cJSON_IsNull(r.result))
		e = ERR_MISSING;
	else if (!e && (json_u64(json_get(r.result, "number"), &out->number) ||
			json_u64(json_get(r.result, "timestamp"), &out->time) ||
			json_b32(json_get(r.result, "hash"), &out->hash)))
		e = ERR_FORMAT;
	if (e == ERR_FORMAT)
		snprintf(why, sizeof(why), "the node's block is none");
	node_reply_free(&r);
	return e;
}

static enum err read_numbered(const char *url, uint64_t number, struct height *out)
{
	char params[40];

	snprintf(params, sizeof(params), "[\"0x%" PRIx64 "\",false]", number);
	enum err e = read_block(url, "eth_getBlockByNumber", params, out);
	return e ? e : out->number == number ? OK : ERR_MISMATCH;
}

static enum err read_tag(const char *url, const char *tag, struct height *out)
{
	char params[40];

	snprintf(params, sizeof(params), "[\"%s\",false]", tag);
	return read_block(url, "eth_getBlockByNumber", params, out);
}

static bool unknown(const char *level)
{
	printf("  %s: not known: %s\n", level, why);
	return false;
}

/* By the chain's own time. */

/* The first block after LIMIT; what the node does not have any more is too old to be it. */
static enum err find_after(const char *url, uint64_t limit, const struct height *finalized,
			   uint64_t *out)
{
	uint64_t low = 0, high = finalized->number;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		struct height h;
		enum err e = read_numbered(url, middle, &h);

		if (e && e != ERR_MISSING)
			return e;
		if (e == ERR_MISSING || h.time <= limit)
			low = middle + 1;
		else
			high = middle;
	}
	*out = low;
	return OK;
}

static bool print_by_time(const char *url, const struct height *finalized)
{
	uint64_t limit = finalized->time - SETTLED_AGE_S, after = 0;
	char text[CLOCK_TEXT];
	struct height h;

	if (finalized->time > SETTLED_AGE_S && find_after(url, limit, finalized, &after))
		return unknown("settled");
	if (after == 0) {
		printf("  settled: none yet: no block is %u days older than the finalized one\n",
		       SETTLED_AGE_S / 86400);
		return true;
	}
	if (read_numbered(url, after - 1, &h))
		return unknown("settled");
	printf("  settled: block %" PRIu64 ", the last one up to %s of the chain's time\n",
	       h.number, clock_text(limit, text));
	return true;
}

/* By the parent chain. */

struct search {
	const char *url;		/* of our chain */
	struct addr outbox;
	struct b32 event;
	uint64_t finalized;		/* of our chain */
	unsigned tried;
	bool found, failed;
	uint64_t settled, named_in;	/* the block; that of the parent chain which says so */
};

/* Is it a block of our chain, and finalized there?  ERR_MISSING: it is not, or not yet. */
static enum err look_up(const struct search *s, const struct b32 *hash, struct height *out)
{
	char params[80], hex[67];
	struct height there;

	snprintf(params, sizeof(params), "[\"%s\",false]", hex_encode0x(BYTES_OF(hash->b), hex));
	enum err e = read_block(s->url, "eth_getBlockByHash", params, out);
	if (!e && out->number > s->finalized)
		return ERR_MISSING;
	e = e ? e : read_numbered(s->url, out->number, &there);
	return e ? e : b32_eq(&there.hash, hash) ? OK : ERR_MISSING;
}

static bool on_claim(void *owner, const struct past_log *log)
{
	struct search *s = owner;
	struct height h;

	if (!addr_eq(&log->address, &s->outbox) || log->topics != 3 ||
	    !b32_eq(&log->topic[0], &s->event))
		return true;		/* the node gave what it was not asked for */
	enum err e = look_up(s, &log->topic[2], &h);
	s->failed = e && e != ERR_MISSING;
	if (!e && (!s->found || h.number > s->settled)) {
		s->found = true;
		s->settled = h.number;
		s->named_in = log->block;
	}
	return !s->failed && ++s->tried < TRIES;
}

static bool is_on(const char *url, uint64_t wanted)
{
	static struct node_reply r;
	uint64_t id;
	bool right = node_call(url, "eth_chainId", "[]", &r) == OK &&
		     json_u64(r.result, &id) == OK && (wanted == 0 || id == wanted);

	node_reply_free(&r);
	return right;
}

static const char *find_parent(const struct settings *s, unsigned i)
{
	uint64_t id = get_setting_u64(s, "chain.%u.parent.id", i);

	for (unsigned k = 0; k < get_setting_u64(s, "chain.%u.parent.http", i); k++) {
		const char *url = get_setting(s, "chain.%u.parent.http.%u.url", i, k);

		if (is_on(url, id))
			return url;
	}
	snprintf(why, sizeof(why), "no node of the parent chain answers");
	return NULL;
}

/* The blocks from which on the listener reads the Outbox. */
static uint64_t first_block(const struct settings *s, unsigned i, uint64_t finalized)
{
	if (find_setting(s, "chain.%u.parent.start_block", i))
		return get_setting_u64(s, "chain.%u.parent.start_block", i);
	return finalized > SETTLED_LOOK_BACK ? finalized - SETTLED_LOOK_BACK : 0;
}

static enum err search_outbox(const char *parent, uint64_t from, uint64_t to, struct search *s)
{
	char filter[PAST_FILTER_MAX], address[ADDR_TEXT], topic[67];
	struct past_walk w = {
		.url = parent, .filter = filter, .from = from, .to = to, .span = PARENT_SPAN,
		.on_log = on_claim, .owner = s,
	};

	snprintf(filter, sizeof(filter), "\"address\":\"%s\",\"topics\":[\"%s\"]",
		 addr_text(&s->outbox, address), hex_encode0x(BYTES_OF(s->event.b), topic));
	enum err e = from <= to ? past_walk(&w) : OK;
	if (e)
		snprintf(why, sizeof(why), "the parent chain: %.160s",
			 e == ERR_FULL ? "too many blocks to look through" : w.why);
	return e;
}

static bool print_by_parent(const struct settings *settings, unsigned i, const char *url,
			    const struct height *finalized)
{
	const char *parent = find_parent(settings, i);
	struct search s = {
		.url = url, .finalized = finalized->number, .event = keccak_text(SETTLED_EVENT),
		.outbox = get_setting_addr(settings, "chain.%u.parent.outbox", i),
	};
	struct height head;

	if (!parent || read_tag(parent, "finalized", &head))
		return unknown("settled");

	uint64_t from = first_block(settings, i, head.number);

	if (search_outbox(parent, from, head.number, &s) || s.failed)
		return unknown("settled");
	if (s.found)
		printf("  settled: block %" PRIu64 ", named in block %" PRIu64 " of the parent chain\n",
		       s.settled, s.named_in);
	else
		printf("  settled: none yet: in its blocks %" PRIu64 " to %" PRIu64 " the parent chain "
		       "has named %s\n", from, head.number,
		       s.tried ? "no block that is finalized here" : "no block");
	return true;
}

bool heights_print(const struct chain_reader *r, unsigned i)
{
	static const char *const tags[] = { "latest", "safe", "finalized" };
	const struct settings *s = r->config->child[ROLE_LISTENER];
	struct height h;

	printf("%s, chain %" PRIu64 "\n", get_setting(s, "chain.%u.name", i), r->chain[i]);
	if (!r->url[i]) {
		printf("  no node of it answers\n");
		return false;
	}
	for (size_t k = 0; k < ARRAY_LEN(tags); k++) {
		if (read_tag(r->url[i], tags[k], &h))
			return unknown(tags[k]);
		printf("  %s: block %" PRIu64 "\n", tags[k], h.number);
	}
	if (get_setting_u64(s, "chain.%u.parent.http", i) == 0)
		return print_by_time(r->url[i], &h);
	return print_by_parent(s, i, r->url[i], &h);
}
