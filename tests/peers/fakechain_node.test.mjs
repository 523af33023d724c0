/*
 * fakechain_node.test - the fast chain as a node: Arbitrum's rules for transactions, blocks and
 * reorganisations, each lie once, and the ledger's verdicts.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  Transaction, Wallet, WebSocketProvider, encodeRlp, getBytes, id as keccakOfText, keccak256, toBeArray, toBeHex,
} from 'ethers';
import { rpcCall } from './chain.mjs';
import { compile } from './contracts.mjs';
import { decryptionDomain, typesOf } from './eip712.mjs';
import { faultsIn, startFakeChain } from './fakechain.mjs';
import { readProcess, until } from './process.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const manager = compile().DecryptionManager.iface;
const core = new Wallet(toBeHex(77, 32));
const handle = toBeHex(0x50000, 32);
const result = toBeHex(42, 32);
const gwei = 1_000_000_000n;

let chain;

before(async () => {
  chain = await startFakeChain({ gapMs: 300 });
  await chain.setup([
    ['httpz', 'addCoprocessor', core.address, core.address, 'http://127.0.0.1:9/ct128'],
    ['manager', 'addCiphertexts', [handle], 7, [keccakOfText('body')], [core.address]],
  ]);
});

after(async () => {
  await chain?.stop();
});

// ---- helpers ----

const errorOf = async (promise) => promise.then(() => null, (e) => ({ code: e.code, message: e.message, data: e.data }));
const logsOf = (from, to, more = {}) => chain.rpc('eth_getLogs', { fromBlock: toHex(from), toBlock: to === 'latest' ? to : toHex(to), ...more });
const toHex = (n) => `0x${n.toString(16)}`;

/** A node of the network, with money and a counter of nonces. */
async function makeNode(ether = 10) {
  const wallet = new Wallet(Wallet.createRandom().privateKey);
  await chain.setup([['httpz', 'addKmsNode', wallet.address, core.address, '127.0.0.1']]);
  await chain.fund(wallet.address, ether);
  let next = 0;
  const self = { wallet, address: wallet.address };
  self.sign = (change = {}) => wallet.signTransaction({
    type: 2, chainId: chain.chainId, nonce: change.nonce ?? next++, to: core.address, data: '0x', gasLimit: 1_000_000,
    maxFeePerGas: gwei, maxPriorityFeePerGas: 0n, ...change,
  });
  self.skip = (by = 1) => { next += by; };
  self.answer = async (requestId, change = {}) => {
    const domain = decryptionDomain(chain.chainId, chain.addresses.manager);
    const signature = await core.signTypedData(domain, typesOf('PublicDecryptVerification'),
      { ctHandles: [handle], decryptedResult: result, extraData: '0x' });
    const data = manager.encodeFunctionData('publicDecryptionResponse', [requestId, result, signature]);
    return self.sign({ to: chain.addresses.manager, data, ...change });
  };
  return self;
}

const put = (raw) => chain.rpc('eth_sendRawTransaction', raw);
const receiptOf = (hash) => chain.rpc('eth_getTransactionReceipt', hash);

/** One more public decryption: its id. */
async function ask() {
  const [hash] = await chain.setup([['manager', 'publicDecryptionRequest', [handle]]]);
  const receipt = await receiptOf(hash);
  return { hash, id: BigInt(receipt.logs[0].topics[1]), block: Number(receipt.blockNumber) };
}

const isDone = async (requestId, block = 'latest') => {
  const data = manager.encodeFunctionData('isPublicDecryptionDone', [requestId]);
  return BigInt(await chain.rpc('eth_call', { to: chain.addresses.manager, data }, block)) === 1n;
};

/** The lies are told while work() runs; returns what it gives, and fails if one was never told. */
async function lying(lies, work) {
  await chain.lie(...[lies].flat());
  let told;
  try {
    return await work();
  } finally {
    told = await chain.truth();
    for (const [name, count] of Object.entries(told)) assert.ok(count > 0, `${name} was never told`);
  }
}

// ---- Arbitrum's rules ----

test('a transaction is in a block when its sender hears of it', async () => {
  const node = await makeNode();
  const { id } = await ask();
  const raw = await node.answer(id);
  const before = BigInt(await chain.rpc('eth_getBalance', node.address, 'latest'));
  const hash = await put(raw);
  assert.equal(hash, Transaction.from(raw).hash);
  const receipt = await receiptOf(hash);
  assert.equal(receipt.status, '0x1');
  assert.equal(await isDone(id), true);
  const paid = before - BigInt(await chain.rpc('eth_getBalance', node.address, 'latest'));
  assert.equal(paid, BigInt(receipt.gasUsed) * BigInt(receipt.effectiveGasPrice));
  const seen = await chain.rpc('eth_getTransactionByHash', hash);
  assert.equal(seen.from, node.address.toLowerCase());
  assert.equal(seen.input, Transaction.from(raw).data);
  assert.equal(seen.blockHash, receipt.blockHash);

  const second = await receiptOf(await put(await node.answer(id)));
  assert.equal(second.status, '0x0');
  assert.deepEqual(second.logs, []);
  const poor = await receiptOf(await put(await node.answer(id, { gasLimit: 60000 })));
  assert.deepEqual([poor.status, Number(poor.gasUsed)], ['0x0', 60000]);
  assert.equal(await chain.rpc('eth_getTransactionCount', node.address, 'latest'), '0x3');
});

test('what cannot be executed is refused at once', async () => {
  const node = await makeNode(1);
  const hash = await put(await node.sign());
  const refused = async (pattern, raw) => {
    const error = await errorOf(put(raw));
    assert.match(error?.message ?? 'accepted', pattern);
    assert.equal(error.code, -32000);
  };
  const sign = (change) => node.sign({ nonce: 1, ...change });
  await refused(/nonce too low: address 0x[0-9a-fA-F]{40}, tx: 0 state: 1/, await sign({ nonce: 0 }));
  await refused(/insufficient funds for gas \* price \+ value: address .* have \d+ want \d+/, await sign({ gasLimit: 2_000_000_000 }));
  await refused(/insufficient funds/, await sign({ value: 2n * 10n ** 18n }));
  await refused(/max fee per gas less than block base fee: address .*, maxFeePerGas: 99999999, baseFee: 100000000/, await sign({ maxFeePerGas: 99999999n }));
  await refused(/intrinsic gas too low: have 20999, want 21000/, await sign({ gasLimit: 20999 }));
  await refused(/invalid chain id for signer: have 1 want 421614/, await sign({ chainId: 1 }));
  await refused(/oversized data/, await sign({ data: `0x${'00'.repeat(95_000)}` }));
  await refused(/type not supported/, await sign({ type: 0, gasPrice: gwei, maxFeePerGas: undefined, maxPriorityFeePerGas: undefined }));
  await refused(/rlp|invalid sender/, '0x02c0');
  await chain.set({ gasPercent: 500 });
  await refused(/intrinsic gas too low/, await sign({ gasLimit: 100_000 }));
  await chain.set({ gasPercent: 100 });
  assert.equal((await receiptOf(hash)).status, '0x1');
  const other = Wallet.createRandom().address;
  await put(await sign({ to: other, value: 5n, data: '0x' }));
  assert.equal(await chain.rpc('eth_getBalance', other, 'latest'), '0x5');
});

test('a nonce above the next one is held, then refused, unless what is missing comes', async () => {
  const node = await makeNode();
  const [first, second, third] = [await node.sign(), await node.sign(), await node.sign()];
  const began = Date.now();
  const error = await errorOf(put(second));
  assert.ok(Date.now() - began >= 290, `${Date.now() - began} ms`);
  assert.match(error.message, /nonce too high: address 0x.*, tx: 1 state: 0/);
  const late = [put(third), put(second)];
  await until('both are held', async () => {
    return Object.keys(Object.values((await chain.rpc('txpool_content')).queued)[0] ?? {}).length === 2;
  });
  assert.match((await errorOf(put(third))).message, /already known/);
  await put(first);
  for (const [i, hash] of (await Promise.all(late)).entries()) {
    assert.equal(hash, Transaction.from([third, second][i]).hash);
    assert.equal((await receiptOf(hash)).status, '0x1');
  }
  assert.equal(await chain.rpc('eth_getTransactionCount', node.address, 'latest'), '0x3');

  /* In a batch the calls are one after another: what is missing comes too late. */
  const [a, b] = [await node.sign(), await node.sign()];
  const answer = await fetch(chain.httpUrl, { method: 'POST', body: JSON.stringify([b, a].map((raw, id) => {
    return { jsonrpc: '2.0', id, method: 'eth_sendRawTransaction', params: [raw] };
  })) });
  const [high, good] = await answer.json();
  assert.match(high.error.message, /nonce too high/);
  assert.equal(good.result, Transaction.from(a).hash);
  /* In order they are one block. */
  await put(b);
  const [c, d] = [await node.sign(), await node.sign()];
  const hashes = await chain.batch([c, d].map((raw) => ['eth_sendRawTransaction', [raw]]));
  const blocks = await Promise.all(hashes.map(async (hash) => (await receiptOf(hash)).blockNumber));
  assert.equal(blocks[0], blocks[1]);
});

test('eth_sendRawTransactionSync: a receipt, and codes 4, 5, 6', async () => {
  const node = await makeNode();
  const sync = (raw) => chain.rpc('eth_sendRawTransactionSync', raw, '0x7d0');
  const receipt = await sync(await node.sign());
  assert.equal(receipt.status, '0x1');
  assert.equal(Number(receipt.blockNumber), await chain.head());
  const ahead = await node.sign({ nonce: 5 });
  assert.deepEqual((({ code, data }) => ({ code, data }))(await errorOf(sync(ahead))), { code: 6, data: '0x1' });
  const raw = await node.sign();
  const four = await lying({ lie: 'sync_timeout' }, () => errorOf(sync(raw)));
  assert.deepEqual([four.code, four.data], [4, Transaction.from(raw).hash]);
  assert.equal((await receiptOf(four.data)).status, '0x1');
  const unknown = await node.sign({ nonce: 2 });
  assert.equal((await lying({ lie: 'sync_unknown' }, () => errorOf(sync(unknown)))).code, 5);
  assert.equal(await receiptOf(Transaction.from(unknown).hash), null);
  await chain.set({ sync: 0 });
  assert.equal((await errorOf(sync(unknown))).code, -32601);
  await chain.set({ sync: 1 });
});

test('blocks by time, and none at all', async () => {
  const node = await makeNode();
  await chain.set({ blockMs: 150 });
  const head = await chain.head();
  const hashes = await Promise.all([put(await node.sign()), put(await node.sign())]);
  const [one, two] = await Promise.all(hashes.map(receiptOf));
  assert.equal(one.blockNumber, two.blockNumber);
  assert.equal(Number(one.blockNumber), head + 1);
  await chain.set({ blockMs: 0, halted: 1 });
  const hash = await put(await node.sign());
  assert.equal(await receiptOf(hash), null);
  assert.equal(await chain.rpc('eth_getTransactionCount', node.address, 'latest'), '0x2');
  assert.equal(await chain.rpc('eth_getTransactionCount', node.address, 'pending'), '0x3');
  await chain.set({ halted: 0 });
  assert.equal((await receiptOf(hash)).status, '0x1');
});

// ---- blocks ----

const items = (b) => [b.parentHash, b.sha3Uncles, b.miner, b.stateRoot, b.transactionsRoot, b.receiptsRoot, b.logsBloom,
  b.difficulty, b.number, b.gasLimit, b.gasUsed, b.timestamp, b.extraData, b.mixHash, b.nonce, b.baseFeePerGas];
const isNumber = [7, 8, 9, 10, 11, 15];
const headerHash = (b) => keccak256(encodeRlp(items(b).map((v, i) => (isNumber.includes(i) ? toBeArray(BigInt(v)) : v))));

function bloomOf(logs) {
  const bloom = new Uint8Array(256);
  for (const item of logs.flatMap((log) => [log.address, ...log.topics])) {
    const h = getBytes(keccak256(item));
    for (let i = 0; i < 6; i += 2) {
      const bit = ((h[i] << 8) | h[i + 1]) & 2047;
      bloom[255 - (bit >> 3)] |= 1 << (bit & 7);
    }
  }
  return `0x${Buffer.from(bloom).toString('hex')}`;
}

test('blocks are linked by the hashes of their headers, with their blooms and receipts', async () => {
  await ask();
  await ask();
  await chain.mine(2);
  const head = await chain.head();
  let parent = null;
  for (let n = 0; n <= head; n++) {
    const block = await chain.rpc('eth_getBlockByNumber', toHex(n), true);
    assert.equal(headerHash(block), block.hash);
    if (parent) assert.equal(block.parentHash, parent.hash);
    const logs = await chain.rpc('eth_getLogs', { blockHash: block.hash });
    assert.equal(block.logsBloom, bloomOf(logs));
    const receipts = await chain.rpc('eth_getBlockReceipts', toHex(n));
    assert.deepEqual(receipts.flatMap((r) => r.logs), logs);
    assert.deepEqual(receipts.map((r) => r.transactionHash), block.transactions.map((tx) => tx.hash));
    assert.deepEqual(logs.map((log) => Number(log.logIndex)), logs.map((_, i) => i));
    assert.deepEqual(await chain.rpc('eth_getBlockByHash', block.hash, true), block);
    assert.deepEqual(await chain.rpc('eth_getBlockReceipts', block.hash), receipts);
    parent = block;
  }
  assert.equal(await chain.rpc('eth_getBlockByNumber', toHex(head + 1), false), null);
  assert.equal(await chain.rpc('eth_getBlockByHash', keccakOfText('none'), false), null);
  const [latest, safe, finalized] = await chain.batch(['latest', 'safe', 'finalized'].map((t) => ['eth_getBlockByNumber', [t, false]]));
  assert.deepEqual([latest, safe, finalized].map((b) => Number(b.number)), [head, Math.max(0, head - 32), 0]);
  const before = Number(latest.timestamp);
  await chain.clock(86400);
  await chain.mine();
  assert.ok(Number((await chain.rpc('eth_getBlockByNumber', 'latest', false)).timestamp) >= before + 86400);
});

test('logs by address, topic, range, and their limits', async () => {
  const from = await chain.head() + 1;
  const asked = [await ask(), await ask(), await ask()];
  await chain.request([['httpz', 'UpdateFheParams', ['x']]]);
  const to = await chain.head();
  const { topicHash } = manager.getEvent('PublicDecryptionRequest');
  const all = await logsOf(from, 'latest');
  assert.equal(all.length, 4);
  assert.equal((await logsOf(from, to, { address: chain.addresses.manager })).length, 3);
  assert.equal((await logsOf(from, to, { address: [chain.addresses.httpz, chain.addresses.access] })).length, 1);
  assert.equal((await logsOf(from, to, { topics: [[topicHash, keccakOfText('x')]] })).length, 3);
  const [one] = await logsOf(from, to, { topics: [null, toBeHex(asked[1].id, 32)] });
  assert.equal(one.transactionHash, asked[1].hash);
  assert.deepEqual(await logsOf(from, to, { topics: [topicHash, toBeHex(99999, 32)] }), []);
  assert.deepEqual(await logsOf(to + 1, to + 100), []);
  assert.match((await errorOf(chain.rpc('eth_getLogs', { blockHash: keccakOfText('none') }))).message, /unknown block/);
  await chain.set({ logsRange: 2, logsError: { code: -32005, message: 'query returned more than 10000 results' } });
  assert.deepEqual(await errorOf(logsOf(from, to)), { code: -32005, message: 'eth_getLogs: query returned more than 10000 results', data: undefined });
  assert.equal((await logsOf(from, from + 1)).length, 2);
  await chain.set({ logsRange: 0, logsResults: 3 });
  assert.equal((await errorOf(logsOf(from, to))).code, -32005);
  await chain.set({ logsResults: 0 });
});

test('calls see the state of the block they name', async () => {
  const node = await makeNode();
  const { id, block } = await ask();
  await put(await node.answer(id));
  const head = await chain.head();
  assert.equal(await isDone(id, toHex(head)), true);
  assert.equal(await isDone(id, toHex(block)), false);
  const { hash } = await chain.rpc('eth_getBlockByNumber', toHex(block), false);
  assert.equal(await isDone(id, { blockHash: hash }), false);
  assert.equal(await chain.rpc('eth_getTransactionCount', node.address, toHex(block)), '0x0');
  assert.match((await errorOf(isDone(id, toHex(head + 1)))).message, /header not found/);
  const again = Transaction.from(await node.answer(id)).data;
  const call = { from: node.address, to: chain.addresses.manager, data: again };
  const error = await errorOf(chain.rpc('eth_estimateGas', call));
  assert.equal(error.code, 3);
  assert.equal(manager.parseError(error.data).name, 'KmsSignerAlreadyResponded');
  const asked = await ask();
  const gas = Number(await chain.rpc('eth_estimateGas', { ...call, data: Transaction.from(await node.answer(asked.id)).data }));
  assert.ok(gas > 100000 && gas < 400000);
  for (const [method, params, pattern] of [
    ['eth_gasPrice', [], /^0x5f5e100$/], ['eth_maxPriorityFeePerGas', [], /^0x0$/], ['net_version', [], /^421614$/],
    ['web3_clientVersion', [], /nitro/], ['eth_getCode', [chain.addresses.httpz, 'latest'], /^0x..+/],
    ['eth_getCode', [node.address, 'latest'], /^0x$/], ['eth_chainId', [], /^0x66eee$/],
  ]) assert.match(await chain.rpc(method, ...params), pattern, method);
  const fees = await chain.rpc('eth_feeHistory', '0x3', 'latest', []);
  assert.deepEqual([fees.baseFeePerGas.length, fees.gasUsedRatio.length], [4, 3]);
  assert.equal((await errorOf(chain.rpc('eth_unknown'))).code, -32601);
});

test('subscriptions: heads, logs, and logs that a reorganisation took back', async () => {
  const provider = new WebSocketProvider(chain.wsUrl, chain.chainId);
  const said = { heads: [], logs: [] };
  try {
    const [heads, logs] = await Promise.all([provider.send('eth_subscribe', ['newHeads']),
      provider.send('eth_subscribe', ['logs', { address: chain.addresses.manager }])]);
    provider.websocket.addEventListener('message', ({ data }) => {
      const { params } = JSON.parse(data);
      if (params?.subscription === heads) said.heads.push(params.result);
      if (params?.subscription === logs) said.logs.push(params.result);
    });
    const { id, hash } = await ask();
    await until('head and log', () => said.heads.length === 1 && said.logs.length === 1);
    assert.equal(said.heads[0].hash, (await chain.rpc('eth_getBlockByNumber', 'latest', false)).hash);
    assert.deepEqual([BigInt(said.logs[0].topics[1]), said.logs[0].transactionHash], [id, hash]);
    await chain.reorg(1, { keep: 'none' });
    await until('it is taken back', () => said.logs.length === 2 && said.heads.length === 2);
    assert.deepEqual(said.logs[1], { ...said.logs[0], removed: true });
    await lying({ lie: 'mute' }, () => ask());
    await ask();
    await until('the next is heard', () => said.heads.length >= 3);
    assert.equal(said.heads.length, 3);
    assert.equal(await provider.send('eth_unsubscribe', [heads]), true);
  } finally {
    await provider.destroy();
  }
});

test('a reorganisation keeps, drops and replaces', async () => {
  const node = await makeNode();
  const first = await ask();
  const second = await ask();
  const answer = await put(await node.answer(first.id));
  const head = await chain.head();
  const old = await chain.rpc('eth_getBlockByNumber', 'latest', false);
  assert.equal(await isDone(first.id), true);

  await chain.reorg(3, { keep: 'all' });
  assert.equal(await chain.head(), head);
  const fresh = await chain.rpc('eth_getBlockByNumber', 'latest', false);
  assert.notEqual(fresh.hash, old.hash);
  assert.equal(await chain.rpc('eth_getBlockByHash', old.hash, false), null);
  assert.equal((await receiptOf(answer)).blockHash, fresh.hash);
  assert.equal(await isDone(first.id), true);

  await chain.reorg(1, { keep: 'requests' });
  assert.equal(await receiptOf(answer), null);
  assert.equal(await chain.rpc('eth_getTransactionByHash', answer), null);
  assert.equal(await isDone(first.id), false);
  assert.equal(await chain.rpc('eth_getTransactionCount', node.address, 'latest'), '0x0');
  assert.equal((await chain.judge(node.address)).accepted, 0);
  node.skip(-1);
  assert.equal(await put(await node.answer(first.id)), answer); /* the same bytes */
  assert.equal((await receiptOf(answer)).status, '0x1');

  /* As chain.mjs has it: these raw transactions come again, in these blocks. */
  const raw = await node.answer(second.id);
  await put(raw);
  await chain.mine(2);
  const last = await chain.head();
  await chain.reorg(3, [[raw, 2]]);
  assert.equal(Number((await receiptOf(Transaction.from(raw).hash)).blockNumber), last);

  const log = (await receiptOf(second.hash)).logs[0];
  const other = manager.encodeEventLog('PublicDecryptionRequest', [second.id, [[toBeHex(5, 32), 7, keccakOfText('other'), []]]]);
  assert.notEqual(other.data, log.data);
  await chain.reorg(await chain.head() - second.block + 1, {
    drop: [answer, Transaction.from(raw).hash], replace: { [second.hash]: { contract: chain.addresses.manager, ...other } }, length: 9,
  });
  assert.equal(await chain.head(), second.block - 1 + 9);
  const logs = await logsOf(second.block, 'latest');
  assert.deepEqual(logs.map((l) => [l.topics[1], l.data]), [[toBeHex(second.id, 32), other.data]]);
  assert.equal(await receiptOf(second.hash), null);
});

// ---- lies ----

/* Each lie: its options, and what shows that it was told. */
const lies = {
  http_429: [{ by: 7 }, async () => {
    const answer = await post('eth_blockNumber');
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [429, '7']);
  }],
  http_502: [{}, async () => assert.equal((await post('eth_blockNumber')).status, 502)],
  http_503: [{}, async () => assert.equal((await post('eth_blockNumber')).status, 503)],
  html: [{}, async () => {
    const answer = await post('eth_blockNumber');
    assert.equal(answer.status, 200);
    assert.match(await answer.text(), /<html>/);
  }],
  reset: [{}, async () => assert.rejects(post('eth_blockNumber'))],
  lost_reply: [{ methods: ['eth_sendRawTransaction'] }, async (node) => {
    const raw = await node.sign();
    await assert.rejects(put(raw));
    assert.equal((await receiptOf(Transaction.from(raw).hash)).status, '0x1');
  }],
  lost_502: [{ methods: ['eth_sendRawTransaction'] }, async (node) => {
    const raw = await node.sign();
    assert.equal((await post('eth_sendRawTransaction', [raw])).status, 502);
    assert.equal((await receiptOf(Transaction.from(raw).hash)).status, '0x1');
  }],
  cut_reply: [{}, async () => assert.rejects((await post('eth_getBlockByNumber', ['latest', true])).json())],
  stall: [{}, async () => assert.rejects(fetch(chain.httpUrl, { ...body('eth_blockNumber'), signal: AbortSignal.timeout(150) }))],
  mute: [{}, async () => { /* that nothing is heard then: the test of subscriptions */
    const provider = new WebSocketProvider(chain.wsUrl, chain.chainId);
    await provider.send('eth_subscribe', ['newHeads']);
    await ask();
    await provider.destroy();
  }],
  rate_limited: [{}, async () => assert.equal((await errorOf(chain.rpc('eth_blockNumber'))).code, -32005)],
  wrong_id: [{}, async () => assert.equal((await (await post('eth_blockNumber')).json()).id, 1001)],
  no_id: [{}, async () => assert.deepEqual(Object.keys(await (await post('eth_blockNumber')).json()), ['jsonrpc', 'result'])],
  backwards: [{}, async () => assert.deepEqual((await batchOf(3)).map((r) => r.id), [2, 1, 0])],
  no_reply: [{ count: 1 }, async () => assert.equal((await batchOf(3)).length, 2)],
  twice: [{ count: 1 }, async () => assert.deepEqual((await batchOf(2)).map((r) => r.id), [0, 0, 1])],
  null: [{}, async () => assert.equal(await chain.rpc('eth_blockNumber'), null)],
  error: [{}, async () => assert.equal((await errorOf(chain.rpc('eth_blockNumber'))).code, -32603)],
  refused_with: [{ words: 'queue full', code: -7, methods: ['eth_sendRawTransaction'] }, async (node) => {
    const raw = await node.sign();
    const { code, message } = await errorOf(put(raw));
    assert.equal(code, -7);
    assert.match(message, /queue full$/);
    assert.equal(await receiptOf(Transaction.from(raw).hash), null);
    node.skip(-1);
  }],
  lagging: [{ by: 2 }, async (node, request) => {
    const head = await chain.head();
    assert.equal(head, request.head - 2);
    assert.equal(await chain.rpc('eth_getBlockByNumber', toHex(head + 1), false), null);
    assert.deepEqual(await logsOf(request.block, 'latest'), []);
    assert.equal(await receiptOf(request.hash), null);
    assert.equal(Number((await chain.rpc('eth_getBlockByNumber', 'latest', false)).number), head);
  }],
  wrong_chain_id: [{}, async () => assert.equal(await chain.rpc('eth_chainId'), '0x66eef')],
  wrong_hash: [{}, async (node, request) => {
    const block = await chain.rpc('eth_getBlockByNumber', toHex(request.block), false);
    assert.notEqual(headerHash(block), block.hash);
    const [log] = await logsOf(request.block, request.block);
    assert.equal(log.blockHash, block.hash);
  }],
  tags_above: [{ by: 5 }, async (node, request) => {
    const finalized = await chain.rpc('eth_getBlockByNumber', 'finalized', false);
    assert.equal(Number(finalized.number), request.head + 5);
  }],
  tags_back: [{ by: 3, count: 1 }, async () => {
    await chain.set({ finalized: 2 });
    const seen = [];
    for (let i = 0; i < 2; i++) seen.push(Number((await chain.rpc('eth_getBlockByNumber', 'finalized', false)).number));
    await chain.set({ finalized: 64 });
    assert.equal(seen[0], seen[1] - 3);
  }],
  no_logs: [{}, async (node, request) => assert.deepEqual(await logsOf(request.block, 'latest'), [])],
  cut_logs: [{ by: 3 }, async () => assert.equal((await logsOf(0, 'latest')).length, 3)],
  duplicate_logs: [{}, async (node, request) => {
    const [a, b] = await logsOf(request.block, request.block);
    assert.deepEqual(a, b);
  }],
  removed_logs: [{}, async (node, request) => {
    const logs = await logsOf(request.block, request.block);
    assert.deepEqual(logs.map((l) => l.removed), [false, true]);
  }],
  shuffled_logs: [{}, async () => {
    const numbers = (await logsOf(0, 'latest')).map((l) => Number(l.blockNumber));
    assert.deepEqual(numbers, [...numbers].sort((a, b) => b - a));
    assert.ok(numbers[0] > numbers.at(-1));
  }],
  cut_data: [{ by: 31 }, async (node, request) => assert.equal((await logsOf(request.block, request.block))[0].data.length % 64, 4)],
  wild_data: [{ by: 1 }, async (node, request) => {
    const [{ data }] = await logsOf(request.block, request.block);
    assert.equal(BigInt(`0x${data.slice(66, 130)}`), 2n ** 255n);
  }],
  noise_logs: [{}, async (node, request) => {
    const logs = await logsOf(request.block, request.block);
    assert.equal(logs.length, 3);
    assert.notEqual(logs[1].address, logs[0].address);
    assert.notEqual(logs[2].topics[0], logs[0].topics[0]);
  }],
  dropped: [{}, async (node) => {
    const raw = await node.sign();
    assert.equal(await put(raw), Transaction.from(raw).hash);
    assert.equal(await receiptOf(Transaction.from(raw).hash), null);
    node.skip(-1);
  }],
  taken_with: [{ words: 'already known' }, async (node) => {
    const raw = await node.sign();
    assert.match((await errorOf(put(raw))).message, /already known$/);
    assert.equal((await receiptOf(Transaction.from(raw).hash)).status, '0x1');
  }],
  busy: [{}, async (node) => {
    assert.match((await errorOf(put(await node.sign()))).message, /sequencer pending tx pool full/);
    node.skip(-1);
  }],
  huge_gas: [{}, async () => {
    for (const value of [await chain.rpc('eth_gasPrice'), await chain.rpc('eth_estimateGas', { to: core.address }),
      (await chain.rpc('eth_getBlockByNumber', 'latest', false)).baseFeePerGas]) assert.equal(BigInt(value), 2n ** 255n);
    await chain.truth();
    await chain.lie({ lie: 'huge_gas', by: 12345 });
    assert.equal(Number(await chain.rpc('eth_estimateGas', { to: core.address })), 12345);
  }],
  no_receipt: [{}, async (node, request) => assert.equal(await receiptOf(request.hash), null)],
  wrong_receipt: [{}, async (node, request) => assert.notEqual((await receiptOf(request.hash)).transactionHash, request.hash)],
  odd_receipt: [{ by: 3 }, async (node, request) => assert.equal((await receiptOf(request.hash)).status, 'ok')],
  sync_timeout: [{ methods: ['eth_sendRawTransactionSync'] }, async (node) => {
    assert.equal((await errorOf(chain.rpc('eth_sendRawTransactionSync', await node.sign()))).code, 4);
  }],
  sync_unknown: [{ methods: ['eth_sendRawTransactionSync'] }, async (node) => {
    assert.equal((await errorOf(chain.rpc('eth_sendRawTransactionSync', await node.sign()))).code, 5);
  }],
};

/* Blocks that were made while a lie was looked at. */
const sent = (name) => (['lost_reply', 'lost_502', 'taken_with', 'sync_timeout', 'mute'].includes(name) ? 1 : 0);

const body = (method, params = []) => ({ method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) });
const post = (method, params) => fetch(chain.httpUrl, body(method, params));
const batchOf = async (count) => {
  const calls = Array.from({ length: count }, (_, id) => ({ jsonrpc: '2.0', id, method: 'eth_blockNumber', params: [] }));
  return (await fetch(chain.httpUrl, { method: 'POST', body: JSON.stringify(calls) })).json();
};

test('each lie is told, and only while it is asked for', async () => {
  const source = fs.readFileSync(path.join(here, 'fakechain', 'lies.h'), 'utf8');
  const names = [...source.matchAll(/^\tL\((\w+),/gm)].map(([, name]) => name);
  assert.deepEqual(Object.keys(lies), names);
  const node = await makeNode();
  for (const name of names) {
    const [options, look] = lies[name];
    const request = await ask();
    request.head = await chain.head();
    await lying({ lie: name, ...options }, () => look(node, request));
    assert.equal(await chain.head(), request.head + sent(name), name);
    assert.equal(await chain.rpc('eth_chainId'), '0x66eee', name);
  }
  assert.equal((await errorOf(chain.lie({ lie: 'none such' }))).code, -32602);
});

test('a share of the calls, by a seed, of some methods', async () => {
  const count = async (seed) => {
    await chain.lie({ lie: 'null', share: 0.25, seed, methods: ['eth_blockNumber', 'eth_gasPrice'] });
    const pattern = [];
    for (let i = 0; i < 400; i++) pattern.push((await chain.rpc('eth_blockNumber')) === null);
    assert.ok(await chain.rpc('eth_chainId'));
    const { null: sofar } = await chain.told();
    const told = await chain.truth();
    assert.equal(told.null, sofar);
    assert.equal(told.null, pattern.filter(Boolean).length);
    return pattern;
  };
  const [one, same, other] = [await count(7), await count(7), await count(8)];
  assert.deepEqual(one, same);
  assert.notDeepEqual(one, other);
  const told = one.filter(Boolean).length;
  assert.ok(told > 60 && told < 140, `${told} of 400`);
});

test('two doors are two nodes of one chain, with lies of their own', async () => {
  const two = await startFakeChain({ doors: 2 });
  try {
    assert.equal(two.httpUrls.length, 2);
    await two.mine(3);
    await two.lie({ lie: 'lagging', by: 2, door: 1 }, { lie: 'wrong_chain_id', door: 0 });
    const heads = await Promise.all(two.httpUrls.map((url) => rpcCall(url, 'eth_blockNumber')));
    const ids = await Promise.all(two.httpUrls.map((url) => rpcCall(url, 'eth_chainId')));
    assert.deepEqual([heads, ids], [['0x3', '0x1'], ['0x66eef', '0x66eee']]);
    assert.deepEqual(await two.truth(), { lagging: 2, wrong_chain_id: 1 });
    await two.lie({ lie: 'null' }); /* not at the harness's own door */
    assert.deepEqual(await Promise.all(two.httpUrls.map((url) => rpcCall(url, 'eth_blockNumber'))), ['0x3', null]);
    await two.restart();
    assert.deepEqual(await Promise.all(two.httpUrls.map((url) => rpcCall(url, 'eth_blockNumber'))), ['0x0', '0x0']);
  } finally {
    await two.stop();
  }
});

// ---- the ledger ----

test('the judge: two calls for a nonce, holes, answers twice, paid reverts, what is open', async () => {
  const fresh = await startFakeChain({ gapMs: 50 });
  const outer = chain;
  chain = fresh;
  try {
    await chain.setup([['manager', 'addCiphertexts', [handle], 7, [keccakOfText('body')], []]]);
    const node = await makeNode();
    const ids = (await Promise.all([ask(), ask(), ask()])).map(({ id }) => id);
    for (const id of ids) await put(await node.answer(id));
    const good = await chain.judge(node.address);
    assert.deepEqual(faultsIn(good), []);
    assert.deepEqual([good.transactions, good.accepted, good.requests, good.answered, good.done], [3, 3, 3, 3, 3]);

    await put(await node.answer(ids[0]));
    await errorOf(put(await node.sign({ nonce: 1, data: '0x1234' })));
    await errorOf(put(await node.answer(ids[2], { nonce: 2, gasLimit: 999_999 })));
    await errorOf(put(await node.sign({ nonce: 6 })));
    const last = await ask();
    const bad = await chain.judge(node.address);
    assert.deepEqual([bad.nonceTwoCalls, bad.holes, bad.unused, bad.reverted, bad.twiceCount, bad.open], [[1], [4, 5], [6], 1, 1, 1]);
    assert.equal(BigInt(bad.twice[0].request), ids[0]);
    assert.deepEqual([bad.twice[0].included, bad.twice[0].good], [2, 1]);
    assert.equal(faultsIn(bad).length, 6);
    assert.deepEqual(faultsIn(await chain.judge(core.address), { open: 4 }), []);

    const { totals, rows } = await chain.ledger(0);
    assert.equal(totals.received, rows.length);
    assert.deepEqual(rows.map((row) => row.verdict), ['accepted', 'accepted', 'accepted', 'accepted', 'refused', 'refused', 'refused']);
    assert.deepEqual(rows.slice(4).map((row) => row.why), ['nonce too low', 'nonce too low', 'nonce too high']);
    assert.deepEqual(rows.map((row) => row.nonce), [0, 1, 2, 3, 1, 2, 6]);
    assert.equal(rows[0].selector, manager.getFunction('publicDecryptionResponse').selector);
    assert.equal(BigInt(rows[0].request), ids[0]);
    assert.ok(rows.slice(0, 4).every((row) => row.block > 0) && rows.slice(4).every((row) => row.block === undefined));
    assert.deepEqual((await chain.ledger(2, 2)).rows, rows.slice(2, 4));

    await chain.reorg(await chain.head() - last.block + 1, { keep: 'none' });
    assert.equal((await chain.judge(node.address)).open, 0);
    await errorOf(put('0x1234'));
    assert.equal((await chain.ledger()).totals.garbage, 1);
  } finally {
    chain = outer;
    await fresh.stop();
  }
});

test('a burst of ten thousand requests in one block', async () => {
  const before = await chain.head();
  const calls = Array.from({ length: 5 }, () => ['manager', 'publicDecryptionRequests', Array(2000).fill(handle), 1]);
  await chain.setup(calls);
  assert.equal(await chain.head(), before + 1);
  const logs = await logsOf(before + 1, 'latest');
  assert.equal(logs.length, 10000);
  assert.equal(new Set(logs.map((log) => log.topics[1])).size, 10000);
});

test('twenty thousand small calls a second of one core', async () => {
  const text = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_blockNumber', params: [] });
  const one = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
  const began = readProcess(chain.pid).cpuMs;
  await Promise.all(Array.from({ length: 4 }, () => new Promise((resolve, reject) => {
    let left = 10000;
    const socket = net.connect(chain.port, '127.0.0.1', () => socket.write(one));
    socket.on('error', reject);
    socket.on('data', () => {
      if (--left) return socket.write(one);
      socket.destroy();
      return resolve();
    });
  })));
  const perCall = ((readProcess(chain.pid).cpuMs - began) * 1000) / 40000;
  console.log(`# ${perCall.toFixed(1)} microseconds of a processor for each call`);
  assert.ok(perCall < 50, `${perCall} us`);
});
