/*
 * point - the scenario once, while one call of one process is trapped; then the verdict.
 *
 * Before the connector starts the chain asks for: a public decryption of two ciphertexts, a user
 * decryption, a public decryption that the Core refuses, and one preprocessing for a KSK whose
 * block is finalized already.  When the first is answered: a preprocessing for a key, a CRS, a
 * public decryption, and a preprocessing whose block leaves the chain; the first event once more;
 * and when its preprocessing is answered, a key generation.  Then the connector is asked to stop.
 * Whoever dies is started again: children by the supervisor, the supervisor as systemd would.
 * A call that does not come each time is met in a longer scenario: before the end there is one more
 * public decryption after the other, a look by an operator and a `reload` of the same file.
 */
import { rpcBatch } from '../peers/chain.mjs';
import { encodeResult } from '../peers/plaintext.mjs';
import { sleep } from '../peers/process.mjs';
import { faultsInJournal } from '../system/journal.mjs';
import { resultId } from '../system/requests.mjs';
import { FINALIZED } from './ground.mjs';

const DRAIN_MS = 45000; /* a stage that is paused is tried again, at most 30 s apart */
const STOP_MS = 8000;
const ROUNDS = 30; /* that a scenario can be longer */
const NEVER_AGAIN = [64, 77, 78]; /* RestartPreventExitStatus of the unit */
/* Lines that no crash excuses: a nonce that the journal does not know, a check that failed, ... */
const NEVER_SAID = ['G005', 'G007', 'G009', 'S004', 'T003', 'T008', 'K004', 'X018'];

const hex = (n) => `0x${BigInt(n).toString(16)}`;
const expectedOf = (materials) => encodeResult(materials.map((c) => ({ fheType: c.fheType, bytes: c.plaintext })));

/** One request event of a receipt: { id, log }. */
function readAsked(contract, receipt) {
  for (const log of receipt.logs) {
    const parsed = contract.interface.parseLog(log);
    if (parsed?.name.endsWith('Request')) return { id: parsed.args[0], log };
  }
  throw new Error('nothing was asked');
}

/** The run of one connector: started, kept alive, stopped. */
function makeKeeper(node, problems) {
  const self = { process: null, starts: 0, stopping: false };
  self.start = () => {
    self.process = node.start();
    self.starts++;
    self.stopping = false;
  };
  /* As systemd: what ended is started again. */
  self.look = () => {
    if (!self.process.ended || self.stopping) return;
    const { code } = self.process.ended;
    if (NEVER_AGAIN.includes(code)) problems.push(`the connector ended with ${code}: nobody starts it again`);
    if (self.starts > 5) throw new Error(`the connector does not stay: ${JSON.stringify(self.process.ended)}`);
    self.start();
  };
  self.stop = async () => {
    self.stopping = true;
    return self.process.stop('SIGTERM', STOP_MS);
  };
  return self;
}

/** Waits until ask() is true, keeps the connector alive meanwhile. */
async function drained(what, keeper, ask, timeoutMs = DRAIN_MS) {
  const end = Date.now() + timeoutMs;
  let why = '';
  for (;;) {
    keeper.look();
    try {
      const got = await ask();
      if (got === true) return;
      why = got || '';
    } catch (e) {
      why = e.message;
    }
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms for ${what}: ${why}`);
    await sleep(10);
  }
}

/**
 * What is known of the requests of one point.  `rows`: name in the books -> { kind, id, state,
 * expected } of what must become of it.
 */
function makeDesk(ground) {
  const { chain, manager, httpz, generation } = ground;
  const rows = new Map();
  const self = { rows, first: 0 };
  const events = [[manager, 'PublicDecryptionResponse', 'public'], [manager, 'UserDecryptionResponse', 'user'],
    ...Object.entries(generation.keyKinds).map(([kind, { answered }]) => [httpz, answered, kind])];
  const topics = [events.map(([c, event]) => c.interface.getEvent(event).topicHash)];
  const prefixes = { preprocessKeygen: 'prekeygen', preprocessKsk: 'preksk' };
  /* As in common/opid.c. */
  const nameOf = (kind, id) => `${prefixes[kind] ?? kind}-${id < 2n ** 64n ? id : hex(id)}`;

  /* Calls without a signature, a block for each `perBlock` of them. */
  self.send = async (wanted, perBlock) => {
    const hashes = await chain.send(wanted.map((w) => w.call), perBlock);
    const receipts = await rpcBatch(chain.httpUrl, hashes.map((hash) => ['eth_getTransactionReceipt', [hash]]));
    return wanted.map(({ kind, state = 'done', ...what }, i) => {
      const isKey = kind in generation.keyKinds;
      const { id, log } = readAsked(isKey ? httpz : manager, receipts[i]);
      const name = nameOf(kind, id);
      const expected = isKey ? resultId(kind, chain.chainId, httpz.target, id) : what.expected;
      const row = { name, kind, id, state, expected: String(expected), hash: hashes[i], log, block: Number(receipts[i].blockNumber) };
      rows.set(name, row);
      return row;
    });
  };

  /** All answers of this point on the chain: [{ name, result }]. */
  self.answers = async () => {
    const logs = await chain.rpc('eth_getLogs', { fromBlock: hex(self.first), toBlock: 'latest', address: [manager.target, httpz.target], topics });
    return logs.map((log) => {
      const [contract, , kind] = events[topics[0].indexOf(log.topics[0])];
      const { args } = contract.interface.parseLog(log);
      return { name: nameOf(kind, args[0]), results: [args[1]].flat().map(String) };
    });
  };
  self.areAnswered = async (...names) => {
    const have = new Set((await self.answers()).map((a) => a.name));
    const missing = names.filter((name) => !have.has(name));
    return missing.length ? `no answer to ${missing.join(', ')}` : true;
  };
  return self;
}

/* What the monitor says of our requests. */
async function readBooks(node) {
  return (await fetch(`${node.monitorUrl}/v1/requests?limit=200`, { signal: AbortSignal.timeout(2000) })).json();
}

/* Everything that an operator's window gives; what it says does not matter here. */
async function lookThroughWindow(node) {
  for (const route of ['/readyz', '/metrics', '/v1/requests?limit=5', '/v1/events?since=0']) {
    const gone = AbortSignal.timeout(500);
    await fetch(node.monitorUrl + route, { signal: gone }).then((r) => (route.includes('events') ? r.body.getReader().read() : r.text()))
      .catch(() => {});
  }
  await node.cli('status');
}

/* A little more of everything, until the call has come. */
async function goOn(ground, keeper, node, desk, hasCome) {
  const { calls } = ground;
  for (let i = 0; i < ROUNDS && !hasCome(); i++) {
    const [more] = await desk.send([{ kind: 'public', call: calls.one.call, expected: expectedOf(calls.one.materials) }]);
    const looking = lookThroughWindow(node);
    keeper.process.signal('SIGHUP');
    await drained('one more answer', keeper, () => desk.areAnswered(more.name));
    await looking;
  }
}

async function isKnown(node, name) {
  const { requests } = await readBooks(node);
  return requests.some((r) => r.id === name) || `${name} is unknown`;
}

async function scenario(ground, keeper, node, desk) {
  const { chain, core, calls } = ground;
  const two = { kind: 'public', call: calls.two.call, expected: expectedOf(calls.two.materials) };
  const one = { kind: 'public', call: calls.one.call, expected: expectedOf(calls.one.materials) };
  const key = (kind, name, more) => ({ kind, call: calls.key(name, ...(more?.args ?? [])), ...more });

  desk.first = (await chain.head()) + 1;
  const [first, user, refused, early] = await desk.send([
    two, { kind: 'user', call: calls.user.call, expected: calls.user.expected }, { ...one, state: 'refused' },
    key('preprocessKsk', 'preprocessKskRequest'),
  ], 2);
  await core.control({ op: 'fail', call: 'start', code: 'INVALID_ARGUMENT', ids: [refused.id.toString(16).padStart(64, '0')] });
  await chain.mine(FINALIZED);
  keeper.start();
  await drained('the first answer', keeper, () => desk.areAnswered(first.name));

  const looking = lookThroughWindow(node);
  const [prepared, crs, late, leaves] = await desk.send([
    key('preprocessKeygen', 'preprocessKeygenRequest'), key('crsgen', 'crsgenRequest'), one,
    key('preprocessKsk', 'preprocessKskRequest', { state: 'retracted' }),
  ], 4);
  const { address: contract, topics, data } = first.log;
  await chain.rpc('fake_request', [{ contract, topics, data }]);
  await drained('the answers', keeper, () => desk.areAnswered(prepared.name, late.name));
  /* An event that nobody could read while its block stood may stay unknown: this one is read. */
  await drained('what leaves to be known', keeper, () => isKnown(node, leaves.name));
  const generated = await desk.send([key('keygen', 'keygenRequest', { args: [prepared.expected] })]);
  /* An answer may come between the two calls: then its block is one too few. */
  while (await chain.rpc('eth_getTransactionReceipt', leaves.hash)) {
    await chain.reorg((await chain.head()) - leaves.block + 1, { drop: [leaves.hash] });
  }
  await chain.mine();
  await drained('all answers', keeper, () => desk.areAnswered(first.name, user.name, early.name, prepared.name, crs.name,
    late.name, generated[0].name));
  await looking;
}

/* Our own books, by the monitor: every request has the end that it must have. */
async function compareBooks(node, desk) {
  const { requests } = await readBooks(node);
  const mine = new Map(requests.map((r) => [r.id, r]));
  const wrong = [...desk.rows.values()].filter(({ name, state }) => mine.get(name)?.state !== state)
    .map(({ name, state }) => `${name} is ${mine.get(name)?.state ?? 'unknown'}, not ${state}`);
  if (wrong.length) return wrong.join('; ');
  for (const row of desk.rows.values()) {
    if (row.state === 'refused' && !mine.get(row.name).reason) return `${row.name} is refused without a reason`;
  }
  const ready = await fetch(`${node.monitorUrl}/readyz`, { signal: AbortSignal.timeout(2000) });
  if (ready.status !== 200) return `not ready: ${(await ready.text()).replace(/\n/g, '; ')}`;
  return true;
}

/* What our own log says cannot happen. */
function readLog(text, problems) {
  const said = text.split('\n').filter((line) => NEVER_SAID.some((code) => line.includes(` code=KC-${code} `)));
  if (said.length) problems.push(`the log says: ${said.slice(0, 3).join(' | ')}`);
}

/* The chain's ledger: what was sent, what became of it; and the journal: what was signed. */
async function judge(ground, node, desk, problems) {
  const { chain } = ground;
  const [verdict, counted] = await Promise.all([chain.judge(node.address),
    chain.rpc('eth_getTransactionCount', node.address, 'latest')]);
  const say = (count, what) => count && problems.push(`${count} ${what}`);
  say(verdict.twiceCount, `requests have two answers: ${JSON.stringify(verdict.twice)}`);
  say(verdict.nonceTwoCallsCount, `nonces stand for two calls: ${verdict.nonceTwoCalls}`);
  say(verdict.holesCount, `nonces never came: ${verdict.holes}`);
  say(verdict.unusedCount, `nonces are not used: ${verdict.unused}`);
  say(verdict.reverted, 'transactions reverted and were paid for');
  problems.push(...faultsInJournal(node.dataDir, await chain.sentBy(node.address, node.since)));
  const answers = await desk.answers();
  const wanted = [...desk.rows.values()].filter((r) => r.state === 'done');
  for (const { name, expected } of wanted) {
    const got = answers.filter((a) => a.name === name);
    if (got.length !== 1) problems.push(`${name} has ${got.length} answers`);
    else if (!got[0].results.includes(expected)) problems.push(`${name}: answered ${got[0].results}, expected ${expected}`);
  }
  for (const { name } of answers) {
    if (desk.rows.get(name)?.state !== 'done') problems.push(`${name} was answered`);
  }
  const sent = Number(counted) - node.transactions;
  if (sent !== wanted.length) problems.push(`${sent} transactions for ${wanted.length} answers`);
  node.transactions = Number(counted);
}

/**
 * { fired, count, where, problems, ms, drainMs }: whether the call came, how many were made, which
 * it was, and how long all and the way from the crash to the end took.  `longer`: the scenario
 * goes on until it comes.
 */
export async function runPoint(ground, node, { role, mode, at, longer }) {
  const problems = [];
  const keeper = makeKeeper(node, problems);
  const desk = makeDesk(ground);
  const began = Date.now();
  const logged = node.log().length;
  let firedAt = 0;
  const read = () => {
    if (!role) return {};
    const now = ground.trap.read(role);
    if (now.fired && !firedAt) firedAt = Date.now();
    return now;
  };
  const settle = () => drained('the books to say so', keeper, () => (read(), compareBooks(node, desk)));
  /* Whether the first supervisor met it and has ended: perhaps before its children knew, who
     live on for a second and say that all is well. */
  const hasEnded = (how) => role === 'supervisor' && keeper.starts === 1 && read().fired && how.code !== 0;

  ground.trap.order(role, mode, at);
  try {
    await scenario(ground, keeper, node, desk);
    if (longer) await goOn(ground, keeper, node, desk, () => read().fired);
    let known;
    let how;
    /* What happens on the way out is a crash as well: the next start must find everything. */
    do {
      if (how) keeper.start();
      known = read().fired;
      await settle();
      how = await keeper.stop();
    } while ((read().fired && !known) || hasEnded(how));
    if (how.code !== 0) problems.push(`asked to stop it ended with ${JSON.stringify(how)}`);
    await judge(ground, node, desk, problems);
  } catch (e) {
    problems.push(e.message);
  }
  readLog(node.log().slice(logged), problems);
  if (keeper.process && !keeper.process.ended) await keeper.process.kill();
  await ground.core.control({ op: 'clear' });
  const { fired = false, count, where } = read();
  return { fired, count, where, problems, ms: Date.now() - began, drainMs: firedAt ? Date.now() - firedAt : 0 };
}
