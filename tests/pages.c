/* pages - prints documentation from the tables: `kms-pages protocol` is proto/PROTOCOL.md. */

#include <stdio.h>
#include <string.h>

#include "proto/ipc.h"

static const char *const type_text[] = {
	[IPC_u64] = "u64", [IPC_b20] = "b20", [IPC_b32] = "b32", [IPC_u256] = "u256",
	[IPC_bytes] = "bytes", [IPC_blob] = "blob", [IPC_str] = "str",
};

static void print_message(const struct ipc_msg *m)
{
	printf("\n### 0x%02x `%s`: %s to %s\n\n%s", m->number, m->name, m->from, m->to, m->text);
	if (m->window)
		printf(" Window: %u.", m->window);
	printf("\n\n| field | type | limit | what it is |\n|---|---|---|---|\n");
	for (unsigned i = 0; i < m->fields; i++) {
		const struct ipc_field *f = &m->field[i];
		char limit[16] = "";
		if (f->limit)
			snprintf(limit, sizeof(limit), "%u", f->limit);
		printf("| %s | %s | %s | %s |\n", f->name, type_text[f->type], limit, f->text);
	}
}

static void print_protocol(void)
{
	printf("# The messages between our processes\n\n"
	       "Printed from `proto/ipc.h` by `make pages`; do not edit.\n\n"
	       "A packet on a `SOCK_SEQPACKET` socket is one msgpack array `[number, fields...]` in\n"
	       "canonical form, at most %d bytes. A blob over %d bytes travels as a sealed memfd.\n"
	       "A packet that is too long, not canonical, unknown or not for its socket closes the link.\n\n"
	       "| socket | listens | connects |\n|---|---|---|\n", IPC_PACKET_MAX, IPC_INLINE_MAX);
#define L(name, file, listens, connects) printf("| `%s` | %s | %s |\n", file, #listens, #connects);
	IPC_LINKS(L)
#undef L
	for (const struct ipc_msg *const *m = ipc_messages; *m; m++)
		print_message(*m);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "protocol") == 0) {
		print_protocol();
		return 0;
	}
	fprintf(stderr, "usage: kms-pages protocol\n");
	return 64;
}
