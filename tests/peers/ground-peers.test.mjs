/*
 * ground-peers - the fast peers in C proved against the peers they stand in for: fakecore gives
 * what core.mjs gives, fakebucket what bucket.mjs gives, and a connector works with both.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { Wallet, computeAddress, hexlify, keccak256, recoverAddress } from 'ethers';
import { startWorld } from '../system/world.mjs';
import { status } from './core-answers.mjs';
import { coreClient, startCore } from './core.mjs';
import { typedDigest } from './eip712.mjs';
import { bodyOf, startFakeBucket } from './fakebucket.mjs';
import { startFakeCore } from './fakecore.mjs';
import { encodeResult, fheTypes, plaintextOf } from './plaintext.mjs';
import { until } from './process.mjs';

const hex64 = (n) => BigInt(n).toString(16).padStart(64, '0');
const wide = (n) => Buffer.from(hex64(n), 'hex');
const key = `0x${createHash('sha256').update('the key of both Cores').digest('hex')}`;
const contract = computeAddress(key.replace(/.$/, '7'));
const user = computeAddress(key.replace(/.$/, '8'));
const domain = { name: 'DecryptionManager', version: '1', chain_id: wide(12345), verifying_contract: contract };
const typedDomain = { name: 'DecryptionManager', version: '1', chainId: 12345n, verifyingContract: contract };

let core; /* core.mjs */
let fake; /* fakecore */
let clients; /* of both, in this order */
let bucket;

before(async () => {
  [core, fake, bucket] = await Promise.all([
    startCore({ key }), startFakeCore({ key }), startFakeBucket({ buckets: ['one', 'two'] }),
  ]);
  clients = [coreClient(core.endpoint), coreClient(fake.endpoint)];
});

after(async () => {
  for (const client of clients ?? []) client.close();
  await Promise.all([core, fake, bucket].map((peer) => peer?.stop()));
});

// ---- requests ----

function ciphertext(fheType, seed, size = 300) {
  const handle = createHash('sha256').update(`handle ${seed}`).digest();
  handle[30] = fheType;
  return { ciphertext: bodyOf(seed, 0, size), fhe_type: fheType, external_handle: handle, ciphertext_format: 3 };
}

const head = (id) => ({ request_id: { request_id: hex64(id) }, domain, signing_schemes: [0] });
const publicRequest = (id, list, more = {}) => ({
  ...head(id), ciphertexts: list, key_id: { request_id: hex64(1) }, ...more,
});
const userRequest = (id, list, more = {}) => ({
  ...head(id), typed_ciphertexts: list, key_id: { request_id: hex64(1) }, client_address: user,
  enc_key: Buffer.from('the user\'s public key'), ...more,
});

const codeOf = (promise) => promise.then(() => 'OK', (e) => Object.keys(status)[e.code] ?? e.code);
const start = (client, id, more) => client.call('PublicDecrypt', publicRequest(id, [ciphertext(5, id)], more));
const result = (client, id) => client.call('GetPublicDecryptionResult', { request_id: hex64(id) });

/** The result of an operation at both Cores, which must be the same. */
async function both(startMethod, resultMethod, request, at = clients) {
  const answers = [];
  for (const client of at) {
    await client.call(startMethod, request);
    answers.push(await client.call(resultMethod, request.request_id));
  }
  assert.deepEqual(answers[1], answers[0]);
  return answers[1];
}

function assertSigned(type, value, answer) {
  const digest = typedDigest(typedDomain, type, { extraData: '0x', ...value });
  assert.equal(recoverAddress(digest, hexlify(answer.external_signature)), fake.address);
}

// ---- fakecore ----

test('both Cores have one address, and decrypt every type to the same signed plaintexts', async () => {
  assert.equal(fake.address, core.address);
  const ciphertexts = fheTypes.map(({ number }) => ciphertext(number, 100 + number));
  const sets = [...ciphertexts.map((c) => [c]), ciphertexts.slice(0, 9), ciphertexts, [ciphertexts[9], ciphertexts[2]]];
  for (const [i, list] of sets.entries()) {
    const answer = await both('PublicDecrypt', 'GetPublicDecryptionResult', publicRequest(1000 + i, list));
    const plaintexts = list.map((c) => ({ fheType: c.fhe_type, bytes: plaintextOf(c.ciphertext, c.fhe_type) }));
    assert.deepEqual(answer.payload.plaintexts.map((p) => p.bytes), plaintexts.map((p) => p.bytes));
    const ctHandles = list.map((c) => hexlify(c.external_handle));
    assertSigned('PublicDecryptVerification', { ctHandles, decryptedResult: encodeResult(plaintexts) }, answer);
  }
  const extra = publicRequest(1100, [ciphertexts[4]], { extra_data: Buffer.from('0102', 'hex'), signing_schemes: [] });
  assert.equal((await both('PublicDecrypt', 'GetPublicDecryptionResult', extra)).signatures.length, 0);
});

test('user decryptions, preprocessing, keys, decompression keys and reference strings are the same', async () => {
  await both('UserDecrypt', 'GetUserDecryptionResult', userRequest(1, [ciphertext(5, 1), ciphertext(9, 2)]));
  for (const id of [10, 11]) {
    const pre = await both('KeyGenPreproc', 'GetKeyGenPreprocResult', { ...head(id), params: 1 });
    assertSigned('PrepKeygenVerification', { prepKeygenId: `0x${hex64(id)}` }, pre);
  }
  const made = await both('KeyGen', 'GetKeyGenResult', { ...head(20), preproc_id: { request_id: hex64(10) } });
  assertSigned('KeygenVerification', {
    prepKeygenId: `0x${hex64(10)}`,
    keyId: `0x${hex64(20)}`,
    keyDigests: made.key_digests.map((d, keyType) => ({ keyType, digest: hexlify(d.digest) })),
  }, made);
  const ksk = await both('KeyGen', 'GetKeyGenResult', {
    ...head(21),
    preproc_id: { request_id: hex64(11) },
    keyset_config: { keyset_type: 1 },
    keyset_added_info: {
      from_keyset_id_decompression_only: { request_id: hex64(1) },
      to_keyset_id_decompression_only: { request_id: hex64(2) },
    },
  });
  assert.deepEqual(ksk.key_digests.map((d) => d.key_type), ['DecompressionKey']);
  const crs = await both('CrsGen', 'GetCrsGenResult', { ...head(30), max_num_bits: 64 });
  const crsDigest = hexlify(crs.crs_digest);
  assertSigned('CrsgenVerification', { crsId: `0x${hex64(30)}`, maxBitLength: 64, crsDigest }, crs);
  await both('CrsGen', 'GetCrsGenResult', head(31));
});

test('of April 2025 as well: other types, and what nobody signed then', async () => {
  const pair = await Promise.all([startCore({ key, types: '2025-04' }), startFakeCore({ key, types: '2025-04' })]);
  const at = pair.map((peer) => coreClient(peer.endpoint));
  await both('PublicDecrypt', 'GetPublicDecryptionResult', publicRequest(1, [ciphertext(5, 1)]), at);
  await both('UserDecrypt', 'GetUserDecryptionResult', userRequest(1, [ciphertext(5, 1)]), at);
  const pre = await both('KeyGenPreproc', 'GetKeyGenPreprocResult', head(10), at);
  assert.equal(pre.external_signature.length, 0);
  await both('CrsGen', 'GetCrsGenResult', head(30), at);
  for (const client of at) client.close();
  for (const peer of pair) await peer.stop();
});

test('both refuse the same requests with the same codes', async () => {
  const good = ciphertext(5, 1);
  const other = ciphertext(4, 1);
  other.fhe_type = 5;
  const cases = [
    ['PublicDecrypt', publicRequest(2000, []), 'INVALID_ARGUMENT'],
    ['PublicDecrypt', publicRequest(2000, [good], { request_id: { request_id: 'AB'.repeat(32) } }), 'INVALID_ARGUMENT'],
    ['PublicDecrypt', publicRequest(2000, [good], { request_id: undefined }), 'INVALID_ARGUMENT'],
    ['PublicDecrypt', publicRequest(2000, [good], { domain: undefined }), 'INVALID_ARGUMENT'],
    ['PublicDecrypt', publicRequest(2000, [good], { domain: { ...domain, salt: wide(1) } }), 'INVALID_ARGUMENT'],
    ['PublicDecrypt', publicRequest(2000, [good], { domain: { ...domain, name: '' } }), 'INVALID_ARGUMENT'],
    ['PublicDecrypt', publicRequest(2000, [good], { domain: { ...domain, chain_id: Buffer.alloc(8) } }), 'INVALID_ARGUMENT'],
    ['PublicDecrypt', publicRequest(2000, [good], {
      domain: { ...domain, verifying_contract: contract.toLowerCase() },
    }), 'INVALID_ARGUMENT'],
    ['PublicDecrypt', publicRequest(2000, [good], { key_id: { request_id: '12' } }), 'INVALID_ARGUMENT'],
    ['PublicDecrypt', publicRequest(2000, [other]), 'INVALID_ARGUMENT'],
    ['PublicDecrypt', publicRequest(2000, [{ ...good, fhe_type: 12 }]), 'INVALID_ARGUMENT'],
    ['PublicDecrypt', publicRequest(2000, [{ ...good, ciphertext: Buffer.alloc(0) }]), 'INVALID_ARGUMENT'],
    ['PublicDecrypt', publicRequest(2000, [{ ...good, external_handle: Buffer.alloc(31) }]), 'INVALID_ARGUMENT'],
    ['UserDecrypt', userRequest(2000, [good], { client_address: contract }), 'INVALID_ARGUMENT'],
    ['UserDecrypt', userRequest(2000, [good], { client_address: '0x12' }), 'INVALID_ARGUMENT'],
    ['UserDecrypt', userRequest(2000, [good], { enc_key: Buffer.alloc(0) }), 'INVALID_ARGUMENT'],
    ['KeyGen', { ...head(2000), preproc_id: { request_id: hex64(77) } }, 'NOT_FOUND'],
    ['KeyGen', { ...head(2000), preproc_id: { request_id: 'x' } }, 'INVALID_ARGUMENT'],
    ['KeyGen', { ...head(2000), preproc_id: { request_id: hex64(77) }, keyset_config: { keyset_type: 1 } },
      'INVALID_ARGUMENT'],
    ['GetPublicDecryptionResult', { request_id: hex64(2000) }, 'NOT_FOUND'],
    ['GetPublicDecryptionResult', { request_id: '7' }, 'INVALID_ARGUMENT'],
    ['PublicDecryptSync', publicRequest(2000, [good]), 'UNIMPLEMENTED'],
    ['PublicDecrypt', publicRequest(2000, [good]), 'OK'],
    ['PublicDecrypt', publicRequest(2000, [good]), 'ALREADY_EXISTS'],
  ];
  for (const [i, [method, request, code]] of cases.entries()) {
    for (const client of clients) assert.equal(await codeOf(client.call(method, request)), code, `case ${i}: ${method}`);
  }
});

test('what spoils an answer spoils it in the same way at both', async () => {
  const twists = [
    { otherId: true }, { badSignature: true }, { shortSignature: true }, { noExternalSignature: true }, { padTo: 40 },
    { plaintexts: 'missing' }, { plaintexts: 'extra' }, { plaintexts: 'wrong' }, { plaintexts: 'type' },
    { key: `0x${'11'.repeat(32)}` },
  ];
  const list = [ciphertext(5, 1), ciphertext(2, 2)];
  const right = await both('PublicDecrypt', 'GetPublicDecryptionResult', publicRequest(3000, list));
  for (const [i, twist] of twists.entries()) {
    for (const peer of [core, fake]) await peer.control({ op: 'twist', ...twist });
    const answer = await both('PublicDecrypt', 'GetPublicDecryptionResult', publicRequest(3001 + i, list));
    const where = JSON.stringify(twist);
    const same = { ...answer, payload: { ...answer.payload, request_id: right.payload.request_id } };
    if (!twist.otherId) assert.notDeepEqual(same, right, where);
    else assert.equal(answer.payload.request_id.request_id, hex64(3002 + i));
    await both('UserDecrypt', 'GetUserDecryptionResult', userRequest(3001 + i, list));
  }
  for (const peer of [core, fake]) await peer.control({ op: 'clear' });

  const [, client] = clients;
  await fake.control({ op: 'twist', ids: [hex64(3100)], badSignature: true });
  const signatures = [];
  for (const id of [3100, 3101]) {
    await start(client, id);
    signatures.push((await result(client, id)).external_signature.subarray(0, 32).toString('hex'));
  }
  assert.equal(signatures[0], 'ff'.repeat(32));
  assert.notEqual(signatures[1], 'ff'.repeat(32));
  await fake.control({ op: 'clear' });
});

test('it refuses by method, id and share, late, with any code, and never answers', async () => {
  const [, client] = clients;
  const names = Object.keys(status).slice(1);
  for (const code of [...names, 42]) {
    await fake.control({ op: 'fail', code, method: 'PublicDecrypt', count: 1, message: 'so it is' });
    /* what a number beyond the list is to a client, is the client's own choice */
    const got = await codeOf(start(client, 4000));
    assert.equal(code === 42 ? ['UNKNOWN', 42].includes(got) : got, code === 42 ? true : code);
  }
  assert.equal(await codeOf(start(client, 4000)), 'OK');

  await fake.control({ op: 'fail', ids: [hex64(4001)], code: 'ABORTED', after: true });
  assert.equal(await codeOf(start(client, 4002)), 'OK');
  assert.equal(await codeOf(start(client, 4001)), 'ABORTED');
  assert.equal(await codeOf(result(client, 4001)), 'OK', 'the work was done all the same');
  await fake.control({ op: 'fail', call: 'result', match: '^0*fa3$', code: 'DATA_LOSS' });
  assert.equal(await codeOf(result(client, 4002)), 'OK');
  assert.equal(await codeOf(start(client, 0xfa3)), 'OK');
  assert.equal(await codeOf(result(client, 0xfa3)), 'DATA_LOSS');
  await fake.control({ op: 'clear' });

  await fake.control({ op: 'fail', code: 'RESOURCE_EXHAUSTED', share: 0.3, seed: 7 });
  const codes = await Promise.all(Array.from({ length: 200 }, (_, i) => codeOf(start(client, 4100 + i))));
  const exhausted = codes.filter((code) => code === 'RESOURCE_EXHAUSTED').length;
  assert.ok(exhausted > 30 && exhausted < 90, `${exhausted} of 200`);
  assert.equal(codes.filter((code) => code === 'OK').length, 200 - exhausted);
  await fake.control({ op: 'clear' });

  await fake.control({ op: 'fail', hang: true, count: 1 });
  const hung = client.call('PublicDecrypt', publicRequest(4400, [ciphertext(5, 1)]), 300);
  assert.equal(await codeOf(hung), 'DEADLINE_EXCEEDED');
  const began = Date.now();
  await fake.control({ op: 'fail', delayMs: 250, count: 1 });
  assert.equal(await codeOf(start(client, 4401)), 'OK');
  assert.ok(Date.now() - began >= 240);
  assert.equal(await codeOf(result(client, 4401)), 'OK');
});

test('it answers with bytes that are no message, and with far too many', async () => {
  const [, client] = clients;
  await start(client, 5000);
  await fake.control({ op: 'fail', call: 'result', bytes: 'ffffff07', count: 1 });
  assert.equal(await codeOf(result(client, 5000)), 'INTERNAL');
  await fake.control({ op: 'fail', call: 'result', bytes: '', count: 1 });
  assert.equal((await result(client, 5000)).payload, null);
  await fake.control({ op: 'fail', call: 'result', huge: 50_000_000, count: 1 });
  await assert.rejects(result(client, 5000));
  assert.equal(await codeOf(result(client, 5000)), 'OK');
});

test('results are waited for, forgotten, refused too early, and cancelled', async () => {
  const [, client] = clients;
  await fake.control({ op: 'set', delayMs: { public: 300 } });
  const began = Date.now();
  await start(client, 6000);
  assert.equal(await codeOf(result(client, 6000)), 'OK');
  assert.ok(Date.now() - began >= 290);
  await fake.control({ op: 'set', delayMs: 60000 });
  await start(client, 6001);
  assert.equal(await codeOf(client.call('GetPublicDecryptionResult', { request_id: hex64(6001) }, 200)), 'DEADLINE_EXCEEDED');
  await until('the cancelled call waits no more', async () => (await fake.stats()).waiting === 0);
  const waiting = codeOf(result(client, 6001));
  await until('a call waits', async () => (await fake.stats()).waiting === 1);
  await fake.forget();
  assert.equal(await waiting, 'NOT_FOUND');
  await start(client, 6004);
  const soon = codeOf(result(client, 6004));
  await until('a call waits', async () => (await fake.stats()).waiting === 1);
  assert.equal(await fake.finish(), 1);
  assert.equal(await soon, 'OK');
  await fake.control({ op: 'set', delayMs: 60000, longPollMs: 50 });
  await start(client, 6002);
  assert.equal(await codeOf(result(client, 6002)), 'UNAVAILABLE');
  await fake.control({ op: 'clear' });

  await fake.control({ op: 'set', keys: [hex64(9)] });
  assert.equal(await codeOf(start(client, 6003)), 'NOT_FOUND');
  assert.equal(await codeOf(start(client, 6003, { key_id: { request_id: hex64(9) } })), 'OK');
  await fake.control({ op: 'set', keys: null, mode: 'centralized' });
  assert.equal(await codeOf(client.call('KeyGenPreproc', head(6005))), 'ABORTED');
  assert.equal(await codeOf(client.call('KeyGen', { ...head(6005), preproc_id: { request_id: hex64(1) } })), 'OK');
  await fake.control({ op: 'set', mode: 'threshold' });
});

test('it counts calls, errors and how often each id was asked for, also over amnesia', async () => {
  const [, client] = clients;
  await fake.control({ op: 'resetStats' });
  assert.equal(await codeOf(start(client, 7000)), 'OK');
  assert.equal(await codeOf(start(client, 7000)), 'ALREADY_EXISTS');
  assert.equal(await codeOf(result(client, 7000)), 'OK');
  await fake.forget();
  assert.equal(await codeOf(result(client, 7000)), 'NOT_FOUND');
  assert.equal(await codeOf(start(client, 7000)), 'OK');
  assert.equal(await codeOf(start(client, 7001)), 'OK');
  const stats = await fake.stats();
  assert.deepEqual(stats.calls, { PublicDecrypt: 4, GetPublicDecryptionResult: 2 });
  assert.deepEqual(stats.errors, { 'PublicDecrypt:ALREADY_EXISTS': 1, 'GetPublicDecryptionResult:NOT_FOUND': 1 });
  assert.equal(stats.duplicates, 2);
  assert.equal(stats.distinct.public, 2);
  assert.equal(stats.bytes, 1200);
  assert.deepEqual(await fake.control({ op: 'ids', kind: 'public' }), { [hex64(7000)]: 3, [hex64(7001)]: 1 });
  assert.deepEqual(await fake.ledger('public'), { [hex64(7000)]: [3, 1, 1], [hex64(7001)]: [1, 0, 0] });
  await assert.rejects(fake.control({ op: 'nothing' }), /unknown op/);
  await assert.rejects(fake.control({ op: 'fail', code: 'NO_SUCH' }), /no such status/);
});

test('it dies when told to, and comes back on its ports without memory', async () => {
  const [, client] = clients;
  await start(client, 8000);
  await fake.control({ op: 'fail', die: true });
  assert.equal(await codeOf(start(client, 8001)), 'UNAVAILABLE');
  assert.equal((await fake.proc.exited).code, 1);
  const { endpoint } = fake;
  await fake.restart();
  assert.equal(fake.endpoint, endpoint);
  await until('the client is connected again', async () => await codeOf(result(client, 8000)) === 'NOT_FOUND');
});

// ---- fakebucket ----

/** One GET on a connection of its own: { status, headers, body, error }, whatever came. */
function get(url, { method = 'GET', ms = 5000 } = {}) {
  return new Promise((resolve) => {
    const answer = { body: Buffer.alloc(0) };
    const parts = [];
    const done = (error) => {
      clearTimeout(timer);
      request.destroy();
      resolve({ ...answer, body: Buffer.concat(parts), error });
    };
    const request = http.request(url, { method, agent: false }, (response) => {
      Object.assign(answer, { status: response.statusCode, headers: response.headers });
      response.on('data', (part) => parts.push(part));
      response.on('end', () => done(response.complete ? null : 'incomplete'));
      response.on('error', (e) => done(e.code ?? e.message));
    });
    const timer = setTimeout(done, ms, 'timeout');
    request.on('error', (e) => done(e.code ?? e.message));
    request.end();
  });
}

test('bodies that were put, and bodies from a seed, by their keccak256', async () => {
  const body = Buffer.alloc(2_000_000, 0x31);
  const digest = await bucket.put(body, ['one']);
  assert.equal(digest, keccak256(body));
  const got = await get(`${bucket.url('one')}/${digest.slice(2)}`);
  assert.equal(got.status, 200);
  assert.ok(got.body.equals(body));
  assert.equal((await get(`${bucket.url('two')}/${digest.slice(2)}`)).status, 404);
  assert.match((await get(`${bucket.url('three')}/${digest.slice(2)}`)).body.toString(), /NoSuchBucket/);
  assert.equal((await get(`${bucket.url('one')}/short`)).status, 404);
  const only = await get(`${bucket.url('one')}/${digest.slice(2)}`, { method: 'HEAD' });
  assert.equal(only.headers['content-length'], '2000000');
  assert.equal((await get(bucket.url('one'), { method: 'DELETE' })).status, 405);

  for (const size of [1, 3, 4096, 5001]) {
    const digests = await bucket.seed({ seed: 99, first: 5, count: 3, size });
    for (const [i, one] of digests.entries()) {
      const right = bodyOf(99, 5 + i, size);
      assert.equal(one, keccak256(right));
      assert.ok((await get(`${bucket.url('two')}/${one.slice(2)}`)).body.equals(right));
    }
  }
  await bucket.remove(digest, 'one');
  assert.equal((await get(`${bucket.url('one')}/${digest.slice(2)}`)).status, 404);
  const stats = await bucket.stats({ keys: true });
  assert.equal(stats.puts, 1);
  assert.equal(stats.keys[digest.slice(2)], 5);
  assert.ok(stats.statuses[200] >= 14 && stats.statuses[404] === 4 && stats.stored === 12, JSON.stringify(stats));
});

test('a connection serves many requests, also when they come together', async () => {
  const digests = await bucket.seed({ seed: 5, count: 50, size: 20000 });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set();
  await Promise.all(digests.map((digest) => new Promise((resolve, reject) => {
    http.get(`${bucket.url()}/${digest.slice(2)}`, { agent }, (response) => {
      const parts = [];
      ports.add(response.socket.localPort);
      response.on('data', (part) => parts.push(part));
      response.on('end', () => (keccak256(Buffer.concat(parts)) === digest ? resolve() : reject(new Error(digest))));
    }).on('error', reject);
  })));
  agent.destroy();
  assert.equal(ports.size, 1);
});

test('the storage fails in every way of its table', async () => {
  const [digest] = await bucket.seed({ seed: 6, count: 1, size: 300_000 });
  const body = bodyOf(6, 0, 300_000);
  const url = `${bucket.url()}/${digest.slice(2)}`;
  const seen = async (kind, more, how) => {
    await bucket.fault(digest, kind, { ...more, count: 1 });
    return get(url, how);
  };
  for (const code of [403, 404, 500, 503]) assert.equal((await seen('status', { status: code })).status, code);
  const elsewhere = await seen('redirect', { to: 'http://127.0.0.1:1/x' });
  assert.deepEqual([elsewhere.status, elsewhere.headers.location], [302, 'http://127.0.0.1:1/x']);
  assert.match((await seen('redirect')).headers.location, /again$/);
  assert.equal((await seen('hang', {}, { ms: 200 })).error, 'timeout');
  const cut = await seen('reset', { bytes: 1000 });
  assert.deepEqual([cut.error, cut.body.length], ['ECONNRESET', 1000]);
  assert.equal((await seen('reset')).error, 'ECONNRESET');
  const wrong = await seen('wrong', { at: 299_999 });
  assert.equal(wrong.body.length, body.length);
  assert.ok(!wrong.body.equals(body) && wrong.body.subarray(0, 299_999).equals(body.subarray(0, 299_999)));
  assert.equal((await seen('empty')).body.length, 0);
  const short = await seen('truncated', { bytes: 70_000 });
  assert.ok(short.error && short.body.length === 70_000);
  const announced = await seen('announced');
  assert.ok(announced.error && Number(announced.headers['content-length']) > 66 * 1024 * 1024);
  const long = await seen('oversize', { bytes: 400_000 });
  assert.equal(long.error, null);
  assert.ok(long.body.length === 400_000 && long.body.subarray(0, 300_000).equals(body));
  const endless = await seen('endless', {}, { ms: 300 });
  assert.ok(endless.error === 'timeout' && endless.body.length > 1_000_000);
  let began = Date.now();
  assert.ok((await seen('drip', { bytes: 100_000, everyMs: 60 })).body.equals(body));
  assert.ok(Date.now() - began >= 100);
  began = Date.now();
  assert.ok((await seen('delay', { ms: 200 })).body.equals(body));
  assert.ok(Date.now() - began >= 190);
  assert.ok((await get(url)).body.equals(body), 'each fault was spent');

  await bucket.fault('*', 'status', { status: 500 });
  await bucket.fault('two/*', 'status', { status: 503 });
  await bucket.fault(`two/${digest}`, 'status', { status: 403 });
  const second = `${bucket.url('two')}/${digest.slice(2)}`;
  assert.equal((await get(second)).status, 403);
  assert.equal((await get(`${bucket.url('two')}/${'0'.repeat(64)}`)).status, 503);
  assert.equal((await get(url)).status, 500);
  await bucket.clear();
  assert.equal((await get(second)).status, 200);
  assert.equal((await bucket.stats()).active, 0);
  await assert.rejects(bucket.fault('*', 'nothing'), /unknown fault/);
});

// ---- all together ----

test('a connector with fakecore and fakebucket answers 50 decryptions', { timeout: 90000 }, async () => {
  const world = await startWorld({ core: { fake: true }, bucket: { fake: true } });
  try {
    await world.startConnector();
    await world.ask(40, { types: fheTypes.map((type) => type.number), materials: 2 });
    await world.askUser(10, { types: [4, 7] });
    assert.deepEqual((await world.waitAnswered(60000)).missing, []);
    const verdict = await world.judge();
    assert.deepEqual(verdict.problems, []);
    assert.equal(verdict.accepted, 50);
    const asked = { ...await world.core.ledger('public'), ...await world.core.ledger('user') };
    assert.deepEqual(Object.values(asked).filter(([starts, , answers]) => starts !== 1 || answers !== 1), []);
    assert.ok((await world.bucket.stats()).gets >= 90);
  } finally {
    await world.stop();
  }
});
