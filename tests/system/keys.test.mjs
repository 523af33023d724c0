/*
 * Key operations in bad weather: a Core that forgets a preprocessing before its key is made, one
 * that needs none; and requests that the access control or their user does not permit, with the
 * contracts of each profile.
 */
import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';
import { Wallet } from 'ethers';
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

async function beginWithAccessControl(profile) {
  await begin({ profile });
  await world.stopConnector();
  world.useAccessControl();
  await world.startConnector();
  await look.waitFine();
}
const makeSet = () => world.makeCiphertexts([4, 5], { keepBodies: true });
const handlesOf = (set) => set.map((c) => `0x${c.handle.toString('hex')}`);
const isRefused = (row) => row.state === 'refused';

for (const profile of ['httpz', 'httpz-2025-04']) {
  test(`${profile}: what the access control permits, at once or later`, async () => {
    await beginWithAccessControl(profile);
    const [set, lateSet, userSet] = [await makeSet(), await makeSet(), await makeSet()];
    await world.send(world.access, 'allowPublicDecrypt', handlesOf(set), true);
    const [open] = await world.ask(1, { sets: [set] });
    await look.answered([open]);

    const [late] = await world.ask(1, { sets: [lateSet] });
    await look.waitLine('X025', { id: late });
    await world.send(world.access, 'allowPublicDecrypt', handlesOf(lateSet), true);
    await look.answered([late]);

    const user = new Wallet(Wallet.createRandom().privateKey);
    for (const handle of handlesOf(userSet)) await world.send(world.access, 'allowAccount', handle, user.address, true);
    await look.answered(await world.askUser(1, { sets: [userSet], user }));
    await look.judged();
  });

  test(`${profile}: the user's own signature, where it is required`, async () => {
    await begin({ profile, config: { user_signature: 'required' } });
    await look.answered(await world.askUser(2, { types: [0, 5], materials: 2 }));
    await world.send(world.manager, 'setCheckUserSignature', false);
    const [unsigned] = await world.askUser(1, { unsigned: true });
    assert.match((await look.waitShow(unsigned, 'it is refused', isRefused)).reason, /not signed by its user/);
    const key = '0x2000000000000000' + 'ab'.repeat(32);
    const material = [`0x${'00'.repeat(29)}010000`, 1n, `0x${'07'.repeat(32)}`, [world.coprocessors[0].address]];
    await world.emitRaw('manager', 'UserDecryptionRequest', 777n, [material], world.owner.address, key);
    assert.match((await look.waitShow('user-777', 'it is refused', isRefused)).reason, /no direct call/);
    assert.equal((await world.core.stats()).calls.UserDecrypt, 2, 'the Core never saw the others');
  });
}

test('a denial that stays one is refused, and the Core never sees the request', async () => {
  await beginWithAccessControl('httpz');
  const [never] = await world.askUser(1, { sets: [await makeSet()] });
  const row = await look.waitShow(never, 'it is refused', isRefused, 60000);
  assert.match(row.reason, /access control does not permit/);
  assert.equal((await world.core.stats()).calls.UserDecrypt ?? 0, 0);
});
