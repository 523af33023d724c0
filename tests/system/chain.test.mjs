/*
 * What a chain can say: logs that nobody can read, contracts that are paused or do not know us,
 * an account without money or used by others, blocks that leave.  Nothing is lost, nothing is
 * paid twice, and all but what is held clears itself.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { AbiCoder, SigningKey, Transaction, Wallet, parseEther } from 'ethers';
import { decryptionDomain, typesOf } from '../peers/eip712.mjs';
import { lookAt, until } from './look.mjs';
import { startWorld } from './world.mjs';

let world;
let look;

before(async () => {
  world = await startWorld({ config: { retry_interval_secs: 1 } });
  look = lookAt(world);
  await world.startConnector();
  await look.waitFine();
});
afterEach(async () => { /* whatever a failure left behind */
  await world.core.control({ op: 'clear' });
  if (await world.manager.paused()) await world.send(world.manager, 'unpause');
  await world.chain.fund(world.node.address, 100);
  await world.cli('continue', 'sending');
});
after(() => world?.stop());

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
  await look.answered(await world.ask(3), 10000);
  const names = bad.map(([, topics]) => `public-${BigInt(topics[1])}`);
  for (const [i, name] of names.entries()) {
    const line = await look.waitLine('X010', { from, id: name });
    assert.ok(line.reason, bad[i][0]);
    assert.equal((await look.show(name)).state, 'held', bad[i][0]);
  }
  look.counted(from, { L008: bad.length, X010: bad.length });
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
  await look.judged();
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
  await look.answered(await world.ask(2), 10000);
  for (const [i, [, why]] of never.entries()) {
    const line = await look.waitLine('X009', { from, id: `public-${910000 + i}` });
    assert.match(line.reason, why);
  }
  look.counted(from, { X009: never.length });
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
  await look.answered(names);
  await look.waitFine();
  assert.equal((await look.counters()).executor_paused_sending, 0);
  look.counted(from, { T001: 1, T002: 1, X021: 1, X022: 1, T004: 0 });
  await look.judged();
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
  await look.answered(names);
  await look.waitFine();
  look.counted(from, { T001: 1, T002: 1, X021: 1, X022: 1, T004: 0 });

  /* Registered with another identity than the one that signs. */
  const again = look.mark();
  await world.removeNode();
  await world.registerNode(Wallet.createRandom().address);
  const more = await world.ask(3);
  assert.match((await look.waitLine('T001', { from: again })).why, /InvalidKmsSigner/);
  await world.removeNode();
  await world.registerNode();
  await look.answered(more);
  await look.waitFine();
  await look.judged();
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
  await until('it says what the account has', async () => (await look.status()).figures.balance_eth === 0);
  await chain.fund(node.address, 100);
  await look.answered(names);
  await look.waitFine();
  look.counted(from, { T001: 1, T002: 1, X021: 1, X022: 1, T004: 0 });
  assert.ok((await look.counters()).submitter_balance_gwei > 99e9);
  await look.judged();
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
  const alarm = await look.waitLine('T003', { from });
  assert.equal((await world.cli('continue', 'sending')).output, 'continue: done\n');
  assert.equal(Number(alarm.chain_nonce), Number(alarm.journal_nonce) + 1);
  assert.ok(alarm.hint);
  const adopted = await look.waitLine('T008', { from }, 25000);
  assert.ok(Date.parse(adopted.ts) - Date.parse(alarm.ts) >= 9000, 'the account was quiet for 10 s');
  await look.answered(names);
  await look.waitState(names[2], 'done');
  assert.match((await look.show(names[2])).reason, /KmsSignerAlreadyResponded/);
  look.counted(from, { T003: 1, T008: 1, T004: 0 });
  assert.equal(await look.grown(counted, 'submitter_foreign_nonces'), 1);
  assert.equal(await look.grown(counted, 'submitter_preflight_reverts'), 1);
  assert.equal(await look.grown(counted, 'executor_done_before'), 1);
  assert.equal(await look.grown(counted, 'submitter_signed'), 4);
  await look.waitFine();
  await look.judged();
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
    await look.answered([...kept, ...names]);
    look.counted(from, { L009: 1, L010: 0, X010: 0, T003: 0 });
  }
  await look.judged();
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
    await look.answered([...world.requests.keys()]);
    look.counted(from, { L009: 1, L010: 0, X010: 0, T004: 0 });
  }
  await look.waitFine();
  await look.judged();
});

test('an answer leaves with its block, its request stays: the same bytes again', async () => {
  const from = look.mark();
  const counted = await look.counters();
  const [name] = await world.ask(1);
  await look.answered([name]);
  await look.waitState(name, 'done');
  const { tx } = await look.show(name);
  await world.chain.reorg(1);
  await look.answered([name]);
  const row = await look.waitShow(name, 'is done in another block', (r) => r.state === 'done');
  assert.equal(row.tx, tx);
  assert.equal(await look.grown(counted, 'submitter_signed'), 1);
  look.counted(from, { L009: 1, T003: 0, X010: 0 });
  await look.judged();
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
  await look.answered([name]);
  await look.waitFine();
  await look.judged();
});

// ---- and once more the account: what stays in its books is not ours ----

test('another program takes the nonce of an answer that is signed already', async () => {
  const from = look.mark();
  assert.equal((await world.cli('pause', 'sending')).code, 0);
  const names = await world.ask(3);
  for (const name of names) await look.waitState(name, 'submitting');
  const { address } = Wallet.createRandom();
  await (await world.node.sendTransaction({ to: address, value: parseEther('0.001') })).wait();
  /* At once, so that the account has not been looked at since. */
  assert.equal((await world.cli('continue', 'sending')).code, 0);
  await look.answered(names, 60000);
  assert.ok((await look.waitLine('T003', { from })).hint);
  await look.waitFine();
  look.counted(from, { T004: 0, X010: 0 });
  const { problems } = await world.judge();
  assert.equal(problems.length, 1, problems.join('\n'));
  assert.equal((await look.counters()).executor_refused_edges, 0, 'nothing happened in a state that does not know it');
  assert.match(problems[0], new RegExp(`^transaction 0x[0-9a-f]+ goes to ${address}$`, 'i'));
});
