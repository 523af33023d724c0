/*
 * One connector from its start to its orderly end: decryptions of every FHE type, also of several
 * ciphertexts, and what an operator sees of them by command and by HTTP.  No fault at all: this
 * is what must be clean under the sanitizers before anything else is looked at.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fheTypes } from '../peers/plaintext.mjs';
import { lookAt, until } from './look.mjs';
import { reportsIn, startWorld } from './world.mjs';

const ALL = ['kms-connector', 'kms-executor', 'kms-listener', 'kms-monitor', 'kms-signer', 'kms-submitter'];
const types = fheTypes.map((type) => type.number);
let world;
let look;

before(async () => {
  world = await startWorld();
  look = lookAt(world);
  await world.startConnector();
});
after(() => world?.stop());

const get = async (path) => {
  const answer = await fetch(`${world.monitorUrl}${path}`);
  return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() };
};
const json = async (path) => JSON.parse((await get(path)).text);

test('20 decryptions of all types, some of several ciphertexts, are answered rightly', { timeout: 60000 }, async () => {
  await world.ask(types.length, { types });
  await world.ask(4, { types, materials: 3 });
  await world.ask(4, { types: [5, 9, 0, 11, 7], materials: 5, perTx: 4, size: 100_000 });
  assert.equal(world.requests.size, 20);
  assert.deepEqual((await world.waitAnswered(40000)).missing, []);
  const verdict = await world.judge();
  assert.deepEqual(verdict.problems, []);
  assert.equal(verdict.accepted, 20);
  assert.equal(verdict.transactions, 20);
});

test('the operator sees them by command', { timeout: 60000 }, async () => {
  await until('all are done in our books', async () => (await look.list('done')).length === 20, 10000, 100);
  const status = await look.waitFine();
  assert.match(status.text, /^needs you: nothing\n/);

  const { code, output } = await world.cli('list');
  assert.equal(code, 0);
  assert.equal(output.split('\n').filter((line) => /^public-\d+ +done /.test(line)).length, 20);
  assert.deepEqual((await look.list('held')), []);

  const [id] = world.requests.keys();
  const shown = await world.cli('show', id);
  assert.equal(shown.code, 0);
  assert.match(shown.output, new RegExp(`^request +${id}\\n`));
  const row = await look.show(id);
  const receipt = await world.chain.rpc('eth_getTransactionReceipt', row.tx);
  assert.equal(receipt.status, '0x1');
  assert.equal(receipt.from, world.node.address.toLowerCase());
  assert.equal(row.block, world.requests.get(id).block);

  const unknown = await world.cli('show', 'public-999999');
  assert.equal(unknown.code, 1);
  assert.match(unknown.output, /no request public-999999/);
});

test('and by HTTP', { timeout: 60000 }, async () => {
  for (const path of ['/livez', '/readyz']) assert.equal((await get(path)).status, 200, path);
  const page = await get('/');
  assert.equal(page.status, 200);
  assert.match(page.type, /^text\/html/);

  await look.waitCounter('executor_open', (n) => n === 0);
  assert.equal((await look.counters()).signer_next_nonce, 20);

  const status = await json('/v1/status');
  assert.equal(status.executor, true);
  assert.deepEqual(status.stages.map((stage) => stage.state), status.stages.map(() => 'runs'));
  const { requests, count } = await json('/v1/requests?state=done&limit=200');
  assert.equal(count, 20);
  assert.deepEqual(requests.map((r) => r.id).sort(), [...world.requests.keys()].sort());
  const [id] = world.requests.keys();
  assert.deepEqual((await json(`/v1/requests/${id}`)).requests.map((r) => r.id), [id]);
  for (const [path, code] of [['/v1/requests/public-999999', 404], ['/v1/requests/x', 400], ['/x', 404],
    ['/v1/requests?limit=0', 400]]) {
    assert.equal((await get(path)).status, code, path);
  }
});

test('asked to stop, all six leave in order and leave nothing', { timeout: 30000 }, async () => {
  assert.deepEqual(world.processes().map((p) => p.name).sort(), ALL);
  assert.deepEqual(await world.stopConnector(), { code: 0, signal: null, error: undefined, orphans: [] });
  assert.deepEqual(look.lines('S003'), [], 'no child died');
  assert.equal(look.lines('G002').length, ALL.length, 'each says that it stops');
  assert.deepEqual(world.log().split('\n').filter((line) => / level=(warn|error) /.test(line)
    && !line.includes(' code=KC-G008 ')), []);
  const verdict = await world.judge();
  assert.deepEqual(verdict.problems, []);
});

test('what a sanitizer says in the log is found', () => {
  const log = ['ts=1 msg="before"', 'a.c:7:3: runtime error: signed integer overflow', 'ts=2 msg="between"',
    '==1==ERROR: AddressSanitizer: heap-use-after-free', '    #0 in f', '', 'SUMMARY: AddressSanitizer: f', 'ts=3',
    '==2==ERROR: LeakSanitizer: detected memory leaks', '', 'Direct leak of 7 byte(s)', '    #0 in g', 'SUMMARY: ..', 'ts=4'];
  const reports = reportsIn(log.join('\n'));
  assert.equal(reports.length, 3);
  assert.match(reports[1], /^==1==.*\n {4}#0 in f\n$/);
  assert.match(reports[2], /Direct leak of 7 byte.*\n {4}#0 in g$/);
  assert.deepEqual(reportsIn('ts=1 level=error msg="an error at runtime"\n'), []);
});
