/*
 * A chain and its nodes when they misbehave: connections lost or silent, a node down, behind or
 * on another chain, logs that nobody can read, blocks that leave; and what the contracts and the
 * account can say against an answer.  Nothing is lost, nothing is paid twice, and all of it
 * clears itself.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { AbiCoder, SigningKey, Transaction, Wallet } from 'ethers';
import { startChain } from '../peers/chain.mjs';
import { decryptionDomain, typesOf } from '../peers/eip712.mjs';
import { startLagging } from '../peers/lagging.mjs';
import { startProxy } from '../peers/tcpproxy.mjs';
import { lookAt, until } from './look.mjs';
import { seeded } from './random.mjs';
import { startWorld } from './world.mjs';

let world;
let look;
let wsProxy;
let lagging;
let elsewhere; /* the story of another world, told meanwhile */

before(async () => {
  elsewhere = wrongChain();
  elsewhere.catch(() => {}); /* its test throws it again */
  world = await startWorld();
  look = lookAt(world);
  const { chain, proxy } = world;
  wsProxy = await startProxy(chain.port);
  lagging = await startLagging(chain);
  world.started.push(wsProxy, lagging);
  world.writeConfig({
    retry_interval_secs: 1,
    gwl2_url: [{ name: 'gateway', url: proxy.httpUrl }, { name: 'gateway-ws', url: wsProxy.wsUrl }],
  });
  await world.startConnector();
  await look.waitFine();
});
afterEach(async () => { /* whatever a failure left behind */
  lagging.release();
  await Promise.all([world.proxy.forward(), wsProxy.forward(), world.core.control({ op: 'clear' })]);
  if (await world.manager.paused()) await world.send(world.manager, 'unpause');
});
after(async () => {
  await elsewhere?.catch(() => {});
  await world?.stop();
});

async function answered(names, timeoutMs = 15000) {
  assert.deepEqual((await world.waitAnswered(timeoutMs, { names })).missing, []);
}

async function judged(options) {
  assert.deepEqual((await world.judge(options)).problems, []);
}

/* Exactly these many lines of each code since a mark. */
function lines(from, wanted) {
  for (const [code, count] of Object.entries(wanted)) {
    const got = look.lines(code, { from });
    assert.equal(got.length, count, `${code}: ${got.map((l) => l.text).join('\n')}`);
  }
}

// ---- logs ----

const materials = '(uint256,uint256,bytes32,address[])[]';
const encode = (list) => AbiCoder.defaultAbiCoder().encode([materials], [list]);

test('logs that nobody can decode are held raw, and the cursor moves on', async () => {
  const { manager } = world;
  const { topicHash } = manager.interface.getEvent('PublicDecryptionRequest');
  const word = (n) => `0x${BigInt(n).toString(16).padStart(64, '0')}`;
  const good = encode([[1n << 16n, 1n, word(5), [world.coprocessors[0].address]]]);
  const bad = [
    ['nothing', [topicHash, word(900001)], '0x'],
    ['four bytes', [topicHash, word(900002)], '0xdeadbeef'],
    ['cut in the middle', [topicHash, word(900003)], good.slice(0, good.length - 64)],
    ['an offset beyond its end', [topicHash, word(900004)], `0x${'ff'.repeat(32)}`],
    ['a length beyond its end', [topicHash, word(900005)], `${word(32)}${'ff'.repeat(32)}`],
    ['an address of 32 bytes', [topicHash, word(900006)], good.slice(0, -64) + 'ff'.repeat(32)],
    ['a topic too many', [topicHash, word(900007), word(1)], good],
  ];
  const from = look.mark();
  const counted = await look.counters();
  for (const [, topics, data] of bad) await world.send(manager, 'emitRaw', topics, data);
  await answered(await world.ask(3), 10000);
  const names = bad.map(([, topics]) => `public-${BigInt(topics[1])}`);
  for (const [i, name] of names.entries()) {
    const line = await look.waitLine('X010', { from, id: name });
    assert.ok(line.reason, bad[i][0]);
    assert.equal((await look.show(name)).state, 'held', bad[i][0]);
  }
  lines(from, { L008: bad.length, X010: bad.length });
  assert.equal(await look.grown(counted, 'listener_undecodable'), bad.length);
  assert.equal(await look.grown(counted, 'executor_held'), bad.length);
  assert.deepEqual((await look.list('held')).sort(), [...names].sort());
  const status = await look.waitStatus(new RegExp(`^needs you: ${bad.length} requests are held`));
  assert.equal(status.code, 2);
  await until('the cursor is at the head', async () => (await look.counters()).listener_cursor === await world.chain.head());

  for (const name of names) assert.equal((await world.cli('drop', name)).output, 'drop: done\n');
  assert.deepEqual(await look.list('held'), []);
  assert.equal((await look.show(names[0])).state, 'refused');
  await look.waitFine();
  await judged();
});

test('requests that can be read but never be answered are refused, and say why', async () => {
  const { manager } = world;
  const { topicHash } = manager.interface.getEvent('PublicDecryptionRequest');
  const word = (n) => `0x${BigInt(n).toString(16).padStart(64, '0')}`;
  const handle = (type, version = 0) => (BigInt(type) << 8n) | BigInt(version);
  const [{ address }] = world.coprocessors;
  const never = [
    [[], /no ciphertexts, or too many/],
    [[[handle(99), 1n, word(1), [address]]], /unknown FHE type or version/],
    [[[handle(5, 7), 1n, word(1), [address]]], /unknown FHE type or version/],
    [[[handle(5), 1n, word(1), []]], /names no coprocessor/],
    [[[handle(5), 1n, word(1), [address]], [handle(5), 2n, word(1), [address]]], /under different keys/],
  ];
  const from = look.mark();
  for (const [i, [list]] of never.entries()) await world.send(manager, 'emitRaw', [topicHash, word(910000 + i)], encode(list));
  await answered(await world.ask(2), 10000);
  for (const [i, [, why]] of never.entries()) {
    const line = await look.waitLine('X009', { from, id: `public-${910000 + i}` });
    assert.match(line.reason, why);
  }
  lines(from, { X009: never.length });
  assert.equal((await look.status()).code, 0);
});

// ---- what contracts and account say ----

test('a paused contract: sending waits, and goes on by itself', async () => {
  const from = look.mark();
  await world.send(world.manager, 'pause');
  const names = await world.ask(6);
  const line = await look.waitLine('T001', { from });
  assert.match(line.why, /EnforcedPause/);
  const status = await look.waitStatus(/^needs you: nothing\ndegraded: {2}sending is paused for \d+ s: the contract says EnforcedPause; clears when the contract is not paused/);
  assert.equal(status.code, 1);
  assert.equal((await look.counters()).executor_paused_sending, 1);
  assert.equal((await look.show(names[0])).state, 'submitting');
  await world.send(world.manager, 'unpause');
  await answered(names);
  await look.waitFine();
  assert.equal((await look.counters()).executor_paused_sending, 0);
  lines(from, { T001: 1, T002: 1, X021: 1, X022: 1, T004: 0 });
  await judged();
});

test('a node that is not registered, then registered', async () => {
  const from = look.mark();
  await world.removeNode();
  const names = await world.ask(6);
  const line = await look.waitLine('T001', { from });
  assert.match(line.why, /InvalidKmsNodeSender/);
  const status = await look.waitStatus(/^needs you: sending is paused for \d+ s: the contract says InvalidKmsNodeSender; clears when the chain lists this node/);
  assert.equal(status.code, 2);
  await world.registerNode();
  await answered(names);
  await look.waitFine();
  lines(from, { T001: 1, T002: 1, X021: 1, X022: 1, T004: 0 });

  /* Registered with another identity than the one that signs. */
  const again = look.mark();
  await world.removeNode();
  await world.registerNode(Wallet.createRandom().address);
  const more = await world.ask(3);
  assert.match((await look.waitLine('T001', { from: again })).why, /InvalidKmsSigner/);
  await world.removeNode();
  await world.registerNode();
  await answered(more);
  await look.waitFine();
  await judged();
});

test('an account without money, then filled', async () => {
  const from = look.mark();
  const { chain, node } = world;
  await chain.rpc('anvil_setBalance', node.address, '0x0');
  const names = await world.ask(6);
  const line = await look.waitLine('T001', { from });
  assert.match(line.why, /cannot pay/);
  const status = await look.waitStatus(/^needs you: sending is paused for \d+ s: our account cannot pay for a transaction; clears when the account is funded/);
  assert.equal(status.code, 2);
  assert.equal(status.figures.balance_eth, 0);
  await chain.fund(node.address, 100);
  await answered(names);
  await look.waitFine();
  lines(from, { T001: 1, T002: 1, X021: 1, X022: 1, T004: 0 });
  assert.ok((await look.counters()).submitter_balance_gwei > 99e9);
  await judged();
});

/* The right answer, as the Core signs it. */
async function answerOf(name) {
  const { id, handles, expected } = world.requests.get(name);
  const value = { ctHandles: handles, decryptedResult: expected, extraData: '0x' };
  const wallet = new Wallet(new SigningKey(world.core.key));
  const domain = decryptionDomain(world.chain.chainId, world.manager.target);
  return [id, expected, await wallet.signTypedData(domain, typesOf('PublicDecryptVerification'), value)];
}

test('another program uses the account and answers first: alarm, quiet, adopted, nothing paid twice', async () => {
  const from = look.mark();
  const counted = await look.counters();
  assert.equal((await world.cli('pause', 'sending')).output, 'pause: done\n');
  const status = await look.waitStatus(/^needs you: sending is paused by an operator: kms-connector continue sending/);
  assert.equal(status.code, 2);
  const names = await world.ask(5);
  for (const name of names) await look.waitState(name, 'submitting');

  const [id, result, signature] = await answerOf(names[2]);
  await (await world.asNode().publicDecryptionResponse(id, result, signature)).wait();
  assert.equal((await world.cli('continue', 'sending')).output, 'continue: done\n');
  const alarm = await look.waitLine('T003', { from });
  assert.equal(Number(alarm.chain_nonce), Number(alarm.journal_nonce) + 1);
  assert.ok(alarm.hint);
  const adopted = await look.waitLine('T008', { from }, 25000);
  assert.ok(Date.parse(adopted.ts) - Date.parse(alarm.ts) >= 9000, 'the account was quiet for 10 s');
  await answered(names);
  await look.waitState(names[2], 'done');
  assert.match((await look.show(names[2])).reason, /KmsSignerAlreadyResponded/);
  lines(from, { T003: 1, T008: 1, T004: 0 });
  assert.equal(await look.grown(counted, 'submitter_foreign_nonces'), 1);
  assert.equal(await look.grown(counted, 'submitter_preflight_reverts'), 1);
  assert.equal(await look.grown(counted, 'executor_done_before'), 1);
  assert.equal(await look.grown(counted, 'submitter_signed'), 4);
  await look.waitFine();
  await judged();
});

// ---- blocks that leave ----

/* The raw bytes of transactions of blocks from `first` to the head, in order. */
async function rawsFrom(first) {
  const raws = [];
  for (let n = first; n <= await world.chain.head(); n++) {
    const block = await world.chain.provider.getBlock(n, true);
    for (const tx of block.prefetchedTransactions) raws.push([n - first, Transaction.from(tx).serialized]);
  }
  return raws;
}

test('blocks leave while their requests are open: asked again, each is answered once', async () => {
  for (const depth of [1, 2, 3]) {
    const from = look.mark();
    const counted = await look.counters();
    await world.core.control({ op: 'set', delayMs: 4000 });
    const kept = await world.ask(1);
    const sets = (await world.makeCiphertexts(Array(depth).fill(5))).map((c) => [c]);
    const names = [];
    for (const set of sets) names.push(...await world.ask(1, { sets: [set] }));
    for (const name of [...kept, ...names]) await look.waitState(name, 'computing');
    await world.chain.reorg(depth);
    const line = await look.waitLine('L009', { from });
    assert.equal(Number(line.blocks), depth);
    for (const name of names) await look.waitState(name, 'retracted');
    assert.equal((await look.show(kept[0])).state, 'computing');
    assert.equal(await look.grown(counted, 'executor_retracted'), depth);
    assert.ok(await look.grown(counted, 'listener_retracted_blocks') >= depth);
    await world.core.control({ op: 'set', delayMs: 0 });

    /* Their users ask again: the same ids, because the contract has forgotten too. */
    const again = [];
    await world.resync();
    for (const set of sets) again.push(...await world.ask(1, { sets: [set] }));
    assert.deepEqual(again, names);
    await answered([...kept, ...names]);
    lines(from, { L009: 1, L010: 0, X010: 0, T003: 0 });
  }
  await judged();
});

test('blocks leave with requests and answers and come back in others: nothing is paid twice', async () => {
  for (const depth of [1, 2, 3]) {
    const from = look.mark();
    await world.ask(2);
    const { missing } = await world.waitAnswered(15000);
    assert.deepEqual(missing, []);
    const head = await world.chain.head();
    const raws = await rawsFrom(head - depth + 1);
    await world.chain.reorg(depth, raws.map(([i, raw]) => [raw, i]));
    await look.waitLine('L009', { from });
    await answered([...world.requests.keys()]);
    lines(from, { L009: 1, L010: 0, X010: 0, T004: 0 });
  }
  await look.waitFine();
  await judged();
});

test('an answer leaves with its block, its request stays: the same bytes again', async () => {
  const from = look.mark();
  const counted = await look.counters();
  const [name] = await world.ask(1);
  await answered([name]);
  await look.waitState(name, 'done');
  const { tx } = await look.show(name);
  await world.chain.reorg(1);
  await answered([name]);
  const row = await look.waitShow(name, 'is done in another block', (r) => r.state === 'done');
  assert.equal(row.tx, tx);
  assert.equal(await look.grown(counted, 'submitter_signed'), 1);
  lines(from, { L009: 1, T003: 0, X010: 0 });
  await judged();
});

test('the same id comes back with other content', async () => {
  const from = look.mark();
  const other = await world.makeCiphertexts([8]);
  const set = await world.makeCiphertexts([5]);
  await world.core.control({ op: 'set', delayMs: 3000 });
  const [name] = await world.ask(1, { sets: [set] });
  await look.waitState(name, 'computing');
  await until('the Core has it', async () => (await world.core.stats()).waiting > 0);
  await world.chain.reorg(1);
  await look.waitState(name, 'retracted');
  await world.resync();
  assert.deepEqual(await world.ask(1, { sets: [other] }), [name]);
  /* The Core knows the id, and answers for what it was asked first. */
  const line = await look.waitLine('X010', { from, id: name }, 20000);
  assert.ok(line.reason);
  assert.equal((await look.status()).code, 2);
  await world.core.forget();
  await world.core.control({ op: 'clear' });
  assert.equal((await world.cli('retry', name)).code, 0);
  await answered([name]);
  await look.waitFine();
  assert.equal((await look.counters()).executor_refused_edges, 0, 'nothing happened in a state that does not know it');
  await judged();
});

// ---- connections ----

test('a WebSocket that is dropped, refused or silent: polling goes on', async () => {
  let from = look.mark();
  const counted = await look.counters();
  await wsProxy.refuse();
  const lost = await look.waitLine('L001', { from });
  assert.equal(lost.chain, 'gateway');
  await answered(await world.ask(5), 10000);
  assert.equal((await look.status()).code, 0, 'it is only there to wake');
  await wsProxy.forward();
  await look.waitLine('L002', { from });
  lines(from, { L001: 1, L002: 1, L003: 0 });
  assert.ok(await look.grown(counted, 'listener_ws_reconnects') >= 1);

  from = look.mark();
  wsProxy.silent();
  await answered(await world.ask(5), 10000);
  const silent = await look.waitLine('L001', { from }, 20000);
  assert.match(silent.reason, /silent/);
  const { connections } = wsProxy;
  await wsProxy.forward();
  await until('it is connected again', () => wsProxy.connections > connections && wsProxy.open() === 1);
  await answered(await world.ask(5), 10000);
  /* One that was lost so soon is no news before it has lasted for a while. */
  lines(from, { L001: 1, L002: 0, L003: 0 });
  await judged();
});

test('no node for a while: one line of each who needs it, and all is answered afterwards', async () => {
  const from = look.mark();
  const counted = await look.counters();
  await world.proxy.refuse();
  const names = await world.ask(10);
  const down = await look.waitLine('L003', { from });
  assert.equal(down.chain, 'gateway');
  assert.ok(down.hint);
  const status = await look.waitStatus(/listener cannot do its work yet: gateway: no chain node answers/);
  assert.equal(status.code, 1);
  await look.waitLine('T005', { from }, 30000);
  assert.ok(await look.grown(counted, 'listener_rpc_errors') >= 3);
  assert.ok(await look.grown(counted, 'submitter_rpc_errors') >= 3);
  assert.deepEqual((await look.list()).filter((name) => names.includes(name)), []);
  await world.proxy.forward();
  await answered(names, 20000);
  await look.waitFine();
  lines(from, { L003: 1, L004: 1, T005: 1, T006: 1, L009: 0, T003: 0 });
  await judged();
});

test('a node that takes calls and does not answer', async () => {
  const from = look.mark();
  world.chain.pause();
  await look.waitLine('L003', { from }, 30000);
  world.chain.resume();
  await answered(await world.ask(5), 20000);
  await look.waitFine();
  lines(from, { L003: 1, L004: 1, L009: 0, T003: 0 });
  await judged();
});

test('a node that is behind: nothing is believed, nothing is retracted, nothing is lost', async () => {
  await world.stopConnector();
  world.writeConfig({ gwl2_url: [{ name: 'lagging', url: lagging.httpUrl }] });
  await world.startConnector();
  await look.waitFine();
  await answered(await world.ask(3), 10000);
  const from = look.mark();
  const counted = await look.counters();

  /* It goes back by some blocks, as when a cluster's other member answers. */
  const head = await world.chain.head();
  await lagging.hold(head - 4);
  const names = await world.ask(5);
  const behind = await look.waitLine('L007', { from }, 20000);
  assert.equal(behind.rpc, 'lagging');
  assert.ok(Number(behind.known) > Number(behind.latest));
  lagging.release();
  await answered(names);
  lines(from, { L007: 1, L009: 0, L010: 0, T003: 0 });

  /* It can read, but not try a call: the answer waits and is not to blame. */
  lagging.errors = { eth_estimateGas: { code: -32000, message: 'header not found' } };
  const more = await world.ask(3);
  const error = await look.waitLine('T010', { from });
  assert.equal(error.why, 'header not found');
  await look.waitCounter('submitter_estimates', (n) => n >= counted.submitter_estimates + 15);
  lagging.release();
  await answered(more, 20000);
  lines(from, { T010: 1, X010: 0, X009: 0 });
  assert.equal(await look.grown(counted, 'listener_retracted_blocks'), 0);
  assert.equal(await look.grown(counted, 'executor_retracted'), 0);
  await judged();
});

test('a cluster of which one member is behind: each answer may come from either', async (t) => {
  const from = look.mark();
  const counted = await look.counters();
  const random = seeded();
  t.diagnostic(`SEED=${random.seed}`);
  const names = [];
  for (let round = 0; round < 6; round++) {
    await lagging.hold();
    lagging.mix(0.4, () => random.below(1000) / 1000);
    names.push(...await world.ask(5, { perTx: 1 }));
    await answered(names, 20000);
  }
  lagging.release();
  assert.ok(lagging.calls > 20);
  lines(from, { L009: 0, L010: 0, T003: 0, T004: 0 });
  assert.equal(await look.grown(counted, 'executor_retracted'), 0);
  await judged();
});

test('two nodes: the one that is behind is left for the other', async () => {
  await world.stopConnector();
  world.writeConfig({
    gwl2_url: [
      { name: 'lagging', url: lagging.httpUrl }, { name: 'gateway', url: world.proxy.httpUrl },
      { name: 'gateway-ws', url: wsProxy.wsUrl },
    ],
  });
  await world.startConnector();
  await look.waitFine();
  await answered(await world.ask(2), 10000);
  const counted = await look.counters();
  await lagging.hold(await world.chain.head() - 3);
  await answered(await world.ask(5), 10000);
  assert.ok(await look.grown(counted, 'listener_failovers') >= 1);
  assert.equal(await look.grown(counted, 'executor_retracted'), 0);
  await judged();
});

// ---- another chain ----

/*
 * In a world of its own, because it takes a while: the node's place is taken by a node of
 * another chain, at the start and later; the connector reads nothing from it and goes on when
 * the right one is back.
 */
async function wrongChain() {
  const there = await startWorld({ config: { retry_interval_secs: 1 } });
  const see = lookAt(there);
  const found = {};
  try {
    const other = await startChain({ chainId: 31337 });
    there.started.push(other);
    await other.mine(300);
    there.proxy.target = other.port;
    found.names = await there.ask(3);
    await there.startConnector();
    found.atStart = await see.waitLine('L005', { proc: 'listener' });
    found.status = await see.waitStatus(/listener cannot do its work yet: gateway: no chain node answers/);
    found.rowsMeanwhile = await see.list();
    there.proxy.target = there.chain.port;
    there.proxy.drop();
    found.first = await there.waitAnswered(60000);

    const from = see.mark();
    await there.proxy.refuse();
    await see.waitLine('L003', { from }, 30000);
    there.proxy.target = other.port;
    found.names.push(...await there.ask(3));
    await there.proxy.forward();
    found.later = await see.waitLine('L005', { from, proc: 'listener' });
    await see.waitLine('L005', { from, proc: 'submitter' });
    await there.proxy.refuse();
    there.proxy.target = there.chain.port;
    await there.proxy.forward();
    found.second = await there.waitAnswered(60000);
    await see.waitFine();
    found.lines = Object.fromEntries(['L005', 'L009', 'L010', 'T003', 'X010'].map((code) => [code, see.lines(code).length]));
    found.counters = await see.counters();
    found.verdict = await there.judge();
    return found;
  } finally {
    await there.stop();
  }
}

test('a node of another chain is not used, at the start or later; it clears itself', async () => {
  const found = await elsewhere;
  assert.equal(found.atStart.chain_id, '31337');
  assert.equal(found.atStart.wanted, '421614');
  assert.ok(found.atStart.hint);
  assert.equal(found.status.code, 1);
  assert.deepEqual(found.rowsMeanwhile, []);
  assert.deepEqual(found.first.missing, []);
  assert.equal(found.later.chain_id, '31337');
  assert.deepEqual(found.second.missing, []);
  assert.equal(found.lines.L005, 4, 'listener and submitter, twice');
  assert.deepEqual({ ...found.lines, L005: 0 }, { L005: 0, L009: 0, L010: 0, T003: 0, X010: 0 });
  assert.equal(found.counters.executor_retracted, 0);
  assert.deepEqual(found.verdict.problems, []);
});
