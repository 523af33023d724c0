/*
 * reorgs - blocks that leave the chain, and what nodes say is final.
 */
import assert from 'node:assert/strict';
import { id as keccakOfText, toBeHex } from 'ethers';
import { startFakeChain } from '../peers/fakechain.mjs';
import { until } from '../peers/process.mjs';
import { UNMOVED, atHead } from './ground.mjs';

const DAY_S = 24 * 3600;

// ---- reorganisations ----

/** The hashes of our transactions in the newest blocks. */
async function ourAnswers(g, depth) {
  const head = await g.chain.head();
  const numbers = Array.from({ length: Math.min(depth, 20) }, (_, i) => head - depth + 1 + i);
  const blocks = await g.chain.batch(numbers.map((n) => ['eth_getBlockByNumber', [`0x${n.toString(16)}`, true]]));
  return blocks.flatMap(({ transactions }) => transactions).filter(({ from }) => from.toLowerCase() === g.world.node.address.toLowerCase())
    .map(({ hash }) => hash);
}

const depths = [1, 7, 64, 2, 1000, 4096];

/* Blocks leave of which only the headers have been read, and the head is far above them. */
async function leaveUnread(g) {
  const before = await g.look.counters();
  await g.chain.lie({ lie: 'error', methods: ['eth_getLogs', 'eth_getBlockReceipts'] });
  const names = await g.ask(9);
  await g.look.waitCounter('listener_blocks', (n) => n >= before.listener_blocks + 9);
  await g.proxies[0].fault('stall', { dir: 'both', open: true });
  await g.chain.reorg(4, {});
  await g.chain.mine(8);
  await g.world.resync();
  await g.heals(names, async () => {
    await g.chain.truth();
    await g.proxies[0].clear();
  });
}

/*
 * Reorganisations of growing depth above the finalized block, the requests stay and our answers
 * leave with their blocks: one line each, and all is answered again by the bytes of before.
 */
export async function L33(t) {
  const g = await t.ground({ chain: { safe: 5000, finalized: 6000 } });
  await g.start();
  for (const depth of depths.slice(0, t.times)) {
    const names = await g.ask(2);
    await g.answered(names);
    if (depth > 4) await g.chain.mine(depth - 4);
    await atHead(g);
    const [from, before] = [g.look.mark(), await g.look.counters()];
    const ours = await ourAnswers(g, depth);
    await g.heals(names, () => g.chain.reorg(depth, { drop: ours }), 2000 + depth);
    const line = await g.look.waitLine('L009', { from });
    assert.equal(Number(line.blocks), depth);
    g.look.counted(from, { L009: 1, L010: 0, T003: 0, T004: 0, X010: 0 });
    assert.equal(await g.look.grown(before, 'signer_signed'), 0, 'the same bytes');
    await g.world.resync();
    await atHead(g);
  }
  await leaveUnread(g);
  await g.finish();
}

/** The transaction that asked for a request which is in a block of its own. */
const askedBy = async (g, name) => {
  const { block } = g.world.requests.get(name);
  return (await g.chain.rpc('eth_getBlockByNumber', toBeHex(block).replace(/^0x0+/, '0x'), false)).transactions[0];
};

/** The request's block leaves; in its place the same id asks for other ciphertexts. */
async function replace(g, name, set) {
  const { block } = g.world.requests.get(name);
  const { to, data } = g.world.publicCall([set]);
  const call = { to, data, from: g.world.owner.address };
  const depth = await g.chain.head() - block + 1;
  await g.chain.reorg(depth, { replace: { [await askedBy(g, name)]: call } });
  await g.world.recount();
}

/*
 * The same id with other content after a reorganisation.  What the Core has not heard of is asked
 * for as it stands now.  Where the Core has heard of the id its answer is for what was: the request
 * waits for an operator, nobody else does, and nothing is sent.  (Answered already, then replaced:
 * reorgs.test.)
 */
export async function L34(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const [one, other] = [await g.world.makeCiphertexts([5]), await g.world.makeCiphertexts([5])];
    assert.equal((await g.world.cli('pause', 'core')).code, 0);
    const [unheard] = await g.ask(1);
    await atHead(g);
    const [from, before] = [g.look.mark(), await g.look.counters()];
    await replace(g, unheard, one);
    await g.look.waitCounter('executor_retracted', (n) => n === before.executor_retracted + 1);
    await g.heals([unheard], () => g.world.cli('continue', 'core'));
    g.look.counted(from, { L009: 1, X010: 0, X018: 0 });

    await g.core.control({ op: 'set', delayMs: 100000 });
    const [heard] = await g.ask(1);
    await until('the Core has it', async () => (await g.core.stats()).waiting >= 1);
    await atHead(g);
    const mark = g.look.mark();
    await replace(g, heard, other);
    await g.look.waitLine('L009', { from: mark });
    await g.core.control({ op: 'clear' });
    assert.equal(await g.core.finish(), 1);
    assert.match((await g.look.waitLine('X018', { from: mark, id: heard })).why, /^id_conflict: /);
    assert.match((await g.look.waitLine('X010', { from: mark, id: heard })).reason, /^id_conflict: /);
    await g.answered(await g.ask(1));
    assert.equal((await g.look.status()).code, 2);
    await g.core.forget();
    await g.heals([heard], () => g.world.cli('retry', heard));
    g.look.counted(mark, { L009: 1, X010: 1, X018: 1, X004: 0, X005: 0, T004: 0 });
  }
  await g.finish();
}

/* A request leaves with its block and never comes again: its answer is withheld. */
export async function L35(t) {
  const g = await t.ground();
  await g.start();
  for (let k = 0; k < t.times; k++) {
    const before = await g.look.counters();
    await g.core.control({ op: 'set', delayMs: 100000 });
    const [name] = await g.ask(1);
    await until('the Core has it', async () => (await g.core.stats()).waiting >= 1);
    await atHead(g);
    const from = g.look.mark();
    const depth = await g.chain.head() - g.world.requests.get(name).block + 1;
    await g.chain.reorg(depth, { drop: [await askedBy(g, name)] });
    await g.world.recount();
    await g.look.waitCounter('executor_retracted', (n) => n === before.executor_retracted + 1);
    assert.equal((await g.look.waitState(name, 'retracted')).state, 'retracted');
    await g.core.control({ op: 'clear' });
    await g.core.forget(); /* the next one has the same id */
    const next = await g.ask(1);
    assert.deepEqual(next, [name]);
    await g.heals(next, () => {});
    assert.equal(await g.look.grown(before, 'signer_signed'), 1);
    g.look.counted(from, { L009: 1, X010: 0, T004: 0 });
  }
  await g.finish();
}

/*
 * A finalized block leaves the chain, and one node alone says so: the chain is paused, ready no
 * more, nothing is taken back.  A second node that says the same ends it.
 */
export async function L36(t) {
  for (let k = 0; k < t.times; k++) {
    const g = await t.ground({ nodes: 2, chain: { safe: 2, finalized: 4 } });
    await g.start();
    const names = await g.ask(2);
    await g.answered(names);
    await g.chain.mine(10);
    await atHead(g);
    g.world.signal('kms-listener'); /* it begins with the tags */
    await g.look.waitCounter('listener_finalized', (n) => n >= g.world.requests.get(names[1]).block);
    await atHead(g);
    const { listener_finalized: finalized } = await g.look.counters();
    await g.proxies[1].refuse();
    const from = g.look.mark();
    const before = await g.look.counters();
    await g.chain.reorg(8, { keep: 'all', length: 10 });
    const line = await g.look.waitLine('L010', { from });
    assert.ok(Number(line.block) <= finalized);
    const status = await g.look.waitStatus(/listener cannot do its work yet: gateway: a finalized block left the chain/);
    assert.equal(status.code, 1);
    assert.equal(await g.ready(), 503);
    const more = await g.ask(2);
    const now = await g.look.counters();
    assert.equal(now.executor_retracted, before.executor_retracted);
    assert.equal(now.listener_reorgs, before.listener_reorgs);
    /* Asked again after 1 s, 2 s, 4 s, .. 10 s: once more as long as it lasted. */
    await g.heals([...names, ...more], () => g.proxies[1].forward(), 5000);
    g.look.counted(from, { L009: 1, L010: 1, T003: 0, X010: 0 });
    await g.finish();
  }
}

// ---- finality ----

/** A key that is asked for and waits, its preprocessing being done. */
async function waitingKey(g) {
  const pre = await g.world.askKey('preprocessKeygen');
  await g.answered([pre.name]);
  const { name } = await g.world.askKey('keygen', pre.resultId);
  await g.look.waitShow(name, 'waits', (row) => /^waits for settled: /.test(row.reason));
  return name;
}

const keygens = async (g) => Object.keys(await g.core.control({ op: 'ids', kind: 'keygen' })).length;

/*
 * A node's safe and finalized blocks are above its latest one, go back, or are its latest: levels
 * never pass the head and never go back, and a key waits for what no tag can say.
 */
export async function L51(t) {
  for (let k = 0; k < t.times; k++) {
    const g = await t.ground({ chain: { safe: 2, finalized: 4 } });
    await g.chain.mine(20);
    await g.start();
    const name = await waitingKey(g);
    let was = await g.look.counters();
    await g.chain.lie({ lie: 'tags_above', by: 5, share: 0.5, seed: 3 + k }, { lie: 'tags_back', by: 6 });
    await g.answered(await g.ask(2));
    const wrong = [];
    await until('the tags were asked for', async () => {
      const now = await g.look.counters();
      if (now.listener_finalized > now.listener_latest) wrong.push('finalized above latest');
      if (now.listener_finalized < was.listener_finalized) wrong.push('finalized went back');
      was = now;
      const { tags_above: above, tags_back: back } = await g.chain.told();
      return above && back;
    }, 30000, 100);
    assert.deepEqual(wrong, []);
    await g.chain.truth();
    await g.chain.set({ safe: 0, finalized: 0 }); /* what is latest is finalized, it says */
    const head = await g.chain.head();
    g.world.signal('kms-listener'); /* it begins with the tags */
    await g.look.waitCounter('listener_finalized', (n) => n >= head);
    assert.match((await g.look.show(name)).reason, /^waits for settled: chain time /);
    assert.equal(await keygens(g), 0, 'the Core has not heard of it');
    if (t.times > 1) {
      await g.chain.set({ safe: 1, finalized: 2 });
      await g.chain.clock(8 * DAY_S + 100);
      await g.chain.mine(4);
      await g.heals([name], () => {}, 6000); /* tags are asked for each 3 s */
    }
    g.look.counted(0, UNMOVED);
    await g.finish({ open: t.times > 1 ? 0 : 1 });
  }
}

const outbox = '0x00000000000000000000000000000000000000bb';

/*
 * The Outbox of the parent chain says nothing, names blocks that are not ours, names ours where it
 * is not final, and speaks two weeks late: only what it names in a final block releases a key.
 */
export async function L52(t) {
  for (let k = 0; k < t.times; k++) {
    const parent = await startFakeChain({ chainId: 31338, safe: 1, finalized: 2 });
    const g = await t.ground({ chain: { safe: 1, finalized: 2 } });
    g.world.started.push(parent);
    g.world.writeConfig({
      poll_interval: '20ms',
      parent_chain: { urls: parent.httpUrl, outbox_address: outbox, id: 31338, start_block: 0 },
    });
    const topic = keccakOfText('SendRootUpdated(bytes32,bytes32)');
    const say = (hash, contract = outbox) => parent.rpc('fake_request', [{ contract, topics: [topic, toBeHex(1, 32), hash], data: '0x' }]);
    const hashOf = async (n) => (await g.chain.rpc('eth_getBlockByNumber', `0x${n.toString(16)}`, false)).hash;
    await parent.mine(4);
    await g.start();
    const name = await waitingKey(g);
    const { block } = g.world.requests.get(name);
    await g.chain.mine(5);
    await g.look.waitLine('L017'); /* absent: said once, and waited for */
    assert.match((await g.look.show(name)).reason, /settled is not known yet$/);

    await g.chain.clock(15 * DAY_S); /* late: time alone releases nothing where there is a parent chain */
    await g.chain.mine(4);
    await say(await hashOf(block), '0x00000000000000000000000000000000000000cc'); /* forged: not the Outbox */
    await say(toBeHex(k + 5, 32)); /* forged: a block that nobody knows */
    await parent.mine(3);
    const doubt = await g.look.waitLine('L016', { reason: /it names a block that the chain does not know/ });
    assert.equal(doubt.chain, 'gateway');
    await g.answered(await g.ask(2)); /* nobody else waits */
    const { listener_parent_calls: calls } = await g.look.counters();
    await say(await hashOf(block)); /* true, and not final yet */
    await g.look.waitCounter('listener_parent_calls', (n) => n >= calls + 6); /* two looks at least */
    assert.match((await g.look.show(name)).reason, /^waits for settled: /);
    assert.equal(await keygens(g), 0, 'the Core has not heard of it');
    await g.heals([name], () => parent.mine(3), 4000); /* the parent chain is asked each 50 polls: 1 s */
    g.look.counted(0, { ...UNMOVED, L017: 1, L018: 1 });
    await g.finish();
  }
}
