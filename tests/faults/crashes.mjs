/*
 * crashes - cases that are points of tests/crash: one call of one process fails or is its last,
 * in a scenario of all kinds of requests, judged there by the chain's ledger.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { startGround } from '../crash/ground.mjs';

const NOT_REACHED = 4; /* points in a row that do not come: there are no more calls */

/** Gives use() a ground of tests/crash, and stops it. */
export async function onCrashGround(use) {
  const ground = await startGround();
  try {
    await use(ground);
  } finally {
    await ground.stop();
  }
}

/** One point: it must leave nothing wrong.  With log: what its connector said. */
export async function onePoint(ground, role, mode, at) {
  const point = await ground.point({ role, mode, at });
  assert.deepEqual(point.problems, [], `${mode} of ${role} at call ${at}, ${point.where}`);
  return { ...point, log: fs.readFileSync(path.join(point.home, 'log'), 'utf8') };
}

/**
 * Points of a role from call `from` on, until `many` of them met a call that fits, or there are
 * no more; see(point) looks at each of those.  Gives how many.
 */
export async function meetCalls(ground, role, mode, { from = 1, many, fits, see = () => {} }) {
  let met = 0;
  for (let at = from, missed = 0; met < many && missed < NOT_REACHED; at++) {
    const point = await onePoint(ground, role, mode, at);
    missed = point.fired ? 0 : missed + 1;
    if (!point.fired || !fits.test(point.where)) continue;
    await see(point);
    met++;
  }
  return met;
}
