/*
 * lagging - a JSON-RPC node that is behind another one, as a member of a cluster can be.
 *
 * It forwards to the real node, but shows the chain only up to the block that hold() names:
 * later blocks are null, "latest" is that block, logs of blocks it does not have are empty, and
 * a transaction in them has no receipt.  What is sent to it reaches the real node.
 */
import http from 'node:http';
import { rpcBatch } from './chain.mjs';
import { freePort } from './process.mjs';

const hex = (n) => `0x${n.toString(16)}`;

/* Position of the block parameter of methods that have one. */
const blockAt = {
  eth_getBlockByNumber: 0, eth_getTransactionCount: 1, eth_getBalance: 1, eth_getCode: 1, eth_call: 1, eth_estimateGas: 1,
};

/**
 * Starts one before a chain.  hold(number) freezes what it shows, release() ends that;
 * mix(share, random): while it is frozen only that share of its answers (0 to 1) is behind.
 * errors: method -> { code, message }, what it says instead of an answer.
 * httpUrl, calls (answers that were behind), stop().
 */
export async function startLagging(chain) {
  const port = await freePort();
  const self = { port, httpUrl: `http://127.0.0.1:${port}`, calls: 0, errors: {} };
  let held = null;
  let share = 1;
  let random = Math.random;

  self.hold = async (number) => {
    held = number ?? await chain.head();
  };
  self.release = () => {
    held = null;
    share = 1;
    self.errors = {};
  };
  self.mix = (wanted, source) => {
    share = wanted;
    random = source;
  };

  const isLater = (block) => /^0x/.test(block) && Number(block) > held;

  /* The call as it is asked of the real node, or { result } when this one has an answer. */
  function translate({ method, params = [] }) {
    if (method === 'eth_blockNumber') return { result: hex(held) };
    const at = blockAt[method];
    if (at !== undefined) {
      const block = params[at] ?? 'latest';
      if (block === 'latest' || block === 'pending') params[at] = hex(held);
      else if (isLater(block)) return { result: null };
    }
    if (method === 'eth_getLogs') {
      const [filter] = params;
      if (filter.toBlock && (filter.toBlock === 'latest' || isLater(filter.toBlock))) filter.toBlock = hex(held);
      if (filter.fromBlock && isLater(filter.fromBlock)) return { result: [] };
    }
    return { method, params };
  }

  /* What the real node answered, as far as this one would know it. */
  function forget({ method, params }, result) {
    if (method === 'eth_getLogs') return result.filter((log) => Number(log.blockNumber) <= held);
    const number = method === 'eth_getBlockByHash' ? result?.number : result?.blockNumber;
    if (method === 'eth_getBlockByNumber' && !/^0x/.test(params[0])) {
      return result && Number(result.number) > held ? null : result;
    }
    return number !== undefined && Number(number) > held ? null : result;
  }

  async function answer(calls) {
    const behind = held !== null && random() < share;
    const asked = calls.map((call) => (behind ? translate(structuredClone(call)) : call));
    if (behind) self.calls++;
    const replies = await Promise.all(asked.map(async (one, i) => {
      const { id } = calls[i];
      const error = self.errors[calls[i].method];
      if (error) return { jsonrpc: '2.0', id, error };
      if ('result' in one) return { jsonrpc: '2.0', id, result: one.result };
      try {
        const [result] = await rpcBatch(chain.httpUrl, [[one.method, one.params ?? []]]);
        return { jsonrpc: '2.0', id, result: behind ? forget(one, result) : result };
      } catch (e) {
        return { jsonrpc: '2.0', id, error: { code: e.code ?? -32000, message: e.message, data: e.data } };
      }
    }));
    return replies;
  }

  const server = http.createServer({ keepAliveTimeout: 60000, noDelay: true }, async (request, response) => {
    try {
      const parts = [];
      for await (const part of request) parts.push(part);
      const body = JSON.parse(Buffer.concat(parts).toString('utf8'));
      const replies = await answer(Array.isArray(body) ? body : [body]);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(Array.isArray(body) ? replies : replies[0]));
    } catch {
      response.destroy();
    }
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  self.stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return self;
}
