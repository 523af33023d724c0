/* wire - every message there and back, against msgpack-c, and hostile packets. */

#include <criterion/criterion.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/wire.h"

TestSuite(wire, .timeout = 60);

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint8_t pool[IPC_LOG_MAX];

static void fill_pool(void)
{
	for (size_t i = 0; i < sizeof(pool); i++)
		pool[i] = (uint8_t)next();
}

static const char letters[] = "abcdefghijklmnopqrstuvwxyz =\"";

/* Random content for every field, within its limit; lengths near the heads' borders. */
static void fill(const struct ipc_msg *msg, uint8_t *m, char *text)
{
	static const size_t border[] = { 0, 1, 31, 32, 127, 128, 255, 256, 65535, 65536 };

	for (unsigned i = 0; i < msg->fields; i++) {
		const struct ipc_field *f = &msg->field[i];
		struct bytes *v = (void *)(m + f->offset);
		size_t len = border[next() % ARRAY_LEN(border)];
		if (len > f->limit)
			len = f->limit;
		switch (f->type) {
		case IPC_u64:
			*(uint64_t *)(void *)(m + f->offset) = next() >> (next() % 64);
			break;
		case IPC_b20:
			memcpy(m + f->offset, pool + next() % 1000, 20);
			break;
		case IPC_b32:
		case IPC_u256:
			memcpy(m + f->offset, pool + next() % 1000, 32);
			break;
		case IPC_bytes:
			*v = BYTES(pool, len < 30000 ? len : 30000);
			break;
		case IPC_blob:
			*v = BYTES(pool, len < 60000 ? len : 60000);
			break;
		case IPC_str:
			for (size_t k = 0; k < len; k++)
				text[k] = letters[next() % (sizeof(letters) - 1)];
			*v = BYTES(text, len);
			text += len;
			break;
		}
	}
}

static bool same(const struct ipc_msg *msg, const uint8_t *a, const uint8_t *b)
{
	for (unsigned i = 0; i < msg->fields; i++) {
		const struct ipc_field *f = &msg->field[i];
		const uint8_t *x = a + f->offset, *y = b + f->offset;
		switch (f->type) {
		case IPC_u64:
			if (memcmp(x, y, 8))
				return false;
			break;
		case IPC_b20:
			if (memcmp(x, y, 20))
				return false;
			break;
		case IPC_b32:
		case IPC_u256:
			if (memcmp(x, y, 32))
				return false;
			break;
		default:
			if (!bytes_eq(*(const struct bytes *)(const void *)x, *(const struct bytes *)(const void *)y))
				return false;
		}
	}
	return true;
}

static uint8_t packet[IPC_PACKET_MAX];
static _Alignas(16) uint8_t in[4096], out[4096];

static size_t encode(const struct ipc_msg *msg)
{
	struct bytes blob;
	size_t len = 0;

	cr_assert_eq(wire_encode(msg, in, packet, sizeof(packet), &len, &blob), OK, "%s", msg->name);
	cr_assert_null(blob.p);
	return len;
}

Test(wire, every_message_comes_back_as_it_was)
{
	char text[4096];

	fill_pool();
	for (unsigned round = 0; round < 300; round++)
		for (const struct ipc_msg *const *m = ipc_messages; *m; m++) {
			struct ipc_frame f;
			fill(*m, in, text);
			size_t len = encode(*m);
			cr_assert_eq(wire_open(BYTES(packet, len), (struct bytes){ 0 }, &f), OK);
			cr_assert_eq(f.msg, *m);
			memset(out, 0xee, sizeof(out));
			cr_assert_eq(wire_decode(&f, out), OK, "%s", (*m)->name);
			cr_assert(same(*m, in, out), "%s", (*m)->name);
		}
}

Test(wire, msgpack_reads_the_same)
{
	char text[4096];

	fill_pool();
	for (const struct ipc_msg *const *m = ipc_messages; *m; m++) {
		msgpack_unpacked u;
		size_t off = 0;
		fill(*m, in, text);
		size_t len = encode(*m);
		msgpack_unpacked_init(&u);
		cr_assert_eq(msgpack_unpack_next(&u, (const char *)packet, len, &off), MSGPACK_UNPACK_SUCCESS);
		cr_assert_eq(off, len);
		cr_assert_eq(u.data.type, MSGPACK_OBJECT_ARRAY);
		cr_assert_eq(u.data.via.array.size, (*m)->fields + 1u);
		cr_assert_eq(u.data.via.array.ptr[0].via.u64, (*m)->number);
		for (unsigned i = 0; i < (*m)->fields; i++)
			if ((*m)->field[i].type == IPC_u64)
				cr_assert_eq(u.data.via.array.ptr[i + 1].via.u64,
					     *(uint64_t *)(void *)(in + (*m)->field[i].offset));
		msgpack_unpacked_destroy(&u);
	}
}

/* What we accept, msgpack-c accepts as one array, and encodes to the same bytes again. */
Test(wire, random_frames_are_judged_as_msgpack_does)
{
	char text[4096];
	unsigned accepted = 0;

	fill_pool();
	for (unsigned round = 0; round < 60000; round++) {
		const struct ipc_msg *msg = ipc_messages[next() % 20];
		struct ipc_frame f;
		struct bytes blob;
		size_t again;
		fill(msg, in, text);
		size_t len = encode(msg);
		if (len > 400)
			continue;
		packet[next() % len] = (uint8_t)next();
		if (next() % 4 == 0)
			len = next() % (len + 1);
		if (wire_open(BYTES(packet, len), (struct bytes){ 0 }, &f) || wire_decode(&f, out))
			continue;
		accepted++;
		static uint8_t copy[IPC_PACKET_MAX];
		cr_assert_eq(wire_encode(f.msg, out, copy, sizeof(copy), &again, &blob), OK);
		cr_assert_eq(again, len);
		cr_assert_eq(memcmp(copy, packet, len), 0, "a packet that is not canonical was accepted");
	}
	cr_assert_gt(accepted, 1000);
}

static enum err judge(const uint8_t *p, size_t len)
{
	struct ipc_frame f;
	enum err e = wire_open(BYTES(p, len), (struct bytes){ 0 }, &f);

	return e ? e : wire_decode(&f, out);
}

#define JUDGE(...) judge((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

Test(wire, hostile_packets_are_refused)
{
	cr_assert_eq(judge(NULL, 0), ERR_TRUNCATED);
	cr_assert_eq(JUDGE(0xdd, 0xff, 0xff, 0xff, 0xff), ERR_RANGE);		/* 2^32 items */
	cr_assert_eq(JUDGE(0x92, 0x31), ERR_TRUNCATED);				/* withdraw without op */
	cr_assert_eq(JUDGE(0x92, 0x31, 0x05), OK);
	cr_assert_eq(JUDGE(0x92, 0x31, 0x05, 0x00), ERR_TRAILING);
	cr_assert_eq(JUDGE(0x93, 0x31, 0x05, 0x00), ERR_FORMAT);		/* one field too many */
	cr_assert_eq(JUDGE(0xdc, 0x00, 0x02, 0x31, 0x05), ERR_CANONICAL);	/* long array head */
	cr_assert_eq(JUDGE(0x92, 0xcc, 0x31, 0x05), ERR_CANONICAL);		/* long number */
	cr_assert_eq(JUDGE(0x92, 0x31, 0xcd, 0x00, 0xff), ERR_CANONICAL);
	cr_assert_eq(JUDGE(0x92, 0x31, 0xff), ERR_FORMAT);			/* a negative number */
	cr_assert_eq(JUDGE(0x92, 0x31, 0xc0), ERR_FORMAT);			/* nil */
	cr_assert_eq(JUDGE(0x91, 0x7f), ERR_UNKNOWN);
	cr_assert_eq(JUDGE(0x81, 0x31, 0x05), ERR_FORMAT);			/* a map */
	cr_assert_eq(JUDGE(0x93, 0x74, 0x01, 0xa4, 'c', 'o', 'r', 'e'), OK);	/* halt */
	cr_assert_eq(JUDGE(0x93, 0x74, 0x01, 0xa4, 'c', 'o', '\n', 'e'), ERR_FORMAT);
	cr_assert_eq(JUDGE(0x93, 0x74, 0x01, 0xb1, 'c'), ERR_TOO_BIG);		/* over its limit of 16 */
	cr_assert_eq(JUDGE(0x93, 0x74, 0x01, 0xdb, 0xff, 0xff, 0xff, 0xff), ERR_TOO_BIG);
}

Test(wire, fields_over_their_limit_are_not_sent)
{
	struct msg_halt m = { .stage = BYTES("seventeen letters", 17) };
	struct bytes blob;
	size_t len;

	cr_assert_eq(wire_encode(&ipc_halt, &m, packet, sizeof(packet), &len, &blob), ERR_TOO_BIG);
	m.stage = BYTES("core\n", 5);
	cr_assert_eq(wire_encode(&ipc_halt, &m, packet, sizeof(packet), &len, &blob), ERR_FORMAT);
}

Test(wire, a_large_blob_travels_outside)
{
	struct msg_event m = { .topics = BYTES(pool, 32), .data = BYTES(pool, IPC_INLINE_MAX + 1) }, back;
	struct ipc_frame f;
	struct bytes blob;
	size_t len;

	fill_pool();
	cr_assert_eq(wire_encode(&ipc_event, &m, packet, sizeof(packet), &len, &blob), OK);
	cr_assert_eq(blob.p, pool);
	cr_assert_lt(len, 500);
	cr_assert_eq(wire_open(BYTES(packet, len), blob, &f), OK);
	cr_assert_eq(wire_decode(&f, &back), OK);
	cr_assert_eq(back.data.len, IPC_INLINE_MAX + 1);
	/* not there, or of another length than the packet says */
	cr_assert_eq(wire_open(BYTES(packet, len), (struct bytes){ 0 }, &f), OK);
	cr_assert_eq(wire_decode(&f, &back), ERR_MISMATCH);
	blob.len--;
	cr_assert_eq(wire_open(BYTES(packet, len), blob, &f), OK);
	cr_assert_eq(wire_decode(&f, &back), ERR_MISMATCH);
}

Test(wire, numbers_are_used_once)
{
	bool used[256] = { false };

	for (const struct ipc_msg *const *m = ipc_messages; *m; m++) {
		cr_assert_not(used[(*m)->number], "%s", (*m)->name);
		used[(*m)->number] = true;
		cr_assert_eq(find_ipc_msg((*m)->number), *m);
	}
}
