/*
 * chain - an Ethereum node of its own for each world: anvil, run as a process.
 *
 * It can be stopped in its tracks (SIGSTOP), killed, and started again on the same port with the
 * state it had.  Old block states go to a cache directory that is removed at the end.
 */
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';
import { JsonRpcProvider, Network, Wallet } from 'ethers';
import { freePort, removeDir, start, temporaryDir, until } from './process.mjs';

function binary() {
  const require = createRequire(import.meta.url);
  const name = `@foundry-rs/anvil-${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`;
  return path.join(path.dirname(require.resolve(`${name}/package.json`)), 'bin', 'anvil');
}

/** One JSON-RPC call over HTTP; an answered error is thrown with its code and data. */
export async function rpcCall(url, method, params = []) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  return unwrap(method, await answer.json());
}

function unwrap(method, { result, error }) {
  if (!error) return result;
  throw Object.assign(new Error(`${method}: ${error.message}`), { code: error.code, data: error.data });
}

/** Several calls [[method, params], ...] as JSON-RPC batches; the results in order. */
export async function rpcBatch(url, calls, size = 50) {
  const results = [];
  for (let at = 0; at < calls.length; at += size) {
    const part = calls.slice(at, at + size);
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(part.map(([method, params], id) => ({ jsonrpc: '2.0', id, method, params }))),
    });
    const list = await answer.json();
    if (!Array.isArray(list)) unwrap('batch', list);
    const byId = new Map(list.map((one) => [one.id, one]));
    part.forEach(([method], id) => results.push(unwrap(method, byId.get(id))));
  }
  return results;
}

/**
 * Starts a chain.  Options: port (0 = a free one), chainId, blockTime in seconds (absent: a block
 * for each transaction), noMining, gasLimit of a block (2^50 as on Arbitrum; with a
 * block for each transaction, what does not fit into it waits for the next transaction), slots
 * (safe = latest - slots, finalized = latest - 2 slots), timestamp, persist (state is written each
 * second, so that it outlives a SIGKILL), hardfork, args (more words for the command line).
 */
export async function startChain(options = {}) {
  const { chainId = 421614, blockTime, gasLimit = 2 ** 50, slots, hardfork, args = [], persist = false } = options;
  const port = options.port || (await freePort());
  const dir = temporaryDir('chain');
  const httpUrl = `http://127.0.0.1:${port}`;
  const words = ['--host', '127.0.0.1', '--port', port, '--chain-id', chainId, '--accounts', 1,
    '--cache-path', path.join(dir, 'cache'), '--gas-limit', gasLimit, '--silent'];
  if (blockTime) words.push('--block-time', blockTime);
  if (options.noMining) words.push('--no-mining');
  if (slots) words.push('--slots-in-an-epoch', slots);
  if (hardfork) words.push('--hardfork', hardfork);
  if (options.timestamp) words.push('--timestamp', options.timestamp);
  if (persist) words.push('--state', path.join(dir, 'state.json'), '--state-interval', 1);
  words.push(...args);

  const self = { port, chainId, blockTime, httpUrl, wsUrl: `ws://127.0.0.1:${port}`, dir, proc: null };

  async function launch() {
    fs.mkdirSync(path.join(dir, 'cache'), { recursive: true });
    self.proc = start(binary(), words.map(String), { output: path.join(dir, 'log') });
    self.pid = self.proc.pid;
    await until('the chain answers', async () => {
      if (self.proc.ended) throw new Error(fs.readFileSync(path.join(dir, 'log'), 'utf8'));
      return Number(await self.rpc('eth_chainId')) === chainId;
    });
  }

  /*
   * anvil can file a transaction under "queued" although its nonce is the next one (its
   * predecessor was mined in that instant), and leaves it there for ever.  No node that we stand
   * before does so: what stays so from one look to the next is dropped, and its sender, who hears
   * nothing, sends it again.
   */
  let jammed = new Set();
  async function unjam() {
    const { queued } = await self.rpc('txpool_status');
    const found = new Set();
    const senders = Number(queued) ? Object.entries((await self.rpc('txpool_content')).queued) : [];
    for (const [sender, byNonce] of senders) {
      const next = byNonce[Number(await self.rpc('eth_getTransactionCount', sender, 'latest'))];
      if (next && jammed.has(next.hash)) await self.rpc('anvil_dropTransaction', next.hash);
      else if (next) found.add(next.hash);
    }
    jammed = found;
  }
  let watching = true;
  const watch = () => setTimeout(() => unjam().catch(() => {}).then(() => watching && watch()), 500).unref();

  self.rpc = (method, ...params) => rpcCall(httpUrl, method, params);
  self.batch = (calls, size) => rpcBatch(httpUrl, calls, size);
  self.mine = (blocks = 1) => self.rpc('anvil_mine', `0x${blocks.toString(16)}`);
  self.head = async () => Number(await self.rpc('eth_blockNumber'));
  self.fund = (address, ether = 1000) => {
    return self.rpc('anvil_setBalance', address, `0x${(BigInt(ether) * 10n ** 18n).toString(16)}`);
  };
  /** A fresh account with money. */
  self.wallet = async (ether = 1000) => {
    const wallet = new Wallet(Wallet.createRandom().privateKey, self.provider);
    await self.fund(wallet.address, ether);
    return wallet;
  };
  self.reorg = (depth, txs = []) => self.rpc('anvil_reorg', depth, txs);
  self.pause = () => self.proc.signal('SIGSTOP');
  self.resume = () => self.proc.signal('SIGCONT');
  self.kill = () => self.proc.kill();
  /** Starts it again on the same port; with persist, where it was. */
  self.restart = async () => {
    await self.proc.stop();
    await launch();
  };
  self.stop = async () => {
    watching = false;
    self.provider.destroy();
    await self.proc.kill();
    removeDir(dir);
  };

  const network = Network.from(chainId);
  self.provider = new JsonRpcProvider(httpUrl, network, {
    staticNetwork: network,
    cacheTimeout: -1,
    pollingInterval: 50,
    batchMaxCount: 50,
    batchStallTime: 1,
  });
  await launch();
  watch();
  return self;
}
