/*
 * A KMS Core that is down, slow, forgetful, busy, wrong, or says any of the codes that gRPC has:
 * requests wait, are asked again, are refused or held as executor/verdict.h says; one never
 * holds up another, and many with one cause are one trouble.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Wallet } from 'ethers';
import { lookAt, until } from './look.mjs';
import { startWorld } from './world.mjs';

const MiB = 1024 * 1024;
let world;
let look;
let asked = 0; /* requests so far: the contract counts them, so the next id is known */

before(async () => {
  world = await startWorld({
    coreProxy: true,
    config: { retry_interval_secs: 1, core: { max_message: '4MiB' } },
  });
  look = lookAt(world);
});
afterEach(async () => { /* whatever a failure left behind */
  await control({ op: 'clear' });
  await world.coreProxy.forward();
});
after(() => world?.stop());

async function ask(count, options) {
  asked += count;
  return world.ask(count, options);
}

const hexId = (id) => BigInt(id).toString(16).padStart(64, '0');
const coreId = (name) => hexId(name.slice(name.indexOf('-') + 1));
const control = (message) => world.core.control(message);

/* How often the Core was asked to start a request. */
async function starts(name) {
  return (await control({ op: 'ids', kind: 'public' }))[coreId(name)] ?? 0;
}

// ---- it is not there ----

test('down at the start, and down for some seconds: one line, and it clears itself', async () => {
  await world.coreProxy.refuse();
  await world.startConnector();
  for (let round = 0; round < 2; round++) {
    const from = look.mark();
    if (round) await world.coreProxy.refuse();
    const names = await ask(20);
    const down = await look.waitLine('X001', { from });
    assert.equal(down.stage, 'core');
    assert.match(down.why, /UNAVAILABLE to the start call/);
    const status = await look.waitStatus(/^needs you: nothing\ndegraded: {2}core is paused for \d+ s: .*UNAVAILABLE.*; clears by itself/);
    assert.equal(status.code, 1);
    assert.equal((await look.counters()).executor_paused_core, 1);
    await look.waitShow(names[7], 'waits for the Core', (r) => r.state === 'computing' && /UNAVAILABLE/.test(r.reason));
    /* Long enough for some canaries. */
    const calls = (await look.counters()).executor_core_calls;
    await look.waitCounter('executor_core_calls', (n) => n >= calls + 2);
    assert.equal(look.lines('X002', { from }).length, 0);
    await world.coreProxy.forward();
    await look.answered(names);
    assert.equal((await look.counters()).executor_paused_core, 0);
    assert.equal(look.lines('X001', { from }).length, 1);
    assert.equal(look.lines('X002', { from }).length, 1);
    await look.waitFine();
  }
  await look.judged();
});

test('it stands still, and goes on', async () => {
  const from = look.mark();
  world.core.pause();
  const names = await ask(10);
  await until('they are with the Core', async () => (await look.list('computing')).length === 10);
  assert.equal((await look.status()).code, 0, 'a Core may take its time');
  world.core.resume();
  await look.answered(names);
  assert.equal(look.lines('X001', { from }).length, 0);
  for (const name of names) assert.equal(await starts(name), 1);
});

test('slow for one: others are answered before it; a result that is not ready is asked for again', async () => {
  await control({ op: 'set', delayMs: 8000, longPollMs: 300 });
  const [slow] = await ask(1);
  await look.waitState(slow, 'computing');
  await until('the Core has it', async () => await starts(slow) === 1);
  await control({ op: 'set', delayMs: 0 });
  await look.answered(await ask(10));
  assert.equal((await look.show(slow)).state, 'computing');
  await look.answered([slow]);
  assert.equal(await starts(slow), 1);
  await control({ op: 'clear' });
});

test('a restart without memory while it holds requests: they are started again under their ids', async () => {
  const counted = await look.counters();
  const from = look.mark();
  await control({ op: 'set', delayMs: 60000 });
  const names = await ask(20);
  await until('the Core has all', async () => (await control({ op: 'stats' })).waiting >= 20);
  await world.core.restart();
  await look.answered(names);
  assert.equal(await look.grown(counted, 'executor_core_forgot'), 20);
  for (const name of names) assert.equal(await starts(name), 1, 'once after it forgot');
  assert.equal(look.lines('X003', { from }).length, 1, 'one line for all of them');
  assert.ok(look.lines('X001', { from }).length <= 1);
  assert.equal(look.lines('X002', { from }).length, look.lines('X001', { from }).length);
  await look.waitFine();
  await look.judged();
});

// ---- what it answers is not what was asked ----

test('answers for another id, of another number, of another type, or signed by another key', async () => {
  const twists = [
    [{ otherId: true }, 'X004', /for another request id/],
    [{ plaintexts: 'missing' }, 'X004', /another number of plaintexts/],
    [{ plaintexts: 'extra' }, 'X004', /another number of plaintexts/],
    [{ plaintexts: 'type' }, 'X004', /does not fit its type/],
    [{ key: Wallet.createRandom().privateKey }, 'X005', /not signed, or by another key/],
    [{ badSignature: true }, 'X005', /not signed, or by another key/],
    [{ shortSignature: true }, 'X005', /not signed, or by another key/],
    [{ noExternalSignature: true }, null],
  ];
  const counted = await look.counters();
  for (const [twist, code, why] of twists) {
    const from = look.mark();
    await control({ op: 'twist', ...twist });
    const [name] = await ask(1, { materials: 2, types: [5, 8] });
    if (code) {
      const line = await look.waitLine(code, { from, id: name });
      assert.match(line.why, why);
      assert.ok(line.hint);
      const row = await look.waitShow(name, 'is tried again', (r) => r.attempts >= 1);
      assert.equal(row.state, 'computing');
      assert.match(row.reason, why);
    }
    /* It computes again, rightly: nobody else has to do anything. */
    await control({ op: 'clear' });
    await world.core.forget();
    await look.answered([name]);
    if (code) assert.equal(look.lines(code, { from }).length, 1, 'one line');
  }
  assert.ok(await look.grown(counted, 'executor_core_wrong') >= 7);
  assert.equal(await look.grown(counted, 'executor_held'), 0);
  assert.equal((await look.status()).code, 0);
  await look.judged();
});

test('wrong again and again for one request: held; retry brings it back', async () => {
  await control({ op: 'twist', key: Wallet.createRandom().privateKey });
  const from = look.mark();
  const [name] = await ask(1);
  const line = await look.waitLine('X010', { from, id: name }, 30000);
  assert.match(line.reason, /another key/);
  assert.equal(look.lines('X005', { from }).length, 1);
  assert.equal((await look.waitStatus(/^needs you: 1 request is held: kms-connector list --state held/)).code, 2);
  assert.deepEqual(await look.list('held'), [name]);
  await control({ op: 'clear' });
  await world.core.forget();
  const { code, output } = await world.cli('retry', name);
  assert.equal(code, 0, output);
  assert.equal(output, 'retry: 1 request\n');
  await look.answered([name]);
  await look.waitFine();
  await look.judged();
});

// ---- every code there is ----

/*
 * What a code on one of the two calls leads to, for one request:
 *   answered  it is, although the fault came twice
 *   one start   the same, and the Core was not asked to start it a second time
 *   held      the fault stays: after some tries an operator has to look at it
 *   refused   at once
 * `after`: the Core had taken the request when it said so.
 */
const verdicts = [
  ['start', 'CANCELLED', 'answered'],
  ['start', 'CANCELLED', 'one start', { after: true }],
  ['start', 'UNKNOWN', 'answered'],
  ['start', 'UNKNOWN', 'one start', { after: true }],
  ['start', 'DEADLINE_EXCEEDED', 'answered'],
  ['start', 'DEADLINE_EXCEEDED', 'one start', { after: true }],
  ['start', 'NOT_FOUND', 'answered'],
  ['start', 'ALREADY_EXISTS', 'one start', { after: true }],
  ['start', 'ABORTED', 'one start', { after: true, message: 'a request with this id exists already' }],
  ['start', 'RESOURCE_EXHAUSTED', 'answered'],
  ['start', 'UNAVAILABLE', 'answered'],
  ['start', 'INTERNAL', 'answered'],
  ['start', 'FAILED_PRECONDITION', 'answered'],
  ['result', 'CANCELLED', 'one start'],
  ['result', 'UNKNOWN', 'one start'],
  ['result', 'DEADLINE_EXCEEDED', 'one start'],
  ['result', 'NOT_FOUND', 'answered'],
  ['result', 'RESOURCE_EXHAUSTED', 'one start'],
  ['result', 'UNAVAILABLE', 'one start'],
  ['result', 'INTERNAL', 'one start'],
  ['result', 'ALREADY_EXISTS', 'one start'],
  ['start', 'INVALID_ARGUMENT', 'refused'],
  ['result', 'INVALID_ARGUMENT', 'refused'],
  ['start', 'INTERNAL', 'held'],
  ['start', 'ABORTED', 'held'],
  ['start', 'FAILED_PRECONDITION', 'held'],
  ['start', 'OUT_OF_RANGE', 'held'],
  ['start', 'UNIMPLEMENTED', 'held'],
  ['start', 'DATA_LOSS', 'held'],
  ['result', 'INTERNAL', 'held'],
  ['result', 'ABORTED', 'held'],
  ['result', 'FAILED_PRECONDITION', 'held'],
  ['result', 'OUT_OF_RANGE', 'held'],
  ['result', 'UNIMPLEMENTED', 'held'],
  ['result', 'DATA_LOSS', 'held'],
  ['result', 'ALREADY_EXISTS', 'held'],
];

test('each status of gRPC on each call, for one request: the verdict that the table says', async () => {
  const counted = await look.counters();
  const from = look.mark();
  const rows = [];
  for (const [i, [call, code, verdict, more]] of verdicts.entries()) {
    const count = verdict === 'refused' || verdict === 'held' ? 0 : more?.after ? 1 : 2;
    await control({ op: 'fail', call, code, ids: [hexId(asked + 1)], count, ...more });
    const [name] = await ask(1);
    rows.push({ name, call, code, verdict, label: `${code} on ${call}: ${verdict}` });
    /* A request that goes well in between: these are troubles of single requests. */
    if (i % 3 === 2) await look.answered(await ask(1));
  }
  const of = (...wanted) => rows.filter((r) => wanted.includes(r.verdict));

  await look.answered(of('answered', 'one start').map((r) => r.name), 30000);
  for (const { name, label } of of('one start')) assert.equal(await starts(name), 1, label);
  for (const { name, call, code, label } of of('refused', 'held')) {
    const event = label.endsWith('held') ? 'X010' : 'X009';
    const line = await look.waitLine(event, { from, id: name }, 30000);
    assert.match(line.reason, new RegExp(`^the Core answered ${code} to the ${call} call: as the test wants`), label);
    const row = await look.show(name);
    assert.equal(`${code} on ${call}: ${row.state}`, label);
    assert.equal(row.reason, line.reason);
  }
  for (const state of ['held', 'refused']) {
    const names = of(state).map((r) => r.name);
    assert.deepEqual((await look.list(state)).sort(), names.sort());
    assert.equal(await look.grown(counted, `executor_${state}`), names.length);
  }
  assert.ok(look.lines('X015', { from }).length >= 1, 'asked for less');
  assert.equal(look.lines('X001', { from }).length, 0);
  assert.equal(look.lines('X016', { from }).length, 0);
  assert.equal(look.lines('X023', { from }).length, 0);
  const needs = new RegExp(`^needs you: ${of('held').length} requests are held: kms-connector list --state held`);
  assert.equal((await look.waitStatus(needs)).code, 2);

  /* The fault is over: an operator asks for all of them again. */
  await control({ op: 'clear' });
  const { code, output } = await world.cli('retry', '--all');
  assert.equal(code, 0);
  assert.equal(output, `retry: ${of('held', 'refused').length} requests\n`);
  await look.answered(rows.map((r) => r.name));
  await look.waitFine();
  await look.judged();
});

test('a request larger than the Core takes is refused, not sent', async () => {
  const counted = await look.counters();
  const [name] = await ask(1, { size: 2 * MiB, materials: 3 });
  const [small] = await ask(1, { size: MiB, materials: 3 });
  await look.answered([small]);
  const line = await look.waitLine('X009', { id: name });
  assert.match(line.reason, /larger than core\.max_message/);
  assert.deepEqual(await look.list('refused'), [name]);
  assert.equal(await starts(name), 0);
  assert.equal(await look.grown(counted, 'executor_refused'), 1);
  assert.equal((await look.status()).code, 0);
  world.requests.delete(name); /* it never can be answered */
});

test('a Core that says "known" and then "not known" is not asked without a pause', async () => {
  const ids = [hexId(asked + 1)];
  await control({ op: 'fail', call: 'start', code: 'ALREADY_EXISTS', ids });
  const [name] = await ask(1);
  await look.waitShow(name, 'waits', (r) => r.attempts >= 1);
  const before = await look.counters();
  await control({ op: 'resetStats' });
  await look.answered(await ask(10));
  await look.waitCounter('executor_core_forgot', (n) => n >= before.executor_core_forgot + 2);
  const { calls } = await control({ op: 'stats' });
  assert.ok(calls.PublicDecrypt < 20, `${calls.PublicDecrypt} calls`);
  await control({ op: 'clear' });
  await look.answered([name]);
  await look.judged();
});

// ---- it refuses this node; and a call that hangs, meanwhile ----

test('UNAUTHENTICATED and PERMISSION_DENIED pause the stage until the Core takes us again', async () => {
  await control({ op: 'fail', call: 'start', hang: true, ids: [hexId(asked + 1)], count: 1 });
  const [hanging] = await ask(1);
  await look.answered(await ask(3));

  const from = look.mark();
  const counted = await look.counters();
  await control({ op: 'fail', call: 'any', code: 'UNAUTHENTICATED' });
  const names = await ask(20);
  const line = await look.waitLine('X016', { from });
  assert.match(line.why, /UNAUTHENTICATED to the start call/);
  assert.match(line.hint, /credentials/);
  const status = await look.waitStatus(/degraded: {2}core is paused for \d+ s: the Core answered UNAUTHENTICATED/);
  assert.equal(status.code, 1);
  assert.equal(status.stages.find((s) => s.name === 'core').state, 'paused');
  assert.equal((await look.counters()).executor_paused_core, 1);
  await look.waitShow(names[19], 'waits', (r) => r.state === 'computing' && /UNAUTHENTICATED/.test(r.reason));
  assert.equal((await world.cli('pause', 'core')).output, 'pause: done\n');
  await control({ op: 'clear' });
  await control({ op: 'fail', call: 'any', code: 'PERMISSION_DENIED' });
  /* An operator need not wait for the canary, but is wrong here. */
  assert.equal((await world.cli('continue', 'core')).output, 'continue: done\n');
  await until('it says the other word', async () => /PERMISSION_DENIED/.test((await look.stage('core')).why));
  const paused = await look.counters();
  await control({ op: 'clear' });
  await look.answered([...names, hanging], 45000);
  assert.ok(await look.grown(paused, 'executor_core_calls') > 0);
  assert.ok(paused.executor_core_calls - counted.executor_core_calls <= 60, 'while it refuses us it is left alone');
  assert.equal(look.lines('X016', { from }).length, 2);
  assert.equal(look.lines('X002', { from }).length, 2);
  assert.equal(await look.grown(counted, 'executor_held'), 0);
  await look.waitFine();
  assert.equal((await look.counters()).executor_refused_edges, 0, 'nothing happened in a state that does not know it');
  await look.judged();
});
