/*
 * store - a disk that is full, broken or old, and the store and journal on it.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { until } from '../peers/process.mjs';
import { readJournal } from '../system/journal.mjs';
import { fixtures, putFixture } from './fixtures.mjs';
import { layMachine } from './machine.mjs';
import { meetCalls, onCrashGround, onePoint } from './crashes.mjs';

const ROLES = ['supervisor', 'listener', 'executor', 'submitter', 'signer', 'monitor'];
/* who has files; calls from which on a write and a sync of its work are not far */
const WRITERS = [['signer', 15, 16], ['executor', 11, 19]];
const diedOfIo = (role) => new RegExp(` code=KC-S003 .*child=${role} how="exit 74"`);

/** A disk of its own at `dir`: fill(spare) leaves so many bytes, empty() makes room, remove(). */
function smallDisk(dir, size = '64m') {
  fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', dir]);
  const filler = path.join(dir, 'filler');
  return {
    fill(spare) {
      const { bavail, bsize } = fs.statfsSync(dir);
      const pages = bavail - Math.ceil(spare / bsize);
      if (pages > 0) fs.appendFileSync(filler, Buffer.alloc(pages * bsize, '.'));
    },
    empty: () => fs.rmSync(filler, { force: true }),
    /* Lazily: the connector may still be there. */
    remove: () => execFileSync('umount', ['-l', dir]),
  };
}

/* who needs room, where, its lines, most that it may still write */
const NEEDS = [
  ['executor', 'data', 'X030', 'X031', 23],
  ['signer', 'data/signer', 'K011', 'K012', 3],
];

/*
 * The disk fills up, with some pages left, in turn so that any write is the one that finds none:
 * nothing new is taken or signed, nobody ends, one line, /readyz and status say it.  When there is
 * room all goes on.
 */
export async function C01(t) {
  for (const [role, where, full, room, most] of NEEDS) {
    const g = await t.ground();
    const disk = smallDisk(path.join(g.world.dir, where));
    try {
      assert.equal((await g.world.cli('key', 'init')).code, 0);
      await g.start({ init: false });
      for (let k = 0; k < t.times; k++) {
        const mark = g.look.mark();
        let names = [];
        while (!g.look.lines(full, { from: mark }).length) {
          disk.fill(4096 * (k % (most + 1))); /* the store may have made room itself */
          names = names.concat(await g.ask(3));
          await until('it is full or they are answered', async () => g.look.lines(full, { from: mark }).length ||
            !(await g.world.waitAnswered(0, { names })).missing.length);
        }
        names = names.concat(await g.ask(3));
        await until('not ready', async () => (await g.ready()) === 503);
        if (k === 0) await g.look.waitStatus(new RegExp(`^needs you: .*${role}: the disk is full`));
        const { executor_done: done } = await g.look.counters();
        await g.heals(names, disk.empty);
        assert.ok((await g.look.counters()).executor_done > done);
        g.look.counted(mark, { [full]: 1, [room]: 1, S003: 0, X013: 0, K007: 0 });
      }
      await g.finish();
    } finally {
      disk.remove();
    }
  }
}

/* Each write to the store and the journal fails once: who wrote ends with 74 and is replaced. */
export async function C03(t) {
  await onCrashGround(async (ground) => {
    for (const [role, near] of WRITERS) {
      const met = await meetCalls(ground, role, 'eio', {
        from: t.times > 1 ? 1 : near, many: t.times, fits: /^(write|pwrite64|writev) file/, see: ({ log, where }) => {
          assert.match(log, diedOfIo(role), where);
          assert.match(log, / code=KC-(X013|K007) /, 'it says why');
        },
      });
      assert.ok(met >= Math.min(t.times, 5), `${met} writes of the ${role}`);
    }
  });
}

/*
 * Each sync fails once, for which the system has forgotten afterwards what it lost: nothing that
 * was not synced is told to anybody, the process ends and reads again what is there.
 */
export async function C04(t) {
  await onCrashGround(async (ground) => {
    for (const [role, , near] of WRITERS) {
      let died = 0;
      const met = await meetCalls(ground, role, 'eio', {
        from: t.times > 1 ? 1 : near, many: t.times, fits: /^f(data)?sync file/, see: ({ log }) => { died += diedOfIo(role).test(log); },
      });
      assert.ok(died >= met - 3, `${died} of ${met} ended: all but those who were leaving`);
      assert.ok(met >= Math.min(t.times, 5), `${met} syncs of the ${role}`);
    }
  });
}

/* A process of each role dies before a call by chance (make crash: before, after and in each). */
export async function C07(t) {
  await onCrashGround(async (ground) => {
    for (let k = 0; k < t.times; k++) {
      for (const role of ROLES) {
        const point = await onePoint(ground, role, t.random.pick(['kill', 'after']), t.random.between(1, role === 'executor' ? 300 : 25));
        if (point.fired && role !== 'supervisor') assert.match(point.log, new RegExp(` code=KC-S003 .*child=${role} how="exit 137"`));
      }
    }
  });
}

/** Runs use(g, machine) on a ground whose programs have another clock and a slow disk. */
async function onMachine(t, use) {
  const machine = layMachine();
  try {
    const g = await t.ground(machine.options({ core: { delayMs: 100 } }));
    await g.start();
    await use(g, machine);
    await g.finish();
  } finally {
    machine.remove();
  }
}

/*
 * Each sync takes seconds: what was asked waits, all loops turn, the window for operators answers
 * at once, nobody is taken for hung.  A sync that has begun takes its time when the disk is fast
 * again.
 */
export async function C05(t) {
  await onMachine(t, async (g, machine) => {
    const pids = () => g.world.processes().map((p) => p.pid);
    for (let k = 0; k < t.times; k++) {
      const syncMs = 1000 + 1000 * (k % 5);
      const before = pids();
      const mark = g.look.mark();
      machine.order({ syncMs });
      const names = await g.ask(6);
      const began = Date.now();
      for (let asked = 0; Date.now() - began < syncMs || asked < 3; asked++) {
        const { status } = await fetch(`${g.world.monitorUrl}/livez`, { signal: AbortSignal.timeout(500) });
        assert.equal(status, 200, 'all loops turn');
        names.push(...await g.ask(1));
      }
      assert.ok((await g.world.waitAnswered(0, { names })).missing.length > 0, 'it is slow');
      await g.heals(names, () => machine.order(), 2000 + syncMs);
      assert.deepEqual(pids(), before, 'nobody ended');
      g.look.counted(mark, { S003: 0, S004: 0, X013: 0, K007: 0, X011: 0 });
    }
  });
}

const DAY_MS = 86400000;

/*
 * The wall clock jumps while requests are open, and processes start in such a time: nothing
 * expires, nothing waits longer, each is answered once.
 */
export async function C15(t) {
  await onMachine(t, async (g, machine) => {
    const jumps = [365 * DAY_MS, -365 * DAY_MS, -Date.now() + 5000, 1000, -3600000, 80 * 365 * DAY_MS, -1000];
    for (let k = 0; k < t.times; k++) {
      const mark = g.look.mark();
      const names = await g.ask(3);
      await g.heals(names, () => machine.order({ aheadMs: jumps[k % jumps.length] }));
      const again = await g.ask(3);
      assert.equal((await g.world.stopConnector()).code, 0);
      await g.heals(again, () => g.world.startConnector());
      await g.heals(await g.ask(3), () => machine.order());
      g.look.counted(mark, { X011: 0, X009: 0, X010: 0, S004: 0, K006: 0 });
    }
  });
}

const STORE = ['store', 'requests.db'];
const fileOf = (g, ...names) => path.join(g.world.config.data_dir, ...names);
const sizeOf = (g, name) => fs.statSync(fileOf(g, ...STORE) + name, { throwIfNoEntry: false })?.size ?? 0;

/*
 * A month passes, again and again: what ended before it goes, and its place is used again, so that
 * the store does not grow with the requests that were ever asked.
 */
export async function C16(t) {
  await onMachine(t, async (g, machine) => {
    const sizes = [];
    for (let k = 0; k < t.times; k++) {
      const names = await g.ask(40, { perTx: 20, distinct: 4 });
      await g.answered(names);
      await until('they are done', async () => {
        const done = new Set(await g.look.list('done'));
        return names.every((name) => done.has(name));
      }, 10000, 50);
      assert.equal((await g.world.stopConnector()).code, 0);
      sizes.push(sizeOf(g, '') + sizeOf(g, '-wal'));
      machine.order({ aheadMs: (k + 1) * 31 * DAY_MS });
      await g.world.startConnector();
      await g.look.waitFine();
      await until('they are gone', async () => (await g.look.list()).length === 0, 15000, 100);
    }
    const largest = Math.max(...sizes.slice(0, 2));
    for (const size of sizes) assert.ok(size <= largest + 65536, `sizes: ${sizes}`);
    assert.equal((await g.look.list()).length, 0);
  });
}

/** The store or the journal as it is now, put back later; the connector must not run. */
function keepFiles(g) {
  const copy = path.join(g.world.dir, 'kept');
  fs.rmSync(copy, { recursive: true, force: true });
  fs.cpSync(g.world.config.data_dir, copy, { recursive: true });
  return (...parts) => parts.forEach((part) => {
    fs.rmSync(fileOf(g, part), { recursive: true, force: true });
    fs.cpSync(path.join(copy, part), fileOf(g, part), { recursive: true });
  });
}

const dropStore = (g) => fs.rmSync(fileOf(g, 'store'), { recursive: true, force: true });

/* Bytes of a file become others, by change(buffer). */
function alter(file, change) {
  fs.writeFileSync(file, change(fs.readFileSync(file)));
}

/* Half of one more record, as a crash leaves it: its group began at the old end. */
function half(journal, random) {
  const { at, length } = readJournal(journal).at(-1);
  const record = Buffer.from(journal.subarray(at, at + length));
  record.writeBigUInt64BE(BigInt(journal.length), 16);
  return Buffer.concat([journal, record.subarray(0, random.between(1, record.length - 1))]);
}

/* what is damaged, how, who says what, whether an operator must act */
const DAMAGES = [
  ['signer/journal', half, 'K003', false],
  ['signer/journal', (b, r) => { b[8192 + r.below(200)] ^= 1 << r.below(8); return b; }, 'K004', true],
  ['store/requests.db', (b, r) => b.fill(r.below(256), 0, 100), 'X013', true],
  ['store/requests.db-wal', (b, r) => b.subarray(0, r.below(b.length)), null, false],
  ['store/requests.db', (b) => b.subarray(0, 4096), 'X013', true],
  ['signer/journal', (b) => b.subarray(0, 8192 + 700), 'K003', false],
  ['store/requests.db-wal', (b, r) => { b[r.below(b.length)] ^= 1 << r.below(8); return b; }, null, false],
];

/*
 * Store and journal are torn, cut or changed while nothing runs.  What a crash can leave is cut
 * off, once, and work goes on; what it cannot is refused with 65 and one line, and goes on when the
 * journal is restored or the store moved away.  A journal that lost transactions which are on the
 * chain is adopted after 10 quiet seconds of the account.
 */
export async function C06(t) {
  for (let k = 0; k < t.times; k++) {
    const [name, change, code, acts] = DAMAGES[k % DAMAGES.length];
    const g = await t.ground();
    await g.start();
    await g.answered(await g.ask(4));
    await g.world.killConnector();
    const putBack = keepFiles(g);
    const mark = g.look.mark();
    if (name.endsWith('.db')) { /* so that all of it is in there */
      await g.world.startConnector({ init: false });
      await g.look.waitFine();
      assert.equal((await g.world.stopConnector()).code, 0);
    }
    alter(fileOf(g, name), (bytes) => change(bytes, t.random));
    const losesAll = name.startsWith('signer') && !acts && change !== half;
    const names = await g.ask(2);
    const start = () => g.world.startConnector({ init: false });
    if (acts) {
      await start();
      await g.look.waitLine(code, { from: mark });
      await g.look.waitLine('S005', { from: mark, how: 'exit 65' });
      await g.look.waitStatus(/^needs you: .*cannot run with this configuration/);
      await g.heals(names, async () => {
        if (name.startsWith('signer')) putBack('signer');
        else for (const end of ['', '-wal', '-shm']) fs.rmSync(fileOf(g, ...STORE) + end, { force: true });
        g.world.signal('kms-connector', 'SIGHUP');
      });
    } else {
      await g.heals(names, start, losesAll ? 14000 : 2000);
      if (code) g.look.counted(mark, { [code]: 1 });
    }
    await g.answered(await g.ask(2));
    await g.finish({ strangers: losesAll ? 4 : 0 });
  }
}

/* What is put back from an old copy, and how long that may take. */
const OLD = [
  ['the store', ['store'], 2000],
  ['neither: the store is lost', [], 2000],
  ['store and journal', ['store', 'signer'], 14000],
];

/*
 * An old copy of the store, or of both, is put back after more was answered, or the store is lost:
 * nothing is answered twice, what was open is answered.  When the journal is old, too, the chain
 * is ahead of it: adopted after 10 quiet seconds of the account, with one line.
 */
export async function C09(t) {
  for (let k = 0; k < t.times; k++) {
    const [, parts, withinMs] = OLD[k % OLD.length];
    const g = await t.ground();
    await g.start();
    await g.answered(await g.ask(3));
    assert.equal((await g.world.stopConnector()).code, 0);
    const putBack = keepFiles(g);
    await g.world.startConnector({ init: false });
    await g.answered(await g.ask(4));
    await g.core.control({ op: 'set', delayMs: 5000 });
    const names = await g.ask(2);
    await g.world.killConnector();
    if (parts.length) putBack(...parts);
    else dropStore(g);
    const mark = g.look.mark();
    await g.core.control({ op: 'set', delayMs: 50 });
    await g.core.forget();
    await g.heals(names, () => g.world.startConnector({ init: false }), withinMs);
    const isOld = parts.includes('signer');
    if (isOld) g.look.counted(mark, { T003: 1, T008: 1 });
    await g.answered(await g.ask(2));
    await g.finish({ strangers: isOld ? 4 : 0 });
  }
}

/*
 * A second instance on the same directory: it leaves at once with 100 and says who runs, and the
 * first does not notice.  Of several that start at the same time one runs.
 */
export async function C10(t) {
  const g = await t.ground();
  await g.start();
  const run = (k) => {
    const output = path.join(g.world.dir, `second-${k}`);
    return [g.world.background(['run'], { output }), output];
  };
  for (let k = 0; k < t.times; k++) {
    const before = g.world.processes().map((p) => p.pid);
    const names = await g.ask(2);
    const began = Date.now();
    const [second, output] = run(k);
    assert.deepEqual((await second.exited).code, 100);
    assert.ok(Date.now() - began < 1000, 'at once');
    assert.match(fs.readFileSync(output, 'utf8'), new RegExp(`already running \\(pid ${g.world.connector.pid}\\) with data_dir`));
    await g.heals(names, () => {});
    assert.deepEqual(g.world.processes().map((p) => p.pid), before);

    assert.equal((await g.world.stopConnector()).code, 0);
    const more = await g.ask(2);
    await g.world.startConnector();
    const all = [g.world.connector, ...[1, 2].map((n) => run(`${k}-${n}`)[0])];
    await until('two of them are gone', () => all.filter((one) => one.ended).length === 2, 5000);
    for (const one of all.filter((o) => o.ended)) assert.equal(one.ended.code, 100);
    g.world.connector = all.find((one) => !one.ended);
    await g.heals(more, () => {});
  }
  await g.finish();
}

/** The number of the schema in a store's file: a big-endian number at byte 60. */
const schemaOf = (g) => fs.readFileSync(fileOf(g, ...STORE)).readUInt32BE(60);
const setSchema = (g, number) => alter(fileOf(g, ...STORE), (bytes) => { bytes.writeUInt32BE(number, 60); return bytes; });

/*
 * A store of a newer release is refused with 65 and a line that says what to do, and not touched;
 * what a release has left (fixtures/, made by fixtures.mjs) is opened by this one: its requests are
 * there as they were, its journal is read, and work goes on.
 */
export async function C12(t) {
  for (let k = 0; k < t.times; k++) {
    const g = await t.ground();
    await g.start();
    await g.answered(await g.ask(2));
    assert.equal((await g.world.stopConnector()).code, 0);
    const schema = schemaOf(g);
    setSchema(g, schema + 1 + t.random.below(1000));
    const before = fs.readFileSync(fileOf(g, ...STORE));
    const names = await g.ask(2);
    await g.world.startConnector();
    await g.look.waitLine('X013', { error: /newer release; run that release, or move it away/ });
    await g.look.waitLine('S005', { child: 'executor', how: 'exit 65' });
    await g.look.waitStatus(/^needs you: .*executor/);
    assert.equal(await g.ready(), 503);
    assert.deepEqual(fs.readFileSync(fileOf(g, ...STORE)), before, 'it is not touched');
    await g.heals(names, async () => {
      setSchema(g, schema);
      g.world.signal('kms-connector', 'SIGHUP');
    });
    await g.finish();
    assert.ok(fixtures().includes(`schema-${schema}`), 'this release has a fixture');
    for (const release of fixtures()) await openFixture(t, release);
  }
}

async function openFixture(t, release) {
  const machine = layMachine();
  try {
    await useFixture(await t.ground(machine.options()), machine, release);
  } finally {
    machine.remove();
  }
}

async function useFixture(g, machine, release) {
  const { rows, schema, at_ms: at } = putFixture(release, g.world.config.data_dir);
  assert.equal(schemaOf(g), schema);
  machine.order({ aheadMs: at - Date.now() }); /* else they would be old enough to go */
  await g.start({ init: false });
  for (const [id, row] of Object.entries(rows)) {
    const now = await g.look.show(id);
    for (const [name, value] of Object.entries(row)) assert.equal(now?.[name], value, `${release}: ${name} of ${id}`);
  }
  assert.equal(g.look.lines('K003').length + g.look.lines('K004').length, 0, 'its journal is whole');
  await g.answered(await g.ask(3));
  await g.world.killConnector();
  await g.heals(await g.ask(2), () => g.world.startConnector({ init: false }));
  assert.equal((await g.look.list()).length, Object.keys(rows).length + 5);
  await g.finish();
}
