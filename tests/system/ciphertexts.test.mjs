/*
 * Ciphertexts that are wrong, missing, cut, too large, elsewhere or not to be had: the request
 * they belong to waits and says why, all others are answered meanwhile, and nothing is lost.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { lookAt, until } from './look.mjs';
import { startWorld } from './world.mjs';

const MiB = 1024 * 1024;
let world;
let look;

before(async () => {
  world = await startWorld({ bucketProxy: true, config: { retry_interval_secs: 1 } });
  look = lookAt(world);
  await world.startConnector();
  await look.waitFine();
});
after(() => world?.stop());

/** One request over a new ciphertext whose every copy, or copy in some buckets, is spoilt. */
async function askSpoilt(kind, more, { size = 4096, buckets = null } = {}) {
  const set = await world.makeCiphertexts([5], { size });
  const [{ digest }] = set;
  if (kind === 'missing') await world.bucket.remove(digest);
  else for (const b of buckets ?? [null]) await world.bucket.fault(b ? `${b}/${digest.slice(2)}` : digest, kind, more);
  const [name] = await world.ask(1, { sets: [set] });
  return name;
}

/* How a bucket can fail one ciphertext -> what the line says of it. */
const faults = [
  ['missing', {}, /no ciphertext there now \(HTTP 404\)/],
  ['status', { status: 403 }, /no ciphertext there now \(HTTP 403\)/],
  ['status', { status: 404 }, /no ciphertext there now \(HTTP 404\)/],
  ['wrong', {}, /does not have the digest/],
  ['wrong', { at: 4095 }, /does not have the digest/],
  ['empty', {}, /does not have the digest/],
  ['truncated', {}, /partial|before all|bytes/i],
  ['announced', {}, /over 66 MiB/],
  ['endless', {}, /over 66 MiB/],
  ['redirect', {}, /redirects, which is not followed \(HTTP 302\)/],
  ['reset', {}, /reset|receiving|sending|no data/i],
  ['status', { status: 500 }, /HTTP 500/],
];

test('each of them waits with one line and says why; others are answered meanwhile', async () => {
  const counted = await look.counters();
  const names = [];
  const kept = [];
  for (const [kind, more] of faults) {
    const set = await world.makeCiphertexts([5], { keepBodies: true });
    kept.push(set[0]);
    if (kind === 'missing') await world.bucket.remove(set[0].digest);
    else await world.bucket.fault(set[0].digest, kind, more);
    names.push(...await world.ask(1, { sets: [set] }));
  }
  await look.answered(await world.ask(20, { types: [0, 5, 8] }), 15000);

  for (const [i, [kind, , why]] of faults.entries()) {
    const line = await look.waitLine('X006', { id: names[i] });
    assert.match(line.why, why, kind);
    assert.match(line.why, /^http:\/\/127\.0\.0\.1:\d+\/ct128/, 'the line names the bucket');
    assert.ok(line.hint, 'the line has a hint');
    const row = await look.waitShow(names[i], 'is tried again', (r) => r.attempts >= 2, 20000);
    assert.equal(row.state, 'checking');
    assert.match(row.reason, why, kind);
  }
  await look.answered(await world.ask(5), 10000);
  const waiting = await look.list('checking');
  assert.deepEqual(names.filter((name) => !waiting.includes(name)), []);
  const status = await look.status();
  assert.equal(status.code, 0, status.text);
  assert.equal(status.figures.requests_checking, names.length);
  assert.equal(status.stages.find((s) => s.name === 'storage').state, 'runs');
  const { output } = await world.cli('show', names[0]);
  assert.match(output, /^state +checking: .*\nreason +http:\/\/.*HTTP 404.*\n(.*\n)*next attempt/m);
  assert.ok(await look.grown(counted, 'executor_fetch_errors') >= 2 * faults.length);

  /* Here they are again: in the ways of each, without an operator. */
  await world.bucket.clear();
  await world.bucket.put(kept[0].body);
  await look.answered(names, 45000);
  for (const name of names) assert.equal(look.lines('X006', { id: name }).length, 1, name);
  assert.equal(look.lines('X007').length, 0, 'single requests do not pause the storage');
  await look.judged();
});

test('one bad copy: another coprocessor has it', async () => {
  const counted = await look.counters();
  const bad = [['status', { status: 403 }], ['wrong'], ['truncated'], ['announced'], ['redirect'], ['reset'], ['endless']];
  const names = [];
  /* Wherever a request begins, one of these is the first copy it asks for. */
  for (const [kind, more] of bad) {
    names.push(await askSpoilt(kind, more, { buckets: world.bucket.buckets.slice(0, 2) }));
    names.push(await askSpoilt(kind, more, { buckets: world.bucket.buckets.slice(1, 3) }));
  }
  await look.answered(names, 15000);
  for (const name of names) assert.equal(look.lines('X006', { id: name }).length, 0, 'nothing was missing');
  assert.equal(await look.grown(counted, 'executor_fetch_errors'), 0);
  await world.bucket.clear();
  await look.judged();
});

test('a bucket that hangs: others have it, and what needs no hanging bucket does not wait', async () => {
  const [hanging] = world.bucket.buckets;
  await world.bucket.fault(`${hanging}/*`, 'hang');
  const first = await world.ask(12);
  await look.answered(first, 25000);
  /* By now it is known to hang: one request at most finds out whether it still does. */
  const { buckets } = await world.bucket.stats();
  assert.ok(buckets[hanging] > 0);
  await look.answered(await world.ask(12));
  assert.ok((await world.bucket.stats()).buckets[hanging] - buckets[hanging] <= 1);
  assert.equal(look.lines('X007').length, 0);
  await world.bucket.clear();
  await look.answered(await world.ask(3));
  await look.judged();
});

test('large bodies, and several materials', async () => {
  const large = await world.ask(6, { size: 2 * MiB, materials: 3, types: [5, 8, 0] });
  const mixed = await world.ask(6, { materials: 7, types: [0, 2, 4, 5, 7, 8] });
  await look.answered([...large, ...mixed], 30000);
  /* One of several that is missing: all or none. */
  const set = await world.makeCiphertexts([5, 5, 5, 5], { keepBodies: true });
  await world.bucket.remove(set[2].digest);
  const [name] = await world.ask(1, { sets: [set] });
  await look.waitShow(name, 'waits', (r) => r.state === 'checking' && /HTTP 404/.test(r.reason));
  assert.equal((await world.core.control({ op: 'ids', kind: 'public' }))[BigInt(name.slice(7)).toString(16).padStart(64, '0')],
    undefined, 'the Core was not asked with a part of them');
  await world.bucket.put(set[2].body);
  await look.answered([name], 15000);
  await until('no body is held', async () => (await look.counters()).executor_body_bytes === 0);
  await look.judged();
});

test('no storage at all for some seconds: one trouble, one line, and it clears itself', async () => {
  const from = look.mark();
  await world.bucketProxy.refuse();
  const names = await world.ask(40);
  await look.waitLine('X007', { from }, 20000);
  const status = await look.waitStatus(/^needs you: nothing\ndegraded: {2}storage is paused for \d+ s: http.*; clears by itself/);
  assert.equal(status.code, 1);
  assert.equal((await look.counters()).executor_paused_storage, 1);
  const row = await look.show(names[20]);
  assert.equal(row.state, 'checking');
  assert.match(row.reason, /^http:.*(connect|Connection)/);
  await until('canaries go ahead', async () => look.lines('X008', { from }).length === 0
    && Date.now() - Date.parse(look.lines('X007', { from })[0].ts) > 4000);
  await world.bucketProxy.forward();
  const up = await look.waitLine('X008', { from }, 10000);
  assert.equal(up.stage, 'storage');
  await look.answered(names, 30000);
  await look.waitFine();
  assert.equal((await look.counters()).executor_paused_storage, 0);
  assert.equal(look.lines('X007', { from }).length, 1);
  assert.equal(look.lines('X008', { from }).length, 1);
  assert.ok(look.lines('X006', { from }).length <= 5, `${look.lines('X006', { from }).length} lines for one trouble`);
  await look.judged();
});

test('storage that hangs altogether: the same', async () => {
  const from = look.mark();
  world.bucketProxy.silent();
  const names = await world.ask(10);
  const line = await look.waitLine('X007', { from }, 30000);
  assert.equal(line.stage, 'storage');
  assert.match((await look.stage('storage')).why, /^http:/);
  assert.equal((await look.list('checking')).length, 10);
  await world.bucketProxy.forward();
  await look.answered(names, 30000);
  await look.waitFine();
  assert.equal(look.lines('X007', { from }).length, 1);
  assert.equal(look.lines('X008', { from }).length, 1);
  assert.equal((await look.counters()).executor_refused_edges, 0, 'nothing happened in a state that does not know it');
  await look.judged();
});
