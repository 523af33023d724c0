/*
 * Events of the contracts that the profile does not know: each is told once, as news that the
 * contracts are newer than the profile.  They are looked for once an hour of the chain's time,
 * which passes here at a call; the reading of requests is never held up by it.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { id as topicOf } from 'ethers';
import { startFront } from '../peers/parent.mjs';
import { lookAt, until } from './look.mjs';
import { startWorld } from './world.mjs';

const profiles = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'proto', 'profiles');
const news = topicOf('PublicDecryptionRequest(uint256,bytes32[],bytes)'); /* of a later date */
const more = topicOf('SomethingElse(address)');

let world;
let look;
let gateway;
let asked = 0; /* calls that ask for logs of any topic */
let looks = []; /* { from, to, address } of those that were answered */
let odd = null; /* what the node answers to such a call instead */

before(async () => {
  world = await startWorld({ chain: { slots: 1 }, config: { poll_interval: '20ms', retry_interval_secs: 1 } });
  gateway = await startFront(world.proxy.httpUrl);
  world.started.push(gateway);
  gateway.forge = async (method, [filter], got) => {
    if (method !== 'eth_getLogs' || filter.topics) return got;
    const one = { from: Number(filter.fromBlock), to: Number(filter.toBlock), address: filter.address };
    asked++;
    const answer = odd ? await odd(one, got) : got;
    looks.push(one);
    return answer;
  };
  world.writeConfig({ gwl2_url: gateway.httpUrl }); /* no WebSocket: it is polled often */
  look = lookAt(world);
});
afterEach(() => { /* whatever a failure left behind */
  odd = null;
});
after(() => world?.stop());

/** An hour of the chain passes, and everything up to now is finalized. */
async function pass() {
  await world.chain.rpc('evm_increaseTime', 3600);
  await world.chain.mine(3);
}

/** The same, and it was looked at. */
async function hour() {
  const head = await world.chain.head();
  await pass();
  await until('it was looked at', () => looks.some(({ to }) => to >= head), 20000);
}

/** The listener is another one, and has looked at all blocks once more. */
async function again() {
  looks = [];
  const head = await world.chain.head();
  world.signal('kms-listener');
  await until('it looks again', () => looks.some(({ to }) => to >= head - 2), 20000);
}

const emit = (contract, ...topics) => world.send(contract, 'emitRaw', topics, '0x1234');
const polls = async (count) => {
  const { listener_rpc_calls: now } = await look.counters();
  await look.waitCounter('listener_rpc_calls', (n) => n >= now + count);
};

test('what the profile knows is never told: requests, answers, and what is of no interest', async () => {
  await world.startConnector();
  await look.waitFine();
  const pre = await world.askKey('preprocessKeygen');
  const crs = await world.askKey('crsgen');
  await look.answered([...await world.ask(3), ...await world.askUser(2), pre.name, crs.name], 30000);
  await world.emitRaw('keys', 'PreprocessKskResponse', 999n, 1n);
  for (const name of ['KeygenResponse', 'KskResponse']) await world.emitRaw('keys', name, 999n, 1n, ['TEST']);
  await world.emitRaw('keys', 'UpdateFheParams', ['TEST']);
  for (const name of ['Upgraded(address)', 'OwnershipTransferred(address,address)', 'Initialized(uint64)', 'Paused(address)',
    'Unpaused(address)', 'RoleGranted(bytes32,address,address)', 'EIP712DomainChanged()']) {
    await emit(world.manager, topicOf(name));
  }
  await hour();
  await polls(20);
  assert.equal(look.lines('L019').length, 0);
  assert.equal((await look.counters()).listener_unknown_events, 0);
  const all = [world.manager, world.httpz].map((c) => c.target.toLowerCase());
  assert.deepEqual(looks[0], { from: 0, to: looks[0].to, address: all }, 'soon after the start');
  looks.slice(1).forEach(({ from }, i) => assert.equal(from, looks[i].to + 1, 'where the last one ended'));
});

test('what it does not know is told once an hour, each once, and status says it', async () => {
  const from = look.mark();
  const counted = asked;
  const first = await emit(world.manager, news);
  await emit(world.manager, news, more);
  const last = await emit(world.httpz, more);
  await world.chain.mine(3);
  await look.waitCounter('listener_finalized', (n) => n >= Number(last.blockNumber));
  await polls(40);
  assert.equal(asked, counted, 'the hour has not passed');
  assert.equal(look.lines('L019').length, 0);
  await hour();
  const line = await look.waitLine('L019', { from, topic: news });
  assert.deepEqual([line.chain, line.contract, line.address, line.block, line.tx],
    ['gateway', 'decryption_manager', world.manager.target, String(Number(first.blockNumber)), first.transactionHash]);
  assert.match(line.text, /the contract's date/);
  await look.waitLine('L019', { from, topic: more, contract: 'httpz' });
  const status = await look.waitStatus(new RegExp(`^needs you: nothing\\ndegraded: {2}listener: gateway: contract newer than the profile: decryption_manager emits ${news} \\(block ${line.block}\\), and 1 more\\n`));
  assert.equal(status.code, 1);
  assert.match((await world.cli('explain', 'KC-L019')).output, /newer than the profile/);

  await emit(world.manager, news);
  await hour();
  await look.waitCounter('listener_unknown_events', (n) => n === 4);
  look.counted(from, { L019: 2, L020: 0 });
  await look.answered(await world.ask(2));
});

test('a listener that starts again tells it again: nothing of it lasts', async () => {
  const from = look.mark();
  await again();
  await look.waitLine('L019', { from, topic: news });
  await look.waitLine('L019', { from, topic: more });
  await look.waitStatus(/contract newer than the profile: .*, and 1 more\n/);
  look.counted(from, { L019: 2 });
});

test('with a profile that knows them it is fine', async () => {
  const from = look.mark();
  const text = fs.readFileSync(path.join(profiles, 'httpz.yaml'), 'utf8').replace('\nother_events:\n', `$&${[
    'PublicDecryptionRequest(uint256 indexed id, bytes32[] handles, bytes extraData)', 'SomethingElse(address who)',
  ].map((line) => `  - "event ${line}"\n`).join('')}`);
  fs.writeFileSync(path.join(world.dir, 'newer.yaml'), text);
  world.writeConfig({ profile: './newer.yaml' });
  looks = [];
  const { code, output } = await world.cli('reload');
  assert.equal(code, 0, output);
  await until('it looks again', () => looks.length > 0, 20000);
  await look.waitFine();
  look.counted(from, { L019: 0 });
});

test("a request's event from a contract that has no such request", async () => {
  const from = look.mark();
  const { topicHash } = world.httpz.interface.getEvent('KeygenRequest');
  await emit(world.manager, topicHash);
  await hour();
  const line = await look.waitLine('L019', { from, topic: topicHash });
  assert.equal(line.contract, 'decryption_manager');
  await look.answered(await world.ask(1));
});

test('logs that were not asked for are no news', async () => {
  const { listener_foreign_logs: were } = await look.counters();
  const from = look.mark();
  odd = ({ to }, got) => {
    const log = { address: world.manager.target, topics: [topicOf('Odd()')], data: '0x', blockNumber: `0x${to.toString(16)}`,
      blockHash: `0x${'11'.repeat(32)}`, transactionHash: `0x${'22'.repeat(32)}`, logIndex: '0x0', transactionIndex: '0x0', removed: false };
    return [...got, { ...log, address: world.node.address }, { ...log, blockNumber: `0x${(to + 1).toString(16)}` }, { ...log, removed: true }];
  };
  await hour();
  await look.waitCounter('listener_foreign_logs', (n) => n === were + 3);
  look.counted(from, { L019: 0 });
});

test('the contracts of 2025-04-07: nothing that they do is news; a registry without requests is looked at too', async () => {
  const other = await startWorld({ profile: 'httpz-2025-04', chain: { slots: 1 }, config: { poll_interval: '20ms', retry_interval_secs: 1 } });
  world.started.push(other);
  const see = lookAt(other);
  await other.startConnector();
  await see.waitFine();
  const names = [...await other.ask(2), ...await other.askUser(2)];
  for (const kind of ['preprocessKeygen', 'preprocessKsk', 'crsgen']) names.push((await other.askKey(kind)).name);
  await see.answered(names, 30000);
  for (const name of ['KeygenResponse', 'KskgenResponse']) await other.emitRaw('keys', name, 999n, 1n, `0x${'00'.repeat(32)}`);
  await other.send(other.httpz, 'emitRaw', [topicOf('Upgraded(address)')], '0x');
  await other.send(other.httpz, 'emitRaw', [news], '0x');
  await other.chain.rpc('evm_increaseTime', 3600);
  await other.chain.mine(3);
  await see.waitLine('L019', { contract: 'httpz', topic: news });
  see.counted(0, { L019: 1 });
  assert.equal((await see.counters()).listener_unknown_events, 1);
  await see.judged();
});

// ---- nodes ----

test('a node that bears only small ranges, and one that is slow: requests do not wait', async () => {
  await world.chain.mine(60);
  odd = ({ from, to }, got) => {
    if (to - from >= 7) throw Object.assign(new Error('query exceeds max block range 7'), { code: -32000 });
    return got;
  };
  await again();
  assert.equal(looks[0].from, 0);
  assert.ok(looks.length >= 8, `${looks.length} ranges`);
  looks.slice(1).forEach(({ from }, i) => assert.equal(from, looks[i].to + 1));

  let release;
  const held = new Promise((resolve) => { release = resolve; });
  asked = 0;
  odd = (one, got) => held.then(() => got);
  world.signal('kms-listener');
  await until('it looks', () => asked > 0, 20000);
  await look.answered(await world.ask(5), 10000);
  await polls(40);
  assert.equal(asked, 1, 'one at a time');
  release();
});

test('a node that refuses: one line, requests are answered, and it is asked again', async () => {
  const from = look.mark();
  odd = () => {
    throw Object.assign(new Error('specify a topic'), { code: -32602 });
  };
  await pass();
  const line = await look.waitLine('L020', { from });
  assert.equal(line.reason, 'specify a topic');
  await look.answered(await world.ask(3));
  const were = asked;
  await until('it is asked again', () => asked > were, 20000);
  odd = null;
  looks = [];
  await until('and answers', async () => looks.length > 0, 20000);
  look.counted(from, { L020: 1, L006: 0 });
  await look.judged();
});
