/*
 * submit - what becomes of transactions, and what is said of it.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { SigningKey, Wallet, toBeHex } from 'ethers';
import { decryptionDomain, typesOf } from '../peers/eip712.mjs';
import { until } from '../peers/process.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const built = path.join(root, process.env.B ?? 'build');
const SEND = ['eth_sendRawTransaction'];
const RECEIPT = ['eth_getTransactionReceipt'];
const ESTIMATE = ['eth_estimateGas'];

const ours = async (g) => {
  const me = g.world.node.address.toLowerCase();
  return (await g.chain.ledger()).rows.filter(({ from }) => from.toLowerCase() === me);
};

/** Nothing was signed for these but one transaction each, and nothing else but its bytes was sent. */
async function signedOnce(g, counted, count) {
  assert.equal(await g.look.grown(counted, 'signer_signed'), count);
  const hashes = new Map();
  for (const { nonce, hash } of await ours(g)) hashes.set(nonce, (hashes.get(nonce) ?? new Set()).add(hash));
  for (const [nonce, set] of hashes) assert.equal(set.size, 1, `nonce ${nonce} has ${set.size} transactions`);
}

/** Ends a fault by end(), then waits until nothing of ours is on its way any more. */
const landed = (g, end) => async () => {
  await end();
  await g.look.waitCounter('submitter_in_flight', (n) => n === 0);
};

/** The right answer to a public decryption, as the Core signs it: the call's data. */
async function answerOf(g, name) {
  const { id, handles, expected } = g.world.requests.get(name);
  const wallet = new Wallet(new SigningKey(g.core.key));
  const domain = decryptionDomain(g.chain.chainId, g.world.manager.target);
  const value = { ctHandles: handles, decryptedResult: expected, extraData: '0x' };
  const signature = await wallet.signTypedData(domain, typesOf('PublicDecryptVerification'), value);
  return g.world.manager.interface.encodeFunctionData('publicDecryptionResponse', [id, expected, signature]);
}

/** It is answered from our address, by nobody's transaction. */
const answeredBefore = async (g, name) => g.chain.send([
  { from: g.world.node.address, to: g.world.manager.target, data: await answerOf(g, name) },
]);

/** Answers are signed and not taken: until then each is refused as by a sequencer that is full. */
async function signedAndHeld(g, count) {
  const counted = await g.look.counters();
  await g.chain.lie({ lie: 'busy', methods: SEND });
  const names = await g.ask(count);
  await g.look.waitCounter('signer_signed', (n) => n >= counted.signer_signed + count);
  return names;
}

/** A ground where many requests are worked on at once: so many connections to the storage are kept. */
async function manyAtOnce(t, options) {
  const g = await t.ground(options);
  g.limits.descriptors += 32;
  return g;
}

/*
 * The node takes a transaction and its answer is lost: the nonce is found used, the receipt is that
 * of our own bytes, nothing is signed or sent again in vain.
 */
export async function T01(t) {
  const g = await t.ground();
  await g.start();
  const counted = await g.look.counters();
  for (let k = 0; k < t.times; k++) {
    await g.chain.lie({ lie: 'lost_reply', methods: SEND }, { lie: 'no_receipt', methods: RECEIPT, count: 2 });
    const names = await g.ask(4);
    await g.heals(names, landed(g, () => g.chain.truth()));
  }
  await signedOnce(g, counted, 4 * t.times);
  assert.equal((await g.look.counters()).submitter_foreign_nonces, 0);
  await g.finish();
}

/*
 * Another program uses our account: it answers one of our requests itself.  An alarm with both
 * nonces, then the account must be quiet for 10 s, the chain's nonce is adopted, and what is still
 * open is signed again; nothing is paid twice.  (No freeze: design, section 9.)  Alone also with
 * answers that were signed before, whose nonces are then another's.
 */
export async function T02(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const from = g.look.mark();
    const counted = await g.look.counters();
    const late = k % 2 === 1;
    let names;
    if (late) {
      names = await signedAndHeld(g, 3);
    } else {
      assert.equal((await g.world.cli('pause', 'sending')).code, 0);
      names = await g.ask(3);
      for (const name of names) await g.look.waitState(name, 'submitting');
    }
    await g.world.node.sendTransaction({ to: g.world.manager.target, data: await answerOf(g, names[1]), gasLimit: 2_000_000,
      maxFeePerGas: 10n ** 9n, maxPriorityFeePerGas: 0n, nonce: await g.world.node.getNonce() });
    const alarm = await g.look.waitLine('T003', { from });
    assert.ok(alarm.hint);
    const end = late ? () => g.chain.truth() : () => g.world.cli('continue', 'sending');
    await g.heals(names, landed(g, end), late ? 60000 : 14000); /* 10 s of quiet; 20 s until bytes are given up, once each */
    if (!late) g.look.counted(from, { T003: 1, T008: 1 });
    g.look.counted(from, { T004: 0, X010: 0 });
    assert.ok(await g.look.grown(counted, 'submitter_foreign_nonces') >= 1);
    await g.look.waitState(names[1], 'done');
  }
  await g.finish();
}

/*
 * The node says that it took the first of 16 transactions and has not: the others wait there for
 * what is missing, and are refused.  All 16 come again in their order, each as it was.  A node
 * holds what comes too early for a second, and bytes are sent again after one.
 */
export async function T03(t) {
  const g = await manyAtOnce(t);
  await g.start();
  const counted = await g.look.counters();
  for (let k = 0; k < t.times; k++) {
    await g.chain.lie({ lie: 'dropped', methods: SEND, count: 1 });
    const names = await g.ask(16, { perTx: 16, distinct: 4 });
    await g.heals(names, landed(g, () => {}), 4500);
    await g.chain.truth();
  }
  await signedOnce(g, counted, 16 * t.times);
  await g.finish();
}

/** The signer's own tests of whoever owns its socket; by the built program. */
function hostile(...names) {
  const words = ['--jobs', '2', '--filter', `signer/@(${names.join('|')})`];
  return new Promise((resolve, reject) => {
    const child = spawn(path.join(built, 'test', 'system', 'signer_test'), words, {
      cwd: root, env: { ...process.env, KMS_SIGNER: path.join(built, 'bin', 'kms-signer') },
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => { text += part; });
    child.on('error', reject);
    child.on('exit', () => {
      // eslint-disable-next-line no-control-regex
      const plain = text.replace(/\x1b\[[0-9;]*m/g, '');
      const [, tested, passing] = /Tested: (\d+) \| Passing: (\d+)/.exec(plain) ?? [];
      resolve({ tested: Number(tested), passing: Number(passing), text: plain });
    });
  });
}

/*
 * One nonce for two answers: with a submitter that is killed again and again while it has many, and
 * with a hostile one at the signer's socket, which asks for one nonce or request more than once.
 */
export async function T04(t) {
  const g = await manyAtOnce(t);
  await g.start();
  const names = [];
  for (let k = 0; k < t.times; k++) {
    const counted = await g.look.counters();
    names.push(...await g.ask(24, { perTx: 8, distinct: 4 }));
    await g.look.waitCounter('signer_signed', (n) => n > counted.signer_signed);
    g.world.signal('kms-submitter');
    if (k % 2) g.world.signal('kms-signer');
  }
  await g.answered(names);
  await g.look.waitFine();
  await g.finish();
  const how = await hostile('signs_once_for_ever', 'another_answer', 'nonces');
  assert.deepEqual([how.tested, how.passing], [3, 3], how.text);
}

/** Each of these words, once from a node that took the transaction and once from one that did not. */
async function said(t, words, { code = -32000, methods = SEND } = {}) {
  const g = await t.ground();
  await g.start();
  const counted = await g.look.counters();
  const list = words.slice(0, t.times);
  for (const one of list) {
    for (const lie of ['taken_with', 'refused_with']) {
      await g.chain.lie({ lie, words: one, code, methods, count: 1 });
      const names = await g.ask(1);
      await g.heals(names, landed(g, () => {}));
      assert.deepEqual(await g.chain.truth(), { [lie]: 1 }, one);
    }
  }
  await signedOnce(g, counted, 2 * list.length);
  const now = await g.look.counters();
  for (const name of ['submitter_foreign_nonces', 'submitter_reverted', 'executor_held', 'executor_refused']) {
    assert.equal(now[name], 0, name);
  }
  await g.finish();
}

/*
 * All the ways in which nodes say that they know a transaction: the receipt is waited for, and
 * should it be missing all the same, the same bytes are sent again.
 */
export const T05 = (t) => said(t, [
  'already known', 'known transaction: 0x2f1a', 'ALREADY_EXISTS: already known', 'Known transaction', 'AlreadyKnown',
  'already imported', 'Transaction with the same hash was already imported.', 'transaction already imported',
  'tx already in mempool', 'already in mempool', 'tx already exists in cache', 'transaction already exists',
  'Transaction already in pool', 'existing tx with same hash', 'INTERNAL_ERROR: existing tx with same hash',
  'duplicate transaction', 'transaction is already known', 'ALREADY_EXISTS', 'already known transaction',
  'err: already known (supplied gas 21000)', 'Pooled transaction already exists', 'hash already exists',
  'TRANSACTION_ALREADY_KNOWN', 'tx already known', 'transaction already pending', 'Already Known', 'KNOWN TRANSACTION',
]);

/* Words that look like those and mean the opposite, or nothing: ambiguous, so the same bytes only. */
export const T06 = (t) => said(t, [
  'unknown transaction', 'Unknown transaction 0x2f1a', 'transaction not found', 'not found', 'could not find transaction',
  'requested transaction not found', 'unknown tx', 'the transaction is not known', 'missing transaction', 'no such transaction',
  'UNKNOWN_TRANSACTION', 'header not found', '', 'null', 'Internal error', 'internal server error', 'oops',
  'unknown account', 'unmarshal error', 'EOF', 'i/o timeout', 'context deadline exceeded', 'connection refused',
]);

/*
 * The base fee rises tenfold between a look and a signature, again and again: the same call at the
 * same nonce with a higher fee, at once.  Above the cap everything waits and says so, and goes on
 * when the fee is lower.
 */
export async function T07(t) {
  const g = await t.ground({ config: { sign: { max_fee: '5gwei' } } });
  await g.start();
  const low = 100_000_000;
  for (let k = 0; k < t.times; k++) {
    const from = g.look.mark();
    const counted = await g.look.counters();
    const names = await signedAndHeld(g, 2);
    await g.chain.set({ baseFee: 10 * low });
    await g.chain.mine();
    await g.heals(names, landed(g, () => g.chain.truth()));
    const raised = (await ours(g)).filter(({ verdict }) => verdict === 'accepted').slice(-2);
    for (const { maxFee } of raised) assert.ok(maxFee >= 10 * low, `${maxFee} wei`);
    assert.equal(await g.look.grown(counted, 'signer_next_nonce'), 2);

    await g.chain.set({ baseFee: 100 * low });
    await g.chain.mine();
    const more = await g.ask(2);
    const line = await g.look.waitLine('T001', { from });
    assert.match(line.why, /the base fee is 10\.000 gwei, sign\.max_fee 5\.000 gwei/);
    await g.look.waitStatus(/^needs you: nothing\ndegraded: {2}sending is paused .*base fee/);
    const signed = await g.look.counters();
    await g.look.waitCounter('submitter_rpc_calls', (n) => n > signed.submitter_rpc_calls);
    assert.equal(await g.look.grown(signed, 'signer_signed'), 0);
    await g.heals(more, landed(g, async () => {
      await g.chain.set({ baseFee: low });
      await g.chain.mine();
    }));
    g.look.counted(from, { T001: 1, T002: 1 });
  }
  await g.finish();
}

/* An account without money: sending waits, nothing else does, and one line says it, until it has some. */
export async function T09(t) {
  const g = await t.ground();
  const { address } = g.world.node;
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const from = g.look.mark();
    await g.chain.fund(address, 0);
    const names = await g.ask(4);
    assert.match((await g.look.waitLine('T001', { from })).why, /cannot pay/);
    const status = await g.look.waitStatus(/^needs you: sending is paused .*clears when the account is funded/);
    assert.equal(status.code, 2);
    for (const name of names) await g.look.waitState(name, 'submitting'); /* it listens and computes all the same */
    await g.heals(names, landed(g, () => g.chain.fund(address, 100)));
    g.look.counted(from, { T001: 1, T002: 1, T004: 0 });
  }
  await g.finish();
}

/*
 * "intrinsic gas too low", as when the price of the parent chain's gas jumps after the estimate:
 * the same call at the same nonce with a quarter more, until it is enough.
 */
export async function T10(t) {
  const g = await t.ground();
  await g.start();
  const words = ['intrinsic gas too low: have 21000, want 53000', 'intrinsic gas too low', 'gas required exceeds allowance (30000)'];
  for (let k = 0; k < t.times; k++) {
    const counted = await g.look.counters();
    const before = (await ours(g)).slice(-1)[0];
    await g.chain.lie({ lie: 'refused_with', words: words[k % words.length], methods: SEND, count: 3 });
    const names = await g.ask(1);
    await g.heals(names, landed(g, () => {}));
    assert.equal(await g.look.grown(counted, 'signer_next_nonce'), 1);
    const last = (await ours(g)).slice(-1)[0];
    if (before) assert.ok(k || last.gas > before.gas);
    assert.equal((await g.chain.truth()).refused_with, 3);
  }
  await g.finish();
}
