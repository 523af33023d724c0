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
  const key = BigInt('0x1234');
  await world.send(world.httpz, 'setCurrentKeyId', key);
  await world.send(world.httpz, 'activateKeyRequest', key).catch(() => {});
});
