/*
 * While 200 requests flow, each process is killed at least 10 times at seeded moments: after a
 * while, or in the middle of a call to the chain.  The supervisor is started again as systemd
 * would.  What counts is what the chain has accepted.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readProcess, sleep, until } from '../peers/process.mjs';
import { lookAt } from './look.mjs';
import { seeded } from './random.mjs';
import { startWorld } from './world.mjs';

const REQUESTS = 200;
const KILLS = 10; /* of each process */
const FIRST = 40; /* requests of the test before that: more than signatures may be under way */
const SUPERVISOR = 'kms-connector';
const ALL = [SUPERVISOR, 'kms-listener', 'kms-executor', 'kms-submitter', 'kms-signer', 'kms-monitor'];
const CALLS = ['eth_getLogs', 'eth_estimateGas', 'eth_sendRawTransaction', 'eth_sendRawTransaction',
  'eth_getTransactionReceipt'];
const random = seeded();
let world;
let onCall = null; /* sees each call of the connector to the chain before the chain does */

before(async () => {
  world = await startWorld({
    keep: Boolean(process.env.KEEP),
    core: { delayMs: 1000 },
    config: { retry_interval_secs: 1 },
    onCall: (call) => onCall?.(call),
  });
});
after(async () => {
  await world?.stop();
});

/* Resolves with the process of a name as soon as there is one: after a death it may rest a while. */
const alive = (name) => until(`a process ${name}`, async () => {
  if (world.connector.ended) await world.startConnector({ init: false }); /* as systemd would */
  return world.processOf(name);
}, 40000, 5);

/** Kills a process now, or while its connector makes a call of that name; true when it was in a call. */
async function kill(name, method) {
  const { pid } = await alive(name);
  const met = method && await new Promise((resolve) => {
    const timer = setTimeout(resolve, 1000, false);
    onCall = (call) => {
      if (call.method !== method) return;
      onCall = null;
      clearTimeout(timer);
      process.kill(pid, 'SIGKILL');
      resolve(true);
    };
  });
  onCall = null;
  if (!met) process.kill(pid, 'SIGKILL');
  return Boolean(met);
}

/** With the supervisor its children go; it is started again at once, even if they still do. */
async function killSupervisor(method) {
  const children = world.processes().slice(1);
  const met = await kill(SUPERVISOR, method);
  await world.connector.exited;
  await world.startConnector({ init: false });
  return { children, met };
}

test('the executor dies while signatures are under way', { timeout: 60000 }, async () => {
  const look = lookAt(world);

  await world.startConnector();
  await look.waitFine();
  const signer = world.signal('kms-signer', 'SIGSTOP'); /* for less time than hung ones have */
  const before = await look.counters();
  /* Calls are counted when their answers come; what they permit is then asked of the signer. */
  const tried = (times) => until(`answers are tried ${times} times`, async () => {
    const now = await look.counters();
    return ['submitter_estimates', 'submitter_rpc_calls'].every((name) => now[name] - before[name] >= times);
  }, 8000, 50);
  await world.ask(FIRST, { types: [5], distinct: 4 });
  await tried(FIRST);
  world.signal('kms-executor', 'SIGKILL');
  await tried(2 * FIRST);
  process.kill(signer, 'SIGCONT');

  assert.deepEqual((await world.waitAnswered(20000)).missing, []);
  assert.equal(world.processOf('kms-signer').pid, signer, 'it is the same signer');
  assert.deepEqual((await world.judge()).problems, []);
});

test(`each process is killed ${KILLS} times, ${REQUESTS} requests flow`, { timeout: 300000 }, async (t) => {
  t.diagnostic(`SEED=${random.seed}`);
  const kills = { all: 0, inCall: 0, withOpen: 0 };
  const left = [];

  if (!world.connector) await world.startConnector();
  const first = world.requests.size;

  /* Blocks come with each transaction or each second, so that transactions of ours also wait. */
  async function mine(everySecond) {
    await world.chain.rpc(everySecond ? 'evm_setIntervalMining' : 'evm_setAutomine', everySecond ? 1 : true);
    await world.chain.mine(); /* what waited for the other kind of mining */
  }

  /* As many are asked for as there are kills behind us, in proportion, and a group more. */
  async function askAll() {
    for (let asked = 0; asked < REQUESTS;) {
      await until('the kills to go on', () => asked / REQUESTS <= kills.all / (KILLS * ALL.length), 60000, 10);
      const count = Math.min(random.between(3, 8), REQUESTS - asked);
      await mine(random.below(2) === 1);
      await world.ask(count, { types: [0, 2, 5, 8], materials: random.between(1, 2) });
      asked += count;
    }
  }

  async function killAll() {
    for (const name of random.shuffle(ALL.flatMap((one) => Array(KILLS).fill(one)))) {
      await sleep(random.between(20, 700));
      const method = random.below(2) ? random.pick(CALLS) : null;
      const open = world.requests.size - (await world.responseEvents()).size;
      let met;
      if (name === SUPERVISOR) {
        const { children, met: inCall } = await killSupervisor(method);
        left.push(...children);
        met = inCall;
      } else {
        met = await kill(name, method);
      }
      kills[name] = (kills[name] ?? 0) + 1;
      kills.all++;
      kills.inCall += met;
      kills.withOpen += open > 0;
    }
  }

  await Promise.all([killAll(), askAll()]);
  const began = Date.now();
  const { missing } = await world.waitAnswered(90000);
  t.diagnostic(`killed ${JSON.stringify(kills)}; all answered ${Date.now() - began} ms after the last`);
  assert.deepEqual(missing, []);
  const total = first + REQUESTS;
  assert.equal(world.requests.size, total);
  for (const name of ALL) assert.equal(kills[name], KILLS, name);
  assert.ok(kills.withOpen >= 30, 'half of the kills meet open requests');
  assert.ok(kills.inCall >= 5, 'some of them meet a call');

  /* Nobody has to do anything, and our own books say so too. */
  const look = lookAt(world);
  await until('all requests are done in our books', async () => {
    return (await look.list('done')).length === total;
  }, 30000, 100);
  await look.waitFine(40000);

  const verdict = await world.judge();
  assert.deepEqual(verdict.problems, []);
  assert.equal(verdict.transactions, total);
  assert.equal(verdict.accepted, total);
  assert.equal(verdict.nonces.next, total);
  assert.deepEqual(verdict.pool, { pending: 0, queued: 0 });

  /* Children of killed supervisors are gone. */
  const orphans = left.filter(({ pid, name }) => {
    const now = readProcess(pid);
    return now?.name === name && now.state !== 'Z' && !world.processes().some((p) => p.pid === pid);
  });
  assert.deepEqual(orphans, []);
});
