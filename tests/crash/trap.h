/*
 * trap - the page through which a crash is ordered, and what came of it.
 *
 * The file "trap" beside the programs holds one slot for each role, TRAP_SLOT bytes of 32-bit
 * numbers in the machine's order.  trap.mjs writes the order, trap.c fills in the rest.
 */
#pragma once

#include <stdint.h>

#define TRAP_SLOT 64

/* The programs, in the order of their slots. */
#define TRAP_ROLES(R) \
	R("kms-connector") R("kms-listener") R("kms-executor") R("kms-submitter") R("kms-signer") \
	R("kms-monitor")

/*
 * What is counted: call, its group.  Out: what others or a disk get to see.  Make: what makes a
 * descriptor.
 */
#define TRAP_CALLS(C) \
	C(write, OUT) C(writev, OUT) C(pwrite64, OUT) C(send, OUT) C(sendto, OUT) C(sendmsg, OUT) \
	C(fsync, OUT) C(fdatasync, OUT) C(connect, OUT) C(rename, OUT) C(ftruncate, OUT) \
	C(unlink, OUT) C(open, MAKE) C(socket, MAKE) C(accept4, MAKE) C(eventfd, MAKE) \
	C(pipe2, MAKE) C(epoll_create1, MAKE) C(memfd_create, MAKE)

enum trap_call {
#define C(name, group) TRAP_##name,
	TRAP_CALLS(C)
#undef C
	TRAP_CALL_COUNT
};

/* mode, the calls it counts, what happens at the one that is named */
#define TRAP_MODES(M) \
	M(off,    "none, nothing") \
	M(before, "all of OUT; the process ends before the call") \
	M(after,  "all of OUT; it ends after the call") \
	M(torn,   "writes to a file; half of the bytes are written, then it ends") \
	M(fails,  "all of OUT; the call fails, once") \
	M(full,   "what needs room on a disk; the call fails, once") \
	M(denied, "all of MAKE; the call fails, once")

enum trap_mode {
#define M(name, text) TRAP_MODE_##name,
	TRAP_MODES(M)
#undef M
};

struct trap_slot {
	uint32_t mode;
	uint32_t at;		/* the call that it happens at, from 1; 0: never */
	uint32_t error;		/* errno of a call that fails */
	uint32_t starts;	/* of the program; the first one is counted and trapped, no other */
	uint32_t count;		/* calls that were made */
	uint32_t fired;		/* 1 when it has happened */
	uint32_t call;		/* where: enum trap_call, the descriptor, and its kind */
	int32_t fd;
	uint32_t kind;
	uint32_t left[7];
};

/* Kinds of descriptors. */
#define TRAP_KINDS(K) K(other) K(file) K(log) K(sock) K(waker)

enum trap_kind {
#define K(name) TRAP_KIND_##name,
	TRAP_KINDS(K)
#undef K
};
