/*
 * fhe_types - what a handle's byte 30 can say: number, name, bytes of a plaintext, and how it
 * stands in the result of a public decryption: WORD, one 32-byte word; BYTES, dynamic bytes.
 * Source: the FheTypes of tfhe-rs as the gateway of 2025 used them.  Others are refused.
 */
#pragma once

#define FHE_TYPES(T) \
	T(0,  ebool,    1,   WORD) \
	T(1,  euint4,   1,   WORD) \
	T(2,  euint8,   1,   WORD) \
	T(3,  euint16,  2,   WORD) \
	T(4,  euint32,  4,   WORD) \
	T(5,  euint64,  8,   WORD) \
	T(6,  euint128, 16,  WORD) \
	T(7,  euint160, 20,  WORD) \
	T(8,  euint256, 32,  WORD) \
	T(9,  euint512, 64,  BYTES) \
	T(10, euint1024, 128, BYTES) \
	T(11, euint2048, 256, BYTES)

#define FHE_TYPE_COUNT    12
#define FHE_HANDLE_TYPE    30	/* byte of a handle: the type */
#define FHE_HANDLE_VERSION 31	/* byte of a handle: the version, 0 */
