/*
 * faults - every fault of the table, one after the other, and what became of the connector.
 *
 *   make faults                  all of them
 *   make faults ROW=L01,T20      those (a letter: all of that part)
 *   make faults SHORT=1          each as often as in the tests
 *   JOBS=n                       so many side by side (2)
 *
 * Prints number, fault, outcome and the longest time from a fault's end until everything asked
 * was answered and nothing was paused; fails if one failed, and leaves its connector's log in
 * build/faults-failed.
 */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runRow } from './run.mjs';
import { table } from './table.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const failed = path.join(root, process.env.B ?? 'build', 'faults-failed');
const { ROW, SHORT, JOBS } = process.env;

const wanted = ROW?.split(',');
const rows = table.filter(({ number }) => !wanted || wanted.some((w) => number === w || (w.length === 1 && number.startsWith(w))));
if (!rows.length) throw new Error(`ROW=${ROW}: there is no such row`);
fs.rmSync(failed, { recursive: true, force: true });
fs.mkdirSync(failed, { recursive: true });

const print = ({ number, fault, ok, why, times, recoveredMs, seconds }) => {
  const recovered = recoveredMs ? `${(recoveredMs / 1000).toFixed(2)} s` : '-';
  console.log(`${number.padEnd(4)} ${fault.padEnd(62)} ${(ok ? 'survived' : 'FAILED').padEnd(9)}${String(times).padStart(6)} times  recovered ${recovered.padStart(7)}  ${seconds.toFixed(1).padStart(6)} s`);
  if (!ok) console.log(`     ${why.replaceAll('\n', '\n     ')}\n     its log: ${path.join(failed, `${number}.log`)}`);
};

const left = [...rows];
const results = [];
await Promise.all(Array.from({ length: Number(JOBS || 2) }, async () => {
  for (let row; (row = left.shift());) {
    const result = await runRow(row, { short: Boolean(SHORT) });
    if (!result.ok) fs.writeFileSync(path.join(failed, `${row.number}.log`), result.log ?? '');
    results.push(result);
    print(result);
  }
}));
const bad = results.filter((r) => !r.ok);
const slowest = Math.max(...results.map((r) => r.recoveredMs)) / 1000;
console.log(`${results.length} faults, ${results.length - bad.length} survived, longest recovery ${slowest.toFixed(2)} s`);
process.exitCode = bad.length ? 1 : 0;
