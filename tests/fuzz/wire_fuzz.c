/*
 * wire_fuzz - any packet: no crash, no read outside, and what is accepted is canonical.
 */

#include <stdlib.h>

#include "common/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

/* Now and then a whole packet of some message with empty fields, to go on from. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	static _Alignas(16) uint8_t empty[4096];
	const struct ipc_msg *msg = find_ipc_msg((uint8_t)(seed >> 3));
	struct bytes blob;
	size_t len;

	if (seed % 8 == 0 && msg && wire_encode(msg, empty, data, max, &len, &blob) == OK)
		return len;
	return LLVMFuzzerMutate(data, size, max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(16) uint8_t m[4096];
	static uint8_t again[IPC_PACKET_MAX];
	struct ipc_frame f;
	struct bytes blob;
	size_t len;

	if (size > IPC_PACKET_MAX)
		return 0;
	if (wire_open(BYTES(data, size), (struct bytes){ 0 }, &f) || wire_decode(&f, m))
		return 0;
	if (wire_encode(f.msg, m, again, sizeof(again), &len, &blob) || len != size ||
	    memcmp(again, data, size))
		abort();
#ifdef PLANTED_BUG
	/* As if the decoder believed a str field longer than it is. */
	const struct msg_halt *h = (const void *)m;
	if (f.msg == &ipc_halt && h->stage.len == 3) {
		uint8_t *copy = malloc(h->stage.len + 1);
		volatile uint8_t sum = 0;
		memcpy(copy, h->stage.p, h->stage.len);
		for (size_t i = 0; i <= h->stage.len + 1; i++)
			sum = (uint8_t)(sum + copy[i]);
		free(copy);
	}
#endif
	return 0;
}
