/*
 * fakechain.test - the fast chain holds the contracts' rules: the same calls, in the same order, to
 * it and to the real contracts on anvil have the same results, reverts and events.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SigningKey, Transaction, Wallet, ZeroAddress, concat, hexlify, id as keccakOfText, toBeHex } from 'ethers';
import { startWorld } from '../system/world.mjs';
import { startChain } from './chain.mjs';
import { deploy } from './contracts.mjs';
import { decryptionDomain, typesOf } from './eip712.mjs';
import { faultsIn, startFakeChain } from './fakechain.mjs';
import { until } from './process.mjs';

const wallet = (n) => new Wallet(toBeHex(n, 32));
const [owner, alice, bob, carol, stranger, user] = [1, 2, 3, 4, 5, 6].map((n) => wallet(1000 + n));
const cores = { alice: wallet(2001), bob: wallet(2002), carol: wallet(2003) };
const coprocessors = [wallet(3001), wallet(3002), wallet(3003)];
const handle = (n) => toBeHex(n * 0x10000 + 0x0500, 32);
const key = keccakOfText('a key');
const rows = [['httpz', 'HTTPZ'], ['manager', 'DecryptionManager', 'httpz'], ['access', 'AccessControl']];

let anvil;
let fake;
let contracts;
const nonces = new Map();

before(async () => {
  anvil = await startChain();
  await anvil.fund(owner.address);
  contracts = await deploy(owner.connect(anvil.provider), rows);
  const addresses = Object.fromEntries(Object.entries(contracts).map(([name, c]) => [name, c.target]));
  fake = await startFakeChain({ addresses });
  await fake.rpc('fake_set', { owner: owner.address });
  for (const chain of [anvil, fake]) {
    for (const w of [owner, alice, bob, carol, stranger, ...coprocessors]) await chain.fund(w.address);
  }
});

after(async () => {
  await anvil?.stop();
  await fake?.stop();
});

// ---- the same on both ----

/** What a call gives: { result } or { revert }. */
async function called(chain, from, to, data) {
  try {
    return { result: await chain.rpc('eth_call', { from: from.address, to, data }, 'latest') };
  } catch (e) {
    return { revert: e.data ?? '0x' };
  }
}

const namesOf = (contract, data) => {
  if (!data || data === '0x') return data;
  return contract.interface.parseError(data)?.name ?? contracts.httpz.interface.parseError(data)?.name ?? data;
};

/** A view or a call that is not sent: the same answer from both. */
async function look(from, name, fn, ...args) {
  const contract = contracts[name];
  const data = contract.interface.encodeFunctionData(fn, args);
  const [real, ours] = await Promise.all([anvil, fake].map((chain) => called(chain, from, contract.target, data)));
  assert.deepEqual(ours, real, `${fn}: ${namesOf(contract, real.revert)}, here ${namesOf(contract, ours.revert)}`);
  return real.revert === undefined ? contract.interface.decodeFunctionResult(fn, real.result) : namesOf(contract, real.revert);
}

async function sendTo(chain, from, to, data) {
  const at = `${chain.port} ${from.address}`;
  if (!nonces.has(at)) nonces.set(at, Number(await chain.rpc('eth_getTransactionCount', from.address, 'latest')));
  const nonce = nonces.get(at);
  nonces.set(at, nonce + 1);
  const raw = await from.signTransaction({
    type: 2, chainId: chain.chainId, nonce, to, data, gasLimit: 5_000_000, maxFeePerGas: 100_000_000_000n, maxPriorityFeePerGas: 0n,
  });
  const hash = await chain.rpc('eth_sendRawTransaction', raw);
  assert.equal(hash, Transaction.from(raw).hash);
  const receipt = await until('a receipt', () => chain.rpc('eth_getTransactionReceipt', hash));
  return {
    status: Number(receipt.status),
    logs: receipt.logs.map(({ address, topics, data: bytes }) => ({ address: address.toLowerCase(), topics, data: bytes })),
  };
}

/**
 * A transaction, tried as a call before: the same on both.  `expected` is the name of the error or
 * of the event that must come of it (null: neither), so that both cannot be wrong in the same way.
 */
async function step(expected, from, name, fn, ...args) {
  const contract = contracts[name];
  const tried = await look(from, name, fn, ...args);
  const data = contract.interface.encodeFunctionData(fn, args);
  const [real, ours] = await Promise.all([anvil, fake].map((chain) => sendTo(chain, from, contract.target, data)));
  assert.deepEqual(ours, real, fn);
  const event = real.logs[0] && contract.interface.parseLog(real.logs[0])?.name;
  assert.equal(real.status ? event ?? null : tried, expected, `${fn}: ${tried}`);
  return real.logs.map((log) => contract.interface.parseLog(log)?.args);
}

const sameViews = async () => {
  for (const fn of ['getKmsNodes', 'getKmsIdentities', 'getCoprocessors', 'getCoprocessorIdentities', 'getFheParams',
    'getCurrentKeyId', 'getKmsMajorityThreshold', 'getKmsReconstructionThreshold', 'publicThreshold', 'userThreshold',
    'keyThreshold', 'paused', 'odd', 'owner']) await look(stranger, 'httpz', fn);
  for (const fn of ['publicCounter', 'userCounter', 'checkUserSignature', 'paused', 'odd']) await look(stranger, 'manager', fn);
  for (const w of [alice, stranger, coprocessors[0]]) {
    await look(stranger, 'httpz', 'isKmsNode', w.address);
    await look(stranger, 'httpz', 'isCoprocessor', w.address);
    await look(stranger, 'httpz', 'identityOf', w.address);
  }
};

// ---- signatures ----

function signPublic(core, handles, decryptedResult) {
  const domain = decryptionDomain(anvil.chainId, contracts.manager.target);
  return core.signTypedData(domain, typesOf('PublicDecryptVerification'), { ctHandles: handles, decryptedResult, extraData: '0x' });
}

function signUser(core, handles, publicKey, userDecryptedShare) {
  const domain = decryptionDomain(anvil.chainId, contracts.manager.target);
  const type = typesOf('UserDecryptResponseVerification');
  return core.signTypedData(domain, type, { publicKey, ctHandles: handles, userDecryptedShare, extraData: '0x' });
}

const edit = (sig, change) => {
  const bytes = Buffer.from(sig.slice(2), 'hex');
  change(bytes);
  return hexlify(bytes);
};

/* The same signature with the high s: valid mathematics, refused by the contract. */
const highS = (sig) => edit(sig, (b) => {
  const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  Buffer.from(toBeHex(n - BigInt(hexlify(b.subarray(32, 64))), 32).slice(2), 'hex').copy(b, 32);
  b[64] = b[64] === 27 ? 28 : 27;
});

// ---- the contracts' rules ----

test('the registry: nodes, coprocessors, thresholds, parameters, switches', async () => {
  const pub = (w) => SigningKey.computePublicKey(w.privateKey);
  await sameViews();
  await step('NotOwner', alice, 'httpz', 'addKmsNode', alice.address, cores.alice.address, '10.0.0.1');
  await step(null, owner, 'httpz', 'addKmsNode', alice.address, cores.alice.address, '10.0.0.1');
  await step(null, owner, 'httpz', 'addKmsNode', bob.address, pub(cores.bob), 'a name that is longer than one word of thirty-two bytes');
  await step(null, owner, 'httpz', 'addKmsNode', carol.address, `0x${pub(cores.carol).slice(4)}`, '');
  assert.match(await look(owner, 'httpz', 'addKmsNode', carol.address, '0x', ''), /^Error|^0x08c379a0/);
  for (const [i, c] of coprocessors.entries()) {
    await step(null, owner, 'httpz', 'addCoprocessor', c.address, c.address, `http://127.0.0.1:${9000 + i}/ct128`);
  }
  await sameViews();
  await step(null, owner, 'httpz', 'removeKmsNode', alice.address);
  await look(owner, 'httpz', 'removeKmsNode', alice.address);
  await sameViews();
  await step(null, owner, 'httpz', 'addKmsNode', alice.address, cores.alice.address, '10.0.0.1');
  await step(null, owner, 'httpz', 'removeCoprocessor', coprocessors[0].address);
  await sameViews();
  await step(null, owner, 'httpz', 'addCoprocessor', coprocessors[0].address, '0x', 's3://bucket');
  await step('UpdateFheParams', owner, 'httpz', 'updateFheParams', ['default']);
  await step(null, owner, 'httpz', 'setThresholds', 1, 1, 1);
  await step(null, owner, 'httpz', 'setCurrentKeyId', key);
  await look(stranger, 'httpz', 'isCurrentKeyId', key);
  await look(stranger, 'httpz', 'isCurrentKeyId', 7);
  await sameViews();
});

test('access control', async () => {
  await step('NotOwner', bob, 'access', 'allowAccount', handle(1), user.address, true);
  await step(null, owner, 'access', 'allowAccount', handle(1), user.address, true);
  await step(null, owner, 'access', 'allowPublicDecrypt', [handle(1), handle(2)], true);
  await step(null, owner, 'access', 'allowPublicDecrypt', [handle(2)], false);
  for (const n of [1, 2]) {
    await look(stranger, 'access', 'allowedAccounts', handle(n), user.address);
    await look(stranger, 'access', 'allowedPublicDecrypts', handle(n));
  }
});

test('requests: materials, their events, their reverts', async () => {
  const holders = coprocessors.map((c) => c.address);
  const digests = (n) => Array.from({ length: n }, (_, i) => keccakOfText(`body ${i}`));
  await step('NotOwner', bob, 'manager', 'addCiphertexts', [handle(1)], key, digests(1), holders);
  await step(null, owner, 'manager', 'addCiphertexts', [1, 2, 3].map(handle), key, digests(3), holders);
  await step(null, owner, 'manager', 'addCiphertexts', [handle(9)], 77, digests(1), []);
  await step('PublicDecryptionRequest', stranger, 'manager', 'publicDecryptionRequest', [handle(1)]);
  await step('PublicDecryptionRequest', stranger, 'manager', 'publicDecryptionRequest', [3, 1, 2].map(handle));
  await step('PublicDecryptionRequest', stranger, 'manager', 'publicDecryptionRequest', [handle(9)]);
  const made = await step('PublicDecryptionRequest', stranger, 'manager', 'publicDecryptionRequests', [1, 2, 3, 1, 2].map(handle), 2);
  assert.deepEqual(made.map((args) => args[0]), [4n, 5n]);
  await step('CiphertextUnknown', stranger, 'manager', 'publicDecryptionRequest', [handle(1), handle(4)]);
  await step('CiphertextUnknown', stranger, 'manager', 'publicDecryptionRequests', [handle(1), handle(4)], 1);
  await step('DifferentKeyIdsNotAllowed', stranger, 'manager', 'publicDecryptionRequest', [handle(1), handle(9)]);
  await sameViews();

  const publicKey = concat(['0x2000000000000000', keccakOfText('public key')]);
  const domain = decryptionDomain(anvil.chainId, contracts.manager.target);
  const signed = { publicKey, contractAddresses: [carol.address], contractsChainId: 12345 };
  const signature = await user.signTypedData(domain, typesOf('UserDecryptRequestVerification'), signed);
  const ask = (expected, sig, pairs = [1, 2]) => step(expected, stranger, 'manager', 'userDecryptionRequest',
    pairs.map((n) => [handle(n), carol.address]), user.address, publicKey, 12345, [carol.address], sig);
  await ask('UserDecryptionRequest', signature);
  await ask('InvalidUserSignature', await stranger.signTypedData(domain, typesOf('UserDecryptRequestVerification'), signed));
  await ask('ECDSAInvalidSignatureLength', '0x1234');
  await ask('ECDSAInvalidSignatureS', highS(signature));
  await ask('CiphertextUnknown', signature, [1, 4]);
  await step(null, owner, 'manager', 'setCheckUserSignature', false);
  await ask('UserDecryptionRequest', '0x');
  await step(null, owner, 'manager', 'setCheckUserSignature', true);
  await sameViews();
});

test('public responses: who, what, once, paused, thresholds', async () => {
  const result = toBeHex(42, 32);
  const good = await signPublic(cores.alice, [handle(1)], result);
  const answer = (expected, from, id, sig, what = result) => {
    return step(expected, from, 'manager', 'publicDecryptionResponse', id, what, sig);
  };
  await answer('InvalidKmsNodeSender', stranger, 1, good);
  await answer('DecryptionNotRequested', alice, 99, good);
  await answer('InvalidKmsSigner', bob, 1, good);
  await answer('InvalidKmsSigner', alice, 1, await signPublic(cores.bob, [handle(1)], result));
  await answer('InvalidKmsSigner', alice, 1, good, toBeHex(43, 32));
  await answer('ECDSAInvalidSignature', alice, 1, hexlify(new Uint8Array(65)));
  await answer('ECDSAInvalidSignatureLength', alice, 1, good.slice(0, -2));
  await answer('ECDSAInvalidSignatureLength', alice, 1, '0x');
  await answer('ECDSAInvalidSignatureS', alice, 1, highS(good));
  await answer('ECDSAInvalidSignature', alice, 1, edit(good, (b) => { b[64] -= 27; }));
  await answer('ECDSAInvalidSignature', alice, 1, edit(good, (b) => { b[64] = 29; }));
  for (let i = 0; i < 12; i++) { /* some r are no point of the curve */
    await look(alice, 'manager', 'publicDecryptionResponse', 1, result, edit(good, (b) => { b[i] ^= 0x55; }));
  }
  await step(null, owner, 'manager', 'pause');
  await answer('EnforcedPause', alice, 1, good);
  await answer('EnforcedPause', stranger, 99, '0x');
  await step(null, owner, 'manager', 'unpause');
  await step(null, owner, 'manager', 'setOdd', 1);
  await answer('OfNoProfile', alice, 1, good);
  await answer('DecryptionNotRequested', alice, 98, good);
  await step(null, owner, 'manager', 'setOdd', 0);
  await look(stranger, 'manager', 'publicResponded', 1, cores.alice.address);
  await answer('PublicDecryptionResponse', alice, 1, good);
  await answer('KmsSignerAlreadyResponded', alice, 1, good);
  await answer(null, bob, 1, await signPublic(cores.bob, [handle(1)], result));
  await answer('KmsSignerAlreadyResponded', bob, 1, await signPublic(cores.bob, [handle(1)], result));
  for (const n of [1, 2]) await look(stranger, 'manager', 'isPublicDecryptionDone', n);
  await look(stranger, 'manager', 'publicResponded', 1, cores.alice.address);

  await step(null, owner, 'httpz', 'setThresholds', 2, 2, 2);
  const three = [3, 1, 2].map(handle);
  const other = `0x${'07'.repeat(96)}`;
  await answer(null, alice, 2, await signPublic(cores.alice, three, other), other);
  await answer(null, bob, 2, await signPublic(cores.bob, three, result));
  await answer('PublicDecryptionResponse', carol, 2, await signPublic(cores.carol, three, other), other);
  await answer('KmsSignerAlreadyResponded', alice, 2, await signPublic(cores.alice, three, other), other);
  await sameViews();
});

test('user responses: shares, and a threshold of two', async () => {
  const publicKey = concat(['0x2000000000000000', keccakOfText('public key')]);
  const handles = [1, 2].map(handle);
  const share = (n) => `0x${String(n).repeat(2).repeat(150 + n)}`;
  const answer = async (expected, from, core, id, what, keyOf = publicKey) => {
    return step(expected, from, 'manager', 'userDecryptionResponse', id, what, await signUser(core, handles, keyOf, what));
  };
  await answer('InvalidKmsNodeSender', stranger, cores.alice, 1, share(1));
  await answer('DecryptionNotRequested', alice, cores.alice, 9, share(1));
  await answer('InvalidKmsSigner', alice, cores.alice, 1, share(1), '0x1234');
  await answer('InvalidKmsSigner', alice, cores.bob, 1, share(1));
  await answer(null, alice, cores.alice, 1, share(1));
  await answer('KmsSignerAlreadyResponded', alice, cores.alice, 1, share(1));
  await look(stranger, 'manager', 'isUserDecryptionDone', 1);
  await answer('UserDecryptionResponse', bob, cores.bob, 1, share(2));
  await answer(null, carol, cores.carol, 1, share(3));
  await look(stranger, 'manager', 'isUserDecryptionDone', 1);
  await look(stranger, 'manager', 'userResponded', 1, cores.carol.address);
});

test('key operations: all kinds, votes, activation', async () => {
  await step('NotOwner', alice, 'httpz', 'preprocessKeygenRequest');
  await step('UpdateFheParams', owner, 'httpz', 'updateFheParams', ['TEST']);
  await step('PreprocessKeygenRequest', owner, 'httpz', 'preprocessKeygenRequest');
  await step('PreprocessKskRequest', owner, 'httpz', 'preprocessKskRequest');
  await step('CrsgenRequest', owner, 'httpz', 'crsgenRequest');
  await step('PreprocessingRequired', owner, 'httpz', 'keygenRequest', 5);
  await step('OperationNotRequested', alice, 'httpz', 'preprocessKeygenResponse', 2, 5);
  await step('InvalidKmsNodeSender', stranger, 'httpz', 'preprocessKeygenResponse', 1, 5);
  await step(null, owner, 'httpz', 'pause');
  await step('EnforcedPause', alice, 'httpz', 'preprocessKeygenResponse', 1, 5);
  await step('InvalidKmsNodeSender', stranger, 'httpz', 'preprocessKeygenResponse', 1, 5);
  await step(null, owner, 'httpz', 'unpause');
  await step(null, alice, 'httpz', 'preprocessKeygenResponse', 1, 5);
  await step('PreprocessKeygenKmsNodeAlreadyResponded', alice, 'httpz', 'preprocessKeygenResponse', 1, 5);
  await step(null, bob, 'httpz', 'preprocessKeygenResponse', 1, 6);
  await step('PreprocessKeygenResponse', carol, 'httpz', 'preprocessKeygenResponse', 1, 5);
  const bothSay = async (event, fn, ...args) => {
    await step(null, alice, 'httpz', fn, ...args);
    await step(event, bob, 'httpz', fn, ...args);
    assert.match(await look(bob, 'httpz', fn, ...args), /KmsNodeAlreadyResponded$/);
    await step(null, carol, 'httpz', fn, ...args);
  };
  await step('KeygenRequest', owner, 'httpz', 'keygenRequest', 5);
  await step('OperationAlreadyRequested', owner, 'httpz', 'keygenRequest', 5);
  await step('UpdateFheParams', owner, 'httpz', 'updateFheParams', ['default']);
  await bothSay('KeygenResponse', 'keygenResponse', 5, 1005);
  await bothSay('PreprocessKskResponse', 'preprocessKskResponse', 1, 7);
  await bothSay('CrsgenResponse', 'crsgenResponse', 1, 8);
  await step('SourceAndDestKeysAreEqual', owner, 'httpz', 'kskRequest', 7, key, key);
  await step('KeyNotGenerated', owner, 'httpz', 'kskRequest', 7, key, 1006);
  await step('PreprocessingRequired', owner, 'httpz', 'kskRequest', 8, key, 1005);
  await step('KskMissing', owner, 'httpz', 'activateKeyRequest', 1005);
  await step('KskRequest', owner, 'httpz', 'kskRequest', 7, key, 1005);
  await bothSay('KskResponse', 'kskResponse', 7, 2007);
  await step('KeyNotGenerated', owner, 'httpz', 'activateKeyRequest', 1006);
  await step('ActivateKeyRequest', owner, 'httpz', 'activateKeyRequest', 1005);
  await step('InvalidCoprocessorSender', alice, 'httpz', 'activateKeyResponse', 1005);
  await step(null, coprocessors[0], 'httpz', 'activateKeyResponse', 1005);
  await step('ActivateKeyCoprocessorAlreadyResponded', coprocessors[0], 'httpz', 'activateKeyResponse', 1005);
  await step('ActivateKeyResponse', coprocessors[1], 'httpz', 'activateKeyResponse', 1005);
  await step(null, coprocessors[2], 'httpz', 'activateKeyResponse', 1005);
  await sameViews();
});

test('any log, and what no contract has', async () => {
  const topics = [keccakOfText('one'), keccakOfText('two')];
  const raw = (fn, ...args) => Promise.all([anvil, fake].map((chain) => {
    return sendTo(chain, owner, contracts.manager.target, contracts.manager.interface.encodeFunctionData(fn, args));
  }));
  for (const args of [['emitRaw', topics, '0xdeadbeef'], ['emitRaw', [], '0x'], ['emitPadded', topics, '0x1234', 100]]) {
    const [real, ours] = await raw(...args);
    assert.equal(real.logs.length, 1);
    assert.deepEqual(ours, real);
  }
  for (const data of ['0x', '0x12345678', '0x02fd1a64', '0x02fd1a6400']) {
    const [real, ours] = await Promise.all([anvil, fake].map((chain) => called(chain, alice, contracts.manager.target, data)));
    assert.deepEqual(ours, real, data);
  }
  assert.deepEqual(await called(fake, alice, ZeroAddress.replace(/0$/, '9'), '0x12345678'), { result: '0x' });
});

// ---- the connector on it ----

test('the connector answers fifty public and fifty user decryptions, and the ledger says so', { timeout: 90000 }, async () => {
  const world = await startWorld({ chain: { fake: true } });
  try {
    await world.startConnector();
    await world.ask(50, { types: [0, 5, 8], materials: 2 });
    await world.askUser(50, { types: [4, 7] });
    assert.deepEqual((await world.waitAnswered(45000)).missing, []);
    const { problems } = await world.judge();
    assert.deepEqual(problems, []);
    const verdict = await world.chain.judge(world.node.address);
    assert.deepEqual(faultsIn(verdict), []);
    assert.equal(verdict.answered, 100);
    assert.equal(verdict.accepted, 100);
    const { rows: all } = await world.chain.ledger();
    assert.equal(all.filter((row) => row.from === world.node.address.toLowerCase()).length, verdict.received);
  } finally {
    await world.stop();
  }
});
