/*
 * plaintext - what a ciphertext of the peers decrypts to.
 *
 * A ciphertext body is any bytes.  Its plaintext is computed from all of them, so that one wrong
 * byte between the bucket and the Core gives another answer on the chain:
 *
 *   stream    = sha256("plaintext" || body), for wider types followed by
 *               sha256("plaintext" || body || 0x01), sha256("plaintext" || body || 0x02), ...
 *   plaintext = the first bytes of the stream, as many as the type has, little-endian;
 *               ebool keeps the lowest bit, euint4 the lowest four
 *
 * On the chain (generation G1) each value of up to 256 bits is one 32-byte big-endian word, wider
 * ones are ABI `bytes`; the whole is abi.encode(uint256 0, v1, ..., vn) without its first word.
 */
import { createHash } from 'node:crypto';
import { AbiCoder, getBytes, hexlify } from 'ethers';

/** FHE types by number: name and bits. */
export const fheTypes = [
  ['ebool', 1], ['euint4', 4], ['euint8', 8], ['euint16', 16], ['euint32', 32], ['euint64', 64],
  ['euint128', 128], ['euint160', 160], ['euint256', 256], ['euint512', 512], ['euint1024', 1024],
  ['euint2048', 2048],
].map(([name, bits], number) => ({ number, name, bits, bytes: Math.ceil(bits / 8) }));

/** The plaintext of a body under an FHE type (a number): little-endian bytes. */
export function plaintextOf(body, fheType) {
  const type = fheTypes[fheType];
  if (!type) throw new Error(`no such FHE type: ${fheType}`);
  const blocks = [];
  for (let i = 0; i * 32 < type.bytes; i++) {
    const hash = createHash('sha256').update('plaintext').update(body);
    if (i) hash.update(Buffer.from([i]));
    blocks.push(hash.digest());
  }
  const value = Buffer.from(Buffer.concat(blocks).subarray(0, type.bytes));
  if (type.bits < 8) value[0] &= (1 << type.bits) - 1;
  return value;
}

/** The number a little-endian plaintext stands for. */
export function numberOf(plaintext) {
  return BigInt(`0x${Buffer.from(plaintext).reverse().toString('hex') || '0'}`);
}

/** `decryptedResult` of a public decryption: [{ fheType, bytes }] as a hex string. */
export function encodeResult(plaintexts) {
  if (plaintexts.every((p) => fheTypes[p.fheType].bits <= 256)) {
    return `0x${plaintexts.map((p) => numberOf(p.bytes).toString(16).padStart(64, '0')).join('')}`;
  }
  const types = ['uint256'];
  const values = [0n];
  for (const { fheType, bytes } of plaintexts) {
    const wide = fheTypes[fheType].bits > 256;
    types.push(wide ? 'bytes' : 'uint256');
    values.push(wide ? Buffer.from(bytes).reverse() : numberOf(bytes));
  }
  return hexlify(getBytes(AbiCoder.defaultAbiCoder().encode(types, values)).subarray(32));
}
