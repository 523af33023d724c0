/*
 * short - for `make check`: processor time of 2,000 requests beside tests/bench/reference.json,
 * both divided by what their parts cost on the machine of each.  Over 1.3 times it warns, over
 * twice it fails; `UPDATE=1` writes the reference.
 *
 * Writes "passed failed" to $B/count-bench.
 */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { measureLimits, sumOfParts } from './limits.mjs';
import { burst } from './load.mjs';
import { startRig } from './rig.mjs';

const [WARNS, FAILS] = [1.3, 2];
const COUNT = 2000;
const here = path.dirname(fileURLToPath(import.meta.url));
const reference = path.join(here, 'reference.json');
const result = path.join(here, '..', '..', process.env.B ?? 'build', 'count-bench');

/* The best of some rounds, the prices measured before and after them. */
async function measure(rounds) {
  const before = sumOfParts(await measureLimits()).sum;
  const rig = await startRig();
  const costs = [];
  try {
    for (let i = 0; i < rounds; i++) costs.push((await burst(rig, COUNT)).perRequest.sum);
    await rig.judge();
  } finally {
    await rig.stop();
  }
  const parts = Math.min(before, sumOfParts(await measureLimits()).sum);
  const cost = Math.min(...costs);
  return { us_per_request: Number(cost.toFixed(1)), us_of_parts: Number(parts.toFixed(1)), ratio: Number((cost / parts).toFixed(3)) };
}

fs.writeFileSync(result, '0 1\n');
if (process.env.UPDATE) {
  fs.writeFileSync(reference, `${JSON.stringify(await measure(5), null, 2)}\n`);
} else {
  const kept = JSON.parse(fs.readFileSync(reference, 'utf8'));
  const now = await measure(3);
  const grown = now.ratio / kept.ratio;
  const said = `${now.us_per_request} us of processor time per request, parts ${now.us_of_parts} us: `
    + `${grown.toFixed(2)} times the reference (${kept.us_per_request} us, parts ${kept.us_of_parts} us)`;
  if (grown > FAILS) console.log(`  FAIL  ${said}; at most ${FAILS} times`);
  else if (grown > WARNS) console.log(`  WARN  ${said}; from ${WARNS} times on`);
  else console.log(`  ok    ${said}`);
  fs.writeFileSync(result, grown > FAILS ? '0 1\n' : '1 0\n');
  process.exitCode = grown > FAILS ? 1 : 0;
}
