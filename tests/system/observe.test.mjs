/*
 * `sending: observe`: a connector beside another one of the same account asks the Core for
 * results only, sends nothing, and says of each answer whether it would have sent the same; then
 * it takes over.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { hexlify } from 'ethers';
import { coreClient, startCore } from '../peers/core.mjs';
import { lookAt, until } from './look.mjs';
import { startWorld } from './world.mjs';

let world; /* whose connector sends */
let sends;
let other; /* which observes */
let sees;
let patient; /* observes too, to the end */
let watches;
const lonely = []; /* requests that nobody ever answers */

before(async () => {
  world = await startWorld({ config: { finality: { keygen: 'latest' }, retry_interval_secs: 1 } });
  sends = lookAt(world);
  await world.startConnector();
  await sends.waitFine();
});
after(() => world?.stop());

const observe = (more = {}) => world.another({ sending: 'observe', ...more });
const hexId = (id) => BigInt(id).toString(16).padStart(64, '0');
const shown = (name) => name.replace(/^(\w+?)-0x.*$/, (all, kind) => `${{ preprocessKeygen: 'prekeygen' }[kind] ?? kind}-${BigInt(all.slice(kind.length + 1))}`);

/* Until the observer says of all of these that they agree. */
async function agrees(names) {
  for (const name of names) {
    const row = await sees.waitShow(shown(name), 'it is compared', (r) => r.state === 'done' || r.state === 'held', 20000);
    assert.deepEqual([row.state, row.reason], ['done', 'observed: agrees'], name);
    assert.match(row.tx, /^0x[0-9a-f]{64}$/);
  }
}

test('it says beforehand that it never sends', async () => {
  other = await observe();
  sees = lookAt(other);
  const { code, output } = await other.cli('check');
  assert.equal(code, 0, output);
  assert.match(output, /observes only: never sends/);
  assert.match(output, /public_decryption +from latest +compared/);
  const json = (await other.cli('check', '--json')).output; /* behind a warning */
  assert.equal(JSON.parse(json.slice(json.indexOf('{'))).sending, 'observe');
});

test('what was answered before it came, and what is answered beside it: all as it would have been', async () => {
  const names = [...await world.ask(4, { types: [0, 5, 8, 11] }), ...await world.askUser(4, { types: [2, 5] })];
  await sends.answered(names);
  await other.startConnector();
  patient = await observe({ request_deadline: '60s' });
  watches = lookAt(patient);
  await patient.startConnector();
  await sees.waitLine('X040');
  /* Of a ciphertext that nobody has. */
  lonely.push('public-900001');
  const handle = BigInt(`0x${'ab'.repeat(22)}${'00'.repeat(8)}0500`);
  await world.emitRaw('manager', 'PublicDecryptionRequest', 900001n, [[handle, 1n, `0x${'07'.repeat(32)}`, [world.coprocessors[0].address]]]);

  names.push(...await world.ask(6, { types: [5], materials: 2 }), ...await world.askUser(6, { types: [4] }));
  const pre = await world.askKey('preprocessKeygen');
  await sends.answered([pre.name]);
  const key = await world.askKey('keygen', pre.resultId);
  const crs = await world.askKey('crsgen');
  names.push(pre.name, key.name, crs.name);
  await sends.answered(names);
  await agrees(names);
  assert.equal((await sees.counters()).executor_observed_agrees, names.length);
  await sees.waitShow(lonely[0], 'it waits for the Core', (r) => r.state === 'computing' && /the Core has no result yet/.test(r.reason));
});

test('it sent nothing, signed nothing, fetched nothing, started nothing at the Core', async () => {
  const { problems, transactions, accepted } = await world.judge();
  assert.deepEqual(problems, []);
  assert.equal(transactions, world.requests.size);
  assert.equal(accepted, world.requests.size);
  const counted = await sees.counters();
  for (const name of ['submitter_signed', 'submitter_sends', 'submitter_estimates', 'submitter_foreign_nonces', 'signer_signed',
    'signer_next_nonce', 'executor_fetches', 'executor_observed_differs', 'executor_refused_edges']) {
    assert.equal(counted[name], 0, name);
  }
  const { calls, duplicates } = await world.core.stats();
  const asked = (kind) => [...world.requests.values()].filter((r) => r.kind === kind).length;
  assert.deepEqual([calls.PublicDecrypt, calls.UserDecrypt, calls.KeyGenPreproc, calls.KeyGen, calls.CrsGen],
    [asked('public'), asked('user'), 1, 1, 1]);
  assert.equal(duplicates, 0);
  const status = await sees.status();
  assert.match(status.text, /^needs you: nothing\n\n/);
  assert.match(status.text, /sending +observe: never sends/);
  assert.equal(status.code, 0);
});

test('an answer that comes late is waited for; killed meanwhile, it goes on', async () => {
  assert.equal((await world.cli('pause', 'sending')).code, 0);
  const [late, left, dropped] = await world.ask(3);
  for (const name of [late, left, dropped]) {
    await sends.waitState(name, 'submitting');
    await sees.waitShow(name, 'it waits for the answer', (r) => r.state === 'submitting' && /has not sent its answer yet/.test(r.reason));
  }
  other.signal('kms-executor');
  await sees.waitFine();
  for (const [who, name] of [[world, left], [world, dropped], [other, dropped]]) assert.equal((await who.cli('drop', name)).code, 0);
  assert.equal((await world.cli('continue', 'sending')).code, 0);
  await sends.answered([late]);
  await agrees([late]);
  assert.equal((await sees.show(left)).state, 'submitting');
  world.requests.delete(dropped);
  lonely.push(dropped);
});

test('after a reorganisation it looks again at what the chain says now', async () => {
  const names = await world.ask(3);
  await sends.answered(names);
  await agrees(names);
  /* All answers leave, the requests stay. */
  const asked = Math.max(...names.map((name) => world.requests.get(name).block));
  await world.chain.reorg(await world.chain.head() - asked);
  await world.resync();
  const before = (await sees.counters()).executor_observed_agrees;
  await sends.answered(names, 30000);
  await sees.waitCounter('executor_observed_agrees', (n) => n >= before + 3);
  await agrees(names);
});

test('another answer than its own: one line, a counter, and the operator is needed', async () => {
  /* A second Core with the same key that decrypts something else. */
  const core = await startCore({ key: world.core.key });
  const client = coreClient(core.endpoint);
  const strict = await observe({ kms_core_endpoint: core.endpoint });
  const sight = lookAt(strict);
  try {
    const sets = [await world.makeCiphertexts([5], { keepBodies: true }), await world.makeCiphertexts([5], { keepBodies: true })];
    const names = await world.ask(2, { sets });
    await core.control({ op: 'twist', plaintexts: 'wrong' });
    for (const [i, name] of names.entries()) {
      await client.call('PublicDecrypt', {
        request_id: { request_id: hexId(world.requests.get(name).id) }, key_id: { request_id: hexId(1) },
        ciphertexts: sets[i].map((c) => ({ ciphertext: c.body, fhe_type: c.fheType, external_handle: c.handle, ciphertext_format: 3 })),
        domain: {
          name: 'DecryptionManager', version: '1', verifying_contract: world.manager.target,
          chain_id: Buffer.from(hexId(world.chain.chainId), 'hex'),
        },
        signing_schemes: [0],
      });
      await until('its answer is there', async () => client.call('GetPublicDecryptionResult', { request_id: hexId(world.requests.get(name).id) }));
      await core.control({ op: 'twist' }); /* the second one is right */
    }
    await sends.answered(names);
    await strict.startConnector();
    const row = await sight.waitState(names[0], 'held', 20000);
    assert.equal(row.reason, 'observed: DIFFERS: the node sent another result, signature');
    assert.match(row.tx, /^0x[0-9a-f]{64}$/);
    await sight.waitState(names[1], 'done');
    assert.equal((await sight.show(names[1])).reason, 'observed: agrees');
    const lines = sight.lines('X041');
    assert.deepEqual(lines.map((l) => [l.id, l.level]), [[names[0], 'error']]);
    assert.equal(sight.lines('X010').length, 0);
    const counted = await sight.counters();
    /* Agrees too: a preprocessing, whose answer is known without a Core. */
    assert.deepEqual([counted.executor_observed_agrees, counted.executor_observed_differs, counted.submitter_signed], [2, 1, 0]);
    const status = await sight.status();
    assert.equal(status.code, 2);
    assert.match(status.text, /^needs you: 1 request is held/);
  } finally {
    client.close();
    await strict.stopConnector();
    await core.stop();
  }
});

test('it takes over: the nonce is adopted, what is open and what is asked now it answers', async () => {
  const was = (await world.judge({ unanswered: true })).transactions;
  await world.stopConnector();
  other.writeConfig({ sending: undefined });
  assert.equal((await other.cli('reload')).code, 0);
  await world.ask(3);
  await sends.answered([...world.requests.keys()], 40000);
  const { problems, transactions } = await world.judge();
  assert.deepEqual(problems, []);
  assert.equal(transactions, was + 4);
  assert.equal(sees.lines('T008').length, 1);
  assert.equal((await sees.counters()).signer_signed, 4);
});

test('what nobody answers expires; all else was as it would have been, also by the new sender', async () => {
  for (const name of lonely) {
    const row = await watches.waitState(name, 'expired', 70000);
    assert.match(row.reason, /^observed: (the Core has no result yet|the node has not sent its answer yet)$/);
  }
  assert.deepEqual((await watches.status()).text.split('\n')[0], 'needs you: nothing');
  const counted = await watches.counters();
  assert.deepEqual([counted.executor_observed_differs, counted.executor_expired, counted.submitter_signed], [0, 2, 0]);
});
