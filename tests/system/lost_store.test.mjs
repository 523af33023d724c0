/*
 * The store is deleted while 50 requests are open in every stage, and everything was killed; the
 * journal may end in half a record, as a crash leaves it.  Nothing is lost, nothing is paid twice.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { readProcess, until } from '../peers/process.mjs';
import { lookAt } from './look.mjs';
import { startWorld } from './world.mjs';

const WAITING = 20; /* signed and sent, in no block yet (some of them not sent yet) */
const AT_CORE = 15;
const NO_BODY = 15; /* their ciphertexts do not come */
const OPEN = WAITING + AT_CORE + NO_BODY;
let world;
let look;

before(async () => {
  world = await startWorld({ keep: Boolean(process.env.KEEP), config: { retry_interval_secs: 1 } });
  look = lookAt(world);
});
after(async () => {
  await world?.stop();
});

const mining = (on) => world.chain.rpc('evm_setAutomine', on);
const inPool = async () => Number((await world.chain.rpc('txpool_status')).pending);

async function running() {
  if (!world.connector) await world.startConnector();
  await look.waitFine();
}

/* 50 open requests; returns when at least ten of them are transactions that wait for a block. */
async function openRequests() {
  const without = (await Promise.all(Array.from({ length: NO_BODY }, () => world.makeCiphertexts([5]))));
  for (const [{ digest }] of without) await world.bucket.fault(digest, 'hang');
  await world.core.control({ op: 'set', delayMs: 2000 });
  await world.ask(WAITING, { types: [0, 5, 8], distinct: 4 });
  await until('the Core has them', async () => {
    return (await world.core.stats()).distinct.public === world.requests.size;
  }, 10000);
  await world.core.control({ op: 'set', delayMs: 8000 });
  await world.ask(AT_CORE, { types: [0, 5, 8], distinct: 4 });
  await world.ask(NO_BODY, { sets: without });
  await mining(false);
  await until('transactions of ours wait', async () => (await inPool()) >= 10, 15000);
  await until('the Core has those, too', async () => {
    return (await world.core.stats()).distinct.public === world.requests.size - NO_BODY;
  }, 15000);
}

/* SIGKILL to every process, and nothing of them is left. */
async function killAll() {
  const all = world.processes();
  assert.equal(all.length, 6);
  for (const { pid } of all) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      /* it went with the supervisor */
    }
  }
  await world.connector.exited;
  await until('all of them are gone', () => all.every(({ pid, name }) => readProcess(pid)?.name !== name), 5000);
}

const journalFile = () => path.join(world.config.data_dir, 'signer', 'journal');

/* The last whole record: records follow two slots; bytes 8 to 16 of each are its length. */
function lastRecord(journal) {
  let at = 8192;
  for (;;) {
    const length = Number(journal.readBigUInt64BE(at + 8));
    if (at + length >= journal.length) return journal.subarray(at);
    at += length;
  }
}

/* What a crash in the middle of a write leaves: FORM makes it of a record. */
function tearJournal(form) {
  const journal = fs.readFileSync(journalFile());
  const record = lastRecord(journal);
  assert.equal(record.toString('latin1', 0, 8), 'KCJREC01');
  const half = Buffer.from(record);
  half.writeBigUInt64BE(BigInt(journal.length), 16); /* its group began at the old end of the file */
  fs.appendFileSync(journalFile(), form(half));
  return journal.length;
}

/* Everything goes on by itself; what the chain has seen is judged, and our books are compared with it. */
async function judgeAll(names, waiting = names.slice(0, WAITING)) {
  await until('answers come as far as before', async () => {
    const now = new Set([...(await look.list('submitting')), ...(await look.list('done'))]);
    return waiting.every((name) => now.has(name));
  }, 30000, 100);
  await mining(true);
  await world.chain.mine();
  const { missing } = await world.waitAnswered(60000);
  assert.deepEqual(missing, []);
  await until('the books say so, too', async () => {
    const done = new Set(await look.list('done'));
    return names.every((name) => done.has(name));
  }, 30000, 100);
  await look.waitFine(30000);

  const verdict = await world.judge();
  assert.deepEqual(verdict.problems, []);
  assert.equal(verdict.transactions, world.requests.size);
  assert.equal(verdict.nonces.next, world.requests.size);
  assert.deepEqual(verdict.pool, { pending: 0, queued: 0 });

  /* A request's row never shows the transaction of another one. */
  const ofRequest = new Map((await world.transactions()).map(({ tx }) => {
    const call = world.manager.interface.parseTransaction({ data: tx.input });
    return [`public-${call.args[0]}`, tx.hash];
  }));
  for (const name of names) {
    const { tx } = await look.show(name);
    if (tx) assert.equal(tx, ofRequest.get(name), name);
  }
}

const rounds = [
  ['the store is lost, reading starts later: operations have other numbers than in the journal', { later: true }],
  ['the store is lost', {}],
  ['the store is lost, the journal ends in half a record', { tear: (r) => r.subarray(0, r.length / 2) }],
  ['the same, and the Core has forgotten everything; fewer bytes than a head',
    { tear: (r) => r.subarray(0, 100), forget: true }],
  ['the same with a record whose second half was never written',
    { tear: (r) => Buffer.concat([r.subarray(0, r.length / 2), Buffer.alloc(r.length - Math.floor(r.length / 2))]) }],
];

for (const [title, { later, tear, forget }] of rounds) {
  test(title, { timeout: 120000 }, async (t) => {
    await running();
    if (later) await world.waitAnswered(10000, { names: await world.ask(7) });
    const start = (await world.chain.head()) + 1;
    const before = new Set(world.requests.keys());
    await openRequests();
    const names = [...world.requests.keys()].filter((name) => !before.has(name));
    assert.equal(names.length, OPEN);

    await killAll();
    assert.equal((await world.responseEvents()).size, before.size, 'none of them is answered');
    fs.rmSync(path.join(world.config.data_dir, 'store'), { recursive: true });
    const size = tear ? tearJournal(tear) : 0;
    world.writeConfig({ start_block: later ? start : 0 });
    if (forget) await world.core.forget();
    await world.core.control({ op: 'set', delayMs: 100 });
    await world.bucket.clear();
    const mark = look.mark();
    const began = Date.now();
    await world.startConnector();
    await judgeAll(names);
    t.diagnostic(`${OPEN} answered ${Date.now() - began} ms after the start`);

    const cuts = look.lines('K003', { from: mark });
    assert.equal(cuts.length, tear ? 1 : 0, 'the journal is cut once, and says so');
    if (tear) assert.equal(Number(cuts[0].at), size);
  });
}

test('the store is lost, and the Core, which has forgotten all, answers otherwise', { timeout: 120000 }, async () => {
  await running();
  /* The first answer is on its way: it stays the only one. */
  await world.core.control({ op: 'set', delayMs: 2000 });
  const names = await world.ask(12, { types: [5], distinct: 4 });
  await mining(false);
  await until('transactions of ours wait', async () => (await inPool()) === names.length, 15000);
  await killAll();
  fs.rmSync(path.join(world.config.data_dir, 'store'), { recursive: true });
  await world.core.forget();
  await world.core.control({ op: 'set', delayMs: 0 });
  await world.core.control({ op: 'twist', plaintexts: 'wrong' });
  await world.core.control({ op: 'resetStats' });
  world.writeConfig({ start_block: world.requests.get(names[0]).block });
  await world.startConnector();
  await until('the Core answers again', async () => {
    return (await world.core.stats()).distinct.public === names.length;
  }, 15000);
  await judgeAll(names, names);
});

test('the store is lost, and nobody asks again for what was signed but never sent', { timeout: 120000 }, async () => {
  await running();
  /* Reading starts after the requests, so that only the journal knows them. */
  const next = async () => (await look.status()).figures.next_nonce;
  const before = await next();
  await world.core.control({ op: 'clear' });
  await world.core.control({ op: 'set', delayMs: 2000 });
  const names = await world.ask(30, { types: [5], distinct: 4 });
  await mining(false);
  await until('all of them are signed', async () => (await next()) === before + names.length, 20000, 50);
  assert.ok((await inPool()) < names.length, 'some of them are not sent yet');
  await killAll();
  fs.rmSync(path.join(world.config.data_dir, 'store'), { recursive: true });
  world.writeConfig({ start_block: (await world.chain.head()) + 1 });
  await world.core.control({ op: 'set', delayMs: 0 });
  await world.startConnector();
  await until('transactions of ours wait', async () => (await inPool()) >= 16, 15000);
  await mining(true);
  await judgeAll(await world.ask(5, { types: [5] }), []);
});
