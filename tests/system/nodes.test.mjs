/*
 * Nodes that misbehave: connections lost or silent, a node down, mute, behind, or of another
 * chain.  Nothing that such a node says is believed, nothing is lost, and all of it clears itself.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { startChain } from '../peers/chain.mjs';
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
  world = await startWorld({ config: { retry_interval_secs: 1 } });
  look = lookAt(world);
  const { chain, proxy } = world;
  wsProxy = await startProxy(chain.port);
  lagging = await startLagging(chain);
  world.started.push(wsProxy, lagging);
  world.writeConfig({
    gwl2_url: [{ name: 'gateway', url: proxy.httpUrl }, { name: 'gateway-ws', url: wsProxy.wsUrl }],
  });
  await world.startConnector();
  await look.waitFine();
});
afterEach(async () => { /* whatever a failure left behind */
  lagging.release();
  world.chain.resume();
  await Promise.all([world.proxy.forward(), wsProxy.forward()]);
  await world.cli('continue', 'sending');
});
after(async () => {
  await elsewhere?.catch(() => {});
  await world?.stop();
});

// ---- connections ----

test('a WebSocket that is dropped, refused or silent: polling goes on', async () => {
  const from = look.mark();
  const counted = await look.counters();
  await wsProxy.refuse();
  const lost = await look.waitLine('L001', { from });
  assert.equal(lost.chain, 'gateway');
  await look.answered(await world.ask(5), 10000);
  assert.equal((await look.status()).code, 0, 'it is only there to wake');
  await wsProxy.forward();
  await until('it is connected again', () => wsProxy.open() === 1);
  await look.answered(await world.ask(2), 10000);
  assert.equal(await look.grown(counted, 'listener_ws_reconnects'), 1);

  wsProxy.silent();
  await look.answered(await world.ask(5), 10000);
  await look.waitCounter('listener_ws_reconnects', (n) => n >= counted.listener_ws_reconnects + 2, 40000);
  const { connections } = wsProxy;
  await wsProxy.forward();
  await until('it is connected again', () => wsProxy.connections > connections && wsProxy.open() === 1);
  await look.answered(await world.ask(5), 10000);
  /* One that does not last is told once. */
  look.counted(from, { L001: 1, L002: 0, L003: 0 });
  await look.judged();
});

test('no node for a while: one line of each who needs it, and all is answered afterwards', async () => {
  /* Some are read already and only wait to be sent. */
  assert.equal((await world.cli('pause', 'sending')).code, 0);
  const names = await world.ask(5);
  for (const name of names) await look.waitState(name, 'submitting');
  const from = look.mark();
  const counted = await look.counters();
  await world.proxy.refuse();
  names.push(...await world.ask(5));
  const down = await look.waitLine('L003', { from });
  assert.equal(down.chain, 'gateway');
  assert.ok(down.hint);
  await look.waitLine('T005', { from });
  assert.equal((await world.cli('continue', 'sending')).code, 0);
  const status = await look.waitStatus(/^needs you: nothing\n(.*\n)*.*listener cannot do its work yet: gateway: no chain node answers/);
  assert.equal(status.code, 1);
  assert.ok(await look.grown(counted, 'listener_rpc_errors') >= 3);
  assert.ok(await look.grown(counted, 'submitter_rpc_errors') >= 3);
  assert.equal((await look.list('submitting')).length, 5);
  await world.proxy.forward();
  await look.answered(names, 20000);
  await look.waitFine();
  look.counted(from, { L003: 1, L004: 1, T005: 1, T006: 1, L009: 0, T003: 0 });
  await look.judged();
});

test('a node that takes calls and does not answer', async () => {
  const from = look.mark();
  world.chain.pause();
  await look.waitLine('L003', { from }, 30000);
  world.chain.resume();
  await look.answered(await world.ask(5), 20000);
  await look.waitFine();
  look.counted(from, { L003: 1, L004: 1, L009: 0, T003: 0 });
  await look.judged();
});

test('a node that is behind: nothing is believed, nothing is retracted, nothing is lost', async () => {
  await world.stopConnector();
  world.writeConfig({ gwl2_url: [{ name: 'lagging', url: lagging.httpUrl }] });
  await world.startConnector();
  await look.waitFine();
  await look.answered(await world.ask(3), 10000);
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
  await look.answered(names);
  look.counted(from, { L007: 1, L009: 0, L010: 0, T003: 0 });

  /* It can read, but not try a call: the answer waits and is not to blame. */
  lagging.errors = { eth_estimateGas: { code: -32000, message: 'header not found' } };
  const more = await world.ask(3);
  const error = await look.waitLine('T010', { from });
  assert.equal(error.why, 'header not found');
  await look.waitCounter('submitter_estimates', (n) => n >= counted.submitter_estimates + 15);
  lagging.release();
  await look.answered(more, 20000);
  look.counted(from, { T010: 1, X010: 0, X009: 0 });
  assert.equal(await look.grown(counted, 'listener_retracted_blocks'), 0);
  assert.equal(await look.grown(counted, 'executor_retracted'), 0);
  await look.judged();
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
    await look.answered(names, 60000);	/* four stale answers in a row are a long back-off */
  }
  lagging.release();
  assert.ok(lagging.calls > 20);
  look.counted(from, { L009: 0, L010: 0, T003: 0, T004: 0 });
  assert.equal(await look.grown(counted, 'executor_retracted'), 0);
  await look.judged();
});

test('two nodes: the one that is behind, or stands still, is left for the other', async () => {
  await world.stopConnector();
  world.writeConfig({
    gwl2_url: [
      { name: 'lagging', url: lagging.httpUrl }, { name: 'gateway', url: world.proxy.httpUrl },
      { name: 'gateway-ws', url: wsProxy.wsUrl },
    ],
  });
  /* All three that call nodes begin with the first one, and then know the second. */
  await world.proxy.refuse();
  await world.startConnector();
  await look.waitFine();
  world.proxy.resetCounts();
  await world.proxy.forward();
  await until('the second node is known', () => (world.proxy.calls.eth_chainId ?? 0) >= 3, 15000);
  await look.answered(await world.ask(2), 10000);
  const counted = await look.counters();
  await lagging.hold(await world.chain.head() - 3);
  await look.answered(await world.ask(5), 30000);
  assert.ok(await look.grown(counted, 'listener_failovers') >= 1);
  assert.equal(await look.grown(counted, 'executor_retracted'), 0);
  await look.judged();

  /* Each is asked first in its turn; one that stands still contradicts nothing that was read. */
  lagging.release();
  await world.stopConnector();
  await world.startConnector();
  await look.waitFine();
  await lagging.hold();
  await look.answered(await world.ask(5), 40000);
  await look.judged();
});

// ---- another chain ----

/*
 * In a world of its own, because it takes a while: the node's place is taken by a node of
 * another chain, at the start and later; the connector believes nothing of it and goes on when
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

    /* All at once, with the other chain far ahead: no connection failed. */
    const before = see.mark();
    there.proxy.target = other.port;
    there.proxy.drop();
    found.atOnce = await see.waitLine('L005', { from: before, proc: 'listener' }, 30000);
    found.names.push(...await there.ask(3));
    there.proxy.target = there.chain.port;
    there.proxy.drop();
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

test('a node of another chain is not used, at the start or all at once; it clears itself', async () => {
  const found = await elsewhere;
  assert.equal(found.atStart.chain_id, '31337');
  assert.equal(found.atStart.wanted, '421614');
  assert.ok(found.atStart.hint);
  assert.equal(found.status.code, 1);
  assert.deepEqual(found.rowsMeanwhile, []);
  assert.deepEqual(found.first.missing, []);
  assert.deepEqual(found.second.missing, []);
  assert.equal(found.atOnce.chain_id, '31337');
  assert.ok(found.lines.L005 >= 3 && found.lines.L005 <= 4, 'listener and submitter, each once for each time');
  assert.deepEqual({ ...found.lines, L005: 0 }, { L005: 0, L009: 0, L010: 0, T003: 0, X010: 0 });
  assert.equal(found.counters.executor_retracted, 0);
  assert.deepEqual(found.verdict.problems, []);
});
