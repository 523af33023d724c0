/* eip712_test - type strings, digests and signers, held against vectors. */
#include "common/eip712.h"

#include <criterion/criterion.h>

#include "common/keccak.h"

#define PUBLIC_2026 "PublicDecryptVerification(bytes32[] ctHandles,bytes decryptedResult," \
		    "bytes extraData)"
#define USER_2026   "UserDecryptResponseVerification(bytes publicKey,bytes32[] ctHandles," \
		    "bytes userDecryptedShare,bytes extraData)"
#define PUBLIC_0401 "PublicDecryptVerification(uint256[] ctHandles,bytes decryptedResult)"
#define PUBLIC_0407 "PublicDecryptVerification(bytes32[] ctHandles,bytes decryptedResult)"
#define USER_0401   "UserDecryptResponseVerification(bytes publicKey,uint256[] ctHandles," \
		    "bytes reencryptedShare)"
#define USER_0407   "UserDecryptResponseVerification(bytes publicKey,bytes32[] ctHandles," \
		    "bytes reencryptedShare)"
#define USER_0428   "UserDecryptResponseVerification(bytes publicKey,bytes32[] ctHandles," \
		    "bytes userDecryptedShare)"

/* The address of the private key 1. */
#define SIGNER "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"

/* The order of the group and its half: a low s is at most the half. */
#define ORDER  "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
#define HALF   "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0"
#define ABOVE  "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1"
#define ZERO   "0000000000000000000000000000000000000000000000000000000000000000"

TestSuite(eip712, .timeout = 10);

static void from_hex(const char *hex, void *out, size_t n)
{
	cr_assert_eq(hex_decode_exact(hex, strlen(hex), out, n), OK, "%s", hex);
}

static void is_hash(struct b32 hash, const char *expected)
{
	char text[65];

	cr_assert_str_eq(hex_encode(BYTES_OF(hash.b), text), expected);
}

static struct eip712_type parsed(const char *text)
{
	struct eip712_type type;
	const char *why = "";

	cr_assert_eq(eip712_parse(text, &type, &why), OK, "%s: %s", text, why);
	return type;
}

static struct b32 domain(void)
{
	struct addr contract;

	cr_assert_eq(addr_parse("0xF0bFB159C7381F7CB332586004d8247252C5b816", &contract), OK);
	return eip712_domain("DecryptionManager", "1", 54321, &contract);
}

Test(eip712, type_hashes)
{
	static const struct { const char *type, *hash; } row[] = {
		{ PUBLIC_2026, "89bac15e5ba205584832145601e359431e80fb9fb331ba5a22058132d525c794" },
		{ USER_2026, "2c4b1a55fe4090104eb889f0e48d4cf11c7cc4b95cf47117b9f0008cbcc10f5f" },
		{ PUBLIC_0401, "8d43f0da8419a982954769cb6e074802155097b09bedf5f163b54a592d65c718" },
		{ PUBLIC_0407, "0fadf98b8136b99fb0131ba0fcbca3082d7d632509fad62cf0d18ebdf9670cc1" },
		{ USER_0401, "7f6bb5f3fdbc12583b01167038fdc9e1ec1a7c63781bf1a3ed19c1c9c8639c7b" },
		{ USER_0407, "f7e27dfd3fe3d63db90df13495def08652c6cc0a1297cc39ca04f7d6dd403d76" },
		{ USER_0428, "66b7de8ddbdfcd47d72af09b73afd147c55ee65b08d2da318d957728ceb27b65" },
		{ "EIP712PublicDecrypt(uint256[] ctHandles,bytes decryptedResult)",
		  "ab60dcb95103e2f781c91c356e2acbc78aa827031d029f4969e370b43d7b3411" },
		{ "EIP712UserDecryptResponse(bytes publicKey,uint256[] ctHandles,"
		  "bytes reencryptedShare)",
		  "05d2158634daff2f4d909dc6f1a2ca38e0d154635cea73cbd7e0efa76830d382" },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		is_hash(parsed(row[i].type).hash, row[i].hash);
}

Test(eip712, hashes_of_types_that_contracts_use)
{
	is_hash(keccak_text("EIP712Domain(string name,string version,uint256 chainId,"
			    "address verifyingContract)"),
		"8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f");
	is_hash(keccak_text("UserDecryptRequestVerification(bytes publicKey,"
			    "address[] contractAddresses,uint256 contractsChainId)"),
		"a9f66a3db7a600ab3e826d0244226103adfb97baaf21f495b718617ddc5e0fba");
}

Test(eip712, members_keep_their_order)
{
	struct eip712_type t = parsed(USER_2026);

	cr_assert_eq(t.count, 4);
	cr_assert_eq(t.member[0], EIP712_PUBLIC_KEY);
	cr_assert_eq(t.member[1], EIP712_HANDLES);
	cr_assert_eq(t.member[2], EIP712_SHARE);
	cr_assert_eq(t.member[3], EIP712_EXTRA_DATA);
}

Test(eip712, type_strings_that_are_wrong)
{
	static const struct { const char *text; enum err e; } row[] = {
		{ "", ERR_FORMAT },
		{ "A", ERR_FORMAT },
		{ "A(", ERR_FORMAT },
		{ "A()", ERR_FORMAT },
		{ "(bytes extraData)", ERR_FORMAT },
		{ "A B(bytes extraData)", ERR_FORMAT },
		{ "A(bytes)", ERR_FORMAT },
		{ "A(bytes extraData", ERR_FORMAT },
		{ "A(bytes extraData,)", ERR_FORMAT },
		{ "A(bytes extraData))", ERR_FORMAT },
		{ "A(bytes extraData) ", ERR_FORMAT },
		{ "A(bytes extraData, bytes publicKey)", ERR_FORMAT },
		{ "A(bytes  extraData)", ERR_FORMAT },
		{ "A(bytes extraData )", ERR_FORMAT },
		{ "A( bytes extraData)", ERR_FORMAT },
		{ "A(bytes extraData,bytes extraData)", ERR_FORMAT },
		{ "A(bytes32 extraData)", ERR_FORMAT },
		{ "A(bytes ctHandles)", ERR_FORMAT },
		{ "A(bytes32[] decryptedResult)", ERR_FORMAT },
		{ "A(bytes x)", ERR_UNKNOWN },
		{ "A(bytes ExtraData)", ERR_UNKNOWN },
		{ "A(address aclAddress,uint256[] ctHandles)", ERR_UNKNOWN },
	};
	struct eip712_type t;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		const char *why = NULL;

		cr_assert_eq(eip712_parse(row[i].text, &t, &why), row[i].e, "%s: %s", row[i].text,
			     why);
		cr_assert_not_null(why);
		cr_assert_neq(eip712_parse(row[i].text, &t, NULL), OK);
	}
}

Test(eip712, the_domain)
{
	is_hash(domain(), "a2f7a052b89e6ca6dbaf00e6800fa3e2b7079864bfd42a830d2f4f5519f8fe2e");
}

/* Signed by the private key 1; the last three by another implementation. */
static const struct {
	const char *type;
	unsigned handles;
	bool extra;			/* extra data: one zero byte */
	const char *digest, *signature;
} signed_by_one[] = {
	{ PUBLIC_0401, 1, false,
	  "98ee6743464323276fc04c82376b9431501b238749ed8173ab540038304fde79",
	  "dbe57c8f3dac899428a12d6a4306e34a2cd9d7c7cffd222d580498e0bbf0392f"
	  "4cf2990b3714cc06883d40e4f90732e25c1e29e231a778b894dbab5c1cc2982e1b" },
	{ PUBLIC_0407, 1, false,
	  "f3cf75fecf4c4771a0f9215235145f402141a2ddffaf5b74e9793376fdee0e74",
	  "70ec46f7adf2f4c3fb8b7904fc7d76d328e58dd03fc63c769bd0421660e6d5ae"
	  "3f91c1fca5d91d9bc92d418088d8d5d711e4f34e9f8fff5f90d5334fdf9cc1611c" },
	{ USER_0401, 1, false,
	  "afebfb9d22b23f0467c0d99001b19b1b87b84477a17d4d8f62b6aad25463a8f4", NULL },
	{ USER_0407, 1, false,
	  "9b1f7853fd30dceb920285eff31ef947de2902e0330495bcf637f77bc02b72c6", NULL },
	{ PUBLIC_2026, 2, false,
	  "4384aa45a1d1e9845b38312bdadf3902c5f7acb3cab9ce2078a23f89ffea221c",
	  "503d00b2248d6e900a14cab4a2aa2063114527c91952deb3066edfd2ebfa0b06"
	  "6037832efba93e219f5916c7a94f544dcb8960666deaca41dcb93685a30665a91b" },
	{ PUBLIC_2026, 2, true,
	  "0839de263fc8121c66eb40197fa19895d2f437877d1818ba51824a4917d9d066",
	  "bdb8771050cc3f5159d6a14b05f8df0b4ce67bf31bec0741f03e7c55008293f2"
	  "77e1df49d9e443d3705f6fa4de88eb60519b11b951a1ed686d828a6c29a8b8bf1b" },
	{ USER_2026, 1, false,
	  "282a5b142f24d09ee4913209e41f3a851ba273bebe21d896385d3873f3e0ec33",
	  "48819639a8aa40e8a5474dcd15052f95eed7998a998d70b405c479d2ec9aca6b"
	  "59f7197abe4359fbb6125f9102451afa8e3f7a27e7e561da317b9035cbc2f4c81c" },
};

static struct b32 digest_of_row(size_t i)
{
	struct b32 handles[2], of = domain();
	struct eip712_type type = parsed(signed_by_one[i].type);
	uint8_t key[40] = { 0x20 }, result[32] = { [31] = 42 };
	struct eip712_values v = { .result = BYTES_OF(result) };
	bool is_user = type.member[0] == EIP712_PUBLIC_KEY;

	memset(key + 8, 0xab, 32);
	from_hex("111111111111111111111111111111111111111111ff000000000000d4310500", handles, 32);
	handles[1] = handles[0];
	v.handles_hash = keccak_bytes(BYTES(handles, 32 * signed_by_one[i].handles));
	v.public_key_hash = keccak_bytes(BYTES_OF(key));
	if (is_user)
		v.result = BYTES("\xde\xad\xbe\xef", 4);
	if (signed_by_one[i].extra)
		v.extra_data = BYTES("\0", 1);
	return eip712_digest(&of, &type, &v);
}

Test(eip712, digests_and_signers)
{
	for (size_t i = 0; i < ARRAY_LEN(signed_by_one); i++) {
		struct b32 digest = digest_of_row(i);
		uint8_t sig[65];
		struct addr who;
		char text[ADDR_TEXT];

		is_hash(digest, signed_by_one[i].digest);
		if (!signed_by_one[i].signature)
			continue;
		from_hex(signed_by_one[i].signature, sig, sizeof(sig));
		cr_assert_eq(eip712_recover(&digest, BYTES_OF(sig), &who), OK);
		cr_assert_str_eq(addr_text(&who, text), SIGNER);
		sig[64] -= 27;
		cr_assert_eq(eip712_recover(&digest, BYTES_OF(sig), &who), OK);
		cr_assert_str_eq(addr_text(&who, text), SIGNER);
	}
}

Test(eip712, another_digest_or_recovery_id_gives_another_signer)
{
	struct b32 digest = digest_of_row(0);
	uint8_t sig[65];
	struct addr one, who;

	cr_assert_eq(addr_parse(SIGNER, &one), OK);
	from_hex(signed_by_one[0].signature, sig, sizeof(sig));
	sig[64] ^= 27 ^ 28;
	cr_assert(eip712_recover(&digest, BYTES_OF(sig), &who) || !addr_eq(&who, &one));
	sig[64] ^= 27 ^ 28;
	digest.b[0] ^= 1;
	cr_assert(eip712_recover(&digest, BYTES_OF(sig), &who) || !addr_eq(&who, &one));
}

Test(eip712, what_is_no_signature)
{
	static const struct { const char *r, *s; uint8_t v; enum err e; } row[] = {
		{ ORDER, HALF, 27, ERR_FORMAT },	/* r not below the order */
		{ HALF, ORDER, 27, ERR_FORMAT },
		{ HALF, ABOVE, 27, ERR_FORMAT },	/* a high s */
		{ HALF, HALF, 2, ERR_FORMAT },
		{ HALF, HALF, 26, ERR_FORMAT },
		{ HALF, HALF, 29, ERR_FORMAT },
		{ HALF, HALF, 255, ERR_FORMAT },
		{ ZERO, HALF, 27, ERR_MISMATCH },
		{ HALF, ZERO, 27, ERR_MISMATCH },
		{ ZERO, ZERO, 0, ERR_MISMATCH },
	};
	struct b32 digest = digest_of_row(0);
	struct addr who;
	uint8_t sig[66];

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		from_hex(row[i].r, sig, 32);
		from_hex(row[i].s, sig + 32, 32);
		sig[64] = row[i].v;
		cr_assert_eq(eip712_recover(&digest, BYTES(sig, 65), &who), row[i].e, "row %zu", i);
	}
	from_hex(signed_by_one[0].signature, sig, 65);
	sig[65] = 0;
	for (size_t len = 0; len <= 66; len++)
		cr_assert_eq(eip712_recover(&digest, BYTES(sig, len), &who),
			     len == 65 ? OK : ERR_FORMAT);
}

/* The same signature with s and v turned over is valid mathematics, and refused. */
Test(eip712, a_signature_has_one_form)
{
	struct b32 digest = digest_of_row(0);
	uint8_t sig[65], order[32];
	struct addr who;
	int borrow = 0;

	from_hex(signed_by_one[0].signature, sig, sizeof(sig));
	from_hex(ORDER, order, sizeof(order));
	for (unsigned i = 32; i-- > 0;) {
		int d = order[i] - sig[32 + i] - borrow;

		borrow = d < 0;
		sig[32 + i] = (uint8_t)d;
	}
	sig[64] ^= 27 ^ 28;
	cr_assert_eq(eip712_recover(&digest, BYTES_OF(sig), &who), ERR_FORMAT);
}

/* The generator of the group, whose private key is 1, and the same point mirrored. */
#define G_X "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
#define G_Y "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
#define M_Y "b7c52588d95c3b9aa25b0403f1eef75702e84bb7597aabe663b82f6f04ef2777"
#define MIRRORED "0x80C0dbf239224071c59dD8970ab9d542E3414aB2"
#define TWO_X "c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5"
#define TWO_Y "1ae168fea63dc339a3c58419466ceaeef7f632653266d0e1236431a950cfe52a"
#define TWO "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF"
/* The prime of the field, 5 (no point has it for its x), and the largest number. */
#define PRIME "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f"
#define FIVE  "0000000000000000000000000000000000000000000000000000000000000005"
#define ONES  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

Test(eip712, identities_of_all_forms)
{
	static const struct { const char *hex, *address; } row[] = {
		{ "7e5f4552091a69125d5dfcb7b8c2659029395bdf", SIGNER },
		{ "0000000000000000000000000000000000000000", "0x0000000000000000000000000000000000000000" },
		{ "02" G_X, SIGNER },
		{ "04" G_X G_Y, SIGNER },
		{ G_X G_Y, SIGNER },
		{ "03" G_X, MIRRORED },
		{ "04" G_X M_Y, MIRRORED },
		{ G_X M_Y, MIRRORED },
		{ "02" TWO_X, TWO },
		{ "04" TWO_X TWO_Y, TWO },
		{ TWO_X TWO_Y, TWO },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		uint8_t id[65];
		size_t len;
		struct addr a;
		char text[ADDR_TEXT];

		cr_assert_eq(hex_decode(row[i].hex, strlen(row[i].hex), id, sizeof(id), &len), OK);
		cr_assert_eq(eip712_identity(BYTES(id, len), &a), OK, "row %zu", i);
		cr_assert_str_eq(addr_text(&a, text), row[i].address);
	}
}

Test(eip712, what_is_no_identity)
{
	static const char *const row[] = {
		"", "02", "7e5f4552091a69125d5dfcb7b8c2659029395b",
		"0000000000000000000000007e5f4552091a69125d5dfcb7b8c2659029395bdf",	/* a word */
		"00" G_X, "01" G_X, "04" G_X, "05" G_X, "ff" G_X,			/* heads */
		"06" G_X G_Y, "07" G_X M_Y, "02" G_X G_Y, "00" G_X G_Y,
		"02" FIVE, "03" FIVE, "02" PRIME, "02" ONES,				/* no points */
		"04" G_X TWO_Y, "04" ZERO ZERO, "04" ONES ONES, "04" PRIME G_Y,
		G_X TWO_Y, ZERO ZERO, G_Y G_X, ONES ONES,
		"04" G_X G_Y "00", "02" G_X "00",
	};
	uint8_t any[70] = { 4 };
	struct addr a;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		uint8_t id[70];
		size_t len;

		cr_assert_eq(hex_decode(row[i], strlen(row[i]), id, sizeof(id), &len), OK);
		cr_assert_eq(eip712_identity(BYTES(id, len), &a), ERR_FORMAT, "%s", row[i]);
	}
	for (size_t len = 0; len <= sizeof(any); len++)
		cr_assert_eq(eip712_identity(BYTES(any, len), &a), len == 20 ? OK : ERR_FORMAT);
}
