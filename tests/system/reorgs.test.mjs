/*
 * Blocks that leave, with requests and answers in them, while requests flow.  What counts is the
 * chain: each request that stands on it has one answer, the right one for what it asks now;
 * nothing is sent for what is known to have left, and no nonce is left open.
 *
 * A signed nonce is used by its own call, so the bytes of an answer that left are sent again even
 * when nobody asks for it any more; they then revert.  Nothing else may.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Transaction } from 'ethers';
import { startFront } from '../peers/parent.mjs';
import { sleep } from '../peers/process.mjs';
import { lookAt, until } from './look.mjs';
import { seeded } from './random.mjs';
import { startWorld } from './world.mjs';

const UNDER_WAY_MS = 1000; /* what was signed when the blocks left may still arrive so long */
const BY_TIME_MS = 250; /* between two blocks, as on the gateway chain */
const SETS = 600;
const random = seeded();
const left = []; /* what left in each reorganisation: { from, knownAt, gone: [[name, answer]] } */
let world;
let look;
let front; /* between the connector and the chain */
let stranger; /* somebody else, whose transaction makes the blocks that come back others */
let spare; /* sets of ciphertexts that nobody has asked for, registered below all that leaves */

before(async () => {
  world = await startWorld({
    keep: Boolean(process.env.KEEP),
    /* An anvil that has written old states to its disk goes back to them without the contracts. */
    chain: { slots: 64, args: ['--prune-history', 5000] },
    config: { retry_interval_secs: 1 },
  });
  front = await startFront(world.proxy.httpUrl);
  world.started.push(front);
  world.writeConfig({ gwl2_url: [{ name: 'gateway', url: front.httpUrl }, world.config.gwl2_url[1]] });
  look = lookAt(world);
  stranger = await world.chain.wallet(1);
  spare = (await world.makeCiphertexts(Array(SETS).fill(5), { keepBodies: true })).map((c) => [c]);
  await world.chain.mine(160); /* the base fee is at its lowest, and no higher in blocks that come back */
  await world.startConnector();
  await look.waitFine();
});
afterEach(async () => { /* whatever a failure left behind */
  front.forge = null;
  await world.core.control({ op: 'clear' });
  await world.chain.rpc('evm_setAutomine', true);
});
after(async () => {
  await world?.stop();
});

const take = (count) => {
  assert.ok(spare.length >= count, 'there are sets left');
  return spare.splice(0, count);
};
const standing = () => new Map([...world.requests].map(([name, { expected }]) => [name, String(expected)]));
const blockOf = (name) => world.requests.get(name).block;
const down = async (name) => await world.chain.head() - blockOf(name) + 1; /* so deep is its block */

/** The transactions of blocks from `first` on: { at, raw, nonce, call, ours }. */
async function transactionsFrom(first) {
  const { chain, manager, owner, node } = world;
  const list = [];
  for (let n = first; n <= await chain.head(); n++) {
    const block = await chain.provider.getBlock(n, true);
    for (const tx of block.prefetchedTransactions) {
      if (tx.from !== owner.address && tx.from !== node.address) continue;
      const call = manager.interface.parseTransaction({ data: tx.data });
      list.push({ at: n - first, raw: Transaction.from(tx).serialized, nonce: tx.nonce, call, ours: tx.from === node.address });
    }
  }
  return list;
}

/** Until the listener has seen the head, which stands still: what it has not read cannot leave. */
async function seen() {
  let head;
  await until('the listener is at the head', async () => {
    head = await world.chain.head();
    const { listener_cursor: cursor, listener_latest: latest } = await look.counters();
    return cursor === head && latest === head;
  }, 20000);
  return head;
}

/**
 * The newest `depth` blocks leave.  `again` says which transactions are in those that come
 * instead, [bytes, block], from those that were in them.  Gives what it was and what it did.
 */
async function reorg(depth, again = () => []) {
  const { chain } = world;
  const retracted = world.processes().length ? (await look.counters()).executor_retracted : 0;
  const first = await chain.head() - depth + 1;
  const was = { requests: standing(), answers: await world.responseEvents(), list: await transactionsFrom(first) };
  was.inside = [...world.requests].filter(([, { block }]) => block >= first).map(([name]) => name);
  was.retracted = retracted;
  was.from = look.mark();
  const other = await stranger.signTransaction({
    type: 2, chainId: chain.chainId, nonce: await stranger.getNonce(), to: stranger.address, value: 1n,
    gasLimit: 21000, maxFeePerGas: 100_000_000_000n, maxPriorityFeePerGas: 0n,
  });
  const txs = await again(was.list);
  await chain.reorg(depth, [[other, 0], ...txs]);
  await chain.rpc('anvil_dropAllTransactions'); /* its pool would keep what does not fit any more */
  await world.recount();
  was.answersNow = await world.responseEvents();
  was.gone = [...was.requests].filter(([name, answer]) => standing().get(name) !== answer);
  return was;
}

/** The connector has noticed all of it; from then on nothing is to be sent for what left. */
async function noticed({ from, gone, inside, retracted }) {
  await look.waitLine('L009', { from }, 20000);
  await look.waitCounter('executor_retracted', (n) => n >= retracted + inside.length, 20000);
  const line = look.lines('L009', { from }).at(-1);
  left.push({ from, knownAt: Date.parse(line.ts), gone });
  return line;
}

/** Transactions that were sent first although what they answer was known to have left. */
function sentInVain() {
  return world.sent().flatMap(({ problem, name, result, at, hash }) => {
    if (problem) return [problem];
    return left.filter(({ knownAt, gone }) => {
      return at > knownAt + UNDER_WAY_MS && gone.some(([one, answer]) => one === name && answer === String(result));
    }).map(({ knownAt }) => `${name}: ${hash} was sent first ${at - knownAt} ms after its request had left`);
  });
}

/** Everything that stands is answered, once and rightly; what had to be in vain is no problem. */
async function judged() {
  await look.answered([...world.requests.keys()], 40000);
  await look.waitCounter('executor_active', (n) => n === 0, 30000);
  const { signer_next_nonce: signed } = await look.counters();
  await until('every signed nonce is used', async () => await world.node.getNonce() === signed, 30000, 100);
  const sent = world.sent();
  const end = left.at(-1).knownAt + UNDER_WAY_MS;
  const early = new Set(sent.filter(({ at }) => at <= end).map(({ hash }) => hash));
  const verdict = await world.judge({ vain: (hash) => early.has(hash) });
  assert.deepEqual(verdict.problems, []);
  assert.deepEqual(sentInVain(), []);
  assert.deepEqual(verdict.pool, { pending: 0, queued: 0 });
  assert.equal((await look.counters()).executor_refused_edges, 0, 'nothing happened in a state that does not know it');
  return verdict;
}

// ---- one request at a time ----

test('blocks leave while their requests are open: asked again, each is answered once', async () => {
  const depth = 2;
  const counted = await look.counters();
  await world.core.control({ op: 'set', delayMs: 4000 });
  const kept = await world.ask(1, { sets: take(1) });
  const sets = take(depth);
  const askAll = async () => {
    const names = [];
    for (const set of sets) names.push(...await world.ask(1, { sets: [set] })); /* a block each */
    return names;
  };
  const names = await askAll();
  for (const name of [...kept, ...names]) await look.waitState(name, 'computing');
  await seen();
  const was = await reorg(depth);
  assert.equal(Number((await noticed(was)).blocks), depth);
  assert.deepEqual(was.gone.map(([name]) => name), names);
  for (const name of names) await look.waitState(name, 'retracted');
  assert.equal((await look.show(kept[0])).state, 'computing');
  assert.equal(await look.grown(counted, 'executor_retracted'), depth);
  assert.equal(await look.grown(counted, 'listener_retracted_blocks'), depth);
  await world.core.control({ op: 'set', delayMs: 0 });

  /* Their users ask again for the same: the same ids, because the contract has forgotten too. */
  assert.deepEqual(await askAll(), names);
  left.pop();
  await look.answered([...kept, ...names]);
  look.counted(was.from, { L009: 1, L010: 0, X010: 0, T003: 0 });
  await look.judged();
});

test('blocks leave with requests and answers and come back in others: nothing is paid twice', async () => {
  for (const depth of [1, 2, 3]) {
    await look.answered(await world.ask(2));
    await seen();
    const was = await reorg(depth, (list) => list.map(({ raw, at }) => [raw, at]));
    assert.deepEqual(was.gone, []);
    await noticed(was);
    await look.answered([...world.requests.keys()]);
    look.counted(was.from, { L009: 1, L010: 0, X010: 0, T004: 0 });
  }
  await look.waitFine();
  await look.judged();
});

test('an answer leaves with its block, its request stays: the same bytes again', async () => {
  const counted = await look.counters();
  const [name] = await world.ask(1);
  await look.answered([name]);
  for (let times = 0; times < 2; times++) {
    const { tx } = await look.waitState(name, 'done');
    await seen();
    const was = await reorg(1);
    assert.ok(was.answers.has(name) && !was.answersNow.has(name));
    await noticed(was);
    await look.answered([name]);
    const row = await look.waitState(name, 'done');
    assert.equal(row.tx, tx);
    look.counted(was.from, { L009: 1, T003: 0, X010: 0 });
  }
  assert.equal(await look.grown(counted, 'submitter_signed'), 1);
  await look.judged();
});

test('a receipt that was on its way when its block left is not believed', async () => {
  const counted = await look.counters();
  let held = 0;
  let release;
  const released = new Promise((resolve) => { release = resolve; });
  front.forge = async (method, params, got) => {
    if (method === 'eth_getTransactionReceipt' && got && ++held) await released;
    return got;
  };
  const [name] = await world.ask(1);
  await until('its receipt is on its way', () => held > 0);
  await seen();
  const was = await reorg(1);
  assert.ok(was.answers.has(name) && !was.answersNow.has(name));
  await noticed(was);
  const asked = front.calls.eth_getTransactionCount;
  await until('the nonce is known to have gone back', () => front.calls.eth_getTransactionCount > asked + 2);
  front.forge = null;
  release();
  await look.answered([name]);
  await look.waitState(name, 'done');
  assert.equal(await look.grown(counted, 'submitter_signed'), 1);
  await look.judged();
});

test('the contract asks for something else before the listener knows: nobody is called', async () => {
  const counted = await look.counters();
  const [[mine], [other]] = [take(1), take(1)];
  assert.equal((await world.cli('pause', 'sending')).code, 0);
  const [name] = await world.ask(1, { sets: [mine] });
  await look.waitState(name, 'submitting');
  await seen();
  const pid = world.signal('kms-listener', 'SIGSTOP'); /* for less time than hung ones have */
  const was = await reorg(1, changed(other));
  try {
    assert.equal((await world.cli('continue', 'sending')).code, 0);
    await look.waitCounter('submitter_preflight_reverts', (n) => n > counted.submitter_preflight_reverts);
    await world.core.forget();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await noticed(was);
  await judged();
  look.counted(was.from, { L009: 1, T001: 0, T009: 0, X009: 0, X010: 0 });
  assert.match((await look.status()).text, /^needs you: nothing\n/);
});

// ---- the same id with other content ----

/* Each request comes again under its nonce, and so under its id, with other ciphertexts. */
const changed = (...sets) => async (list) => {
  const asking = list.filter(({ ours }) => !ours);
  assert.equal(asking.length, sets.length);
  return Promise.all(asking.map(async ({ nonce }, i) => [await world.signAsOwner(world.publicCall([sets[i]]), nonce), 0]));
};

const versions = async (name) => (await (await fetch(`${world.monitorUrl}/v1/requests/${name}`)).json()).requests;

test('the Core knows the ids with other content: each waits for an operator, and nobody else', async () => {
  const sets = take(6); /* five requests in trouble would pause the stage if it was the Core's */
  const others = take(6);
  await world.core.control({ op: 'set', delayMs: 3000 });
  const names = await world.ask(6, { sets });
  await until('the Core has them', async () => (await world.core.stats()).waiting === 6);
  await seen();
  const was = await reorg(await down(names[0]), changed(...others));
  assert.equal(was.gone.length, 6);
  await noticed(was);
  await world.core.control({ op: 'clear' });
  for (const name of names) {
    assert.match((await look.waitLine('X018', { from: was.from, id: name })).why, /^id_conflict: /);
  }
  await look.answered(await world.ask(2), 10000); /* a pause would take 30 s */
  for (const name of names) assert.match((await look.waitLine('X010', { from: was.from, id: name }, 20000)).reason, /^id_conflict: /);
  assert.equal((await look.status()).code, 2);
  look.counted(was.from, { X004: 0, X005: 0, X018: 6, X023: 0 });
  await world.core.forget();
  for (const name of names) assert.equal((await world.cli('retry', name)).code, 0);
  await judged();
  await look.waitFine();
});

/** After content A was answered and B came for it: B is answered, and nothing new is said of A. */
async function replaced(name, tx, { knownAt }) {
  await judged();
  const { expected } = world.requests.get(name);
  const row = await look.waitState(name, 'done');
  assert.notEqual(row.tx, tx);
  const mine = world.sent().filter((one) => one.name === name);
  assert.deepEqual(mine.filter(({ at }) => at > knownAt).map(({ result }) => String(result)), [String(expected)]);
  assert.equal(mine.filter(({ result }) => String(result) === String(expected))[0].hash, row.tx);
  const rows = await versions(name);
  assert.deepEqual(rows.map(({ state }) => state), ['done', 'retracted']);
  /* The request left before the answer to it, which nobody brought again. */
  assert.deepEqual(rows[1].history.slice(-2).map(({ state }) => state), ['done', 'retracted']);
}

test('answered, then replaced by other content under the same id: answered again, and back', async () => {
  const [first, second] = take(2);
  const [name] = await world.ask(1, { sets: [first] });
  await look.answered([name]);
  const { tx } = await look.waitState(name, 'done');
  await seen();
  const was = await reorg(await down(name), changed(second));
  assert.ok(was.answers.has(name) && !was.answersNow.has(name));
  await noticed(was);
  await until('both versions are known', async () => (await versions(name)).length === 2);
  await world.core.forget(); /* it has been started again; else it would answer for the first */
  await replaced(name, tx, left.at(-1));
  look.counted(was.from, { X010: 0, T001: 0, T003: 0 });

  /* The first content again: it has its answer, and the bytes that say so. */
  const counted = await look.counters();
  await seen();
  const back = await reorg(await down(name), () => [[was.list.find(({ ours }) => !ours).raw, 0]]);
  assert.equal(String(world.requests.get(name).expected), was.requests.get(name));
  left.splice(left.findIndex(({ gone }) => gone === was.gone), 1); /* it stands again */
  await noticed(back);
  await judged();
  await until('the first version is done', async () => {
    return (await versions(name)).find((row) => row.tx === tx)?.state === 'done';
  });
  assert.equal(await look.grown(counted, 'submitter_signed'), 0);
  assert.equal(await look.grown(counted, 'executor_core_calls'), 0);
});

test('the same while the connector is down', async () => {
  const [first, second] = take(2);
  const [name] = await world.ask(1, { sets: [first] });
  await look.answered([name]);
  const { tx } = await look.waitState(name, 'done');
  await seen();
  await world.stopConnector();
  const was = await reorg(await down(name), changed(second));
  await world.core.forget();
  await world.chain.mine(3);
  await world.startConnector();
  assert.equal((await noticed(was)).seen, 'later');
  await replaced(name, tx, left.at(-1));
  look.counted(was.from, { L009: 1, X010: 0, T001: 0, T003: 0 });
});

// ---- while requests flow ----

/** Blocks: by time, or as soon as there is a transaction for one.  Between stop() and start() none. */
function makeMiner(byTime) {
  const { chain } = world;
  let runs = false;
  let loop;
  const mine = async () => {
    while (runs) {
      if (byTime || Number((await chain.rpc('txpool_status')).pending)) await chain.mine();
      await sleep(byTime ? BY_TIME_MS : 10);
    }
  };
  return {
    start: () => {
      runs = true;
      loop = mine();
    },
    stop: () => {
      runs = false;
      return loop;
    },
  };
}

/** Users who ask steadily until stop(); between(work) has nobody ask meanwhile. */
function startLoad() {
  let on = true;
  let turn = Promise.resolve();
  const between = (work) => {
    const mine = turn.then(work);
    turn = mine.catch(() => {});
    return mine;
  };
  const run = (async () => {
    while (on) {
      await between(askSome);
      await sleep(random.between(30, 150));
    }
  })();
  run.catch(() => {}); /* stop() throws it again */
  return {
    between,
    stop: () => {
      on = false;
      return run;
    },
  };
}

function askSome() {
  if (random.below(5) === 0) return world.askUser(1, { sets: take(1) });
  const count = random.between(1, 3);
  return world.ask(count, { sets: take(count) });
}

/**
 * What comes again: most requests in other blocks, some of them with other content; the last ones
 * vanish, so that others will have their ids.  Of the answers the first few, wherever.
 */
async function others(list, depth) {
  const asking = list.filter(({ ours }) => !ours);
  const answers = list.filter(({ ours }) => ours);
  const most = Math.floor(asking.length / 3);
  const stay = asking.slice(0, asking.length - (most ? random.between(1, most) : 0));
  const places = stay.map(() => random.below(depth)).sort((a, b) => a - b);
  const txs = [];
  for (const [i, { raw, nonce, call }] of stay.entries()) {
    const other = call.name.startsWith('public') && random.below(4) === 0;
    txs.push([other ? await world.signAsOwner(world.publicCall(take(1)), nonce) : raw, places[i]]);
  }
  let place = 0;
  for (const { raw } of answers.slice(0, random.below(Math.ceil(answers.length / 2)))) {
    place = random.between(place, depth - 1);
    txs.push([raw, place]);
  }
  return txs;
}

/* What happened to what was in the blocks that left, in numbers. */
function figures({ requests, answers, answersNow, inside, gone, list }, pending) {
  const now = standing();
  const stays = (name) => now.get(name) === requests.get(name);
  return {
    requests: inside.length,
    again: inside.filter(stays).length,
    changed: gone.filter(([name]) => now.has(name)).length,
    vanished: gone.filter(([name]) => !now.has(name)).length,
    answers: list.filter(({ ours }) => ours).length,
    answeredAndGone: gone.filter(([name]) => answers.has(name)).length,
    answersGone: [...answers.keys()].filter((name) => stays(name) && !answersNow.has(name)).length,
    pending,
  };
}

/* The reorganisation itself, while nobody asks and no block comes. */
async function leave(depth, miner, { deaf }) {
  for (;;) { /* with a request in what leaves */
    await askSome();
    await miner.stop();
    const head = await world.chain.head();
    if ([...world.requests.values()].some(({ block }) => block > head - depth)) break;
    miner.start();
  }
  try {
    await seen();
    const pending = Number((await world.chain.rpc('txpool_status')).pending);
    if (deaf) world.signal('kms-listener');
    const was = await reorg(depth, (list) => others(list, depth));
    await noticed(was);
    if (was.gone.length) await world.core.forget(); /* else it answers for what had these ids */
    return figures(was, pending);
  } finally {
    miner.start();
  }
}

const rows = [
  { depth: 1, byTime: true }, { depth: 2 }, { depth: 7, byTime: true }, { depth: 7, deaf: true }, { depth: 64 },
];
for (const { depth, byTime, deaf } of rows) {
  const how = `${byTime ? 'blocks by time' : 'blocks by need'}${deaf ? ', the listener is away' : ''}`;
  test(`a reorganisation of depth ${depth} while requests flow (${how})`, { timeout: 120000 }, async (t) => {
    t.diagnostic(`SEED=${random.seed}`);
    await world.chain.rpc('evm_setAutomine', false);
    const miner = makeMiner(byTime);
    const start = await world.chain.head();
    miner.start();
    const load = startLoad();
    let found;
    try {
      await until('there are blocks to leave', async () => await world.chain.head() > start + depth + 5, 40000);
      found = await load.between(() => leave(depth, miner, { deaf }));
      await sleep(1500);
      await load.stop();
      const verdict = await judged();
      t.diagnostic(`${JSON.stringify(found)}; ${verdict.asked} stand, ${verdict.transactions} transactions, ${verdict.reverted} in vain`);
    } finally {
      await load.stop().catch(() => {});
      await miner.stop();
    }
    const { from } = left.at(-1);
    look.counted(from, { ...(!deaf && { L009: 1 }), L010: 0, T001: 0, T003: 0, T009: 0, X009: 0, X010: 0, X023: 0 });
    if (depth > 7) for (const [what, count] of Object.entries(found)) assert.ok(count > 0 || what === 'pending', what);
  });
}
