/*
 * Every kind of operation from its event to the contract's own consensus event: the contract
 * checks signatures and arguments, the judge reads the chain.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { lookAt } from './look.mjs';
import { startWorld } from './world.mjs';

let world;
let look;

before(async () => {
  world = await startWorld({ config: { finality: { keygen: 'latest' }, retry_interval_secs: 1 } });
  look = lookAt(world);
  await world.startConnector();
  await look.waitFine();
});
after(() => world?.stop());

const word = (n) => `0x${n.toString(16).padStart(64, '0')}`;
const answered = (names, ms = 20000) => look.answered(names, ms);

test('user decryptions of all types, some of several ciphertexts', async () => {
  const names = [];
  for (const fheType of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) names.push(...await world.askUser(1, { types: [fheType] }));
  names.push(...await world.askUser(2, { types: [0, 5, 8], materials: 3 }));
  await answered(names);
  await look.judged();
});

test('keys: preprocessing, keygen, KSK, CRS, each answered with the id that all nodes choose', async () => {
  const keys = [];
  for (let i = 0; i < 2; i++) {
    const pre = await world.askKey('preprocessKeygen');
    await answered([pre.name]);
    const key = await world.askKey('keygen', pre.resultId);
    await answered([key.name]);
    keys.push(key.resultId);
  }
  const pre = await world.askKey('preprocessKsk');
  await answered([pre.name]);
  const ksk = await world.askKey('ksk', pre.resultId, ...keys);
  await answered([ksk.name]);
  const crs = await world.askKey('crsgen');
  await answered([crs.name]);
  await look.judged();
});

test('what a key operation made is shown: its id, the digests and the Core\'s signature', async () => {
  const { name, resultId } = await world.askKey('crsgen');
  await answered([name]);
  const shown = await look.waitShow(name.replace(/^crsgen-0x/, 'crsgen-'), 'it is done', (row) => row.state === 'done');
  assert.equal(BigInt(shown.result_id), resultId);
  assert.match(shown.result, /^CRS=0x[0-9a-f]{64} bits=2048 signature=0x[0-9a-f]{130}$/);
});

test('the current key is followed', async () => {
  await world.send(world.httpz, 'setCurrentKeyId', 0x1234n);
  await world.emitRaw('HTTPZ', 'ActivateKeyResponse', 0x1234n);
  await look.waitLine('X028', { key_id: word(0x1234n) });
  assert.equal((await look.show('activate-4660')).state, 'done');
});

test('1,024 handles in one request', async () => {
  const [name] = await world.ask(1, { types: [4], materials: 1024, distinct: 1, size: 64 });
  await answered([name], 60000);
  await look.judged();
});

// ---- what can never succeed ends at once, with its reason ----

const handleOf = (type, version = 0) => BigInt(`0x${'ab'.repeat(22)}${'00'.repeat(8)}${[type, version]
  .map((n) => n.toString(16).padStart(2, '0')).join('')}`);
const material = (type, more = {}) => [more.handle ?? handleOf(type, more.version), more.key ?? 1n, word(7n),
  more.holders ?? [world.coprocessors[0].address]];
const someUser = '0x00000000000000000000000000000000000000ab';

/* title, contract, event, arguments behind the id, id as shown, reason */
const hopeless = [
  ['no ciphertexts', 'manager', 'PublicDecryptionRequest', () => [[]], 'public', /no ciphertexts, or too many/],
  ['1,025 ciphertexts', 'manager', 'PublicDecryptionRequest',
    () => [Array.from({ length: 1025 }, () => material(4))], 'public', /no ciphertexts, or too many/],
  ['different keys', 'manager', 'PublicDecryptionRequest', () => [[material(4), material(4, { key: 2n })]], 'public',
    /under different keys/],
  ['a type nobody knows', 'manager', 'PublicDecryptionRequest', () => [[material(200)]], 'public', /unknown FHE type/],
  ['a version nobody knows', 'manager', 'PublicDecryptionRequest', () => [[material(4, { version: 9 })]], 'public',
    /unknown FHE type or version/],
  ['nobody holds it', 'manager', 'PublicDecryptionRequest', () => [[material(4, { holders: [] })]], 'public',
    /names no coprocessor/],
  ['the user is the contract', 'manager', 'UserDecryptionRequest', () => [[material(4)], world.manager.target, '0x20'], 'user',
    /the user is the contract itself/],
  ['no public key', 'manager', 'UserDecryptionRequest', () => [[material(4)], someUser, '0x'], 'user', /public key is empty/],
  ['a public key of 200 KiB', 'manager', 'UserDecryptionRequest',
    () => [[material(4)], someUser, `0x${'00'.repeat(200 * 1024)}`], 'user', /over 64 KiB/],
  ['FHE parameters that do not exist', 'HTTPZ', 'CrsgenRequest', () => [['nonsense']], 'crsgen', /no such FHE parameters/],
  ['a key switched to itself', 'HTTPZ', 'KskRequest', () => [5n, 5n, ['test']], 'ksk', /switched to itself/],
];

for (const [i, [title, contract, event, args, prefix, why]] of hopeless.entries()) {
  test(`refused: ${title}`, async () => {
    const id = BigInt(900000 + i);
    const from = look.mark();
    await world.emitRaw(contract, event, id, ...args());
    const row = await look.waitShow(`${prefix}-${id}`, 'it is refused', (r) => r.state === 'refused');
    assert.match(row.reason, why);
    await look.waitLine('X009', { from, id: `${prefix}-${id}` });
  });
}

test('a key of 1 MiB does not fit into an event that is read: held, and reading goes on', async () => {
  const from = look.mark();
  await world.emitRaw('manager', 'UserDecryptionRequest', 900100n, [material(4)], someUser, `0x${'00'.repeat(1 << 20)}`);
  const line = await look.waitLine('X010', { from });
  assert.match(line.id, /^user-900100$/);
  await answered(await world.ask(1));
});

test('held: a key whose preprocessing was never asked for', async () => {
  await world.emitRaw('HTTPZ', 'KeygenRequest', 900200n, ['test']);
  const row = await look.waitShow('keygen-900200', 'it is held', (r) => r.state === 'held');
  assert.match(row.reason, /never asked for/);
});

test('what was read is read again from a block, and changes nothing', async () => {
  const counted = await look.counters();
  assert.equal((await world.cli('rewind', '--to', '0')).code, 0);
  await look.waitCounter('executor_duplicates', (n) => n >= counted.executor_duplicates + 20);
  await answered(await world.ask(1));
  assert.equal((await world.cli('rewind', '--to', '100000000')).code, 1);
  await look.judged();
});
