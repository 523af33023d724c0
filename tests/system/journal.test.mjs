/*
 * journal.test - the reader of journals, on what a release has left: what is whole has no fault,
 * and each fault that it looks for is found.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { Transaction, Wallet, getBytes, hexlify } from 'ethers';
import { fixtures, putFixture } from '../faults/fixtures.mjs';
import { removeDir, temporaryDir } from '../peers/process.mjs';
import { faultsInJournal, journalOf, readJournal } from './journal.mjs';

const SIGNED = 1n;

let dir;
let whole;
let records;
let sent;

before(() => {
  dir = temporaryDir('kms-journal');
  const { rows } = putFixture(fixtures().at(-1), dir);
  sent = Object.values(rows).map((row) => row.tx).filter(Boolean);
  whole = fs.readFileSync(journalOf(dir));
  records = readJournal(whole);
});

after(() => removeDir(dir));

/** The faults of the journal with one more record: like its last, of another transaction and nonce. */
function faultsWith(body, nonce, hashes = sent) {
  const { at, length, body: old } = records.at(-1);
  const head = Buffer.from(whole.subarray(at, at + length - old.length - 32));
  head.writeBigUInt64BE(BigInt(head.length + body.length + 32), 8);
  head.writeBigUInt64BE(SIGNED, 24);
  head.writeBigUInt64BE(BigInt(nonce), 80);
  whole.copy(head, 32, whole.length - 32); /* the link of the record before */
  fs.writeFileSync(journalOf(dir), Buffer.concat([whole, head, body, Buffer.alloc(32)]));
  return faultsInJournal(dir, hashes);
}

const resigned = (change) => {
  const { chainId, to, data, nonce, gasLimit, maxFeePerGas, maxPriorityFeePerGas } = Transaction.from(hexlify(records.at(-1).body));
  const tx = Transaction.from({ type: 2, chainId, to, data, nonce, gasLimit, maxFeePerGas, maxPriorityFeePerGas, ...change });
  tx.signature = Wallet.createRandom().signingKey.sign(tx.unsignedHash);
  return Buffer.from(getBytes(tx.serialized));
};

test('a journal of a release has no fault', () => {
  assert.ok(sent.length >= 3);
  assert.equal(records.at(-1).type, 'signed');
  fs.writeFileSync(journalOf(dir), whole);
  assert.deepEqual(faultsInJournal(dir, sent), []);
  const { nonce } = records.at(-1);
  assert.deepEqual(faultsWith(resigned({ maxFeePerGas: 1n << 40n, nonce: nonce + 1, data: '0x01' }), nonce + 1), []);
});

test('two calls at one nonce, one call at two, and a wrong nonce are found', () => {
  const { nonce } = records.at(-1);
  assert.match(faultsWith(resigned({ data: '0x01' }), nonce).join(), new RegExp(`^nonce ${nonce} of chain \\d+ was signed for two calls$`));
  assert.match(faultsWith(resigned({ nonce: nonce + 1 }), nonce + 1).join(), /^one call was signed at nonce \d+ of chain \d+ and \d+ of chain \d+$/);
  assert.match(faultsWith(resigned({ nonce: nonce + 7, data: '0x01' }), nonce + 1).join(), /^a record of nonce \d+ has a transaction of nonce \d+ /);
});

test('what was sent and is not there is found, and so is a record that does not follow', () => {
  fs.writeFileSync(journalOf(dir), whole);
  const stranger = `0x${'12'.repeat(32)}`;
  assert.match(faultsInJournal(dir, [...sent, stranger, stranger]).join(), /^1 transactions were sent that the journal does not know: 0x1212/);
  assert.deepEqual(faultsInJournal(dir, [...sent, stranger], { strangers: 1 }), []);
  assert.equal(faultsInJournal(dir, sent, { strangers: 1 }).length, 1);
  const { at } = records.at(-1);
  const other = Buffer.from(whole);
  other[at + 40] ^= 1;
  assert.throws(() => readJournal(other), /no record at byte/);
  assert.equal(readJournal(whole.subarray(0, -1)).length, records.length - 1, 'one that is not whole ends it');
});
