/*
 * rig - one connector between the fast peers, a load for it, and what the system says of its
 * processes: processor time, memory, calls.
 */
import fs from 'node:fs';
import { randomBytes } from 'node:crypto';
import { hexlify, toBeHex } from 'ethers';
import { descendants, readProcess, sleep, until } from '../peers/process.mjs';
import { lookAt } from '../system/look.mjs';
import { startWorld } from '../system/world.mjs';

const FHE_TYPE = 5; /* one word of plaintext */
const BODY = 4096;
const DISTINCT = 1000; /* bodies, used in turn */
const POST = 500; /* events in one request to the chain */

/** The processes of a connector, as their rows are called. */
export const PROCESSES = ['kms-connector', 'kms-listener', 'kms-executor', 'kms-submitter', 'kms-signer', 'kms-monitor'];

/**
 * Starts peers and connector.  Options: those of startWorld besides; `idle`: the connector is not
 * started; size and distinct: of the bodies.
 *
 * A rig has world, look, and
 *   begin(count[, {perBlock}])  so many requests, at once; returns their ids
 *   pace(perSecond, count)      so many, evenly
 *   answered()                  how many transactions the chain took
 *   drain([timeoutMs])          waits until all are answered
 *   settled()                   waits until the connector's own books have ended all, too
 *   sentAt()                    Map of id -> Unix milliseconds of our first transaction for it
 *   pssKib()                    memory of all processes
 *   usage()                     { name: { cpuUs, pssKib } } of the connector's processes
 *   peersCpuUs()                { name: processor time } of the peers
 *   judge()                     throws when the chain's ledger finds anything wrong
 */
export async function startRig({ size = BODY, distinct = DISTINCT, idle = false, chain, core, bucket, config, ...more } = {}) {
  const world = await startWorld({
    proxy: false, coprocessors: 1, chain: { fake: true, ...chain }, core: { fake: true, ...core }, bucket: { fake: true, ...bucket },
    config: { sign: { hour: '100000eth', day: '100000eth' }, ...config }, ...more,
  });
  await world.chain.fund(world.node.address, 1_000_000);
  const self = { world, look: lookAt(world), asked: 0, bodies: 0 };
  const template = makeTemplate(world);
  let digests = [];

  /** Other bodies from now on. */
  self.useBodies = async (bytes, count) => {
    digests = await world.bucket.seed({ seed: 1 + bytes, first: self.bodies, count, size: bytes });
    self.bodies += count;
  };
  await self.useBodies(size, distinct);

  const events = (count) => Array.from({ length: count }, () => {
    const id = ++self.asked;
    return template(id, self.digestOf(id));
  });
  /** A request's digest and its id, as the peers name it. */
  self.digestOf = (id) => digests[id % digests.length];
  self.keyOf = (id) => toBeHex(id, 32);
  const ids = (count) => Array.from({ length: count }, (_, i) => self.asked - count + 1 + i);

  self.begin = async (count, { perBlock = 100 } = {}) => {
    for (let left = count; left > 0; left -= POST) {
      await world.chain.rpc('fake_request', events(Math.min(POST, left)), perBlock);
    }
    return ids(count);
  };
  self.pace = async (perSecond, count) => {
    const began = Date.now();
    for (let done = 0; done < count;) {
      const due = Math.min(count, Math.floor(((Date.now() - began) * perSecond) / 1000) + 1);
      if (due > done) await world.chain.rpc('fake_request', events(due - done));
      done = Math.max(due, done);
      await sleep(Math.max(1, began + (done * 1000) / perSecond - Date.now()));
    }
    return ids(count);
  };
  const accepted = async () => (await world.chain.ledger(0, 0)).totals.accepted;
  const before = await accepted(); /* of those who set the world up */
  self.answered = async () => (await accepted()) - before;
  self.drain = (timeoutMs = 120000) => until('all are answered', async () => {
    return (await self.answered()) >= self.asked;
  }, timeoutMs, 10);
  self.settled = () => until('all are closed', async () => {
    const { executor_open: open, executor_active: active } = await self.look.counters();
    return active === 0 && open >= 0;
  }, 30000, 50);
  self.sentAt = async () => {
    const found = new Map();
    for (let from = 0; ; from += 50000) {
      const { rows } = await world.chain.ledger(from, 50000);
      for (const row of rows) if (!found.has(Number(row.request))) found.set(Number(row.request), row.timeMs);
      if (rows.length < 50000) return found;
    }
  };
  self.pssKib = () => world.processes().reduce((sum, { pid }) => sum + pssKib(pid), 0);
  self.usage = () => Object.fromEntries(world.processes().map(({ name, pid }) => [name, { cpuUs: cpuUs(pid), pssKib: pssKib(pid) }]));
  self.peersCpuUs = () => ({
    fakechain: cpuUs(world.chain.pid), fakecore: cpuUs(world.core.pid), fakebucket: cpuUs(world.bucket.pid),
  });
  self.judge = async () => {
    const verdict = await world.chain.judge(world.node.address);
    const wrong = ['twiceCount', 'nonceTwoCallsCount', 'holesCount', 'unusedCount', 'reverted', 'open'].filter((name) => verdict[name]);
    if (wrong.length) throw new Error(`the ledger says ${JSON.stringify(verdict)}`);
    return verdict;
  };
  self.stop = () => world.stop();
  try {
    if (!idle) {
      await world.startConnector();
      await self.look.waitFine();
    }
  } catch (e) {
    await world.stop();
    throw e;
  }
  return self;
}

/* One event, encoded once; what differs between requests is put into its place. */
function makeTemplate(world) {
  const marks = { handle: hexlify(randomBytes(32)), digest: hexlify(randomBytes(32)), id: hexlify(randomBytes(32)) };
  const material = [marks.handle, 7n, marks.digest, world.coprocessors.map((c) => c.address)];
  const { topics, data } = world.manager.interface.encodeEventLog('PublicDecryptionRequest', [marks.id, [material]]);
  const [head, rest] = data.split(marks.handle.slice(2));
  const [middle, tail] = rest.split(marks.digest.slice(2));
  const contract = world.manager.target;
  const prefix = randomBytes(20).toString('hex');
  return (id, digest) => {
    const handle = `${prefix}${id.toString(16).padStart(20, '0')}${FHE_TYPE.toString(16).padStart(2, '0')}00`;
    return {
      contract, topics: [topics[0], toBeHex(id, 32)], data: `${head}${handle}${middle}${digest.slice(2)}${tail}`,
    };
  };
}

/** Processor time of a process since it began; microseconds, as exact as the system says. */
function cpuUs(pid) {
  const found = readProcess(pid);
  if (!found) return 0;
  const wrapped = found.name === 'setpriv' ? descendants(pid) : [found];
  return wrapped.reduce((sum, p) => sum + p.cpuMs * 1000, 0);
}

function pssKib(pid) {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0);
  } catch {
    return 0; /* it left in this instant */
  }
}

/** What happened between two usage(): { name: microseconds }, and their sum. */
export function spent(before, after) {
  const by = Object.fromEntries(Object.keys(after).map((name) => [name, after[name].cpuUs - (before[name]?.cpuUs ?? 0)]));
  return { by, sum: Object.values(by).reduce((a, b) => a + b, 0) };
}
