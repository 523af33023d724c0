/*
 * wire - packets of proto/ipc.h: encoder (msgpack-c) and bounded decoder (ours).
 *
 * The decoder never allocates, reads only canonical msgpack, and checks every limit of the
 * message table.  Decoded bytes are borrowed from the packet (or from the mapped blob) and
 * live until the handler returns.
 */
#pragma once

#include "proto/ipc.h"

/* A received packet: number read, fields not yet. */
struct ipc_frame {
	const struct ipc_msg *msg;
	struct bytes body;		/* the fields, after array header and number */
	unsigned fields;		/* as the array header says */
	struct bytes blob;		/* content of the attached memfd; .p NULL if none */
};

/*
 * MSG's struct at M to BUF.  A blob over IPC_INLINE_MAX is left out of the packet and
 * its bytes are given back in *blob_out (else .p is NULL): the link sends them along.
 * ERR_TOO_BIG for a field over its limit.
 */
enum err wire_encode(const struct ipc_msg *msg, const void *m, uint8_t *buf, size_t cap,
		     size_t *len_out, struct bytes *blob_out) MUST_CHECK;

/* Header of a packet; ERR_UNKNOWN for a number nobody has. */
enum err wire_open(struct bytes packet, struct bytes blob, struct ipc_frame *out) MUST_CHECK;

/* All fields to the struct of frame->msg. */
enum err wire_decode(const struct ipc_frame *frame, void *m) MUST_CHECK;

/* Text of a str field as a C string, cut to CAP - 1 bytes. */
char *wire_text(struct bytes str, char *out, size_t cap);
