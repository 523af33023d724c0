/*
 * Asked to stop at any moment, also while a peer says nothing: all six leave in order and in
 * time, and the next start goes on where this one was.  Under the sanitizers: what is open when
 * they leave is given back.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sleep, until } from '../peers/process.mjs';
import { lookAt } from './look.mjs';
import { seeded } from './random.mjs';
import { startWorld } from './world.mjs';

const PROCESSES = 6;
const IN_TIME_MS = 4500; /* a child that has not left after 5 s is killed */
const random = seeded();
let world;
let look;

before(async () => {
  world = await startWorld({ coreProxy: true, bucketProxy: true, config: { retry_interval_secs: 1 } });
  look = lookAt(world);
});
after(() => world?.stop());

/* what stands in the way of the requests, how it begins */
const hindrances = [
  ['nothing', () => {}],
  ['a slow Core', () => world.core.control({ op: 'set', delayMs: 2000 })],
  ['a silent Core', () => world.coreProxy.silent()],
  ['no Core', () => world.coreProxy.refuse()],
  ['silent storage', () => world.bucketProxy.silent()],
  ['slow storage', () => world.bucket.fault('*', 'drip', { bytes: 256, everyMs: 50 })],
  ['no storage', () => world.bucketProxy.refuse()],
  ['a silent node', () => world.proxy.silent()],
  ['no node', () => world.proxy.refuse()],
  ['no blocks', () => world.chain.rpc('evm_setAutomine', false)],
];

async function clear() {
  await world.core.control({ op: 'clear' });
  await world.bucket.clear();
  for (const proxy of [world.proxy, world.coreProxy, world.bucketProxy]) await proxy.forward();
  await world.chain.rpc('evm_setAutomine', true);
  await world.chain.mine();
}

/** SIGTERM now; how it ended and how long it took. */
async function stops(what) {
  const from = look.mark();
  const began = Date.now();
  const how = await world.stopConnector(20000);
  const took = Date.now() - began;
  assert.deepEqual({ what, code: how.code, signal: how.signal, orphans: how.orphans },
    { what, code: 0, signal: null, orphans: [] });
  assert.ok(took < IN_TIME_MS, `${what}: it took ${took} ms`);
  assert.deepEqual(look.lines('S003', { from }), [], what);
  assert.deepEqual(world.sanitizerReports(), [], what);
  return { from, took };
}

test('in the middle of work, whatever stands in its way', { timeout: 120000 }, async (t) => {
  t.diagnostic(`SEED=${random.seed}`);
  const times = [];
  for (const [what, begin] of random.shuffle(hindrances)) {
    await world.startConnector();
    await look.waitFine(20000);
    const asked = world.ask(random.between(3, 8), { types: [0, 5, 9], materials: random.between(1, 3) });
    if (random.below(2)) await asked; /* else it meets them on their way */
    await begin();
    if (what !== 'no blocks') await asked;
    await sleep(random.below(700));
    const { from, took } = await stops(what);
    assert.equal(look.lines('G002', { from }).length, PROCESSES, `${what}: each says that it stops`);
    times.push(took);
    await clear();
    await asked;
  }
  t.diagnostic(`left after ${times.join(', ')} ms`);
});

test('at any moment of its start', { timeout: 120000 }, async () => {
  for (let i = 0; i < 8; i++) {
    const from = look.mark();
    await world.startConnector();
    await look.waitLine('G001', { from, proc: 'supervisor' }); /* from here it hears signals */
    await sleep(random.below(50 * i + 1));
    await stops(`start ${i}`);
  }
});

test('the next start goes on where the last one was', { timeout: 120000 }, async () => {
  await world.startConnector();
  assert.deepEqual((await world.waitAnswered(60000)).missing, []);
  await until('the books say so, too', async () => (await look.list('done')).length === world.requests.size);
  await stops('idle');
  const verdict = await world.judge();
  assert.deepEqual(verdict.problems, []);
  assert.equal(verdict.transactions, world.requests.size);
});
