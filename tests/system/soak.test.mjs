/*
 * A short soak: load, and one fault after the other (`make soak` takes 20 minutes).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soak } from '../faults/soak.mjs';

test('faults and kills under load: nothing is lost, nothing is answered twice', async (t) => {
  const { problems, faults, seed } = await soak({ seconds: 20, say: (line) => t.diagnostic(line) });
  assert.deepEqual(problems, [], `${problems.join('\n')}\nSEED=${seed}`);
  assert.ok(faults >= 4);
});
