/*
 * conditions - chains that do not take our transactions: fees, money, gas, contracts.
 */
import assert from 'node:assert/strict';
import { Wallet } from 'ethers';
import { ESTIMATE, SEND, answeredBefore, landed, ours, signedAndHeld, signedOnce } from './sending.mjs';

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
    await g.look.waitLine('T002', { from });
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
    await g.look.waitLine('T002', { from });
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
    const { length: before } = await ours(g);
    await g.chain.lie({ lie: 'refused_with', words: words[k % words.length], methods: SEND, count: 3 });
    const names = await g.ask(1);
    await g.heals(names, landed(g, () => {}));
    assert.equal(await g.look.grown(counted, 'signer_next_nonce'), 1);
    const tried = (await ours(g)).slice(before).map(({ gas }) => Number(gas));
    assert.equal(tried.length, 4);
    for (let i = 1; i < tried.length; i++) assert.ok(tried[i] > tried[i - 1], `gas ${tried}`);
    assert.equal((await g.chain.truth()).refused_with, 3);
  }
  await g.finish();
}

/* The contract has our answer already: done, by nobody's transaction now, and nothing is paid. */
export async function T12(t) {
  const g = await t.ground();
  await g.start();
  const counted = await g.look.counters();
  for (let k = 0; k < t.times; k++) {
    assert.equal((await g.world.cli('pause', 'sending')).code, 0);
    const [name] = await g.ask(1);
    await g.look.waitState(name, 'submitting');
    await answeredBefore(g, name);
    assert.equal((await g.world.cli('continue', 'sending')).code, 0);
    const row = await g.look.waitState(name, 'done', 2000);
    assert.match(row.reason, /KmsSignerAlreadyResponded/);
  }
  assert.equal(await g.look.grown(counted, 'signer_signed'), 0);
  assert.equal(await g.look.grown(counted, 'executor_done_before'), t.times);
  await g.finish({ open: t.times, others: true });
}

/*
 * A node that has not seen the request yet: its "not requested" is not believed.  With a second
 * node that one is asked; with none it is asked again until it has caught up.
 */
export async function T13(t) {
  for (let k = 0; k < t.times; k++) {
    const alone = k % 2 === 1 || t.times === 1;
    const g = await t.ground({ nodes: alone ? 1 : 2 });
    await g.start();
    const from = g.look.mark();
    const counted = await g.look.counters();
    await g.chain.mine(20);
    await g.chain.lie({ lie: 'lagging', by: 8, methods: ESTIMATE, door: 1 });
    const names = await g.ask(3);
    if (alone) {
      await g.look.waitCounter('submitter_preflight_reverts', (n) => n >= counted.submitter_preflight_reverts + 6);
      assert.equal(await g.look.grown(counted, 'signer_signed'), 0);
    }
    await g.heals(names, landed(g, () => alone && g.chain.truth()));
    await signedOnce(g, counted, 3);
    g.look.counted(from, { T001: 0, X010: 0, X009: 0 });
    await g.finish();
  }
}

/** What stands between us and the contract: how it begins, how it ends, what is said meanwhile. */
async function pausedBy(g, begin, end, why, status) {
  const from = g.look.mark();
  const counted = await g.look.counters();
  await begin();
  const names = await g.ask(4);
  assert.match((await g.look.waitLine('T001', { from })).why, why);
  await g.look.waitStatus(status);
  assert.equal((await g.look.counters()).executor_paused_sending, 1);
  assert.equal(await g.look.grown(counted, 'signer_signed'), 0);
  await g.heals(names, landed(g, end));
  await signedOnce(g, counted, names.length);
  g.look.counted(from, { T001: 1, T002: 1, X021: 1, X022: 1, T004: 0, X010: 0 });
}

const register = (g, identity) => g.chain.setup([['httpz', 'addKmsNode', g.world.node.address, identity, '127.0.0.1']]);
const unregister = (g) => g.chain.setup([['httpz', 'removeKmsNode', g.world.node.address]]);

/*
 * The chain does not list our account, or lists it with another identity than the one that signs:
 * nothing is sent, one answer at a time tries whether it is over, and it clears itself.
 */
export async function T14(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    await pausedBy(g, () => unregister(g), () => register(g, g.core.address), /InvalidKmsNodeSender/,
      /^needs you: sending is paused .*InvalidKmsNodeSender; clears when the chain lists this node/);
    const other = Wallet.createRandom().address;
    await pausedBy(g, async () => {
      await unregister(g);
      await register(g, other);
    }, async () => {
      await unregister(g);
      await register(g, g.core.address);
    }, /InvalidKmsSigner/, /^needs you: sending is paused .*InvalidKmsSigner/);
  }
  await g.finish();
}

/* The contract is paused, and then not. */
export async function T15(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    await pausedBy(g, () => g.chain.setup([['manager', 'pause']]), () => g.chain.setup([['manager', 'unpause']]),
      /EnforcedPause/, /^needs you: nothing\ndegraded: {2}sending is paused .*EnforcedPause; clears when the contract is not paused/);
  }
  await g.finish();
}

/*
 * Reverts that no profile knows.  Those of many are one trouble: sending pauses and tries by
 * itself.  That of one is held after 10 s, with its four bytes, and holds up nobody (alone).
 */
export async function T16(t) {
  const g = await t.ground();
  await g.start();
  const odd = (request) => g.chain.setup([['manager', 'setOdd', request]]);
  const { selector } = g.world.manager.interface.getError('OfNoProfile');
  const words = new RegExp(`reverts with ${selector}, which the profile does not know`);
  for (let k = 0; k < t.times; k++) {
    const from = g.look.mark();
    const counted = await g.look.counters();
    await odd(2n ** 256n - 1n);
    const names = await g.ask(8);
    const line = await g.look.waitLine('T001', { from });
    assert.match(line.why, words);
    await g.look.waitStatus(/degraded: {2}sending is paused .*the contract reverts with/);
    await g.heals(names, landed(g, () => odd(0)));
    await signedOnce(g, counted, 8);
    g.look.counted(from, { T001: 1, T002: 1, X010: 0 });
  }
  if (t.times > 1) {
    const from = g.look.mark();
    await odd(BigInt(g.world.requests.size + 2));
    const [before, own, after] = await g.ask(3);
    await g.answered([before, after]);
    assert.match((await g.look.waitLine('X010', { from, id: own }, 30000)).reason, words);
    await odd(0);
    assert.equal((await g.world.cli('retry', own)).code, 0);
    await g.heals([own], () => {});
  }
  await g.finish();
}
