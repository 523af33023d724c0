/*
 * suite - rows of the table as tests, each a few times: `make faults` has them all, as often as it
 * takes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runRow } from './run.mjs';
import { table } from './table.mjs';

/** The rows whose numbers begin with one of these letters. */
export function testRows(letters) {
  for (const row of table.filter(({ number }) => letters.includes(number[0]))) {
    test(`${row.number}: ${row.fault}`, async () => {
      const { ok, why } = await runRow(row, { short: true });
      assert.ok(ok, `${why}\n(make faults ROW=${row.number} SHORT=1)`);
    });
  }
}
