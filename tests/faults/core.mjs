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
 * What the Core still has to compute is in the time.  (Each time with a new connector: one that dies
 * soon after it was started is not started again at once.)
 */
export async function X08(t) {
  for (let k = 0; k < t.times; k++) {
    const g = await t.ground();
    await g.start();
    await tell(g, 'set', { delayMs: 700 });
    const names = await g.ask(3);
    await computes(g, 3);
    const { errors } = await g.core.stats();
    await g.heals(names, () => g.world.signal('kms-executor'), 2700);
    const now = (await g.core.stats()).errors;
    const key = 'PublicDecrypt:ALREADY_EXISTS';
    assert.equal(now[key] ?? 0, (errors[key] ?? 0) + 3);
    await g.finish();
  }
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

const codes = ['INVALID_ARGUMENT', 42, 'UNAUTHENTICATED', 'INTERNAL', 'CANCELLED', 'UNKNOWN', 'DEADLINE_EXCEEDED',
  'NOT_FOUND', 'ALREADY_EXISTS', 'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED',
  'OUT_OF_RANGE', 'UNIMPLEMENTED', 'UNAVAILABLE', 'DATA_LOSS'];
const decryptions = ['PublicDecrypt', 'GetPublicDecryptionResult', 'UserDecrypt', 'GetUserDecryptionResult'];
const keys = ['KeyGenPreproc', 'GetKeyGenPreprocResult', 'KeyGen', 'GetKeyGenResult', 'CrsGen', 'GetCrsGenResult'];
const refusesUs = ['UNAUTHENTICATED', 'PERMISSION_DENIED'];

/* Until all are answered; an operator looks at those that are refused, and wants them again. */
async function answeredWithHelp(g, names) {
  await until(`${names} answered`, async () => {
    const { code, output } = await g.world.cli('retry', '--all');
    if (code !== 0) throw new Error(output);
    return (await g.world.waitAnswered(300, { names })).missing.length === 0;
  }, 40000);
}

/*
 * Every status of gRPC, and one that it does not have, once on each method of the Core: the
 * request is tried again and answered, after INVALID_ARGUMENT when an operator wants it again; a
 * Core that refuses this node pauses the stage with one line, and is taken back.  Alone also the
 * methods of key operations, and each status for ever on one start call: refused, or held, or
 * paused until it is over, and then answered.
 */
export async function X10(t) {
  const g = await t.ground({ config: { finality: { keygen: 'latest' } } });
  const all = t.times === codes.length;
  await g.start();
  for (const code of codes.slice(0, t.times)) {
    const from = g.look.mark();
    for (const method of [...decryptions, ...(all ? keys : [])]) await fail(g, { call: 'any', method, code, count: 1 });
    const names = [...await g.ask(1), ...await g.world.askUser(1, { types: [5] })];
    let made = null;
    if (all) {
      made = await g.world.askKey('preprocessKeygen');
      names.push(made.name, (await g.world.askKey('crsgen')).name);
    }
    if (code === 'INVALID_ARGUMENT') {
      for (const name of names.slice(0, 2)) await g.look.waitLine('X009', { from, id: name });
      await answeredWithHelp(g, names);
    }
    await g.answered(names, 40000);
    if (all) {
      const { name } = await g.world.askKey('keygen', made.resultId);
      if (code === 'INVALID_ARGUMENT') await answeredWithHelp(g, [name]);
      await g.answered([name], 40000);
    }
    if (refusesUs.includes(code)) assert.ok(g.look.lines('X016', { from }).length >= 1);
    if (all) await staysSo(g, code);
    await g.look.waitFine(40000);
  }
  await g.finish();
}

/* The next public decryption's number at the contract. */
const nextPublic = (g) => 1 + [...g.world.requests.values()].filter(({ kind }) => kind === 'public').length;

/* A status for ever, on the start call of one request. */
async function staysSo(g, code) {
  await fail(g, { call: 'start', code, ids: [coreId(`public-${nextPublic(g)}`)] });
  const [name] = await g.ask(1);
  const ends = { INVALID_ARGUMENT: 'refused', INTERNAL: 'held', ABORTED: 'held', FAILED_PRECONDITION: 'held',
    OUT_OF_RANGE: 'held', UNIMPLEMENTED: 'held', DATA_LOSS: 'held', 42: 'held' }[code];
  if (ends) {
    await g.look.waitState(name, ends, 30000);
    await g.look.waitLine(ends === 'held' ? 'X010' : 'X009', { id: name });
    await tell(g, 'clear');
    assert.equal((await g.world.cli('retry', name)).code, 0);
    await g.heals([name], () => {});
  } else {
    await g.look.waitShow(name, 'is tried again', (row) => row.state === 'computing' && row.reason !== '', 20000);
    await g.heals([name], () => tell(g, 'clear'), 4000); /* what was tried a few times waits up to 4 s */
  }
}

/* Answers that are made from now on are right again, and those made before are forgotten. */
const truth = async (g) => {
  await tell(g, 'clear');
  await g.core.forget();
};

/* So many requests of two ciphertexts, the answer to each spoilt by one of `twists`. */
async function askTwisted(g, twists, more = {}) {
  const first = nextPublic(g);
  for (const [i, twist] of twists.entries()) await tell(g, 'twist', { ids: [coreId(`public-${first + i}`)], ...twist });
  return g.ask(twists.length, { materials: 2, types: [5, 8], ...more });
}

/* Answers for another id, of another number, of another type: not believed, one line each, again. */
export async function X11(t) {
  const g = await t.ground();
  await g.start();
  const twists = [{ otherId: true }, { plaintexts: 'missing' }, { plaintexts: 'extra' }, { plaintexts: 'type' }];
  for (let k = 0; k < t.times; k++) {
    const from = g.look.mark();
    const counted = await g.look.counters();
    const names = await askTwisted(g, twists);
    for (const id of names) await g.look.waitLine('X004', { from, id });
    assert.ok(await g.look.grown(counted, 'executor_core_wrong') >= twists.length);
    await g.heals(names, () => truth(g));
    g.look.counted(from, { X004: twists.length, X023: 0 });
  }
  await g.finish();
}

/*
 * Signatures of another key, of nobody, too short: nothing of it reaches the chain.  A few are
 * troubles of their own; when all answers are so, the stage is paused, and nobody is held.
 */
export async function X12(t) {
  const g = await t.ground();
  const key = Wallet.createRandom().privateKey;
  const twists = [{ key }, { badSignature: true }, { shortSignature: true }];
  const sent = async () => (await g.chain.ledger()).rows.length;
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const from = g.look.mark();
    let names = await askTwisted(g, twists);
    const before = await sent();
    for (const id of names) await g.look.waitLine('X005', { from, id });
    assert.equal(await sent(), before);
    await g.heals(names, () => truth(g));

    await tell(g, 'twist', { key });
    names = await g.ask(8);
    const sentThen = await sent();
    await g.look.waitLine('X023', { from });
    await g.look.waitStatus(/^needs you: nothing\ndegraded: {2}core is paused .*not signed, or by another key/);
    assert.equal(await sent(), sentThen);
    await g.heals(names, () => truth(g));
    g.look.counted(from, { X023: 1, X002: 1, X010: 0 });
  }
  await g.finish();
}

/*
 * Answers of 64 MiB where 4 MiB are allowed: compressed to a few they are not even looked at, so
 * memory stays as it was, and asked for again; as they are they are refused.  So is a user's answer
 * that no transaction can hold.
 */
export async function X13(t) {
  const g = await t.ground({ config: { core: { max_message: '4MiB' } } });
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const from = g.look.mark();
    const before = g.peaks()['kms-executor'];
    await fail(g, { call: 'result', bomb: 64 * MiB, count: 1 });
    const [bombed] = await g.ask(1);
    await g.look.waitShow(bombed, 'is tried again', (row) => row.attempts >= 1);
    await g.answered([bombed]);
    const grown = g.peaks()['kms-executor'] - before;
    assert.ok(k || grown < 16 * 1024 || process.env.KMS_SANITIZERS, `${grown} KiB more`);

    await fail(g, { call: 'result', huge: 64 * MiB, count: 1 });
    const [public_] = await g.ask(1);
    assert.match((await g.look.waitLine('X009', { from, id: public_ })).reason, /larger than core\.max_message/);
    await tell(g, 'twist', { padTo: 200_000 });
    const [user] = await g.world.askUser(1, { types: [5] });
    assert.match((await g.look.waitLine('X009', { from, id: user })).reason, /calldata|transaction/);
    await truth(g);
    for (const name of [public_, user]) assert.equal((await g.world.cli('retry', name)).code, 0);
    await g.heals([public_, user], () => {});
    g.look.counted(from, { X009: 2, X015: 0, X029: 0 });
  }
  await g.finish();
}

/* Bytes that are no message of the type, or hardly one. */
function malformed(random) {
  const varint = 'ff'.repeat(11);
  const deep = 'a3'.repeat(5000); /* groups in groups */
  const nested = Array.from({ length: 200 }).reduce((inner) => {
    const size = inner.length / 2;
    return `0a${size < 128 ? size.toString(16).padStart(2, '0') : `${((size & 127) | 128).toString(16)}${(size >> 7).toString(16).padStart(2, '0')}`}${inner}`;
  }, '00');
  const unknown = 'f83f01'.repeat(100_000); /* fields that the message does not have */
  const noise = () => Array.from({ length: random.between(1, 400) }, () => random.below(256).toString(16).padStart(2, '0')).join('');
  return random.pick([() => varint, () => deep, () => nested, () => unknown, () => '0affffffff0f', () => '08', () => '0a05ff',
    () => `12${varint}`, () => '0d000000', () => '120a0a', () => '', noise, noise, noise, noise, noise])();
}

/* Answers whose bytes are no answer, crafted and by chance: not believed, and nobody dies of it. */
export async function X14(t) {
  const random = seeded(Number(process.env.SEED) || 14);
  const together = 20;
  const g = await t.ground();
  await g.start();
  const pid = g.world.processOf('kms-executor').pid;
  for (let k = 0; k < t.times; k += together) {
    const counted = await g.look.counters();
    const first = nextPublic(g);
    for (let i = 0; i < together; i++) {
      await fail(g, { call: 'result', bytes: malformed(random), ids: [coreId(`public-${first + i}`)], count: 1 });
    }
    const names = await g.ask(together, { distinct: 3 });
    await g.heals(names, () => {}, 8000); /* asked is in it, and each waits once, some in the line of a paused stage */
    assert.equal(await g.look.grown(counted, 'executor_core_wrong'), together, `seed ${random.seed}`);
  }
  assert.equal(g.world.processOf('kms-executor').pid, pid);
  await g.finish();
}

/*
 * A preprocessing and a key that take their time, while the executor is killed and the whole
 * connector is killed and started again: each is computed once and answered once.
 */
export async function X18(t) {
  const g = await t.ground({ config: { finality: { keygen: 'latest' } } });
  await g.start();
  const slowly = async (kind, methods, ask) => {
    const calls = async () => {
      const now = (await g.core.stats()).calls;
      return methods.reduce((sum, method) => sum + (now[method] ?? 0), 0);
    };
    await tell(g, 'set', { delayMs: 1000 * t.times + 1500 });
    const { name, resultId } = await ask();
    await until('the Core has it', async () => await calls() > 0);
    for (let k = 0; k < t.times; k++) {
      const before = await calls();
      if (k % 2) {
        await g.world.killConnector();
        await g.world.startConnector();
      } else {
        await g.world.waitProcesses(['kms-executor'], 10000);
        g.world.signal('kms-executor');
      }
      await until('it asked again', async () => await calls() > before);
    }
    await g.answered([name], 1000 * t.times + 15000);
    const all = Object.values(await g.core.ledger(kind));
    assert.equal(all.length, 1);
    assert.ok(all[0][2] >= 1, 'its answer was given');
    return resultId;
  };
  const id = await slowly('preproc', keys.slice(0, 2), () => g.world.askKey('preprocessKeygen'));
  await slowly('keygen', keys.slice(2, 4), () => g.world.askKey('keygen', id));
  await g.look.waitFine();
  await g.finish();
}

/* What a storage does wrong, and how long what waits for it may still take when it is over. */
const storageFaults = [
  ['wrong', { at: 5 }], ['oversize'], ['status', { status: 404 }], ['status', { status: 503 }], ['empty'], ['truncated'],
  ['reset', { bytes: 10 }], ['announced'], ['redirect'], ['endless'],
  ['hang', {}, 14000], ['drip', { bytes: 1, everyMs: 500 }, 62000], /* 4 s without a byte and 20 s in all, each of three */
];

/*
 * Ciphertexts that are missing, other than their digest says, endless, slow, or not given at all:
 * the request waits, one line says it, and the Core never sees a byte of it.
 */
export async function X19(t) {
  const g = await t.ground();
  await g.start();
  for (const [kind, how, withinMs] of storageFaults.slice(0, t.times)) {
    const from = g.look.mark();
    const counted = await g.look.counters();
    const bytes = (await g.core.stats()).bytes;
    await g.bucket.fault('*', kind, how);
    const names = await g.ask(3);
    const told = withinMs ? 'executor_fetches' : 'executor_fetch_errors';
    await g.look.waitCounter(told, (n) => n >= counted[told] + 3, 30000);
    if (!withinMs) assert.ok(g.look.lines('X006', { from }).length + g.look.lines('X007', { from }).length >= 1, kind);
    assert.equal((await g.core.stats()).bytes, bytes, kind);
    await g.heals(names, () => g.bucket.clear(), withinMs);
    assert.ok(g.look.lines('X006', { from }).length <= 3);
    assert.ok(g.look.lines('X007', { from }).length <= 1);
  }
  await g.finish();
}
