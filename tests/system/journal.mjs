/*
 * journal - what a signer has ever signed, read as submitter/signer/journal.h describes it and by
 * none of its code.  Of what never reached a chain nobody else knows.
 */
import fs from 'node:fs';
import path from 'node:path';
import { Transaction, hexlify } from 'ethers';

const FIRST = 8192; /* where the records of a new journal begin */
const HEAD = 232;
const LINK = 32;
const MAGIC = Buffer.from('KCJREC01');
const TYPES = [null, 'signed', 'raised', 'replaced', 'adopted', 'refused', 'segment', 'carried', 'reached', 'spent'];

export const journalOf = (dataDir) => path.join(dataDir, 'signer', 'journal');

/**
 * The records of a journal's bytes that has had one segment: [{ type, nonce, body, at, length }],
 * up to one that is not whole.  Throws where a record does not follow the one before it.
 */
export function readJournal(bytes) {
  const records = [];
  let link = Buffer.alloc(LINK);
  for (let at = FIRST; at + HEAD + LINK <= bytes.length;) {
    const length = Number(bytes.readBigUInt64BE(at + 8));
    if (at + length > bytes.length) break;
    if (!bytes.subarray(at, at + 8).equals(MAGIC) || !link.equals(bytes.subarray(at + 32, at + 64))) throw new Error(`no record at byte ${at} of the journal`);
    const end = at + length - LINK;
    records.push({ type: TYPES[bytes.readBigUInt64BE(at + 24)], nonce: Number(bytes.readBigUInt64BE(at + 80)), body: bytes.subarray(at + HEAD, end), at, length });
    link = bytes.subarray(end, end + LINK);
    at += length;
  }
  return records;
}

/**
 * What is wrong with the journal in dataDir, as lines: a nonce that was signed for two calls, a call
 * that was signed at two nonces without being replaced, and what was sent (hashes) and is not in it.
 * `strangers`: how many of the last there must be.
 */
export function faultsInJournal(dataDir, sent, { strangers = 0 } = {}) {
  const wrong = [];
  const calls = new Map(); /* by nonce, of each chain */
  const nonces = new Map(); /* by call */
  const hashes = new Set();
  for (const { type, nonce, body } of readJournal(fs.readFileSync(journalOf(dataDir)))) {
    if (!['signed', 'raised', 'replaced'].includes(type)) continue;
    const tx = Transaction.from(hexlify(body));
    const call = `${tx.to} ${tx.data} on chain ${tx.chainId}`;
    const place = `${tx.nonce} of chain ${tx.chainId}`;
    hashes.add(tx.hash);
    if (tx.nonce !== nonce) wrong.push(`a record of nonce ${nonce} has a transaction of nonce ${place}`);
    if ((calls.get(place) ?? call) !== call) wrong.push(`nonce ${place} was signed for two calls`);
    if (type === 'signed' && nonces.has(call)) wrong.push(`one call was signed at nonce ${nonces.get(call)} and ${place}`);
    calls.set(place, call);
    nonces.set(call, place);
  }
  const unknown = new Set(sent.filter((hash) => !hashes.has(hash)));
  if (unknown.size !== strangers) wrong.push(`${unknown.size} transactions were sent that the journal does not know: ${[...unknown].slice(0, 3)}`);
  return wrong;
}
