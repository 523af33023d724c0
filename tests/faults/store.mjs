/*
 * store - a disk that is full, broken or old, and the store and journal on it.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { until } from '../peers/process.mjs';
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
  ['executor', 'data', 'X029', 'X030', 23],
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
