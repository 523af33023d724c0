/* user_decryption_test - the bytes that the Core signed and the chain takes; who signed a request. */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "executor/user_decryption.h"

TestSuite(user_decryption, .timeout = 20);

static const char golden[] =
	"0200000000000000" "aabb"		/* verification key, behind its length */
	"0100000000000000" "cc"			/* digest */
	"0200000000000000"			/* two ciphertexts */
	"05000000" "0300000000000000" "010203"
	"2000000000000000" "1111111111111111111111111111111111111111111111111111111111111111" "01000000"
	"00000000" "0000000000000000"		/* an empty one of type 0 */
	"2000000000000000" "1111111111111111111111111111111111111111111111111111111111111111" "00010000"
	"02000000" "01000000";			/* party, degree */

static Kms__V1__UserDecryptionResponsePayload payload = KMS__V1__USER_DECRYPTION_RESPONSE_PAYLOAD__INIT;
static Kms__V1__TypedSigncryptedCiphertext item[2], *items[2] = { &item[0], &item[1] };

static void begin(void)
{
	static uint8_t key[] = { 0xaa, 0xbb }, digest[] = { 0xcc }, text[] = { 1, 2, 3 }, handle[32];

	memset(handle, 0x11, sizeof(handle));
	for (unsigned i = 0; i < 2; i++) {
		item[i] = (Kms__V1__TypedSigncryptedCiphertext)
			KMS__V1__TYPED_SIGNCRYPTED_CIPHERTEXT__INIT;
		item[i].external_handle = (ProtobufCBinaryData){ sizeof(handle), handle };
	}
	item[0].fhe_type = 5;
	item[0].signcrypted_ciphertext = (ProtobufCBinaryData){ sizeof(text), text };
	item[0].packing_factor = 1;
	item[1].packing_factor = 256;
	payload.verification_key = (ProtobufCBinaryData){ sizeof(key), key };
	payload.digest = (ProtobufCBinaryData){ sizeof(digest), digest };
	payload.n_signcrypted_ciphertexts = 2;
	payload.signcrypted_ciphertexts = items;
	payload.party_id = 2;
	payload.degree = 1;
}

Test(user_decryption, golden_bytes, .init = begin)
{
	uint8_t out[400];
	char hex[2 * sizeof(out) + 1];
	size_t len;

	cr_assert_eq(user_payload_encode(&payload, out, sizeof(out), &len), OK);
	cr_assert_str_eq(hex_encode(BYTES(out, len), hex), golden);
}

Test(user_decryption, never_more_than_there_is_room, .init = begin)
{
	size_t whole = strlen(golden) / 2, len;

	for (size_t cap = 0; cap <= whole; cap++) {
		uint8_t *out = malloc(cap + 1);

		cr_assert_eq(user_payload_encode(&payload, out, cap, &len), cap == whole ? OK : ERR_TOO_BIG);
		free(out);
	}
}
