/*
 * While 200 requests flow, each process is killed at least 10 times at seeded moments; the
 * supervisor is started again as systemd would.  What counts is what the chain has accepted.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readProcess, sleep, until } from '../peers/process.mjs';
import { lookAt } from './look.mjs';
import { seeded } from './random.mjs';
import { startWorld } from './world.mjs';

const REQUESTS = 200;
const KILLS = 10; /* of each process */
const CHILDREN = ['kms-listener', 'kms-executor', 'kms-submitter', 'kms-signer', 'kms-monitor'];
const random = seeded();
let world;

before(async () => {
  world = await startWorld({
    core: { delayMs: 150 },
    config: { s3_config: { allow_private: true }, retry_interval_secs: 1 },
  });
});
after(async () => {
  await world?.stop();
});

/** The supervisor dies and is started again as soon as it is gone; its children are left to themselves. */
async function killSupervisor() {
  const children = world.processes().slice(1);
  await world.connector.kill();
  await world.startConnector({ init: false });
  return children;
}

/** Kills a process as soon as there is one; returns how long that took. */
async function killChild(name) {
  const began = Date.now();
  await until(`a process ${name}`, () => {
    try {
      return world.signal(name);
    } catch {
      return false; /* it rests after the last time, or its supervisor does not live */
    }
  }, 40000, 5);
  return Date.now() - began;
}

test(`each process is killed ${KILLS} times, ${REQUESTS} requests flow`, { timeout: 300000 }, async (t) => {
  t.diagnostic(`SEED=${random.seed}`);
  const restarts = { 'kms-connector': 0 };
  const left = [];
  let done = false;

  await world.startConnector();

  /* Groups that have something in every stage at any time; the last ones after the last kills. */
  async function askAll() {
    for (let asked = 0; asked < REQUESTS;) {
      const count = Math.min(random.between(3, 8), REQUESTS - asked);
      await world.ask(count, { types: [0, 2, 5, 8], materials: random.between(1, 2) });
      asked += count;
      await sleep(random.between(100, 1700));
    }
  }

  async function killAll() {
    const victims = random.shuffle(['kms-connector', ...CHILDREN].flatMap((name) => Array(KILLS).fill(name)));
    for (const name of victims) {
      await sleep(random.between(50, 1100));
      if (name === 'kms-connector') left.push(...(await killSupervisor()));
      else await killChild(name);
      restarts[name] = (restarts[name] ?? 0) + 1;
    }
  }

  const killing = killAll();
  const asking = askAll();
  await Promise.all([killing, asking]).finally(() => { done = true; });
  const began = Date.now();
  const { missing } = await world.waitAnswered(90000);
  t.diagnostic(`killed ${JSON.stringify(restarts)}; all answered ${Date.now() - began} ms after the last one`);
  assert.ok(done);
  assert.deepEqual(missing, []);
  assert.ok(world.requests.size === REQUESTS);
  for (const name of ['kms-connector', ...CHILDREN]) assert.equal(restarts[name], KILLS, name);

  /* Nobody has to do anything, now or later. */
  const look = lookAt(world);
  await look.waitFine(40000);
  await until('all requests are done in our books', async () => {
    const rows = await look.list('done');
    return rows.length === REQUESTS;
  }, 30000, 100);

  const verdict = await world.judge();
  assert.deepEqual(verdict.problems, []);
  assert.equal(verdict.transactions, REQUESTS);
  assert.equal(verdict.accepted, REQUESTS);
  assert.equal(verdict.nonces.next, REQUESTS);
  assert.deepEqual(verdict.pool, { pending: 0, queued: 0 });

  /* Children of killed supervisors are gone. */
  const orphans = left.filter(({ pid, name }) => {
    const now = readProcess(pid);
    return now && now.name === name && now.state !== 'Z' && !world.processes().some((p) => p.pid === pid);
  });
  assert.deepEqual(orphans, []);
});
