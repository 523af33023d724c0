/*
 * selftest - the peers proved against each other, without the connector: a small hand-made node
 * takes requests from the chain, fetches bodies, asks the Core and answers.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Wallet, getBytes, keccak256 } from 'ethers';
import { startWorld } from '../system/world.mjs';
import { rpcCall } from './chain.mjs';
import { encodePayload, status } from './core-answers.mjs';
import { coreClient } from './core.mjs';
import { encodeResult, fheTypes, numberOf } from './plaintext.mjs';
import { startProxy } from './tcpproxy.mjs';

const hex64 = (n) => BigInt(n).toString(16).padStart(64, '0');
const bytesOf = (hex) => Buffer.from(getBytes(hex));
const wide = (n) => Buffer.from(hex64(n), 'hex');

let world;
let client;

before(async () => {
  world = await startWorld({ nodes: 1 });
  client = coreClient(world.core.endpoint);
});

after(async () => {
  client?.close();
  await world?.stop();
});

// ---- the hand-made node ----

function domain() {
  return {
    name: 'DecryptionManager',
    version: '1',
    chain_id: wide(world.chain.chainId),
    verifying_contract: world.manager.target,
  };
}

async function fetchBody(material) {
  const url = `${world.coprocessors[0].url}/${material.snsCiphertextDigest.slice(2)}`;
  const answer = await fetch(url, { redirect: 'manual' });
  assert.equal(answer.status, 200);
  const body = Buffer.from(await answer.arrayBuffer());
  assert.equal(keccak256(body), material.snsCiphertextDigest);
  return body;
}

async function typedCiphertexts(materials) {
  return Promise.all(materials.map(async (m) => {
    const handle = wide(m.ctHandle);
    return { ciphertext: await fetchBody(m), fhe_type: handle[30], external_handle: handle, ciphertext_format: 1 };
  }));
}

async function requestEvent(event, name) {
  const logs = await world.manager.queryFilter(event);
  return logs.find((log) => `${name.split('-')[0]}-${log.args[0]}` === name).args;
}

async function computePublic(name) {
  const args = await requestEvent('PublicDecryptionRequest', name);
  const id = hex64(args.publicDecryptionId);
  const ciphertexts = await typedCiphertexts(args.snsCtMaterials);
  const key_id = { request_id: hex64(args.snsCtMaterials[0].keyId) };
  await client.call('PublicDecrypt', {
    request_id: { request_id: id }, ciphertexts, key_id, domain: domain(), signing_schemes: [0],
  });
  const answer = await client.call('GetPublicDecryptionResult', { request_id: id });
  assert.equal(answer.payload.request_id.request_id, id);
  assert.deepEqual(answer.signatures[0].signature, answer.external_signature);
  const result = encodeResult(answer.payload.plaintexts.map((p) => ({ fheType: p.fhe_type, bytes: p.bytes })));
  return { id: args.publicDecryptionId, result, signature: answer.external_signature };
}

/** The name of the custom error with which a call reverts. */
async function revertOf(call) {
  try {
    await call();
  } catch (e) {
    const data = e.data ?? e.info?.error?.data;
    return world.manager.interface.parseError(data)?.name ?? world.httpz.interface.parseError(data)?.name ?? data;
  }
  return 'no revert';
}

async function codeOf(promise) {
  return promise.then(() => 'OK', (e) => Object.keys(status)[e.code] ?? e.message);
}

// ---- decryptions ----

test('three public decryptions go all the way round', async () => {
  const names = await world.ask(3, { types: [0, 5, 8, 4], materials: 2 });
  assert.deepEqual(names, ['public-1', 'public-2', 'public-3']);
  const as = world.asNode('DecryptionManager');
  for (const name of names) {
    const { id, result, signature } = await computePublic(name);
    await (await as.publicDecryptionResponse(id, result, signature)).wait();
    assert.equal(await world.manager.isPublicDecryptionDone(id), true);
  }
  assert.deepEqual((await world.waitAnswered(2000)).missing, []);
  const verdict = await world.judge();
  assert.deepEqual(verdict.problems, []);
  assert.equal(verdict.transactions, 3);
  assert.equal(verdict.accepted, 3);
  const { args } = (await world.responseEvents()).get('public-1');
  assert.equal(args.decryptedResult, world.requests.get('public-1').expected);
});

test('a second response, a wrong signature, a stranger and an unknown id revert', async () => {
  const as = world.asNode('DecryptionManager');
  const [name] = await world.ask(1, { types: [2] });
  const { id, result, signature } = await computePublic(name);
  const call = (...args) => revertOf(() => as.publicDecryptionResponse.staticCall(...args));
  const zero = new Uint8Array(65);
  const late = bytesOf(signature);
  late[3] ^= 1;
  assert.equal(await call(id, result, zero), 'ECDSAInvalidSignature');
  assert.equal(await call(id, result, zero.subarray(1)), 'ECDSAInvalidSignatureLength');
  assert.match(await call(id, result, late), /^(InvalidKmsSigner|ECDSAInvalidSignature)$/);
  assert.equal(await call(id, `${result}00`, signature), 'InvalidKmsSigner');
  assert.equal(await call(9999, result, signature), 'DecryptionNotRequested');
  const stranger = world.manager.connect(await world.chain.wallet());
  const asStranger = () => stranger.publicDecryptionResponse.staticCall(id, result, signature);
  assert.equal(await revertOf(asStranger), 'InvalidKmsNodeSender');
  await world.send(world.manager, 'pause');
  assert.equal(await call(id, result, signature), 'EnforcedPause');
  await world.send(world.manager, 'unpause');
  await (await as.publicDecryptionResponse(id, result, signature)).wait();
  assert.equal(await call(id, result, signature), 'KmsSignerAlreadyResponded');
  await world.removeNode();
  assert.equal(await call(id, result, signature), 'InvalidKmsNodeSender');
  await world.registerNode();
});

test('a user decryption carries exactly the signed payload', async () => {
  const [name] = await world.askUser(1, { types: [4, 7], materials: 2 });
  const args = await requestEvent('UserDecryptionRequest', name);
  const id = hex64(args.userDecryptionId);
  await client.call('UserDecrypt', {
    request_id: { request_id: id },
    typed_ciphertexts: await typedCiphertexts(args.snsCtMaterials),
    key_id: { request_id: hex64(args.snsCtMaterials[0].keyId) },
    client_address: args.userAddress,
    enc_key: bytesOf(args.publicKey),
    domain: domain(),
  });
  const answer = await client.call('GetUserDecryptionResult', { request_id: id });
  const share = encodePayload(answer.payload);
  const tx = await world.asNode().userDecryptionResponse(args.userDecryptionId, share, answer.external_signature);
  await tx.wait();
  assert.deepEqual((await world.judge()).problems, []);
});

test('a request whose user signature is wrong is refused by the contract', async () => {
  await assert.rejects(world.askUser(1, { unsigned: true }), /reverted/);
});

test('key operations: preprocessing, key, CRS', async () => {
  const keyDomain = { ...domain(), name: 'HTTPZ', verifying_contract: world.httpz.target };
  const as = world.asNode('HTTPZ');
  const run = async (start, result, request, id) => {
    await client.call(start, { request_id: { request_id: hex64(id) }, domain: keyDomain, ...request });
    for (;;) {
      try {
        return await client.call(result, { request_id: hex64(id) });
      } catch (e) {
        assert.equal(e.code, status.UNAVAILABLE);
      }
    }
  };
  const pre = await world.askKey('preprocessKeygen');
  const preDone = await run('KeyGenPreproc', 'GetKeyGenPreprocResult', { params: 1 }, pre.resultId);
  assert.equal(preDone.external_signature.length, 65);
  await (await as.preprocessKeygenResponse(pre.id, pre.resultId)).wait();
  const key = await world.askKey('keygen', pre.resultId);
  const preproc_id = { request_id: hex64(pre.resultId) };
  const made = await run('KeyGen', 'GetKeyGenResult', { preproc_id, params: 1 }, key.resultId);
  assert.deepEqual(made.key_digests.map((d) => d.key_type), ['ServerKey', 'PublicKey']);
  await (await as.keygenResponse(key.id, key.resultId)).wait();
  const crs = await world.askKey('crsgen');
  await run('CrsGen', 'GetCrsGenResult', { params: 1 }, crs.resultId);
  await (await as.crsgenResponse(crs.id, crs.resultId)).wait();
  const second = () => as.crsgenResponse.staticCall(crs.id, crs.resultId);
  assert.equal(await revertOf(second), 'CrsgenKmsNodeAlreadyResponded');
  assert.deepEqual((await world.judge()).problems, []);
});

// ---- the judge and the Core ----

test('the judge sees a paid revert, a wrong nonce use and a missing answer', async () => {
  const [name] = await world.ask(1);
  assert.ok((await world.judge()).problems.some((p) => p === `${name} has no answer`));
  const { id, result, signature } = await computePublic(name);
  const as = world.asNode();
  await (await as.publicDecryptionResponse(id, result, signature)).wait();
  await (await as.publicDecryptionResponse(id, result, signature, { gasLimit: 500000 })).wait().catch(() => {});
  const verdict = await world.judge();
  assert.equal(verdict.reverted, 1);
  assert.equal(verdict.problems.length, 1);
  const signedTwice = async (gasLimit) => world.node.signTransaction({
    type: 2, chainId: world.chain.chainId, nonce: 500, to: world.manager.target, gasLimit, maxFeePerGas: 10n ** 10n,
  });
  for (const gas of [100000, 100001]) {
    await rpcCall(world.proxy.httpUrl, 'eth_sendRawTransaction', [await signedTwice(gas)]).catch(() => {});
  }
  assert.deepEqual((await world.judge()).nonces.usedTwice, [500]);
  await world.chain.rpc('anvil_dropAllTransactions');
});

test('the Core refuses, delays, fails on request and forgets', async () => {
  const handle = Buffer.alloc(32, 7);
  handle[30] = 5;
  const request = (id, more = {}) => ({
    request_id: { request_id: id },
    ciphertexts: [{ ciphertext: Buffer.from('body'), fhe_type: 5, external_handle: handle }],
    key_id: { request_id: hex64(1) },
    domain: domain(),
    ...more,
  });
  const start = (id, more) => codeOf(client.call('PublicDecrypt', request(id, more)));
  const result = (id) => codeOf(client.call('GetPublicDecryptionResult', { request_id: id }));
  const { control } = world.core;

  assert.equal(await start('1234'), 'INVALID_ARGUMENT');
  assert.equal(await start('AB'.repeat(32)), 'INVALID_ARGUMENT');
  assert.equal(await start(hex64(900), { domain: undefined }), 'INVALID_ARGUMENT');
  const lower = { ...domain(), verifying_contract: world.manager.target.toLowerCase() };
  assert.equal(await start(hex64(900), { domain: lower }), 'INVALID_ARGUMENT');
  assert.equal(await start(hex64(900)), 'OK');
  assert.equal(await start(hex64(900)), 'ALREADY_EXISTS');
  assert.equal(await result(hex64(900)), 'OK');
  assert.equal(await result(hex64(901)), 'NOT_FOUND');

  await control({ op: 'set', delayMs: 300 });
  const began = Date.now();
  assert.equal(await start(hex64(902)), 'OK');
  assert.equal(await result(hex64(902)), 'OK');
  assert.ok(Date.now() - began >= 290);
  await control({ op: 'set', longPollMs: 50 });
  assert.equal(await start(hex64(903)), 'OK');
  assert.equal(await result(hex64(903)), 'UNAVAILABLE');
  await control({ op: 'clear' });

  await control({ op: 'fail', call: 'start', code: 'RESOURCE_EXHAUSTED', count: 1 });
  assert.equal(await start(hex64(904)), 'RESOURCE_EXHAUSTED');
  assert.equal(await start(hex64(904)), 'OK');
  await control({ op: 'fail', call: 'start', code: 'UNKNOWN', after: true, ids: [hex64(905)] });
  assert.equal(await start(hex64(905)), 'UNKNOWN');
  assert.equal(await start(hex64(906)), 'OK');
  assert.equal(await result(hex64(905)), 'OK');
  await control({ op: 'clear' });

  await control({ op: 'twist', plaintexts: 'missing', otherId: true });
  assert.equal(await start(hex64(907)), 'OK');
  const bad = await client.call('GetPublicDecryptionResult', { request_id: hex64(907) });
  assert.equal(bad.payload.plaintexts.length, 0);
  assert.equal(bad.payload.request_id.request_id, hex64(908));
  await control({ op: 'clear' });

  await world.core.forget();
  assert.equal(await result(hex64(900)), 'NOT_FOUND');
  assert.equal(await start(hex64(900)), 'OK');
  const stats = await world.core.stats();
  assert.ok(stats.duplicates >= 2 && stats.calls.PublicDecrypt > 10 && stats.forgotten > 3);

  const { endpoint } = world.core;
  await world.core.restart();
  assert.equal(world.core.endpoint, endpoint);
  const again = coreClient(endpoint);
  assert.equal(await codeOf(again.call('GetPublicDecryptionResult', { request_id: hex64(900) })), 'NOT_FOUND');
  again.close();
});

// ---- storage, proxy, contracts ----

test('the storage fails in all the ways it is told to', async () => {
  const body = Buffer.alloc(2 * 1024 * 1024, 0x31);
  const digest = await world.bucket.put(body);
  assert.equal(digest, keccak256(body));
  const url = `${world.bucket.url()}/${digest.slice(2)}`;
  const get = async (from = url, ms = 1500) => {
    const answer = await fetch(from, { redirect: 'manual', signal: AbortSignal.timeout(ms) });
    return { status: answer.status, headers: answer.headers, body: Buffer.from(await answer.arrayBuffer()) };
  };
  assert.ok((await get()).body.equals(body));
  const missing = await get(`${world.bucket.url()}/${'0'.repeat(64)}`);
  assert.equal(missing.status, 404);
  assert.match(missing.body.toString(), /<Code>NoSuchKey<\/Code>/);
  for (const status of [403, 404, 500, 503]) {
    await world.bucket.fault(digest, 'status', { status });
    assert.equal((await get()).status, status);
  }
  await world.bucket.fault(digest, 'redirect');
  assert.equal((await get()).status, 302);
  await world.bucket.fault(digest, 'wrong');
  assert.notEqual(keccak256((await get()).body), digest);
  for (const kind of ['truncated', 'announced', 'reset', 'hang', 'endless']) {
    await world.bucket.fault(digest, kind);
    await assert.rejects(get(url, 300), kind);
  }
  await world.bucket.fault(digest, 'drip', { bytes: 512 * 1024, everyMs: 20 });
  assert.ok((await get()).body.equals(body));
  await world.bucket.clear();
  const second = `${world.bucket.url(world.bucket.buckets[1])}/${digest.slice(2)}`;
  await world.bucket.fault(`${world.bucket.buckets[1]}/*`, 'status', { status: 503, count: 1 });
  assert.equal((await get(second)).status, 503);
  assert.equal((await get(second)).status, 200);
});

test('the proxy forwards, refuses, drops and falls silent', async () => {
  const proxy = await startProxy(world.chain.port, { countRpc: true });
  const head = () => rpcCall(proxy.httpUrl, 'eth_blockNumber');
  assert.ok(await head());
  await proxy.refuse();
  await assert.rejects(head());
  await proxy.forward();
  assert.ok(await head());
  proxy.silent();
  let came = false;
  const late = head().then(() => { came = true; });
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.equal(came, false);
  await proxy.forward();
  await late;
  assert.ok(proxy.calls.eth_blockNumber >= 3);
  await proxy.stop();
});

test('another node answers first, ours comes late and is taken once', async () => {
  const [name, userName] = [...await world.ask(1), ...await world.askUser(1)];
  await world.answerAs(0, name);
  await world.answerAs(0, userName);
  assert.deepEqual((await world.waitAnswered(1000, { names: [name, userName] })).missing, []);
  const { id, result, signature } = await computePublic(name);
  await (await world.asNode().publicDecryptionResponse(id, result, signature)).wait();
  assert.deepEqual((await world.waitAnswered(1000, { names: [name], by: 'call' })).missing, []);
});

test('any log can come from the contracts', async () => {
  const topics = [keccak256('0x01'), keccak256('0x02')];
  const receipt = await world.send(world.manager, 'emitRaw', topics, '0xdeadbeef');
  assert.deepEqual(receipt.logs[0].topics, topics);
  assert.equal(receipt.logs[0].data, '0xdeadbeef');
  assert.equal(receipt.logs[0].address.toLowerCase(), world.manager.target.toLowerCase());
});

test('the encoding of results: words, and bytes for wide types', () => {
  const of = (fheType, n) => {
    const bytes = Buffer.alloc(fheTypes[fheType].bytes);
    bytes[0] = n;
    return { fheType, bytes };
  };
  assert.equal(encodeResult([of(2, 5), of(0, 1)]), `0x${hex64(5)}${hex64(1)}`);
  assert.equal(encodeResult([of(9, 7), of(2, 5)]), `0x${hex64(0x60)}${hex64(5)}${hex64(64)}${hex64(0)}${hex64(7)}`);
  assert.equal(numberOf(Buffer.from([1, 2])), 513n);
});

test('the chain keeps its state over a kill', async () => {
  const { startChain } = await import('./chain.mjs');
  const chain = await startChain({ persist: true });
  const { address } = Wallet.createRandom();
  await chain.fund(address, 3);
  await chain.mine(2);
  await new Promise((resolve) => setTimeout(resolve, 1300));
  await chain.kill();
  await chain.restart();
  assert.equal(await chain.head(), 2);
  assert.equal(await chain.provider.getBalance(address), 3n * 10n ** 18n);
  await chain.stop();
});
