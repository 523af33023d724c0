/*
 * judge - says what really happened, from the chain alone: which requests were answered and how,
 * and every transaction of our node's account.  It never reads what the product says of itself.
 */
import { Transaction } from 'ethers';
import { sleep } from '../peers/process.mjs';

const hex = (n) => `0x${n.toString(16)}`;

const nameOf = (kind, id) => (kind === 'public' || kind === 'user' ? `${kind}-${id}` : `${kind}-${hex(id)}`);

/**
 * Collects the raw transactions that pass a proxy: nonce -> set of raw bytes, and in the order of
 * their first times { raw, at }.
 */
export function rawCollector() {
  const byNonce = new Map();
  const sent = [];
  return {
    byNonce,
    sent,
    see(call) {
      if (!/^eth_sendRawTransaction/.test(call.method)) return;
      try {
        const [raw] = call.params;
        const { nonce } = Transaction.from(raw);
        if (!byNonce.has(nonce)) byNonce.set(nonce, new Set());
        if (byNonce.get(nonce).has(raw)) return;
        byNonce.get(nonce).add(raw);
        sent.push({ raw, at: Date.now() });
      } catch {
        /* not a transaction: the chain says so to its sender */
      }
    },
  };
}

/** The judge of a world: { judge, waitAnswered, responseEvents, transactions, sent }. */
export function makeJudge({ chain, requests, node, core, manager, keys, generation, raws }) {
  const kinds = Object.entries(generation.keyKinds);
  /* response function -> the kind in a request's name, and its contract */
  const responses = {
    publicDecryptionResponse: ['public', 'manager'],
    userDecryptionResponse: ['user', 'manager'],
    ...Object.fromEntries(kinds.map(([kind, { answer }]) => [answer, [kind, 'keys']])),
  };

  /** Response events so far: name of the request -> { block, args }. */
  async function responseEvents() {
    const found = new Map();
    const rows = [[manager, 'PublicDecryptionResponse', 'public'], [manager, 'UserDecryptionResponse', 'user'],
      ...kinds.map(([kind, { answered }]) => [keys, answered, kind])];
    const addresses = [manager.target, keys.target];
    const topics = [rows.map(([c, event]) => c.interface.getEvent(event).topicHash)];
    const logs = await chain.rpc('eth_getLogs', { fromBlock: '0x0', toBlock: 'latest', address: addresses, topics });
    for (const log of logs) {
      const [contract, , kind] = rows[topics[0].indexOf(log.topics[0])];
      const { args } = contract.interface.parseLog(log);
      found.set(nameOf(kind, args[0]), { block: Number(log.blockNumber), args });
    }
    return found;
  }

  /** Whether our node has answered, for requests that no event closes yet (threshold above one). */
  async function answeredByCall(names) {
    const from = node.address;
    const to = await manager.getAddress();
    const calls = names.map((name) => {
      const { kind, id } = requests.get(name);
      const view = kind === 'public' ? 'publicResponded' : 'userResponded';
      const data = manager.interface.encodeFunctionData(view, [id, core.address]);
      return ['eth_call', [{ from, to, data }, 'latest']];
    });
    const got = await chain.batch(calls);
    return names.filter((_, i) => BigInt(got[i]) === 1n);
  }

  /**
   * Waits until every request (or those named) has its response on the chain.
   * Returns { answered, missing }; does not throw when time is over.
   * `by: 'call'` asks whether our node has answered instead of waiting for the consensus event.
   */
  async function waitAnswered(timeoutMs = 30000, { names = null, by = 'event' } = {}) {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const began = Date.now();
      const wanted = names ?? [...requests.keys()];
      const have = by === 'call' ? new Set(await answeredByCall(wanted)) : await responseEvents();
      const missing = wanted.filter((name) => !have.has(name));
      if (!missing.length || Date.now() >= end) return { answered: wanted.length - missing.length, missing };
      await sleep(Math.max(50, 3 * (Date.now() - began)));
    }
  }

  /** All transactions of our account on the chain, in order, with receipts. */
  async function transactions() {
    const head = await chain.head();
    const mine = [];
    const from = node.address.toLowerCase();
    for (let at = 0; at <= head; at += 200) {
      const numbers = Array.from({ length: Math.min(200, head + 1 - at) }, (_, i) => at + i);
      const blocks = await chain.batch(numbers.map((n) => ['eth_getBlockByNumber', [hex(n), true]]));
      for (const block of blocks) mine.push(...block.transactions.filter((tx) => tx.from.toLowerCase() === from));
    }
    const receipts = await chain.batch(mine.map((tx) => ['eth_getTransactionReceipt', [tx.hash]]));
    return mine.map((tx, i) => ({ tx, receipt: receipts[i] }));
  }

  /** What one transaction of ours answers: { name, kind, result } or { problem }. */
  function read(tx) {
    const addresses = { manager: manager.target.toLowerCase(), keys: keys.target.toLowerCase() };
    const target = Object.keys(addresses).find((k) => addresses[k] === tx.to?.toLowerCase());
    if (!target) return { problem: `transaction ${tx.hash} goes to ${tx.to}` };
    const contract = target === 'manager' ? manager : keys;
    const call = contract.interface.parseTransaction({ data: tx.input });
    const row = call && responses[call.name];
    if (!row || row[1] !== target) {
      return { problem: `transaction ${tx.hash} calls ${call?.name ?? tx.input.slice(0, 10)}` };
    }
    if (BigInt(tx.value) !== 0n) return { problem: `transaction ${tx.hash} carries ${tx.value} wei` };
    return { name: nameOf(row[0], call.args[0]), kind: row[0], result: call.args[1] };
  }

  /**
   * Every transaction that our node has sent, in the order of their first times, on the chain or
   * not: { hash, nonce, at, name, kind, result } or { problem } instead of the last three.
   */
  const sent = () => raws.sent.map(({ raw, at }) => {
    const { hash, nonce, to, value, data } = Transaction.from(raw);
    return { hash, nonce, at, ...read({ hash, to, value, input: data }) };
  });

  /**
   * Judges everything so far.  `problems` is empty when each request was answered exactly once,
   * rightly, and no transaction of our account was wasted.  `unanswered`: requests may still be
   * open; `others`: other nodes may have answered instead of ours; `vain(hash)`: whether that one
   * may have reverted, because what it answered has left the chain.
   */
  async function judge({ unanswered = false, others = false, vain = () => false } = {}) {
    const problems = [];
    const events = await responseEvents();
    const mine = await transactions();
    const accepted = new Map(); /* request -> successful transactions of ours */
    let reverted = 0;
    let gasUsed = 0n;
    let paidWei = 0n;
    let wrong = 0;
    const reverts = [];
    const nonces = new Map();

    for (const { tx, receipt } of mine) {
      const nonce = Number(tx.nonce);
      nonces.set(nonce, (nonces.get(nonce) ?? 0) + 1);
      gasUsed += BigInt(receipt.gasUsed);
      paidWei += BigInt(receipt.gasUsed) * BigInt(receipt.effectiveGasPrice);
      const what = read(tx);
      if (what.problem) {
        problems.push(what.problem);
        continue;
      }
      if (receipt.status !== '0x1') {
        reverted++;
        reverts.push({ hash: tx.hash, name: what.name });
        if (!vain(tx.hash)) problems.push(`${what.name}: transaction ${tx.hash} reverted and was paid for`);
        continue;
      }
      accepted.set(what.name, (accepted.get(what.name) ?? 0) + 1);
      const asked = requests.get(what.name);
      if (!asked) {
        problems.push(`${what.name} was answered, but this world never asked for it`);
      } else if (String(what.result) !== String(asked.expected)) {
        wrong++;
        problems.push(`${what.name}: answered ${what.result}, expected ${asked.expected}`);
      }
    }

    const twice = [...accepted].filter(([, n]) => n > 1).map(([name]) => name);
    for (const name of twice) problems.push(`${name} has ${accepted.get(name)} accepted answers of ours`);

    const missing = [...requests.keys()].filter((name) => !events.has(name));
    if (!unanswered) for (const name of missing) problems.push(`${name} has no answer`);
    for (const [name, { args }] of events) {
      const asked = requests.get(name);
      if (!asked) continue;
      const got = asked.kind === 'user' ? [...args[1]] : [args[1]];
      if (!accepted.has(name)) {
        if (!others) problems.push(`${name} is done, but not by a transaction of ours`);
      } else if (!got.some((one) => String(one) === String(asked.expected))) {
        problems.push(`${name}: the event says ${got}`);
      }
    }

    const count = Number(await chain.rpc('eth_getTransactionCount', node.address, 'latest'));
    const holes = Array.from({ length: count }, (_, i) => i).filter((n) => !nonces.has(n));
    const usedTwice = new Set([...nonces].filter(([, n]) => n > 1).map(([nonce]) => nonce));
    for (const [nonce, set] of raws?.byNonce ?? []) if (set.size > 1) usedTwice.add(nonce);
    if (holes.length) problems.push(`nonces without a transaction: ${holes.join(', ')}`);
    if (usedTwice.size) problems.push(`nonces signed more than once: ${[...usedTwice].join(', ')}`);
    const pool = await chain.rpc('txpool_content');
    const inPool = (part) => Object.keys(Object.entries(pool[part])
      .find(([a]) => a.toLowerCase() === node.address.toLowerCase())?.[1] ?? {}).length;
    const queued = inPool('queued');
    if (queued) problems.push(`${queued} transactions of ours wait behind a hole in the nonces`);

    return {
      asked: requests.size,
      answered: requests.size - missing.length,
      missing,
      transactions: mine.length,
      accepted: [...accepted.values()].reduce((a, b) => a + b, 0),
      twice,
      wrong,
      reverted,
      reverts,
      nonces: { next: count, holes, usedTwice: [...usedTwice] },
      pool: { pending: inPool('pending'), queued },
      gasUsed,
      paidWei,
      gasPerAnswer: accepted.size ? Number(gasUsed / BigInt(accepted.size)) : 0,
      problems,
    };
  }

  return { judge, waitAnswered, responseEvents, transactions, sent };
}
