/*
 * buckets - where the coprocessors keep ciphertexts.
 *
 * Some contracts return the list of all coprocessors, which is read each minute.  Others tell of
 * one by its address: it is asked for when a request names it first, and again each minute while
 * it has a bucket.  Who has none is forgotten each minute, so that addresses which mean nothing
 * do not fill the places.
 */
#include "executor/chainview_internal.h"
#include "executor/op.h"

static const struct profile_read *reader(const struct chainview *v)
{
	return &v->x->profile.read[READ_coprocessor_bucket];
}

static struct bucket *find_place(struct chainview *v, const struct addr *coprocessor)
{
	for (unsigned i = 0; i < BUCKETS_MAX; i++)
		if (addr_eq(&v->bucket[i].coprocessor, coprocessor))
			return &v->bucket[i];
	return NULL;
}

static void set_url(struct bucket *b, struct bytes url)
{
	bool usable = url.len < sizeof(b->url) && !memchr(url.p, 0, url.len);

	b->known = true;
	b->url[0] = 0;
	if (!usable || url.len == 0)
		return;
	memcpy(b->url, url.p, url.len);
	b->url[url.len] = 0;
}

/* All of them. */

static void on_list(struct executor *x, const struct addr *account, enum err e,
		    struct abi_view root)
{
	struct chainview *v = x->view;
	const struct profile_read *r = reader(v);
	struct abi_view list, key, url;
	unsigned places = 0;

	(void)account;
	if (e || !abi_member_at(root, 0, &list))
		return;
	memset(v->bucket, 0, sizeof(v->bucket));
	for (uint32_t i = 0; i < abi_count(list) && places < BUCKETS_MAX; i++) {
		struct abi_view item = abi_item(list, i);

		if (!abi_member(item, r->key, &key) || !abi_member(item, r->value, &url))
			return;
		v->bucket[places].coprocessor = abi_addr(key);
		set_url(&v->bucket[places++], abi_bytes(url));
	}
	if (!v->has_buckets) {
		v->has_buckets = true;
		op_buckets_known(x);
	}
}

/* One by one. */

static void on_one(struct executor *x, const struct addr *account, enum err e, struct abi_view root)
{
	struct chainview *v = x->view;
	struct bucket *b = find_place(v, account);
	struct abi_view url;

	if (!b)
		return;
	b->asked = false;
	if (e == ERR_AGAIN) {
		timer_start(v->refresh, REFRESH_MIN_S, 0);
		return;
	}

	bool was_known = b->known;

	if (e || profile_value(reader(v), root, account, &url))
		set_url(b, BYTES("", 0));
	else
		set_url(b, abi_bytes(url));
	if (!was_known)
		op_buckets_known(x);
}

static void ask_one(struct chainview *v, struct bucket *b)
{
	if (b->asked)
		return;
	b->asked = true;
	chainview_read(v, READ_coprocessor_bucket, &b->coprocessor, on_one);
}

static void refresh_each(struct chainview *v)
{
	static const struct addr nobody;

	for (unsigned i = 0; i < BUCKETS_MAX; i++) {
		struct bucket *b = &v->bucket[i];

		if (b->known && !*b->url)
			b->coprocessor = nobody;
		else if (!addr_is_zero(&b->coprocessor))
			ask_one(v, b);
	}
}

/* Without room it is as if it had no bucket. */
static bool is_known(struct chainview *v, const struct addr *coprocessor)
{
	static const struct addr nobody;
	struct bucket *b = find_place(v, coprocessor);

	if (addr_is_zero(coprocessor))
		return true;
	if (b)
		return b->known;
	b = find_place(v, &nobody);
	if (!b)
		return true;
	*b = (struct bucket){ .coprocessor = *coprocessor };
	ask_one(v, b);
	return false;
}

bool chainview_knows_buckets(struct chainview *v, const struct request *r)
{
	bool all = true;

	if (!reader(v)->by_key)
		return v->has_buckets;
	for (unsigned i = 0; i < r->materials; i++)
		for (unsigned k = 0; k < r->material[i].count; k++)
			all &= is_known(v, &r->coprocessor[r->material[i].first + k]);
	return all;
}

/* Either way. */

void buckets_refresh(struct chainview *v)
{
	if (reader(v)->by_key)
		refresh_each(v);
	else
		chainview_read(v, READ_coprocessor_bucket, NULL, on_list);
}

bool buckets_settled(const struct chainview *v)
{
	for (unsigned i = 0; reader(v)->by_key && i < BUCKETS_MAX; i++)
		if (!addr_is_zero(&v->bucket[i].coprocessor) && !v->bucket[i].known)
			return false;
	return v->has_buckets;
}

const char *find_bucket(struct chainview *v, const struct addr *coprocessor)
{
	struct bucket *b = find_place(v, coprocessor);

	if (b && *b->url)
		return b->url;
	if (loop_now_ms(v->x->loop) - v->refreshed_ms > (uint64_t)(REFRESH_MIN_S * 1000))
		chainview_refresh(v);
	return NULL;
}
