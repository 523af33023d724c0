/* filter - which logs are wanted. */

#include "tests/peers/fakechain/filter.h"

#include "common/jsonrpc.h"

static enum err read_addresses(const cJSON *v, struct filter *f)
{
	const cJSON *one = cJSON_IsArray(v) ? v->child : v;

	for (; one && !cJSON_IsNull(one); one = cJSON_IsArray(v) ? one->next : NULL) {
		if (f->addresses == FILTER_MAX)
			return ERR_TOO_BIG;
		enum err e = json_addr(one, &f->address[f->addresses++]);
		if (e)
			return e;
	}
	return OK;
}

static enum err read_topic(const cJSON *v, struct filter *f, unsigned i)
{
	const cJSON *one = cJSON_IsArray(v) ? v->child : v;

	for (; one && !cJSON_IsNull(one); one = cJSON_IsArray(v) ? one->next : NULL) {
		if (f->topics[i] == FILTER_MAX)
			return ERR_TOO_BIG;
		enum err e = json_b32(one, &f->topic[i][f->topics[i]++]);
		if (e)
			return e;
	}
	return OK;
}

enum err filter_read(const cJSON *v, struct filter *out)
{
	const cJSON *topics = json_get(v, "topics"), *one = topics ? topics->child : NULL;

	*out = (struct filter){ .addresses = 0 };
	enum err e = read_addresses(json_get(v, "address"), out);
	for (; one && !e; one = one->next) {
		if (out->least == LOG_TOPICS_MAX)
			return ERR_TOO_BIG;
		e = read_topic(one, out, out->least++);
	}
	return e;
}

bool filter_wants(const struct filter *f, const struct log *l)
{
	bool fits = f->addresses == 0;

	for (unsigned i = 0; i < f->addresses && !fits; i++)
		fits = addr_eq(&f->address[i], &l->address);
	if (!fits || l->topics < f->least)
		return false;
	for (unsigned t = 0; t < f->least; t++) {
		fits = f->topics[t] == 0;
		for (unsigned i = 0; i < f->topics[t] && !fits; i++)
			fits = memcmp(f->topic[t][i].b, l->bytes + 32 * t, 32) == 0;
		if (!fits)
			return false;
	}
	return true;
}
