/* window - more requests than memory holds, and an operator's pause that outlives processes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../peers/process.mjs';
import { lookAt } from './look.mjs';
import { startWorld } from './world.mjs';

let world;
const json = async (...words) => JSON.parse((await world.cli(...words, '--json')).output);
const stage = async (name) => (await json('status')).stages.find((s) => s.name === name);

before(async () => {
  world = await startWorld({ config: { window: 16 } });
  await world.startConnector();
});
after(async () => {
  if (process.env.SHOWLOG) console.log(world.log().split('\n').slice(-60).join('\n'));
  await world?.stop();
});

test('requests without ciphertexts fill the memory: others are answered all the same', { timeout: 60000 }, async () => {
  await world.bucket.fault('*', 'status', { status: 404 });
  const lost = await world.ask(40, { types: [2], perTx: 20 });
  await until('they are known', async () => (await json('list', '--limit', '100')).requests.length >= 40, 10000);
  for (const name of lost) {
    for (const digest of world.requests.get(name).digests) await world.bucket.fault(digest, 'status', { status: 404 });
  }
  await world.bucket.fault('*', 'delay', { ms: 0 });
  const good = await world.ask(20, { types: [5], perTx: 10 });
  assert.deepEqual((await world.waitAnswered(40000, { names: good })).missing, []);
});

test('what was set aside comes back', { timeout: 90000 }, async () => {
  await world.bucket.clear();
  assert.deepEqual((await world.waitAnswered(80000)).missing, []);
  assert.deepEqual((await world.judge()).problems, []);
});

test("an operator's pause of sending outlives executor and submitter", { timeout: 60000 }, async () => {
  assert.equal((await world.cli('pause', 'sending')).code, 0);
  const names = await world.ask(3, { types: [8] });
  world.signal('kms-executor', 'SIGKILL');
  world.signal('kms-submitter', 'SIGKILL');
  await until('they are back', async () => (await fetch(`${world.monitorUrl}/readyz`)).status === 200, 20000);
  assert.equal((await stage('sending')).state, 'paused by an operator');
  await until('the answers are there', async () => {
    const waiting = (await json('list', '--state', 'submitting')).requests.map((r) => r.id);
    return names.every((name) => waiting.includes(name));
  }, 20000);
  assert.equal((await world.waitAnswered(1500, { names })).missing.length, 3);
  assert.equal((await world.cli('continue', 'sending')).code, 0);
  assert.deepEqual((await world.waitAnswered(20000, { names })).missing, []);
  assert.deepEqual((await world.judge()).problems, []);
});

test('a long backlog does not hold up what is asked now, nor is it held up', async () => {
  const hour = 3600;
  const now = () => Math.floor(Date.now() / 1000);
  const other = await startWorld({
    chain: { timestamp: now() - hour }, core: { delayMs: 100 }, config: { window: 32 },
  });
  try {
    const see = lookAt(other);
    const old = await other.ask(1000, { perTx: 50, distinct: 20 });
    await other.startConnector();
    await see.waitFine();
    await other.chain.rpc('evm_setNextBlockTimestamp', now());
    const fresh = [];
    for (let round = 0; round < 5; round++) {
      fresh.push(...await other.ask(4, { perTx: 4 }));
      await see.answered(fresh, 5000);
    }
    const { missing } = await other.waitAnswered(0, { names: old });
    assert.ok(missing.length > 100, `${missing.length} of the backlog were open when the last was answered`);
    await see.answered(old, 60000);
    await see.judged();
  } finally {
    await other.stop();
  }
});
