/*
 * The short form of `make crash` (tests/crash): of each process some of its calls, chosen by a
 * seed, at which it is killed, and some that fail once.  What counts is what the chain accepted.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startGround } from '../crash/ground.mjs';
import { runAll, tellTroubles } from '../crash/run.mjs';
import { roles } from '../crash/trap.mjs';
import { seeded } from './random.mjs';

const SAMPLE = { kill: 3, enospc: 2 }; /* mode: calls of each process */
const failed = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', process.env.B ?? 'build', 'crash-failed');
const random = seeded();
let ground;

before(async () => {
  ground = await startGround();
});
after(async () => {
  await ground?.stop();
});

for (const [mode, size] of Object.entries(SAMPLE)) {
  test(`each process meets ${mode} at some of its calls`, { timeout: 300000 }, async (t) => {
    t.diagnostic(`SEED=${random.seed}`);
    const counts = await ground.count(mode);
    for (const role of Object.keys(roles)) {
      assert.ok(counts[role] >= size, `${role} makes ${counts[role]} calls`);
      const points = random.shuffle(Array.from({ length: counts[role] }, (_, i) => i + 1)).slice(0, size);
      const got = await runAll([ground], role, mode, { points, failed });
      t.diagnostic(`${role}: call ${points.join(', ')} of ${counts[role]}, ${got.seconds} s`);
      assert.deepEqual(tellTroubles(got), [], `${role} ${mode} SEED=${random.seed}`);
      assert.equal(got.tried, size);
    }
  });
}
