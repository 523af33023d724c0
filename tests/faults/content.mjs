/*
 * content - chain nodes that answer in good form what is not so.
 */

/* Each log three times over, and the same event in two blocks more. */
export async function L30(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    await g.chain.lie({ lie: 'duplicate_logs' });
    await g.answered(await g.ask(4));
    await g.chain.truth();
  }
  await g.finish();
}
