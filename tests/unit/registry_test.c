/* registry_test - nodes and buckets that were read one by one. */
#include "supervisor/cli/registry.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/abi_words.h"

TestSuite(registry, .timeout = 10);

static struct addr account_of(unsigned n)
{
	struct addr a = { { 0 } };

	be64_put(a.b + 12, n);
	return a;
}

/* What the view returned for account N. */
static void add_node(struct audit_nodes *nodes, unsigned n, const char *words)
{
	static struct profile_read r;
	struct addr account = account_of(n);
	struct bytes data = data_of(words);
	struct abi_view root;

	r = (struct profile_read){ .present = true,
				   .by_key = true,
				   .value = "node.signer",
				   .function =
					   parsed("function n(address) view returns ((address tx, "
						  "address signer, string ip) node)") };
	cr_assert_eq(abi_decode(&r.function, r.function.outputs, data, &root), OK);
	audit_nodes_add(&r, root, &account, nodes);
	free((void *)(uintptr_t)data.p);
}

Test(registry, nodes)
{
	static struct audit_nodes nodes;
	struct addr second = account_of(2), signer = account_of(22);

	add_node(&nodes, 1, "20 0 0 60 0");
	cr_expect_eq(nodes.count, 0, "zeros are nobody");
	add_node(&nodes, 2, "20 2 16 60 1 <41");
	cr_assert_eq(nodes.count, 1);
	cr_expect(addr_eq(&nodes.node[0].account, &second));
	cr_expect(addr_eq(&nodes.node[0].identity, &signer));
	while (nodes.count < AUDIT_NODES_MAX)
		add_node(&nodes, 3, "20 3 17 60 0");
	add_node(&nodes, 4, "20 4 18 60 0");
	cr_expect_eq(nodes.count, AUDIT_NODES_MAX);
}

Test(registry, buckets)
{
	static const char url[] = "https://a.example/b", odd[] = "http\0://b";
	static struct buckets b;
	struct addr first = account_of(1), second = account_of(2), third = account_of(3);

	cr_expect_not(buckets_know(&b, &first));
	buckets_add(&b, &first, BYTES(url, strlen(url)));
	buckets_add(&b, &second, (struct bytes){ 0 });
	buckets_add(&b, &third, BYTES(odd, sizeof(odd)));
	cr_expect_eq(b.count, 3);
	cr_expect(buckets_know(&b, &first) && buckets_know(&b, &second) &&
		  buckets_know(&b, &third));
	cr_expect_str_eq(b.bucket[0].url, url);
	cr_expect_str_eq(b.bucket[1].url, "", "who has none is not asked again");
	cr_expect_str_eq(b.bucket[2].url, "", "what no text can be");
	for (unsigned i = 4; b.count < BODIES_BUCKETS_MAX; i++) {
		struct addr more = account_of(i);

		buckets_add(&b, &more, (struct bytes){ 0 });
	}
	buckets_add(&b, &first, BYTES(url, strlen(url)));
	cr_expect_eq(b.count, 1, "begun anew");
}
