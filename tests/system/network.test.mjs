/*
 * network - four nodes, each with a Core and a connector of its own, answer the same requests: whose
 * answer reaches the contract's threshold shows only in the block.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../peers/process.mjs';
import { joinWorld, startWorld } from './world.mjs';

let nodes = [];

before(async () => {
  const world = await startWorld({ thresholds: [2, 3, 3], proxy: false });
  nodes = [world];
  while (nodes.length < 4) nodes.push(await joinWorld(world));
  await Promise.all(nodes.map((node) => node.startConnector()));
});
after(async () => {
  for (const node of nodes.reverse()) await node.stop();
});

test('consensus on each request; no node pays for a revert or answers twice', async () => {
  const [world] = nodes;
  await world.ask(40, { types: [0, 4, 8], perTx: 10 });
  for (let i = 0; i < 3; i++) {
    await world.askKey('crsgen');
    await world.askKey('preprocessKeygen');
  }
  assert.deepEqual((await world.waitAnswered(30000)).missing, []);
  await until('every node has closed all', async () => {
    const lists = await Promise.all(nodes.map(async (node) => (await fetch(`${node.monitorUrl}/v1/requests?limit=200`)).json()));
    return lists.every(({ requests }) => requests.length === world.requests.size && requests.every((r) => r.state === 'done'));
  }, 30000);
  /* Who comes after the threshold answers as well, or finds that it need not. */
  for (const node of nodes) assert.deepEqual((await node.judge({ others: true })).problems, []);
});
