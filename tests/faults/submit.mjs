/*
 * submit - what becomes of transactions, and what is said of it.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../peers/process.mjs';
import { ESTIMATE, RECEIPT, SEND, answerOf, answeredBefore, landed, ours, signedAndHeld, signedOnce } from './sending.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const built = path.join(root, process.env.B ?? 'build');

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

/* Of these the one whose answer has the lowest nonce. */
async function firstSigned(g, names) {
  const idOf = (name) => BigInt(g.world.requests.get(name).id);
  const rows = (await ours(g)).filter(({ request }) => names.some((name) => idOf(name) === BigInt(request)));
  const lowest = rows.reduce((a, b) => (b.nonce < a.nonce ? b : a));
  return names.find((name) => idOf(name) === BigInt(lowest.request));
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
    const first = late ? await firstSigned(g, names) : names[1]; /* of what is signed it loses its nonce: the others keep theirs */
    await g.world.node.sendTransaction({ to: g.world.manager.target, data: await answerOf(g, first), gasLimit: 2_000_000,
      maxFeePerGas: 10n ** 9n, maxPriorityFeePerGas: 0n, nonce: await g.world.node.getNonce() });
    const alarm = await g.look.waitLine('T003', { from }, 40000); /* 20 s until signed bytes are given up */
    assert.ok(alarm.hint);
    const end = late ? () => g.chain.truth() : () => g.world.cli('continue', 'sending');
    await g.heals(names, landed(g, end), 14000); /* 10 s of quiet */
    if (!late) g.look.counted(from, { T003: 1, T008: 1 });
    g.look.counted(from, { T004: 0, X010: 0 });
    assert.ok(await g.look.grown(counted, 'submitter_foreign_nonces') >= 1);
    await g.look.waitState(first, 'done');
  }
  await g.finish({ strangers: t.times });
}

/*
 * The node says that it took the first of 16 transactions and has not: the others wait there for
 * what is missing, and are refused.  All 16 come again in their order, each as it was.  A node
 * holds what comes too early for a second, and bytes are sent again after one.
 */
export async function T03(t) {
  const g = await t.ground();
  await g.start();
  const counted = await g.look.counters();
  for (let k = 0; k < t.times; k++) {
    await g.chain.lie({ lie: 'dropped', methods: SEND, count: 1 });
    const names = await g.ask(16, { perTx: 16, distinct: 4 });
    await g.heals(names, landed(g, () => {}), 3000);
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
 * One nonce for two answers: with a submitter that is killed while it has many, and every other time
 * a signer, and with a hostile one at the signer's socket, which asks for one nonce or request more
 * than once.
 */
export async function T04(t) {
  for (let k = 0; k < t.times; k++) {
    const g = await t.ground();
    await g.start();
    const counted = await g.look.counters();
    const names = await g.ask(24, { perTx: 8, distinct: 4 });
    await g.look.waitCounter('signer_signed', (n) => n > counted.signer_signed);
    g.world.signal('kms-submitter');
    if (k % 2) g.world.signal('kms-signer');
    await g.answered(names);
    await g.look.waitFine();
    await g.finish();
  }
  const how = await hostile('signs_once_for_ever', 'another_answer', 'nonces');
  assert.deepEqual([how.tested, how.passing], [3, 3], how.text);
}

/** Each of these words, once from a node that took the transaction and once from one that did not. */
async function said(t, words) {
  const g = await t.ground();
  await g.start();
  const counted = await g.look.counters();
  const list = words.slice(0, t.times);
  for (const one of list) {
    for (const lie of ['taken_with', 'refused_with']) {
      await g.chain.lie({ lie, methods: SEND, count: 1, ...(one.code ? one : { words: one }) });
      const names = await g.ask(1);
      await g.heals(names, landed(g, () => {}));
      assert.deepEqual(await g.chain.truth(), { [lie]: 1 }, JSON.stringify(one));
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
 * The estimate is well and the transaction reverts, since the answer came meanwhile by another way:
 * one line with the reason, by a call at its block; it is done, and nothing is sent again.
 */
export async function T17(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const from = g.look.mark();
    const counted = await g.look.counters();
    const [name] = await signedAndHeld(g, 1);
    await answeredBefore(g, name);
    await g.heals([name], landed(g, () => g.chain.truth()));
    const row = await g.look.waitState(name, 'done', 2000);
    assert.match(row.reason, /reverted: KmsSignerAlreadyResponded/);
    g.look.counted(from, { T004: 1, T001: 0, X010: 0 });
    assert.equal(await g.look.grown(counted, 'submitter_reverted'), 1);
    await signedOnce(g, counted, 1);
  }
  await g.finish({ open: t.times, reverted: t.times, others: true, vain: () => true });
}

/* The node says yes and forgets what it took: after a second the same bytes, until they are used. */
export async function T18(t) {
  const g = await t.ground({ nodes: 2 });
  await g.start();
  const counted = await g.look.counters();
  for (let k = 0; k < t.times; k++) {
    await g.chain.lie({ lie: 'dropped', methods: SEND });
    const names = await g.ask(1);
    const before = await g.look.counters();
    await g.look.waitCounter('submitter_resends', (n) => n >= before.submitter_resends + 2);
    await g.heals(names, landed(g, () => g.chain.truth()));
  }
  await signedOnce(g, counted, t.times);
  assert.equal((await g.look.counters()).submitter_foreign_nonces, 0);
  await g.finish();
}

/* Their transactions are in blocks and the node does not say so: asked again, never signed again. */
async function withoutReceipts(t, lies) {
  const g = await t.ground();
  await g.start();
  const counted = await g.look.counters();
  for (let k = 0; k < t.times; k++) {
    const lie = lies[k % lies.length];
    const { calls } = await g.proxies[0].stats();
    const before = await g.look.counters();
    await g.chain.lie({ methods: RECEIPT, ...lie });
    const names = await g.ask(2);
    await g.answered(names);
    await until('receipts are asked for', async () => {
      return (await g.proxies[0].stats()).calls.eth_getTransactionReceipt >= (calls.eth_getTransactionReceipt ?? 0) + 6;
    });
    assert.equal(await g.look.grown(before, 'submitter_included'), 0, JSON.stringify(lie));
    await g.heals(names, landed(g, () => g.chain.truth()));
    assert.equal(await g.look.grown(before, 'submitter_included'), 2);
  }
  await signedOnce(g, counted, 2 * t.times);
  const now = await g.look.counters();
  assert.equal(now.submitter_foreign_nonces, 0);
  assert.equal(now.submitter_reverted, 0);
  await g.finish();
}

/* No receipt of what is included. */
export const T19 = (t) => withoutReceipts(t, [{ lie: 'no_receipt' }]);

/* Receipts of another transaction, and such whose status is none. */
export const T22 = (t) => withoutReceipts(t, [{ lie: 'wrong_receipt' }, ...[0, 1, 2, 3, 4, 5, 6].map((by) => ({ lie: 'odd_receipt', by }))]);

const GROUNDS = 4; /* side by side: most of the time is waited */

const REPLY = 300; /* bytes, at most: what comes after it belongs to the next reply */

const upTo = (name, end) => Array.from({ length: end }, (_, at) => [name, at]);

/* The length of a request that sends one transaction. */
async function requestBytes(t) {
  const g = await t.ground();
  await g.start();
  await g.proxies[0].fault('cut_request', { at: 1e9, match: SEND[0], count: 1 });
  await g.answered(await g.ask(1));
  await g.finish();
  return (await g.proxies[0].stats()).metBytes;
}

/*
 * The connection is reset after byte k of a request with a transaction, and after byte k of its
 * reply; alone for every k of both.  Whether it was taken is not known, so the same bytes go again.
 */
export async function T20(t) {
  const request = await requestBytes(t) + 2; /* numbers in it may grow by a digit */
  const points = [...upTo('cut_request', request), ...upTo('cut_reply', REPLY)];
  const step = Math.max(1, Math.floor(points.length / t.times));
  const left = points.filter((_, i) => i % step === 0).slice(0, t.times);
  await Promise.all(Array.from({ length: Math.min(GROUNDS, Math.ceil(t.times / 20)) }, async () => {
    const g = await t.ground();
    await g.start();
    const counted = await g.look.counters();
    let count = 0;
    for (let point; (point = left.shift()); count++) {
      const [name, at] = point;
      await g.proxies[0].fault(name, { at, match: SEND[0], count: 1 });
      await g.heals(await g.ask(1), landed(g, () => {}));
    }
    await signedOnce(g, counted, count);
    assert.equal((await g.look.counters()).submitter_foreign_nonces, 0);
    const { cut_request: requests = 0, cut_reply: replies = 0 } = (await g.proxies[0].stats()).acted;
    assert.equal(requests + replies, count);
    await g.finish();
  }));
}

/* The codes that eth_sendRawTransactionSync has, and how nodes say it. */
const syncCodes = [
  [4, 'The transaction was added to the mempool but was not processed in time'],
  [5, 'The transaction was rejected for an unknown reason'],
  [6, 'nonce gap: the next nonce is another'],
];

/*
 * We send by eth_sendRawTransaction, so none of what eth_sendRawTransactionSync may say is asked
 * for.  A node that says it all the same does no harm: 4 and 5 leave open whether it was taken, so
 * the same bytes go again, and 6 is an earlier nonce that is missing there.  A node without the
 * method that we do use is said aloud and the next one is used; it clears itself.
 */
export async function T21(t) {
  await said({ ...t, times: 3 }, syncCodes.map(([code, words]) => ({ code, words })));
  for (let k = 0; k < t.times; k++) {
    const alone = k % 2 === 0;
    const g = await t.ground({ nodes: alone ? 1 : 2 });
    await g.start();
    const from = g.look.mark();
    const counted = await g.look.counters();
    const words = 'the method eth_sendRawTransaction does not exist/is not available';
    await g.chain.lie({ lie: 'refused_with', code: -32601, words, methods: SEND, door: 1 });
    const names = await g.ask(2);
    if (alone) {
      assert.match((await g.look.waitLine('T001', { from })).why, /does not take our transactions/);
      await g.look.waitStatus(/sending is paused .*does not take our transactions/);
    }
    await g.heals(names, landed(g, () => alone && g.chain.truth()), alone ? 2000 : 3500); /* a second for each nonce */
    await signedOnce(g, counted, 2);
    assert.ok(g.look.lines('T001', { from }).length <= 1);
    await g.finish();
  }
}

/*
 * The newest blocks leave with our answers in them, to depth 1, 2, ..: what was asked for comes
 * again in other blocks, and each answer by the same bytes, once.  Both ends of it are in the time:
 * that the listener sees it, and all that is asked again of Core and storage.
 */
export async function T23(t) {
  const g = await t.ground({ chain: { finalized: 200, safe: 100 } });
  await g.start();
  const depths = t.times > 8 ? Array.from({ length: t.times }, (_, k) => k + 1) : [1, 2, 7, 64].slice(0, t.times);
  let left = 0;
  for (const depth of depths) {
    const names = await g.ask(Math.min(depth, 8));
    await g.answered(names);
    await g.chain.mine(Math.max(0, depth - 2 * names.length));
    const first = await g.chain.head() - depth + 1;
    const drop = (await ours(g)).filter(({ block }) => block >= first).map(({ hash }) => hash);
    assert.ok(drop.length >= 1);
    const counted = await g.look.counters();
    left += drop.length;
    await g.heals(names, landed(g, () => g.chain.reorg(depth, { drop })), 4000);
    assert.equal(await g.look.grown(counted, 'signer_signed'), 0, `depth ${depth}`);
  }
  await g.finish({ left });
}

/*
 * A node says 2^255 for gas, its price and the base fee, or a number that is merely too high: it is
 * not believed, nothing is signed by it, and nothing is refused or held for it.
 */
export async function T26(t) {
  const lies = [{ lie: 'huge_gas' }, { lie: 'huge_gas', by: 2 ** 40, methods: ESTIMATE }, { lie: 'huge_gas', by: 9_000_000, methods: ESTIMATE }];
  const g = await t.ground();
  await g.start();
  const counted = await g.look.counters();
  for (let k = 0; k < t.times; k++) {
    const before = await g.look.counters();
    await g.chain.lie(lies[k % lies.length]);
    const names = await g.ask(3);
    await g.look.waitCounter('submitter_estimates', (n) => n >= before.submitter_estimates + 9);
    assert.equal(await g.look.grown(before, 'signer_signed'), 0);
    await g.heals(names, landed(g, () => g.chain.truth()));
  }
  await signedOnce(g, counted, 3 * t.times);
  for (const { gas, maxFee } of await ours(g)) assert.ok(gas <= 8_000_000 && maxFee <= 1e10, `${gas} gas at ${maxFee}`);
  const now = await g.look.counters();
  for (const name of ['executor_held', 'executor_refused']) assert.equal(now[name], 0);
  await g.finish();
}

/* All the ways in which a sequencer says that it takes no more now: the same bytes, until it does. */
export const T27 = (t) => said(t, [
  'queue full', 'sequencer pending tx pool full, please try again', 'sequencer temporarily not available. Please try again.',
  'expected surplus dropped below soft threshold', 'expected surplus dropped below hard threshold', 'txpool is full',
  'transaction pool is full', 'Transaction pool full', 'pool is full', 'mempool is full', 'too many pending transactions',
  'exceeds the configured limit', 'rate limit exceeded', 'server is busy', 'try again later', 'service temporarily unavailable',
]);

const RESULT_MAX = 90_000; /* bytes, of executor/kind.h */

/*
 * An answer that is a byte longer than we take, so that its transaction is one of the L2, is refused
 * before it is signed; the longest is sent and taken.  And who asks the signer itself for a call of another length
 * than its arguments have is refused as well.
 */
export async function T30(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const from = g.look.mark();
    const counted = await g.look.counters();
    const [plain] = await g.world.askUser(1, { types: [5] });
    await g.answered([plain]);
    const payload = g.world.requests.get(plain).expected.length / 2 - 1;
    const padTo = 64 + RESULT_MAX - payload; /* its share has 64 bytes */

    await g.core.control({ op: 'twist', padTo: padTo + 1 });
    const [long] = await g.world.askUser(1, { types: [5] });
    assert.match((await g.look.waitLine('X009', { from, id: long })).reason, /larger than a transaction's data may be/);
    await g.core.control({ op: 'twist', padTo });
    const [fits] = await g.world.askUser(1, { types: [5] });
    await g.heals([fits], landed(g, () => {}), 4000); /* it is asked for, computed and sent in this time */
    const event = (await g.world.responseEvents()).get(fits);
    g.world.requests.get(fits).expected = [...event.args[1]][0];
    await signedOnce(g, counted, 2);
    await g.core.control({ op: 'clear' });
    await g.core.forget();
    assert.equal((await g.world.cli('retry', long)).code, 0);
    await g.heals([long], landed(g, () => {}));
  }
  await g.finish();
  const how = await hostile('refuses_and_lives', 'who_does_not_read');
  assert.deepEqual([how.tested, how.passing], [2, 2], how.text);
}
