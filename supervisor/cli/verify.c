/* verify - the walk over answers, and one verdict for each request. */

#include "supervisor/cli/verify.h"

#include <inttypes.h>
#include <stdio.h>

#define LAST_SPAN 4096		/* blocks of the first look */
#define ONE_SPAN  (1u << 17)	/* an id is in few blocks */

/* A walk over the events of answers. */
struct search {
	struct verify *v;
	uint64_t chain;
	struct past_walk walk;
	unsigned wanted, found;		/* requests */
	struct verdict *only;		/* no other counts; NULL: all do */
};

static struct chain_reader reader;

static struct verdict *find_verdict(struct verify *v, uint64_t chain, enum op_kind kind,
				    const struct b32 *id)
{
	for (unsigned i = 0; i < v->count; i++)
		if (v->verdict[i].chain == chain && v->verdict[i].kind == kind &&
		    b32_eq(&v->verdict[i].id, id))
			return &v->verdict[i];
	return NULL;
}

/* NULL: there is no more room. */
static struct verdict *add_verdict(struct verify *v, uint64_t chain, enum op_kind kind,
				   const struct b32 *id)
{
	if (v->count == VERIFY_MAX)
		return NULL;
	struct verdict *t = &v->verdict[v->count++];

	*t = (struct verdict){ .kind = kind, .chain = chain, .id = *id };
	return t;
}

/* One event. */

static const struct profile_answered *find_row(const struct past_log *log, uint64_t chain)
{
	const struct profile *p = &reader.profile;

	for (unsigned i = 0; i < p->answered; i++) {
		const struct profile_contract *c = &p->contract[p->answer[i].contract];

		if (c->chain == chain && addr_eq(&c->address, &log->address) &&
		    abi_check_topics(&p->answer[i].event, log->topic, log->topics) == OK)
			return &p->answer[i];
	}
	return NULL;
}

/* False when the id stands in data that cannot be decoded. */
static bool read_id(const struct profile_answered *row, const struct past_log *log,
		    const struct abi_view *event, struct b32 *out)
{
	const char *path = row->role[ANSWERED_id];
	struct abi_view v;

	if (abi_topic(&row->event, log->topic, path, out))
		return true;
	if (!event || !abi_member(*event, path, &v))
		return false;
	*out = abi_word(v);
	return true;
}

static void judge(struct search *s, struct verdict *t, const struct profile_answered *row,
		  const struct past_log *log, const struct abi_view *event)
{
	uint64_t asked_in = 0;

	s->found += !t->is_answered;
	if (!t->is_answered) {
		t->block = log->block;
		t->tx = log->tx;
	}
	t->is_answered = true;
	if (event)
		asked_in = judging_judge(t, row, log, *event);
	else
		audit_wrong(&t->audit, "its event in block %" PRIu64 " is not encoded as it should be",
			    log->block);
	if (s->only && asked_in)
		s->walk.from = asked_in;	/* nobody answers before he is asked */
}

static bool on_answer(void *owner, const struct past_log *log)
{
	struct search *s = owner;
	const struct profile_answered *row = find_row(log, s->chain);
	struct abi_view event;
	struct b32 id;

	if (!row)
		return true;		/* the node gave what it was not asked for */
	bool sound = abi_decode(&row->event, row->event.inputs, log->data, &event) == OK;
	if (!read_id(row, log, sound ? &event : NULL, &id))
		return true;

	struct verdict *t = find_verdict(s->v, s->chain, row->kind, &id);

	if (s->only && t != s->only)
		return true;
	if (!t && s->found == s->wanted)
		return false;
	if (!t && !(t = add_verdict(s->v, s->chain, row->kind, &id)))
		return false;
	judge(s, t, row, log, sound ? &event : NULL);
	return true;
}

/* All of them. */

static void search(struct search *s, const char *filter, uint64_t span)
{
	char why[PAST_WHY_MAX] = "no node of it answers";
	uint64_t latest;

	s->walk = (struct past_walk){
		.url = chain_reader_url(&reader, s->chain), .filter = filter, .span = span,
		.on_log = on_answer, .owner = s,
	};
	enum err e = s->walk.url ? past_latest(s->walk.url, &latest, why) : ERR_CLOSED;
	if (!e) {
		s->walk.to = latest;
		e = past_walk(&s->walk);
		snprintf(why, sizeof(why), "below block %" PRIu64 ": %.110s", s->walk.reached,
			 s->walk.why);
	}
	if (e == ERR_FULL)
		snprintf(s->v->note, sizeof(s->v->note), "chain %" PRIu64 ": looked back to block %"
			 PRIu64, s->chain, s->walk.reached);
	else if (e)
		snprintf(s->v->trouble, sizeof(s->v->trouble), "chain %" PRIu64 ": %s", s->chain, why);
}

static const struct profile_contract *contract_of(const struct profile_answered *a)
{
	return &reader.profile.contract[a->contract];
}

/* All kinds of answers of one chain, together. */
static void write_filter(char out[PAST_FILTER_MAX], uint64_t chain)
{
	const struct profile *p = &reader.profile;
	char addresses[PROFILE_ANSWERED_MAX * (ADDR_TEXT + 3)], topics[PROFILE_ANSWERED_MAX * 70];
	char text[67], *comma = "";
	size_t a = 0, t = 0;

	for (unsigned i = 0; i < p->answered; i++) {
		const struct profile_contract *c = contract_of(&p->answer[i]);

		if (c->chain != chain)
			continue;
		a += (size_t)snprintf(addresses + a, sizeof(addresses) - a, "%s\"%s\"", comma,
				      addr_text(&c->address, text));
		t += (size_t)snprintf(topics + t, sizeof(topics) - t, "%s\"%s\"", comma,
				      hex_encode0x(BYTES_OF(p->answer[i].event.hash.b), text));
		comma = ",";
	}
	snprintf(out, PAST_FILTER_MAX, "\"address\":[%.*s],\"topics\":[[%.*s]]", (int)a, addresses, (int)t,
		 topics);
}

static bool is_first_of_chain(const struct profile *p, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (contract_of(&p->answer[k])->chain == contract_of(&p->answer[i])->chain)
			return false;
	return true;
}

void verify_last(struct verify *v, unsigned n)
{
	const struct profile *p = &reader.profile;
	char filter[PAST_FILTER_MAX];

	for (unsigned i = 0; i < p->answered; i++) {
		struct search s = { .v = v, .chain = contract_of(&p->answer[i])->chain, .wanted = n };

		if (!is_first_of_chain(p, i))
			continue;
		write_filter(filter, s.chain);
		search(&s, filter, LAST_SPAN);
	}
}

bool verify_can(enum op_kind kind)
{
	return find_answered(&reader.profile, kind) != NULL;
}

void verify_one(struct verify *v, enum op_kind kind, const struct b32 *id)
{
	const struct profile_answered *row = find_answered(&reader.profile, kind);
	struct search s = { .v = v, .chain = contract_of(row)->chain };
	char filter[PAST_FILTER_MAX];

	if (find_verdict(v, s.chain, kind, id) || !(s.only = add_verdict(v, s.chain, kind, id)))
		return;
	past_filter(filter, contract_of(row), &row->event, row->role[ANSWERED_id], id);
	search(&s, filter, ONE_SPAN);
	if (!s.only->is_answered)
		audit_unknown(&s.only->audit,
			      "no event of its answer is on the chain, as far as the node tells");
}

void verify_open(struct verify *v, const struct connector_config *c)
{
	v->count = 0;
	v->trouble[0] = v->note[0] = '\0';
	chain_reader_open(&reader, c);
	judging_open(&reader, c);
}

void verify_close(void)
{
	judging_close();
}
