/*
 * `kms-connector verify`: past answers of several nodes are found right, with nothing running but
 * a chain node and the buckets; and when one answer, one ciphertext or one signature is made
 * wrong, exactly that request is named.  The same with each profile: one's contracts list who is
 * registered, the other's are asked for each account.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { after, afterEach, before, describe, test } from 'node:test';
import { lookAt } from './look.mjs';
import { startWorld } from './world.mjs';

let world;
let names; /* all requests, in the order in which they were answered */

async function verify(...words) {
  const { code, output } = await world.cli('verify', ...words, '--json');
  try {
    return { code, ...JSON.parse(output) };
  } catch {
    throw new Error(`exit ${code}: ${output}`);
  }
}

/** Exactly this request is wrong, all others are right; its findings. */
async function onlyWrong(name) {
  const { code, requests, ...sum } = await verify('--last', '100');
  assert.deepEqual(requests.filter((r) => r.verdict !== 'right').map((r) => r.id), [name]);
  assert.equal(requests.length, names.length);
  assert.deepEqual([code, sum.right, sum.wrong, sum.unknown], [1, names.length - 1, 1, 0]);
  const { findings } = requests.find((r) => r.id === name);
  assert.ok(findings.every((f) => f.wrong));
  return findings.map((f) => f.text);
}

/* What is made wrong stays on the chain: put away by a snapshot around each case. */
async function reverted(work) {
  const snapshot = await world.chain.rpc('evm_snapshot');
  try {
    await work();
  } finally {
    await world.chain.rpc('evm_revert', snapshot);
    await world.resync();
  }
}

async function eventOf(name) {
  const { args } = (await world.responseEvents()).get(name);
  return { id: args[0], results: args[1], signatures: [...args[2]] };
}

/** Digests of a request's ciphertexts, as its event has them. */
async function digestsOf(name) {
  const { kind, id } = world.requests.get(name);
  const event = kind === 'user' ? 'UserDecryptionRequest' : 'PublicDecryptionRequest';
  const topics = world.manager.interface.encodeFilterTopics(event, [id]);
  const [log] = await world.chain.rpc('eth_getLogs', { fromBlock: '0x0', toBlock: 'latest', address: world.manager.target, topics });
  return world.manager.interface.parseLog(log).args.snsCtMaterials.map((m) => m.snsCiphertextDigest);
}

const flip = (hex, at = 4) => `0x${hex.slice(2, at)}${(parseInt(hex.slice(at, at + 2), 16) ^ 1).toString(16).padStart(2, '0')}${hex.slice(at + 2)}`;

/* A node before the world's that refuses what `refuses` says, with an error as nodes give. */
async function pickyNode(refuses) {
  const self = { refused: 0, served: 0 };
  const server = http.createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const call = JSON.parse(Buffer.concat(parts).toString('utf8'));
    const message = refuses(call);
    self[message ? 'refused' : 'served']++;
    const answer = message ? { jsonrpc: '2.0', id: call.id, error: { code: -32000, message } }
      : await (await fetch(world.chain.httpUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(call) })).json();
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const { gwl2_url: urls, chains } = world.config;
  const url = `http://127.0.0.1:${server.address().port}`;
  world.writeConfig(chains ? { chains: [{ ...chains[0], urls: [url] }] } : { gwl2_url: url });
  self.stop = async () => {
    world.writeConfig(chains ? { chains } : { gwl2_url: urls });
    server.closeAllConnections();
    await new Promise((resolve) => { server.close(resolve); });
  };
  return self;
}

function tellOf(profile) {
  before(async () => {
    world = await startWorld({ profile, nodes: 3, thresholds: [3, 3, 1], config: { retry_interval_secs: 1 } });
    await world.startConnector();
    await lookAt(world).waitFine();
    names = [
      ...await world.ask(6, { types: [0, 1, 5, 7, 8, 11] }),
      ...await world.ask(2, { types: [3, 9, 10, 2], materials: 4 }),
      ...await world.ask(1, { types: [4], materials: 300, distinct: 1, size: 64 }),
      ...await world.askUser(6, { types: [0, 5, 8] }),
      ...await world.askUser(2, { types: [2], materials: 3 }),
    ];
    assert.deepEqual((await world.waitAnswered(30000, { by: 'call' })).missing, []);
    for (const name of names) for (const node of [0, 1]) await world.answerAs(node, name);
    assert.deepEqual((await world.waitAnswered(5000)).missing, []);
    /* Everything it must not need is gone. */
    await world.stopConnector();
    await world.core.stop();
    fs.rmSync(world.keyFile);
  });
  afterEach(() => world.bucket.clear());
  after(() => world?.stop());

  test('all answers of several nodes are right, and nothing else was needed', async () => {
    const { code, requests, right } = await verify('--last', '100');
    assert.deepEqual(requests.filter((r) => r.verdict !== 'right'), []);
    assert.deepEqual([code, right], [0, names.length]);
    assert.deepEqual(requests.map((r) => r.id).sort(), [...names].sort());
    assert.ok(requests.every((r) => r.nodes === 3));
    const counts = Object.fromEntries(requests.map((r) => [r.id, r.ciphertexts]));
    for (const name of names) assert.equal(counts[name], world.requests.get(name).handles.length);
  });

  test('as lines: one for each request, and their sum; the newest first', async () => {
    const { code, output } = await world.cli('verify', '--last', '4');
    const lines = output.trimEnd().split('\n');
    assert.equal(code, 0, output);
    assert.equal(lines.length, 5, output);
    for (const line of lines.slice(0, 4)) assert.match(line, /^(public|user)-\d+ +right {2}3 nodes, \d+ ciphertexts?, 0x[0-9a-f]{4}\.\.[0-9a-f]{4}$/);
    assert.equal(lines[4], '4 requests: 4 right, 0 wrong, 0 cannot be checked');
    const last = (await verify('--last', '4')).requests.map((r) => r.block);
    assert.deepEqual(last, [...last].sort((a, b) => b - a));
  });

  test('by id; what is not answered, or is no decryption', async () => {
    const { code, requests } = await verify(names[0], names.at(-1));
    assert.deepEqual(requests.map((r) => [r.id, r.verdict]), [[names[0], 'right'], [names.at(-1), 'right']]);
    assert.equal(code, 0);
    const open = await verify('public-77777');
    assert.deepEqual([open.code, open.unknown], [69, 1]);
    assert.match(open.requests[0].findings[0].text, /no event of its answer is on the chain/);
    assert.equal((await world.cli('verify', 'keygen-1')).code, 78);
    for (const words of [['--last', '0'], ['--last', '1001'], ['--last'], ['nonsense'], ['--what']]) {
      assert.equal((await world.cli('verify', ...words)).code, 64, words.join(' '));
    }
  });

  test('a wrong public answer: the signatures are not over it, and no such call was made', () => reverted(async () => {
    const name = 'public-3';
    const { id, results, signatures } = await eventOf(name);
    await world.emitRaw('manager', 'PublicDecryptionResponse', id, flip(results, 60), signatures);
    const found = await onlyWrong(name);
    assert.equal(found.filter((f) => /its signature [123] is of 0x\w{40}, which is no registered node's/.test(f)).length, 3);
    assert.ok(found.some((f) => /does not call publicDecryptionResponse/.test(f)));
  }));

  test('a wrong share of a user decryption', () => reverted(async () => {
    const name = 'user-2';
    const { id, results, signatures } = await eventOf(name);
    const shares = [...results];
    shares[1] = flip(shares[1], 90);
    await world.emitRaw('manager', 'UserDecryptionResponse', id, shares, signatures);
    const found = await onlyWrong(name);
    assert.equal(found.filter((f) => /signature 2 is of/.test(f)).length, 1);
    assert.equal(found.filter((f) => /signature [13] is of/.test(f)).length, 0);
  }));

  test('a wrong signature, one that is none, one twice, one too few', () => reverted(async () => {
    const name = 'public-5';
    const { id, results, signatures: [a, b, c] } = await eventOf(name);
    await world.emitRaw('manager', 'PublicDecryptionResponse', id, results, [a, flip(b, 70), c]);
    assert.ok((await onlyWrong(name)).some((f) => /signature 2 is (of 0x|no signature)/.test(f)));
    await world.emitRaw('manager', 'PublicDecryptionResponse', id, results, [a, b, '0x1234']);
    assert.ok((await onlyWrong(name)).some((f) => /signature 3 is no signature/.test(f)));
    await world.emitRaw('manager', 'PublicDecryptionResponse', id, results, [a, b, a]);
    assert.ok((await onlyWrong(name)).some((f) => /signatures 1 and 3 are of one node/.test(f)));
    await world.emitRaw('manager', 'PublicDecryptionResponse', id, results, []);
    assert.ok((await onlyWrong(name)).some((f) => /has 0 signatures/.test(f)));
  }));

  test('a plaintext beyond its type, and a word too many', () => reverted(async () => {
    const name = 'public-1'; /* an ebool */
    const { id, results, signatures } = await eventOf(name);
    await world.emitRaw('manager', 'PublicDecryptionResponse', id, `0x${'00'.repeat(31)}02`, signatures);
    assert.ok((await onlyWrong(name)).some((f) => /does not fit its FHE type/.test(f)));
    await world.emitRaw('manager', 'PublicDecryptionResponse', id, `${results}${'00'.repeat(32)}`, signatures);
    assert.ok((await onlyWrong(name)).some((f) => /another length than its plaintexts/.test(f)));
  }));

  test('a node that has left since: it was registered when it answered', () => reverted(async () => {
    await world.removeNode();
    assert.equal((await verify('--last', '100')).code, 0);
  }));

  test('a ciphertext that is another in one of its buckets', async () => {
    const name = names[7]; /* of four ciphertexts */
    const digest = (await digestsOf(name))[2];
    await world.bucket.fault(`ct128-2/${digest.slice(2)}`, 'wrong');
    const found = await onlyWrong(name);
    assert.equal(found.length, 1);
    assert.match(found[0], /^the ciphertext of handle 0x\w{4}\.\.\w{4} in http:\/\/127.0.0.1:\d+\/ct128-2 does not have the digest/);
  });

  test('one bucket without it is nothing; what no bucket has cannot be checked, and is not called right', async () => {
    const name = names[9];
    const [digest] = await digestsOf(name);
    await world.bucket.fault(`ct128/${digest.slice(2)}`, 'status', { status: 404 });
    assert.equal((await verify(name)).code, 0);
    await world.bucket.fault(digest, 'status', { status: 404 });
    const { code, requests } = await verify(name, names[10]);
    assert.equal(code, 69);
    assert.deepEqual(requests.map((r) => r.verdict), ['unknown', 'right']);
    assert.match(requests[0].findings[0].text, /^1 ciphertext cannot be had: http.*HTTP 404 NoSuchKey/);
  });

  test('a chain node that bears only small ranges', async () => {
    const node = await pickyNode(({ method, params: [filter] }) => {
      return method === 'eth_getLogs' && Number(filter.toBlock) - Number(filter.fromBlock) >= 7 && 'query exceeds max block range 7';
    });
    const { code, right } = await verify('--last', '100');
    await node.stop();
    assert.deepEqual([code, right], [0, names.length]);
    assert.ok(node.refused > 10 && node.served > 100, JSON.stringify(node));
  });

  test('a chain node that has forgotten who was registered: what it cannot say is not called right', () => reverted(async () => {
    await world.removeNode();
    const node = await pickyNode(({ method, params }) => {
      return method === 'eth_call' && params[1] !== 'latest' && 'missing trie node';
    });
    const { code, unknown, wrong } = await verify('--last', '100');
    await node.stop();
    assert.deepEqual([code, wrong, unknown], [69, 0, names.length]);
  }));

  test('a chain node that serves no logs, or is not there', async () => {
    const node = await pickyNode(({ method }) => method === 'eth_getLogs' && 'history has been pruned');
    const { code, trouble } = await verify('--last', '5');
    assert.equal(code, 69);
    assert.match(trouble, /eth_getLogs: history has been pruned/);
    await node.stop();
    await world.proxy.refuse();
    const none = await verify('--last', '5');
    await world.proxy.forward();
    assert.equal(none.code, 69);
    assert.match(none.trouble, /no node of it answers/);
  });
}

for (const profile of ['httpz', 'httpz-2025-04']) describe(`answers of ${profile}`, () => tellOf(profile));
