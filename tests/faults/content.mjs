/*
 * content - chain nodes that answer in good form what is not so, and contracts that say what
 * nobody expects.
 */
import assert from 'node:assert/strict';
import { hexlify, id as keccakOfText, toBeHex } from 'ethers';
import { encodeResult } from '../peers/plaintext.mjs';
import { until } from '../peers/process.mjs';
import { encodeMaterials, unanswerable } from '../system/requests.mjs';
import { UNMOVED, atHead } from './ground.mjs';

const DAY_S = 24 * 3600;

/** The requests that the store knows, by name. */
const known = async (g) => (await g.look.list()).sort();
const asked = (g) => [...g.world.requests.keys()].sort();

// ---- what nodes do to logs ----

/*
 * Each log twice in an answer, heads that come twice, and events that are read once more: one
 * request each, one answer each.
 */
export async function L30(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    await g.chain.lie({ lie: 'duplicate_logs' });
    await g.answered([...await g.ask(4), ...await g.ask(3, { perTx: 3 })]);
    await g.chain.truth();
    const before = await g.look.counters();
    assert.equal((await g.world.cli('rewind', '--to', '0')).code, 0);
    await g.look.waitCounter('executor_duplicates', (n) => n >= before.executor_duplicates + 7 * (k + 1));
    if (k === 0) g.world.signal('kms-listener');
    await g.heals(await g.ask(1), () => {});
    await g.answered(asked(g));
    assert.deepEqual(await known(g), asked(g));
    assert.equal(await g.look.grown(before, 'signer_signed'), 1);
  }
  g.look.counted(0, UNMOVED);
  await g.finish();
}

/* Logs from the last to the first, replies of batches too: requests stand in the chain's order. */
export async function L31(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    await g.chain.lie({ lie: 'shuffled_logs' }, { lie: 'backwards', seed: 3 + k, share: 0.5, methods: ['eth_getLogs', 'eth_getBlockByNumber'] });
    await g.answered([...await g.ask(5, { perTx: 5 }), ...await g.ask(4)]);
    assert.ok((await g.chain.truth()).shuffled_logs >= 1);
  }
  const inOrder = asked(g).sort((a, b) => Number(a.slice(7)) - Number(b.slice(7)));
  const ops = await Promise.all(inOrder.map(async (name) => (await g.look.show(name)).op));
  assert.deepEqual(ops, [...ops].sort((a, b) => a - b));
  g.look.counted(0, { ...UNMOVED, L006: 0 });
  await g.finish();
}

/* Logs that a node calls removed, though their block stands: nothing is taken back for that. */
export async function L32(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const before = await g.look.counters();
    await g.chain.lie({ lie: 'removed_logs' });
    await g.answered(await g.ask(3));
    await g.chain.truth();
    assert.ok(await g.look.grown(before, 'listener_foreign_logs') >= 3);
    await g.heals(await g.ask(1), () => {});
  }
  assert.equal((await g.look.counters()).executor_retracted, 0);
  g.look.counted(0, UNMOVED);
  await g.finish();
}

/* Logs of a contract that looks like ours, of ours with another topic, with none at all. */
export async function L40(t) {
  const g = await t.ground();
  await g.start();
  const { manager } = g.world;
  const topic = manager.interface.getEvent('PublicDecryptionRequest').topicHash;
  const likeOurs = `0x${(BigInt(manager.target) ^ 1n).toString(16).padStart(40, '0')}`;
  for (let k = 0; k < t.times; k++) {
    const before = await g.look.counters();
    await g.chain.lie({ lie: 'noise_logs' });
    const names = await g.ask(3);
    await g.chain.rpc('fake_request', [
      { contract: likeOurs, topics: [topic, toBeHex(777, 32)], data: '0x' },
      { contract: manager.target, topics: [], data: '0x1234' },
      { contract: manager.target, topics: [toBeHex(7, 32)], data: '0x' },
    ]);
    await g.answered(names);
    await g.chain.truth();
    assert.ok(await g.look.grown(before, 'listener_foreign_logs') >= 2);
    await g.heals(await g.ask(1), () => {});
  }
  await atHead(g);
  assert.deepEqual(await known(g), asked(g));
  g.look.counted(0, { ...UNMOVED, L008: 0 });
  await g.finish();
}

// ---- where reading begins ----

/* No start_block and an empty store: it does not begin anywhere by itself, and says what to add. */
export async function L38(t) {
  const g = await t.ground();
  const { start_block: start } = g.world.config;
  for (let k = 0; k < t.times; k++) {
    g.world.writeConfig({ start_block: undefined });
    for (const words of [['check'], ['run']]) {
      const { code, output } = await g.world.cli(...words);
      assert.equal(code, 78, output);
      assert.match(output, /start_block is missing; add it \(where reading starts with an empty store: a block, or an age such as 24h\)/);
    }
  }
  const names = await g.ask(2);
  g.world.writeConfig({ start_block: start });
  await g.heals(names, () => g.start());
  await g.finish();
}

// ---- logs that nobody can read ----

const word = (n) => BigInt(n).toString(16).padStart(64, '0');

/** A good event's data, as words: [offset, count, offset of the first, its four words, addresses]. */
function goodWords(g, materials = 1) {
  const list = Array.from({ length: materials }, (_, i) => [(BigInt(i + 1) << 16n) + 0x500n, 1n, toBeHex(5, 32), g.world.coprocessors.map((c) => c.address)]);
  const data = encodeMaterials(list);
  return data.slice(2).match(/.{64}/g);
}

let nextId = 900000;

/** Events of public decryptions with these data, one block: their names. */
async function emit(g, datas) {
  const { topicHash } = g.world.manager.interface.getEvent('PublicDecryptionRequest');
  const ids = datas.map(() => nextId++);
  await g.chain.rpc('fake_request', datas.map((data, i) => {
    return { contract: g.world.manager.target, topics: [topicHash, toBeHex(ids[i], 32)], data: `0x${data}` };
  }));
  return ids.map((n) => `public-${n}`);
}

/* Each of these logs is held raw and said, once each; the cursor moves on; what is good is answered. */
async function held(g, datas, atOnce = 20) {
  const names = [];
  for (let at = 0; at < datas.length; at += atOnce) {
    const before = await g.look.counters();
    const part = datas.slice(at, at + atOnce);
    const [began, good] = [Date.now(), await g.ask(1)];
    names.push(...await emit(g, part));
    await g.look.waitCounter('executor_held', (n) => n >= before.executor_held + part.length);
    await g.heals(good, () => {});
    assert.equal(await g.look.grown(before, 'listener_undecodable'), part.length);
    /* A line of the listener and one of the executor for each: not more than a log bears. */
    await until('the log has had its time', () => Date.now() - began > part.length * 45, 5000, 10);
  }
  await atHead(g);
  return names;
}

async function judgeHeld(g, names) {
  const status = await g.look.waitStatus(new RegExp(`^needs you: ${names.length} requests? (is|are) held`));
  assert.equal(status.code, 2);
  assert.deepEqual(await g.look.list('held').then((l) => l.sort()), [...names].sort());
  g.look.counted(0, { L008: names.length, X010: names.length });
  for (const name of names.slice(0, 5)) {
    assert.ok(g.look.lines('X010', { id: name })[0].reason);
    assert.equal((await g.world.cli('drop', name)).output, 'drop: done\n');
    await g.look.waitState(name, 'refused');
  }
  assert.equal((await g.look.counters()).executor_refused_edges, 0);
  await g.finish();
}

/* Data that ends too early, at every length it may have. */
export async function L41(t) {
  const g = await t.ground();
  await g.start();
  const good = goodWords(g).join('');
  const size = good.length / 2;
  const lengths = Array.from({ length: Math.min(t.times, size) }, (_, i) => Math.floor(i * size / Math.min(t.times, size)));
  await judgeHeld(g, await held(g, lengths.map((n) => good.slice(0, 2 * n))));
}

/** Every offset and length of good data as something else, and data that would be read for ever. */
function wild(g) {
  const good = goodWords(g, 2);
  const places = [0, 1, 2, 3, 7, 8]; /* offsets 0, 2, 3, 7; lengths 1, 8 */
  const values = [2n ** 255n, 0n, 2n ** 256n - 1n, 1n, 31n, 33n, 2n ** 64n - 1n, 2n ** 64n + 32n, 2n ** 32n, BigInt(32 * good.length), 2n ** 256n - 32n];
  const list = [];
  for (const value of values) {
    for (const place of places) {
      if (word(value) !== good[place]) list.push(good.map((w, i) => (i === place ? word(value) : w)).join(''));
    }
  }
  /* Two materials that share their words, one that begins in itself, and one that lies before. */
  for (const [first, second] of [[good[2], good[2]], [word(0), good[3]], [good[3], good[2]], [good[2], word(32)]]) {
    list.push(good.map((w, i) => (i === 2 ? first : i === 3 ? second : w)).join(''));
  }
  /* A thousand of a thousand of a thousand, all of them the same words. */
  list.push([word(32), word(1000), ...Array(1000).fill(word(32000)), word(1), word(1), word(1), word(128), word(1000), ...Array(1000).fill(word(1))].join(''));
  list.push(`${good.join('')}${word(0)}`, `${good.join('')}00`);
  return list;
}

/* Offsets and lengths that are huge, point backwards, to themselves, to the same, or leave a rest. */
export async function L42(t) {
  const g = await t.ground();
  await g.start();
  const list = wild(g);
  const few = Array.from({ length: Math.min(t.times, list.length) }, (_, i) => list[Math.floor(i * list.length / Math.min(t.times, list.length))]);
  await judgeHeld(g, await held(g, few));
}

/* Requests that can be read but never be answered: each is refused and says why, nobody is held. */
export async function L43(t) {
  const g = await t.ground();
  await g.start();
  const never = unanswerable(g.world.coprocessors[0].address);
  for (let k = 0; k < t.times; k++) {
    const [list, why] = never[k % never.length];
    const before = await g.look.counters();
    const [name] = await emit(g, [encodeMaterials(list).slice(2)]);
    assert.match((await g.look.waitLine('X009', { id: name })).reason, why);
    assert.equal(await g.look.grown(before, 'executor_refused'), 1);
    await g.heals(await g.ask(1), () => {});
  }
  assert.equal((await g.look.status()).code, 0);
  g.look.counted(0, { ...UNMOVED, X009: t.times });
  await g.finish({ open: t.times });
}

/* Ids at the bounds of every type that somebody might keep them in: each is answered as it is. */
export async function L44(t) {
  const g = await t.ground();
  await g.start();
  const bounds = [2n ** 256n - 1n, 2n ** 64n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 255n, 2n ** 64n - 1n, 2n ** 32n, 2n ** 128n,
    2n ** 31n, 2n ** 53n, 2n ** 255n - 1n, 2n ** 128n - 1n, 2n ** 192n, 10n ** 30n];
  for (const id of bounds.slice(0, t.times)) {
    const [c] = await g.world.makeCiphertexts([5]);
    const materials = [[hexlify(c.handle), g.world.keyId ?? BigInt(keccakOfText('the first key')), c.digest, g.world.coprocessors.map((one) => one.address)]];
    const name = `public-${id}`;
    g.world.requests.set(name, {
      kind: 'public', id, block: await g.chain.head() + 1, askedAt: Date.now(), handles: [hexlify(c.handle)], types: [5], digests: [c.digest],
      expected: encodeResult([{ fheType: 5, bytes: c.plaintext }]),
    });
    await g.chain.request([['manager', 'PublicDecryptionRequest', id, materials]]);
    await g.heals([name], () => {});
    assert.equal((await g.look.show(name)).state, 'done');
  }
  g.look.counted(0, UNMOVED);
  await g.finish();
}

/* A contract that is newer than the profile: told once, shown in status, and nobody waits for it. */
export async function L45(t) {
  const g = await t.ground({ chain: { safe: 1, finalized: 2 } });
  const { topicHash } = g.world.manager.interface.getEvent('PublicDecryptionRequest');
  for (let k = 0; k < t.times; k++) {
    const topic = keccakOfText(`event number ${k}`);
    const names = await g.ask(1);
    await g.chain.rpc('fake_request', [{ contract: g.world.manager.target, topics: [topic, topicHash], data: '0x1234' }]);
    await g.chain.clock(3600); /* it is looked at once an hour of the chain, first at the start */
    await g.chain.mine(4);
    if (k === 0) await g.world.startConnector();
    await g.answered(names);
    await g.look.waitLine('L019', { topic });
    await g.look.waitCounter('listener_unknown_events', (n) => n === k + 1);
    await g.heals(await g.ask(1), () => {});
  }
  const status = await g.look.waitStatus(/^needs you: nothing\ndegraded: {2}listener: gateway: contract newer than the profile: decryption_manager emits /);
  assert.equal(status.code, 1);
  assert.deepEqual(await known(g), asked(g));
  g.look.counted(0, { ...UNMOVED, L008: 0, L019: t.times });
  await g.finish();
}

// ---- very many, and none ----

const BLOCK = 10000; /* requests: their logs are nearly as much as a reply may have, 16 MiB */

/*
 * Ten thousand requests in one block, and five such blocks: read, granted only when stored, and
 * answered within the memory that every case has.  (A block of the gateway chain has room for some
 * 300; a million of backlog: make bench.)
 */
export async function L48(t) {
  const g = await t.ground({ config: { sign: { hour: '100000eth', day: '100000eth' } } });
  await g.start();
  const [c] = await g.world.makeCiphertexts([5]);
  const materials = [[hexlify(c.handle), BigInt(keccakOfText('the first key')), c.digest, [g.world.coprocessors[0].address]]];
  const { data, topics } = g.world.manager.interface.encodeEventLog('PublicDecryptionRequest', [0n, materials]);
  const contract = g.world.manager.target;
  for (let at = 0; at < t.times; at += BLOCK) {
    const count = Math.min(BLOCK, t.times - at);
    await g.chain.rpc('fake_request', Array.from({ length: count }, (_, i) => ({ contract, topics: [topics[0], toBeHex(1000000 + at + i, 32)], data })));
  }
  await g.chain.mine(1);
  await g.look.waitCounter('executor_events', (n) => n >= t.times, 300000);
  await g.look.waitCounter('executor_done', (n) => n >= t.times, 600000);
  await g.look.waitCounter('executor_open', (n) => n === 0, 20000);
  const before = await g.look.counters();
  await g.ask(2);
  await g.look.waitCounter('executor_done', (n) => n === before.executor_done + 2, 2000);
  g.look.counted(0, UNMOVED);
  await g.finish({ ledger: true });
}

/*
 * No blocks for days, then one: nobody is alarmed, nothing is asked more than it must be, and what
 * is asked then is answered at once.
 */
export async function L49(t) {
  const g = await t.ground({ nodes: 2 });
  await g.start();
  await g.answered(await g.ask(1));
  for (let k = 0; k < t.times; k++) {
    await atHead(g);
    const [from, before] = [g.look.mark(), await g.look.counters()];
    await g.chain.clock(3 * DAY_S);
    if (k) { /* without fake clocks of ours: longer than any of our own patience with a head */
      const began = Date.now();
      await until('45 s without a block', () => Date.now() - began > 45000, 60000);
      const calls = await g.look.grown(before, 'listener_rpc_calls') + await g.look.grown(before, 'submitter_rpc_calls') + await g.look.grown(before, 'executor_rpc_calls');
      assert.ok(calls < 45 * 20000 / 3600, `${calls} calls in 45 s`);
    }
    assert.equal((await g.look.status()).code, 0);
    assert.equal(g.world.log().slice(from), '');
    await g.heals(await g.ask(1), () => {});
    g.look.counted(from, { ...UNMOVED, L003: 0, L007: 0, L016: 0 });
  }
  await g.finish();
}
