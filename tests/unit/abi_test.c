/* abi_test - lines, their hashes, and what is no line. */
#include "tests/unit/abi_words.h"

#define MATERIAL "(uint256 ctHandle, uint256 keyId, bytes32 snsCiphertextDigest, " \
		 "address[] coprocessorTxSenderAddresses)[] snsCtMaterials"

TestSuite(abi, .timeout = 10);

/* Lines of the profiles: topic 0 of events, selectors of the others. */
static const struct { const char *line, *hash; } numbers[] = {
	{ "event PublicDecryptionRequest(uint256 indexed publicDecryptionId, " MATERIAL ")",
	  "3cfc2aee45d607390bd77abd605865643c9243a65cec1b1c4e788400cc817a70" },
	{ "event UserDecryptionRequest(uint256 indexed userDecryptionId, " MATERIAL
	  ", address userAddress, bytes publicKey)",
	  "39220321248df832264b0e08f5ef125395e78e6a48fe0369f3a74709523500b1" },
	{ "event PreprocessKeygenRequest(uint256 preKeyRequestId, (string name) fheParams)",
	  "5d0751204c769952f5651a5db611fb514e096e0d78ddd65ef8855f098f2cf285" },
	{ "event PreprocessKskRequest(uint preKskRequestId, tuple(string name) fheParams);",
	  "4ee992128a4fd751bf376b15b13bfec773a15560bad70b4ccbb31f02bb6b0928" },
	{ "event KeygenRequest(uint256 preKeyId,(string) fheParams)",
	  "378359904c65c58afff0bbadfc274f58805e72d5055679a1699bacac694b92cc" },
	{ "event CrsgenRequest(uint256 crsgenRequestId,(string) fheParams)",
	  "51717568b8a201488573cff33cce45214a45fe40b86e535fbb0719a030779ddc" },
	{ "event KskRequest(uint256 preKskId, uint256 sourceKeyId, uint256 destKeyId, (string))",
	  "495c541a261a470243c115af4ff31a0e9bd1e4ad91e8db0415c6af48843b5968" },
	{ "event ActivateKeyRequest(uint256 keyId)",
	  "bddc1662cdaa871ae40d9edc0e435e0988c6095bfc7c452aedb16c89606b6b75" },
	{ "event ActivateKeyResponse(uint256 keyId)",
	  "7066963379f0648a6475860de4447aec0b04c03db5bc169b401c88d16ff6578d" },
	{ "event PublicDecryptionResponse(uint256 indexed id, bytes result, bytes[] signatures)",
	  "61568d6eb48e62870afffd55499206a54a8f78b04a627e00ed097161fc05d6be" },
	{ "event UserDecryptionResponse(uint256 indexed id, bytes[] reencryptedShares, bytes[])",
	  "7312dec4cead0d5d3da836cdbaed1eb6a81e218c519c8740da4ac75afcb6c5c7" },
	{ "event SendRootUpdated(bytes32 indexed root, bytes32 indexed l2BlockHash)",
	  "b4df3847300f076a369cd76d2314b470a1194d9e8a6bb97f1860aee88a5f6748" },
	{ "event Initialization((string,string), address[])",
	  "f56a7cb96ff22c1135219695e3781751f881e95f7cd25d217acf6facf354c825" },
	{ "event PublicDecryptionRequest(uint256 indexed, (bytes32,uint256,bytes32,address[])[])",
	  "17c632196fbf6b96d9675971058d3701733094c3f2f1dcb9ba7d2a08bee0aafb" },
	{ "function publicDecryptionResponse(uint256 publicDecryptionId, bytes decryptedResult, "
	  "bytes signature)", "02fd1a64" },
	{ "function userDecryptionResponse(uint256 userDecryptionId, bytes decryptedResult, "
	  "bytes calldata signature) external", "b9bfe0a8" },
	{ "function preprocessKeygenResponse(uint256 preKeyRequestId, uint256 preKeyId)",
	  "faac73b4" },
	{ "function preprocessKskResponse(uint256 preKskRequestId, uint256 preKskId)", "6e66c0f7" },
	{ "function keygenResponse(uint256 preKeyId, uint256 keyId)", "6aafa976" },
	{ "function crsgenResponse(uint256 crsgenRequestId, uint256 crsId)", "40c24f15" },
	{ "function kskResponse(uint256 preKskId, uint256 kskId)", "80f8fc00" },
	{ "function preprocessKeygenResponse(uint256)", "ac37b3d2" },
	{ "function preprocessKskResponse(uint256)", "65eefaab" },
	{ "function keygenResponse(uint256)", "9e661bbd" },
	{ "function crsgenResponse(uint256)", "3936a569" },
	{ "function kskResponse(uint256)", "59f2e505" },
	{ "function userDecryptionRequest((uint256 ciphertextHandle, address contractAddress)[] c, "
	  "address u, bytes k, uint256 chain, address[] contracts, bytes signature)", "183af1b2" },
	{ "function publicDecryptionRequest(uint256[] ciphertextHandles)", "e2a7b2f1" },
	{ "function allowedAccounts(uint256 ctHandle, address account) view returns (bool)",
	  "aee7e41b" },
	{ "function allowedPublicDecrypts(uint256 ctHandle) view returns (bool)", "8b140985" },
	{ "function getKmsNodes() view returns ((address,bytes,string)[])", "e72ee991" },
	{ "function getKmsIdentities() returns (bytes[])", "af43eb0c" },
	{ "function getCoprocessors() returns ((address,bytes,string)[])", "3f23efac" },
	{ "function getCoprocessorIdentities() returns (bytes[])", "781095a5" },
	{ "function getCurrentKeyId() returns (uint256)", "d8909eab" },
	{ "function isCurrentKeyId(uint256) returns (bool)", "9f8ec91c" },
	{ "function getFheParams() returns ((string))", "5cf84711" },
	{ "function isKmsNode(address) returns (bool)", "3780f5ec" },
	{ "function isPublicDecryptionDone(uint256) returns (bool)", "7e11db07" },
	{ "function isUserDecryptionDone(uint256) returns (bool)", "373dce8a" },
	{ "error KmsSignerAlreadyResponded(uint256 id, address signer)", "a1714c77" },
	{ "error KmsSignerAlreadySigned(uint256, address)", "4a576524" },
	{ "error PreprocessKeygenKmsNodeAlreadyResponded(uint256)", "609e5a30" },
	{ "error PreprocessKskKmsNodeAlreadyResponded(uint256)", "51e9ed07" },
	{ "error KeygenKmsNodeAlreadyResponded(uint256)", "0300a3a9" },
	{ "error CrsgenKmsNodeAlreadyResponded(uint256)", "e87c607c" },
	{ "error KskKmsNodeAlreadyResponded(uint256)", "e39f0a5f" },
	{ "error InvalidKmsSigner(address)", "d1a7b2aa" },
	{ "error NotKmsSigner(address)", "2a7c6ef6" },
	{ "error NotKmsTxSender(address)", "aee86323" },
	{ "error InvalidKmsNodeSender(address)", "e7a40868" },
	{ "error ECDSAInvalidSignature()", "f645eedf" },
	{ "error ECDSAInvalidSignatureLength(uint256)", "fce698f7" },
	{ "error ECDSAInvalidSignatureS(bytes32)", "d78bce0c" },
};

Test(abi, topics_and_selectors)
{
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		struct abi_line line = parsed(numbers[i].line);
		char text[65];

		hex_encode(line.what == ABI_EVENT ? BYTES_OF(line.hash.b) : BYTES_OF(line.selector),
			   text);
		cr_assert_str_eq(text, numbers[i].hash, "%s", line.signature);
	}
}

Test(abi, canonical_signatures)
{
	static const char *const row[][2] = {
		{ "error A()", "A()" },
		{ " event\tB ( uint a , int indexed b ) ; ", "B(uint256,int256)" },
		{ "function $c_1(tuple(uint x, (bytes1 y)[2][] z)[3] w) public pure returns (int)",
		  "$c_1((uint256,(bytes1)[2][])[3])" },
		{ "function d(string memory s, uint8[] calldata, bytes storage b)",
		  "d(string,uint8[],bytes)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		cr_assert_str_eq(parsed(row[i][0]).signature, row[i][1]);
}

Test(abi, lines_that_are_wrong)
{
	static const struct { const char *text; enum err e; unsigned column; } row[] = {
		{ "", ERR_FORMAT, 1 },
		{ "struct A(uint256)", ERR_FORMAT, 1 },
		{ "event (uint256)", ERR_FORMAT, 7 },
		{ "event A", ERR_FORMAT, 8 },
		{ "event A(", ERR_FORMAT, 9 },
		{ "event A(uint256", ERR_FORMAT, 16 },
		{ "event A(uint256,)", ERR_FORMAT, 17 },
		{ "event A(uint256) anonymous", ERR_TRAILING, 18 },
		{ "event A(uint256));", ERR_TRAILING, 17 },
		{ "event A(uint7 x)", ERR_UNKNOWN, 9 },
		{ "event A(uint0 x)", ERR_UNKNOWN, 9 },
		{ "event A(uint264 x)", ERR_UNKNOWN, 9 },
		{ "event A(uint08 x)", ERR_UNKNOWN, 9 },
		{ "event A(uint99999999999999999999 x)", ERR_UNKNOWN, 9 },
		{ "event A(bytes0 x)", ERR_UNKNOWN, 9 },
		{ "event A(bytes33 x)", ERR_UNKNOWN, 9 },
		{ "event A(address20 x)", ERR_UNKNOWN, 9 },
		{ "event A(bool8 x)", ERR_UNKNOWN, 9 },
		{ "event A(uint8x x)", ERR_UNKNOWN, 9 },
		{ "event A(tuple x)", ERR_UNKNOWN, 9 },
		{ "event A(Uint256 x)", ERR_UNKNOWN, 9 },
		{ "event A(() x)", ERR_FORMAT, 9 },
		{ "event A(uint256[0] x)", ERR_RANGE, 17 },
		{ "event A(uint256[4097] x)", ERR_RANGE, 17 },
		{ "event A(uint256[-1] x)", ERR_FORMAT, 17 },
		{ "event A(uint256[2 x)", ERR_FORMAT, 19 },
		{ "event A(uint256[4096][4096] x)", ERR_TOO_BIG, 23 },
		{ "event A(uint256 x, bytes indexed x)", ERR_CONFLICT, 20 },
		{ "event A(uint256 indexed indexed x)", ERR_FORMAT, 25 },
		{ "event A((uint256 indexed x) y)", ERR_FORMAT, 18 },
		{ "event A(bool indexed,bool indexed,bool indexed,bool indexed)", ERR_TOO_BIG, 48 },
		{ "function a(uint256 indexed x)", ERR_FORMAT, 20 },
		{ "function a() returns uint256", ERR_FORMAT, 22 },
		{ "function a() view what", ERR_TRAILING, 19 },
		{ "error a() returns (bool)", ERR_TRAILING, 11 },
		{ "event A(bool[][][][][][][] x)", ERR_TOO_BIG, 26 },
		{ "event A(((((((bool))))))[] x)", ERR_TOO_BIG, 26 },
		{ "event A((((((((bool))))))) x)", ERR_TOO_BIG, 15 },
	};
	struct abi_line line;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		unsigned column = 0;
		const char *why = NULL;
		enum err e = abi_parse(row[i].text, &line, &column, &why);

		cr_assert_eq(e, row[i].e, "%s: %s", row[i].text, err_text(e));
		cr_assert_eq(column, row[i].column, "%s: %u: %s", row[i].text, column, why);
		cr_assert_not_null(why);
		cr_assert_neq(abi_parse(row[i].text, &line, NULL, NULL), OK);
	}
}

/* A line of FIRST, COUNT times MORE, and a closing bracket. */
static enum err parse_long(const char *first, unsigned count, const char *more)
{
	static char text[8192];
	struct abi_line line;
	size_t len = (size_t)snprintf(text, sizeof(text), "%s", first);

	for (unsigned i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", more);
	snprintf(text + len, sizeof(text) - len, ")");
	return abi_parse(text, &line, NULL, NULL);
}

Test(abi, lines_that_are_too_large)
{
	/* Node 0, the tuple of the parameters, that of the indexed ones, and types. */
	cr_assert_eq(parse_long("event A(bool", ABI_NODES_MAX - 4, ",bool"), OK);
	cr_assert_eq(parse_long("event A(bool", ABI_NODES_MAX - 3, ",bool"), ERR_TOO_BIG);

	/* Names of 63 and 64 characters. */
	cr_assert_eq(parse_long("event ", 63, "a"), ERR_FORMAT);
	cr_assert_eq(parse_long("event ", 64, "a"), ERR_TOO_BIG);
	cr_assert_eq(parse_long("event A(bool ", 63, "a"), OK);
	cr_assert_eq(parse_long("event A(bool ", 64, "a"), ERR_TOO_BIG);

	/* Signatures. */
	cr_assert_eq(parse_long("event A(bytes32[4096][]", 20, ",bytes32[4096][]"), ERR_TOO_BIG);
	cr_assert_eq(parse_long("event A(uint256[4096]", 11, ",uint256[4096]"), ERR_TOO_BIG);
}

Test(abi, paths)
{
	static const struct { const char *path; bool found; enum abi_type type; } row[] = {
		{ "a", true, ABI_UINT }, { "l", true, ABI_ARRAY }, { "l[]", true, ABI_TUPLE },
		{ "l[].x", true, ABI_BYTES }, { "l[].m[][]", true, ABI_BOOL },
		{ "0", true, ABI_UINT }, { "1[].0", true, ABI_BYTES }, { "2", true, ABI_STRING },
		{ "", false, 0 }, { ".a", false, 0 }, { "a.", false, 0 }, { "a[]", false, 0 },
		{ "b", false, 0 }, { "l.x", false, 0 }, { "l[]x", false, 0 }, { "l[", false, 0 },
		{ "l[].", false, 0 }, { "l[]..x", false, 0 }, { "3", false, 0 }, { "1x", false, 0 },
		{ "99999999999999999999", false, 0 }, { "l[0].x", false, 0 }, { "a.0", false, 0 },
	};
	struct abi_line line = parsed("function f() returns (uint256 a, (bytes x, bool[2][] m)[] l,"
				      " string)");

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		uint16_t node = abi_find(&line, line.outputs, row[i].path);

		cr_assert_eq(node != 0, row[i].found, "%s", row[i].path);
		cr_assert(!node || line.node[node].type == row[i].type, "%s", row[i].path);
	}
	cr_assert_eq(abi_find(&line, line.indexed, "a"), 0);
}
