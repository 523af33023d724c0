/*
 * store - a disk that is full, broken or old, and the store and journal on it.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { until } from '../peers/process.mjs';
import { meetCalls, onCrashGround, onePoint } from './crashes.mjs';

const ROLES = ['supervisor', 'listener', 'executor', 'submitter', 'signer', 'monitor'];
/* who has files; calls from which on a write and a sync of its work are not far */
const WRITERS = [['signer', 15, 16], ['executor', 11, 19]];
const diedOfIo = (role) => new RegExp(` code=KC-S003 .*child=${role} how="exit 74"`);

/** A disk of its own at `dir`: fill(spare) leaves so many bytes, empty() makes room, remove(). */
function smallDisk(dir, size = '8m') {
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
  ['executor', 'data', 'X030', 'X031', 48],
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
        disk.fill(4096 * (k % (most + 1)));
        let names = [];
        while (!g.look.lines(full, { from: mark }).length) {
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
