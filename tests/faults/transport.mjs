/*
 * transport - chain nodes whose connections, replies and limits are not what they should be.
 */
import assert from 'node:assert/strict';
import { until } from '../peers/process.mjs';
import { UNMOVED, atHead } from './ground.mjs';

const LANES = 4; /* grounds of one case that stand side by side */
const SPAN = 4400; /* bytes of what a node says: several frames, or the replies to a few requests */
const PART = 100; /* of the offsets, on one ground */
const ASKED = 60; /* requests at most, until a connection has said so much */

/** The WebSocket goes through the last proxy alone, HTTP through those in `https`. */
function splitWebSocket(g, ...https) {
  const urls = https.map(({ httpUrl }, i) => ({ name: `gateway-${i}`, url: httpUrl }));
  g.world.writeConfig({ gwl2_url: [...urls, { name: 'gateway-ws', url: g.proxies.at(-1).wsUrl }] });
}

/** Of two nodes everybody uses the first one, and knows the second. */
async function startWithFirst(g) {
  await g.proxies[1].fault('delay', { ms: 200, dir: 'both' });
  await g.start();
  await until('the second node is known', async () => ((await g.proxies[1].stats()).calls.eth_chainId ?? 0) >= 3);
  await g.proxies[1].clear();
}

/**
 * A reset after byte k of what the node says from now on, over HTTP and on the WebSocket, for k in
 * each part of three frames (not for each: a WebSocket that is lost so often waits).  What is asked
 * meanwhile is answered, the cursor is where it should be, no block has left.  Asked is until both
 * have said so much.
 */
export async function L01(t) {
  const step = Math.floor(SPAN / t.times);
  const offsets = Array.from({ length: t.times }, (_, i) => i * step + t.random.below(step));
  const parts = [];
  while (offsets.length) parts.push(offsets.splice(0, PART));
  const lane = async () => {
    for (let part; (part = parts.shift());) {
      const g = await t.ground({ nodes: 2 });
      const resets = async () => Promise.all(g.proxies.map(async (proxy) => (await proxy.stats()).acted.reset ?? 0));
      splitWebSocket(g, g.proxies[0]);
      await g.start();
      const from = g.look.mark();
      for (const at of part) {
        const were = await resets();
        const names = [];
        await until('the WebSocket is open', async () => (await g.proxies[1].stats()).open > 0);
        for (const proxy of g.proxies) await proxy.fault('reset', { at, dir: 'down', open: true, count: 1 });
        const bothActed = async () => (await resets()).every((n, i) => n > were[i]);
        do {
          assert.ok(names.length < ASKED, `not so much was said: ${at} bytes`);
          names.push(...await g.ask(1));
        } while (!await until('both resets', bothActed, 100, 5).then(() => true, () => false));
        await g.heals(names, () => Promise.all(g.proxies.map((proxy) => proxy.clear())));
      }
      await atHead(g);
      assert.ok((await g.look.counters()).listener_ws_reconnects >= part.length - 1);
      assert.ok(g.look.lines('L001', { from }).length >= 1);
      g.look.counted(from, UNMOVED);
      await g.finish();
      await g.stop();
    }
  };
  await Promise.all(Array.from({ length: Math.min(LANES, parts.length) }, lane));
}

/* A WebSocket that says nothing any more, and how that is seen. */
const silences = [
  async (g) => { /* there are new blocks, and it does not say so; nor does it hear us */
    const from = g.look.mark();
    await g.proxies[1].fault('stall', { dir: 'both', open: true });
    await g.answered(await g.ask(2), 3000);
    const line = await g.look.waitLine('L001', { from }, 6000);
    assert.match(line.reason, /silent while there are new blocks/);
  },
  async (g) => { /* the same, one way */
    const from = g.look.mark();
    await g.proxies[1].fault('stall', { open: true });
    await g.answered(await g.ask(2), 3000);
    await g.look.waitLine('L001', { from }, 6000);
  },
  async (g) => { /* no new blocks: silence alone is no reason, unanswered pings are */
    const from = g.look.mark();
    await until('24 s without a word', () => Date.now() - g.began > 24000, 30000);
    g.look.counted(from, { L001: 0, L003: 0, L007: 0 });
    const began = Date.now();
    await g.proxies[1].fault('stall', { dir: 'both', open: true });
    const line = await g.look.waitLine('L001', { from }, 20000);
    assert.equal(line.reason, 'silent');
    assert.ok(Date.now() - began <= 15500, 'seen within 15 s');
  },
];

/* A WebSocket falls silent, its connection stays: polling goes on, and it is made anew. */
export async function L02(t) {
  await Promise.all(silences.slice(0, t.times).map(async (silent) => {
    const g = await t.ground({ nodes: 2 });
    splitWebSocket(g, g.proxies[0]);
    await g.start();
    const { listener_ws_reconnects: before } = await g.look.counters();
    await silent(g);
    assert.ok((await g.look.counters()).listener_ws_reconnects > before);
    const { connections } = await g.proxies[1].stats();
    await g.heals([], () => g.proxies[1].clear());
    await until('it is connected again', async () => {
      const now = await g.proxies[1].stats();
      return now.connections > connections || now.open >= 1;
    });
    await g.heals(await g.ask(2), () => {});
    g.look.counted(0, { ...UNMOVED, L003: 0 });
    await g.finish();
  }));
}

/*
 * One byte in a second: a call ends at its deadline though bytes keep coming, and the other node is
 * asked.
 */
export async function L05(t) {
  for (let k = 0; k < t.times; k++) {
    const g = await t.ground({ nodes: 2 });
    await startWithFirst(g);
    const before = await g.look.counters();
    const [slow] = g.proxies;
    await slow.fault('drip', { bytes: 1 + k, everyMs: 1000, open: true });
    const names = await g.ask(2);
    await g.answered(names, 16000);
    assert.ok(await g.look.grown(before, 'listener_rpc_errors') >= 1);
    assert.ok(await g.look.grown(before, 'listener_failovers') >= 1);
    await g.heals(await g.ask(1), () => slow.clear());
    g.look.counted(0, { ...UNMOVED, L003: 0, T005: 0 });
    await g.finish();
  }
}

/* Replies that announce or are more than anybody takes: [fault, MiB that a process may grow]. */
const giants = [
  ['giant', { length: 2 ** 31, match: 'eth_getLogs', count: 2 }, 1],
  ['endless', { match: 'eth_getLogs', count: 2 }, 20],
];

/*
 * A giant reply and one without an end are refused, at the head if that tells, and never kept; a
 * giant WebSocket frame ends its connection.
 */
export async function L06(t) {
  const g = await t.ground();
  await g.start();
  await g.answered(await g.ask(3));
  for (let k = 0; k < t.times; k++) {
    for (const [name, how, growth] of giants) {
      const [before, peaks] = [await g.look.counters(), g.peaks()];
      await g.proxies[0].fault(name, how);
      const names = await g.ask(2);
      await g.look.waitCounter('listener_rpc_refused', (n) => n > before.listener_rpc_refused);
      await g.heals(names, () => g.proxies[0].clear());
      for (const [process, peak] of Object.entries(g.peaks())) {
        assert.ok(peak - peaks[process] <= 1024 * growth, `${name}: ${process} grew by ${peak - peaks[process]} KiB`);
      }
    }
  }
  const { listener_ws_reconnects: reconnects } = await g.look.counters();
  assert.equal((await g.proxies[0].fault('ws_giant', { length: 2 ** 31 })).met, 1);
  const names = await g.ask(1);
  await g.look.waitCounter('listener_ws_reconnects', (n) => n > reconnects, 5000);
  await g.heals(names, () => {});
  g.look.counted(0, { ...UNMOVED, L006: 1 });
  await g.finish();
}

const reply = (result, id = 1) => `{"jsonrpc":"2.0","id":${id},"result":${result}}`;

/* What no reply looks like. */
const garbage = [
  '{"jsonrpc":"2.0",', '['.repeat(1e6), reply('NaN'), reply('"\xff\xfe"'), '[1,2', 'null', '', ' ', '"text"', '0',
  `{"a":`.repeat(1e5), `${'['.repeat(100)}${']'.repeat(100)}`, reply('"\\u12"'), reply('"a\\u0000b"'), reply("'x'"),
  reply(`1${'0'.repeat(10000)}`), reply('01'), reply('1.'), reply('Infinity'), reply('tru'), reply('{"a":1,}'),
  reply('{a:1}'), reply('[1,]'), reply('/**/1'), `${reply('1')}${reply('1')}`, `\ufeff${reply('1')}`,
  '{"jsonrpc":"2.0","id":1,"id":2,"result":1}', '{"jsonrpc":"2.0","id":1,"result":1,"result":2}',
  '{"id":1,"result":1}', '{"jsonrpc":"1.0","id":1,"result":1}', '{"jsonrpc":"2.0","id":1}', '[]', '[null]', '[[]]',
  `[${Array(100000).fill('1').join(',')}]`, `{"jsonrpc":"2.0","id":1e308,"result":1}`, reply('"\x01"'), '\x01\x02',
];

/* Each of these once, instead of logs: refused, counted, said once, and asked for again. */
export async function L09(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const body = garbage[k % garbage.length];
    const before = await g.look.counters();
    await g.proxies[0].fault('answer', { status: 200, headers: { 'Content-Type': 'application/json' }, body, match: 'eth_getLogs', count: 1 });
    await g.heals(await g.ask(1), () => {});
    assert.equal(await g.look.grown(before, 'listener_rpc_refused'), 1, body.slice(0, 60));
  }
  assert.ok(g.look.lines('L006').length >= 1);
  assert.ok(g.look.lines('L006').length <= 1 + (Date.now() - g.began) / 60000);
  g.look.counted(0, UNMOVED);
  await g.finish();
}

const reads = ['eth_getLogs', 'eth_getBlockByHash'];

/*
 * Replies with another id or none, missing, twice: the batch is not believed.  (That its connection
 * is dropped: jsonrpc_test.)  Replies of a batch in another order are as good as any.
 */
export async function L10(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    for (const lie of ['wrong_id', 'no_id', 'no_reply', 'twice']) {
      const before = await g.look.counters();
      await g.chain.lie({ lie, count: 1, methods: [reads[k % 2]] });
      await g.heals(await g.ask(1), () => {});
      assert.equal((await g.chain.truth())[lie], 1);
      assert.ok(await g.look.grown(before, 'listener_rpc_refused') >= 1, lie);
    }
    const before = await g.look.counters();
    await g.chain.lie({ lie: 'backwards' });
    await g.answered(await g.ask(2));
    assert.ok((await g.chain.truth()).backwards >= 1);
    assert.equal(await g.look.grown(before, 'listener_rpc_refused'), 0, 'any order is right');
  }
  g.look.counted(0, UNMOVED);
  await g.finish();
}

/*
 * Asked too often, in each way to say it: one that is told when to come again comes then, whose
 * word is garbage is asked again soon; a node that refuses one call in ten is still of use; and
 * with two nodes the other one is asked at once.
 */
export async function L11(t) {
  const g = await t.ground();
  await g.start();
  const soon = (s) => new Date(Date.now() + 1000 * s).toUTCString();
  const storms = [[() => '1', 900], [() => 'garbage', 0], [() => soon(-5), 0], [() => '-1', 0], [() => '', 0], [() => soon(3), 900]];
  for (let k = 0; k < t.times; k++) {
    const [makeAfter, atLeastMs] = storms[k % storms.length];
    const after = makeAfter();
    const before = await g.look.counters();
    await g.proxies[0].fault('answer', { status: 429, headers: { 'Retry-After': after }, match: 'eth_getLogs', count: 1 });
    const began = Date.now();
    await g.heals(await g.ask(1), () => {}, atLeastMs ? 5000 : 2000); /* its own wish */
    assert.ok(Date.now() - began >= atLeastMs, `Retry-After: ${after}`);
    assert.equal(await g.look.grown(before, 'listener_rpc_throttled'), 1);
  }
  await g.chain.lie({ lie: 'rate_limited', share: 0.1, seed: 7 });
  const names = [];
  const began = Date.now();
  for (let round = 0; round < t.times; round++) {
    names.push(...await g.ask(3));
    await g.answered(names, 15000);
  }
  assert.ok(Date.now() - began < 4000 * t.times, `${t.times} rounds took ${Date.now() - began} ms`);
  assert.ok((await g.chain.truth()).rate_limited >= 1);
  await g.heals(await g.ask(1), () => {});
  g.look.counted(0, { ...UNMOVED, L003: 0 });
  await g.finish();

  const two = await t.ground({ nodes: 2 });
  await startWithFirst(two);
  await two.proxies[0].fault('answer', { status: 429, headers: { 'Retry-After': '600' } });
  await two.heals(await two.ask(2), () => {});
  assert.ok((await two.look.counters()).listener_failovers >= 1);
  await two.finish();
}

/*
 * The answers of a server in front of the node: none is believed, each is asked for again.  Of
 * bytes that were sent nobody knows then whether they were taken: the same ones again.
 */
export async function L12(t) {
  const g = await t.ground();
  await g.start();
  const page = '<html><body>nginx</body></html>';
  for (let k = 0; k < t.times; k++) {
    const before = await g.look.counters();
    await g.proxies[0].fault('answer', { status: [502, 200, 503, 504][k % 4], headers: { 'Content-Type': 'text/html' }, body: page });
    const names = await g.ask(2);
    await g.look.waitCounter('listener_rpc_errors', (n) => n > before.listener_rpc_errors);
    await g.heals(names, () => g.proxies[0].clear());
    const { signer_signed: signed } = await g.look.counters();
    await g.chain.lie({ lie: 'lost_502', count: 1, methods: ['eth_sendRawTransaction'] });
    await g.heals(await g.ask(1), () => {});
    assert.equal((await g.look.counters()).signer_signed, signed + 1);
    await g.chain.truth();
  }
  g.look.counted(0, UNMOVED);
  await g.finish();
}

/* When and where a node says the id of another chain. */
const strangers = [
  async (t) => { /* the only one, from the beginning: nothing of it is read until it is right */
    const g = await t.ground();
    await g.chain.lie({ lie: 'wrong_chain_id' });
    const names = await g.ask(2);
    await g.world.startConnector();
    await g.look.waitLine('L005', { proc: 'listener' });
    await g.look.waitStatus(/no chain node answers/);
    assert.deepEqual(await g.look.list(), []);
    await g.heals(names, () => g.chain.truth(), 4000); /* asked after 1, 2, 4, .. s: as long as it lasted */
    return g;
  },
  async (t) => { /* the only one, in the middle of its work */
    const g = await t.ground();
    await g.start();
    await g.chain.lie({ lie: 'wrong_chain_id' });
    const line = await g.look.waitLine('L005', { proc: 'listener' });
    assert.deepEqual([line.wanted, line.chain_id], ['421614', '421615']);
    assert.equal(await g.ready(), 503);
    const names = await g.ask(2);
    await g.heals(names, () => g.chain.truth());
    assert.equal(g.look.lines('L005', { proc: 'listener' }).length, 1);
    return g;
  },
  async (t) => { /* the first of two, from the beginning, and both in turn later */
    const g = await t.ground({ nodes: 2 });
    await g.chain.lie({ lie: 'wrong_chain_id', door: 1 });
    await g.start();
    await g.answered(await g.ask(2));
    await g.look.waitLine('L005', { proc: 'listener', rpc: 'gateway' });
    await g.chain.truth();
    await until('the first one is used again', async () => {
      await g.proxies[1].refuse();
      await g.answered(await g.ask(1), 20000);
      return true;
    });
    return g;
  },
];

/*
 * A node says another chain's id: nothing of it is believed, it is said once, and the node is asked
 * again after 1 s to 30 s (the design has no exit for what a network says).
 */
export async function L15(t) {
  for (const strange of strangers.slice(0, t.times)) {
    const g = await strange(t);
    g.look.counted(0, UNMOVED);
    await g.finish();
  }
}

/*
 * One URL, and of the nodes behind it some are 50 blocks behind: each call goes to any of them.
 * Nothing is lost and nothing is taken back.
 */
export async function L17(t) {
  const g = await t.ground();
  await g.start();
  await g.chain.mine(60);
  for (let k = 0; k < t.times; k++) {
    await g.chain.lie({ lie: 'lagging', by: 50, share: t.times > 1 ? 0.4 : 0.2, seed: 7 + k });
    const names = await g.ask(t.times > 1 ? 20 : 6, { perTx: 2, distinct: 3 });
    await g.answered(names, 40000);
    assert.ok((await g.chain.truth()).lagging >= 1);
    await g.heals(await g.ask(1), () => {});
  }
  assert.equal((await g.look.counters()).executor_retracted, 0);
  g.look.counted(0, UNMOVED);
  await g.finish();
}

/*
 * null for every block, log and receipt: that is no evidence of anything.  With another node the
 * other one is asked; without one the cursor stays where it is until the node knows them again,
 * and after 30 s the connector says that it cannot do its work.
 */
export async function L18(t) {
  for (const [nodes, long] of [[1], [2], [1, true]].slice(0, t.times)) {
    const g = await t.ground({ nodes });
    await (nodes > 1 ? startWithFirst(g) : g.start());
    const names = await g.ask(2);
    await g.answered(names);
    await atHead(g);
    const before = await g.look.counters();
    const methods = ['eth_getBlockByNumber', 'eth_getBlockByHash', 'eth_getLogs', 'eth_getBlockReceipts', 'eth_getTransactionReceipt'];
    await g.chain.lie({ lie: 'null', methods, door: 1 });
    const more = await g.ask(2);
    if (nodes > 1) await g.answered(more, 8000);
    await g.look.waitLine('L006', { rpc: 'gateway' });
    if (long) {
      await g.look.waitStatus(/listener cannot do its work yet: gateway: no chain node says its latest block/, 40000);
      assert.equal(await g.ready(), 503);
    }
    const now = await g.look.counters();
    assert.ok(nodes > 1 || now.listener_cursor === before.listener_cursor, 'the cursor holds');
    assert.ok(now.listener_cursor >= before.listener_cursor);
    await g.heals(more, () => g.chain.truth());
    assert.equal((await g.look.counters()).executor_retracted, 0);
    g.look.counted(0, { ...UNMOVED, L006: 1 });
    await g.finish();
  }
}

/* Every node is away, for a while; how: refusing, or taking connections and saying nothing. */
export async function L20(t) {
  for (let k = 0; k < t.times; k++) {
    const g = await t.ground({ nodes: 2 });
    await g.start();
    const names = await g.ask(1);
    await g.answered(names);
    const silent = k % 2 === 1;
    for (const proxy of g.proxies) await (silent ? proxy.silent() : proxy.refuse());
    await g.look.waitLine('L003', {}, 40000);
    assert.equal(await g.ready(), 503);
    assert.equal((await fetch(`${g.world.monitorUrl}/livez`)).status, 200);
    names.push(...await g.ask(3));
    const { listener_rpc_calls: calls } = await g.look.counters();
    await g.look.waitStatus(/no chain node answers/);
    if (t.times > 1) await g.look.waitCounter('listener_rpc_calls', (n) => n > calls + 4, 30000); /* asked on and on */
    await g.heals(names, () => Promise.all(g.proxies.map((proxy) => proxy.forward())));
    g.look.counted(0, { ...UNMOVED, L003: 1, L004: 2 });
    assert.ok(g.look.lines('T005').length <= 1); /* it may not have asked meanwhile */
    await g.finish();
  }
}

/* Milliseconds for a request, each alone: those of most, and the longest. */
async function pace(g, count) {
  const took = [];
  for (let i = 0; i < count; i++) {
    const began = Date.now();
    await g.answered(await g.ask(1));
    took.push(Date.now() - began);
  }
  took.sort((a, b) => a - b);
  return { middle: took[count >> 1], longest: took.at(-1) };
}

/*
 * The first of two nodes is dead: it is left after the first call that failed and asked for its
 * chain id alone from then on, so that nobody waits for it.
 */
export async function L21(t) {
  const g = await t.ground({ nodes: 2 });
  splitWebSocket(g, ...g.proxies);
  await startWithFirst(g);
  const fine = await pace(g, 3 * t.times);
  const dead = g.proxies[0];
  await (t.times > 1 ? dead.silent() : dead.refuse());
  await g.answered(await g.ask(1), 20000);
  await g.answered(await g.ask(1), 20000);
  await dead.resetStats();
  const began = Date.now();
  const now = await pace(g, 3 * t.times);
  const { connections } = await dead.stats();
  /* Far less than any deadline of a call, on a machine that does other things too. */
  assert.ok(now.middle <= 2 * fine.middle + 500, `${now.middle} ms for a request, ${fine.middle} ms before`);
  assert.ok(now.longest <= fine.longest + 1500, `${now.longest} ms for one, ${fine.longest} ms before`); /* a call's deadline is 2 s */
  assert.ok(connections <= 9 + (Date.now() - began) / 1000, `${connections} connections to a dead node`);
  await g.heals(await g.ask(2), () => dead.forward());
  g.look.counted(0, { ...UNMOVED, L003: 0, T005: 0 });
  await g.finish();
}

/* What nodes say when a range is too large or holds too much. */
const ranges = [
  [-32005, 'query returned more than 10000 results'],
  [-32602, 'Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the response size, or you can request any block range with a cap of 10K logs in the response.'],
  [-32000, 'exceed maximum block range: 50000'], [-32600, 'eth_getLogs is limited to a 10,000 range'],
  [-32614, 'eth_getLogs is limited to a 10,000 range'], [-32005, 'block range too large'],
  [-32000, 'query timeout exceeded'], [-32000, 'One of the blocks specified in filter (fromBlock, toBlock or blockHash) cannot be found.'],
  [-32701, 'Please specify an address in your request or, to remove restrictions, order a dedicated full node here'],
  [-32602, 'query exceeds max results 20000, retry with the range 1-3'], [35, 'ranges over 10000 blocks are not supported on freetier'],
  [-32000, 'logs matched by query exceeds limit of 10000'], [-32005, 'requested too many blocks from 1 to 99 maximum is set to 16'],
  [-32062, 'Block range is too large'], [-32603, 'request failed or timed out'], [-32011, 'Network error'],
  [-32000, 'Requested range exceeds maximum RPC range limit'], [-32000, 'too wide blocks range, the limit is 800'],
  [-32000, 'backend response too large'], [-32000, 'range is too large, max is 1k blocks'], [-32001, 'block range extends beyond current head block'],
  [-32602, 'invalid block range params'], [-32602, 'exceed max topics'], [-32600, 'Exceeded max range limit for eth_getLogs: 1000'],
  [-32005, 'Limit exceeded: the query returned too many logs'], [-32000, 'failed to get logs: response size should not greater than 10000000 bytes'],
  [-32603, 'Internal error'], [-32000, 'eth_getLogs block range too large, range: 99, max: 50'], [-32000, 'too many logs'],
  [-33000, 'Response is too big'], [-32008, 'Response is too big'], [-32000, 'header not found'], [1, 'range limit'], [-32601, 'filter range'],
  [-32090, 'block height range exceeded'], [-32042, 'Payload too large'], [-32097, 'getLogs range must be less than 5000 blocks'],
  [-32007, 'range over the plan of this key, upgrade'], [-32000, 'maximum [from, to] blocks distance: 64'], [-32016, 'context deadline exceeded'],
];
const BLOCKS = 120; /* to be read by ranges */

/*
 * A node that bears small ranges only, and says so in one of forty ways: the range is halved until
 * it fits (a few calls), everything is read once more and nothing is answered twice.  At last it
 * gives no logs at all, even of one block, and the receipts are read instead.
 */
export async function L23(t) {
  const g = await t.ground({ chain: { finalized: 2, safe: 1 } });
  await g.start();
  const names = await g.ask(20);
  await g.chain.mine(BLOCKS);
  await g.answered(names);
  await atHead(g);
  g.world.signal('kms-listener'); /* it begins with the tags */
  await g.look.waitCounter('listener_finalized', (n) => n > BLOCKS);
  for (let k = 0; k < t.times; k++) {
    const [code, message] = ranges[k % ranges.length];
    const bears = 1 + 7 * (k % 5);
    const before = await g.look.counters();
    await g.chain.set({ logsRange: bears, logsError: { code, message } });
    await g.proxies[0].resetStats();
    assert.equal((await g.world.cli('rewind', '--to', '1')).code, 0);
    await g.look.waitCounter('executor_duplicates', (n) => n >= before.executor_duplicates + names.length, 20000);
    await atHead(g);
    const { calls } = await g.proxies[0].stats();
    const needed = Math.ceil((await g.chain.head()) / Math.max(1, bears / 2)) + 2;
    assert.ok(calls.eth_getLogs <= needed + Math.log2(1000) + 8, `${message}: ${calls.eth_getLogs} calls, ${needed} are needed`);
  }
  await g.chain.set({ logsRange: 0 });
  await g.chain.lie({ lie: 'error', methods: ['eth_getLogs'] });
  const more = await g.ask(2);
  await g.answered(more, 10000);
  await g.heals(await g.ask(1), () => g.chain.truth());
  g.look.counted(0, UNMOVED);
  await g.finish();
}

/*
 * A node leaves the logs of a block out and says nothing: the bloom of its header names them, so
 * its receipts are read, and it is said once that this node loses requests.  (Beyond the bloom
 * nothing is checked: the design has no proof of receipts.)
 */
export async function L24(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const before = await g.look.counters();
    await g.chain.lie({ lie: 'no_logs', methods: ['eth_getLogs'] });
    const names = [...await g.ask(2), ...await g.ask(4, { perTx: 4 })];
    await g.answered(names, 5000);
    assert.ok(await g.look.grown(before, 'listener_doubted_logs') >= 1);
    await g.heals(await g.ask(1), () => g.chain.truth());
  }
  assert.ok(g.look.lines('L021').length <= 1 + (Date.now() - g.began) / 60000);
  assert.match((await g.look.waitLine('L021')).text, /rpc=gateway/);
  g.look.counted(0, UNMOVED);
  await g.finish();
}
