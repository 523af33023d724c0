/*
 * fakechain - the fast chain of tests/peers/fakechain with the surface of chain.mjs, and what a
 * chain alone cannot do: lies, requests without gas, and a ledger that judges.
 *
 * It lives in memory: restart() begins with an empty chain.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Contract, JsonRpcProvider, Network, Wallet, keccak256 } from 'ethers';
import { rpcBatch, rpcCall } from './chain.mjs';
import { compile } from './contracts.mjs';
import { readyLine, start } from './process.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const program = path.join(root, process.env.B ?? 'build', 'test', 'fakechain');

const PAGE = 100000; /* rows of the ledger in one reply, at most */

/* Where the contracts of profile httpz stand unless told otherwise. */
const places = {
  httpz: '0x1111111111111111111111111111111111111111',
  manager: '0x2222222222222222222222222222222222222222',
  access: '0x3333333333333333333333333333333333333333',
};

const hex = (n) => `0x${BigInt(n).toString(16)}`;

/**
 * Starts one.  Options: those of KNOBS in fakechain/node.h (chainId, blockMs, baseFee, safe,
 * finalized, gapMs, ...), port, addresses { httpz, manager, access }, doors (how many ports: each is
 * a node of the one chain, at httpUrls and wsUrls, and may have lies of its own; of several the first
 * is the harness's and tells only lies that name it), and of startChain: blockTime in seconds, slots.
 */
export async function startFakeChain(options = {}) {
  const { fake, addresses = {}, blockTime, slots, port, ...knobs } = options;
  const at = { ...places, ...addresses };
  const chainId = knobs.chainId ?? 421614;
  const settings = { chainId, ...at, ...knobs };
  if (blockTime) settings.blockMs = 1000 * blockTime;
  if (slots) Object.assign(settings, { safe: slots, finalized: 2 * slots });

  const self = { chainId, blockTime, addresses: at, proc: null };

  async function launch() {
    const ports = self.ports ?? (port ? [port] : []);
    self.proc = start(program, [JSON.stringify({ ...settings, ports })], { output: 'pipe' });
    self.pid = self.proc.pid;
    ({ port: self.port, ports: self.ports } = await readyLine(self.proc));
  }

  compile(); /* takes a while the first time: not while a peer is waited for */
  await launch();
  self.httpUrls = self.ports.map((one) => `http://127.0.0.1:${one}`);
  self.wsUrls = self.ports.map((one) => `ws://127.0.0.1:${one}`);
  [self.httpUrl, self.wsUrl] = [self.httpUrls[0], self.wsUrls[0]];
  self.rpc = (method, ...params) => rpcCall(self.httpUrl, method, params);
  self.batch = (calls, size) => rpcBatch(self.httpUrl, calls, size);
  self.mine = (blocks = 1) => self.rpc('fake_mine', blocks);
  self.head = async () => Number(await self.rpc('eth_blockNumber'));
  self.fund = (address, ether = 1000) => self.rpc('fake_fund', address, hex(BigInt(ether) * 10n ** 18n));
  self.wallet = async (ether = 1000) => {
    const wallet = new Wallet(Wallet.createRandom().privateKey, self.provider);
    await self.fund(wallet.address, ether);
    return wallet;
  };
  /**
   * The newest `depth` blocks are replaced.  `how`: raw transactions that come again, each with its
   * block [[raw, 0 for the first], ..] as for chain.mjs, or what fake_reorg takes: { keep, drop,
   * replace, place, length }.
   */
  self.reorg = (depth, how = []) => {
    if (!Array.isArray(how)) return self.rpc('fake_reorg', { depth, ...how });
    const place = Object.fromEntries(how.map(([raw, block]) => [keccak256(raw), block]));
    return self.rpc('fake_reorg', { depth, keep: Object.keys(place), place });
  };
  self.pause = () => self.proc.signal('SIGSTOP');
  self.resume = () => self.proc.signal('SIGCONT');
  self.kill = () => self.proc.kill();
  self.restart = async () => {
    await self.proc.stop();
    await launch();
  };
  self.stop = async () => {
    self.provider.destroy();
    await self.proc.kill();
  };

  /** The contracts of rows as in contracts.mjs, owned by the wallet: { name: ethers contract }. */
  self.deploy = async (wallet, rows) => {
    await self.rpc('fake_set', { owner: wallet.address });
    return Object.fromEntries(rows.map(([name, contract]) => {
      if (!at[name]) throw new Error(`this chain has no contract ${name}`);
      return [name, new Contract(at[name], compile()[contract].abi, wallet)];
    }));
  };

  /** Changes knobs from now on. */
  self.set = (change) => self.rpc('fake_set', change);
  self.clock = (seconds) => self.rpc('fake_clock', seconds);
  /** Calls { to, data, from } that nobody signs or pays, all in one block or `perBlock` in each. */
  self.send = (calls, perBlock) => self.rpc('fake_send', calls, ...(perBlock ? [perBlock] : []));

  const ifaces = { httpz: compile().HTTPZ.iface, manager: compile().DecryptionManager.iface };
  /** Calls of the owner [[contract, function, ...arguments], ...]. */
  self.setup = (calls, perBlock) => self.send(calls.map(([name, fn, ...args]) => {
    return { to: at[name], data: ifaces[name].encodeFunctionData(fn, args) };
  }), perBlock);
  /** Events [[contract, event, ...arguments], ...] as if the contracts had emitted them. */
  self.request = (events, perBlock) => self.rpc('fake_request', events.map(([name, event, ...args]) => {
    return { contract: at[name], ...ifaces[name].encodeEventLog(event, args) };
  }), ...(perBlock ? [perBlock] : []));

  /** Lies [{ lie, share, seed, methods, by, words, code, count, door }], names in fakechain/lies.h. */
  self.lie = (...lies) => self.rpc('fake_lie', ...lies);
  /** How often each was told. */
  self.told = () => self.rpc('fake_told');
  /** The same, and ends all of them. */
  self.truth = () => self.rpc('fake_truth');
  /** { totals, rows }: rows are all raw transactions received, in their order. */
  self.ledger = (from = 0, limit = PAGE) => self.rpc('fake_ledger', from, limit);
  /** Hashes of all that was ever received of an account, from a row on. */
  self.sentBy = async (address, from = 0) => {
    const hashes = [];
    for (let at = from; ; at += PAGE) {
      const { rows } = await self.ledger(at, PAGE);
      hashes.push(...rows.filter((row) => row.from === address.toLowerCase()).map((row) => row.hash));
      if (rows.length < PAGE) return hashes;
    }
  };
  self.judge = (address) => self.rpc('fake_judge', address);

  const network = Network.from(chainId);
  self.provider = new JsonRpcProvider(self.httpUrl, network, {
    staticNetwork: network, cacheTimeout: -1, pollingInterval: 50, batchMaxCount: 50, batchStallTime: 1,
  });
  return self;
}

/**
 * What is wrong with a verdict of judge(), as lines; empty when each request was answered exactly
 * once, no nonce stands for two calls, none is missing and nothing was paid for in vain.
 */
export function faultsIn(verdict, { open = 0, reverted = 0 } = {}) {
  const wrong = [];
  if (verdict.open !== open) wrong.push(`${verdict.open} requests have no answer of ours`);
  if (verdict.twiceCount) wrong.push(`${verdict.twiceCount} requests have two answers: ${JSON.stringify(verdict.twice)}`);
  if (verdict.nonceTwoCallsCount) wrong.push(`nonces of two calls: ${verdict.nonceTwoCalls}`);
  if (verdict.holesCount) wrong.push(`nonces that never came: ${verdict.holes}`);
  if (verdict.unusedCount) wrong.push(`nonces that are not used: ${verdict.unused}`);
  if (verdict.reverted !== reverted) wrong.push(`${verdict.reverted} transactions reverted and were paid for`);
  return wrong;
}
