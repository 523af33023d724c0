/*
 * calls - system calls of each process for one answer, counted by strace in a run that is not timed.
 */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { removeDir, temporaryDir, until } from '../peers/process.mjs';
import { PROCESSES, startRig } from './rig.mjs';

/* strace -c: the calls by name, most first. */
function read(file) {
  const rows = fs.readFileSync(file, 'utf8').split('\n').map((line) => line.trim().split(/\s+/));
  return rows.filter((row) => /^[\d.]+$/.test(row[0]) && row.at(-1) !== 'total').map((row) => [row.at(-1), Number(row[3])]).sort((a, b) => b[1] - a[1]);
}

const isTraced = (pid) => /^TracerPid:\s+[1-9]/m.test(fs.readFileSync(`/proc/${pid}/status`, 'latin1'));

/** { process: { calls, most: "pwrite64 7.6, .." } } for one answer; null: there is no strace. */
export async function systemCalls({ count = 2000 } = {}) {
  if (spawnSync('strace', ['-V']).status !== 0) return null;
  const dir = temporaryDir('kms-calls');
  const rig = await startRig();
  try {
    const tracers = rig.world.processes().map(({ name, pid }) => {
      const file = path.join(dir, name);
      const child = spawn('strace', ['-c', '-f', '-p', String(pid), '-o', file], { stdio: 'ignore' });
      return { name, pid, file, child, over: new Promise((resolve) => { child.on('exit', resolve); }) };
    });
    if (!await until('they are traced', () => tracers.every((t) => isTraced(t.pid)), 5000).catch(() => false)) return null;
    await rig.begin(count);
    await rig.drain(240000);
    for (const t of tracers) t.child.kill('SIGINT');
    await Promise.all(tracers.map((t) => t.over));
    return Object.fromEntries(PROCESSES.map((name) => {
      const calls = read(tracers.find((t) => t.name === name).file);
      const each = (n) => n / count;
      return [name, {
        calls: each(calls.reduce((sum, [, n]) => sum + n, 0)),
        most: calls.slice(0, 5).filter(([, n]) => each(n) > 0.05).map(([call, n]) => `${call} ${each(n).toFixed(2)}`).join(', '),
      }];
    }));
  } finally {
    await rig.stop();
    removeDir(dir);
  }
}
