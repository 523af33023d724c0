/*
 * crash - each process dies at each of its calls that others or the disk can see, and each of
 * them fails once; after each the ledger of the chain must be as if nothing had happened.
 *
 *   make crash                              all of it
 *   make crash ROLE=signer MODE=kill        one role, one mode (several with commas)
 *   make crash ROLE=signer MODE=kill FROM=17 TO=17
 *   JOBS=n                                  grounds side by side (3)
 *
 * Modes: kill (before the call), after (after it), torn (a file gets half of a write), enospc,
 * eio, emfile (the call fails once).  Prints a line for each role and mode; fails on a violation,
 * and then says how to run that point alone and where its files are, and on a call that was
 * counted and not tried.
 */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { startGround } from './ground.mjs';
import { runAll, tellTroubles } from './run.mjs';
import { modes, roles } from './trap.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const failed = path.join(root, process.env.B ?? 'build', 'crash-failed');
const { env } = process;

function chosen(name, all) {
  const wanted = env[name] ? env[name].split(',') : all;
  const unknown = wanted.filter((one) => !all.includes(one));
  if (unknown.length) throw new Error(`${name}=${unknown}: there are ${all.join(', ')}`);
  return wanted;
}

function line(...cells) {
  const widths = [-10, -7, 8, 7, 11, 8, 10];
  console.log(cells.map((c, i) => (widths[i] < 0 ? String(c).padEnd(-widths[i]) : String(c).padStart(widths[i]))).join(' '));
}

const order = { from: Number(env.FROM || 1), to: Number(env.TO || Infinity), failed };
if (env.VERBOSE) {
  order.onPoint = (p) => console.log(`  ${p.at} ${p.fired ? p.where : 'not reached'} ${p.ms} ms, ${p.drainMs} after; ${p.count} calls`);
}
fs.rmSync(failed, { recursive: true, force: true });
const began = Date.now();
const grounds = await Promise.all(Array.from({ length: Number(env.JOBS || 3) }, () => startGround()));
const sum = { counted: 0, tried: 0, violations: 0, missed: 0 };
line('role', 'mode', 'counted', 'tried', 'violations', 'seconds', 'slowest');
for (const mode of chosen('MODE', Object.keys(modes))) {
  for (const role of chosen('ROLE', Object.keys(roles))) {
    const got = await runAll(grounds, role, mode, order);
    line(role, mode, got.counted, got.tried, got.violations.length, got.seconds, `${(got.slowestMs / 1000).toFixed(1)} s`);
    for (const text of tellTroubles(got)) console.log(`  ${text}`);
    sum.counted += got.counted;
    sum.tried += got.tried;
    sum.violations += got.violations.length;
    sum.missed += got.missed.length;
  }
}
line('all', '', sum.counted, sum.tried, sum.violations, Math.round((Date.now() - began) / 1000));
for (const ground of grounds) await ground.stop();
process.exitCode = sum.violations || sum.missed ? 1 : 0;
