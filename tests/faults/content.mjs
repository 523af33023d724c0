/*
 * content - chain nodes that answer in good form what is not so, and contracts that say what
 * nobody expects.
 */
import assert from 'node:assert/strict';
import { AbiCoder, hexlify, id as keccakOfText, toBeHex } from 'ethers';
import { startFakeChain } from '../peers/fakechain.mjs';
import { encodeResult } from '../peers/plaintext.mjs';
import { until } from '../peers/process.mjs';

/** Lines that would say that something was believed: a reorganisation, a foreign nonce, a hold. */
const UNMOVED = { L009: 0, L010: 0, T003: 0, T004: 0, X010: 0 };
const DAY_S = 24 * 3600;

/** Until all blocks are read, and the executor has granted them. */
const atHead = (g, timeoutMs = 20000) => until('the listener is at the head', async () => {
  const { listener_cursor: cursor, listener_latest: latest } = await g.look.counters();
  const head = await g.chain.head();
  return cursor === head && latest === head;
}, timeoutMs);

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

// ---- reorganisations ----

/** The hashes of our transactions in the newest blocks. */
async function ourAnswers(g, depth) {
  const head = await g.chain.head();
  const numbers = Array.from({ length: Math.min(depth, 20) }, (_, i) => head - depth + 1 + i);
  const blocks = await g.chain.batch(numbers.map((n) => ['eth_getBlockByNumber', [`0x${n.toString(16)}`, true]]));
  return blocks.flatMap(({ transactions }) => transactions).filter(({ from }) => from.toLowerCase() === g.world.node.address.toLowerCase())
    .map(({ hash }) => hash);
}

const depths = [1, 7, 64, 2, 1000, 4096];

/* Blocks leave of which only the headers have been read, and the head is far above them. */
async function leaveUnread(g) {
  const before = await g.look.counters();
  await g.chain.lie({ lie: 'error', methods: ['eth_getLogs', 'eth_getBlockReceipts'] });
  const names = await g.ask(9);
  await g.look.waitCounter('listener_blocks', (n) => n >= before.listener_blocks + 9);
  await g.proxies[0].fault('stall', { dir: 'both', open: true });
  await g.chain.reorg(4, {});
  await g.chain.mine(8);
  await g.world.resync();
  await g.heals(names, async () => {
    await g.chain.truth();
    await g.proxies[0].clear();
  });
}

/*
 * Reorganisations of growing depth above the finalized block, the requests stay and our answers
 * leave with their blocks: one line each, and all is answered again by the bytes of before.
 */
export async function L33(t) {
  const g = await t.ground({ chain: { safe: 5000, finalized: 6000 } });
  await g.start();
  for (const depth of depths.slice(0, t.times)) {
    const names = await g.ask(2);
    await g.answered(names);
    if (depth > 4) await g.chain.mine(depth - 4);
    await atHead(g);
    const [from, before] = [g.look.mark(), await g.look.counters()];
    const ours = await ourAnswers(g, depth);
    await g.heals(names, () => g.chain.reorg(depth, { drop: ours }), 2000 + depth);
    const line = await g.look.waitLine('L009', { from });
    assert.equal(Number(line.blocks), depth);
    g.look.counted(from, { L009: 1, L010: 0, T003: 0, T004: 0, X010: 0 });
    assert.equal(await g.look.grown(before, 'signer_signed'), 0, 'the same bytes');
    await g.world.resync();
    await atHead(g);
  }
  await leaveUnread(g);
  await g.finish();
}

/** The transaction that asked for a request which is in a block of its own. */
const askedBy = async (g, name) => {
  const { block } = g.world.requests.get(name);
  return (await g.chain.rpc('eth_getBlockByNumber', toBeHex(block).replace(/^0x0+/, '0x'), false)).transactions[0];
};

/** The request's block leaves; in its place the same id asks for other ciphertexts. */
async function replace(g, name, set) {
  const { block } = g.world.requests.get(name);
  const { to, data } = g.world.publicCall([set]);
  const call = { to, data, from: g.world.owner.address };
  const depth = await g.chain.head() - block + 1;
  await g.chain.reorg(depth, { replace: { [await askedBy(g, name)]: call } });
  await g.world.recount();
}

/*
 * The same id with other content after a reorganisation.  What the Core has not heard of is asked
 * for as it stands now.  Where the Core has heard of the id its answer is for what was: the request
 * waits for an operator, nobody else does, and nothing is sent.  (Answered already, then replaced:
 * reorgs.test.)
 */
export async function L34(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const [one, other] = [await g.world.makeCiphertexts([5]), await g.world.makeCiphertexts([5])];
    assert.equal((await g.world.cli('pause', 'core')).code, 0);
    const [unheard] = await g.ask(1);
    await atHead(g);
    const [from, before] = [g.look.mark(), await g.look.counters()];
    await replace(g, unheard, one);
    await g.look.waitCounter('executor_retracted', (n) => n === before.executor_retracted + 1);
    await g.heals([unheard], () => g.world.cli('continue', 'core'));
    g.look.counted(from, { L009: 1, X010: 0, X018: 0 });

    await g.core.control({ op: 'set', delayMs: 100000 });
    const [heard] = await g.ask(1);
    await until('the Core has it', async () => (await g.core.stats()).waiting >= 1);
    await atHead(g);
    const mark = g.look.mark();
    await replace(g, heard, other);
    await g.look.waitLine('L009', { from: mark });
    await g.core.control({ op: 'clear' });
    assert.equal(await g.core.finish(), 1);
    assert.match((await g.look.waitLine('X018', { from: mark, id: heard })).why, /^id_conflict: /);
    assert.match((await g.look.waitLine('X010', { from: mark, id: heard })).reason, /^id_conflict: /);
    await g.answered(await g.ask(1));
    assert.equal((await g.look.status()).code, 2);
    await g.core.forget();
    await g.heals([heard], () => g.world.cli('retry', heard));
    g.look.counted(mark, { L009: 1, X010: 1, X018: 1, X004: 0, X005: 0, T004: 0 });
  }
  await g.finish();
}

/* A request leaves with its block and never comes again: its answer is withheld. */
export async function L35(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const before = await g.look.counters();
    await g.core.control({ op: 'set', delayMs: 100000 });
    const [name] = await g.ask(1);
    await until('the Core has it', async () => (await g.core.stats()).waiting >= 1);
    await atHead(g);
    const from = g.look.mark();
    const depth = await g.chain.head() - g.world.requests.get(name).block + 1;
    await g.chain.reorg(depth, { drop: [await askedBy(g, name)] });
    await g.world.recount();
    await g.look.waitCounter('executor_retracted', (n) => n === before.executor_retracted + 1);
    assert.equal((await g.look.waitState(name, 'retracted')).state, 'retracted');
    await g.core.control({ op: 'clear' });
    await g.core.forget(); /* the next one has the same id */
    const next = await g.ask(1);
    assert.deepEqual(next, [name]);
    await g.heals(next, () => {});
    assert.equal(await g.look.grown(before, 'signer_signed'), 1);
    g.look.counted(from, { L009: 1, X010: 0, T004: 0 });
  }
  await g.finish();
}

/*
 * A finalized block leaves the chain, and one node alone says so: the chain is paused, ready no
 * more, nothing is taken back.  A second node that says the same ends it.
 */
export async function L36(t) {
  for (let k = 0; k < t.times; k++) {
    const g = await t.ground({ nodes: 2, chain: { safe: 2, finalized: 4 } });
    await g.start();
    const names = await g.ask(2);
    await g.answered(names);
    await g.chain.mine(10);
    await atHead(g);
    g.world.signal('kms-listener'); /* it begins with the tags */
    await g.look.waitCounter('listener_finalized', (n) => n >= g.world.requests.get(names[1]).block);
    await atHead(g);
    const { listener_finalized: finalized } = await g.look.counters();
    await g.proxies[1].refuse();
    const from = g.look.mark();
    const before = await g.look.counters();
    await g.chain.reorg(8, { keep: 'all', length: 10 });
    const line = await g.look.waitLine('L010', { from });
    assert.ok(Number(line.block) <= finalized);
    const status = await g.look.waitStatus(/listener cannot do its work yet: gateway: a finalized block left the chain/);
    assert.equal(status.code, 1);
    assert.equal(await g.ready(), 503);
    const more = await g.ask(2);
    const now = await g.look.counters();
    assert.equal(now.executor_retracted, before.executor_retracted);
    assert.equal(now.listener_reorgs, before.listener_reorgs);
    /* Asked again after 1 s, 2 s, 4 s, .. 10 s: once more as long as it lasted. */
    await g.heals([...names, ...more], () => g.proxies[1].forward(), 5000);
    g.look.counted(from, { L009: 1, L010: 1, T003: 0, X010: 0 });
    await g.finish();
  }
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
  const data = AbiCoder.defaultAbiCoder().encode(['(uint256,uint256,bytes32,address[])[]'], [list]);
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
  const address = g.world.coprocessors[0].address;
  const handle = (type, version = 0) => (BigInt(type) << 8n) | BigInt(version);
  const never = [
    [[], /no ciphertexts, or too many/],
    [[[handle(99), 1n, word(1), [address]]], /unknown FHE type or version/],
    [[[handle(5, 7), 1n, word(1), [address]]], /unknown FHE type or version/],
    [[[handle(5), 1n, word(1), []]], /names no coprocessor/],
    [[[handle(5), 1n, word(1), [address]], [handle(5), 2n, word(1), [address]]], /under different keys/],
    [Array.from({ length: 2000 }, () => [handle(5), 1n, word(1), [address]]), /no ciphertexts, or too many/],
    [[[handle(5), 1n, word(1), Array(200).fill(address)]], /names no coprocessor, or too many/],
  ];
  for (let k = 0; k < t.times; k++) {
    const [list, why] = never[k % never.length];
    const materials = list.map(([a, b, c, d]) => [a, b, `0x${c}`, d]);
    const before = await g.look.counters();
    const data = AbiCoder.defaultAbiCoder().encode(['(uint256,uint256,bytes32,address[])[]'], [materials]);
    const [name] = await emit(g, [data.slice(2)]);
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

// ---- finality ----

/** A key that is asked for and waits, its preprocessing being done. */
async function waitingKey(g) {
  const pre = await g.world.askKey('preprocessKeygen');
  await g.answered([pre.name]);
  const { name } = await g.world.askKey('keygen', pre.resultId);
  await g.look.waitShow(name, 'waits', (row) => /^waits for settled: /.test(row.reason));
  return name;
}

const keygens = async (g) => Object.keys(await g.core.control({ op: 'ids', kind: 'keygen' })).length;

/*
 * A node's safe and finalized blocks are above its latest one, go back, or are its latest: levels
 * never pass the head and never go back, and a key waits for what no tag can say.
 */
export async function L51(t) {
  for (let k = 0; k < t.times; k++) {
    const g = await t.ground({ chain: { safe: 2, finalized: 4 } });
    await g.chain.mine(20);
    await g.start();
    const name = await waitingKey(g);
    let was = await g.look.counters();
    await g.chain.lie({ lie: 'tags_above', by: 5, share: 0.5, seed: 3 + k }, { lie: 'tags_back', by: 6 });
    await g.answered(await g.ask(2));
    await until('the tags were asked for', async () => {
      const now = await g.look.counters();
      assert.ok(now.listener_finalized <= now.listener_latest && now.listener_finalized >= was.listener_finalized);
      was = now;
      const { tags_above: above, tags_back: back } = await g.chain.told();
      return above && back;
    }, 30000, 100);
    await g.chain.truth();
    await g.chain.set({ safe: 0, finalized: 0 }); /* what is latest is finalized, it says */
    const head = await g.chain.head();
    g.world.signal('kms-listener'); /* it begins with the tags */
    await g.look.waitCounter('listener_finalized', (n) => n >= head);
    assert.match((await g.look.show(name)).reason, /^waits for settled: chain time /);
    assert.equal(await keygens(g), 0, 'the Core has not heard of it');
    if (t.times > 1) {
      await g.chain.set({ safe: 1, finalized: 2 });
      await g.chain.clock(8 * DAY_S + 100);
      await g.chain.mine(4);
      await g.heals([name], () => {}, 6000); /* tags are asked for each 3 s */
    }
    g.look.counted(0, UNMOVED);
    await g.finish({ open: t.times > 1 ? 0 : 1 });
  }
}

const outbox = '0x00000000000000000000000000000000000000bb';

/*
 * The Outbox of the parent chain says nothing, names blocks that are not ours, names ours where it
 * is not final, and speaks two weeks late: only what it names in a final block releases a key.
 */
export async function L52(t) {
  for (let k = 0; k < t.times; k++) {
    const parent = await startFakeChain({ chainId: 31338, safe: 1, finalized: 2 });
    const g = await t.ground({ chain: { safe: 1, finalized: 2 } });
    g.world.started.push(parent);
    g.world.writeConfig({
      poll_interval: '20ms',
      parent_chain: { urls: parent.httpUrl, outbox_address: outbox, id: 31338, start_block: 0 },
    });
    const topic = keccakOfText('SendRootUpdated(bytes32,bytes32)');
    const say = (hash, contract = outbox) => parent.rpc('fake_request', [{ contract, topics: [topic, toBeHex(1, 32), hash], data: '0x' }]);
    const hashOf = async (n) => (await g.chain.rpc('eth_getBlockByNumber', `0x${n.toString(16)}`, false)).hash;
    await parent.mine(4);
    await g.start();
    const name = await waitingKey(g);
    const { block } = g.world.requests.get(name);
    await g.chain.mine(5);
    await g.look.waitLine('L017'); /* absent: said once, and waited for */
    assert.match((await g.look.show(name)).reason, /settled is not known yet$/);

    await g.chain.clock(15 * DAY_S); /* late: time alone releases nothing where there is a parent chain */
    await g.chain.mine(4);
    await say(await hashOf(block), '0x00000000000000000000000000000000000000cc'); /* forged: not the Outbox */
    await say(toBeHex(k + 5, 32)); /* forged: a block that nobody knows */
    await parent.mine(3);
    const doubt = await g.look.waitLine('L016', { reason: /it names a block that the chain does not know/ });
    assert.equal(doubt.chain, 'gateway');
    await g.answered(await g.ask(2)); /* nobody else waits */
    await say(await hashOf(block)); /* true, and not final yet */
    await g.look.waitCounter('listener_parent_calls', (n) => n > 0);
    assert.match((await g.look.show(name)).reason, /^waits for settled: /);
    assert.equal(await keygens(g), 0, 'the Core has not heard of it');
    await g.heals([name], () => parent.mine(3), 4000); /* the parent chain is asked each 50 polls: 1 s */
    g.look.counted(0, { ...UNMOVED, L017: 1, L018: 1 });
    await g.finish();
  }
}
