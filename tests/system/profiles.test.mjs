/*
 * What only some profiles have: registries that are asked by address, ciphertexts that stand in
 * the request itself, requests without an id.
 */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { AbiCoder, Wallet, hexlify, keccak256 } from 'ethers';
import { startLagging } from '../peers/lagging.mjs';
import { lookAt, until } from './look.mjs';
import { resultId } from './requests.mjs';
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

test('requests without an id, responses of one argument', async () => {
  await begin({ profile: 'literal', chain: { slots: 1 }, config: { finality: { keygen: 'latest', crsgen: 'finalized' } } });
  const { chain, contracts: { keys }, node } = world;
  await run();
  /* The result ids of what one call asks for: of its own first argument, or of each log's place. */
  const ask = async (kind, ...args) => {
    const { logs } = await world.send(keys, `${kind}Request`, ...args);
    await chain.mine(4); /* finalized */
    const places = logs.map((log) => keccak256(AbiCoder.defaultAbiCoder().encode(['uint256', 'address', 'bytes32', 'uint256'],
      [chain.chainId, keys.target, log.blockHash, log.logIndex])));
    const ids = kind === 'keygen' || kind === 'ksk' ? [args[0]] : places;
    return ids.map((id) => resultId(kind, chain.chainId, keys.target, id));
  };
  let answers = 0;
  const answered = async (kind, results) => {
    answers += results.length;
    const event = `${kind[0].toUpperCase()}${kind.slice(1)}Response`;
    await until(`${kind} ${results}`, async () => {
      const said = (await keys.queryFilter(event)).map((log) => log.args[0]);
      return results.every((one) => said.includes(one));
    });
    return results;
  };
  const made = async (kind, ...args) => answered(kind, await ask(kind, ...args));

  const [pre, other] = await made('preprocessKeygen', 2);
  assert.notEqual(pre, other);
  const [key] = await made('keygen', pre);
  const [second] = await made('keygen', other);
  const [preKsk] = await made('preprocessKsk');
  await made('ksk', preKsk, key, second);
  await made('crsgen');
  assert.equal(Number(await chain.rpc('eth_getTransactionCount', node.address, 'latest')), answers);
});

test('what has its place for an id may not be believed before it is final', async () => {
  await begin({ profile: 'literal', config: { finality: { crsgen: 'latest' } } });
  const { code, output } = await world.cli('check');
  assert.equal(code, 78, output);
  assert.match(output, /CrsgenRequest has no id, so that its place in the chain is its id: it needs the finality finalized or settled/);
});
