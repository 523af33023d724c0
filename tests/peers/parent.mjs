/*
 * parent - the chain that settles the gateway chain: an anvil with an Outbox, behind a front that
 * can lie.
 */
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { ContractFactory, hexlify } from 'ethers';
import { rpcBatch, startChain } from './chain.mjs';
import { compile } from './contracts.mjs';
import { freePort } from './process.mjs';

/**
 * A JSON-RPC node in front of another (a chain or a proxy).  `forge`, while it is set, sees each
 * call and what the node answered, and gives what is answered instead; what it throws is an error
 * answer.  `calls` counts calls by method, those for the finalized block as `finalized`; refuse()
 * closes the port, forward() opens it again.
 */
export async function startFront(url) {
  const port = await freePort();
  const self = { port, httpUrl: `http://127.0.0.1:${port}`, forge: null, calls: {} };

  async function answer({ id, method, params = [] }) {
    const what = params[0] === 'finalized' ? 'finalized' : method;
    self.calls[what] = (self.calls[what] ?? 0) + 1;
    try {
      const [got] = await rpcBatch(url, [[method, params]]);
      return { jsonrpc: '2.0', id, result: (self.forge ? await self.forge(method, params, got) : got) ?? null };
    } catch (e) {
      return { jsonrpc: '2.0', id, error: { code: e.code ?? -32000, message: e.message, data: e.data } };
    }
  }

  const server = http.createServer({ keepAliveTimeout: 60000, noDelay: true }, async (request, response) => {
    try {
      const parts = [];
      for await (const part of request) parts.push(part);
      const body = JSON.parse(Buffer.concat(parts).toString('utf8'));
      const replies = await (Array.isArray(body) ? Promise.all(body.map(answer)) : answer(body));
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(replies));
    } catch {
      response.destroy();
    }
  });
  self.forward = () => new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  self.refuse = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  self.stop = () => (server.listening ? self.refuse() : undefined);
  await self.forward();
  return self;
}

/**
 * Starts a parent chain; its finalized block is two below its head.
 *   outbox      address                  front        startFront() before it
 *   say(hash)   the Outbox names a block of the gateway chain; returns the block it was said in
 *   finalize()  all that was said is finalized now
 *   settle(hash)  both
 */
export async function startParent(options = {}) {
  const chain = await startChain({ chainId: 31338, slots: 1, ...options });
  const wallet = await chain.wallet();
  const { abi, bytecode } = compile().Outbox;
  const outbox = await new ContractFactory(abi, bytecode, wallet).deploy();
  await outbox.waitForDeployment();
  const front = await startFront(chain.httpUrl);
  const self = { chain, front, chainId: chain.chainId, outbox: await outbox.getAddress(), httpUrl: front.httpUrl };

  self.say = async (hash) => (await (await outbox.updateSendRoot(hexlify(randomBytes(32)), hash)).wait()).blockNumber;
  self.finalize = () => chain.mine(2);
  self.settle = async (hash) => {
    const block = await self.say(hash);
    await self.finalize();
    return block;
  };
  self.stop = async () => {
    await front.stop();
    await chain.stop();
  };
  return self;
}
