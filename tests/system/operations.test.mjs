/*
 * Every kind of operation from its event to the contract's own consensus event: the contract
 * checks signatures and arguments, the judge reads the chain.  All of it with the contracts of
 * each profile, by the same programs.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { lookAt } from './look.mjs';
import { program, startWorld } from './world.mjs';

const profiles = ['httpz', 'httpz-2025-04'];
const programs = ['kms-connector', 'kms-executor', 'kms-listener', 'kms-monitor', 'kms-signer', 'kms-submitter'];
const hashes = {}; /* profile -> program -> sha256 of what ran */

let world;
let look;

async function begin(profile) {
  world = await startWorld({ profile, config: { finality: { keygen: 'latest' }, retry_interval_secs: 1 } });
  look = lookAt(world);
  await world.startConnector();
  await look.waitFine();
}

function hashPrograms() {
  const running = world.processes().map((p) => p.name).sort();
  assert.deepEqual(running, programs);
  return Object.fromEntries(running.map((name) => {
    const file = path.join(path.dirname(program), name);
    return [name, createHash('sha256').update(fs.readFileSync(file)).digest('hex')];
  }));
}

const word = (n) => `0x${n.toString(16).padStart(64, '0')}`;
const answered = (names, ms = 20000) => look.answered(names, ms);

// ---- what can never succeed ends at once, with its reason ----

const handleOf = (type, version = 0) => `0x${'ab'.repeat(22)}${'00'.repeat(8)}${[type, version]
  .map((n) => n.toString(16).padStart(2, '0')).join('')}`;
const material = (type, more = {}) => [more.handle ?? handleOf(type, more.version), more.key ?? 1n, word(7n),
  more.holders ?? [world.coprocessors[0].address]];
const someUser = '0x00000000000000000000000000000000000000ab';

const params = (name) => world.generation.fheParams(name);
/** An event by its name, or that of a key operation. */
const emit = (contract, event, ...args) => {
  return world.emitRaw(contract, world.generation.keyKinds[event]?.asked ?? event, ...args);
};

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
  ['FHE parameters that do not exist', 'keys', 'crsgen', () => [params('nonsense')], 'crsgen', /no such FHE parameters/],
  ['a key switched to itself', 'keys', 'ksk', () => [5n, 5n, params('TEST')], 'ksk', /switched to itself/],
];

for (const profile of profiles) {
  describe(profile, () => {
    before(() => begin(profile));
    after(() => world?.stop());

    test('all six programs run, the same for each profile', () => {
      hashes[profile] = hashPrograms();
      for (const other of Object.values(hashes)) assert.deepEqual(hashes[profile], other);
    });

    test('public decryptions of all types, some of several ciphertexts', async () => {
      await answered(await world.ask(12, { types: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] }));
      await answered(await world.ask(4, { types: [0, 5, 8], materials: 3, perTx: 2 }));
      await look.judged();
    });

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
      await world.send(world.keys, 'setCurrentKeyId', 0x1234n);
      await world.emitRaw('keys', 'ActivateKeyResponse', 0x1234n);
      await look.waitLine('X028', { key_id: word(0x1234n) });
      assert.equal((await look.show('activate-4660')).state, 'done');
    });

    test('1,024 handles in one request', async () => {
      const [name] = await world.ask(1, { types: [4], materials: 1024, distinct: 1, size: 64 });
      await answered([name], 60000);
      await look.judged();
    });

    for (const [i, [title, contract, event, args, prefix, why]] of hopeless.entries()) {
      test(`refused: ${title}`, async () => {
        const id = BigInt(900000 + i);
        const from = look.mark();
        await emit(contract, event, id, ...args());
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
      await emit('keys', 'keygen', 900200n, params('TEST'));
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
  });
}
