/*
 * sending - what the cases of transactions share.
 */
import assert from 'node:assert/strict';
import { SigningKey, Wallet } from 'ethers';
import { decryptionDomain, typesOf } from '../peers/eip712.mjs';

export const SEND = ['eth_sendRawTransaction'];
export const RECEIPT = ['eth_getTransactionReceipt'];
export const ESTIMATE = ['eth_estimateGas'];

export const ours = async (g) => {
  const me = g.world.node.address.toLowerCase();
  return (await g.chain.ledger()).rows.filter(({ from }) => from.toLowerCase() === me);
};

/** Nothing was signed for these but one transaction each, and nothing else but its bytes was sent. */
export async function signedOnce(g, counted, count) {
  assert.equal(await g.look.grown(counted, 'signer_signed'), count);
  const hashes = new Map();
  for (const { nonce, hash } of await ours(g)) hashes.set(nonce, (hashes.get(nonce) ?? new Set()).add(hash));
  for (const [nonce, set] of hashes) assert.equal(set.size, 1, `nonce ${nonce} has ${set.size} transactions`);
}

/** Ends a fault by end(), then waits until nothing of ours is on its way any more. */
export const landed = (g, end) => async () => {
  await end();
  await g.look.waitCounter('submitter_in_flight', (n) => n === 0);
};

/** The right answer to a public decryption, as the Core signs it: the call's data. */
export async function answerOf(g, name) {
  const { id, handles, expected } = g.world.requests.get(name);
  const wallet = new Wallet(new SigningKey(g.core.key));
  const domain = decryptionDomain(g.chain.chainId, g.world.manager.target);
  const value = { ctHandles: handles, decryptedResult: expected, extraData: '0x' };
  const signature = await wallet.signTypedData(domain, typesOf('PublicDecryptVerification'), value);
  return g.world.manager.interface.encodeFunctionData('publicDecryptionResponse', [id, expected, signature]);
}

/** The contract has our signer's answer, from another account of this node. */
export async function answeredBefore(g, name) {
  g.twin ??= Wallet.createRandom().address;
  await g.chain.setup([['httpz', 'addKmsNode', g.twin, g.core.address, '127.0.0.1']]);
  await g.chain.send([{ from: g.twin, to: g.world.manager.target, data: await answerOf(g, name) }]);
}

/** Answers are signed and not taken: until then each is refused as by a sequencer that is full. */
export async function signedAndHeld(g, count) {
  const counted = await g.look.counters();
  await g.chain.lie({ lie: 'busy', methods: SEND });
  const names = await g.ask(count);
  await g.look.waitCounter('signer_signed', (n) => n >= counted.signer_signed + count);
  return names;
}
