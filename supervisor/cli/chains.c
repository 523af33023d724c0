/* chains - the chains of a configuration, from the list or from the short form. */

#include <stdlib.h>

#include "common/log.h"
#include "supervisor/cli/resolver.h"

#define URLS_MAX       8
#define LABEL_MAX      31		/* characters of a name */

/* From here on: URLs. */

static bool is_name(const char *s)
{
	size_t len = strlen(s);

	return len && len <= LABEL_MAX &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
		       len;
}

struct url { const char *name, *url; char numbered[16]; struct place place; };

struct urls { struct url list[2 * URLS_MAX]; unsigned count; };

static void add_url(struct resolver *r, struct urls *u, const char *name, const char *url,
		    struct place at, const struct option_row *row)
{
	struct parsed p;

	if (!document_parse(r->t, at, row, url, &p))
		return;
	if (u->count == ARRAY_LEN(u->list)) {
		trouble_error(r->t, at, "too many URLs; at most %u of a kind", URLS_MAX);
		return;
	}
	for (unsigned i = 0; i < u->count && name; i++)
		if (strcmp(u->list[i].name, name) == 0)
			trouble_error(r->t, at, "another URL has the name %s; give each its own",
				      name);

	struct url *new = &u->list[u->count++];

	*new = (struct url){ .name = name, .url = url, .place = at };
	snprintf(new->numbered, sizeof(new->numbered), "rpc-%u", u->count);
	if (!name)
		new->name = new->numbered;
}

static void add_item(struct resolver *r, struct urls *u, const struct config_node *item,
		     const struct option_row *row)
{
	static const char *const keys[] = { "name", "url" };
	struct place at = document_place(r->d, item->mark);

	if (item->type == CONFIG_SCALAR) {
		add_url(r, u, NULL, item->text, at, row);
		return;
	}
	if (item->type == CONFIG_LIST) {
		trouble_error(r->t, at, "a URL must stand here; write it, or name: and url:");
		return;
	}
	document_keys(r->t, r->d->path, item, keys, ARRAY_LEN(keys));

	const struct config_node *name = find_member(item, "name"), *url = find_member(item, "url");

	if (!url || url->type != CONFIG_SCALAR)
		trouble_error(r->t, at, "the url is missing; add url: and the URL");
	else if (name && (name->type != CONFIG_SCALAR || !is_name(name->text)))
		trouble_error(r->t, document_place(r->d, name->mark), "this is no name; at most %d "
			      "letters, digits, - _ and .", LABEL_MAX);
	else
		add_url(r, u, name ? name->text : NULL, url->text,
			document_place(r->d, url->mark), row);
}

static void gather_urls(struct resolver *r, const struct option_value *v,
			const struct option_row *row, struct urls *u)
{
	u->count = 0;
	if (!v->node || v->node->type == CONFIG_SCALAR)
		add_url(r, u, NULL, v->text, v->place, row);
	else if (v->node->type == CONFIG_MAP)
		add_item(r, u, v->node, row);
	else
		for (const struct config_node *i = v->node->first; i; i = i->next)
			add_item(r, u, i, row);
}

static unsigned put_urls(struct resolver *r, unsigned chain, const char *kind, const struct urls *u,
			 bool (*wanted)(const char *))
{
	unsigned n = 0;

	for (unsigned i = 0; i < u->count; i++) {
		if (!wanted(u->list[i].url))
			continue;
		if (n == URLS_MAX) {
			trouble_error(r->t, u->list[i].place, "too many URLs; at most %u of a kind",
				      URLS_MAX);
			break;
		}
		resolver_put(r, u->list[i].name, "chain.%u.%s.%u.name", chain, kind, n);
		resolver_put(r, u->list[i].url, "chain.%u.%s.%u.url", chain, kind, n++);
	}
	resolver_put_number(r, n, "chain.%u.%s", chain, kind);
	return n;
}

/* From here on: chains. */

/* The options that stand for a list of one. */
static const enum option short_form[] = {
	OPT_gwl2_url, OPT_chain_id, OPT_decryption_manager_address, OPT_httpz_address,
	OPT_access_control_address, OPT_start_block, OPT_parent_urls, OPT_parent_outbox,
	OPT_parent_id, OPT_parent_start_block,
};

static int contract_of(const struct resolver *r, const char *name)
{
	for (unsigned i = 0; i < r->profile.contracts; i++)
		if (strcmp(r->profile.contract[i].name, name) == 0)
			return (int)i;
	return -1;
}

static void short_contract(struct resolver *r, struct chain *c, enum option o, const char *name)
{
	const struct option_value *v = resolver_value(r, o);
	int i = contract_of(r, name);

	if (v->usable && i < 0 && r->has_profile)
		trouble_error(r->t, v->place, "profile %s has no contract %s; remove this line",
			      r->profile.name, name);
	if (!v->set || i < 0)
		return;
	c->has[i] = true;		/* also when it is wrong: then it is not missing */
	c->contract[i] = v->parsed.address;
}

static struct parent short_parent(struct resolver *r)
{
	static const enum option all[] = {
		OPT_parent_urls, OPT_parent_outbox, OPT_parent_id, OPT_parent_start_block,
	};
	struct parent p = {
		.urls = *resolver_value(r, OPT_parent_urls),
		.has_outbox = resolver_value(r, OPT_parent_outbox)->set,
		.outbox = resolver_value(r, OPT_parent_outbox)->parsed.address,
		.id = resolver_value(r, OPT_parent_id)->parsed.number,
		.has_start = resolver_value(r, OPT_parent_start_block)->set,
		.start = resolver_value(r, OPT_parent_start_block)->parsed.number,
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		const struct option_value *v = resolver_value(r, all[i]);

		if (!v->set || p.present)
			continue;
		p.present = true;
		p.place = v->place;
	}
	return p;
}

static void short_chain(struct resolver *r)
{
	struct chain *c = &r->chain[0];
	struct place top = document_place(r->d, (struct config_mark){ .line = 1, .column = 1 });

	for (size_t i = 0; i < ARRAY_LEN(short_form); i++)
		if (!option_rows[short_form[i]].fallback && !resolver_value(r, short_form[i])->set)
			resolver_missing(r, top, &option_rows[short_form[i]]);
	r->chains = 1;
	*c = (struct chain){
		.name = "gateway",
		.id = resolver_value(r, OPT_chain_id)->parsed.number,
		.place = resolver_value(r, OPT_gwl2_url)->place,
		.urls = *resolver_value(r, OPT_gwl2_url),
		.start = resolver_value(r, OPT_start_block)->parsed,
		.parent = short_parent(r),
	};
	short_contract(r, c, OPT_decryption_manager_address, "decryption_manager");
	short_contract(r, c, OPT_httpz_address, "httpz");
	short_contract(r, c, OPT_access_control_address, "access_control");
}

/*
 * A scalar member of a chain's item, or of its parent; NULL and trouble when it is missing (and
 * has no fallback) or not usable.
 */
static const struct config_node *chain_member(struct resolver *r, const struct config_node *item,
					      enum option o, struct parsed *out)
{
	const struct option_row *row = &option_rows[o];
	const struct config_node *m = find_member(item, strrchr(row->path, '.') + 1);

	if (!m && row->fallback)
		return NULL;
	if (!m)
		resolver_missing(r, document_place(r->d, item->mark), row);
	else if (!out || document_scalar(r->d, row, m, out))
		return m;
	return NULL;
}

static void chain_contracts(struct resolver *r, struct chain *c, const struct config_node *map)
{
	if (map->type != CONFIG_MAP) {
		trouble_error(r->t, document_place(r->d, map->mark),
			      "names and addresses must stand "
			      "here; write name: address");
		return;
	}
	for (const struct config_node *m = map->first; m; m = m->next) {
		int i = contract_of(r, m->key);
		struct parsed p = { 0 };

		if (document_scalar(r->d, &option_rows[OPT_chains_contracts], m, &p) && i < 0 &&
		    r->has_profile)
			trouble_error(r->t, document_place(r->d, m->key_mark), "profile %s has no "
				      "contract \"%.40s\"; remove it", r->profile.name, m->key);
		if (i < 0)
			continue;
		c->has[i] = true;
		c->contract[i] = p.address;
	}
}

/* Where a list or map stands in the place of a value. */
static struct option_value value_at(const struct resolver *r, const struct config_node *m)
{
	return (struct option_value){ .node = m, .text = m->text, .set = true,
				      .place = document_place(r->d, m->mark) };
}

static void read_parent(struct resolver *r, const struct config_node *map, struct parent *p)
{
	struct parsed outbox, id = { 0 }, start = { 0 };
	const struct config_node *m;

	*p = (struct parent){ .present = true, .place = document_place(r->d, map->mark) };
	m = chain_member(r, map, OPT_chains_parent_urls, NULL);
	if (m)
		p->urls = value_at(r, m);
	p->has_outbox = find_member(map, "outbox_address");	/* also when it is wrong */
	if (chain_member(r, map, OPT_chains_parent_outbox, &outbox))
		p->outbox = outbox.address;
	chain_member(r, map, OPT_chains_parent_id, &id);
	p->id = id.number;
	p->has_start = chain_member(r, map, OPT_chains_parent_start_block, &start);
	p->start = start.number;
}

static void read_chain(struct resolver *r, const struct config_node *item, struct chain *c)
{
	struct parsed name, id = { 0 };

	*c = (struct chain){ .place = document_place(r->d, item->mark), .name = "" };
	if (item->type != CONFIG_MAP) {
		trouble_error(r->t, c->place, "a chain must stand here; write name:, id:, urls:, "
			      "start_block: and contracts:");
		return;
	}

	const struct config_node *m = chain_member(r, item, OPT_chains_name, &name);

	if (m && !is_name(m->text))
		trouble_error(r->t, document_place(r->d, m->mark), "this is no name; at most %d "
			      "letters, digits, - _ and .", LABEL_MAX);
	else if (m)
		c->name = m->text;
	if (chain_member(r, item, OPT_chains_id, &id))
		c->id = id.number;
	chain_member(r, item, OPT_chains_start_block, &c->start);
	m = chain_member(r, item, OPT_chains_urls, NULL);
	if (m)
		c->urls = value_at(r, m);
	m = chain_member(r, item, OPT_chains_contracts, NULL);
	if (m)
		chain_contracts(r, c, m);
	m = find_member(item, "parent_chain");
	if (m && m->type == CONFIG_MAP)
		read_parent(r, m, &c->parent);
}

static void long_chains(struct resolver *r, const struct config_node *list)
{
	for (size_t i = 0; i < ARRAY_LEN(short_form); i++)
		if (resolver_value(r, short_form[i])->set)
			trouble_error(r->t, resolver_value(r, short_form[i])->place,
				      "%s cannot stand beside "
				      "chains; move it into the list",
				      option_rows[short_form[i]].path);
	if (list->type != CONFIG_LIST || list->count == 0 || list->count > CHAINS_MAX) {
		trouble_error(r->t, document_place(r->d, list->mark),
			      "a list of 1 to %u chains must "
			      "stand here; begin each with \"- name:\"",
			      CHAINS_MAX);
		return;
	}
	for (const struct config_node *item = list->first; item; item = item->next) {
		struct chain *c = &r->chain[r->chains];

		read_chain(r, item, c);
		for (unsigned i = 0; i < r->chains; i++)
			if (strcmp(r->chain[i].name, c->name) == 0 || r->chain[i].id == c->id)
				trouble_error(r->t, c->place,
					      "another chain has the same name or id; "
					      "give each its own");
		r->chains++;
	}
}

static void put_parent(struct resolver *r, unsigned i)
{
	const struct parent *p = &r->chain[i].parent;
	char text[ADDR_TEXT];
	struct urls urls;
	unsigned n;

	if (!p->urls.set)
		resolver_missing(r, p->place, &option_rows[OPT_parent_urls]);
	if (!p->has_outbox)
		resolver_missing(r, p->place, &option_rows[OPT_parent_outbox]);
	if (p->id && p->id == r->chain[i].id)
		trouble_error(r->t, p->place, "the parent chain has the id of the chain itself; "
			      "correct one of them");
	if (!p->urls.set)
		return;
	gather_urls(r, &p->urls, &option_rows[OPT_parent_urls], &urls);
	n = put_urls(r, i, "parent.http", &urls, value_is_http);
	if (n != urls.count)
		trouble_error(r->t, p->urls.place, "the parent chain is asked by http(s) only; "
			      "remove its ws(s) URLs");
	resolver_put(r, addr_text(&p->outbox, text), "chain.%u.parent.outbox", i);
	resolver_put_number(r, p->id, "chain.%u.parent.id", i);
	if (p->has_start)
		resolver_put_number(r, p->start, "chain.%u.parent.start_block", i);
}

static void put_chain(struct resolver *r, unsigned i)
{
	const struct chain *c = &r->chain[i];
	struct urls urls;

	resolver_put(r, c->name, "chain.%u.name", i);
	resolver_put_number(r, c->id, "chain.%u.id", i);
	resolver_put_number(r, resolver_value(r, OPT_poll_interval)->parsed.number,
			    "chain.%u.poll_ms", i);
	if (c->start.is_age)
		resolver_put_number(r, c->start.age_s, "chain.%u.start_age_s", i);
	else
		resolver_put_number(r, c->start.number, "chain.%u.start_block", i);
	if (!c->urls.set)
		return;
	gather_urls(r, &c->urls, &option_rows[OPT_gwl2_url], &urls);
	if (put_urls(r, i, "http", &urls, value_is_http) == 0 && urls.count)
		trouble_error(r->t, c->urls.place,
			      "there is no http(s) URL; add one: ws(s) URLs only "
			      "wake the connector up");
	put_urls(r, i, "ws", &urls, value_is_websocket);
	if (c->parent.present)
		put_parent(r, i);
	else
		resolver_put_number(r, 0, "chain.%u.parent.http", i);
}

/* Which chain a contract of the profile must be on: the only one, or the one of that name. */
static void put_contract(struct resolver *r, unsigned k)
{
	const struct profile_file_contract *f = &r->profile.contract[k];
	char text[ADDR_TEXT];

	for (unsigned i = 0; i < r->chains; i++) {
		const struct chain *c = &r->chain[i];

		if (!c->has[k])
			continue;
		if (r->chains > 1 && strcmp(c->name, f->chain) != 0) {
			trouble_error(r->t, c->place,
				      "the contract %s belongs to the chain named %s; "
				      "move it",
				      f->name, f->chain);
			continue;
		}
		resolver_put(r, f->name, "contract.%u.name", r->contracts);
		resolver_put_number(r, c->id, "contract.%u.chain", r->contracts);
		resolver_put(r, addr_text(&c->contract[k], text), "contract.%u.address",
			     r->contracts++);
		r->choice.contract[k] = true;
		return;
	}
	if (f->optional)
		return;
	if (r->chains)
		trouble_error(r->t, r->chain[0].place, "the address of %s is missing; add %s%s",
			      f->name, f->name,
			      resolver_value(r, OPT_chains)->set ? " below contracts" : "_address");

	/* A stand-in, so that the profile can be checked in the same run; it goes nowhere. */
	resolver_put(r, f->name, "contract.%u.name", r->contracts);
	resolver_put_number(r, 1, "contract.%u.chain", r->contracts);
	snprintf(text, sizeof(text), "0x%040x", k + 1);
	resolver_put(r, text, "contract.%u.address", r->contracts++);
}

static void check_same_address(struct resolver *r)
{
	for (unsigned k = 1; k < r->contracts; k++)
		for (unsigned j = 0; j < k; j++) {
			struct addr a = get_setting_addr(r->all, "contract.%u.address", j);
			struct addr b = get_setting_addr(r->all, "contract.%u.address", k);

			if (addr_eq(&a, &b) && !addr_is_zero(&a))
				trouble_error(r->t, r->chain[0].place, "%s and %s have the same "
					      "address; correct one",
					      get_setting(r->all, "contract.%u.name", j),
					      get_setting(r->all, "contract.%u.name", k));
		}
}

void resolver_put_chains(struct resolver *r)
{
	const struct option_value *list = resolver_value(r, OPT_chains);

	if (list->node)
		long_chains(r, list->node);
	else if (list->set)
		trouble_error(r->t, list->place, "chains can only be set in the file; unset it");
	else
		short_chain(r);
	resolver_put_number(r, r->chains, "chain");
	for (unsigned i = 0; i < r->chains; i++)
		put_chain(r, i);
	for (unsigned k = 0; k < r->profile.contracts; k++)
		put_contract(r, k);
	resolver_put_number(r, r->contracts, "contract");
	check_same_address(r);
}
