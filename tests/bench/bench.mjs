/*
 * bench - the figures of the design, each beside its limit and beside what this machine can do in
 * the same run: a table here, and build/bench.json.
 *
 *	make bench [N=1000000]		N: requests of the backlog (100,000)
 *	ONLY=words			figures of these parts alone: throughput, large, latency, calls,
 *					idle, starts, backlog
 *
 * It is no test: a figure that is missed is said and fails nothing.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemCalls } from './calls.mjs';
import { latency } from './latency.mjs';
import { measureLimits, prices, sumOfParts } from './limits.mjs';
import { backlog, largeBodies, throughput } from './load.mjs';
import { idle, starts } from './rest.mjs';
import { columns, print } from './table.mjs';

const out = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', process.env.B ?? 'build', 'bench.json');
const only = process.env.ONLY?.split(',');
const us = (v) => `${v.toFixed(1)} us`;

const limits = await measureLimits();
console.log(`${os.cpus().length} cores, ${os.cpus()[0].model.trim()}, load ${os.loadavg().map((v) => v.toFixed(1)).join(' ')}`);
console.log(columns([['unit price', 'here'], ...Object.entries(prices).map(([name, text]) => [text, us(limits[name])]),
  ['signatures per second of a core', String(limits.signatures_per_s)], ['syncs per second of the disk', String(limits.syncs_per_s)],
  ['calls per second of a bare gRPC client', String(limits.grpc_calls_per_s)]]));

const parts = {
  throughput: () => throughput(limits),
  large: () => largeBodies(),
  latency: () => latency(limits),
  calls: () => systemCalls(),
  idle: () => idle(),
  starts: () => starts(),
  backlog: () => backlog({ count: Number(process.env.N || 100000) }),
};
const got = {};
for (const [name, run] of Object.entries(parts)) {
  if (only && !only.includes(name)) continue;
  console.log(`... ${name}`);
  got[name] = await run();
}

const figures = Object.values(got).flatMap((part) => part?.figures ?? []);
if (got.throughput || got.calls) {
  const rows = (got.throughput?.by ?? Object.keys(got.calls).map((name) => ({ name, us: NaN, parts: NaN }))).map(({ name, us: took, parts: sum }) => [
    name, us(took), us(sum), got.calls ? got.calls[name].calls.toFixed(1) : '-', got.calls?.[name].most ?? '',
  ]);
  const sum = sumOfParts(limits).sum;
  const all = got.throughput?.by.reduce((a, b) => a + b.us, 0) ?? NaN;
  console.log(`\n${columns([['for one public decryption', 'processor', 'parts', 'system calls', 'most of them'], ...rows, ['together', us(all), us(sum), '', '']])}`);
}
if (got.latency) {
  console.log(`\n${columns([['stage', 'p50', 'p99', 'syncs in it, not counted'], ...got.latency.stages.map((s) => [
    s.name, `${s.p50.toFixed(2)} ms`, `${s.p99.toFixed(2)} ms`, String(s.syncs)])])}`);
}
if (figures.length) console.log(`\n${print(figures)}`);
fs.writeFileSync(out, `${JSON.stringify({ at: new Date().toISOString(), cpu: os.cpus()[0].model.trim(), cores: os.cpus().length, limits, ...got }, null, 2)}\n`);
console.log(`\n${figures.filter((f) => f.ok).length} of ${figures.length} figures within their limits; ${path.relative(process.cwd(), out)}`);
