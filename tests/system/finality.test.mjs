/*
 * Levels of finality.  A keygen waits until its block is settled: until the Outbox on the parent
 * chain names it or a later one, or, without a parent chain, for 8 days of chain time.  It
 * survives what happens meanwhile; a parent chain that lies releases nothing.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, afterEach, before, test } from 'node:test';
import { Transaction, hexlify } from 'ethers';
import { startFront, startParent } from '../peers/parent.mjs';
import { lookAt, until } from './look.mjs';
import { startWorld } from './world.mjs';

const slots = 16; /* safe is 16 blocks below the head, finalized 32 */
let parent;
let gateway; /* the front of the gateway chain */
let world;
let look;
let elsewhere; /* the story of another world, told meanwhile */

before(async () => {
  elsewhere = byChainTime();
  elsewhere.catch(() => {}); /* its test throws it again */
  world = await startWorld({ chain: { slots } });
  gateway = await startFront(world.proxy.httpUrl);
  world.started.push(gateway);
  parent = await startParent();
  world.started.push(parent);
  look = lookAt(world);
  world.writeConfig({
    gwl2_url: [{ name: 'gateway', url: gateway.httpUrl }, world.config.gwl2_url[1]],
    poll_interval: '20ms',
    retry_interval_secs: 1,
    finality: { public_decryption: 'confirmed', user_decryption: 'safe', crsgen: 'finalized' },
    parent_chain: { urls: parent.httpUrl, outbox_address: parent.outbox, id: parent.chainId, start_block: 0 },
  });
});
afterEach(() => { /* whatever a failure left behind */
  parent.front.forge = null;
  gateway.forge = null;
});
after(async () => {
  await elsewhere?.catch(() => {});
  await world?.stop();
});

const hashOf = async (number) => (await world.chain.provider.getBlock(number)).hash;
const keygens = async () => Object.keys(await world.core.control({ op: 'ids', kind: 'keygen' })).length;
const reasonOf = async (name) => (await look.show(name)).reason;
const waitReason = (name, reason, timeoutMs) => look.waitShow(name, `says ${reason}`, (r) => reason.test(r.reason), timeoutMs);
const blockOf = (name) => world.requests.get(name).block;
const settledTo = (number) => look.waitCounter('listener_settled', (n) => n === number);

/** A key that is asked for and waits; its preprocessing is done. */
async function waitingKey() {
  const pre = await world.askKey('preprocessKeygen');
  await look.answered([pre.name]);
  const { name } = await world.askKey('keygen', pre.resultId);
  await waitReason(name, /^waits for settled: /);
  return name;
}

async function inspected(pattern, code = 0, of = world) {
  const got = await of.cli('inspect');
  assert.equal(got.code, code, got.output);
  assert.match(got.output, pattern);
}

/** Looks that the listener has taken at the parent chain, complete ones. */
async function parentLooks(count) {
  const asked = () => parent.front.calls.finalized ?? 0;
  const end = asked() + count + 1; /* one may be under way */
  await until(`${count} looks at the parent chain`, () => asked() >= end, 10000);
}

// ---- by the parent chain ----

test('a parent chain that is down: settled stays unknown, all else goes on', async () => {
  await parent.front.refuse();
  await world.startConnector();
  const line = await look.waitLine('L014');
  assert.equal(line.chain, 'gateway');
  const status = await look.waitStatus(/^needs you: nothing\ndegraded: {2}listener: gateway: no node of the parent chain answers\n\n/);
  assert.equal(status.code, 1);
  await inspected(/settled: not known: no node of the parent chain answers\n/, 69);
  await look.answered(await world.ask(1), 20000);
  await parent.front.forward();
  await look.waitLine('L015');
  await look.waitLine('L017', { chain: 'gateway' });
  await look.waitFine();
  await parentLooks(2);
  look.counted(0, { L014: 1, L015: 1, L016: 0, L017: 1, L018: 0 });
});

test('a keygen waits for the event of the parent chain, in a block that is finalized there', async () => {
  const from = look.mark();
  const name = await waitingKey();
  const block = blockOf(name);
  assert.equal(await reasonOf(name), `waits for settled: block ${block}, settled is not known yet`);
  await inspected(/settled: none yet: in its blocks 0 to \d+ the parent chain has named no block\n/);
  assert.ok((await world.cli('list')).output.includes(`waits for settled: block ${block},`));
  assert.ok((await world.cli('show', name)).output.includes(`waits for settled: block ${block},`));
  const named = await parent.settle(await hashOf(block - 1));
  await inspected(/settled: none yet: in its blocks 0 to \d+ the parent chain has named no block that is finalized here\n/);
  await world.chain.mine(2 * slots);
  await look.waitCounter('listener_finalized', (n) => n >= block);
  await look.waitLine('L018', { from, block: block - 1 });
  await waitReason(name, new RegExp(`^waits for settled: block ${block}, settled is ${block - 1}$`));
  await parent.say(await hashOf(block + 1));
  await parentLooks(2);
  assert.equal((await look.counters()).listener_settled, block - 1, 'said, but not finalized there');
  await inspected(new RegExp(`settled: block ${block - 1}, named in block ${named} of the parent chain\\n`));
  assert.equal((await look.show(name)).state, 'waiting');
  assert.equal(await keygens(), 0, 'the Core has not heard of it');

  await parent.settle(await hashOf(block));
  await look.answered([name]);
  await look.waitState(name, 'done');
  assert.equal(await keygens(), 1);
  await settledTo(block + 1); /* with the block of the answer that one is finalized */
  const { figures } = await look.status();
  assert.equal(figures.settled, block + 1);
  await inspected(new RegExp(`finalized: block \\d+\\n {2}settled: block ${block + 1}, named in`));
  assert.equal((await look.counters()).listener_settled_time, (await world.chain.provider.getBlock(block + 1)).timestamp);
  await look.judged();
});

test('a parent chain that lies: nothing is believed, one line each, and it is asked on', async () => {
  const name = await waitingKey();
  const block = blockOf(name);
  await world.chain.mine(2 * slots);
  await parent.settle(await hashOf(block - 1));
  await settledTo(block - 1);
  const released = await keygens();
  const fake = hexlify(randomBytes(32));
  const forgeLogs = (make) => (method, params, got) => (method === 'eth_getLogs' ? make(got, params) : got);
  const log = {
    address: parent.outbox, topics: [`0x${'b4'.repeat(32)}`], data: '0x', blockNumber: '0x1', blockHash: fake,
    transactionHash: fake, transactionIndex: '0x0', logIndex: '0x0',
  };
  const lies = [
    [/its logs are not what was asked for/, async () => {
      parent.front.forge = forgeLogs(() => [log]);
      await parent.finalize();
    }],
    [/its logs are not what was asked for/, async () => {
      parent.front.forge = forgeLogs(() => ({ logs: [] }));
      await parent.finalize();
    }],
    [/it refuses eth_getLogs/, async () => {
      parent.front.forge = forgeLogs(() => { throw new Error('the range is too large'); });
      await parent.finalize();
    }],
    [/it names no finalized block/, () => {
      parent.front.forge = (method, [tag], got) => (tag === 'finalized' ? null : got);
    }],
    [/its finalized block goes back/, () => { /* after one that is far ahead */
      let looks = 0;
      const shown = () => (looks++ ? '0x1' : '0x7fffffffffffffff');
      parent.front.forge = (method, [tag], got) => (tag === 'finalized' ? { ...got, number: shown() } : got);
    }],
    [/it names a block below one that it has settled/, async () => parent.settle(await hashOf(1)), false],
    [/it names a block that is not on the chain/, async () => {
      const copy = await world.chain.rpc('eth_getBlockByNumber', `0x${block.toString(16)}`, false);
      gateway.forge = (method, [hash], got) => (method === 'eth_getBlockByHash' && hash === fake ? { ...copy, hash: fake } : got);
      await parent.settle(fake);
    }, false],
    [/it names a block that the chain does not know/, () => parent.settle(hexlify(randomBytes(32)))],
  ];
  for (const [reason, lie, lasts = true] of lies) {
    const from = look.mark();
    const counted = await look.counters();
    await lie();
    const line = await look.waitLine('L016', { from, reason }, 20000);
    assert.equal(line.chain, 'gateway');
    assert.ok(await look.grown(counted, 'listener_parent_doubts') > 0);
    look.counted(from, { L016: 1, L014: 0, L003: 0, L006: 0 });
    const row = await look.show(name);
    assert.equal(row.state, 'waiting', String(reason));
    assert.equal(row.reason, `waits for settled: block ${block}, settled is ${block - 1}`);
    const shown = new RegExp(`^needs you: nothing\\ndegraded: {2}listener: gateway: ${reason.source}\\n`);
    if (lasts) assert.equal((await look.waitStatus(shown)).code, 1);
    if (/names a block/.test(reason)) await inspected(new RegExp(`settled: block ${block - 1}, named in`));
    parent.front.forge = null;
    gateway.forge = null;
    if (/does not know/.test(reason)) break; /* the last: it may be our node that is behind */
    await parent.finalize();
    await look.waitFine();
  }
  assert.equal(await keygens(), released);
  await parent.settle(await hashOf(block));
  await look.answered([name]);
  await look.waitFine();
  await look.judged();
});

test('another chain at the URL of the parent chain is not believed', async () => {
  const from = look.mark();
  const name = await waitingKey();
  await world.chain.mine(2 * slots);
  parent.front.forge = (method, params, got) => (method === 'eth_chainId' ? '0x5' : got);
  await parent.settle(await hashOf(blockOf(name)));
  await look.waitLine('L016', { from, reason: /is on chain 5, not 31338/ });
  await look.waitLine('L014', { from });
  assert.equal((await look.show(name)).state, 'waiting');
  parent.front.forge = null;
  world.signal('kms-listener'); /* it would ask again after 30 s */
  await look.answered([name]);
  await look.waitFine();
  await look.judged();
});

test('the parent chain is asked gently', async () => {
  await parentLooks(1);
  const before = { ...parent.front.calls };
  const counted = await look.counters();
  await parentLooks(3);
  const calls = Object.fromEntries(Object.entries(parent.front.calls).map(([k, n]) => [k, n - (before[k] ?? 0)]));
  assert.equal(calls.eth_getLogs, 0, 'nothing new is finalized there');
  assert.equal(calls.eth_getBlockByNumber, 0);
  assert.ok(calls.finalized <= 5 && calls.eth_chainId <= 1, JSON.stringify(calls));
  assert.ok(await look.grown(counted, 'listener_parent_calls') >= 3);
});

// ---- it survives ----

test('each process killed while a keygen waits, and all of them at once', async () => {
  const name = await waitingKey();
  const reason = await reasonOf(name);
  assert.match(reason, /, settled is \d+$/);
  /* After a start the claims come range by range, while those before them are looked up. */
  parent.front.forge = (method, [filter], got) => {
    if (method === 'eth_getLogs' && filter.toBlock - filter.fromBlock >= 4) throw new Error('query exceeds max block range');
    return got;
  };
  for (const process of ['kms-listener', 'kms-executor', 'kms-submitter', 'kms-signer', 'kms-monitor']) {
    const pid = world.signal(process);
    await until(`${process} is there again`, () => world.processOf(process)?.pid !== pid && world.processOf(process));
    await look.waitFine();
    await waitReason(name, new RegExp(`^${reason}$`));
  }
  await world.killConnector();
  await world.startConnector();
  await look.waitFine();
  await waitReason(name, new RegExp(`^${reason}$`));
  parent.front.forge = null;
  const released = await keygens();
  await world.chain.mine(2 * slots);
  await parent.settle(await hashOf(blockOf(name)));
  await look.answered([name]);
  assert.equal(await keygens(), released + 1);
  await look.judged();
});

test('a reorganisation removes a waiting keygen: the Core never hears of it', async () => {
  const from = look.mark();
  const name = await waitingKey();
  const block = blockOf(name);
  const old = await hashOf(block);
  const released = await keygens();
  await world.chain.reorg(2);
  await look.waitLine('L009', { from });
  await look.waitState(name, 'retracted');
  world.requests.delete(name);
  await world.resync();
  await world.chain.mine(2 * slots + 2);
  await parent.settle(old); /* what settles is another block */
  await parent.settle(await hashOf(block + 1));
  await settledTo(block + 1);
  await parentLooks(1);
  assert.equal((await look.show(name)).state, 'retracted');
  assert.equal(await keygens(), released);
  await look.judged();
});

/* The raw bytes of transactions of blocks from `first` to the head, in order. */
async function rawsFrom(first) {
  const raws = [];
  for (let n = first; n <= await world.chain.head(); n++) {
    const block = await world.chain.provider.getBlock(n, true);
    for (const tx of block.prefetchedTransactions) raws.push([n - first, Transaction.from(tx).serialized]);
  }
  return raws;
}

test('a reorganisation moves a waiting keygen to another block: it waits for that one', async () => {
  const from = look.mark();
  const name = await waitingKey();
  const block = blockOf(name);
  const released = await keygens();
  await world.chain.mine(2);
  const old = await hashOf(block);
  const raws = await rawsFrom(block);
  await world.chain.reorg(3, raws.map(([, raw]) => [raw, 1]));
  await look.waitLine('L009', { from });
  await look.waitShow(name, 'is in the next block', (row) => row.state === 'waiting' && row.block === block + 1);
  await waitReason(name, new RegExp(`^waits for settled: block ${block + 1}, `));
  await world.chain.mine(2 * slots);
  await parent.settle(old);
  await parent.settle(await hashOf(block));
  await settledTo(block);
  assert.equal((await look.show(name)).state, 'waiting');
  assert.equal(await keygens(), released);
  await parent.settle(await hashOf(block + 1));
  await look.answered([name]);
  assert.equal(await keygens(), released + 1, 'once');
  await look.waitFine();
  await look.judged();
});

test('a node that does not find the log again releases nothing', async () => {
  const from = look.mark();
  const name = await waitingKey();
  const block = blockOf(name);
  const released = await keygens();
  await world.chain.mine(2 * slots);
  gateway.forge = (method, params, got) => (method === 'eth_getTransactionReceipt' && got ? { ...got, logs: [] } : got);
  await parent.settle(await hashOf(block));
  const line = await look.waitLine('L006', { from });
  assert.equal(line.reason, 'a receipt does not hold the log that was read');
  await waitReason(name, /^settled; does its log still stand\?$/);
  assert.equal(await keygens(), released);
  gateway.forge = null;
  await look.answered([name]);
  await look.judged();
});

// ---- the levels below ----

test('confirmed, safe and finalized: each waits for its own', async () => {
  const { chain } = world;
  const [safe] = await world.askUser(1);
  const { name: finalized } = await world.askKey('crsgen');
  await waitReason(safe, /^waits for safe: block \d+, safe is \d+$/);
  await waitReason(finalized, /^waits for finalized: block \d+, finalized is \d+$/);
  const [confirmed] = await world.ask(1);
  await waitReason(confirmed, /^waits for confirmed: block \d+, confirmed is \d+$/);

  await chain.mine(blockOf(safe) + slots - await chain.head() - 1);
  await look.answered([confirmed]); /* by age alone; its answer is the block that was missing */
  await look.answered([safe]);
  assert.equal((await look.show(finalized)).state, 'waiting');
  const missing = blockOf(finalized) + 2 * slots - await chain.head();
  assert.ok(missing > 1, 'its block is not finalized yet');
  await chain.mine(missing - 1);
  await look.waitCounter('listener_finalized', (n) => n === blockOf(finalized) - 1);
  assert.equal((await look.show(finalized)).state, 'waiting');
  await chain.mine(1);
  await look.answered([finalized]);
  await look.judged();
});

test('check says how settled is judged, check --online asks the parent chain', async () => {
  const { output } = await world.cli('check');
  assert.match(output, new RegExp(`settled is +what the parent chain's Outbox ${parent.outbox} has named`));
  assert.match(output, /keygen +from settled/);
  assert.match(output, /crsgen +from finalized/);
  const good = await world.cli('check', '--online');
  assert.equal(good.code, 0, good.output);
  for (const said of [/OK +node rpc-1 of the parent chain is on chain 31338/, /OK +node rpc-1 of the parent chain serves finalized/,
    /OK +node rpc-1 of the parent chain serves eth_getLogs/, new RegExp(`OK +the Outbox is a contract at ${parent.outbox}`)]) {
    assert.match(good.output, said);
  }
  const config = world.config.parent_chain;
  world.writeConfig({ parent_chain: { ...config, outbox_address: world.node.address } });
  assert.match((await world.cli('check', '--online')).output, /FAIL +there is no contract at 0x\w+ \(the Outbox\): correct/);
  world.writeConfig({ parent_chain: { ...config, id: 1 } });
  assert.match((await world.cli('check', '--online')).output, /FAIL +node rpc-1 of the parent chain is on chain 31338, not 1: correct its URL or parent_chain\.id/);
  world.writeConfig({ parent_chain: config });
});

// ---- by chain time ----

test('without a parent chain a keygen waits 8 days of chain time, whatever our clock says', () => elsewhere);

async function byChainTime() {
  const other = await startWorld({ chain: { slots: 2 }, config: { retry_interval_secs: 1 } });
  const see = lookAt(other);
  const days8 = 8 * 24 * 3600;
  try {
    const { chain, core } = other;
    const asked = async () => Object.keys(await core.control({ op: 'ids', kind: 'keygen' })).length;
    const pass = async (seconds) => {
      await chain.rpc('evm_increaseTime', seconds);
      await chain.mine(1);
    };
    assert.match((await other.cli('check')).output, /settled is +what is 8 days older than the finalized block, by chain time/);
    await other.startConnector();
    await see.waitFine();
    await inspected(/settled: none yet: no block is 8 days older than the finalized one\n/, 0, other);
    const pre = await other.askKey('preprocessKeygen');
    await see.answered([pre.name]);
    const { name } = await other.askKey('keygen', pre.resultId);
    const { timestamp } = await chain.provider.getBlock(other.requests.get(name).block);
    const iso = (s) => new Date(s * 1000).toISOString().replace('.000Z', 'Z');
    const due = iso(timestamp + days8);
    const row = await see.waitShow(name, 'says when', (r) => r.reason.startsWith(`waits for settled: chain time ${due} at the earliest; it is `));
    assert.equal(row.state, 'waiting');

    await pass(days8 - 100);
    await chain.mine(4); /* that block is finalized */
    await until('finalized has that time', async () => /it is \S+Z$/.exec((await see.show(name)).reason)[0].slice(6) > iso(timestamp + days8 - 200));
    assert.equal((await see.show(name)).state, 'waiting');
    other.signal('kms-executor');
    other.signal('kms-listener');
    await see.waitFine();
    assert.equal((await see.show(name)).state, 'waiting');
    await pass(200);
    await chain.mine(3);
    await until('finalized is below that', async () => (await see.status()).figures.finalized === other.requests.get(name).block + 5);
    const still = await see.show(name);
    assert.ok(still.state === 'waiting' && still.reason.startsWith('waits for settled: chain time '), 'it has passed at the head only');
    assert.equal(await asked(), 0);
    await chain.mine(1);
    await see.answered([name]);
    assert.equal(await asked(), 1);
    await inspected(new RegExp(`settled: block ${other.requests.get(name).block}, the last one up to 20\\d\\d-`), 0, other);
    assert.match((await see.status()).figures.settled_up_to, /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.ok((await see.counters()).listener_settled_time >= timestamp);
    await see.judged();
  } finally {
    await other.stop();
  }
}
