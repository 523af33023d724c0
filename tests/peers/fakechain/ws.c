/* ws - RFC 6455, as far as a server needs it. */

#include "tests/peers/fakechain/ws.h"

#include <nettle/base64.h>
#include <nettle/sha1.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

void ws_accept(struct bytes key, struct text *out)
{
	struct sha1_ctx sha;
	uint8_t digest[SHA1_DIGEST_SIZE];
	char text[BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE)];

	sha1_init(&sha);
	sha1_update(&sha, key.len, key.p);
	sha1_update(&sha, strlen(GUID), (const uint8_t *)GUID);
	sha1_digest(&sha, sizeof(digest), digest);
	base64_encode_raw(text, sizeof(digest), digest);
	text_bytes(out, BYTES(text, sizeof(text)));
}

enum err ws_read(uint8_t *in, size_t len, size_t max, struct ws_frame *out)
{
	size_t head = 2, n;

	if (len < 2)
		return ERR_TRUNCATED;
	n = in[1] & 0x7f;
	if (!(in[1] & 0x80) || in[0] & 0x70)
		return ERR_FORMAT; /* clients mask, and nothing was agreed on */
	if (n == 126)
		head = 4;
	else if (n == 127)
		head = 10;
	if (len < head + 4)
		return ERR_TRUNCATED;
	if (n == 126)
		n = (size_t)in[2] << 8 | in[3];
	else if (n == 127)
		n = be64_get(in + 2);
	if (n > max)
		return ERR_TOO_BIG;
	if (len < head + 4 + n)
		return ERR_TRUNCATED;
	for (size_t i = 0; i < n; i++)
		in[head + 4 + i] ^= in[head + i % 4];
	*out = (struct ws_frame){ .op = in[0] & 0x0f,
				  .fin = in[0] & 0x80,
				  .payload = BYTES(in + head + 4, n),
				  .size = head + 4 + n };
	return OK;
}

void ws_write(struct text *out, enum ws_op op, struct bytes payload)
{
	uint8_t head[10] = { 0x80 | op };
	size_t n = 2;

	if (payload.len < 126) {
		head[1] = payload.len;
	} else if (payload.len < 65536) {
		head[1] = 126;
		head[2] = payload.len >> 8;
		head[3] = payload.len;
		n = 4;
	} else {
		head[1] = 127;
		be64_put(head + 2, payload.len);
		n = 10;
	}
	text_bytes(out, BYTES(head, n));
	text_bytes(out, payload);
}
