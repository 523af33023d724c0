/*
 * core - a KMS Core and a storage that are away, forget, refuse, or say what is not so.
 */
import assert from 'node:assert/strict';
import { Wallet } from 'ethers';
import { until } from '../peers/process.mjs';
import { seeded } from '../system/random.mjs';

const MiB = 1024 * 1024;
const coreId = (name) => BigInt(name.slice(name.indexOf('-') + 1)).toString(16).padStart(64, '0');
const kindOf = (name) => name.slice(0, name.indexOf('-'));
const once = (names) => names.map(() => 1);

const tell = (g, op, more = {}) => g.core.control({ op, ...more });
const fail = (g, more) => tell(g, 'fail', more);

/** How often the Core was asked to start each of these, since it runs. */
async function starts(g, names, kind = kindOf(names[0])) {
  const ids = await tell(g, 'ids', { kind });
  return names.map((name) => ids[coreId(name)] ?? 0);
}

/** Until the Core computes so many. */
const computes = (g, count) => until(`the Core has ${count}`, async () => (await g.core.stats()).waiting >= count);

/*
 * The Core's port refuses connections, from the start and again later: one line, the stage is
 * paused and said so, it is asked again and again, and nobody has to do anything.
 */
export async function X01(t) {
  const g = await t.ground();
  await g.coreProxy.refuse();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const from = g.look.mark();
    if (k) await g.coreProxy.refuse();
    const names = await g.ask(4);
    assert.equal((await g.look.waitLine('X001', { from })).stage, 'core');
    const status = await g.look.waitStatus(/^needs you: nothing\ndegraded: {2}core is paused .*UNAVAILABLE.*clears by itself/);
    assert.equal(status.code, 1);
    const counted = await g.look.counters();
    assert.equal(counted.executor_paused_core, 1);
    await g.look.waitCounter('executor_core_calls', (n) => n >= counted.executor_core_calls + 2);
    await g.heals(names, () => g.coreProxy.forward());
    g.look.counted(from, { X001: 1, X002: 1 });
  }
  await g.finish();
}

/*
 * UNAVAILABLE of a Core that is there, as the answer to a result call, means "not ready": asked
 * again, with no line and no pause, and nothing is started a second time.
 */
export async function X02(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const from = g.look.mark();
    const { calls } = await g.core.stats();
    await fail(g, { call: 'result', code: 'UNAVAILABLE' });
    const names = await g.ask(3);
    await until('each was asked for', async () => {
      return (await g.core.stats()).calls.GetPublicDecryptionResult >= (calls.GetPublicDecryptionResult ?? 0) + 3;
    });
    assert.equal((await g.look.counters()).executor_paused_core, 0);
    await g.heals(names, () => tell(g, 'clear'));
    assert.deepEqual(await starts(g, names), once(names));
    g.look.counted(from, { X001: 0, X002: 0, X023: 0 });
  }
  await g.finish();
}

/*
 * 19 of 20 calls are RESOURCE_EXHAUSTED for a while: less and less is asked at once, then one call
 * each second; nothing is refused or held, and one line says it, not one for each call.
 */
export async function X03(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const from = g.look.mark();
    const counted = await g.look.counters();
    await fail(g, { call: 'any', code: 'RESOURCE_EXHAUSTED', share: 0.95, seed: 1 + k });
    const names = await g.ask(12);
    await g.look.waitLine('X029', { from });
    await g.look.waitStatus(/^needs you: nothing\ndegraded: {2}core is paused .*RESOURCE_EXHAUSTED/);
    await g.look.waitCounter('executor_core_errors', (n) => n >= counted.executor_core_errors + 15);
    await g.heals(names, () => tell(g, 'clear'));
    for (const name of ['refused', 'held', 'expired']) assert.equal(await g.look.grown(counted, `executor_${name}`), 0);
    assert.ok(g.look.lines('X015', { from }).length <= 1);
    assert.ok(g.look.lines('X029', { from }).length <= 5);
  }
  await g.finish();
}

/*
 * Calls that are never answered: a start call before and after the Core took it, and result calls.
 * An attempt ends after decryption_timeout_secs; then the result is asked for, never another start.
 * The last attempt that hangs ends 1 s after the fault, and the next comes within 1 s.
 */
export async function X04(t) {
  const g = await t.ground({ config: { decryption_timeout_secs: 1 } });
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const counted = await g.look.counters();
    await fail(g, { call: 'start', hang: true, count: 1 });
    await fail(g, { call: 'start', hang: true, after: true, count: 1 });
    await fail(g, { call: 'result', hang: true });
    const names = await g.ask(3);
    await g.look.waitCounter('executor_core_errors', (n) => n >= counted.executor_core_errors + 4);
    await g.heals(names, () => tell(g, 'clear'), 4000);
    assert.deepEqual(await starts(g, names), once(names));
  }
  await g.finish();
}

/*
 * The Core's connections stand still, both ways, and new ones do not.  A ping ends them, after
 * core.keepalive and half of that; a second later requests go on.  The last of several times is as
 * it is without configuration: 30 s.
 */
export async function X05(t) {
  for (let k = 0; k < t.times; k++) {
    const seconds = k + 1 < t.times || t.times === 1 ? 1 : 20;
    const g = await t.ground({ config: { core: { keepalive: `${seconds}s` } } });
    await g.start();
    await g.answered(await g.ask(1));
    const from = g.look.mark();
    const { met } = await g.coreProxy.fault('stall', { dir: 'both', open: true, skip: 1e6 });
    assert.ok(met >= 1);
    const names = await g.ask(3);
    await g.heals(names, () => {}, 1500 * seconds + 2000);
    assert.ok(g.look.lines('X001', { from }).length <= 1);
    await g.finish();
  }
}

/*
 * The executor dies while the Core computes: the next one asks it to start again, hears
 * ALREADY_EXISTS, and takes the result, which is checked by the signature over our own handles.
 * What the Core still has to compute is in the time.
 */
export async function X08(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    await tell(g, 'set', { delayMs: 700 });
    const names = await g.ask(3);
    await computes(g, 3);
    const { errors } = await g.core.stats();
    await g.heals(names, () => g.world.signal('kms-executor'), 2700);
    const now = (await g.core.stats()).errors;
    const key = 'PublicDecrypt:ALREADY_EXISTS';
    assert.equal(now[key] ?? 0, (errors[key] ?? 0) + 3);
    await tell(g, 'clear');
  }
  await g.finish();
}

/*
 * The Core restarts without memory while it computes: NOT_FOUND, so all are started again under
 * their ids, and one line says so.  A Core that forgets the same request again and again is asked
 * less and less often.
 */
export async function X09(t) {
  const g = await t.ground();
  await g.start();
  let from = g.look.mark();
  for (let k = 0; k < t.times; k++) {
    const counted = await g.look.counters();
    await tell(g, 'set', { delayMs: 60000 });
    const names = await g.ask(4);
    await computes(g, 4);
    await g.heals(names, () => g.core.restart());
    assert.equal(await g.look.grown(counted, 'executor_core_forgot'), 4);
    assert.deepEqual(await starts(g, names), once(names));
  }
  assert.ok(g.look.lines('X003', { from }).length <= 2, 'at most one line a minute');

  from = g.look.mark();
  await fail(g, { call: 'result', code: 'NOT_FOUND' });
  const names = await g.ask(1);
  await until('it was started again twice', async () => (await starts(g, names))[0] >= 3);
  const { calls } = await g.core.stats();
  assert.ok(calls.GetPublicDecryptionResult <= 4 * (t.times + 3), `${calls.GetPublicDecryptionResult} calls`);
  await g.heals(names, () => tell(g, 'clear'), 4000); /* it waits up to 4 s by now */
  await g.finish();
}
