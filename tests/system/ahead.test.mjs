/*
 * Blocks of a long absence are read slowly, and what is asked meanwhile does not wait for their
 * end: it is read ahead of the cursor, answered, and known when the reading comes there.  What
 * leaves the chain, who dies and what cannot be read meanwhile changes nothing in the sum.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { startFront } from '../peers/parent.mjs';
import { sleep } from '../peers/process.mjs';
import { lookAt, until } from './look.mjs';
import { startWorld } from './world.mjs';

const OLD = 12; /* requests of the absence, each in a block of its own */
const APART = 25; /* blocks from one to the next */
const SLOTS = 8; /* the finalized block is so many twice below the head */
const AHEAD = 64; /* blocks that a turn of the head has at most (listener/ahead.h) */
const RANGE_MS = 150; /* a range of old blocks takes the node so long */
const RANGE_BLOCKS = 4; /* and has at most so many */
let world;
let look;
let front;
let absent; /* the head when the connector came back */

before(async () => {
  world = await startWorld({ keep: Boolean(process.env.KEEP), chain: { slots: SLOTS }, config: { retry_interval_secs: 1 } });
  front = await startFront(world.proxy.httpUrl);
  world.started.push(front);
  world.writeConfig({ gwl2_url: [{ name: 'gateway', url: front.httpUrl }], poll_interval: '50ms' });
  look = lookAt(world);
  await world.startConnector();
  await look.waitFine();
});
afterEach(() => { /* whatever a failure left behind */
  front.forge = null;
});
after(async () => {
  await world?.stop();
});

const isRange = (method, [filter]) => method === 'eth_getLogs' && filter.fromBlock && filter.topics;

/** A node that bears only small ranges, and takes its time for each. */
async function slowly(method, params, got) {
  if (!isRange(method, params)) return got;
  if (params[0].toBlock - params[0].fromBlock >= RANGE_BLOCKS) throw new Error('query exceeds max block range');
  await sleep(RANGE_MS);
  return got;
}

const cursor = async () => (await look.counters()).listener_cursor;

/** Nobody listens while OLD requests are asked; then the connector is started with this forge. */
async function comeBack(forge) {
  assert.deepEqual((await world.stopConnector()).orphans, []);
  const names = [];
  for (let i = 0; i < OLD; i++) {
    await world.chain.mine(APART - 1);
    names.push(...await world.ask(1));
  }
  await world.chain.mine(AHEAD + 2 * SLOTS); /* the old ones are below what the head's turn has */
  absent = await world.chain.head();
  front.forge = forge;
  await world.startConnector({ init: false });
  return names;
}

/** Requests one after the other, each answered while the old blocks are not all read. */
async function askMeanwhile(count) {
  const names = [];
  for (let i = 0; i < count; i++) {
    const [name] = await world.ask(1);
    await look.answered([name], 8000);
    assert.ok(await cursor() < absent - AHEAD, 'it did not wait for the old blocks');
    names.push(name);
  }
  return names;
}

/** All is read and answered; each once. */
async function judged() {
  await look.waitCounter('listener_cursor', (n) => n >= absent, 60000);
  await look.answered([...world.requests.keys()], 30000);
  await look.waitCounter('executor_active', (n) => n === 0, 30000);
  await look.judged();
  const { executor_refused_edges: edges, executor_held: held } = await look.counters();
  assert.deepEqual([edges, held], [0, 0]);
}

test('old blocks are read slowly: what is asked now is answered now, and known later', { timeout: 120000 }, async () => {
  const old = await comeBack(slowly);
  await look.waitCounter('listener_cursor', (n) => n > 0);
  const counted = await look.counters();
  const began = await cursor();
  const names = await askMeanwhile(5);
  assert.ok(await cursor() > began, 'the old blocks have their turns, too');
  await judged();
  assert.equal(await look.grown(counted, 'executor_duplicates'), names.length, 'each is read once more in its turn');
  assert.equal((await look.list('done')).length, old.length + names.length);
});

test('a block that was read ahead leaves the chain: its request, too', { timeout: 120000 }, async () => {
  await comeBack(slowly);
  await look.waitCounter('listener_cursor', (n) => n > 0);
  const counted = await look.counters();
  await world.core.control({ op: 'set', delayMs: 3000 });
  const sets = (await world.makeCiphertexts([5])).map((c) => [c]);
  await world.chain.mine(2);
  const [name] = await world.ask(1, { sets });
  await look.waitState(name, 'computing');
  await world.chain.reorg(1, []);
  await world.recount();
  await look.waitState(name, 'retracted');
  assert.equal(await look.grown(counted, 'executor_retracted'), 1);
  await world.core.control({ op: 'set', delayMs: 0 });
  assert.ok(await cursor() < absent - AHEAD);
  /* The user asks again, in another block and for the same: it is the same request. */
  assert.deepEqual(await world.ask(1, { sets }), [name]);
  await look.answered([name], 8000);
  assert.ok(await cursor() < absent - AHEAD);
  await judged();
});

test('whoever hears or says it dies meanwhile: nothing is lost, nothing is sent twice', { timeout: 120000 }, async () => {
  await comeBack(slowly);
  for (const victim of ['kms-listener', 'kms-executor']) {
    const names = await askMeanwhile(1);
    const [open] = await world.ask(1);
    const pid = world.signal(victim);
    await until(`another ${victim}`, () => (world.processOf(victim)?.pid ?? pid) !== pid, 10000, 20);
    await look.answered([...names, open], 15000);
    assert.ok(await cursor() < absent - AHEAD);
  }
  await judged();
});

test('the old blocks cannot be had: what is asked now is answered, and all once they can', { timeout: 120000 }, async () => {
  let refused = 0;
  const tooOld = new Set();
  const old = await comeBack(async (method, params, got) => {
    if (method === 'eth_getBlockByNumber' && got && Number(got.number) <= absent - AHEAD) tooOld.add(got.hash);
    const isOld = isRange(method, params) ||
      (method === 'eth_getLogs' && tooOld.has(params[0].blockHash)) ||
      (method === 'eth_getBlockReceipts' && tooOld.has(params[0]));
    if (!isOld) return got;
    refused++;
    throw new Error('missing trie node');
  });
  await until('they are refused', () => refused > 3, 20000);
  for (let i = 0; i < 3; i++) await look.answered(await world.ask(1), 15000);
  assert.ok(await cursor() < absent - AHEAD);
  for (const name of old) assert.equal(await look.show(name), null);
  front.forge = null;
  await judged();
});
