/*
 * A chain node that lies, in each way that the fast chain knows: nothing is invented, nothing is
 * lost, nothing is answered twice, and what was asked during the lie is answered.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { lookAt } from './look.mjs';
import { startWorld } from './world.mjs';

let world;
let look;

before(async () => {
  world = await startWorld({ chain: { fake: true }, proxy: false, config: { retry_interval_secs: 1 } });
  look = lookAt(world);
  await world.startConnector();
  await look.waitFine();
});
afterEach(() => world.chain.truth());
after(() => world?.stop());

const missing = { lie: 'error', methods: ['eth_getBlockReceipts'] };

test('a block whose bloom names a request, and no logs of it: the receipts are read', async () => {
  const from = look.mark();
  const before = await look.counters();
  await world.chain.lie({ lie: 'no_logs', methods: ['eth_getLogs'] });
  const names = [...await world.ask(3, { perTx: 1 }), ...await world.ask(3)];
  await look.answered(names, 20000);
  assert.ok(await look.grown(before, 'listener_doubted_logs') >= 1);
  look.counted(from, { L021: 1, L009: 0 }); /* said once, though it goes on */
  await look.judged();
});

test('the same once, by a node that has no receipts to give: its logs are asked for again', async () => {
  const before = await look.counters();
  await world.chain.lie({ lie: 'no_logs', methods: ['eth_getLogs'], count: 1 }, missing);
  await look.answered(await world.ask(3), 20000);
  assert.equal(await look.grown(before, 'listener_doubted_logs'), 1);
  await look.judged();
});

const lies = [
  [{ lie: 'lagging', by: 3, share: 0.1 }],
  [{ lie: 'duplicate_logs' }],
  [{ lie: 'removed_logs' }],
  [{ lie: 'shuffled_logs' }],
  [{ lie: 'null', share: 0.1 }],
  [{ lie: 'error', share: 0.1 }],
  [{ lie: 'wrong_id', share: 0.1 }],
  [{ lie: 'no_reply', share: 0.1 }],
  [{ lie: 'twice', share: 0.1 }],
  [{ lie: 'rate_limited', share: 0.1 }],
  [{ lie: 'tags_above', by: 5 }],
  [{ lie: 'tags_back', by: 3, share: 0.5 }],
  [{ lie: 'dropped', count: 2 }],
  [{ lie: 'busy', count: 3 }],
  [{ lie: 'no_receipt', count: 5 }],
  [{ lie: 'wrong_receipt', count: 5 }],
  [{ lie: 'huge_gas', share: 0.1 }],
  [{ lie: 'noise_logs' }], /* the last: it makes the contract look newer than the profile */
];

for (const [{ lie, ...how }] of lies) {
  test(`${lie}: what is asked meanwhile is answered, once`, async () => {
    await world.chain.lie({ lie, seed: 7, ...how });
    const names = [];
    for (let round = 0; round < 4; round++) {
      names.push(...await world.ask(3, { types: [0, 5, 8], perTx: 1 }));
      await look.answered(names, 30000);
    }
    const told = await world.chain.truth();
    const isRare = how.share !== undefined || lie.startsWith('tags'); /* levels are asked for now and then */
    assert.ok(isRare || told[lie] > 0, 'it was told');
    if (lie !== 'noise_logs') await look.waitFine(30000);
    await look.judged();
  });
}
