/*
 * What a chain can say: logs that nobody can read, contracts that are paused, do not know us or
 * say what nobody knows, an account without money or used by others, fees that rise.  Nothing is
 * lost, nothing is paid twice, and all but what is held clears itself.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, afterEach, before, test } from 'node:test';
import { MaxUint256, SigningKey, Wallet, parseEther, parseUnits, toQuantity } from 'ethers';
import { decryptionDomain, typesOf } from '../peers/eip712.mjs';
import { lookAt, until } from './look.mjs';
import { encodeMaterials, unanswerable } from './requests.mjs';
import { startWorld } from './world.mjs';

let world;
let look;
const others = []; /* promised: other worlds, each behind a node that can be spoiled */
let told = []; /* their stories, because they take a while: told meanwhile */

before(async () => {
  told = [...elsewhere(raised, noReceipts), ...elsewhere(odd)];
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
after(async () => {
  await Promise.allSettled(told);
  for (const other of others) await other.then((t) => t.world.stop(), () => {}); /* what failed to start has been ended */
  await world?.stop();
});

// ---- logs ----

test('logs that nobody can decode are held raw, and the cursor moves on', async () => {
  const { manager } = world;
  const { topicHash } = manager.interface.getEvent('PublicDecryptionRequest');
  const word = (n) => `0x${BigInt(n).toString(16).padStart(64, '0')}`;
  const good = encodeMaterials([[1n << 16n, 1n, word(5), [world.coprocessors[0].address]]]);
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
  const never = unanswerable(world.coprocessors[0].address).filter(([list]) => list.length < 1000); /* what a transaction can hold */
  const from = look.mark();
  for (const [i, [list]] of never.entries()) await world.send(manager, 'emitRaw', [topicHash, word(910000 + i)], encodeMaterials(list));
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
  await look.waitCounter('submitter_balance_gwei', (n) => n > 99e9);
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

// ---- elsewhere ----

/* In front of a node.  says: method -> { error } or { result }, instead of what the node says. */
async function startSpoiled(url) {
  const self = { says: {}, calls: {} };
  const ask = async (calls) => {
    const headers = { 'content-type': 'application/json' };
    return calls.length ? (await fetch(url, { method: 'POST', headers, body: JSON.stringify(calls) })).json() : [];
  };
  const server = http.createServer({ keepAliveTimeout: 60000, noDelay: true }, async (request, response) => {
    try {
      const parts = [];
      for await (const part of request) parts.push(part);
      const body = JSON.parse(Buffer.concat(parts).toString('utf8'));
      const calls = [body].flat();
      for (const { method } of calls) self.calls[method] = (self.calls[method] ?? 0) + 1;
      const replies = await ask(calls.filter(({ method }) => !self.says[method]));
      for (const { id, method } of calls) if (self.says[method]) replies.push({ jsonrpc: '2.0', id, ...self.says[method] });
      response.end(JSON.stringify(Array.isArray(body) ? replies : replies[0]));
    } catch {
      response.destroy();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  self.httpUrl = `http://127.0.0.1:${server.address().port}`;
  self.stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return self;
}

async function startThere() {
  const other = await startWorld({ proxy: false, config: { retry_interval_secs: 1, sign: { max_fee: '3gwei' } } });
  const node = await startSpoiled(other.chain.httpUrl);
  other.started.push(node);
  other.writeConfig({ gwl2_url: [{ name: 'gateway', url: node.httpUrl }] });
  await other.startConnector();
  const see = lookAt(other);
  await see.waitFine();
  return { world: other, see, node };
}

/* One after the other; a promise of each. */
function elsewhere(...stories) {
  const there = startThere();
  others.push(there);
  let last = there;
  return stories.map((story) => {
    const mine = last.catch(() => {}).then(async () => {
      const it = await there;
      it.node.says = {}; /* whatever a failure left behind */
      return story(it);
    });
    mine.catch(() => {}); /* its test throws it again */
    last = mine;
    return mine;
  });
}

async function raised({ world: { chain, ...w }, see, node }) {
  const from = see.mark();
  const baseFee = async (gwei) => {
    await chain.rpc('anvil_setNextBlockBaseFeePerGas', toQuantity(parseUnits(gwei, 'gwei')));
    await chain.mine();
  };
  node.says = { eth_sendRawTransaction: { error: { code: -32000, message: 'queue full' } } };
  const [name] = await w.ask(1);
  const { tx, nonce } = await see.waitShow(name, 'is signed', (row) => row.state === 'submitting' && row.tx);
  assert.equal((await w.cli('drop', name)).output, 'drop: done\n');
  await see.waitState(name, 'refused');

  /* Above the cap: said aloud, and nothing is signed for it. */
  await baseFee('5');
  node.says = {};
  const line = await see.waitLine('T001', { from });
  assert.equal(line.why, 'the base fee is 5.000 gwei, sign.max_fee 3.000 gwei');
  await see.waitStatus(/^needs you: nothing\ndegraded: {2}sending is paused for \d+ s: the base fee is 5.000 gwei/);
  const counted = await see.counters();
  const [later] = await w.ask(1);
  await see.waitState(later, 'submitting');
  await see.waitCounter('submitter_resends', (n) => n >= counted.submitter_resends + 2);
  assert.equal(await see.grown(counted, 'signer_signed'), 0);

  /* Who comes back now has the bytes, and no answer for them. */
  const killed = see.mark();
  w.signal('kms-submitter');
  w.signal('kms-signer');
  await see.waitLine('T001', { from: killed });

  /* Within the cap, above what was signed: raised, though nobody has the answer any more. */
  await baseFee('2.5');
  await see.waitLine('T002', { from: killed });
  await see.answered([name, later], 30000);
  const mine = (await w.transactions()).find((one) => Number(one.tx.nonce) === Number(nonce));
  assert.equal(BigInt(mine.tx.maxFeePerGas), parseUnits('3', 'gwei'));
  assert.notEqual(mine.tx.hash, tx);
  assert.equal((await see.show(name)).state, 'refused');
  await see.waitState(later, 'done');
  await see.waitFine();
  see.counted(from, { T001: 2, T002: 1, T003: 0, T004: 0, K002: 0, K008: 0 });
  await see.judged();
}

async function odd({ world: w, see }) {
  const from = see.mark();
  const selector = w.manager.interface.getError('OfNoProfile').selector;

  /* One is held by itself, and holds up nobody. */
  await w.send(w.manager, 'setOdd', await w.manager.publicCounter() + 2n);
  const [before, own, after] = await w.ask(3);
  await see.answered([before, after]);
  const held = await see.waitLine('X010', { from, id: own }, 30000);
  assert.match(held.reason, new RegExp(`reverts with ${selector}, which the profile does not know`));
  see.counted(from, { X010: 1, T001: 0 });

  /* Many are one trouble: nobody is held, and one tries each second, later less often. */
  await w.send(w.manager, 'setOdd', MaxUint256);
  const names = await w.ask(8);
  const line = await see.waitLine('T001', { from });
  assert.match(line.why, new RegExp(selector));
  assert.equal(line.clears, 'when one of them goes through');
  const counted = await see.counters();
  await see.waitStatus(/^needs you: 1 request is held.*\ndegraded: {2}sending is paused for \d+ s: the contract reverts with/);
  await see.waitCounter('submitter_estimates', (n) => n >= counted.submitter_estimates + 3, 35000);
  assert.ok(Date.now() - Date.parse(line.ts) > 2000);
  await w.send(w.manager, 'setOdd', 0);
  assert.equal((await w.cli('retry', own)).code, 0);
  await see.answered([own, ...names], 40000);
  await see.waitFine();
  see.counted(from, { X010: 1, T001: 1, T002: 1, T003: 0 });
  await see.judged();
}

async function noReceipts({ world: w, see, node }) {
  const from = see.mark();
  const counted = await see.counters();
  node.says = { eth_getTransactionReceipt: { result: null } };
  const [name] = await w.ask(1);
  await see.answered([name]);
  await until('it asks whether the transaction is known', () => node.calls.eth_getTransactionByHash, 40000);
  node.says = {};
  const { tx } = await see.waitState(name, 'done');
  assert.ok(tx);
  assert.equal(await see.grown(counted, 'submitter_signed'), 1);
  assert.equal(await see.grown(counted, 'submitter_foreign_nonces'), 0);
  see.counted(from, { T003: 0 });
  await see.judged();
}

test('the base fee rises above what is signed: the transaction is raised, wanted or not', () => told[0]);

test('a revert of no profile: one request is held, many are one trouble', () => told[2]);

test('a node without receipts: a transaction that it knows is not lost', () => told[1]);
