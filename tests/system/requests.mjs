/*
 * requests - asks the gateway for things as its users and its owner do, and remembers for each
 * request what must come back.
 */
import { randomBytes } from 'node:crypto';
import { AbiCoder, Wallet, hexlify, id as keccakOfText, keccak256, toBeHex } from 'ethers';
import { makeUser, encodePayload, shareOf, signer } from '../peers/core-answers.mjs';
import { decryptionDomain, typesOf } from '../peers/eip712.mjs';
import { encodeResult, plaintextOf } from '../peers/plaintext.mjs';
import { until } from '../peers/process.mjs';

const SEND_AGAIN_MS = 3000;
const hostChainId = 12345n; /* the chain that handles say they come from */

/** A handle that nobody used before, of an FHE type. */
export function newHandle(fheType) {
  const handle = randomBytes(32);
  handle[21] = 0xff;
  handle.writeBigUInt64BE(hostChainId, 22);
  handle[30] = fheType;
  handle[31] = 0;
  return handle;
}

/** What a request for a public decryption says of its ciphertexts, as its event has it. */
export const encodeMaterials = (list) => AbiCoder.defaultAbiCoder().encode(['(uint256,uint256,bytes32,address[])[]'], [list]);

/** Such lists that can be read and can never be answered, and what is said of each. */
export function unanswerable(coprocessor) {
  const material = (type, { version = 0, key = 1n, by = [coprocessor] } = {}) => [
    (BigInt(type) << 8n) | BigInt(version), key, toBeHex(1, 32), by,
  ];
  return [
    [[], /no ciphertexts, or too many/],
    [[material(99)], /unknown FHE type or version/],
    [[material(5, { version: 7 })], /unknown FHE type or version/],
    [[material(5, { by: [] })], /names no coprocessor/],
    [[material(5), material(5, { key: 2n })], /under different keys/],
    [Array.from({ length: 2000 }, () => material(5)), /no ciphertexts, or too many/],
    [[material(5, { by: Array(200).fill(coprocessor) })], /names no coprocessor, or too many/],
  ];
}

/** The result id that every node must choose for a key operation. */
export function resultId(kind, chainId, contract, correlationId) {
  const types = ['bytes32', 'uint256', 'address', 'uint256'];
  const values = [keccakOfText(kind), chainId, contract, correlationId];
  return BigInt(keccak256(AbiCoder.defaultAbiCoder().encode(types, values)));
}

/**
 * The asking side of a world.  `requests` maps "public-7", "user-3", "keygen-0x.." to what is
 * known about it: { kind, id, expected, handles, types, block, askedAt }.
 */
export async function makeRequests({ chain, bucket, core, owner, manager, keys, coprocessors, generation }) {
  const requests = new Map();
  const managerAddress = await manager.getAddress();
  /* Transactions on their way at once: a chain that mines each one by itself jams near 1000. */
  const chunk = chain.blockTime ? 4000 : 200;
  let nonce = await owner.getNonce();
  const self = { requests, keyId: BigInt(keccakOfText('the first key')) };
  const ciphertexts = new Map(); /* by handle, in hex */
  const users = new Map(); /* addresses by public key, in hex */

  /** The bytes of a call { to, data, gasLimit } from the owner's account at a nonce. */
  self.sign = ({ to, data, gasLimit }, at) => owner.signTransaction({
    type: 2, chainId: chain.chainId, nonce: at, to, data, gasLimit,
    maxFeePerGas: 100_000_000_000n, maxPriorityFeePerGas: 0n,
  });

  /* What the chain says when it does not take the owner's transactions. */
  async function whyNot() {
    const [mined, all, pool, head, block] = await chain.batch([
      ['eth_getTransactionCount', [owner.address, 'latest']], ['eth_getTransactionCount', [owner.address, 'pending']],
      ['txpool_inspect', []], ['eth_blockNumber', []], ['eth_getBlockByNumber', ['latest', false]],
    ]);
    return `nonces ${Number(mined)} mined, ${Number(all)} with the pool, ${nonce} given; block ${Number(head)} of `
      + `${Number(block.timestamp)}, now ${Math.floor(Date.now() / 1000)}; pool ${JSON.stringify(pool).slice(0, 600)}`;
  }

  /** Sends calls [{ to, data, gasLimit }] from the owner's account and returns their receipts. */
  self.sendAll = async (calls) => {
    const receipts = [];
    for (let at = 0; at < calls.length; at += chunk) {
      const raws = [];
      for (const call of calls.slice(at, at + chunk)) raws.push(await self.sign(call, nonce++));
      const hashes = await chain.batch(raws.map((raw) => ['eth_sendRawTransaction', [raw]]));
      let open = hashes;
      let sent = Date.now();
      const mined = new Map();
      await until(`${hashes.length} transactions of the owner`, async () => {
        const got = await chain.batch(open.map((hash) => ['eth_getTransactionReceipt', [hash]]));
        got.forEach((receipt, i) => receipt && mined.set(open[i], receipt));
        open = open.filter((hash) => !mined.has(hash));
        if (open.length && Date.now() - sent > SEND_AGAIN_MS) {
          sent = Date.now();
          for (const raw of raws.filter((_, i) => !mined.has(hashes[i]))) {
            await chain.rpc('eth_sendRawTransaction', raw).catch(() => {}); /* it knows it already */
          }
        }
        return open.length === 0;
      }, 60000, 50).catch(async (e) => {
        throw new Error(`${e.message}; ${await whyNot()}`);
      });
      for (const hash of hashes) {
        const receipt = mined.get(hash);
        if (receipt.status !== '0x1') throw new Error(`a transaction of the owner reverted: ${hash}`);
        receipts.push(receipt);
      }
    }
    return receipts;
  };

  /** After a reorganisation: the owner's transactions go on from where the chain is now. */
  self.resync = async () => {
    nonce = await owner.getNonce();
  };

  /** One call of the owner, by contract and function name; returns its receipt. */
  self.send = async (contract, name, ...args) => {
    const data = contract.interface.encodeFunctionData(name, args);
    const [receipt] = await self.sendAll([{ to: await contract.getAddress(), data, gasLimit: 8_000_000 }]);
    return receipt;
  };

  /**
   * Makes ciphertexts of these FHE types, stores them and registers them.  `size` is the length
   * of a body, `buckets` where it lies (default: everywhere), `keyId` the key it is under.
   * Returns [{ handle (Buffer), fheType, body, digest }].
   */
  self.makeCiphertexts = async (types, { size = 4096, buckets, keyId = self.keyId, keepBodies = false } = {}) => {
    const list = [];
    for (const fheType of types) {
      const body = randomBytes(size);
      const digest = await bucket.put(body, buckets);
      const plaintext = plaintextOf(body, fheType);
      list.push({ handle: newHandle(fheType), fheType, digest, plaintext, body: keepBodies ? body : null });
    }
    for (const c of list) ciphertexts.set(hexlify(c.handle), c);
    const calls = [];
    for (let at = 0; at < list.length; at += 50) {
      const part = list.slice(at, at + 50);
      calls.push({
        to: managerAddress,
        gasLimit: 600_000 + 90_000 * part.length,
        data: manager.interface.encodeFunctionData('addCiphertexts', [
          part.map((c) => hexlify(c.handle)), keyId, part.map((c) => c.digest), coprocessors.map((c) => c.address),
        ]),
      });
    }
    await self.sendAll(calls);
    return list;
  };

  function idsOf(receipts, contract, eventName) {
    const { topicHash } = contract.interface.getEvent(eventName);
    return receipts.flatMap((receipt) => receipt.logs.filter((l) => l.topics[0] === topicHash)
      .map((log) => ({ log, args: contract.interface.parseLog(log).args, block: Number(log.blockNumber) })));
  }

  /* The ciphertexts of `count` requests: `distinct` sets of `materials`, used in turn. */
  async function makeSets(count, { types = [5], materials = 1, distinct = count, ...more }) {
    const sets = Math.min(distinct, count);
    const wanted = Array.from({ length: sets * materials }, (_, i) => types[i % types.length]);
    const all = await self.makeCiphertexts(wanted, more);
    const list = Array.from({ length: sets }, (_, i) => all.slice(i * materials, (i + 1) * materials));
    return Array.from({ length: count }, (_, i) => list[i % sets]);
  }

  /* What is known of a request that stands in a block: what must come back for these ciphertexts. */

  const publicRow = (set, { args, block }, askedAt) => ({
    kind: 'public', id: args[0], block, askedAt,
    handles: set.map((c) => hexlify(c.handle)), types: set.map((c) => c.fheType),
    digests: set.map((c) => c.digest),
    expected: encodeResult(set.map((c) => ({ fheType: c.fheType, bytes: c.plaintext }))),
  });

  function userRow(set, { args, block }, askedAt, publicKey) {
    const key = Buffer.from(publicKey.slice(2), 'hex');
    const user = users.get(publicKey);
    const domain = decryptionDomain(chain.chainId, managerAddress);
    const shares = set.map((c) => ({ fheType: c.fheType, handle: c.handle, share: shareOf(key, c.body) }));
    const op = { domain, client: user, key, shares, extra: Buffer.alloc(0), schemes: [] };
    return {
      kind: 'user', id: args[0], block, askedAt, publicKey, user,
      handles: set.map((c) => hexlify(c.handle)), types: set.map((c) => c.fheType),
      expected: hexlify(encodePayload(makeUser(op, signer(core.key), {}).payload)),
    };
  }

  /** A call that asks for the public decryption of one or more sets of ciphertexts. */
  self.publicCall = (sets, materials = 1, keyId = self.keyId) => {
    const data = manager.interface.encodeFunctionData(...generation.publicCall(sets, materials, keyId));
    return { to: managerAddress, gasLimit: 200_000 + 120_000 * sets.flat().length + 20 * data.length, data };
  };

  /**
   * Asks for public decryptions.  Options: types (FHE types, used in turn), materials for each
   * request, perTx (requests in one transaction), distinct (how many different sets of
   * ciphertexts), size of a body, keepBodies, buckets, keyId.  Returns the names of the requests.
   */
  self.ask = async (count, options = {}) => {
    const { perTx = 1, materials = 1, keyId = self.keyId } = options;
    const sets = options.sets ?? (await makeSets(count, options));
    const calls = [];
    for (let at = 0; at < count; at += perTx) {
      calls.push(self.publicCall(sets.slice(at, at + perTx), materials, keyId));
    }
    const askedAt = Date.now();
    const receipts = await self.sendAll(calls);
    return idsOf(receipts, manager, 'PublicDecryptionRequest').map((event, i) => {
      const name = `public-${event.args[0]}`;
      requests.set(name, publicRow(sets[i], event, askedAt));
      return name;
    });
  };

  /**
   * Asks for user decryptions; the user's key signs the request.  Options as for ask(), and
   * user (a wallet), publicKey, unsigned (sends 65 zero bytes: the contract must not check).
   */
  self.askUser = async (count, options = {}) => {
    const user = options.user ?? new Wallet(Wallet.createRandom().privateKey);
    const fresh = () => Buffer.concat([Buffer.from('2000000000000000', 'hex'), randomBytes(32)]);
    const publicKey = hexlify(options.publicKey ?? fresh());
    const domain = decryptionDomain(chain.chainId, managerAddress);
    const sets = options.sets ?? (await makeSets(count, { ...options, keepBodies: true }));
    const contract = hexlify(randomBytes(20));
    const request = generation.userRequest({ contract, hostChainId, publicKey, user: user.address });
    const type = typesOf('UserDecryptRequestVerification', generation.types);
    const signature = options.unsigned ? `0x${'00'.repeat(65)}` : await user.signTypedData(domain, type, request.signed);
    const askedAt = Date.now();
    const receipts = await self.sendAll(sets.map((set) => ({
      to: managerAddress,
      gasLimit: 500_000 + 120_000 * set.length,
      data: manager.interface.encodeFunctionData('userDecryptionRequest', request.args(set, signature)),
    })));
    users.set(publicKey, user.address);
    return idsOf(receipts, manager, 'UserDecryptionRequest').map((event, i) => {
      const name = `user-${event.args[0]}`;
      requests.set(name, userRow(sets[i], event, askedAt, publicKey));
      return name;
    });
  };

  /**
   * After a reorganisation: the owner's transactions go on from where the chain is now, and the
   * decryptions in `requests` are those that stand on it, whatever they were before.
   */
  self.recount = async () => {
    await self.resync();
    const before = new Map(requests);
    for (const [name, { kind }] of before) if (kind === 'public' || kind === 'user') requests.delete(name);
    const topics = [['PublicDecryptionRequest', 'UserDecryptionRequest'].map((e) => manager.interface.getEvent(e).topicHash)];
    const logs = await chain.rpc('eth_getLogs', { fromBlock: '0x0', toBlock: 'latest', address: managerAddress, topics });
    for (const log of logs) {
      const { args } = manager.interface.parseLog(log);
      const isPublic = log.topics[0] === topics[0][0];
      const name = `${isPublic ? 'public' : 'user'}-${args[0]}`;
      const set = args.snsCtMaterials.map(({ ctHandle }) => ciphertexts.get(toBeHex(ctHandle, 32)));
      const event = { args, block: Number(log.blockNumber) };
      const askedAt = before.get(name)?.askedAt ?? Date.now();
      requests.set(name, isPublic ? publicRow(set, event, askedAt) : userRow(set, event, askedAt, args.publicKey));
    }
  };

  /** Asks for a key operation by its name in keyKinds; returns { name, id, resultId }. */
  self.askKey = async (kind, ...args) => {
    const { request, asked } = generation.keyKinds[kind];
    const receipt = await self.send(keys, request, ...generation.keyArgs(kind, args));
    const [{ args: got, block }] = idsOf([receipt], keys, asked);
    const expected = resultId(kind, chain.chainId, keys.target, got[0]);
    const name = `${kind}-0x${got[0].toString(16)}`;
    requests.set(name, { kind, id: got[0], block, askedAt: Date.now(), expected });
    return { name, id: got[0], resultId: expected };
  };

  return self;
}
