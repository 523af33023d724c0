/*
 * What only some profiles have: registries that are asked by address, and ciphertexts that stand
 * in the request itself.
 */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Wallet, hexlify } from 'ethers';
import { startLagging } from '../peers/lagging.mjs';
import { lookAt } from './look.mjs';
import { startWorld } from './world.mjs';

let world;
let look;

async function begin(options) {
  world = await startWorld({ ...options, config: { retry_interval_secs: 1, ...options.config } });
  look = lookAt(world);
}
async function run() {
  await world.startConnector();
  await look.waitFine();
}
afterEach(async () => {
  const ended = world;
  world = null;
  await ended?.stop();
});

const strangers = (n) => Array.from({ length: n }, () => Wallet.createRandom().address);
const registry = (name, ...args) => world.send(world.httpz, name, ...args);

/** Ciphertexts that these addresses are said to hold; the bodies lie in every bucket. */
async function heldBy(holders) {
  const set = await world.makeCiphertexts([5]);
  const digests = set.map((c) => c.digest);
  await world.send(world.manager, 'addCiphertexts', set.map((c) => hexlify(c.handle)), 1n, digests, holders);
  return [set];
}

test('coprocessors by address: unknown ones are passed over, and found as soon as they register', async () => {
  await begin({ profile: 'httpz-2025-04', coprocessors: 1 });
  const [{ address: known, url }] = world.coprocessors;
  await run();
  const [nobody, late] = strangers(2);
  await look.answered(await world.ask(1, { sets: await heldBy([nobody, known]) }));
  await look.answered(await world.ask(1, { sets: await heldBy([known, nobody]) }));

  const [name] = await world.ask(1, { sets: await heldBy([late]) });
  const waits = await look.waitShow(name, 'it waits', (row) => /lists no bucket/.test(row.reason ?? ''));
  assert.equal(waits.state, 'checking');
  await registry('addCoprocessor', late, late, url);
  await look.answered([name]);
  await look.judged();
});

test('more addresses than there are places: what means nothing is forgotten', async () => {
  await begin({ profile: 'httpz-2025-04', coprocessors: 1 });
  const [{ address: known, url }] = world.coprocessors;
  await run();
  for (let i = 0; i < 4; i++) {
    await look.answered(await world.ask(1, { sets: await heldBy([...strangers(60), known]) }), 30000);
  }
  const [late] = strangers(1);
  await registry('addCoprocessor', late, late, url);
  await look.answered(await world.ask(1, { sets: await heldBy([late]) }), 30000);
  await look.judged();
});

/** The connector's only HTTP node is one whose eth_call can be spoiled. */
async function beginWithOddNode(options) {
  await begin({ profile: 'httpz-2025-04', ...options });
  const node = await startLagging(world.chain);
  world.started.push(node);
  const [chain] = world.config.chains;
  world.writeConfig({ chains: [{ ...chain, urls: [{ name: 'odd', url: node.httpUrl }, chain.urls[1]] }] });
  return node;
}

test('no answer is none: requests wait for their buckets; a refusal says that there is no bucket', async () => {
  const node = await beginWithOddNode({ coprocessors: 2 });
  await run();
  const [first, second] = world.coprocessors.map((c) => c.address);
  const rows = [
    [first, { code: -32000, message: 'header not found' }, /buckets are not known yet/],
    [second, { code: 3, message: 'execution reverted', data: '0x' }, /lists no bucket/],
  ];
  for (const [holder, error, why] of rows) {
    const sets = await heldBy([holder]);
    node.errors = { eth_call: error };
    const [name] = await world.ask(1, { sets });
    await look.waitShow(name, 'it waits', (row) => row.state === 'checking' && why.test(row.reason ?? ''));
    node.errors = {};
    await look.answered([name]);
  }
  await look.judged();
});

test('our own registration, by our address: check --online and the running connector', async () => {
  const node = await beginWithOddNode({ register: false });
  const online = async () => {
    const { code, output } = await world.cli('check', '--online');
    return { code, said: output };
  };
  const refused = async (pattern) => {
    const { code, said } = await online();
    assert.equal(code, 69, said);
    assert.match(said, pattern);
  };
  const missing = /FAIL +account 0x\w+ is not registered as a node: register it/;
  await refused(missing);
  node.errors = { eth_call: { code: 3, message: 'execution reverted', data: '0x' } };
  await refused(missing);
  node.errors = { eth_call: { code: -32000, message: 'header not found' } };
  await refused(/FAIL +the list of nodes at 0x\w+: header not found/);
  node.errors = {};

  await world.startConnector();
  await look.waitLine('X017', { why: /not in the list of nodes/ });
  await look.waitStatus(/^needs you: the chain does not list this node/);
  const nobody = Wallet.createRandom().address;
  await world.registerNode(nobody);
  await refused(new RegExp(`is registered with identity ${nobody}, but kms_signer_address is ${world.core.address}`));
  await world.removeNode();
  await world.registerNode();
  const { code, said } = await online();
  assert.equal(code, 0, said);
  assert.match(said, new RegExp(`OK +account ${world.node.address} is registered with identity ${world.core.address}`));
});

test('inspect lists nodes and coprocessors one by one', async () => {
  await begin({ profile: 'httpz-2025-04', coprocessors: 2, nodes: 1, thresholds: [1, 2, 1] });
  const { code, output } = await world.cli('inspect');
  assert.equal(code, 0, output);
  const { node, nodes, core, coprocessors } = world;
  const said = [
    new RegExp(`txSenderAddress ${node.address} \\(our account\\)  signerAddress ${core.address}  ipAddress "127.0.0.1"`),
    new RegExp(`txSenderAddress ${nodes[0].wallet.address}  signerAddress ${nodes[0].signer.address}`),
    ...coprocessors.map((c) => new RegExp(`txSenderAddress ${c.address}  signerAddress ${c.address}  s3BucketUrl "${c.url}"`)),
    /nodes that must answer a user decryption: 2\n/,
  ];
  for (const pattern of said) assert.match(output, pattern);
});

test('ciphertexts in the event itself: no bucket is asked', async () => {
  await begin({ profile: 'inline' });
  await run();
  const names = await world.ask(4, { types: [0, 4, 8, 10], materials: 2, keepBodies: true });
  names.push(...await world.ask(1, { types: [5], size: 60_000, keepBodies: true }));
  await look.answered(names);
  await look.judged();
  assert.equal((await look.counters()).executor_fetches, 0);
});
