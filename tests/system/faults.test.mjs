/*
 * Every fault of the table (tests/faults), each a few times: `make faults` has them all, as often
 * as it takes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runRow } from '../faults/run.mjs';
import { table } from '../faults/table.mjs';

for (const row of table) {
  test(`${row.number}: ${row.fault}`, async () => {
    const { ok, why } = await runRow(row, { short: true });
    assert.ok(ok, `${why}\n(make faults ROW=${row.number} SHORT=1)`);
  });
}
