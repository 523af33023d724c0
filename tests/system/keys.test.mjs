/*
 * Key operations in bad weather: a Core that forgets a preprocessing before its key is made, one
 * that needs none, and requests that the access control does not permit.
 */
import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';
import { lookAt } from './look.mjs';
import { startWorld } from './world.mjs';

let world;
let look;

async function begin(options) {
  world = await startWorld({ ...options, config: { retry_interval_secs: 1, ...options.config } });
  look = lookAt(world);
  await world.startConnector();
  await look.waitFine();
}
const end = async () => {
  const ended = world;
  world = null;
  await ended?.stop();
};
afterEach(end);
after(end);

const named = (name) => name.replace(/^preprocessKeygen-0x/, 'prekeygen-').replace(/^(\w+)-0x/, '$1-0x');

test('a preprocessing that the Core forgets while its key waits is made again before the release', async () => {
  await begin({ chain: { slots: 8 }, config: { finality: { keygen: 'finalized' } } });
  const pre = await world.askKey('preprocessKeygen');
  await look.answered([pre.name]);
  const key = await world.askKey('keygen', pre.resultId);
  const waits = await look.waitShow(named(key.name), 'it waits', (row) => row.state === 'waiting');
  assert.equal(waits.tx, null);
  await world.core.forget();
  const from = look.mark();
  world.signal('kms-executor');
  await look.waitLine('X026', { from, id: named(key.name) });
  await look.waitLine('X027', { from, id: named(key.name) });
  assert.equal((await look.show(named(key.name))).state, 'waiting');
  await world.chain.mine(40);
  await look.answered([key.name]);
  await look.judged();
});

test('one that the Core forgets in the last moment is made again then', async () => {
  await begin({ config: { finality: { keygen: 'latest' } } });
  const pre = await world.askKey('preprocessKeygen');
  await look.answered([pre.name]);
  await world.core.forget();
  const key = await world.askKey('keygen', pre.resultId);
  await look.waitLine('X026', { id: named(key.name) });
  await look.answered([key.name]);
  await look.judged();
});

test('a centralised Core preprocesses nothing: answered without it', async () => {
  await begin({ core: { mode: 'centralized' }, config: { core: { mode: 'centralized' }, finality: { keygen: 'latest' } } });
  const pre = await world.askKey('preprocessKeygen');
  await look.answered([pre.name]);
  const key = await world.askKey('keygen', pre.resultId);
  await look.answered([key.name]);
  const { calls } = await world.core.stats();
  assert.equal(calls.KeyGenPreproc ?? 0, 0);
  assert.equal(calls.KeyGen, 1);
  await look.judged();
});

test('access control: a denial waits, and is refused when it stays one', async () => {
  await begin({ config: {} });
  await world.stopConnector();
  world.writeConfig({ access_control_address: world.access.target });
  await world.startConnector();
  await look.waitFine();
  const sets = await Promise.all([1, 1, 1].map(() => world.makeCiphertexts([4, 5], { keepBodies: true })));
  const handles = (set) => set.map((c) => `0x${c.handle.toString('hex')}`);

  await world.send(world.access, 'allowPublicDecrypt', handles(sets[0]), true);
  const [open] = await world.ask(1, { sets: [sets[0]] });
  await look.answered([open]);

  const [late] = await world.ask(1, { sets: [sets[1]] });
  await look.waitLine('X025', { id: late });
  await world.send(world.access, 'allowPublicDecrypt', handles(sets[1]), true);
  await look.answered([late]);

  const [never] = await world.askUser(1, { sets: [sets[2]] });
  const row = await look.waitShow(never, 'it is refused', (r) => r.state === 'refused', 60000);
  assert.match(row.reason, /access control does not permit/);
  const stats = await world.core.stats();
  assert.equal(stats.calls.UserDecrypt ?? 0, 0, 'the Core never saw it');
});

test('the user\'s own signature, where it is required', async () => {
  await begin({ config: { user_signature: 'required' } });
  await look.answered(await world.askUser(2, { types: [0, 5], materials: 2 }));
  await world.send(world.manager, 'setCheckUserSignature', false);
  const [unsigned] = await world.askUser(1, { unsigned: true });
  const refused = (row) => row.state === 'refused';
  assert.match((await look.waitShow(unsigned, 'it is refused', refused)).reason, /not signed by its user/);
  const key = '0x2000000000000000' + 'ab'.repeat(32);
  const material = [1n << 16n, 1n, `0x${'07'.repeat(32)}`, [world.coprocessors[0].address]];
  await world.emitRaw('manager', 'UserDecryptionRequest', 777n, [material], world.owner.address, key);
  assert.match((await look.waitShow('user-777', 'it is refused', refused)).reason, /no direct call/);
  assert.equal((await world.core.stats()).calls.UserDecrypt, 2, 'the Core never saw the others');
});
